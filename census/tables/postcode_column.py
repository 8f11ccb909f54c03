"""Find which column of a table holds postcodes, which of its rows has the names, and how its text is cut into cells.

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

from census.domain import postcode
from census.tables.other_formats import FORMATS

DELIMITERS = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
LOOKED_AT = 50
"""Rows by which the delimiter and the column are recognised."""
MOST_ABOVE = 20
"""Rows that may stand above the names of the columns: titles, dates, empty ones."""
MOST_IN_A_NAME = 40  # characters
MOST_NAMES = 20  # in a message

TITLE = re.compile(r"post ?code|postal code|\bpcds?\b|\bpcd[0-9]?\b|^pc$", re.IGNORECASE)
"""What the name of a column of postcodes has in it, with blanks in the place of lines and dots."""
NO_POSTCODE = re.compile(
    r"\W*|n/?a|n/?k|nfa|nil|nan|null|none|blank|empty|missing|unknown|not (?:known|given|stated|applicable|available)"
    r"|(?:of )?no (?:fixed (?:abode|address)|known address|address|postcode)"
    r"|(?:no|not|awaiting|lost|wrong|unknown|missing|without|unrecorded) (?:.* )?post ?code.*"
    r"|post ?code (?:.* )?(?:not|un\w+|await\w*|lost|to follow|missing|withheld|refused|tbc|n/?[ak])\b.*"
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
_OF = (
    r"(?:(?:the|of|at|home|patients?'?s?|childs?|mothers?|usual|current|last|known|residential|residence|registered|full"
    r"|main|address|school|gp|practice|hospital|site|clinic|ons|area) )*"
)
CERTAIN = re.compile(_OF + r"(?:post ?codes?|postal code|pcds?|pcd ?[0-9])(?: ?[0-9])?", re.IGNORECASE)
"""What only the name of a column of postcodes is."""
EXACT = re.compile(r"post ?code|postal code|pcds?|pcd ?[78]", re.IGNORECASE)
"""What is one wherever it stands."""
PLACE = re.compile(
    _OF + r"(?:address|addr|location|loc|where|area|place|residence|code|zip|zip code|geography|domicile)(?: ?[0-9])?",
    re.IGNORECASE,
)
"""What is the name of a column below which there are postcodes."""
EXCEL = re.compile(r"sep=(.)(?:\r\n|\r|\n)", re.IGNORECASE)
"""The first line by which a file says to Excel what is between the cells."""
OUTWARD = re.compile(r"[A-Z]{1,2}[0-9]{1,2}|[A-Z]{1,2}[0-9][A-Z]|GIR|NPT", re.IGNORECASE | re.ASCII)
INWARD = re.compile(r"[0-9][A-Z]{2}", re.IGNORECASE | re.ASCII)
NEARLY = re.compile(
    r"(?:[A-Z]{1,2}[0-9]{1,2}|[A-Z]{1,2}[0-9][A-Z]|GIR|NPT)[\W_]*(?:[0-9][A-Z]?|[0-9][A-Z]{2})?\W*"
    r"|[0-9][A-Z]{2}|[A-Z][0-9][0-9W][\W_]*[A-Z0-9]{4}|BFPO *[0-9]+",
    re.IGNORECASE | re.ASCII,
)
"""What is part of a postcode, or written otherwise, or one of Ireland or of the forces."""

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
    patterns |= {"exact": EXACT, "place": PLACE, "outward": OUTWARD, "inward": INWARD, "nearly": NEARLY}
    patterns_and_numbers: dict[str, object] = {name: pattern.pattern for name, pattern in patterns.items()}
    patterns_and_numbers |= {"lookedAt": LOOKED_AT, "mostAbove": MOST_ABOVE, "mostInAName": MOST_IN_A_NAME}
    return patterns_and_numbers | {"formats": FORMATS, "lookAlikes": postcode.LOOK_ALIKES}


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

    It is that by which a column is called one of `names`, then the tab if by it all rows are alike long, then that by
    which the most cells of a column are postcodes, then a column of several is called postcode, then the row of the
    names has the most cells. Where all are alike it is the comma.
    """
    plain_names = set(map(plain, names))

    def by(delimiter: str) -> tuple[bool, bool, int, bool, int]:
        rows = first_rows(text, delimiter)
        upper = rows[: MOST_ABOVE + 1]
        named = [row for row in upper if not plain_names.isdisjoint(map(plain, row))]
        titled = [row for row in upper if len(row) > 1 and any(map(is_title, row))]
        [first, *_] = [*named, *titled, *rows, []]
        tabs = delimiter == "\t" and len(rows) > 1 and set(map(len, rows)) == {max(len(rows[0]), 2)}
        return bool(named), tabs, max(_postcodes(rows).values(), default=0), bool(titled), len(first)

    return max(DELIMITERS, key=by)


