"""The whole UK, from the real publications: every figure is the publication's cell, every count as published.

The publications are read here a second time, with nothing but csv, gzip and python_calamine, by the position of their
columns, so that a mistake in `sources` cannot hide behind itself.
"""

import asyncio
import csv
import gzip
import io
import math
import sqlite3
import zipfile
from fractions import Fraction

import pytest
import python_calamine

from sources import england_2019 as england
from sources import england_2025, natural_green_space
from sources import green_space_2020 as green_space
from sources import northern_ireland_2017 as northern_ireland
from sources import uk_composite_3_4 as uk_composite
from sources import wales_2019 as wales
from sources.geography import LISTS
from tests.site.test_site import imd

MIB = 1 << 20


@pytest.fixture(scope="module")
def full(full_build):
    connection = sqlite3.connect(f"file:{full_build.path}?mode=ro", uri=True)
    yield connection
    connection.close()


def text_of(mirror, name: str, encoding: str = "utf-8-sig") -> list[list[str]]:
    [path] = [p for p in mirror.rglob("*") if p.name in (name, f"{name}.gz")]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    return list(csv.reader(io.StringIO(data.decode(encoding), newline="")))


def sheet_of(mirror, name: str, sheet: str) -> list[list]:
    [path] = mirror.rglob(name)
    book = python_calamine.CalamineWorkbook.from_path(path)
    return book.get_sheet_by_name(next(n for n in book.sheet_names if n.strip() == sheet)).to_python()


def number(cell) -> float | None:
    return None if cell in ("", None) else float(cell)


def assert_cell_for_cell(
    full, table: str, columns: list[str], expected: dict[str, list], key: str = "area_code"
) -> None:
    """That `columns` of `table` are exactly `expected`, key to the row's cells."""
    found = {row[0]: list(row[1:]) for row in full.execute(f"select {key}, {', '.join(columns)} from {table}")}
    assert found.keys() == expected.keys()
    different = [(code, found[code], cells) for code, cells in expected.items() if found[code] != cells]
    assert not different, different[:3]


def test_england_2019_cell_for_cell(full, real_mirror):
    header, *rows = text_of(
        real_mirror, "File_7_-_All_IoD2019_Scores__Ranks__Deciles_and_Population_Denominators_3.csv"
    )
    assert len(rows) == 32844
    parts = [part for part in header[4:52] if part]
    assert len(parts) == 48
    # In the file: score, rank, decile of IMD, seven domains, IDACI, IDAOPI and six sub-domains.
    columns = [f"{part}_{figure}" for part in england.PARTS for figure in ("score", "rank", "decile")]
    assert_cell_for_cell(full, "imd_england_2019", columns, {r[0]: [number(c) for c in r[4:52]] for r in rows})
    assert_cell_for_cell(
        full,
        "lsoas_2011",
        list(england.POPULATIONS),
        {
            **{r[0]: [number(c) for c in r[52:57]] for r in rows},
            **{code: [None] * 5 for (code,) in full.execute("select code from lsoas_2011 where code like 'W%'")},
        },
        "code",
    )
    _, *rows = text_of(real_mirror, "File_9_-_IoD2019_Transformed_Scores.csv")
    columns = list(england.TRANSFORMED)
    assert_cell_for_cell(full, "imd_england_2019", columns, {r[0]: [number(c) for c in r[4:11]] for r in rows})


def test_wales_2019_cell_for_cell(full, real_mirror):
    ranks_file = "welsh-index-multiple-deprivation-2019-index-and-domain-ranks-by-small-area.xls"
    rows = [r for r in sheet_of(real_mirror, ranks_file, "WIMD_2019_ranks") if str(r[0]).startswith("W01")]
    assert len(rows) == 1909
    columns = [f"{part}_rank" for part in wales.PARTS]
    assert_cell_for_cell(full, "imd_wales_2019", columns, {r[0]: [number(c) for c in r[3:12]] for r in rows})
    rows = [r for r in sheet_of(real_mirror, ranks_file, "Deciles_quintiles_quartiles") if str(r[0]).startswith("W01")]
    columns = ["imd_rank", "imd_decile", "imd_quintile", "imd_quartile"]
    assert_cell_for_cell(full, "imd_wales_2019", columns, {r[0]: [number(c) for c in r[3:7]] for r in rows})
    _, *rows = text_of(real_mirror, "wimd-2019-index-and-domain-scores-by-small-area.csv")
    columns = [f"{part}_score" for part in wales.PARTS]
    assert_cell_for_cell(full, "imd_wales_2019", columns, {r[0]: [number(c) for c in r[3:12]] for r in rows})


