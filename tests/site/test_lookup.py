"""The lookups answer what the canned queries do: in every status, for every area and place, without their SQL."""

import shutil
import sqlite3
from collections import Counter
from contextlib import closing

import pytest

from census.domain import map_layers
from census.domain.geographies import DOMAINS, SUPPLEMENTARY
from census.lookup import area_lists, areas, authorities, green_space, health, postcodes
from census.lookup.database import Lookup
from census.lookup.errors import NotFound
from census.lookup.postcodes import FIELDS, PostcodeFigures
from census.schema.indices import indices as band_rules
from sources import boundaries
from tests.canned import canned
from tests.conftest import THOROUGH

TEXTS = (
    *(
        "SW1A 1AA",
        "sw1a1aa",
        "CF14 3LX",
        "JE2 3AB",
        "GY1 1AA",
        "IM1 1AA",
        "ZZ99 3VZ",
        "ZZ1 1ZZ",
        "SWIA 1AA",
        "5W1A 1AA",
    ),
    *(
        "",
        " ",
        "nope",
        "SW1A-1AA",
        "SW1A",
        "M1 IAA",
        "0X1 2JD",
        "é",
        "SW1A 1A\u200bA",
        "SW1A 1AA\0",
        "a" * 300,
        None,
        "5W1A 1AA",
    ),
)


def altered(database, folder, *changes: str):
    """A copy of a database to which statements were applied."""
    copy = folder / "census.db"
    shutil.copyfile(database, copy)
    with closing(sqlite3.connect(copy)) as connection:
        for change in changes:
            connection.execute(change)
        connection.commit()
    return copy


@pytest.fixture(scope="module")
def lookup(extract_db):
    opened = Lookup(extract_db, band_rules(), immutable=True)
    yield opened
    opened.close()


def same_answers(lookup: Lookup, texts) -> Counter:
    """Compares `one`, and the way that says why there are no figures, with the canned query; counts the statuses."""
    statuses = Counter()
    for text in texts:
        for choice in lookup.indices.ids:
            [expected] = canned(lookup, "imd_by_postcode", postcode=text, index=choice)
            for answer in (postcodes.one(lookup, text, choice), postcodes.explained(lookup, text, choice)):
                assert answer._asdict().items() >= {n: expected[n] for n in FIELDS if n in expected}.items(), text
            statuses[expected["status"]] += 1
    return statuses


def one_of_each_kind(lookup: Lookup) -> list[str]:
    """A few postcodes of each combination of nation, areas that are there, and whether it is retired."""
    rows = lookup.rows(
        """
        select postcode from (
            select postcode, row_number() over (
                partition by substr(coalesce(lsoa_2011, lsoa_2021, substr(postcode, 1, 2)), 1, 1),
                    lsoa_2011 is null, lsoa_2021 is null, local_authority is null, terminated is null
                order by postcode
            ) as n from postcodes
        ) where n <= 6
        """
    )
    return [row["postcode"] for row in rows]


def test_every_kind_of_answer_is_that_of_the_canned_query(lookup):
    statuses = same_answers(lookup, [*TEXTS, *one_of_each_kind(lookup)])
    assert set(statuses) == set(postcodes.STATUSES)


@pytest.mark.parametrize(
    "changes",
    [
        ("update edition set left_out = 'A lookup'", "update small_areas set name = null, publisher_name = null"),
        ("update edition set left_out = 'Another', directory = null", "delete from postcodes"),
        ("update edition set scope = 'full', authorities = null",),
        ("delete from deprivation where index_id like '%_2025'", "update indices set loaded = 0 where year = 2025"),
    ],
    ids=["a name is missing", "no directory", "no extract", "an index left out"],
)
def test_a_database_that_lacks_something_answers_as_its_canned_query_does(extract_db, tmp_path, changes):
    lookup = Lookup(altered(extract_db, tmp_path, *changes), band_rules())
    same_answers(lookup, [*TEXTS, *one_of_each_kind(lookup)])
    for area in lookup.rows("select code from small_areas union select code from lsoas_2021 limit 40"):
        check_area(lookup, area["code"])


def check_area(lookup: Lookup, code: str) -> None:
    """Compares the message of an area, in every index, with that of the canned query."""
    for choice in lookup.indices.ids:
        expected = canned(lookup, "deprivation_by_small_area", code=code, index=choice)
        try:
            message = areas.area(lookup, code, choice).message
        except NotFound as error:
            message = str(error)
        assert message == expected[0]["message"], (code, choice)


def test_the_messages_of_areas_are_those_of_the_canned_query(lookup):
    rows = lookup.rows("select code from small_areas union select code from lsoas_2021 order by code")
    codes = [row["code"] for row in rows]
    for code in (*codes[:: 1 if THOROUGH else 25], "E01000000", "nope", " ", "x" * 60):
        check_area(lookup, code)


