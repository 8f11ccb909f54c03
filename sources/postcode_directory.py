"""ONS Postcode Directory: every postcode of the UK, live and terminated, with the areas it lies in.

https://geoportal.statistics.gov.uk/ (search for ONSPD). A ZIP with one CSV of all postcodes inside (1.4 GB in the
publisher's own); it is read as a stream and never unpacked to disk.
"""

import calendar
import csv
import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from operator import itemgetter
from typing import IO, TYPE_CHECKING, Generic, TypeVar

from census.domain.codes import AREA_CODE, KIND_OF_CODE, NATION_OF_CODE
from census.domain.postcode import FORM
from census.domain.types import Advance, Row
from sources.publication import KnownFile, Publication, SourceError, SourceFile, Table
from sources.workbook import decode, label

if TYPE_CHECKING:
    import _csv

    from sources.build import Build


MONTHS = {name[:3].upper(): name for name in calendar.month_name if name}
EDITIONS = [(month, year) for year in range(2027, 2022, -1) for month in ("NOV", "AUG", "MAY", "FEB")]

DIRECTORY = SourceFile(
    "postcode_directory",
    tuple(f"ONSPD_{month}_{year}.zip" for month, year in EDITIONS),
    "https://www.arcgis.com/sharing/rest/content/items/6fff67d204fd4f339591ed667a6e3642/data",
    served_as="ONSPD_MAY_2026.zip",
    known=(
        KnownFile(
            ("ONSPD_NOV_2025.zip",),
            "bcd000ebe40c2564bc6e040d7e5b1ed0c602e45b341629530f4bfa7b29bf4cf7",
            32_716_741,
            "rebuilt",
            "Assembled in the directory's layout from several products of ONS; codes and dates are not of November 2025"
            " throughout.",
        ),
    ),
)

POSTCODES = Table(
    "postcodes",
    {
        "postcode": str,
        "lsoa_2011": str,
        "lsoa_2021": str,
        "local_authority": str,
        "introduced": int,
        "terminated": int,
        "latitude": float,
        "longitude": float,
    },
    primary_key="postcode",
    references={
        "lsoa_2011": ("small_areas", "code"),
        "lsoa_2021": ("lsoas_2021", "code"),
        "local_authority": ("local_authorities", "code"),
    },
    indexes=("lsoa_2011", "lsoa_2021"),
    # Cells of 0.0025 degrees of latitude by 0.004 of longitude (some 280 m by 280 m), numbered so that those side by
    # side in a row follow each other; of live postcodes only.
    computed_indexes={
        "cell": "(cast((latitude - 49) * 400 as integer) * 4096 + cast((longitude + 9) * 250 as integer))"
        " where terminated is null and latitude is not null"
    },
    without_rowid=True,
    area={"lsoa_2011": "lsoa_2011"},
)

POSTCODE_AREAS = Table(
    "postcode_areas",
    {"postcode_area": str, "live_postcodes": int, "small_areas_of": int},
    primary_key="postcode_area",
)

RECODED_2025 = {
    # Both were given new codes on 1 April 2025, after boundary changes; the lookups here end in 2024.
    # ONS, Register of Geographic Codes.
    "E08000038": "Barnsley",
    "E08000039": "Sheffield",
}

FIELDS = {  # column: the spellings of its header from the 2023 to the 2026 editions
    "postcode": r"pcds",
    "introduced": r"dointr",
    "terminated": r"doterm",
    "local_authority": r"lad\d\dcd|oslaua",
    "lsoa_2011": r"lsoa11cd|lsoa11",
    "msoa_2011": r"msoa11cd|msoa11",
    "lsoa_2021": r"lsoa21cd|lsoa21",
    "latitude": r"lat",
    "longitude": r"long",
}
PSEUDO = re.compile(r"[A-Z]99999999")
AREA_2021 = re.compile(r"([EW]01[0-9]{6})|[SN][0-9]{8}")
MIDDLE = re.compile(r"([EW]02[0-9]{6})|S02[0-9]{6}|95[A-Z0-9]{5,6}|N[0-9]{8}")
AUTHORITY = re.compile(r"E0[6-9][0-9]{6}|W06[0-9]{6}|S12[0-9]{6}|N09[0-9]{6}")
MONTH = re.compile(r"((?:19|20)[0-9][0-9](?:0[1-9]|1[0-2]))")
BAD_ZIP = (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError, OSError)

BATCH = 20_000  # rows between two reports of progress


Code = TypeVar("Code", str, int)


class _Codes(dict[str, Code | None], Generic[Code]):
    """A cache of raw cell to code; blank and pseudo-codes are None. Raises ValueError for a cell that is neither.

    Where the pattern has a group, only its match is kept: codes of other nations in that column are None.
    """

    def __init__(self, pattern: re.Pattern[str], convert: Callable[[str], Code]) -> None:
        super().__init__({"": None})
        self.pattern = pattern
        self.convert: Callable[[str], Code] = convert

    def __missing__(self, raw: str) -> Code | None:
        code = raw.strip()
        match = self.pattern.fullmatch(code)
        if match:
            kept = match[1] if self.pattern.groups == 1 else code
            value = self.convert(kept) if kept else None
        elif not code or PSEUDO.fullmatch(code):
            value = None
        else:
            raise ValueError(f"expected a code like {self.pattern.pattern}, found {raw[:40]!r}")
        self[raw] = value
        return value