def test_england_2025_cell_for_cell(full, real_mirror):
    header, *rows = text_of(real_mirror, "File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv")
    assert len(rows) == 33755
    # In the file: score, rank, decile of IMD, seven domains, IDACI, IDAOPI and six sub-domains; then four populations.
    columns = [f"{part}_{figure}" for part in england.PARTS for figure in ("score", "rank", "decile")]
    assert len(columns) == len(header) - 8 == 48
    expected = {r[0]: [number(c) for c in r[4:52]] for r in rows}
    assert_cell_for_cell(full, "imd_england_2025", columns, expected)
    columns = ["total_population", "dependent_children", "older_population_60_and_over", "working_age_population"]
    found = full.execute(
        f"select code, {', '.join(f'{c}_mid_2022' for c in columns)} from lsoas_2021 where nation = 'England'"
    )
    assert {r[0]: list(r[1:]) for r in found} == {r[0]: [number(c) for c in r[52:56]] for r in rows}
    names = "imd_score, imd_rank, imd_decile, living_environment_decile"
    one = full.execute(f"select {names} from imd_england_2025 where area_code = 'E01000001'").fetchone()
    assert one == (8.742, 26525, 8, 1)


def test_transformed_scores_of_england_2025_cell_for_cell_or_not_loaded(full, real_mirror):
    """File 9 may be missing from the mirror; then there is no figure, and the database says so."""
    columns = list(england_2025.TRANSFORMED)
    assert columns == list(england.TRANSFORMED)
    [(status, rows)] = full.execute(
        "select status, rows from publications where id = 'england_2025_transformed_scores'"
    )
    if any(list(real_mirror.rglob(f"{name}*")) for name in england_2025.FILE_9.names):
        assert (status, rows) == ("complete", 33755)
        _, *cells = text_of(real_mirror, england_2025.FILE_9.names[0])
        expected = {r[0]: [number(c) for c in r[4:11]] for r in cells}
    else:
        assert (status, rows) == ("not loaded", None)
        expected = {code: [None] * 7 for (code,) in full.execute("select area_code from imd_england_2025")}
        assert len(expected) == 33755
    assert_cell_for_cell(full, "imd_england_2025", columns, expected)


def test_natural_green_space_cell_for_cell_or_not_loaded(full, real_mirror):
    """Likewise Natural England's layer."""
    columns = list(natural_green_space.FIGURES)
    [(status,)] = full.execute("select status from publications where id = 'natural_green_space'")
    expected = {}
    if list(real_mirror.rglob(f"{natural_green_space.LAYER.names[0]}*")):
        assert status == "complete"
        _, *rows = text_of(real_mirror, natural_green_space.LAYER.names[0])
        kinds = [c.type for c in natural_green_space.FIGURES.values()]
        for row in rows:
            expected[row[1]] = [None if c == "" else kind(c) for kind, c in zip(kinds, row[8:76], strict=True)]
    else:
        assert status == "not loaded"
    assert_cell_for_cell(full, "natural_green_space_inequalities", columns, expected)


def test_wales_2025_cell_for_cell(full, real_mirror):
    _, *rows = text_of(real_mirror, "wimd-2025-index-and-domain-ranks-by-small-area.csv")
    rows = [r for r in rows if r[0]]
    assert len(rows) == 1917
    # In the file: overall, then the eight domains.
    columns = [f"{part}_rank" for part in ("imd", "income", "employment", "health", "education")]
    columns += [f"{part}_rank" for part in ("access_to_services", "housing", "community_safety")]
    columns.append("physical_environment_rank")
    assert_cell_for_cell(full, "imd_wales_2025", columns, {r[0]: [number(c) for c in r[3:12]] for r in rows})
    most = (191, 382, 574, 766, 958, 1149, 1341, 1533, 1724, 1917)
    deciles = {r[0]: [1 + sum(int(r[3]) > highest for highest in most)] for r in rows}
    assert_cell_for_cell(full, "imd_wales_2025", ["imd_decile"], deciles)
    names = dict(full.execute("select code, coalesce(publisher_name, name) from lsoas_2021 where nation = 'Wales'"))
    assert names == {r[0]: r[1].strip() for r in rows}
    authorities = full.execute(
        "select lsoas_2021.code, local_authorities.name from lsoas_2021"
        " join local_authorities on local_authorities.code = local_authority_2024 where lsoas_2021.nation = 'Wales'"
    )
    assert dict(authorities) == {r[0]: r[2] for r in rows}


