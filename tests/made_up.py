"""A made-up mirror: every publication in its official layout, with invented figures.

Wales, Scotland and Northern Ireland have their full number of areas, England some hundreds, so that a build takes
seconds; `small_england` lets that pass. So the full build, and what must stop it, are tested where no real publication
is at hand. Bands are computed here a second time, from the rules as the publishers state them, in fractions.
"""

import csv
import gzip
import io
import json
import math
import random
import zipfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from fractions import Fraction
from functools import cache
from pathlib import Path

import openpyxl
import pytest

from census.build.checks import run as checks
from sources import england_2019 as england
from sources import england_2025, natural_green_space, wales_2025
from sources import green_space_2020 as green_space
from sources import northern_ireland_2017 as northern_ireland
from sources import scotland_2020 as scotland
from sources import uk_composite_3_4 as uk_composite
from sources import wales_2019 as wales
from sources.geography import URBAN_RURAL
from sources.registry import publications

FEWER = 32_000  # the areas of England that are left out here
AREAS = {"E": 32844 - FEWER, "W": 1909, "S": 6976, "N": 890}
AUTHORITIES = (
    [f"E0{6 + n % 4}{n:06}" for n in range(1, 318)]
    + [f"W06{n:06}" for n in range(1, 23)]
    + [f"S12{n:06}" for n in range(1, 33)]
)
DISTRICTS = [f"N09{n:06}" for n in range(1, 12)]
AUTHORITIES_OF = {"N": DISTRICTS} | {n: [code for code in AUTHORITIES if code[0] == n] for n in "EWS"}
RETIRED = AUTHORITIES[1:22]  # English authorities of 2019 that AUTHORITIES[0] has swallowed since
CHANNEL = "L99999999"
SMALL = [RETIRED[0], "W06000001", "S12000001", "N09000001", "JE2"]  # the extract of `small_extract`


@contextmanager
def small_england() -> Iterator[None]:
    """Let a build take England with `FEWER` areas, and the UK with as many postcodes as are made up here."""
    with pytest.MonkeyPatch.context() as patch:
        for publication in publications():
            for file, rows in publication.rows.items():
                if rows > FEWER:  # whatever has so many rows has England's areas among them
                    patch.setitem(publication.rows, file, rows - FEWER)
        for module in (uk_composite, natural_green_space):
            patch.setattr(module, "AREAS", module.AREAS - FEWER)
        patch.setattr(natural_green_space, "FEWEST_AREAS", natural_green_space.FEWEST_AREAS - FEWER)
        patch.setattr(checks, "FEWEST_POSTCODES", 7_000)
        patch.setattr(uk_composite, "DECILES", decile_counts())
        indices = [publication.index for publication in publications() if publication.index]
        published = [index.published_ranks for index in indices]
        for module in (england, england_2025):
            object.__setattr__(module.INDEX, "areas", module.INDEX.areas - FEWER)
        for index in indices:
            object.__setattr__(index, "published_ranks", {})
        try:
            yield
        finally:
            for module in (england, england_2025):
                object.__setattr__(module.INDEX, "areas", module.INDEX.areas + FEWER)
            for index, ranks in zip(indices, published, strict=True):
                object.__setattr__(index, "published_ranks", ranks)


def ceil_band(rank: int, n: int, q: int) -> int:
    return math.ceil(Fraction(rank * q, n))


def floor_band(rank: int, n: int, q: int) -> int:
    return math.floor(Fraction((rank - 1) * q, n)) + 1


@cache
def codes_2021(nation: str) -> list[str]:
    """The LSOAs of 2021: most as they were, one of the last few of 2011 together, the others parts of the first."""
    kept = codes(nation)[SPLIT[nation] : -MERGED[nation]]
    parts = AREAS_2021[nation] - len(kept) - 1
    return [*kept, MERGER[nation], *(f"{nation}0109{n:04}" for n in range(parts))]


AREAS_2021 = {"E": 33755 - FEWER, "W": 1917}
SPLIT = {"E": 2, "W": 1}  # how many of the first LSOAs of 2011 became several
MERGED = {"E": 2, "W": 3}  # how many of the last LSOAs of 2011 became one
MERGER = {"E": "E01080000", "W": "W01080000"}