def load(build: "Build") -> None:
    """Fill postcodes, the middle layer of the LSOAs, and the authorities of the directory's edition."""
    obtained = build.file(DIRECTORY)
    try:
        with obtained.open() as file, zipfile.ZipFile(file) as archive:
            member = _member(archive, obtained.name)
            edition = _edition(member.filename) or _edition(obtained.name)
            if not edition:
                raise SourceError(f"{obtained.name}: no edition (ONSPD_MMM_YYYY) in its name or in {member.filename}")
            build.edition(DIRECTORY, " ".join(edition))
            names = dict(_authority_names(archive))
            with archive.open(member) as raw:
                rows = _Rows(build, raw, member, obtained.name)
                build.insert(POSTCODES.name, list(POSTCODES.columns), rows)
    except BAD_ZIP as error:
        raise SourceError(
            f"{obtained.name} is damaged or cut short ({type(error).__name__}: {error}). Delete it and fetch it again."
        ) from error
    build.counted(DIRECTORY, rows.count)
    build.authorities(edition[1], ((c, None, NATION_OF_CODE[c[0]]) for c in sorted(filter(None, rows.authorities))))
    build.name_authorities(RECODED_2025 | names)
    # An area that no loaded publication names (its lookup was left out) still gets its row, so that nothing is lost.
    build.areas({"code": c, "kind": KIND_OF_CODE[c[0]], "nation": NATION_OF_CODE[c[0]]} for c in rows.areas if c)
    build.merge("lsoas_2021", ["code", "nation"], ((c, NATION_OF_CODE[c[0]]) for c in sorted(filter(None, rows.newer))))
    build.merge("lsoas_2011", ["code", "msoa_2011"], sorted(rows.middle.items()))
    build.execute(AREAS_OF_2021)
    build.execute(f"insert into {POSTCODE_AREAS.name} {DATES_OF_AREAS}")


DATES_OF_AREAS = """
    select rtrim(substr(postcode, 1, 2), '0123456789') as postcode_area,
        sum(terminated is null) as live_postcodes,
        max(case when terminated is null and coalesce(lsoa_2011, lsoa_2021) is not null then introduced end)
            as small_areas_of
    from postcodes where postcode <> 'GIR 0AA' group by postcode_area order by postcode_area
"""
"""Up to when a directory has small areas: the month of the newest live postcode with one, in each postcode area.

GIR 0AA is in none. A directory may be of several dates: one for the whole would be false.
"""


AREAS_OF_2021 = """
    update postcodes set lsoa_2021 = (select lsoa_2021 from lsoa_changes where lsoa_2011 = postcodes.lsoa_2011)
    where lsoa_2021 is null and lsoa_2011 in (
        select lsoa_2011 from lsoa_changes group by lsoa_2011 having count(*) = 1 and min(change) in ('U', 'M')
    )
"""
"""Where the directory gives no LSOA of 2021: the one that the LSOA of 2011 became whole, unchanged or merged.

Of one that was split, or changed irregularly, the postcode may lie in any part: then there is none.
"""


class _Rows:
    """The directory's rows as they go into the table, and their codes, which are complete when all were read.

    count: rows read. areas, newer, authorities: the codes of areas of 2011 and 2021 and of authorities.
    middle: LSOA to its MSOA.
    """

    def __init__(self, build: "Build", raw: IO[bytes], member: zipfile.ZipInfo, name: str) -> None:
        self.build, self.raw, self.member, self.where = build, raw, member, f"{name}, {member.filename}"
        self.count = 0
        self.middle: dict[str, str] = {}
        self.areas: set[str | None] = set()
        self.newer: set[str | None] = set()
        self.authorities: set[str | None] = set()

    def __iter__(self) -> Iterator[Row]:
        text = io.TextIOWrapper(self.raw, "utf-8-sig", newline="")
        reader = csv.reader(text, strict=True)
        with self.build.progress(self.member.filename, self.member.file_size) as advance:
            try:
                yield from self._parsed(reader, advance)
            except (csv.Error, UnicodeDecodeError) as error:
                raise SourceError(f"{self.where}, line {reader.line_num}: {error}") from error

    def _parsed(self, reader: "_csv.Reader", advance: Advance) -> Iterator[Row]:
        places = _places(next(reader, []), self.where)
        width = max(places.values()) + 1
        cells = itemgetter(*(places[name] for name in FIELDS))
        area, area_2021, middle = _Codes(AREA_CODE, str), _Codes(AREA_2021, str), _Codes(MIDDLE, str)
        authority, month = _Codes(AUTHORITY, str), _Codes(MONTH, int)
        form, middles, seen = FORM.fullmatch, self.middle, 0
        for row in reader:
            try:
                if len(row) < width:
                    raise ValueError(f"expected {width} cells or more, found {len(row)}")
                postcode, introduced, terminated, lad, lsoa_2011, msoa_2011, lsoa_2021, north, east = cells(row)
                if not form(postcode.replace(" ", "", 1)) or postcode[-4] != " ":
                    raise ValueError(f"expected a postcode with one space, found {postcode[:40]!r}")
                code = area[lsoa_2011]
                msoa = middle[msoa_2011]
                if code is not None and msoa is not None and middles.setdefault(code, msoa) != msoa:
                    raise ValueError(f"{code} lies in {middles[code]} and in {msoa}")
                latitude = float(north) if north else None
                longitude = float(east) if east else None
                if (latitude is None and longitude is None) or (latitude and latitude > 99 and longitude == 0):
                    latitude = longitude = None  # 99.999999, 0.000000 is ONS's mark for no grid reference
                elif latitude is None or longitude is None:
                    raise ValueError("one of latitude and longitude is blank")
                elif not (49 < latitude < 61.5 and -9 < longitude < 2.5):
                    raise ValueError(f"{latitude}, {longitude} is not in the UK")
                yield (
                    postcode,
                    code,
                    area_2021[lsoa_2021],
                    authority[lad],
                    month[introduced],
                    month[terminated],
                    latitude,
                    longitude,
                )
            except ValueError as error:
                raise SourceError(f"{self.where}, line {reader.line_num}: {error}") from None
            self.count += 1
            if not self.count % BATCH:
                at = self.raw.tell()
                advance(at - seen)
                seen = at
        advance(self.member.file_size - seen)
        self.areas, self.newer, self.authorities = (set(codes.values()) for codes in (area, area_2021, authority))


