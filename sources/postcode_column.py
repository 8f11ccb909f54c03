"""Which column of a table holds postcodes, which of its rows has the names, and how its text is cut into cells.

The page /spreadsheet has the same rules in the browser (static/spreadsheet.js); one table of cases tests both.
"""

import contextlib
import csv
import io
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from sources import postcode
from sources.other_formats import FORMATS

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
LOOKED_AT = 50
"""Rows by which the delimiter and the column are told."""
MOST_ABOVE = 20
"""Rows that may stand above the names of the columns: titles, dates, empty ones."""
MOST_IN_A_NAME = 40  # characters
MOST_NAMES = 20  # in a message

TITLE = re.compile(r"post ?code|postal code|\bpcds?\b|\bpcd[0-9]?\b|^pc$", re.IGNORECASE)
"""What the name of a column of postcodes has in it, with blanks in the place of lines and dots."""
NO_POSTCODE = re.compile(
    r"\W*|n/?a|n/?k|nfa|nil|nan|null|none|blank|empty|missing|unknown|not (?:known|given|stated|applicable|available)"
    r"|(?:of )?no (?:fixed (?:abode|address)|known address|address|postcode)"
    r"|post ?code (?:unknown|not (?:known|given|stated)|missing|withheld)"
    r"|homeless|abroad|overseas|traveller|refused|withheld|tbc",
    re.IGNORECASE,
)
"""What stands in the place of a postcode that is not known."""
VALUE = re.compile(
    r"\b[A-Z]{1,2}[0-9][A-Z0-9]?\s*[0-9][A-Z]{2}\b"
    r"|^[-+]?[0-9][0-9.,]*$"
    r"|\b[0-9]{1,4}[-/.][0-9]{1,2}[-/.][0-9]{1,4}\b"
    r"|^(?=.*[0-9])[A-Z0158]{1,2}[0-9OILSB][A-Z0-9]?\s*[0-9OILSB][A-Z0158]{2}$"
    r"|\S@\S"
    r"|[0-9](?:[ -]?[0-9]){5}"
    r"|^[^A-Z]*$",
    re.IGNORECASE | re.ASCII,
)
"""What no column is called: a postcode or a near miss, six digits, a number, a date, an e-mail address."""
CERTAIN = re.compile(r"(?:\w+ ){0,3}(?:post ?code|postal code|pcds?|pcd[0-9])[0-9]?", re.IGNORECASE)
"""What only a name is."""
EXCEL = re.compile(r"sep=(.)(?:\r\n|\r|\n)", re.IGNORECASE)
"""The first line by which Excel is told what is between the cells."""
OUTWARD = re.compile(r"[A-Z]{1,2}[0-9]{1,2}|[A-Z]{1,2}[0-9][A-Z]|GIR|NPT", re.IGNORECASE | re.ASCII)
INWARD = re.compile(r"[0-9][A-Z]{2}", re.IGNORECASE | re.ASCII)

NO_NAMES = "The first row must be the names of the columns; it looks like a row of the table."

_FORMULA = re.compile(r'="([^"]*)"')

Rows = Sequence[Sequence[str]]


class NotFoundError(Exception):
    """Why it is not clear where the postcodes are. It holds no cell but names of columns that are certainly names."""


@dataclass(frozen=True)
class Found:
    """Where the postcodes of a table are. header: the row of the names, from 0.

    places: the column, from 0, or those of the outward and the inward code.
    """

    header: int
    places: tuple[int, ...]


def plain(name: str) -> str:
    """Return the name of a column as names are compared: in small letters, with one blank for white space, no marks."""
    seen = "".join(c for c in name if unicodedata.category(c) != "Cf")
    return " ".join(seen.split()).casefold()


def is_title(text: str) -> bool:
    """Return whether `text` is the name of a column of postcodes, such as Postcode, post_code or pcds."""
    name = _words(text)
    return TITLE.search(name) is not None and not NO_POSTCODE.fullmatch(name) and not is_postcode(text)