@cache
def changes() -> list[tuple[str, str, str]]:
    """LSOA of 2011, LSOA of 2021 and the change."""
    rows = []
    for nation in "EW":
        older, newer = codes(nation), codes_2021(nation)
        whole = len(older) - MERGED[nation] - SPLIT[nation]
        rows += [(code, code, "U") for code in newer[:whole]]
        rows += [(code, MERGER[nation], "M") for code in older[-MERGED[nation] :]]
        rows += [(older[0], code, "S") for code in newer[whole + 1 :]]
        if SPLIT[nation] == 2:  # as many as the lookup has rows
            rows += [(older[1], code, "X") for code in newer[whole + 1 :][:120]]
    return sorted(rows)


@cache
def codes(nation: str) -> list[str]:
    n = AREAS[nation]
    if nation == "N":
        letters = "ABCDEFGHIJ"
        return [f"95{letters[i // 90]}{letters[i // 9 % 10]}{i % 90 // 9:02}S{i % 9 + 1}" for i in range(n)]
    start = 6506 if nation == "S" else 1
    return [f"{nation}01{start + i:06}" for i in range(n)]


def authority_of(nation: str, i: int) -> str:
    mine = AUTHORITIES_OF[nation]
    return mine[i % len(mine)]


def name_of_authority(code: str) -> str:
    return f"Made-up district {code}"


def write(folder: Path) -> None:
    """Writes the mirror into `folder`."""
    for part in ("england", "other", "other/deeper"):
        (folder / part).mkdir(parents=True)
    _england(folder / "england")
    _wales(folder / "other")
    _scotland(folder / "other/deeper")
    _northern_ireland(folder / "other")
    _green_space(folder)
    _lookups(folder / "other")
    _england_2025(folder / "england")
    _wales_2025(folder / "other")
    _areas_2021(folder / "other")
    _composite(folder)
    parks(folder / green_space.PARKS.names[0])
    natural_green_space_layer(folder / natural_green_space.LAYER.names[0])
    directory(folder / "ONSPD_MAY_2026.zip")


def _csv(path: Path, header: list, rows: list, encoding: str = "utf-8", blank_tail: int = 0) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([*([header] if header else []), *rows, *[[""] * len(rows[0])] * blank_tail])
    data = text.getvalue().encode(encoding)
    path.write_bytes(gzip.compress(data, 1, mtime=0) if path.suffix == ".gz" else data)


def _sheets(path: Path, sheets: dict[str, list]) -> None:
    book = openpyxl.Workbook(write_only=True)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(path)


def _ranks(values: list[float]) -> list[int]:
    """The rank of each area, the highest value first; tied areas get the first of their places."""
    place: dict[float, int] = {}
    for at, value in enumerate(sorted(values, reverse=True), 1):
        place.setdefault(value, at)
    return [place[value] for value in values]


def _ranks_of(title: str, areas: list[str], twins: dict[str, str] | None = None, tied: bool = True) -> list[int]:
    """Ranks of the areas in a domain: an area's place follows from its code, so editions agree.

    twins: area to another whose rank it has too, or the next one where they are not `tied`.
    """
    twins = twins or {}
    values = [random.Random(f"{title} {twins.get(code, code)}").random() for code in areas]
    return _ranks([value - (code in twins and not tied) * 1e-9 for code, value in zip(areas, values, strict=True)])


def _weighted(domains: dict[str, list[int]], weights: dict[str, float], at_mean: bool = False) -> list[float]:
    """The overall score of each area: the weighted sum of the transformed scores of its domains' ranks."""
    n = len(next(iter(domains.values())))
    columns = []
    for name, weight in weights.items():
        tied = Counter(domains[name])
        columns.append([weight / 100 * transformed(r + at_mean * (tied[r] - 1) / 2, n) for r in domains[name]])
    return [sum(row) for row in zip(*columns, strict=True)]


def decimal(value: float, places: int = 3) -> str:
    """A number as the English files write it: at most so many places, no zeros at the end, no point after a whole."""
    return f"{value:.{places}f}".rstrip("0").rstrip(".")


def transformed(rank: float, n: int) -> float:
    """The exponentially transformed score of a domain's rank, by the indices' technical reports."""
    return -23 * math.log(1 - (n + 1 - rank) / n * (1 - math.exp(-100 / 23)))


WEIGHTS = {"England": (22.5, 22.5, 13.5, 13.5, 9.3, 9.3, 9.3)}
TWINS = range(100, 152)  # of England: each second one shares all its ranks with the one before, in 2019