def first_line_end(text: str) -> str:
    r"""Return how the first row of a text ends: "\n", "\r\n" or "\r". What is in quotes is a cell's own."""
    match = re.match(r'(?:"(?:[^"]|"")*"|[^\r\n"])*+(\r\n|\r|\n)', text)
    return match[1] if match else "\r" if "\r" in text and "\n" not in text else "\n"


# The column


def find(rows: Rows, column: str | None) -> Found:
    """Return where the postcodes are in a table that begins with `rows`. Raises NotFoundError.

    column: its name, in its very letters or else in any case, or two with a comma between for the outward
    and the inward code; or their numbers, from 1. Without it the column is the one that is called postcode, or the only
    one whose name says so, or the only one that holds postcodes below a row of names.
    """
    if column is None:
        return _exact(rows) or _titled(rows) or _by_cells(rows)
    halves = column.split(",")
    numbers = [int(half) - 1 for half in halves if re.fullmatch(r" *[0-9]{1,5} *", half, re.ASCII)]
    if len(numbers) == len(halves) <= 2 and (numbered := _numbered(rows, column, numbers)):
        return numbered
    for names in ([column], halves) if len(halves) == 2 else ([column],):
        for n in _may_be_header(rows, names):
            places = [_place(rows[n], name) for name in names]
            if None not in places:
                return Found(n, tuple(place for place in places if place is not None))
    if len(numbers) == len(halves) <= 2:
        width = max(map(len, rows), default=0)
        if all(0 <= place < width for place in numbers):
            raise NotFoundError(NO_NAMES)
        raise NotFoundError(f"There is no column '{column}', by name or by number: the table has {width:,} columns.")
    raise NotFoundError(_without(rows, f"There is no column '{column}'"))


def _place(row: Sequence[str], name: str) -> int | None:
    for alike in (str, plain):
        places = [place for place, other in enumerate(row) if alike(other) == alike(name)]
        if len(places) == 1:
            return places[0]
        if places:
            raise NotFoundError(f"There are {len(places)} columns '{name}'; --postcode takes its number, too.")
    return None


def _may_be_header(rows: Rows, names: Sequence[str] = ()) -> Iterator[int]:
    """Yield the rows that may have the names: the first, and those that have more cells than each above them."""
    most, plain_names = -1, set(map(plain, names))
    for n, row in enumerate(rows[: MOST_ABOVE + 1]):
        if any(map(is_postcode, row)) and not (plain_names and plain_names <= set(map(plain, row))):
            return
        filled = _filled(row)
        if filled > most or (filled == most == 1 and any(CERTAIN.fullmatch(_words(cell)) for cell in row)):
            yield n
        most = max(most, filled)


def _exact(rows: Rows) -> Found | None:
    """Return the column that is called exactly postcode, whatever stands above it."""
    for n, row in enumerate(rows):
        exact = [place for place, cell in enumerate(row) if EXACT.fullmatch(_words(cell))]
        if not exact:
            if any(map(is_postcode, row)):
                return None
            continue
        place = _place(row, "postcode")
        titles = [p for p, name in enumerate(row) if p in exact or _is_short_title(name)]
        if place is None and len(titles) > 1:
            raise NotFoundError(_several(titles) + _names(rows, n))
        if n > MOST_ABOVE:
            raise NotFoundError(f"The names of the columns seem to be in row {n + 1}: delete the rows above it.")
        return _checked(rows, n, exact[0] if place is None else place)
    return None