def test_the_composite_cell_for_cell(full, real_mirror):
    header, *rows = text_of(real_mirror, "UK_IMD_E.csv")
    assert len(rows) == 42619
    columns = [label.lower() for label in header[2:]]
    assert set(columns) | {"area_code", "nation_code"} == set(uk_composite.TABLE.columns)
    expected = {r[1]: [number(c) for c in r[2:]] for r in rows}
    assert_cell_for_cell(full, "imd_uk_composite", columns, expected)
    nations = dict(full.execute("select area_code, nation_code from imd_uk_composite"))
    assert nations == {r[1]: r[0] for r in rows}
    halves = full.execute("select count(*) from imd_uk_composite where typeof(uk_imd_e_rank) = 'real'").fetchone()[0]
    assert halves == sum(number(r[8]) % 1 == 0.5 for r in rows) == 12_484


def test_areas_of_2021_and_their_changes_are_the_lookups_s(full, real_mirror):
    _, *rows = text_of(real_mirror, "LSOA11_LSOA21_LAD22_EW_LU.csv")
    found = full.execute("select lsoa_2011, lsoa_2021, change, local_authority_2022 from lsoa_changes").fetchall()
    assert sorted(found) == sorted((r[0], r[2], r[4], r[5]) for r in rows)
    names = dict(full.execute("select code, name from lsoas_2021"))
    assert names == {r[2]: r[3] for r in rows}
    assert len(names) == 35_672
    _, *rows = text_of(real_mirror, "File_7_IoD2025_All_Ranks_Scores_Deciles_Population_Denominators.csv")
    found = full.execute("select code, name, local_authority_2024 from lsoas_2021 where nation = 'England'")
    assert sorted(found) == sorted((r[0], r[1], r[2]) for r in rows)


@pytest.mark.parametrize(
    "file, table, year",
    [
        ("LSOA11_SICBL22_ICB22_LAD22_EN_LU.csv", "lsoas_2011", "2022"),
        ("LSOA21_SICBL24_ICB24_EN_LU.csv", "lsoas_2021", "2024"),
    ],
)
def test_health_geographies_of_england_are_the_lookups_s(full, real_mirror, file, table, year):
    _, *rows = text_of(real_mirror, file)
    found = full.execute(f"select code, sub_icb_{year}, icb_{year} from {table} where nation = 'England'")
    assert sorted(found) == sorted((r[0], r[2], r[5]) for r in rows)
    told = {r[0]: r for r in full.execute("select code, kind, name, ods_code, vintages from health_geographies")}
    for row in rows:
        for at, kind in ((2, "sub-ICB location"), (5, "integrated care board")):
            assert told[row[at]][1:4] == (kind, row[at + 2], row[at + 1])
            assert year in told[row[at]][4]
    counted = f"areas_{table[-4:]}"
    boards = dict(full.execute(f"select code, {counted} from health_geographies where kind <> 'health board'"))
    for code, areas in boards.items():
        assert areas == sum(code in (r[2], r[5]) for r in rows)


def test_health_boards_and_urban_rural_classes_are_the_lookup_s(full, real_mirror):
    header, *rows = text_of(real_mirror, "scottish_dz_lookup.csv", "cp1252")
    labels = ["DZ2011_Code", "HB_Code", *(f"UR{n}_{part}" for n in (2, 3, 6, 8) for part in ("Code", "Name"))]
    columns = ["code", "health_board", *(f"urban_rural_{n}fold{end}" for n in (2, 3, 6, 8) for end in ("", "_name"))]
    places = [header.index(label) for label in labels]
    found = full.execute(f"select {', '.join(columns)} from data_zones_2011")
    assert sorted(tuple(map(str, row)) for row in found) == sorted(tuple(r[i] for i in places) for r in rows)
    names = dict(full.execute("select code, name from health_geographies where kind = 'health board'"))
    assert names == {r[header.index("HB_Code")]: r[header.index("HB_Name")] for r in rows}
    assert len(names) == 14


