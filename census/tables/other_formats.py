"""Recognise files that are no table of text and no workbook by how they begin, and say what to do with each.

The patterns are of Latin-1 text, and of a kind that Python and JavaScript read alike: templates/spreadsheet.html hands
them to the page. Sources: the formats' own specifications, and file(1).
"""

import re

LOOKED_AT = 1024
"""Bytes by which a format is recognised."""

_UNPACK = "Unpack it first, and use the table that was in it."
_EXPORT = "Save the table as CSV in the program that made it, and use that."

_TAGS = "|".join(
    "".join(f"[{letter.upper()}{letter}]" if letter.isalpha() else letter for letter in tag)
    for tag in "html head body table meta style script title link div span center font p tr td th h1 h2 h3".split()
)

FORMATS: tuple[tuple[str, str], ...] = (
    (
        r"\x1f\x8b",
        "is compressed with gzip. Unpack it first, or with append.py: zcat FILE | python append.py - -o out.csv"
        " (an .rds file of R: write.csv makes a table of it)",
    ),
    (r"BZh[1-9]|\xfd7zXZ|\x28\xb5\x2f\xfd|7z\xbc\xaf\x27\x1c|Rar!|\x1f[\x9d\xa0]", f"is compressed. {_UNPACK}"),
    (
        r"\$FL[23]|C1 {3}PORT|ASCII SPSS PORT",
        "is a data file of SPSS. Save it as CSV there: File, Save As, or SAVE TRANSLATE.",
    ),
    (r"<stata_dta>|[\x69-\x73][\x01\x02]\x01", "is a data file of Stata. Save it as CSV there: export delimited."),
    (r"\x00{12}\xc2\xea\x81\x60|HEADER RECORD\*{7}", f"is a data file of SAS. {_EXPORT}"),
    (r"RD[AX][23]\n|X\n\x00\x00\x00[\x02\x03]", "is a data file of R. Make a table of it: write.csv."),
    (r"PAR1[\x00-\x1f]|ARROW1\x00", "is a file of columns (Parquet or Arrow), not a table of text. Save it as CSV."),
    (r"SQLite format 3\x00|[\x00\x01]{4}Standard (?:Jet|ACE) DB", f"is a database. {_EXPORT}"),
    (r"%PDF-|\{\\rtf", f"is a document, not a table. {_EXPORT}"),
    (r"\x89PNG|\xff\xd8\xff|GIF8[79]a|II\*\x00|MM\x00\*", "is a picture, not a table."),
    (
        rf"(?:\xef\xbb\xbf)?\s*(?:<(?:![A-Za-z-]|\?xml|(?:{_TAGS})[\s>/])|MIME-Version:)",
        "is a web page (HTML or XML), whatever its name says. Open it in a spreadsheet program, and save the table as"
        " .xlsx or CSV.",
    ),
    (
        r"(?:\xef\xbb\xbf)?\s*(?:\{\s*[\"}]|\[\s*[\[{\"\]])",
        "is JSON, not a table. A list of postcodes as JSON is for the bulk route of the API.",
    ),
)


def other_format(head: bytes) -> str | None:
    """Return what a file that begins with `head` is and what to do with it, None where it may be a table."""
    text = head[:LOOKED_AT].decode("latin-1")
    return next((what for pattern, what in FORMATS if re.match(pattern, text)), None)