def _places(header: list[str], where: str) -> dict[str, int]:
    labels = [label(cell) for cell in header]
    places = {}
    for name, pattern in FIELDS.items():
        matches = [place for place, text in enumerate(labels) if re.fullmatch(pattern, text)]
        if len(matches) != 1:
            spelling = pattern.replace(r"\d\d", "25").split("|")[0]
            raise SourceError(
                f"{where}: label {spelling!r} "
                + (f"stands there {len(matches)} times" if matches else f"is missing; it has {', '.join(header)[:300]}")
            )
        places[name] = matches[0]
    return places


def _member(archive: zipfile.ZipFile, name: str) -> zipfile.ZipInfo:
    """Return the CSV of all postcodes, by its name; those of one postcode area each (multi_csv) are others."""
    members = [
        member
        for member in archive.infolist()
        if re.search(r"(^|/)ONSPD_[A-Z]{3}_\d{4}(_UK)?\.csv$", member.filename, re.IGNORECASE)
        and "multi_csv" not in member.filename.lower()
    ]
    if len(members) != 1:
        raise SourceError(f"{name}: expected one Data/ONSPD_MMM_YYYY_UK.csv inside, found {len(members)}")
    return members[0]


def _edition(name: str) -> tuple[str, str] | None:
    """Return month and year in a file name of the directory: ("November", "2025")."""
    match = re.search(r"ONSPD_([A-Z]{3})_([0-9]{4})", name.upper())
    return (MONTHS[match[1]], match[2]) if match and match[1] in MONTHS else None


def _authority_names(archive: zipfile.ZipFile) -> Iterator[tuple[str, str]]:
    """Yield code and name of the authorities that the directory's own documents name, where it has any."""
    for member in archive.namelist():
        if not re.search(r"Documents/.*(LAD|LA_UA).*\.csv$", member, re.IGNORECASE):
            continue
        try:
            grid = list(csv.reader(io.StringIO(decode(archive.read(member)))))
        except (csv.Error, UnicodeDecodeError):
            continue  # these names are a help, not a publication
        labels = [label(cell) for cell in grid[0]] if grid else []
        code = [i for i, text in enumerate(labels) if re.fullmatch(r"lad\d\dcd", text)]
        name = [i for i, text in enumerate(labels) if re.fullmatch(r"lad\d\dnm", text)]
        if len(code) == len(name) == 1:
            for row in grid[1:]:
                if len(row) > max(code[0], name[0]) and AUTHORITY.fullmatch(row[code[0]].strip()):
                    yield row[code[0]].strip(), " ".join(row[name[0]].split())


PUBLICATIONS = (
    Publication(
        id="postcode_directory",
        title="ONS Postcode Directory",
        publisher="Office for National Statistics",
        edition="",
        page="https://geoportal.statistics.gov.uk/search?q=PRD_ONSPD",
        files=(DIRECTORY,),
        load=load,
        tables=(POSTCODES, POSTCODE_AREAS),
        fills=(POSTCODES.name, POSTCODE_AREAS.name, "small_areas", "lsoas_2011", "lsoas_2021", "local_authorities"),
        attribution="Contains OS data © Crown copyright and database right {year}."
        " Contains Royal Mail data © Royal Mail copyright and database right {year}."
        " Source: Office for National Statistics licensed under the Open Government Licence v.3.0.",
        conditions="Northern Ireland postcodes (BT): not under the Open Government Licence. Non-commercial use is free;"
        " internal business use is under ONS's Northern Ireland End User Licence; any other commercial use needs a"
        " licence from Land & Property Services.",
    ),
)