def only_title(names: Sequence[str]) -> int | None:
    """Return the place of the one name that is that of a column of postcodes, None where there are none or several."""
    places = [place for place, name in enumerate(names) if is_title(name)]
    return places[0] if len(places) == 1 else None


def bare(cell: str) -> str:
    """Return what Excel shows of a cell that is written as it writes texts: SW1A 1AA for ="SW1A 1AA"."""
    match = _FORMULA.fullmatch(cell.strip()) if cell.lstrip().startswith('="') else None
    return match[1] if match else cell


def is_postcode(cell: str) -> bool:
    """Return whether a cell has the form of a postcode."""
    return postcode.normalise(bare(cell)) is not None


def rules() -> dict[str, object]:
    """Return the patterns and numbers of this module for the page: the patterns are such as JavaScript reads, too."""
    patterns = {"title": TITLE, "noPostcode": NO_POSTCODE, "value": VALUE, "certain": CERTAIN}
    patterns |= {"outward": OUTWARD, "inward": INWARD}
    told: dict[str, object] = {name: pattern.pattern for name, pattern in patterns.items()}
    told |= {"lookedAt": LOOKED_AT, "mostAbove": MOST_ABOVE, "mostInAName": MOST_IN_A_NAME}
    return told | {"formats": FORMATS, "lookAlikes": postcode.LOOK_ALIKES}


# Text into cells


def cut(text: str) -> tuple[str, str | None]:
    """Return a table's text without the line `sep=;`, and the delimiter that it names, None where there is none."""
    match = EXCEL.match(text)
    return (text[match.end() :], match[1]) if match else (text, None)


def first_rows(text: str, delimiter: str) -> list[list[str]]:
    """Return the first LOOKED_AT rows of a table, or as many as can be read; quotes that are wrong matter not."""
    rows: list[list[str]] = []
    with contextlib.suppress(csv.Error):  # it is refused with its line when the table is read
        rows.extend(islice(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), LOOKED_AT))
    return rows


def delimiter_of(text: str, *names: str) -> str:
    """Return the delimiter of a table by its first rows.

    It is that by which a column is called one of `names`, then the most cells of a column are postcodes, then a column
    of several is called postcode, then the row of the names has the most cells. Where all are alike it is the comma.
    """
    wanted = set(map(plain, names))

    def by(delimiter: str) -> tuple[bool, int, bool, int]:
        rows = first_rows(text, delimiter)
        upper = rows[: MOST_ABOVE + 1]
        asked = [row for row in upper if not wanted.isdisjoint(map(plain, row))]
        titled = [row for row in upper if len(row) > 1 and any(map(is_title, row))]
        [first, *_] = [*asked, *titled, *rows, []]
        return bool(asked), max(_postcodes(rows).values(), default=0), bool(titled), len(first)

    return max(DELIMITERS, key=by)


def first_line_end(text: str) -> str:
    r"""Return how the first row of a text ends: "\n", "\r\n" or "\r". What is in quotes is a cell's own."""
    match = re.match(r'(?:"(?:[^"]|"")*"|[^\r\n"])*+(\r\n|\r|\n)', text)
    return match[1] if match else "\r" if "\r" in text and "\n" not in text else "\n"


# The column


def find(rows: Rows, asked: str | None) -> Found:
    """Return where the postcodes are in a table that begins with `rows`. Raises NotFoundError.

    asked: the name of the column, in its very letters or else in any case, or two with a comma between for the outward
    and the inward code; or their numbers, from 1. Without it the column is the one that is called postcode, or the only
    one whose name says so, or the only one that holds postcodes below a row of names.
    """
    if asked is None:
        return _titled(rows) or _by_cells(rows)
    halves = asked.split(",")
    for names in ([asked], halves) if len(halves) == 2 else ([asked],):
        for n in _may_be_header(rows):
            places = [_place(rows[n], name) for name in names]
            if None not in places:
                return Found(n, tuple(place for place in places if place is not None))
    if len(halves) <= 2 and all(re.fullmatch(r" *[0-9]{1,5} *", half, re.ASCII) for half in halves):
        return _numbered(rows, asked, [int(half) - 1 for half in halves])
    raise NotFoundError(_without(rows, f"There is no column '{asked}'"))


