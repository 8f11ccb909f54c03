"""Two editions on two sets of areas: which area a postcode lies in, blanks and bands of 2025, parks, the composite.

And that a new edition is one module and its description.
"""

import asyncio
import csv
import json
import shutil
import sqlite3
import subprocess
import sys
from bisect import bisect_left

import openpyxl
import pytest

from census.cli import build as build_db
from sources import england_2025, lsoa_changes_2021, wales_2025
from sources import green_space_2020 as green_space
from tests import made_up
from tests.conftest import ROOT, datasette_of, site_of
from tests.site.test_build import PUBLICATIONS, assert_named, built, changed, edited, next_decile, only, query, refused

ENGLAND = england_2025.FILE_7.names[0]


# The area of 2021


def test_a_postcode_s_area_of_2021_is_the_directory_s_or_a_whole_change_s(made_up_db):
    became: dict[str, set] = {}
    for older, newer, change in made_up.changes():
        became.setdefault(older, set()).add((newer, change))
    at = {name: made_up.HEADER.index(name) for name in ("pcds", "lsoa11cd", "lsoa21cd")}
    expected, ways = {}, {"directory": 0, "unchanged": 0, "merged": 0, "one of several": 0}
    for row in made_up.postcodes():
        postcode, older, newer = (row[i] for i in at.values())
        if newer:
            ways["directory"] += 1
        elif older in became and len(became[older]) == 1:
            [(newer, change)] = became[older]
            ways[{"U": "unchanged", "M": "merged"}[change]] += 1
        elif older in became:
            ways["one of several"] += 1
        expected[postcode] = newer or None
    assert dict(query(made_up_db, "select postcode, lsoa_2021 from postcodes")) == expected
    assert min(ways.values()) >= 2, ways


def test_the_directory_s_own_area_is_kept_where_the_lookup_names_many(made_up_db):
    found = query(made_up_db, "select lsoa_2021 from postcodes where lsoa_2011 = 'E01000001' order by terminated")
    assert found == [(None,), ("E01090005",)]


def test_a_lookup_with_two_answers_for_a_merged_area_gives_none():
    connection = sqlite3.connect(":memory:")
    connection.executescript(
        """
        create table postcodes (postcode, lsoa_2011, lsoa_2021);
        create table lsoa_changes (lsoa_2011, lsoa_2021, change);
        insert into postcodes values ('A', 'E1', null), ('B', 'E2', null), ('C', 'E2', 'E9'), ('D', 'E3', null);
        insert into lsoa_changes values ('E1', 'E5', 'M'), ('E1', 'E6', 'M'), ('E2', 'E7', 'M'), ('E3', 'E8', 'X');
        """
    )
    from sources.postcode_directory import AREAS_OF_2021

    connection.execute(AREAS_OF_2021)
    found = dict(connection.execute("select postcode, lsoa_2021 from postcodes"))
    assert found == {"A": None, "B": "E7", "C": "E9", "D": None}


def test_an_area_of_2021_without_a_postcode_has_the_authority_of_2024_or_its_successor(made_up_db):
    found = query(
        made_up_db,
        "select lsoas_2021.code, local_authority_2024, local_authority, successor, lsoas_2021.latitude from lsoas_2021"
        " join local_authorities on local_authorities.code = local_authority_2024"
        " where lsoas_2021.code not in (select lsoa_2021 from postcodes where lsoa_2021 is not null)",
    )
    assert len(found) > 900
    for code, before, today, successor, latitude in found:
        assert (today, latitude) == (successor or before, None), code
    names = dict(query(made_up_db, "select code, name from local_authorities"))
    for today, name in query(made_up_db, "select local_authority, local_authority_name from lsoas_2021"):
        assert name == names[today]


