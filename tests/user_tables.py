"""Tables as people have them: append.py and the page /spreadsheet must read each alike, or refuse it for its reason.

No cell of these may be in a message: each that is a person's has A_NAME in it, or is one of `CELLS`.
"""

import gzip
import io
import sqlite3
import zipfile
from dataclasses import dataclass

A_NAME = "Xylia"
CELLS = (A_NAME, "1AA", "3LX", "xylia")


@dataclass
class Case:
    """A table. statuses: of its rows; None for one that is refused. names: what the refusal must have in it.

    above: rows above the names. columns: where the postcodes are, from 1. page: what the page says instead, where it
    does; False where a page cannot be asked.
    """

    content: bytes
    statuses: str | None = None
    names: tuple[str, ...] = ()
    above: int = 0
    columns: tuple[int, ...] = ()
    asked: str | None = None
    page: tuple[str, ...] | bool = True


def text(content: str, *names: str, encoding: str = "utf-8", **more) -> Case:
    return Case(content.encode(encoding), names=names, **more)


def _zip(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, f"name,postcode\n{A_NAME},SW1A 1AA\n")
    return file.getvalue()


def _database() -> bytes:
    connection = sqlite3.connect(":memory:")
    connection.execute(f"create table t as select '{A_NAME}' as name")
    return connection.serialize()


ROW = f"{A_NAME},SW1A 1AA\n"
FIRST_ROW = ("first row", "names")
NOT_SHOWN = ("not shown",)