def _place(row: Sequence[str], name: str) -> int | None:
    for alike in (str, plain):
        places = [place for place, other in enumerate(row) if alike(other) == alike(name)]
        if len(places) == 1:
            return places[0]
        if places:
            raise NotFoundError(f"There are {len(places)} columns '{name}'; --postcode takes its number, too.")
    return None


def _may_be_header(rows: Rows) -> Iterator[int]:
    """Yield the rows that may have the names: the first, and those that have more cells than each above them."""
    most = -1
    for n, row in enumerate(rows[: MOST_ABOVE + 1]):
        if any(map(is_postcode, row)):
            return
        filled = sum(1 for cell in row if cell.strip())
        if filled > most or (filled == most == 1 and any(CERTAIN.fullmatch(_words(cell)) for cell in row)):
            yield n
        most = max(most, filled)


def _titled(rows: Rows) -> Found | None:
    for n in _may_be_header(rows):
        place = _place(rows[n], "postcode")
        if place is not None:
            return Found(n, (place,))
        titles = [p for p, name in enumerate(rows[n]) if len(name) <= MOST_IN_A_NAME and is_title(name)]
        if len(titles) > 1:
            which = _listed([str(p + 1) for p in titles])
            raise NotFoundError(
                f"The columns {which} are all called postcode: say with --postcode which it is, by its name or number."
                + _names(rows)
            )
        if titles:
            [place] = titles
            if _contradicted(rows, n, place):
                others = [f"; column {other + 1} does" for other in _columns_of_postcodes(rows)[:1]]
                raise NotFoundError(
                    f"Column {place + 1} seems to be called postcode, but holds none{''.join(others)}: say with"
                    f" --postcode which it is, by its name or number, such as --postcode {place + 1}."
                )
            return Found(n, (place,))
    return None


def _contradicted(rows: Rows, header: int, place: int) -> bool:
    """Return whether the cells below say that a name is none of a column of postcodes."""
    columns = _columns_of_postcodes(rows)
    if place in columns or len(rows) == header + 1:
        return False
    return bool(columns) or not CERTAIN.fullmatch(_words(rows[header][place]))


def _by_cells(rows: Rows) -> Found:
    columns = _columns_of_postcodes(rows)
    if len(columns) > 1:
        which = _listed([str(place + 1) for place in columns])
        raise NotFoundError(
            f"The columns {which} hold postcodes: say with --postcode which it is, by its name or number."
            + _names(rows)
        )
    if not columns:
        raise NotFoundError(_without(rows, "There is no column 'postcode', and none that holds postcodes"))
    [place] = columns
    named = [n for n in _may_be_header(rows) if place < len(rows[n]) and rows[n][place].strip()]
    if not named or not _has_names(rows[named[-1]]) or _stands_for_one(rows[named[-1]][place]):
        has_names = f" Or, if it has names, say --postcode {place + 1}: that column holds postcodes."
        certain = any(map(is_postcode, rows[0]))
        raise NotFoundError(f"{NO_NAMES} Put a line of names above it.{'' if certain else has_names}")
    return Found(named[-1], (place,))


def _numbered(rows: Rows, asked: str, places: list[int]) -> Found:
    width = max(map(len, rows), default=0)
    if not all(0 <= place < width for place in places):
        raise NotFoundError(f"There is no column '{asked}', by name or by number: the table has {width:,} columns.")
    for n, row in enumerate(rows[: MOST_ABOVE + 1]):
        if all(place < len(row) and row[place].strip() for place in places):
            if any(map(is_postcode, row)):
                break
            return Found(n, tuple(places))
    raise NotFoundError(NO_NAMES)