def _titled(rows: Rows) -> Found | None:
    """Return the only column whose name says that it has postcodes."""
    titled = [n for n in _may_be_header(rows) if any(map(_is_short_title, rows[n]))]
    if len(titled) > 1:
        raise NotFoundError(_two_rows(titled))
    if not titled:
        return None
    [n] = titled
    titles = [place for place, name in enumerate(rows[n]) if _is_short_title(name)]
    if len(titles) > 1:
        raise NotFoundError(_several(titles) + _names(rows, n))
    return _checked(rows, n, titles[0])


def _is_short_title(name: str) -> bool:
    return len(name) <= MOST_IN_A_NAME and is_title(name)


def _several(places: Sequence[int]) -> str:
    which = listed([str(place + 1) for place in places])
    return f"The columns {which} are all called postcode: say with --postcode which it is, by its name or number."


def _two_rows(rows: Sequence[int]) -> str:
    which = " and ".join(str(n + 1) for n in rows[:2])
    return f"The rows {which} may both be the names of the columns: delete what stands above the table."


def _checked(rows: Rows, header: int, place: int) -> Found:
    """Return the column, unless the cells below its name say that it has no postcodes. Raises NotFoundError."""
    below = rows[header + 1 :]
    columns = _columns_of_postcodes(below)
    certain = CERTAIN.fullmatch(_words(rows[header][place])) is not None
    if place in _postcodes(below) or not below or (not columns and certain):
        return Found(header, (place,))
    if len(rows[header]) == 1 and not columns:
        raise NotFoundError("Everything is in one column, which holds no postcodes: name --delimiter.")
    others = f"; column {columns[0] + 1} does" if columns else ""
    number = (columns or [place])[0] + 1
    raise NotFoundError(
        f"Column {place + 1} seems to be called postcode, but holds none{others}: say with --postcode which it is, by"
        f" its name or number, such as --postcode {number}."
    )


def _by_cells(rows: Rows) -> Found:
    """Return the only column that holds postcodes, below a row that is certainly of names."""
    columns = _columns_of_postcodes(rows)
    if len(columns) > 1:
        which = listed([str(place + 1) for place in columns])
        raise NotFoundError(
            f"The columns {which} hold postcodes: say with --postcode which it is, by its name or number."
            + _names(rows)
        )
    if not columns:
        raise NotFoundError(_without(rows, "There is no column 'postcode', and none that holds postcodes"))
    [place] = columns
    over = _headers_over(rows, (place,))
    named = [n for n in over if _are_names(rows, n)]
    if len(named) > 1 or (len(over) > 1 and not named):
        raise NotFoundError(f"{_two_rows(named or over)} Or say --postcode {place + 1}, if the first has the names.")
    if not named:
        has_names = f" Or, if it has names, say --postcode {place + 1}: that column holds postcodes."
        certain = any(map(is_postcode, rows[0]))
        raise NotFoundError(f"{NO_NAMES} Put a line of names above it.{'' if certain else has_names}")
    return Found(named[0], (place,))


def _headers_over(rows: Rows, places: Sequence[int]) -> list[int]:
    """Return the rows above the first postcode that have something in these columns which stands for none."""
    headers = []
    for n, row in enumerate(rows[: MOST_ABOVE + 1]):
        cells = [row[place] for place in places if place < len(row)]
        if any(map(is_postcode, cells if len(cells) == 1 else [*cells, " ".join(cells)])):
            break
        if len(cells) == len(places) and not any(map(_stands_for_one, cells)):
            headers.append(n)
    return headers