def test_scotland_2020_cell_for_cell(full, real_mirror):
    _, *rows = text_of(real_mirror, "SIMD+2020v2.csv")
    assert len(rows) == 6976
    columns = ["imd_rank", "imd_vigintile", "imd_decile", "imd_quintile"]
    columns += [f"{d}_rank" for d in ("income", "employment", "education", "health", "access", "crime", "housing")]
    assert_cell_for_cell(full, "imd_scotland_2020", columns, {r[0]: [number(c) for c in r[2:13]] for r in rows})
    columns = ["population", "working_age_population"]
    assert_cell_for_cell(full, "data_zones_2011", columns, {r[0]: [number(c) for c in r[13:15]] for r in rows}, "code")
    halves = full.execute("select count(*) from imd_scotland_2020 where typeof(income_rank) = 'real'").fetchone()[0]
    assert halves == sum(number(r[6]) % 1 == 0.5 for r in rows) > 0


def test_northern_ireland_2017_cell_for_cell(full, real_mirror):
    book = "NIMDM17_SOAresults.xls"
    table = "imd_northern_ireland_2017"
    rows = sheet_of(real_mirror, book, "MDM")[1:]
    assert len(rows) == 890
    columns = list(northern_ireland.MEASURE)
    assert_cell_for_cell(full, table, columns, {r[2]: [number(c) for c in r[4:12]] for r in rows})
    for sheet, columns, places in [
        ("Income", ["income_rank", "income_share"], (4, 5)),
        ("Employment", ["employment_rank", "employment_share"], (4, 5)),
        ("Health and Disability", ["health_deprivation_and_disability_rank"], (4,)),
        ("Education, Skills and Training", ["education_skills_and_training_rank"], (4,)),
        ("Access to Services", ["access_to_services_rank"], (4,)),
        (
            "Living Environment",
            [
                "living_environment_rank",
                "housing_quality_sub_domain_rank",
                "housing_access_sub_domain_rank",
                "outdoor_physical_environment_sub_domain_rank",
            ],
            (4, 5, 9, 12),
        ),
        (
            "Crime and Disorder",
            ["crime_and_disorder_rank", "crime_sub_domain_rank", "disorder_sub_domain_rank"],
            (4, 5, 11),
        ),
        ("IDAC and IDAP", ["idaci_rank", "idaci_share", "idaopi_rank", "idaopi_share"], (4, 5, 6, 7)),
    ]:
        rows = sheet_of(real_mirror, book, sheet)[1:]
        assert_cell_for_cell(full, table, columns, {r[2]: [number(r[i]) for i in places] for r in rows})


def test_green_space_cell_for_cell(full, real_mirror):
    _, _, *rows = text_of(real_mirror, "access_to_green_space.csv")
    assert len(rows) == 371
    assert sum(r[1] == "England" for r in rows) == 317
    by_place = {
        6: "houses_address_count",
        7: "houses_addresses_with_private_outdoor_space_count",
        8: "houses_private_outdoor_space_total_area_m2",
        9: "houses_addresses_with_private_outdoor_space_share",
        10: "houses_average_private_outdoor_space_m2",
        11: "houses_median_private_outdoor_space_m2",
        12: "flats_address_count",
        13: "flats_addresses_with_private_outdoor_space_count",
        14: "flats_private_outdoor_space_total_area_m2",
        15: "flats_private_outdoor_space_count",
        16: "flats_addresses_with_private_outdoor_space_share",
        17: "flats_average_private_outdoor_space_m2",
        18: "flats_average_flats_sharing_a_garden",
        19: "total_address_count",
        20: "total_addresses_with_private_outdoor_space_count",
        21: "total_private_outdoor_space_total_area_m2",
        22: "total_addresses_with_private_outdoor_space_share",
        23: "total_average_private_outdoor_space_m2",
    }
    assert set(by_place.values()) | {"local_authority", "region", "region_name"} == set(green_space.TABLE.columns)
    expected = {r[4]: [number(r[i].replace(",", "")) for i in by_place] for r in rows}
    assert_cell_for_cell(full, "green_space", list(by_place.values()), expected, "local_authority")