def _postcodes(rows: Rows) -> dict[int, int]:
    """Return how many postcodes each column has that has any."""
    counts: dict[int, int] = {}
    for row in rows:
        for place, cell in enumerate(row):
            if is_postcode(cell):
                counts[place] = counts.get(place, 0) + 1
    return counts


def _columns_of_postcodes(rows: Rows) -> list[int]:
    """Return the columns of which at least half the cells, below the first that is one, are postcodes."""
    found = []
    for place, count in _postcodes(rows).items():
        cells = [row[place] for row in rows if place < len(row) and not NO_POSTCODE.fullmatch(row[place].strip())]
        first = next(n for n, cell in enumerate(cells) if is_postcode(cell))
        if 2 * count >= len(cells) - first:
            found.append(place)
    return sorted(found)


def _halves(rows: Rows) -> int | None:
    """Return the place of the first column of outward codes with one of inward codes beside it."""
    for place in range(max(map(len, rows), default=0) - 1):
        cells = [(row[place].strip(), row[place + 1].strip()) for row in rows[1:] if place + 1 < len(row)]
        filled = [pair for pair in cells if any(pair)]
        both = sum(1 for out, inward in filled if OUTWARD.fullmatch(out) and INWARD.fullmatch(inward))
        if both and 2 * both >= len(filled):
            return place
    return None


def _without(rows: Rows, problem: str) -> str:
    """Return a sentence for a table without the column, and what may help."""
    first = rows[0] if rows else []
    columns, halves = _columns_of_postcodes(rows), _halves(rows)
    if any(map(is_postcode, first)) or (
        not columns and halves is None and any(sum(map(str.isdigit, cell)) > 5 for cell in first)
    ):
        return NO_NAMES
    help_ = "name it with --postcode"
    if columns:
        help_ = f"column {columns[0] + 1} holds postcodes: --postcode {columns[0] + 1}"
    elif halves is not None:
        numbers = f"{halves + 1},{halves + 2}"
        help_ = f"columns {halves + 1} and {halves + 2} hold the halves of postcodes: --postcode {numbers}"
    shown = _names(rows) or (
        f" The names of its columns ({len(first):,}) are not shown, for the first row may be a row of the table."
    )
    return f"{problem}; {help_}.{shown}"


def _names(rows: Rows) -> str:
    """Return the names of the columns in a sentence, an empty text where the first row may be one of the table."""
    first = rows[0]
    if not _has_names(first):
        return ""
    below = _postcodes(rows[1:])
    of_postcodes = (first[place] for place in below if place < len(first))
    if any(CERTAIN.fullmatch(_words(name)) for name in first) or any(
        not _stands_for_one(name) for name in of_postcodes
    ):
        return f" There are {_listed(first)}."
    return ""


def _stands_for_one(cell: str) -> bool:
    """Return whether a cell stands in the place of a postcode: that one is not known, or half of it."""
    return bool(NO_POSTCODE.fullmatch(cell.strip()) or OUTWARD.fullmatch(cell.strip()))


def _has_names(row: Sequence[str]) -> bool:
    """Return whether a row may be that of the names: no cell is empty or long, and none looks like a value."""
    last = max((place for place, cell in enumerate(row) if cell.strip()), default=-1)
    names = [cell.strip() for cell in row[: last + 1]]
    return bool(names) and all(name and len(name) <= MOST_IN_A_NAME and not VALUE.search(name) for name in names)


def _words(name: str) -> str:
    return re.sub(r"[\s_.-]+", " ", plain(name)).strip()


def _listed(names: Sequence[str]) -> str:
    """Return names for a message, not without end."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    return ", ".join(names[:MOST_NAMES]) + more
