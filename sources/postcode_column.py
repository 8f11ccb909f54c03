"""Which column of a table holds postcodes, and how the text of a table is cut into cells.

static/spreadsheet.js has the same rules in the browser; the tests hold both to one table of cases.
"""

import csv
import io
import re
from collections.abc import Sequence

from sources import postcode

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
TITLE = re.compile(r"post ?code|postal code|\bpcds?\b|\bpcd[0-9]?\b|^pc$", re.IGNORECASE)
"""What the name of a column of postcodes has in it, with blanks in the place of lines and dots."""
NO_POSTCODE = re.compile(
    r"\W*|n/?a|n/?k|nfa|nil|nan|null|none|blank|empty|missing|unknown|not (?:known|given|stated|applicable|available)"
    r"|no (?:fixed abode|postcode)|post ?code (?:unknown|not (?:known|given|stated)|missing|withheld)"
    r"|homeless|abroad|refused|withheld|tbc",
    re.IGNORECASE,
)
"""What stands in the place of a postcode that is not known."""
EXCEL = re.compile(r"sep=(.)\r?\n", re.IGNORECASE)
"""The first line by which Excel is told what is between the cells."""


def is_title(text: str) -> bool:
    """Return whether `text` is the name of a column of postcodes, such as Postcode, post_code or pcds."""
    name = re.sub(r"[\s_.-]+", " ", text).strip()
    return TITLE.search(name) is not None and not NO_POSTCODE.fullmatch(name) and postcode.normalise(text) is None


def only_title(names: Sequence[str]) -> int | None:
    """Return the place of the one name that is that of a column of postcodes, None where there are none or several."""
    places = [place for place, name in enumerate(names) if is_title(name)]
    return places[0] if len(places) == 1 else None


def cut(text: str) -> tuple[str, str | None]:
    """Return a table's text without the line `sep=;`, and the delimiter that it names, None where there is none."""
    match = EXCEL.match(text)
    return (text[match.end() :], match[1]) if match else (text, None)


def first_row(text: str, delimiter: str) -> list[str]:
    """Return the first row of a table. Raises csv.Error."""
    return next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True), [])


def delimiter_of(text: str, title: str) -> str:
    """Return the delimiter by which the first row has the column `title`, or else one of postcodes, or else most cells.

    Of the same number of cells it is the comma.
    """

    def by(delimiter: str) -> tuple[bool, bool, int]:
        try:
            names = first_row(text, delimiter)
        except csv.Error:
            return False, False, 0
        alike = title.strip().casefold() in (name.strip().casefold() for name in names)
        return alike, any(map(is_title, names)) and len(names) > 1, len(names)

    return max(DELIMITERS, key=by)