def test_every_postcode_is_the_directory_s(full, real_mirror):
    """And its LSOA of 2021 the directory's, or where that has none what an unchanged or merged LSOA of 2011 became."""
    _, *changes = text_of(real_mirror, "LSOA11_LSOA21_LAD22_EW_LU.csv")
    became = {r[0]: r[2] for r in changes if r[4] in ("U", "M")}
    assert len(became) == sum(r[4] in ("U", "M") for r in changes)
    live_with_area = answered = without = only_newer = 0
    [path] = real_mirror.rglob("ONSPD_NOV_2025.zip")
    found = full.execute("select * from postcodes order by postcode")
    rows = live = undated = islands = 0
    with zipfile.ZipFile(path) as archive, archive.open("Data/ONSPD_NOV_2025_UK.csv") as raw:
        for row in csv.DictReader(io.TextIOWrapper(raw, "utf-8", newline="")):
            codes = [
                None if row[c] in ("", "L99999999", "M99999999") else row[c]
                for c in ("lsoa11cd", "lsoa21cd", "lad25cd")
            ]
            if codes[1] and codes[1][0] == "S":  # a data zone of 2022, on which no index stands yet
                codes[1] = None
            codes[1] = codes[1] or became.get(codes[0])
            nowhere = row["lat"] == "100.0"
            expected = (
                row["pcds"],
                *codes,
                *(int(row[c]) if row[c] else None for c in ("dointr", "doterm")),
                *(None if nowhere else float(row[c]) for c in ("lat", "long")),
            )
            assert next(found) == expected
            rows += 1
            live += not row["doterm"]
            if not row["doterm"] and codes[0] and codes[0][0] in "EW":
                live_with_area += 1
                answered += codes[1] is not None
            undated += not row["dointr"] and codes[0] is None
            without += not row["doterm"] and not row["lsoa11cd"] and not row["lsoa21cd"]
            only_newer += codes[0] is None and codes[1] is not None
            islands += row["lsoa11cd"] in ("L99999999", "M99999999")
    assert next(found, None) is None
    assert (live_with_area, answered) == (1_593_190, 1_592_704)
    newer = full.execute(
        "select count(*) from postcodes join deprivation on area_code = postcodes.lsoa_2021"
        " join indices on id = index_id where year = 2025 and terminated is null and postcodes.lsoa_2011 is not null"
    )
    assert newer.fetchone() == (answered,), "each has a figure of 2025, and only one"
    assert (rows, live, undated, islands) == (2_720_556, 1_830_887, 16_275, 13_152)
    assert (without, only_newer) == (17_635, 192)


def test_names_and_authorities_are_the_lookups_s(full, real_mirror):
    _, *rows = text_of(
        real_mirror, "Lower_Layer_Super_Output_Area_(2011)_to_Ward_(2019)_Lookup_in_England_and_Wales.csv"
    )
    found = {
        r[0]: r[1:]
        for r in full.execute("select code, name, ward_2019, ward_2019_name, local_authority_2019 from lsoas_2011")
    }
    assert found == {r[1]: (r[2], r[3], r[4], r[5]) for r in rows}
    _, *rows = text_of(real_mirror, "scottish_dz_lookup.csv", "cp1252")
    found = {
        r[0]: r[1:]
        for r in full.execute("select code, name, intermediate_zone, ward, local_authority_2019 from data_zones_2011")
    }
    assert found == {r[0]: (" ".join(r[1].split()), r[2], r[4], r[6]) for r in rows}


@pytest.mark.parametrize("kind, table", LISTS.items())
def test_the_lists_say_what_small_areas_says(full, kind, table):
    columns = "code, name, nation, local_authority_2019, local_authority"
    listed = full.execute(f"select {columns}, local_authority_name from {table} order by code").fetchall()
    names = dict(full.execute("select code, name from local_authorities"))
    areas = full.execute(f"select {columns} from small_areas where kind = ? order by code", (kind,)).fetchall()
    assert listed == [(*area, names[area[-1]]) for area in areas]


def test_every_authority_has_its_place(full):
    found = full.execute("select code, latitude, longitude from local_authorities")
    places = {code: place for code, *place in found}
    assert None not in {x for place in places.values() for x in place}
    latitude, longitude = full.execute(
        "select avg(latitude), avg(longitude) from postcodes"
        " where local_authority = 'E06000002' and terminated is null and lsoa_2011 is not null"
    ).fetchone()
    assert places["E06000002"] == pytest.approx([latitude, longitude], abs=2e-6)
    assert 51.6 < places["E07000004"][0] < 52.1, "Aylesbury Vale, gone since 2020"