def _numbered(rows: Rows, column: str, places: Sequence[int]) -> Found | None:
    """Return the columns by their numbers; None where there are none, or where the names have one that is called so."""
    if min(places) < 0:
        return None
    named = _headers_over(rows, places)
    titled = [n for n in named if any(_is_short_title(rows[n][place]) for place in places)]
    for n in titled or named:
        if any(plain(name) == plain(column) for name in rows[n]):
            return None
        if not titled and any(_filled(rows[other]) > _filled(rows[n]) for other in named):
            raise NotFoundError(_two_rows(named))
        return Found(n, tuple(places))
    return None


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
    columns = []
    for place, count in _postcodes(rows).items():
        cells = [row[place] for row in rows if place < len(row) and not NO_POSTCODE.fullmatch(row[place].strip())]
        first = next(n for n, cell in enumerate(cells) if is_postcode(cell))
        if 2 * count >= len(cells) - first:
            columns.append(place)
    return sorted(columns)


def _halves(rows: Rows) -> int | None:
    """Return the place of the first column of outward codes with one of inward codes next to it."""
    for place in range(max(map(len, rows), default=0) - 1):
        filled = [pair for row in rows[1:] if any(pair := [cell.strip() for cell in row[place : place + 2]])]
        both = sum(map(_are_halves, filled))
        if both and 2 * both >= len(filled):
            return place
    return None


def _are_halves(cells: Sequence[str]) -> bool:
    return len(cells) == 2 and bool(OUTWARD.fullmatch(cells[0].strip()) and INWARD.fullmatch(cells[1].strip()))


def _without(rows: Rows, problem: str) -> str:
    """Return a sentence for a table without the column, and what may help."""
    first = rows[0] if rows else []
    columns, halves = _columns_of_postcodes(rows), _halves(rows)
    if (
        any(map(is_postcode, first))
        or (halves is not None and _are_halves(first[halves : halves + 2]))
        or (not columns and halves is None and any(sum(map(str.isdigit, cell)) > 5 for cell in first))
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


def _names(rows: Rows, header: int = 0) -> str:
    """Return the names of the columns in a sentence, an empty text where that row may be one of the table."""
    return f" There are {listed(rows[header])}." if _have_a_name(rows, header) else ""


def _have_a_name(rows: Rows, header: int) -> bool:
    """Return whether a row certainly has the names: no cell looks like a value, and one is what only a name is."""
    row = rows[header]
    return _has_names(row) and (
        any(CERTAIN.fullmatch(_words(name)) for name in row)
        or any(place < len(row) and PLACE.fullmatch(_words(row[place])) for place in _postcodes(rows[header + 1 :]))
    )


def _are_names(rows: Rows, header: int) -> bool:
    """Return whether a row has the names: certainly, or one of its words stands above nothing but values."""
    row, below = rows[header], rows[header + 1 :]
    if _have_a_name(rows, header):
        return True
    if not _has_names(row) or _filled(row) < max(2, *map(_filled, below), 2):
        return False
    for place, name in enumerate(row):
        values = [cells[place].strip() for cells in below if place < len(cells) and cells[place].strip()]
        if (
            values
            and not _stands_for_one(name)
            and all(map(VALUE.search, values))
            and not any(map(is_postcode, values))
        ):
            return True
    return False


def _stands_for_one(cell: str) -> bool:
    """Return whether a cell stands in the place of a postcode: not known, half of one, another country's."""
    text = cell.strip()
    return bool(NO_POSTCODE.fullmatch(text) or NEARLY.fullmatch(text)) or is_postcode(re.sub(r"[\W_]", "", text))


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _has_names(row: Sequence[str]) -> bool:
    """Return whether a row may be that of the names: no cell is empty or long, and none looks like a value."""
    last = max((place for place, cell in enumerate(row) if cell.strip()), default=-1)
    names = [cell.strip() for cell in row[: last + 1]]
    return bool(names) and all(name and len(name) <= MOST_IN_A_NAME and not VALUE.search(name) for name in names)


def _words(name: str) -> str:
    return re.sub(r"[\s_.-]+", " ", plain(name)).strip()


def listed(names: Sequence[str]) -> str:
    """Return the names of columns or sheets for a message, not without end."""
    more = f" and {len(names) - MOST_NAMES:,} more" if len(names) > MOST_NAMES else ""
    cut = [name if len(name) <= MOST_IN_A_NAME else f"{name[:MOST_IN_A_NAME]}…" for name in names[:MOST_NAMES]]
    return ", ".join(cut) + more