@cache
def english(year: int) -> tuple[dict[str, list[int]], list[float]]:
    """The ranks of every part of the English index of a year, and the overall scores."""
    areas = codes("E") if year == 2019 else codes_2021("E")
    twins = {codes("E")[i]: codes("E")[i - 1] for i in TWINS if i % 2}
    ranks = {part: _ranks_of(part, areas, twins, tied=year == 2019) for part in england.PARTS if part != "imd"}
    scores = _weighted(ranks, dict(zip(england.DOMAINS, WEIGHTS["England"], strict=True)), at_mean=True)
    return {"imd": _ranks(scores), **ranks}, scores


def _english_figures(year: int) -> dict[str, list]:
    """The columns of scores, ranks and deciles of File 7."""
    columns: dict[str, list] = {}
    every, overall = english(year)
    n = len(overall)
    for part, title in england.PARTS.items():
        ranks = every[part]
        rate = " (rate)" if part in ("income", "employment", "idaci", "idaopi") else ""
        scores = overall if part == "imd" else [(n - rank) / (n if rate else 400) for rank in ranks]
        columns[f"{title} Score{rate}"] = [decimal(score) for score in scores]
        columns[f"{title} Rank (where 1 is most deprived)"] = ranks
        columns[f"{title} Decile (where 1 is most deprived 10% of LSOAs)"] = [ceil_band(r, n, 10) for r in ranks]
    return columns


def _transformed(columns: dict[str, list], n: int) -> list[tuple[str, ...]]:
    """The rows of File 9's scores, which follow from the ranks in `columns` of File 7."""
    cells = []
    for labels in england.DOMAINS.values():
        ranks = columns[f"{labels[0]} Rank (where 1 is most deprived)"]
        tied = Counter(ranks)
        cells.append([decimal(transformed(rank + (tied[rank] - 1) / 2, n)) for rank in ranks])
    return list(zip(*cells, strict=True))


def _england(folder: Path) -> None:
    n = AREAS["E"]
    columns = _english_figures(2019)
    for name, column in england.POPULATIONS.items():
        apart = 0 if name.startswith("total") else 200 if "dependent" in name or "older" in name else None
        people = [1000 + i % 900 if apart == 0 else apart or 600 + i % 900 for i in range(n)]
        columns[column.labels[0]] = [f"{number:,}" for number in people]  # with a thousands separator
    places = [
        (code, f"Made-up {i:05}A", authority_of("E", i), name_of_authority(authority_of("E", i)))
        for i, code in enumerate(codes("E"))
    ]
    header = [england.KEY["area_code"].labels[0], *(c.labels[0] for c in england.PLACE.values()), *columns]
    rows = [[*place, *figures] for place, figures in zip(places, zip(*columns.values(), strict=True), strict=True)]
    _csv(folder / f"{england.FILE_7.names[0]}.gz", header, rows, "utf-8-sig")
    labels = [c.labels[0] for c in england.TRANSFORMED.values()]
    rows = [[*place, *scores] for place, scores in zip(places, _transformed(columns, n), strict=True)]
    _csv(folder / england.FILE_9.names[0], [*header[:4], *labels], rows)


def authority_2024(nation: str, i: int) -> str:
    code = authority_of(nation, i)
    return AUTHORITIES[0] if code in RETIRED else code


def name_2021(code: str) -> str:
    return f"Made-up {code} (2021)"


def _england_2025(folder: Path) -> None:
    n = AREAS_2021["E"]
    figures = _english_figures(2025)
    transformed_scores = _transformed(figures, n)
    columns = {
        label[:80] if label.startswith("Children and Young") else label: cells  # as the file has it
        for label, cells in figures.items()
    }
    for column, share in zip(england_2025.POPULATIONS.values(), (1, 0.2, 0.2, 0.6), strict=True):
        columns[column.labels[0]] = [int((1000 + i % 900) * share) for i in range(n)]
    header = [england_2025.KEY["area_code"].labels[0], *(c.labels[0] for c in england_2025.PLACE.values()), *columns]
    authorities = [authority_2024("E", i) for i in range(n)]
    places = [
        [code, name_2021(code), authority, name_of_authority(authority)]
        for code, authority in zip(codes_2021("E"), authorities, strict=True)
    ]
    rows = [[*place, *row] for place, row in zip(places, zip(*columns.values(), strict=True), strict=True)]
    _csv(folder / f"{england_2025.FILE_7.names[0]}.gz", header, rows)
    labels = [c.labels[0] for c in england_2025.TRANSFORMED.values()]
    rows = [[*place, *scores] for place, scores in zip(places, transformed_scores, strict=True)]
    _csv(folder / england_2025.FILE_9.names[0], [*header[:4], *labels], rows)