def test_counts_are_the_published_ones(full):
    counted = dict(full.execute("select nation, count(*) from small_areas group by 1"))
    assert counted == {"England": 32844, "Wales": 1909, "Scotland": 6976, "Northern Ireland": 890}
    assert full.execute("select count(distinct imd_rank) from imd_england_2019").fetchone() == (32818,)
    assert full.execute("select count(*) from lsoas_2011").fetchone() == (34753,)
    newer = dict(full.execute("select nation, count(*) from lsoas_2021 group by 1"))
    assert newer == {"England": 33755, "Wales": 1917}
    assert full.execute("select count(distinct imd_rank) from imd_england_2025").fetchone() == (33755,)
    unnamed = full.execute("select code from local_authorities where name is null").fetchall()
    assert unnamed == []
    assert full.execute("select name from local_authorities where code = 'E08000038'").fetchone() == ("Barnsley",)


def test_every_band_is_the_published_one_or_the_rule_s(full):
    """The table `deprivation` against the publishers' bands and the rules, written a second time."""
    rules = {"ceil": lambda r, n, q: math.ceil(r * q / n), "floor": lambda r, n, q: math.floor((r - 1) * q / n) + 1}
    published = {
        "england_2019": dict(full.execute("select area_code, imd_decile from imd_england_2019")),
        "wales_2019": dict(full.execute("select area_code, imd_decile from imd_wales_2019")),
        "scotland_2020": dict(full.execute("select area_code, imd_decile from imd_scotland_2020")),
        "england_2025": dict(full.execute("select area_code, imd_decile from imd_england_2025")),
        "wales_2025": dict(full.execute("select area_code, imd_decile from imd_wales_2025")),
    }
    quintiles = {
        "wales_2019": dict(full.execute("select area_code, imd_quintile from imd_wales_2019")),
        "scotland_2020": dict(full.execute("select area_code, imd_quintile from imd_scotland_2020")),
    }
    rows = full.execute(
        'select index_id, area_code, rank, "of", decile, decile_basis, quintile, quintile_basis, income_rank,'
        " income_decile, band_rule from deprivation join indices on id = index_id"
    ).fetchall()
    assert len(rows) == 42619 + 33755 + 1917
    for index, area, rank, n, decile, basis, quintile, quintile_basis, income, income_decile, rule in rows:
        assert basis == ("published" if index in published else "computed")
        assert quintile_basis == ("published" if index in quintiles else "computed")
        assert decile == published.get(index, {}).get(area, rules[rule](Fraction(rank), n, 10))
        by_rule = math.ceil(decile / 2) if index == "wales_2025" else rules[rule](Fraction(rank), n, 5)
        assert quintile == quintiles.get(index, {}).get(area, by_rule)
        assert income_decile == rules[rule](Fraction(income), n, 10)


def test_the_domain_weights_are_those_of_the_published_figures(full):
    """England's overall scores are the weighted domain scores; elsewhere ranks follow from ranks.

    The transformation of a rank is that of the technical reports: -23 ln(1 - R (1 - exp(-100/23))), R from 1/n to 1.
    """
    weights = {}
    for index, domain, weight in full.execute("select index_id, domain, weight_percent from domain_weights"):
        weights.setdefault(index, {})[domain] = weight
    prefixes = england.INDEX.domains
    scores = ", ".join(f"{prefixes[d]}_score_exponentially_transformed" for d in weights["england_2019"])
    for overall, *domains in full.execute(f"select imd_score, {scores} from imd_england_2019"):
        made = sum(w * s for w, s in zip(weights["england_2019"].values(), domains, strict=True)) / 100
        assert made == pytest.approx(overall, abs=0.006)
    for index, most, mean in (("wales_2019", 0, 0), ("scotland_2020", 7, 0.3), ("northern_ireland_2017", 5, 0.2)):
        columns = ", ".join(f"{domain}_rank" for domain in weights[index])
        rows = full.execute(f'select rank, "of", {columns} from deprivation where index_id = ?', (index,)).fetchall()
        made = [
            sum(
                w * -23 * math.log(1 - (n - r + 1) / n * (1 - math.exp(-100 / 23)))
                for w, r in zip(weights[index].values(), domains, strict=True)
            )
            for _, n, *domains in rows
        ]
        order = sorted(range(len(rows)), key=lambda i: -made[i])
        off = [abs(place - rows[i][0]) for place, i in enumerate(order, 1)]
        assert max(off) <= most, index
        assert sum(off) / len(off) <= mean, index