def test_how_authorities_are_distributed_is_what_the_canned_query_says(lookup):
    messages = Counter()
    for code, authority in authorities.authorities(lookup).items():
        for index in lookup.indices.of_nation(authority.nation):
            rows = canned(lookup, "deprivation_in_local_authority", authority=code, index=index.id)
            answer = authorities.distribution(lookup, authority, index)
            assert answer.message == rows[0]["message"]
            assert (answer.index_id, answer.year, answer.of) == tuple(rows[0][n] for n in ("index_id", "year", "of"))
            for part, listed in (
                ("decile", answer.deciles),
                ("most deprived", answer.most_deprived),
                ("least deprived", answer.least_deprived),
            ):
                of_part = [row for row in rows if row["part"] == part]
                assert [vars(row) for row in listed] == [{n: row[n] for n in vars(listed[0])} for row in of_part]
            messages[answer.message is None] += 1
    assert messages[True] > 5
    assert messages[False] > 5


ALL_ARE_HERE = """
    update health_geographies set
      areas_2011 = (select count(*) from lsoas_2011 where health_geographies.code in (icb_2022, sub_icb_2022))
        + (select count(*) from data_zones_2011 where health_board = health_geographies.code),
      areas_2021 = (select count(*) from lsoas_2021 where health_geographies.code in (icb_2024, sub_icb_2024))
"""


@pytest.mark.parametrize(
    "changes",
    [
        (),
        (ALL_ARE_HERE,),
        (ALL_ARE_HERE, "update lsoas_2021 set total_population_mid_2022 = null where code like '%1'"),
        (ALL_ARE_HERE, "update lsoas_2021 set dependent_children_mid_2022 = null where code like '%1'"),
        (ALL_ARE_HERE, "update indices set loaded = 0 where year = 2025", "delete from deprivation where of = 33755"),
    ],
    ids=["as built", "all areas", "some people missing", "some children missing", "an index left out"],
)
def test_the_people_of_health_geographies_are_those_of_the_canned_query(extract_db, tmp_path, changes):
    lookup, notes = Lookup(altered(extract_db, tmp_path, *changes), band_rules()), Counter()
    for row in lookup.rows("select code from health_geographies order by code"):
        place = health.health_geography(lookup, row["code"].lower())
        for index in lookup.indices.of_nation(place.nation):
            rows = canned(lookup, "deprivation_in_health_geography", code=place.code, index=index.id)
            answer = health.population(lookup, place, index)
            assert (answer.message, answer.note) == (rows[0]["message"], rows[0]["people_note"]), place
            expected = [{n: row[n] for n in ("decile", "people", "children")} for row in rows]
            assert [vars(people) for people in answer.deciles] == (expected if answer.deciles else [])
            assert bool(answer.deciles) == (rows[0]["people"] is not None)
            notes[answer.note] += 1
    assert len(notes) >= (4 if len(changes) > 1 and "people" in changes[1] else 3 if changes else 2)


def test_the_green_space_of_authorities_is_that_of_the_canned_query(lookup, extract_db, tmp_path):
    for opened in (lookup, Lookup(altered(extract_db, tmp_path, "delete from green_space"), band_rules())):
        for code, authority in authorities.authorities(opened).items():
            rows = canned(opened, "green_space_by_local_authority", authority=code)
            answer = green_space.of_authority(opened, authority)
            assert answer.message == rows[0]["message"]
            expected = [{n: row[n] for n in vars(answer.figures[0])} for row in rows] if answer.figures else []
            assert [vars(row) for row in answer.figures] == expected
            assert bool(answer.figures) == (rows[0]["local_authority_2019_code"] is not None)


def test_a_list_of_areas_has_the_terms_of_the_canned_query(lookup):
    for kind, code, query, parameter in (
        ("area", "E01004736", "deprivation_by_small_area", "code"),
        ("local authority", "E09000033", "deprivation_in_local_authority", "authority"),
        ("health geography", "S08000028", "deprivation_in_health_geography", "code"),
    ):
        listed = area_lists.list_of(lookup, kind, code, "")
        [row, *_] = canned(lookup, query, **{parameter: code}, index=listed.index.id)
        assert (listed.licence, listed.edition) == (row["licence"], row["edition"])
        assert listed.attribution.startswith(row["attribution"])
        assert lookup.publications["postcode_directory"].attribution in listed.attribution
    with pytest.raises(NotFound, match="is not the id of an index of England"):
        area_lists.list_of(lookup, "area", "E01004736", "wales_2019")


def test_every_domain_has_its_fields():
    named = {f"{name}_{figure}" for name in (*DOMAINS, *SUPPLEMENTARY) for figure in ("rank", "decile")}
    assert named <= set(PostcodeFigures._fields)
    assert named <= set(areas.AreaFigures.__dataclass_fields__)


def test_every_file_of_boundaries_is_known_to_the_map():
    assert [published.file.id for published in boundaries.PUBLISHED] == list(map_layers.BOUNDARY_FILES)


def test_a_lookup_takes_a_connection_too(extract_db):
    with closing(sqlite3.connect(extract_db)) as connection:
        assert postcodes.one(Lookup(connection, band_rules()), "SW1A 1AA").area_code == "E01004736"