@pytest.mark.parametrize(
    "edit, named",
    [
        (changed(30, "CHGIND", "Q"), ("E01000001", "'Q'")),
        (changed(2000, "CHGIND", "M"), ("W01", "'M'")),
        (changed(2000, "LSOA21CD", "E01090000"), ("E01090000", "'U'")),
        (lambda rows: [*rows[:-1], rows[-2]], ("UNIQUE", "lsoa_changes")),
    ],
)
def test_a_changed_lookup_of_areas_stops_the_build(mirror, tmp_path, old, capsys, edit, named):
    """Row 2000 is an unchanged area."""
    broken = edited(mirror, tmp_path / "broken", lsoa_changes_2021.CHANGES.names[0], edit)
    shutil.copy(next(mirror.rglob("LSOA11_WD19_LAD19_EW_LU_V2.csv")), broken)
    assert_named(named, refused(capsys, old, *only("lsoa_changes", "lsoa_2011_lookup"), "--mirror", broken))


# English indices 2025


def without_values(*labels):
    def edit(rows):
        places = [rows[0].index(label) for label in labels]
        return [rows[0], *([("" if i in places else cell) for i, cell in enumerate(row)] for row in rows[1:])]

    return edit


def swapped(rows, one, other):
    """The rows with the cells of two columns under each other's label."""
    for row in rows[1:]:
        row[one], row[other] = row[other], row[one]
    return rows


TABLE = england_2025.TABLE.name
TRANSFORMED_LABELS = [c.labels[0] for c in england_2025.TRANSFORMED.values()]
IDACI = [c.labels[0] for name, c in england_2025.FIGURES.items() if name.startswith("idaci")]
IDACI[0] += " (rate)"


def test_what_the_english_file_has_blank_is_null_and_what_it_has_is_loaded(mirror, made_up_db, tmp_path):
    people = [c.labels[0] for c in england_2025.POPULATIONS.values()]
    blank = edited(mirror, tmp_path / "blank", ENGLAND, without_values(*IDACI, *people))
    output = built(tmp_path, blank, "england_2025")
    columns = "count(*), count(idaci_rank), count(idaci_score), count(idaci_decile), count(idaopi_rank)"
    assert query(output, f"select {columns} from imd_england_2025") == [(1755, 0, 0, 0, 1755)]
    assert query(output, "select count(total_population_mid_2022) from lsoas_2021") == [(0,)]
    assert query(output, "select distinct idaci_rank, idaci_decile from deprivation") == [(None, None)]
    assert query(made_up_db, f"select {columns} from imd_england_2025") == [(1755,) * 5]
    assert query(made_up_db, "select count(total_population_mid_2022) from lsoas_2021") == [(1755,)]


@pytest.mark.parametrize(
    "edit, named",
    [
        (changed(7, IDACI[1], ""), ("england_2025", "idaci_rank")),
        (changed(7, IDACI[0], ""), ("england_2025", "idaci_score")),
        (
            changed(7, "Crime Decile (where 1 is most deprived 10% of LSOAs)", next_decile),
            ("england_2025", "crime_decile"),
        ),
        (changed(7, "Crime Rank (where 1 is most deprived)", ""), ("england_2025", "crime_rank")),
        (lambda rows: rows[:-1], ("1,755", "1,754")),
    ],
)
def test_a_changed_english_file_of_2025_stops_the_build(mirror, tmp_path, old, capsys, edit, named):
    broken = edited(mirror, tmp_path / "broken", ENGLAND, edit)
    assert_named(named, refused(capsys, old, *only("england_2025"), "--mirror", broken))


# Transformed scores of England 2025

FILE_9 = england_2025.FILE_9.names[0]
TRANSFORMED = list(england_2025.TRANSFORMED)


def with_file_9(mirror, folder, edit=lambda rows: rows):
    """A mirror of the two English files of 2025, the scores' CSV rows through `edit`."""
    broken = edited(mirror, folder, FILE_9, edit)
    shutil.copy(next(mirror.rglob(f"{ENGLAND}.gz")), broken)
    return broken


def test_transformed_scores_of_2025_are_the_cells_of_file_9(mirror, made_up_db):
    with (mirror / "england" / FILE_9).open(newline="") as file:
        _, *rows = csv.reader(file)
    expected = {row[0]: tuple(map(float, row[4:])) for row in rows}
    found = {row[0]: row[1:] for row in query(made_up_db, f"select area_code, {', '.join(TRANSFORMED)} from {TABLE}")}
    assert found == expected
    assert len(found) == 1755
    status = "select status, rows, file from publications where id = 'england_2025_transformed_scores'"
    assert query(made_up_db, status) == [("complete", 1755, FILE_9)]