def test_successors_and_current_authorities_of_reorganised_areas(full):
    followed = dict(full.execute("select name, successor from local_authorities where successor is not null"))
    names = dict(full.execute("select code, name from local_authorities"))
    assert names[followed["Aylesbury Vale"]] == "Buckinghamshire"
    assert names[followed["Allerdale"]] == "Cumberland"
    assert names[followed["Harrogate"]] == "North Yorkshire"
    assert names[followed["Mendip"]] == "Somerset"
    assert names[followed["Kettering"]] == "North Northamptonshire"
    assert followed["Sheffield"] == "E08000039"


def test_the_build_is_within_its_bounds(full_build):
    print(f"{full_build.seconds:.0f} s, {full_build.peak / MIB:.0f} MiB, {full_build.path.stat().st_size / 1e6:.0f} MB")
    assert full_build.peak < 1536 * MIB
    assert full_build.path.stat().st_size <= 480e6
    assert "2,720,556 postcodes, 1,830,887 of them live, in 42,619 small areas" in full_build.printed
    assert (
        "live postcodes of England and Wales with a small area that have figures by LSOA (2021)" in full_build.printed
    )
    assert ": 1,592,704 of 1,593,190 (99.9 %)" in full_build.printed
    assert "public parks and playing fields (April 2020): not loaded" in full_build.printed


def test_the_extract_is_a_true_part_of_the_whole(full, extract_db):
    part = sqlite3.connect(f"file:{extract_db}?mode=ro", uri=True)
    for (table,) in part.execute(
        "select name from sqlite_master where type = 'table' and name not like '%\\_fts%' escape '\\'"
        " and name not in ('edition', 'publications') and name not like 'sqlite%'"
    ):
        rows = part.execute(f"select * from {table}").fetchall()
        whole = set(full.execute(f"select * from {table}"))
        assert rows or not whole, table
        assert set(rows) <= whole, table
    for code in ("E09000033", "E09000007", "W06000015", "S12000013", "N09000006"):
        count = "select count(*) from postcodes where local_authority = ?"
        assert part.execute(count, (code,)).fetchone() == full.execute(count, (code,)).fetchone()


def test_five_hundred_postcodes_of_each_kind_answer_as_the_tables_say(full, full_site):
    query = """
        select postcode, terminated, postcodes.lsoa_2011, postcodes.lsoa_2021, nation, older.rank, newer.rank
        from postcodes
        left join small_areas on code = postcodes.lsoa_2011
        left join deprivation as older on older.area_code = postcodes.lsoa_2011 and older.index_id not like '%2025'
        left join deprivation as newer on newer.area_code = postcodes.lsoa_2021 and newer.index_id like '%2025'
        where substr(postcode, -2) = ? order by postcode limit 500
    """
    for postcode, terminated, area, area_2021, nation, older, newer in full.execute(query, ("AA",)):
        row = imd(full_site, postcode.lower().replace(" ", ""))
        status = "not_covered" if area is area_2021 is None else "terminated" if terminated else "found"
        expected = (status, area_2021, newer) if newer else (status, area, older)
        assert (row["status"], row["area_code"], row["rank"]) == expected
        assert nation is None or row["nation"] == nation
        if nation in ("England", "Wales"):
            row = imd(full_site, postcode, "2019")
            assert (row["area_code"], row["rank"], row["year"]) == (area, older, 2019)
            row = imd(full_site, postcode, "2025")
            assert (row["area_code"], row["rank"], row["year"]) == (area_2021, newer, 2025)
            assert ("does not give" in (row["message"] or "")) is (newer is None)


def test_full_text_search_finds_names_of_both_kinds(full_site):
    search = "select name, publisher_name from small_areas_fts where small_areas_fts match ?"
    for text, expected in [
        ("gabalfa", "Cardiff 025D"),
        ('"cardiff 025d"', "Cardiff 025D"),
        ("motherwell south", "Motherwell South - 03"),
        ("shaftesbury", "Shaftesbury 1"),
    ]:
        found = asyncio.run(full_site.get_database("census").execute(search, [text]))
        assert expected in [row["name"] for row in found.rows]


def test_the_welsh_names_are_those_of_the_department_for_work_and_pensions(full, real_mirror):
    rows = text_of(real_mirror, "CILIF_2025_Table_2_Relative_AHC_Local_Authority.csv")
    published = {row[1]: row[0].split(" / ") for row in rows if len(row) > 1 and row[1].startswith("W06")}
    assert len(published) == 22
    found = full.execute("select code, name, name_welsh from local_authorities where name_welsh is not null")
    assert {code: names for code, *names in found} == published