CASES = {
    # The column
    "called postcode": text(f"name,postcode\n{ROW}", statuses="found", columns=(2,)),
    "the only one whose name says so": text(f"name,Home_Postcode\n{ROW}", statuses="found", columns=(2,)),
    "pcds": text(f"name,pcds\n{ROW}", statuses="found", columns=(2,)),
    "the only one that holds postcodes": text(f"name,where\n{ROW}", statuses="found", columns=(2,)),
    "the same, after rows without": text(
        f"name,where\n{A_NAME},\n{A_NAME},n/k\n{ROW}", statuses="invalid invalid found"
    ),
    "with a no-break space in the heading": text(f"name,Post\u00a0code\n{ROW}", statuses="found", columns=(2,)),
    "with no-break spaces about the heading": text(f"name,\u00a0postcode\u00a0\n{ROW}", statuses="found"),
    "with a mark that nobody sees in the heading": text(f"name,post\u200bcode\u2060\n{ROW}", statuses="found"),
    "with a line break in the heading": text(f'name,"Post\ncode"\n{ROW}', statuses="found"),
    "asked for by name": text(f"name,a,b\n{A_NAME},SW1A 1AA,x\n", statuses="found", asked="a", columns=(2,)),
    "asked for by number": text(f"name,a,b\n{A_NAME},SW1A 1AA,x\n", statuses="found", asked="2", columns=(2,)),
    "two are called so": text(f"home postcode,gp postcode\n{ROW}", "1, 2", "--postcode", "home postcode", page=False),
    "two hold postcodes": text("name,a,b\nx,SW1A 1AA,SW1A 1AA\n", "columns 2, 3", "--postcode", page=False),
    "one is called so, another holds them": text(
        f"postcode known,b\n{A_NAME},SW1A 1AA\n", "Column 1", "column 2", page=False
    ),
    "asked for another": text(f"name,code\n{ROW}", "'ward'", "--postcode 2", "name, code", asked="ward", page=False),
    "asked for another, of a table without names": text(
        f"{A_NAME},unknown\n{ROW}", "'ward'", *NOT_SHOWN, asked="ward", page=False
    ),
    "none": text(f"name,age\n{A_NAME},5\n", "no column 'postcode'", "--postcode", page=False),
    "the halves in two columns": text(
        f"name,outward,inward\n{A_NAME},SW1A,1AA\n", "columns 2 and 3", "--postcode 2,3", page=False
    ),
    "the halves, asked for": text(
        f"name,out,in\n{A_NAME},SW1A,1AA\n", statuses="found", asked="out,in", columns=(2, 3)
    ),
    "the halves, asked for by number": text(
        f"name,out,in\n{A_NAME},SW1A,1AA\n", statuses="found", asked="2,3", columns=(2, 3)
    ),
    # No names: no cell is shown
    "no names": text(f"{A_NAME} Example,SW1A 1AA\n{ROW}", *FIRST_ROW),
    "no names, and a near miss": text(f"{A_NAME},SWIA 1AA\n{ROW}", *FIRST_ROW),
    "no names, and none known": text(f"{A_NAME},unknown\n{ROW}", *FIRST_ROW),
    "no names, and no fixed abode": text(f"{A_NAME},No fixed abode\n{ROW}", *FIRST_ROW),
    "no names, and an empty cell": text(f"{A_NAME},\n{ROW}", *FIRST_ROW),
    "no names, and a note of a postcode": text(f"{A_NAME},postcode to follow\n{A_NAME},\n", *NOT_SHOWN, page=False),
    "no names, and half a postcode": text(f"{A_NAME},SW1A\n{ROW}", *FIRST_ROW),
    "a name of many words": text(f"name,postcode at the time of diagnosis\n{ROW}", statuses="found", columns=(2,)),
    "a certain name of an empty column": text(f"name,home postcode\n{A_NAME},\n", statuses="invalid", columns=(2,)),
    "no names, and a date": text(f"{A_NAME},1/2/10,SW1A 1AA\n", *FIRST_ROW),
    "no names at all": text(f"{A_NAME},{A_NAME} Street\n", *NOT_SHOWN, page=False),
    "no names, but asked for": text(f"{A_NAME},SW1A 1AA\n", *FIRST_ROW, asked="postcode"),
    # Where the table begins
    "titles above": text(f"Report of 2026\nClinic,{A_NAME}\n\nid,name,postcode\n1,{ROW}", statuses="found", above=3),
    "titles above, of commas": text(f"Report,,\n,,\nid,name,postcode\n1,{ROW}", statuses="found", above=2),
    "titles above one column": text("Report of 2026\nPostcode\nSW1A 1AA\n", statuses="found", above=1),
    "titles above what holds postcodes": text(f"Report\nwhere,name\nSW1A 1AA,{A_NAME}\n", statuses="found", above=1),
    "titles above semicolons": text("Report, of, all\n\nid;postcode\n1;SW1A 1AA\n", statuses="found", above=2),
    "empty rows above": text(f"\n\nname,postcode\n{ROW}", statuses="found", above=2),
    "empty columns before": text(f",,\n,name,postcode\n,{ROW}", statuses="found", above=1, columns=(3,)),
    "titles above, asked for": text(f"Report\nid,name,code\n1,{ROW}", statuses="found", asked="code", above=1),
    "nothing but empty rows": text("\n,,\n\n", "empty"),
    # What is between cells
    "sep=;": text(f"sep=;\nname;postcode\n{A_NAME}, x;SW1A 1AA\n", statuses="found"),
    "sep=, of Windows": text(f"sep=,\r\nname,postcode\r\n{A_NAME},SW1A 1AA\r\n", statuses="found"),
    "sep= with a mark": text(f"\ufeffsep=;\nname;postcode\n{A_NAME};SW1A 1AA\n", statuses="found"),
    "a bad quote among commas": text(f'name,postcode\n"{A_NAME}" x,SW1A 1AA\n', "line", page=("line 2",)),
    "a bad quote later": text("name,postcode\n" + ROW * 30 + f'"{A_NAME}"x,SW1A 1AA\n', "line 32", page=("line 32",)),
    "a bad quote in a name": text(f'"na"me,postcode\n{ROW}', "line 1", page=("line 1",)),
    "semicolons within commas": text(f'"a;b;c;d",postcode\n"{A_NAME};;;",SW1A 1AA\n', statuses="found"),
    "commas within semicolons": text(f"a,b,c;postcode\n{A_NAME},x,y;SW1A 1AA\n", statuses="found"),
    # Line ends
    "a carriage return within a cell": text(
        f"name,postcode\n{A_NAME}\rx,SW1A 1AA\n", "line", "break", page=("line 2",)
    ),
    "a carriage return within quotes": text(f'name,postcode\n"{A_NAME}\rx",SW1A 1AA\n', statuses="found"),
    "lines of an old Mac": text(f"name,postcode\r{A_NAME},SW1A 1AA\r", statuses="found"),
    "lines of an old Mac, and a cell of two": text(f'name,postcode\r"{A_NAME}\nx",SW1A 1AA\r', statuses="found"),
    "a carriage return in a table of Windows": text(
        f"name,postcode\r\n{A_NAME}\rx,SW1A 1AA\r\n", "line", "break", page=("line 2",)
    ),
    # Cells
    "postcodes as Excel writes them": text(
        f'name,postcode\n{A_NAME},="SW1A 1AA"\n{A_NAME},"=""CF14 3LX"""\n', statuses="found found"
    ),
    "a column of them": text(f'name,where\n{A_NAME},="SW1A 1AA"\n', statuses="found", columns=(2,)),
    "postcodes with marks that nobody sees": text(f"name,postcode\n{A_NAME},SW1A\u200b 1AA\ufeff\n", statuses="found"),
    "a long row": text(f"name,postcode\n{A_NAME},SW1A 1AA,x\n", "Row 2 ", "3 cells", "2"),
    # Characters
    "one wrong byte in UTF-8": Case(
        b"name,postcode\n" + f"Si\u00e2n {A_NAME},SW1A 1AA\n".encode() + b"Si\xe2n,SW1A 1AA\n",
        names=("UTF-8", "line 3"),
    ),
    "one wrong byte in the names": Case(b"n\xe9me,postcode\nSi\xc3\xa2n,SW1A 1AA\n", names=("UTF-8", "line 1")),
    "Windows' characters": Case(b"name,postcode\nSi\xe2n,SW1A 1AA\nZo\xeb,SW1A 1AA\n", statuses="found found"),
    "no characters of Windows'": Case(b"name,postcode\nSi\x81n,SW1A 1AA\n", names=("line 2",)),
    "a NUL": Case(f"name,postcode\n{A_NAME}\0,SW1A 1AA\n".encode(), names=("NUL", "line 2")),
    "a NUL far down": Case(b"name,postcode\n" + ROW.encode() * 200 + b"\0,x\n", names=("NUL", "line 202")),
    "UTF-16 without a mark": text(f"name,postcode\n{ROW}", "UTF-16", encoding="utf-16-le", page=("encoding",)),
    # Other files
    "a web page called .xls": text(f"<html><table><tr><td>{A_NAME}</td></tr></table>", "web page", "HTML"),
    "the same, in capitals and after blanks": text(f"\ufeff\n <!DOCTYPE HTML><p>{A_NAME}", "web page"),
    "XML of Excel 2003": text(f'<?xml version="1.0"?><Workbook>{A_NAME}</Workbook>', "XML"),
    "a web page in one file": text(f"MIME-Version: 1.0\n{A_NAME}\n", "web page"),
    "gzip": Case(gzip.compress(ROW.encode() * 50), names=("gzip", "Unpack")),
    "bzip2": Case(b"BZh91AY&SY" + ROW.encode(), names=("compressed",)),
    "ZIP of a CSV": Case(_zip(f"{A_NAME}.csv"), names=("ZIP",), page=("workbook or a ZIP",)),
    "an empty ZIP": Case(_zip(), names=("ZIP",), page=("workbook or a ZIP",)),
    "a document of Word": Case(_zip("[Content_Types].xml", "word/document.xml"), names=("workbook",)),
    "SPSS": Case(b"$FL2@(#) SPSS" + ROW.encode(), names=("SPSS",)),
    "Stata": Case(b"<stata_dta><header>" + ROW.encode(), names=("Stata",)),
    "Stata of old": Case(b"\x72\x02\x01\x00" + ROW.encode(), names=("Stata",)),
    "PDF": Case(b"%PDF-1.7\n" + ROW.encode(), names=("document",)),
    "SQLite": Case(_database(), names=("database",)),
    "Parquet": Case(b"PAR1\x15\x04" + ROW.encode(), names=("Parquet",)),
    "JSON": text(f'[{{"name": "{A_NAME}", "postcode": "SW1A 1AA"}}]', "JSON"),
    "words that begin as formats do": text(f"orchard,postcode\n{ROW}", statuses="found"),
    "more of them": text("par1,bzh1,<5,postcode\nx,x,x,SW1A 1AA\n", statuses="found"),
    # What an attack on these rules found
    "an exact name below a padded title": text(
        "Patients by postcode,\nPostcode,Name\nSW1A 1AA,x\n", statuses="found", above=1
    ),
    "an exact name below as many cells": text(
        "Hospital,St Elsewhere\nName,Postcode\nx,SW1A 1AA\n", statuses="found", above=1
    ),
    "an exact name below more cells": text(
        "Ward list, Dr X, Cardiff\nName,Postcode\nx,SW1A 1AA\n", statuses="found", above=1
    ),
    "two rows of names": text("Patient,Patient,Visit\nName,Postcode,Site\nx,SW1A 1AA,A\n", statuses="found", above=1),
    "one column below a title": text("List of postcodes\nPostcode\nSW1A 1AA\n", statuses="found", above=1),
    "a note of a postcode in a longer row below": text(
        f"id,code\n1,SW1A 1AA\n2,CF14 3LX,home postcode {A_NAME}\n", "Row 3", "3 cells", columns=(2,)
    ),
    "few of a column called so are postcodes": text(
        "postcode,other\nx,SW1A 1AA\ny,SW1A 1AA\nSW1A 1AA,CF14 3LX\n", statuses="invalid invalid found", page=False
    ),
    "names in row 25": text("a,b\n" * 24 + f"name,postcode\n{ROW}", "row 25", page=("row 25",)),
    "no names, and a sector": text(f"{A_NAME},CF14 3\n{ROW}", *FIRST_ROW),
    "no names, and a hyphen": text(f"{A_NAME},SW1A-1AA\n{ROW}", *FIRST_ROW),
    "no names, and a postcode of Ireland": text(f"{A_NAME},D02 AF30\n{ROW}", *FIRST_ROW),
    "no names, and a number of the forces": text(f"{A_NAME},BFPO 57\n{ROW}", *FIRST_ROW),
    "no names, and a town": text(f"{A_NAME},Cardiff\n{ROW}", *FIRST_ROW, page=False),
    "no names, and a lost one": text(f"{A_NAME},lost postcode\n{ROW}", *FIRST_ROW),
    "no names, and one not recorded": text(f"{A_NAME},Postcode not recorded\n{ROW}", *FIRST_ROW),
    "the first patient has more cells": text(
        f"Surname,Home\n{A_NAME},Cardiff,F\n{A_NAME},SW1A 1AA,M\n", "rows 1 and 2", page=("rows 1 and 2",)
    ),
    "the same, with a sure name": text(
        f"Surname,Address\n{A_NAME},Cardiff,F\n{A_NAME},SW1A 1AA,M\n", "Row 2", "3 cells"
    ),
    "the names of R's rows": text("postcode,notes\n1,SW1A 1AA,\n2,CF14 3LX,\n", "Column 1", "column 2", page=False),
    "another column holds them": text("postcode,home\n,SW1A 1AA\n,CF14 3LX\n", "Column 1", "column 2", page=False),
    "a number below a padded title": text(
        f"Ward list,\nPostcode,Name\nSW1A 1AA,{A_NAME}\n", statuses="found", above=1, asked="1"
    ),
    "a number that a cell has": text(
        "home,ward,\nunknown,4,1\nSW1A 1AA,3,2\n", statuses="invalid found", asked="1", columns=(1,), page=False
    ),
    "a number that a title has": text(
        "Clinic,3,\nName,Ward,Home\nx,A,SW1A 1AA\n", statuses="found", above=1, asked="3", columns=(3,), page=False
    ),
    "a column that is called a number": text(
        "2,where,1\nx,SW1A 1AA,y\n", statuses="invalid", asked="1", columns=(3,), page=False
    ),
    "halves without names": text("SW1A,1AA\nCF14,3LX\n", *FIRST_ROW),
    "halves without names, asked for": text("SW1A,1AA\nCF14,3LX\n", *FIRST_ROW, asked="1,2"),
    "no names, and a number asked for": text(f"{A_NAME},unknown\n{ROW}", *FIRST_ROW, asked="2"),
    "a mark twice": Case(b'\xef\xbb\xbf\xef\xbb\xbf"a,b",postcode\nx,SW1A 1AA\n', statuses="found", columns=(2,)),
    "tabs, and addresses with commas": text(
        "ID\tHome\tName, address\n1\t\tx, SW1A 1AA\n2\tSW1A 1AA\tx, CF14 3LX\n", statuses="invalid found", columns=(2,)
    ),
    "tabs, a name, and addresses with commas": text(
        "ID\tPost code\tAddress\n1\t\t1 Rd, SW1A 1AA\n2\tCF14 3LX\t2 Rd, CF14 3LX\n",
        statuses="invalid found",
        columns=(2,),
    ),
    "a name with the form of a postcode": text("id,postcode,FU12MO\n1,SW1A 1AA,3\n", statuses="found", columns=(2,)),
    "the same, asked for": text(
        "id,code,FU12MO\n1,SW1A 1AA,3\n",
        statuses="found",
        columns=(2,),
        asked="code",
        page=False,
    ),
    "a wrong byte in lines of an old Mac": Case(
        b"name,postcode\rx,SW1A 1AA\r\xc3\xa9,SW1A 1AA\r\xe9,SW1A 1AA\r", names=("line 4",)
    ),
    "a NUL in lines of an old Mac": Case(b"name,postcode\rx,SW1A 1AA\ra\0b,SW1A 1AA\r", names=("line 3",)),
    "UTF-16, big end first, without a mark": text(
        f"name,postcode\n{ROW}", "utf-16-be", encoding="utf-16-be", page=("encoding",)
    ),
    "sep= with another end of line": text("sep=;\rname;postcode\na;SW1A 1AA\n", statuses="found"),
    "sep=\\": text("sep=\\\nname\\postcode\na\\SW1A 1AA\n", statuses="found", page=False),
    "another delimiter": text("name^postcode\nx^SW1A 1AA\n", "--delimiter", page=False),
    "columns of a fixed width": text("Name      Postcode\nx         SW1A 1AA\n", "--delimiter", page=False),
    "a web page from its style on": text(
        f"<style>td {{}}</style><table><tr><td>{A_NAME}</td></tr></table>", "web page"
    ),
    "a web page from its rows on": text(f"<tr><td>postcode</td></tr><tr><td>{A_NAME}</td></tr>", "web page"),
    "a name that begins as a workbook does": text("PK,postcode\n1,SW1A 1AA\n", statuses="found"),
    "a note of people, asked for another": text(
        f"{A_NAME},Awaiting postcode\n{ROW}", *NOT_SHOWN, asked="foo", page=False
    ),
    "a town of people, asked for another": text(f"{A_NAME},Cardiff\n{ROW}", *NOT_SHOWN, asked="foo", page=False),
    "notes of people": text(f"{A_NAME},lost postcode,no postcode yet\nx,,\n", *NOT_SHOWN, page=False),
    "a title of people": text(
        f"Results for {A_NAME}\nHome,Work\nSW1A 1AA,CF14 3LX\nSW1A 1AA,CF14 3LX\n", "columns 1, 2", page=False
    ),
    "an empty file": text("", "empty"),
}