def test_transformed_scores_of_2025_are_read_from_a_workbook_too(mirror, made_up_db, tmp_path):
    with (mirror / "england" / FILE_9).open(newline="") as file:
        header, *rows = csv.reader(file)
    (tmp_path / "mirror").mkdir()
    shutil.copy(next(mirror.rglob(f"{ENGLAND}.gz")), tmp_path / "mirror")
    book = openpyxl.Workbook(write_only=True)
    book.create_sheet("Notes").append(["Made up"])
    sheet = book.create_sheet("IoD25 Transformed Domain Scores")
    for row in [header, *([*row[:4], *map(float, row[4:])] for row in rows)]:
        sheet.append(row)
    book.save(tmp_path / "mirror" / england_2025.FILE_9.names[1])
    output = built(tmp_path, tmp_path / "mirror", "england_2025", "england_2025_transformed_scores")
    every = f"select * from {TABLE} order by area_code"
    assert query(output, every) == query(made_up_db, every)


def test_without_file_9_the_transformed_scores_of_2025_are_null_and_not_loaded(mirror, made_up_db, tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    shutil.copy(next(mirror.rglob(f"{ENGLAND}.gz")), tmp_path / "mirror")
    output = built(tmp_path, tmp_path / "mirror", "england_2025", "england_2025_transformed_scores")
    assert "england_2025_transformed_scores: not in the mirror" in capsys.readouterr().out
    counted = f"select count(*), {', '.join(f'count({name})' for name in TRANSFORMED)} from {TABLE}"
    assert query(output, counted) == [(1755, *[0] * 7)]
    found = query(output, "select id, status, rows, sha256 is null from publications where id like 'england_2025%'")
    assert sorted(found) == [
        ("england_2025", "complete", 1755, 0),
        ("england_2025_transformed_scores", "not loaded", None, 1),
    ]
    others = ", ".join(england_2025.FIGURES)
    assert query(output, f"select {others} from {TABLE}") == query(made_up_db, f"select {others} from {TABLE}")
    assert build_db.main(["--check", str(output)]) == 0


@pytest.mark.parametrize(
    "edit, named",
    [
        (changed(7, TRANSFORMED_LABELS[0], ""), ("england_2025", "income_score_exponentially_transformed None")),
        (
            changed(7, TRANSFORMED_LABELS[3], "100.001"),
            ("health_deprivation_disability_score_exponentially_transformed 100.001",),
        ),
        (without_values(*TRANSFORMED_LABELS), ("england_2025", "score_exponentially_transformed None")),
        (lambda rows: swapped(rows, 4, 5), ("england_2025", "income_score_exponentially_transformed")),
        (lambda rows: rows[:-1], ("1,755", "1,754")),
        (
            changed(7, "LSOA code (2021)", "E01099999"),
            ("imd_england_2025", "E01099999"),
        ),
    ],
)
def test_a_changed_file_9_of_2025_stops_the_build(mirror, tmp_path, old, capsys, edit, named):
    broken = with_file_9(mirror, tmp_path / "broken", edit)
    arguments = only("england_2025", "england_2025_transformed_scores")
    assert_named(named, refused(capsys, old, *arguments, "--mirror", broken))


def test_the_rcpch_routes_give_the_transformed_scores_of_2025_as_decimals(made_up_db, tmp_path):
    postcode, *figures = query(
        made_up_db,
        f"select postcode, {', '.join(TRANSFORMED)} from postcodes join {TABLE} on area_code = lsoa_2021"
        " where terminated is null order by postcode limit 1 offset 500",
    )[0]
    site = datasette_of(site_of(made_up_db, tmp_path))
    path = f"/rcpch-census-platform/api/v1/indices_of_multiple_deprivation?postcode={postcode.replace(' ', '+')}"
    answer = asyncio.run(site.client.get(f"{path}&index=england_2025")).json()
    assert [answer[name] for name in TRANSFORMED] == [f"{figure:.3f}" for figure in figures]


def test_scores_that_were_not_loaded_must_not_be_there(mirror, tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    shutil.copy(next(mirror.rglob(f"{ENGLAND}.gz")), tmp_path / "mirror")
    output = built(tmp_path, tmp_path / "mirror", "england_2025", "england_2025_transformed_scores")
    connection = sqlite3.connect(output)
    connection.execute(f"update {TABLE} set {TRANSFORMED[0]} = 1 where area_code = 'E01000003'")
    connection.commit()
    connection.close()
    assert build_db.main(["--check", str(output)]) == 1
    assert f"E01000003 {TRANSFORMED[0]}" in capsys.readouterr().err


# WIMD 2025


def workbook(folder, sheets):
    folder.mkdir()
    book = openpyxl.Workbook(write_only=True)
    for title, rows in {"Guidance_sheet": [["Made up"]], **sheets}.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(folder / "wimd-2025-index-and-domain-ranks-by-small-area.xlsx")
    return folder


def test_the_workbook_s_own_bands_win_and_the_csv_s_are_cut_at_the_published_ranks(mirror, tmp_path):
    (tmp_path / "csv").mkdir()
    (tmp_path / "book").mkdir()
    from_csv = built(tmp_path / "csv", mirror, "wales_2025")
    book = workbook(tmp_path / "with_bands", made_up.wales_2025_sheets())
    from_book = built(tmp_path / "book", book, "wales_2025")
    ranks = "select area_code, imd_rank, income_rank, physical_environment_rank, imd_decile from imd_wales_2025"
    assert query(from_csv, ranks) == query(from_book, ranks)
    for _, rank, *_, decile in query(from_csv, ranks):
        assert decile == bisect_left((191, 382, 574, 766, 958, 1149, 1341, 1533, 1724, 1917), rank) + 1
    common = "select rank, decile, decile_basis, quintile, quintile_basis, quartile from deprivation"
    for rank, decile, basis, quintile, quintile_basis, quartile in query(from_csv, common):
        assert (basis, quintile, quintile_basis, quartile) == ("published", (decile + 1) // 2, "computed", None), rank
    pairs = 0
    for rank, decile, basis, quintile, quintile_basis, quartile in query(from_book, common):
        assert (basis, quintile_basis) == ("published", "published")
        assert quintile == made_up.floor_band(rank, 1917, 5)
        assert quartile == made_up.floor_band(rank, 1917, 4)
        pairs += quintile == (decile + 1) // 2
    assert pairs < 1917, "the made-up sheet's quintiles must not be those that would be computed"
    bands = "select published_bands, loaded from indices where id = 'wales_2025'"
    assert query(from_csv, bands) == [("decile", 1)]
    assert query(from_book, bands) == [("decile, quintile, quartile", 1)]
    assert query(from_book, "select distinct imd_deprivation_group from imd_wales_2025") == [("10% most deprived",)]


@pytest.mark.parametrize(
    "row, column, change, named",
    [
        (40, 5, lambda quintile: quintile % 5 + 1, ("wales_2025", "imd_quintile")),
        (40, 3, lambda rank: rank - 1, ("sheet", "rank")),
    ],
)
def test_a_changed_sheet_of_bands_stops_the_build(tmp_path, old, capsys, row, column, change, named):
    sheets = made_up.wales_2025_sheets()
    bands = sheets["Deciles_quintiles_quartiles"]
    bands[row][column] = change(bands[row][column])
    folder = workbook(tmp_path / "with_bands", sheets)
    assert_named(named, refused(capsys, old, *only("wales_2025"), "--mirror", folder))


def test_a_new_bound_of_a_decile_a_sixth_quintile_and_a_blank_quartile_are_noticed(tmp_path, old, capsys):
    """The area of rank 191 moves to the second decile, as if the bounds known here were wrong."""
    sheets = made_up.wales_2025_sheets()
    row_of = {row[3]: row for row in sheets["Deciles_quintiles_quartiles"][4:]}
    moved, beyond, blank = row_of[wales_2025.DECILES[0]], row_of[1000], row_of[1001]
    moved[4], beyond[5], blank[6] = 2, 6, None
    folder = workbook(tmp_path / "with_bands", sheets)
    said = refused(capsys, old, *only("wales_2025"), "--mirror", folder)
    assert f"{moved[0]} imd_decile 2" in said
    assert f"{beyond[0]} imd_quintile 6" in said
    assert f"{blank[0]} imd_quartile" in said


# Public parks


@pytest.mark.parametrize("label", [0, 1], ids=["April 2020", "without playing fields"])
def test_public_parks_are_read_under_either_label(tmp_path, label):
    (tmp_path / "mirror").mkdir()
    made_up.parks(tmp_path / "mirror" / green_space.PARKS.names[0], label)
    output = built(tmp_path, tmp_path / "mirror", "green_space_parks")
    rows = query(output, "select * from green_space_parks order by local_authority")
    expected = [
        (code, "X12000001", "Region", 300.5 + i, 80000.0 + i, 4.25, 900000.0 + i)
        for i, code in enumerate(made_up.AUTHORITIES)
    ]
    assert rows == sorted(expected)
    assert query(output, "select status, rows from publications where id = 'green_space_parks'") == [("complete", 371)]


def test_a_mirror_without_the_parks_is_named_as_not_loaded(mirror, tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    shutil.copy(next(mirror.rglob("access_to_green_space.csv")), tmp_path / "mirror")
    output = built(tmp_path, tmp_path / "mirror", "green_space", "green_space_parks")
    assert_named(("green_space_parks", *green_space.PARKS.names[:1]), capsys.readouterr().out)
    told = dict(query(output, "select id, status from publications where publication like 'green_space%'"))
    assert told == {"green_space": "complete", "green_space_parks": "not loaded"}
    assert query(output, "select file, rows, sha256 from publications where id = 'green_space_parks'") == [
        (None, None, None)
    ]
    assert "green_space" not in query(output, "select left_out from edition")[0][0].split(", ")
    assert build_db.main(["--check", str(output)]) == 0


def test_parks_under_another_sheet_or_too_few_are_refused(tmp_path, old, capsys):
    (tmp_path / "mirror").mkdir()
    path = tmp_path / "mirror" / green_space.PARKS.names[0]
    made_up.parks(path)
    book = openpyxl.load_workbook(path)
    book["LAD Parks only"].delete_rows(9)
    book.save(path)
    arguments = [*only("green_space_parks"), "--mirror", tmp_path / "mirror"]
    assert_named(("371", "370"), refused(capsys, old, *arguments))
    book["LAD Parks only"].title = "Parks"
    book.save(path)
    assert_named((green_space.PARKS.names[0], "'LAD Parks only'", "'Parks'"), refused(capsys, old, *arguments))


# The composite


@pytest.mark.parametrize(
    "edit, named",
    [
        (changed(40, "UK_IMD_E_rank", "7.5"), ("imd_uk_composite", "7.5")),
        (changed(40, "UK_IMD_E_pop_decile", next_decile), ("imd_uk_composite", "deciles")),
        (changed(40, "UK_IMD_E_pop_quintile", "9"), ("imd_uk_composite", "quintiles")),
        (changed(40, "UK_IMD_E_rank", ""), ("NOT NULL", "imd_uk_composite.uk_imd_e_rank")),
        (changed(40, "lsoa", ""), ("None",)),
        (lambda rows: rows[:-1], ("UK_IMD_E.csv", "10,619", "10,618")),
    ],
)
def test_a_changed_composite_stops_the_build(mirror, tmp_path, old, capsys, edit, named):
    broken = edited(mirror, tmp_path / "broken", "UK_IMD_E.csv", edit)
    assert_named(named, refused(capsys, old, *only("uk_composite"), "--mirror", broken))


# A new edition

SIMD_2099 = """
from sources.publication import index_table
from sources.publication import Index, Publication, SourceFile
from sources.workbook import column

FILE = SourceFile("scotland_2099", ("SIMD_2099.csv",), "https://www.gov.scot/SIMD_2099.csv")
FIGURES = {
    "area_code": column(str, "Data zone"),
    "imd_rank": column(int, "Rank"),
    "imd_decile": column(int, "Decile"),
    "income_rank": column(int, "Income"),
}
TABLE = index_table("imd_scotland_2099", {n: c.type for n, c in FIGURES.items() if n != "area_code"})
INDEX = Index(
    id="scotland_2099",
    nation="Scotland",
    year=2099,
    title="Scottish Index of Multiple Deprivation 2099",
    publisher="Scottish Government",
    areas=6976,
    geography="lsoa_2011",
    area_kind="data zone",
    table=TABLE.name,
    band_rule="ceil",
    bands={"decile": 10},
    score=None,
    domains={"income": "income"},
)
PUBLICATIONS = (
    Publication(
        id="scotland_2099",
        title=INDEX.title,
        publisher=INDEX.publisher,
        edition="2099",
        page="https://www.gov.scot/",
        files=(FILE,),
        load=lambda build: build.insert(TABLE.name, list(FIGURES), build.rows(FILE, FIGURES)),
        tables=(TABLE,),
        fills=(TABLE.name,),
        rows={FILE.id: 6976},
        index=INDEX,
        attribution="Scottish Government, SIMD 2099, licensed under the Open Government Licence v3.0.",
    ),
)
"""
DESCRIPTION = """\
      imd_scotland_2099:
        title: Scottish Index of Multiple Deprivation 2099
        description: Ranks and deciles of the data zones; 1 is the most deprived.
        license: *ogl
        license_url: *ogl_url
        source: Scottish Government, SIMD 2099
        source_url: "https://www.gov.scot/"
        about: SIMD 2099
        about_url: "https://www.gov.scot/"
        columns:
          area_code: Data zone (2011) code of the area.
          imd_rank: Rank; 1 is the most deprived.
          imd_decile: Published decile; 1 is the most deprived tenth.
          income_rank: Income domain, rank; 1 is the most deprived.
"""
BUILD = """
import sys, build_db
from tests import made_up
with made_up.small_england():
    sys.exit(build_db.main() or build_db.main(["--check", sys.argv[-1]]))
"""
ASK = """
import asyncio, json, sys
from pathlib import Path
from datasette.app import Datasette

async def main():
    site = Datasette(config_dir=Path("."), settings=json.load(open("settings.json")))
    print(json.dumps([[a.status_code, a.text] for a in [await site.client.get(path) for path in sys.argv[1:]]]))

asyncio.run(main())
"""


@pytest.fixture(scope="module")
def house_of_2099(small_extract, tmp_path_factory):
    """A copy of the house with a smaller extract, one module more and its description."""
    house = tmp_path_factory.mktemp("house") / "house"
    wanted = (
        "tests",
        "census",
        "sources",
        "plugins",
        "templates",
        "static",
        "build_db.py",
        "metadata.yml",
        "settings.json",
    )
    house.mkdir()
    for name in wanted:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, house / name)
    shutil.rmtree(house / "tests" / "extract")
    shutil.copytree(small_extract, house / "tests" / "extract")
    (house / "sources" / "scotland_2099.py").write_text(f'"""SIMD 2099, which there is not yet."""\n{SIMD_2099}')
    text = (house / "metadata.yml").read_text()
    before = "      imd_uk_composite:\n"
    assert text.count(before) == 1
    (house / "metadata.yml").write_text(text.replace(before, DESCRIPTION + before))
    return house


def run(house, *arguments) -> str:
    done = subprocess.run([sys.executable, "-c", *map(str, arguments)], cwd=house, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def simd_2099(folder) -> dict[str, int]:
    """Writes the file; returns the rank of each data zone, which is that of its place from the end."""
    ranks = {code: 6976 - i for i, code in enumerate(made_up.codes("S"))}
    with (folder / "SIMD_2099.csv").open("w", newline="") as out:
        writer = csv.writer(out)
        writer.writerow(["Data zone", "Rank", "Decile", "Income"])
        writer.writerows((code, rank, made_up.ceil_band(rank, 6976, 10), rank) for code, rank in ranks.items())
    return ranks


def test_a_new_edition_is_one_module_and_its_description(house_of_2099, mirror, tmp_path):
    folder = tmp_path / "mirror"
    folder.mkdir()
    ranks = simd_2099(folder)
    scottish = [row for row in made_up.postcodes() if row[made_up.HEADER.index("ctry26cd")] == "S92000001"]
    made_up.directory(folder / "ONSPD_MAY_2026.zip", rows=scottish)
    needed = ("local_authority_names", "data_zone_2011_lookup", "scotland_2020")
    for file in (file for id_ in needed for file in PUBLICATIONS[id_].files):
        [path] = [path for path in mirror.rglob("*") if path.name in file.names]
        shutil.copy(path, folder)
    said = run(house_of_2099, BUILD, *only(*needed, "postcode_directory"), "--mirror", folder, "--output", "census.db")
    assert "rows of imd_scotland_2099: 6,976" in said
    assert "scotland_2099: published bands that are not ceil of the rank (1 columns): none" in said
    assert "Scottish Index of Multiple Deprivation 2099 (2099): complete, 6,976 rows" in said
    assert said.count("digest of every row") == 2, "the build and --check"
    area = made_up.codes("S")[1]
    [(postcode,)] = query(house_of_2099 / "census.db", "select postcode from postcodes where lsoa_2011 = ?", area)
    asked = f"postcode={postcode.replace(' ', '+')}&_shape=array"
    indices = ("", "latest", "scotland_2099", "2099", "scotland_2020", "2020")
    answers = json.loads(
        run(
            house_of_2099,
            ASK,
            *(f"/census/imd_by_postcode.json?index={index}&{asked}" for index in indices),
            *(f"/census/imd_quantile_by_postcode.json?quantile=7&index={index}&{asked}" for index in indices),
            f"/census/compare_editions.json?{asked}",
            f"/census/deprivation_by_small_area.json?code={area}&_shape=array",
            "/census/deprivation_in_local_authority.json?authority=S12000001&index=latest&_shape=array",
            "/census/imd_scotland_2099",
            "/",
            "/census",
            "/download.json",
            "/census.json?sql=select+imd_quantile('scotland_2099',698,10)+as+decile&_shape=array",
        )
    )
    assert [status for status, _ in answers] == [200] * len(answers)
    rank = ranks[area]
    for index, (_, text) in zip(indices, answers[:6], strict=True):
        [row] = json.loads(text)
        if "2020" in index:
            assert (row["index_id"], row["of"]) == ("scotland_2020", 6976)
        else:
            found = [row[c] for c in ("message", "index_id", "year", "rank", "decile", "decile_basis", "income_rank")]
            decile = made_up.ceil_band(rank, 6976, 10)
            assert found == [None, "scotland_2099", 2099, rank, decile, "published", rank]
            assert "SIMD 2099" in row["attribution"]
    for index, (_, text) in zip(indices, answers[6:12], strict=True):
        [row] = json.loads(text)
        assert row["index_id"] == ("scotland_2020" if "2020" in index else "scotland_2099")
        if "2020" not in index:
            assert row["data_quantile"] == made_up.ceil_band(rank, 6976, 7)
    [compared] = json.loads(answers[12][1])
    assert (compared["newer_index_id"], compared["older_index_id"]) == ("scotland_2099", "scotland_2020")
    assert (compared["newer_rank"], compared["message"]) == (rank, None)
    assert {row["index_id"] for row in json.loads(answers[13][1])} == {"scotland_2099"}
    assert {row["index_id"] for row in json.loads(answers[14][1])} == {"scotland_2099"}
    assert "SIMD 2099, licensed" in answers[15][1]
    assert "imd_scotland_2099" in answers[17][1]
    assert "imd_scotland_2099" in {table["table"] for table in json.loads(answers[18][1])}
    assert json.loads(answers[19][1]) == [{"decile": 2}]


def test_an_extract_that_was_cut_before_a_new_edition_builds_and_names_it(house_of_2099, tmp_path):
    said = run(house_of_2099, BUILD, "--output", tmp_path / "built.db")
    assert "left out: scotland_2099" in said
    assert query(tmp_path / "built.db", "select loaded from indices where id = 'scotland_2099'") == [(0,)]
    assert query(tmp_path / "built.db", "select status from publications where id = 'scotland_2099'") == [("left out",)]