WEIGHTS |= {"Wales 2019": (22, 22, 15, 14, 10, 7, 5, 5), "Wales 2025": (22, 20, 15, 14, 10, 9, 5, 5)}


@cache
def welsh(year: int) -> tuple[dict[str, list[int]], list[float]]:
    """The ranks of the Welsh index of a year, overall and by domain (by the sheet's labels), and overall scores."""
    areas = codes("W") if year == 2019 else codes_2021("W")
    ranks = {title: _ranks_of(title, areas) for title in wales.DOMAINS.values()}
    scores = _weighted(ranks, dict(zip(ranks, WEIGHTS[f"Wales {year}"], strict=True)))
    return {f"WIMD {year}": _ranks(scores), **ranks}, scores


def wales_2025_sheets() -> dict[str, list]:
    """The sheets of the workbook, with bands as published; the quintiles are no pairs of the deciles."""
    n = AREAS_2021["W"]
    ranks = welsh(2025)[0]
    places = [(code, f"Pentre {i}", name_of_authority(authority_of("W", i))) for i, code in enumerate(codes_2021("W"))]
    header = ["LSOA code", "LSOA name (Eng)", "Local Authority name (Eng)", "WIMD 2025 ", *list(ranks)[1:], " "]
    table = [[*place, *row, ""] for place, row in zip(places, zip(*ranks.values(), strict=True), strict=True)]
    deciles = [next(d for d, most in enumerate(wales_2025.DECILES, 1) if r <= most) for r in ranks["WIMD 2025"]]
    bands = [
        [*place, rank, decile, floor_band(rank, n, 5), floor_band(rank, n, 4), "10% most deprived"]
        for place, rank, decile in zip(places, ranks["WIMD 2025"], deciles, strict=True)
    ]
    labels = ["rank ", "decile", "quintile", "quartile", "deprivation group"]
    return {
        "WIMD_2025_ranks": [["Rank of LSOA"], ["This worksheet contains one table."], header, *table],
        "Deciles_quintiles_quartiles": [
            ["Bands"],
            [],
            [],
            [*header[:3], *(f"WIMD 2025 overall {x}" for x in labels)],
            *bands,
        ],
    }


def _wales_2025(folder: Path) -> None:
    _, _, header, *rows = wales_2025_sheets()["WIMD_2025_ranks"]
    _csv(folder / wales_2025.RANKS.names[-1], header, rows, blank_tail=2)


def _areas_2021(folder: Path) -> None:
    at = {code: i for nation in "EW" for i, code in enumerate(codes(nation))}
    rows = []
    for older, newer, change in changes():
        authority = authority_of(older[0], at[older])
        rows.append(
            [older, "-", newer, name_2021(newer), change, authority, name_of_authority(authority)],
        )
    header = ["LSOA11CD", "LSOA11NM", "LSOA21CD", "LSOA21NM", "CHGIND", "LAD22CD", "LAD22NM"]
    _csv(folder / "LSOA11_LSOA21_LAD22_EW_LU.csv", header, rows, "utf-8-sig")
    for areas, era, year, name in (
        (codes("E"), "11", "22", "LSOA11_SICBL22_ICB22_LAD22_EN_LU.csv"),
        (codes_2021("E"), "21", "24", "LSOA21_SICBL24_ICB24_EN_LU.csv"),
    ):
        header = [f"LSOA{era}CD", f"LSOA{era}NM"]
        header += [f"{kind}{year}{part}" for kind in ("SICBL", "ICB") for part in ("CD", "CDH", "NM")]
        rows = []
        for code in areas:
            sub, board = int(code[3:]) % 106, int(code[3:]) % 106 % 42
            board_code = f"E540001{year}" if board == 7 else f"E5400{board:04}"  # one got a new code and kept its own
            rows.append(
                [
                    *(code, "-", f"E3800{sub:04}", f"{sub:02}A", f"Sub-board {sub}"),
                    *(board_code, f"Q{board:02}", f"Board {board}"),
                ]
            )
        _csv(folder / name, header, rows)
    boards = [(f"E540001{year}" if n == 7 else f"E5400{n:04}") for n in range(42) for year in ("22", "24")]
    rows = [
        [boards[2 * n], f"Board {n}", boards[2 * n + 1], f"E4000000{n % 7}", f"Y{n % 7:02}", f"Region {n % 7}"]
        for n in range(42)
    ]
    header = ["ICB22CD", "ICB22NM", "ICB24CD", "NHSER21CD", "NHSER21CDH", "NHSER21NM"]
    _csv(folder / "ICB22_ICB24_NHSER21_EN_derived.csv", header, rows)
    authorities = [code for code in AUTHORITIES if code[0] == "W"]
    rows = [[code, name_of_authority(code), f"W1100000{i % 7}", f"Board {i % 7}"] for i, code in enumerate(authorities)]
    _csv(folder / "UA22_LHB22_WA_LU.csv", ["UA22CD", "UA22NM", "LHB22CD", "LHB22NM"], rows)


MODEL = {  # of the composite: constant, weights of the employment score and of the overall local score
    "E": (0, 0, 1),
    "W": (3.057037104662136, 0.10985655292896024, 0.8563477859913157),
    "S": (-0.07496130106227353, -0.5853415503564765, 1.2169828058222751),
    "N": (7.335180062462659, 0.8668925380150085, 0.9273323105121417),
}


@cache
def composite() -> list[list]:
    """The rows of the composite, which stands on the indices made up here."""
    rows: list[list] = []
    for nation in AREAS:
        n = AREAS[nation]
        if nation == "E":
            ranks, scores = english(2019)
            scores = [float(decimal(score)) for score in scores]
            rates = [[100 * float(decimal((n - r) / n)) for r in ranks[part]] for part in ("income", "employment")]
            deciles = [ceil_band(rank, n, 10) for rank in ranks["imd"]]
        elif nation == "W":
            ranks, scores = welsh(2019)
            scores = [float(f"{score:.1f}") for score in scores]
            rates = [[(n - rank) / n for rank in ranks[part]] for part in ("Income", "Employment")]
            deciles = [floor_band(rank, n, 10) for rank in ranks["WIMD 2019"]]
        else:
            ranks, scores = scottish() if nation == "S" else northern_irish()
            rates = [[100 * ((n - rank) / n) for rank in ranks[part]] for part in ("income_rank", "employment_rank")]
            deciles = [ceil_band(rank, n, 10) for rank in ranks["imd_rank"]]
        constant, of_employment, of_overall = MODEL[nation]
        for code, score, income, employment, decile in zip(codes(nation), scores, *rates, deciles, strict=True):
            uk = constant + of_employment * employment + of_overall * score
            rows.append([nation, code, score, income, employment, uk, decile])
    tied = Counter(row[5] for row in rows)
    for row, first in zip(rows, _ranks([row[5] for row in rows]), strict=True):
        rank = first + (tied[row[5]] - 1) / 2
        band = ceil_band(first, len(rows), 10)
        row += [band, rank, band, (band + 1) // 2]
    return rows


def decile_counts() -> tuple[int, ...]:
    """How many areas each decile of the composite has."""
    return tuple(n for _, n in sorted(Counter(row[9] for row in composite()).items()))


def _composite(folder: Path) -> None:
    _csv(folder / "UK_IMD_E.csv.gz", [column.labels[0] for column in COMPOSITE], composite())


COMPOSITE = [
    uk_composite.FIGURES[name]
    for name in ("nation_code", *(name for name in uk_composite.FIGURES if name not in ("area_code", "nation_code")))
]
COMPOSITE.insert(1, uk_composite.FIGURES["area_code"])


def parks(path: Path, label: int = 0) -> None:
    """Writes the workbook of public parks, with the labels of April 2020 or (1) those without playing fields."""
    header = ["Country code", "Country name", "Region code", "Region name", "LAD code", "LAD name"]
    header += [c.labels[label] for name, c in green_space.PARKS_FIGURES.items() if not name.startswith("region")]
    nations = {"E": "England", "W": "Wales", "S": "Scotland"}
    rows = [
        [
            *("X92000001", nations[code[0]], "X12000001", "Region", code, name_of_authority(code)),
            *(300.5 + i, 80000 + i, 4.25, 900000 + i),
        ]
        for i, code in enumerate(AUTHORITIES)
    ]
    _sheets(path, {"Contents": [["Made up"]], "LAD Parks only": [header, *rows], "LAD Parks and Playing Fields": []})


NATURAL_GREEN_SPACE = {"PGArea_ResAddress_ratio": "", "RUC11": "Urban major conurbation", "RUC_Category": "Urban"}


def natural_green_space_layer(path: Path, areas: list[str] | None = None) -> None:
    """Writes Natural England's layer of `areas` (all LSOAs of England, 2011), with all 78 columns of the real one."""
    labels = natural_green_space.LABELS
    place = ["OBJECTID_1", "LSOA11CD", "LSOA11NM", "MSOA_Code", "LocalAuthority_District_Code"]
    place += ["LocalAuthority_District_Name", "County_Code", "County_Name"]

    def cell(label: str, i: int) -> str:
        if label in NATURAL_GREEN_SPACE:
            return NATURAL_GREEN_SPACE[label]
        if label.endswith("Deficit"):
            return "HML"[i % 3] + "123"[i % 7 % 3]
        if labels[label] is int:
            return str(1 + i % 10)
        return decimal((i % 1000) / 7, 13)

    rows = [
        [
            *(i + 1, code, f"Made-up {i:05}A", f"E02{i // 5:06}", "E06000001", "Made-up", "E06000001", "Made-up"),
            *(cell(label, i) for label in labels),
            *("598396.792762756", "5452.32726573972"),
        ]
        for i, code in enumerate(codes("E") if areas is None else areas)
    ]
    _csv(path, [*place, *labels, "Shape__Area", "Shape__Length"], rows)


def _wales(folder: Path) -> None:
    n = AREAS["W"]
    ranks, overall = welsh(2019)
    places = [(code, f"Pentre {i}", "Made-up") for i, code in enumerate(codes("W"))]
    header = ["LSOA code", "LSOA name (Eng)", "Local Authority name (Eng)", "WIMD 2019 ", *list(ranks)[1:], " "]
    table = [[*place, *row, ""] for place, row in zip(places, zip(*ranks.values(), strict=True), strict=True)]
    bands = [
        [*place, rank, *(floor_band(rank, n, q) for q in (10, 5, 4))]
        for place, rank in zip(places, ranks["WIMD 2019"], strict=True)
    ]
    band_header = [
        *header[:3],
        "WIMD 2019 overall rank ",
        *(f"WIMD 2019 overall {b}" for b in ("decile", "quintile", "quartile")),
    ]
    _sheets(
        folder / wales.RANKS.names[2],
        {
            "Guidance_sheet": [["Made up"], ["WIMD 2019 Rank", "Decile"]],
            "WIMD_2019_ranks": [["Rank of LSOA"], ["This worksheet contains one table."], header, *table],
            "Deciles_quintiles_quartiles": [["Bands"], band_header, *bands],
        },
    )
    scores = [
        [*place, f"{score:.1f}", *(f"{transformed(rank, n):.1f}" for rank in row[1:])]
        for place, score, row in zip(places, overall, zip(*ranks.values(), strict=True), strict=True)
    ]
    labels = ["LSOA code", "LSOA name", "Local Authority name ", "WIMD 2019 ", *list(ranks)[1:]]
    _csv(folder / "wimd-2019-index-and-domain-scores-by-small-area.csv", labels, scores, "utf-8-sig", blank_tail=7)


@cache
def scottish() -> tuple[dict[str, list], list[float]]:
    """The ranks of the Scottish index, of which some are shared by two data zones, and its overall scores."""
    ranks: dict[str, list] = {}
    for name in scotland.DOMAIN_RANKS:
        pairs = _ranks_of(name, codes("S"))
        halves = [
            rank + 0.5 if rank % 50 == 0 else rank - 0.5 if rank % 50 == 1 and rank > 1 else rank for rank in pairs
        ]
        ranks[name] = halves
    scores = _weighted(ranks, dict(zip(scotland.DOMAIN_RANKS, (28, 28, 14, 14, 9, 5, 2), strict=True)))
    return {"imd_rank": _ranks(scores), **ranks}, scores


def _scotland(folder: Path) -> None:
    n = AREAS["S"]
    ranks, _ = scottish()
    overall, domains = ranks["imd_rank"], [ranks[name] for name in scotland.DOMAIN_RANKS]
    header = [c.labels[0] for c in (scotland.KEY | scotland.PLACE | scotland.FIGURES).values()]
    rows = [
        [
            code,
            f"Glen - {i}"[:8],
            authority_of("S", i),
            name_of_authority(authority_of("S", i)),
            f"S02{i % 320:06}",
            800,
            500,
            overall[i],
            *(ceil_band(overall[i], n, q) for q in (20, 10, 5)),
            *(d[i] for d in domains),
        ]
        for i, code in enumerate(codes("S"))
    ]
    _csv(folder / "SIMD+2020v2.csv", header, rows, "utf-8-sig")


@cache
def northern_irish() -> tuple[dict[str, list[int]], list[float]]:
    """The ranks of Northern Ireland's measure, overall and by domain, and its overall scores."""
    names = [name for name in northern_ireland.MEASURE if name != "imd_rank"]
    ranks = {name: _ranks_of(name, codes("N")) for name in names}
    weights = dict(zip(names, (25, 25, 15, 15, 10, 5, 5), strict=True))
    scores = _weighted(ranks, weights)
    return {"imd_rank": _ranks(scores), **ranks}, scores


def _northern_ireland(folder: Path) -> None:
    places = [
        (name_of_authority(authority_of("N", i)), "Rural", code, f"Townland_{i}") for i, code in enumerate(codes("N"))
    ]
    header = ["LGD2014NAME", "2015 Default Urban/Rural ", "SOA2001", "SOA2001_name"]
    ranks, _ = northern_irish()
    measure = list(northern_ireland.MEASURE.values())
    sheets = {
        "Metadata": [["Made up"]],
        "MDM": [
            [*header, *(c.labels[0].replace(" (where", " \n(where") for c in measure)],
            *([*place, *row] for place, row in zip(places, zip(*ranks.values(), strict=True), strict=True)),
        ],
    }
    for sheet, (rank, own) in northern_ireland.SHEETS.items():
        labels = ([northern_ireland.MEASURE[rank].labels[0]] if rank else []) + [c.labels[0] for c in own.values()]
        sheets[sheet] = [
            [*header, *labels],
            *(
                [
                    *place,
                    *([ranks[rank][i]] if rank else []),
                    *(
                        i + 1 if c.type is int else (890 - (ranks[rank][i] if rank else i + 1)) / 890
                        for c in own.values()
                    ),
                ]
                for i, place in enumerate(places)
            ),
        ]
    _sheets(folder / "NIMDM17_SOAresults.xlsx", sheets)


def _green_space_figure(label: str) -> str:
    """Of 1,250 houses and as many flats, nine in ten have some of 12.5 m2; five flats share two spaces."""
    flats, total = ("type: Flats" in label), ("type: Total" in label)
    if "ercentage" in label:
        return "0.9"
    if "number of flats" in label:
        return "2.5"
    if "space count" in label and "ddress" not in label.lower() and "Adress" not in label:
        return "450"
    if "count" in label:
        return ("2,250" if total else "1,125") if "with" in label else ("2,500" if total else "1,250")
    if "total area" in label:
        return "19,687.5" if total else "5,625" if flats else "14,062.5"
    return "12.5"


def _green_space(folder: Path) -> None:
    labels = [c.labels[0] for name, c in green_space.FIGURES.items() if not name.startswith("region")]
    upper, lower, group = [], [], None
    for text in labels:
        over, below = text.split(" | ")
        upper.append(over if over != group else "")
        lower.append(f" {below} ")
        group = over
    place = ["Country code", "Country name", "Region code", "Region name", "LAD code", "LAD name"]
    nations = {"E": "England", "W": "Wales", "S": "Scotland"}
    figures = [_green_space_figure(text) for text in labels]
    rows = [
        ["X92000001", nations[code[0]], "X12000001", "Region", code, name_of_authority(code), *figures]
        for code in AUTHORITIES
    ]
    _csv(folder / "access_to_green_space.csv", [*place, *upper], [[""] * 6 + lower, *rows], "utf-8-sig")


def _lookups(folder: Path) -> None:
    rows = [
        [i, code, f"Made-up {i:05}A", f"{nation}05{authority[3:]}", "Ward", authority, name_of_authority(authority)]
        for nation in "EW"
        for i, code in enumerate(codes(nation))
        for authority in [authority_of(nation, i)]
    ]
    header = ["FID", "LSOA11CD", "LSOA11NM", "WD19CD", "WD19NM", "LAD19CD", "LAD19NM"]
    _csv(folder / "LSOA11_WD19_LAD19_EW_LU_V2.csv", header, rows, "utf-8-sig")
    wanted = [
        "DZ2011_Code",
        "DZ2011_Name",
        "IZ2011_Code",
        "IZ2011_Name",
        "MMWard_Code",
        "MMWard_Name",
        "LA_Code",
        "LA_Name",
        "HB_Code",
        "HB_Name",
        *(label for _, label in URBAN_RURAL.values()),
    ]
    rows = [
        [
            code,
            f"Glen\xa0Mòr - {i}",
            f"S02{i % 320:06}",
            "Zone",
            f"S13{i % 32:06}",
            "Ward",
            authority,
            name_of_authority(authority),
            f"S0800000{i % 8}",
            f"Shore {i % 8}",
            *(1 + i % 2 if type_ is int else "Urban" for type_, _ in URBAN_RURAL.values()),
        ]
        for i, code in enumerate(codes("S"))
        for authority in [authority_of("S", i)]
    ]
    _csv(folder / "scottish_dz_lookup.csv", wanted, rows, "cp1252")
    current = [*(code for code in AUTHORITIES if code not in RETIRED), *DISTRICTS]
    features = [{"properties": {"LAD24CD": code, "LAD24NM": name_of_authority(code)}} for code in current]
    (folder / "LAD_MAY_2024_UK_Boundaries.geojson").write_text(json.dumps({"features": features}), "utf-8")


HEADER = [
    "pcd7",
    "pcd8",
    "pcds",
    "dointr",
    "doterm",
    "lad26cd",
    "ctry26cd",
    "lsoa11cd",
    "msoa11cd",
    "lsoa21cd",
    "lat",
    "long",
]


@cache
def postcodes() -> list[list[str]]:
    """One live postcode an area, a retired one for every tenth, and one of Jersey."""
    rows = []
    unchanged = {code for code, _, change in changes() if change == "U"}
    for nation in AREAS:
        for i, code in enumerate(codes(nation)):
            authority = authority_of(nation, i)
            authority = AUTHORITIES[0] if authority in RETIRED else authority
            middle = f"{nation}02{i % len(AUTHORITIES_OF[nation]):06}" if nation in "EWS" else "N99999999"
            newer = code if nation in "EW" and i % 20 and code in unchanged else ""  # every 20th from the lookup
            letters = "ABDEFGHJLNPQRSTUVWXYZ"
            district, sector, unit = i // 4410, i // 441 % 10, letters[i // 21 % 21] + letters[i % 21]
            area = {"E": "AB", "W": "CF", "S": "EH", "N": "BT"}[nation]
            for outward, ended in (
                (f"{area}{district + 1}", ""),
                *(((f"{area}{district + 20}", "201006"),) if not i % 10 else ()),
            ):
                postcode = f"{outward} {sector}{unit}"
                if ended and code == "E01000001":
                    newer = "E01090005"  # the directory knows in which part of the split area it lay
                rows.append(
                    [
                        postcode.replace(" ", ""),
                        postcode,
                        postcode,
                        "198001",
                        ended,
                        authority,
                        f"{nation}92000001",
                        code,
                        middle,
                        newer,
                        "53.5",
                        "-1.5",
                    ]
                )
    rows.append(
        [
            "JE23AB",
            "JE2 3AB",
            "JE2 3AB",
            "200208",
            "",
            CHANNEL,
            "L93000001",
            CHANNEL,
            CHANNEL,
            "",
            "99.999999",
            "0.000000",
        ]
    )
    return sorted(rows, key=lambda row: row[2])


def directory(path: Path, header: list[str] = HEADER, rows: list[list[str]] | None = None) -> Path:
    """Writes a postcode directory ZIP of `rows` to `path` and returns it."""
    text = io.StringIO()
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([header, *(postcodes() if rows is None else rows)])
    edition = path.stem
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"Data/multi_csv/{edition}_UK_AB.csv", "not this one")
        archive.writestr(f"Data/{edition}_UK.csv", text.getvalue())
        archive.writestr(
            "Documents/LAD (2026) names and codes UK.csv", "﻿LAD26CD,LAD26NM\r\nE06999999,Newly Named\r\nE06000001, \r\n"
        )
    return path
