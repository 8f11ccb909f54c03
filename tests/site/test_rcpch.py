"""The drop-in routes say what the RCPCH Census Platform's contract says, with this database's figures.

The contract's fields are written here a second time, by hand.
"""

import asyncio
import json
import re
import sqlite3
from decimal import Decimal
from math import floor
from types import SimpleNamespace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest
import requests
import yaml
from datasette.app import Datasette
from datasette.utils import StartupError
from hypothesis import example, given, settings
from hypothesis import strategies as st

from census.lookup.database import Lookup
from census.schema.indices import indices as band_rules
from census.web.api import rcpch
from census.web.api.openapi import rcpch_paths
from census.web.api.rcpch_rows import Field
from tests.conftest import datasette_of, site_of

ADDRESS = "http://127.0.0.1:8001/rcpch-census-platform/api/v1"
AREAS = {
    "local_authority_districts": "local_authority_district_code local_authority_district_name year",
    "england_wales_lower_layer_super_output_areas": "lsoa_code lsoa_name year total_population_mid_2015"
    " dependent_children_mid_2015 population_16_59_mid_2015 older_population_over_16_mid_2015"
    " working_age_population_over_18_mid_2015 local_authority_district",
    "northern_ireland_small_output_areas": "year soa_code soa_name",
    "scotland_data_zones": "data_zone_code data_zone_name year local_authority",
    "green_space": "houses_address_count houses_addresses_with_private_outdoor_space_count"
    " houses_outdoor_space_total_area houses_percentage_of_addresses_with_private_outdoor_space"
    " houses_average_size_private_outdoor_space houses_median_size_private_outdoor_space flats_address_count"
    " flats_addresses_with_private_outdoor_space_count flats_outdoor_space_total_area flats_outdoor_space_count"
    " flats_percentage_of_addresses_with_private_outdoor_space flats_average_size_private_outdoor_space"
    " flats_average_number_of_flats_sharing_a_garden total_addresses_count"
    " total_addresses_with_private_outdoor_space_count total_percentage_addresses_with_private_outdoor_space"
    " total_average_size_private_outdoor_space local_authority",
}
INDICES = {
    "english_indices_of_multiple_deprivation": """
        imd_score imd_rank imd_decile
        income_score income_score_exponentially_transformed income_rank income_decile
        employment_score employment_score_exponentially_transformed employment_rank employment_decile
        education_skills_training_score education_skills_training_score_exponentially_transformed
        education_skills_training_rank education_skills_training_decile
        health_deprivation_disability_score health_deprivation_disability_score_exponentially_transformed
        health_deprivation_disability_rank health_deprivation_disability_decile
        crime_score crime_score_exponentially_transformed crime_rank crime_decile
        barriers_to_housing_services_score barriers_to_housing_services_score_exponentially_transformed
        barriers_to_housing_services_rank barriers_to_housing_services_decile
        living_environment_score living_environment_score_exponentially_transformed
        living_environment_rank living_environment_decile
        children_young_people_sub_domain_score children_young_people_sub_domain_rank
        children_young_people_sub_domain_decile
        adult_skills_sub_domain_score adult_skills_sub_domain_rank adult_skills_sub_domain_decile
        geographical_barriers_sub_domain_score geographical_barriers_sub_domain_rank
        geographical_barriers_sub_domain_decile
        wider_barriers_sub_domain_score wider_barriers_sub_domain_rank wider_barriers_sub_domain_decile
        indoors_sub_domain_score indoors_sub_domain_rank indoors_sub_domain_decile
        outdoors_sub_domain_score outdoors_sub_domain_rank outdoors_sub_domain_decile
        idaci_score idaci_rank idaci_decile idaopi_score idaopi_rank idaopi_decile lsoa type""",
    "welsh_indices_of_multiple_deprivation": """
        imd_rank imd_quartile imd_quintile imd_decile imd_score
        income_rank income_quartile income_quintile income_decile income_score
        employment_rank employment_quartile employment_quintile employment_decile employment_score
        health_rank health_quartile health_quintile health_decile health_score
        education_rank education_quartile education_quintile education_decile education_score
        access_to_services_rank access_to_services_quartile access_to_services_quintile access_to_services_decile
        access_to_services_score housing_rank housing_quartile housing_quintile housing_decile housing_score
        community_safety_rank community_safety_quartile community_safety_quintile community_safety_decile
        community_safety_score physical_environment_rank physical_environment_quartile physical_environment_quintile
        physical_environment_decile physical_environment_score year lsoa type""",
    "scottish_indices_of_multiple_deprivation": """
        year version data_zone type
        imd_rank income_rank employment_rank education_rank health_rank access_rank crime_rank housing_rank""",
    "northern_ireland_indices_of_multiple_deprivation": """
        year soa type imd_rank income_rank employment_rank health_deprivation_and_disability_rank
        education_skills_and_training_rank access_to_services_rank living_environment_rank crime_and_disorder_rank""",
}
FIELDS = {route: set(names.split()) for route, names in (AREAS | INDICES).items()}
BOUNDARIES = set(
    "postcode quality eastings northings country nhs_ha longitude latitude european_electoral_region"
    " primary_care_trust region lsoa msoa incode outcode parliamentary_constituency admin_district parish admin_county"
    " admin_ward ced ccg nuts codes".split()
)
CODES = set(
    "admin_district admin_county admin_ward parish parliamentary_constituency ccg ccg_id ced nuts lsoa msoa"
    " lau2".split()
)
QUANTILES = {
    2: "median",
    3: "tertile",
    4: "quartile",
    5: "quintile",
    6: "sextile",
    7: "septile",
    8: "octile",
    10: "decile",
    12: "duodecile",
    18: "hexadecile",
    20: "vigintile",
}
SPELLINGS = {"scotland_datazones": "scotland_data_zones", "greenspace": "green_space"}

# nation: its list, country, type, table, areas in the whole nation, relation and where that leads
NATIONS = {
    "England": ("english", "england", "English", "imd_england_2019", 32844, "lsoa"),
    "Wales": ("welsh", "wales", "Welsh", "imd_wales_2019", 1909, "lsoa"),
    "Scotland": ("scottish", "scotland", "Scottish", "imd_scotland_2020", 6976, "data_zone"),
    "Northern Ireland": (
        *("northern_ireland", "northern_ireland", "Northern Irish", "imd_northern_ireland_2017", 890, "soa"),
    ),
}
LISTED_FROM = {
    "local_authority_districts": "local_authorities",
    "england_wales_lower_layer_super_output_areas": "lsoas_2011",
    "northern_ireland_small_output_areas": "soas_2001",
    "scotland_data_zones": "data_zones_2011",
    "green_space": "green_space",
} | {f"{route}_indices_of_multiple_deprivation": table for route, _, _, table, _, _ in NATIONS.values()}
each_nation = pytest.mark.parametrize("nation", NATIONS)
each_list = pytest.mark.parametrize("route", FIELDS)


def ask(lookup: Lookup, path: str, **parameters) -> SimpleNamespace:
    """What `path` answers: status, content, headers."""
    told = rcpch.answer(lookup, path, urlencode(parameters).encode(), ADDRESS)
    return SimpleNamespace(status=told.status, content=json.loads(told.body), headers=dict(told.headers), raw=told)


def follow(lookup: Lookup, link: str) -> SimpleNamespace:
    """What is at an address that an answer gave."""
    assert link.startswith(ADDRESS + "/")
    parts = urlsplit(link)
    path = parts.path.removeprefix(urlsplit(ADDRESS).path).strip("/")
    return ask(lookup, path, **dict(parse_qsl(parts.query)))


def whole(lookup: Lookup, route: str, **parameters) -> list[dict]:
    """Every result of a list, as one gets them who follows `next`."""
    page = ask(lookup, route, **parameters).content
    results = page["results"]
    while page["next"]:
        page = follow(lookup, page["next"]).content
        results += page["results"]
    assert len(results) == page["count"]
    return results


@pytest.fixture(scope="module")
def lookup(extract_db):
    opened = Lookup(extract_db, band_rules())
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def rows(extract_db):
    """Reads the database without the code under test."""
    connection = sqlite3.connect(extract_db)
    connection.row_factory = sqlite3.Row

    def read(sql: str, *values) -> list[dict]:
        return [dict(row) for row in connection.execute(sql, values)]

    yield read
    connection.close()


@pytest.fixture(scope="module")
def postcodes(rows):
    """For each nation a few live postcodes of different areas and a terminated one, with their areas."""
    told = {}
    for nation in NATIONS:
        read = "select postcode, code from postcodes join small_areas on code = lsoa_2011 where nation = ? and "
        told[nation] = SimpleNamespace(
            live=rows(read + "terminated is null group by code order by code limit 12", nation),
            retired=rows(read + "terminated is not null order by postcode limit 1", nation)[0],
        )
    return told


# One postcode


@each_nation
def test_a_postcode_gets_the_fields_and_figures_of_its_nations_first_index(lookup, rows, postcodes, nation):
    route, _, type_, table, _, relation = NATIONS[nation]
    for place in postcodes[nation].live:
        told = ask(lookup, "indices_of_multiple_deprivation", postcode=place["postcode"])
        assert told.status == 200
        assert set(told.content) == FIELDS[f"{route}_indices_of_multiple_deprivation"]
        assert told.content["type"] == type_
        assert told.content[relation].endswith(f"/{place['code']}/")
        [published] = rows(f"select * from {table} where area_code = ?", place["code"])
        shared = set(told.content) & set(published)
        assert len(shared) >= 8
        for name in shared:
            value, expected = told.content[name], published[name]
            if isinstance(expected, float) and "score" in name:
                assert isinstance(value, str)
                assert Decimal(value) == Decimal(repr(expected))
                assert len(value.partition(".")[2]) == (3 if nation == "England" else 1)
            else:
                assert (value, type(value)) == (expected, type(expected)), name


@each_nation
def test_the_postcodes_figures_are_those_at_the_detail_of_its_area(lookup, postcodes, nation):
    place = postcodes[nation].live[0]
    by_postcode = ask(lookup, "indices_of_multiple_deprivation", postcode=place["postcode"]).content
    detail = ask(lookup, f"{NATIONS[nation][0]}_indices_of_multiple_deprivation/{place['code']}").content
    assert by_postcode == detail


def test_year_and_version_are_those_of_the_index(lookup, postcodes):
    years = {"Wales": (2019, None), "Scotland": (2020, 2), "Northern Ireland": (2017, None)}
    for nation, expected in years.items():
        told = ask(lookup, "indices_of_multiple_deprivation", postcode=postcodes[nation].live[0]["postcode"]).content
        assert (told["year"], told.get("version")) == expected


def test_half_ranks_of_scotland_stay_halves(lookup, rows):
    [tied, *_] = rows("select * from imd_scotland_2020 where income_rank <> cast(income_rank as integer)")
    told = ask(lookup, f"scottish_indices_of_multiple_deprivation/{tied['area_code']}").content
    assert told["income_rank"] == tied["income_rank"]
    assert told["income_rank"] % 1 == 0.5


def test_bands_of_welsh_domains_follow_the_rule_of_the_index(lookup):
    listed = whole(lookup, "welsh_indices_of_multiple_deprivation")
    bands = {"quartile": 4, "quintile": 5, "decile": 10}
    domains = {name.removesuffix("_rank") for name in listed[0] if name.endswith("_rank")} - {"imd"}
    assert len(domains) == 8
    for area in listed:
        for domain in domains:
            for band, q in bands.items():
                assert area[f"{domain}_{band}"] == floor((area[f"{domain}_rank"] - 1) * q / 1909) + 1


@each_nation
@pytest.mark.parametrize("q", QUANTILES)
def test_a_quantile_is_the_group_of_the_rank_by_the_rule_of_the_nation(lookup, rows, postcodes, nation, q):
    _, country, _, table, areas, _ = NATIONS[nation]
    for place in postcodes[nation].live:
        [published] = rows(f"select imd_rank from {table} where area_code = ?", place["code"])
        rank = published["imd_rank"]
        group = floor((rank - 1) * q / areas) + 1 if nation == "Wales" else -(-rank * q // areas)
        told = ask(lookup, "index_of_multiple_deprivation_quantile", postcode=place["postcode"], quantile=q)
        assert told.status == 200
        assert told.content == {
            "result": {
                "rank": rank,
                "requested_quantile": q,
                "requested_quantile_name": QUANTILES[q],
                "data_quantile": group,
                "country": country,
                "error": None,
            }
        }


@pytest.mark.parametrize("asked", ["9", "0", "1", "-3", "100", " 11 ", "999999999"])
def test_a_whole_number_that_is_no_quantile_of_theirs_is_answered_with_nulls(lookup, asked):
    told = ask(lookup, "index_of_multiple_deprivation_quantile", postcode="SW1A 1AA", quantile=asked)
    assert told.status == 200
    assert told.content == {
        "result": {
            "rank": None,
            "requested_quantile": int(asked),
            "requested_quantile_name": None,
            "data_quantile": None,
            "country": "england",
            "error": f"{int(asked)} is not a valid quantile.",
        }
    }


@pytest.mark.parametrize("asked", ["five", "2.5", "", " ", "٥", "9" * 40, "9" * 5000, "0x5", "1e1", "5\0"])
def test_a_quantile_that_is_not_a_whole_number_is_refused(lookup, asked):
    told = ask(lookup, "index_of_multiple_deprivation_quantile", postcode="SW1A 1AA", quantile=asked)
    assert (told.status, set(told.content)) == (400, {"detail"})
    assert told.content["detail"].startswith("Quantile ")
    without = ask(lookup, "index_of_multiple_deprivation_quantile", postcode="SW1A 1AA")
    assert (without.status, without.content) == (400, {"detail": "Quantile not supplied."})


@pytest.mark.parametrize("route", ["indices_of_multiple_deprivation", "index_of_multiple_deprivation_quantile"])
def test_a_postcode_without_figures_is_refused_in_their_words_and_ours(lookup, route):
    for postcode, ours in (("JE2 3AB", "Jersey"), ("ZZ99 3VZ", "ZZ99"), ("SW1A-1AA", "'-'"), ("nonsense", "postcode")):
        told = ask(lookup, route, postcode=postcode, quantile=5)
        assert (told.status, told.content["detail"]) == (400, "Invalid postcode supplied.")
        assert ours in told.content["reason"]
    for parameters in ({}, {"postcode": ""}):
        told = ask(lookup, route, quantile=5, **parameters)
        assert (told.status, told.content) == (400, {"detail": "Postcode not supplied."})


@pytest.mark.parametrize("route", rcpch.POSTCODE_ROUTES)
def test_a_terminated_postcode_is_answered_and_a_header_says_so(lookup, postcodes, route):
    for place in postcodes.values():
        retired = ask(lookup, route, postcode=place.retired["postcode"], quantile=5)
        assert (retired.status, retired.headers) == (200, {b"postcode-status": b"terminated"})
        live = ask(lookup, route, postcode=place.live[0]["postcode"], quantile=5)
        assert (live.status, live.headers) == (200, {})


@pytest.mark.parametrize("spelling", ["SW1A 1AA", "sw1a1aa", " s w1A1a a ", "SW1A\u00a01AA"])
def test_the_form_of_a_postcode_does_not_matter(lookup, spelling):
    told = ask(lookup, "index_of_multiple_deprivation_quantile", postcode=spelling, quantile=10).content["result"]
    assert (told["rank"], told["data_quantile"]) == (24862, 8)


def test_a_subscription_key_and_other_strangers_change_nothing(lookup):
    asked = {"postcode": "SW1A 1AA", "quantile": 10}
    plain = ask(lookup, "index_of_multiple_deprivation_quantile", **asked)
    more = {"Subscription-Key": "abc", "subscription-key": "def", "other": "1"}
    assert ask(lookup, "index_of_multiple_deprivation_quantile", **asked, **more).content == plain.content


@pytest.mark.parametrize(
    ("route", "parameters", "meant"),
    [
        ("indices_of_multiple_deprivation", {"postcode": "SW1A 1AA", "Year": "2019"}, "year"),
        ("index_of_multiple_deprivation_quantile", {"postcode": "SW1A 1AA", "quantile": "5", "yaer": "2019"}, "year"),
        ("boundaries", {"post_code": "SW1A 1AA"}, "postcode"),
        ("green_space", {"local_authority_cod": "E09000033"}, "local_authority_code"),
        ("green_space", {"Page": "2"}, "page"),
        ("english_indices_of_multiple_deprivation/E01004736", {"years": "2019"}, "year"),
    ],
)
@pytest.mark.parametrize("version", ["v1", "v2"])
def test_a_misspelt_parameter_is_refused(lookup, version, route, parameters, meant):
    answer = rcpch.answer(
        lookup, route, urlencode(parameters).encode(), "http://localhost/x", {"v1": rcpch.V1, "v2": rcpch.V2}[version]
    )
    assert answer.status == 400
    assert f"is '{meant}' meant?" in json.loads(answer.body)["detail"]


def test_of_a_parameter_that_is_there_twice_the_last_counts(lookup):
    query = b"postcode=JE2+3AB&postcode=SW1A+1AA&quantile=2&quantile=10"
    told = rcpch.answer(lookup, "index_of_multiple_deprivation_quantile", query, ADDRESS)
    assert json.loads(told.body)["result"]["data_quantile"] == 8


# Editions


@pytest.mark.parametrize("index", ["england_2025", "2025", "latest", " ENGLAND_2025 "])
def test_index_asks_for_a_newer_edition(lookup, rows, index):
    [row] = rows("select imd_rank, imd_decile from imd_england_2025 where area_code = 'E01004736'")
    told = ask(lookup, "indices_of_multiple_deprivation", postcode="SW1A 1AA", index=index).content
    assert set(told) == FIELDS["english_indices_of_multiple_deprivation"]
    assert (told["imd_rank"], told["imd_decile"]) == (row["imd_rank"], row["imd_decile"]) == (24593, 8)
    assert told["income_score_exponentially_transformed"] is None
    quantile = ask(lookup, "index_of_multiple_deprivation_quantile", postcode="SW1A 1AA", quantile=10, index=index)
    assert quantile.content["result"]["rank"] == 24593


@pytest.mark.parametrize("index", ["", "england_2019", "2019"])
def test_without_index_it_is_the_edition_that_the_platform_knows(lookup, index):
    asked = {"postcode": "SW1A 1AA"} | ({"index": index} if index else {})
    assert ask(lookup, "indices_of_multiple_deprivation", **asked).content["imd_rank"] == 24862


def test_the_welsh_edition_of_2025_has_its_ranks_and_bands_and_no_scores(lookup, rows, postcodes):
    place = postcodes["Wales"].live[0]["postcode"]
    told = ask(lookup, "indices_of_multiple_deprivation", postcode=place, index="wales_2025").content
    assert set(told) == FIELDS["welsh_indices_of_multiple_deprivation"]
    [row] = rows("select * from imd_wales_2025 where area_code = ?", told["lsoa"].split("/")[-2])
    assert (told["year"], told["imd_rank"], told["imd_decile"]) == (2025, row["imd_rank"], row["imd_decile"])
    assert {value for name, value in told.items() if name.endswith("_score")} == {None}


@pytest.mark.parametrize("route", ["indices_of_multiple_deprivation", "index_of_multiple_deprivation_quantile"])
def test_a_named_index_is_never_answered_by_another(lookup, rows, route):
    unknown = ask(lookup, route, postcode="SW1A 1AA", quantile=5, index="england_1999")
    assert unknown.status == 400
    assert "'england_1999'" in unknown.content["detail"]
    other = ask(lookup, route, postcode="SW1A 1AA", quantile=5, index="wales_2019")
    assert (other.status, set(other.content)) == (404, {"detail"})
    assert "wales_2019" in other.content["detail"]
    [split] = rows(
        "select postcode from postcodes join small_areas on code = lsoa_2011"
        " where nation = 'England' and lsoa_2021 is null limit 1"
    )
    absent = ask(lookup, route, postcode=split["postcode"], quantile=5, index="england_2025")
    assert (absent.status, set(absent.content)) == (404, {"detail"})
    assert absent.content["detail"]
    assert ask(lookup, route, postcode=split["postcode"], quantile=5).status == 200


# Boundaries


@each_nation
def test_boundaries_say_where_a_postcode_is_and_null_for_what_is_not_held(lookup, rows, postcodes, nation):
    for place in postcodes[nation].live:
        told = ask(lookup, "boundaries", postcode=place["postcode"])
        assert (told.status, set(told.content), set(told.content["codes"])) == (200, BOUNDARIES, CODES)
        [row] = rows(
            "select p.*, a.name as area, l.name as authority from postcodes as p join small_areas as a"
            " on a.code = p.lsoa_2011 join local_authorities as l on l.code = p.local_authority where postcode = ?",
            place["postcode"],
        )
        known = {
            "postcode": row["postcode"],
            "outcode": row["postcode"].split()[0],
            "incode": row["postcode"].split()[1],
            "country": nation,
            "latitude": row["latitude"],
            "longitude": row["longitude"],
            "lsoa": row["area"],
            "admin_district": row["authority"],
        }
        assert {name: told.content[name] for name in known} == known
        codes = told.content["codes"]
        assert (codes["lsoa"], codes["admin_district"]) == (row["lsoa_2011"], row["local_authority"])
        assert {told.content[name] for name in ("quality", "eastings", "northings", "ccg", "admin_ward")} == {None}


def test_boundaries_give_the_middle_layer_and_region_where_there_is_one(lookup):
    palace = ask(lookup, "boundaries", postcode="SW1A 1AA").content
    assert (palace["msoa"], palace["codes"]["msoa"]) == ("Westminster 018", "E02000977")
    assert palace["region"] == "London"
    motherwell = ask(lookup, "boundaries", postcode="ML1 1AA").content
    assert (motherwell["msoa"], motherwell["codes"]["msoa"]) == ("Motherwell South", "S02002155")
    assert motherwell["region"] is None
    belfast = ask(lookup, "boundaries", postcode="BT2 7DX").content
    assert (belfast["msoa"], belfast["codes"]["msoa"], belfast["region"]) == (None, None, None)


def test_boundaries_answer_for_a_postcode_that_no_index_covers(lookup):
    told = ask(lookup, "boundaries", postcode="je23ab")
    assert (told.status, told.content["postcode"], told.content["country"]) == (200, "JE2 3AB", "Jersey")
    assert (told.content["lsoa"], told.content["codes"]["lsoa"]) == (None, None)


def test_boundaries_speak_of_the_areas_of_2011_where_2021_has_others(lookup, rows):
    [split, *_] = rows(
        "select postcode, lsoa_2011, name from postcodes join small_areas on code = lsoa_2011"
        " where lsoa_2021 <> lsoa_2011 and terminated is null"
    )
    told = ask(lookup, "boundaries", postcode=split["postcode"]).content
    assert (told["codes"]["lsoa"], told["lsoa"]) == (split["lsoa_2011"], split["name"])


def test_boundaries_refuse_in_their_words(lookup):
    expected = {"": "Postcode cannot be blank", "  ": "Postcode cannot be blank", "x": "Invalid postcode supplied."}
    for postcode, detail in expected.items():
        told = ask(lookup, "boundaries", postcode=postcode)
        assert (told.status, told.content["detail"]) == (400, detail)
    told = ask(lookup, "boundaries")
    assert (told.status, told.content) == (400, {"detail": "Postcode not supplied."})
    told = ask(lookup, "boundaries", postcode="ZZ99 3VZ")
    assert (told.status, set(told.content)) == (404, {"detail"})
    assert "ZZ99 3VZ" in told.content["detail"]


# Lists


@each_list
def test_a_list_walks_from_page_to_page_through_every_row_once(lookup, rows, route):
    [expected] = rows(f"select count(*) as count from {LISTED_FROM[route]}")
    page = ask(lookup, route).content
    assert set(page) == {"count", "next", "previous", "results"}
    assert page["previous"] is None
    seen, before = [], None
    address = f"{ADDRESS}/{route}/"
    while True:
        assert page["count"] == expected["count"]
        assert page["previous"] == before
        for result in page["results"]:
            assert set(result) == FIELDS[route]
        seen += page["results"]
        if page["next"] is None:
            break
        assert len(page["results"]) == 10
        before, address, page = address, page["next"], follow(lookup, page["next"]).content
    assert len(seen) == expected["count"] > 10
    assert len({json.dumps(result) for result in seen}) == len(seen)


@pytest.mark.parametrize(
    "route, name",
    [
        ("england_wales_lower_layer_super_output_areas", "lsoa_code"),
        ("english_indices_of_multiple_deprivation", "lsoa"),
    ],
)
def test_a_list_is_in_the_order_of_its_codes(lookup, route, name):
    listed = [result[name] for result in whole(lookup, route)]
    assert listed == sorted(listed)


@each_list
def test_both_spellings_of_the_slash_are_one_address(lookup, route):
    code = rcpch.V1.lists[route].resource.example
    assert ask(lookup, route).raw.body == ask(lookup, route + "/").raw.body
    assert ask(lookup, f"{route}/{code}").status == 200
    assert ask(lookup, f"{route}/{code}").raw.body == ask(lookup, f"/{route}/{code}/").raw.body


@pytest.mark.parametrize("route", rcpch.POSTCODE_ROUTES)
def test_a_postcode_route_may_end_in_a_slash(lookup, route):
    asked = {"postcode": "SW1A 1AA", "quantile": 5}
    assert ask(lookup, route + "/", **asked).content == ask(lookup, route, **asked).content
    assert ask(lookup, route, **asked).status == 200


@pytest.mark.parametrize("other, route", SPELLINGS.items())
def test_the_other_spellings_list_the_same(lookup, other, route):
    told, usual = ask(lookup, other).content, ask(lookup, route).content
    assert told["results"] == usual["results"]
    assert told["next"] == f"{ADDRESS}/{other}/?page=2"
    code = rcpch.V1.lists[route].resource.example
    assert ask(lookup, f"{other}/{code}").content == ask(lookup, f"{route}/{code}").content


@each_list
def test_every_address_in_a_page_leads_to_its_detail(lookup, route):
    for page in (1, "last"):
        for result in ask(lookup, route, page=page).content["results"]:
            links = [value for value in result.values() if isinstance(value, str) and value.startswith("http")]
            for link in links:
                led = follow(lookup, link)
                where, code = link.removeprefix(ADDRESS).strip("/").split("/")
                assert led.status == 200
                assert set(led.content) == FIELDS[where]
                assert code in led.content.values()


def test_an_area_of_2021_is_at_the_address_that_an_index_of_2025_gives(lookup, rows):
    [new] = rows(
        "select postcode, lsoa_2021 from postcodes where lsoa_2021 like 'E%' and terminated is null"
        " and lsoa_2021 not in (select code from lsoas_2011) limit 1"
    )
    told = ask(lookup, "indices_of_multiple_deprivation", postcode=new["postcode"], index="england_2025").content
    led = follow(lookup, told["lsoa"])
    assert (led.status, led.content["lsoa_code"], led.content["year"]) == (200, new["lsoa_2021"], 2021)
    assert set(led.content) == FIELDS["england_wales_lower_layer_super_output_areas"]
    listed = ask(lookup, "england_wales_lower_layer_super_output_areas", lsoa_code=new["lsoa_2021"])
    assert listed.content["count"] == 0


@each_list
@pytest.mark.parametrize("code", ["1", "E99999999", "e06000002", "x/y", "%00", "\0", "\ud800", "a" * 5000, "..", "'"])
def test_a_detail_that_is_not_there_is_not_found(lookup, route, code):
    told = ask(lookup, f"{route}/{code}")
    assert (told.status, told.content) == (404, {"detail": "Not found."})


def test_the_base_path_lists_the_routes(lookup):
    told = ask(lookup, "")
    assert set(told.content) == set(FIELDS) | set(rcpch.POSTCODE_ROUTES)
    for address in told.content.values():
        assert follow(lookup, address).status in (200, 400)


@pytest.mark.parametrize("path", ["nothing", "boundaries/SW1A1AA", "green_space_", "Green_Space", "\ud800", "\0"])
def test_an_unknown_route_is_not_found(lookup, path):
    told = ask(lookup, path, postcode="SW1A 1AA")
    assert (told.status, told.content) == (404, {"detail": "Not found."})


@each_list
@pytest.mark.parametrize("page", ["0", "-1", "two", "1.0", "999999999", "9" * 30, "9" * 5000, "\0", "٢", " "])
def test_a_page_that_is_not_there_is_an_invalid_page(lookup, route, page):
    told = ask(lookup, route, page=page)
    assert (told.status, told.content) == (404, {"detail": "Invalid page."})


@each_list
def test_a_blank_page_is_the_first_and_last_is_the_last(lookup, route):
    assert ask(lookup, route, page="").content == ask(lookup, route, page=1).content == ask(lookup, route).content
    last = ask(lookup, route, page="last").content
    assert last["next"] is None
    assert last == ask(lookup, route, page=-(-last["count"] // 10)).content


# Filters


@pytest.mark.parametrize("route", INDICES)
def test_an_index_filters_by_the_exact_value_of_every_field(lookup, route):
    every = whole(lookup, route)
    chosen = every[len(every) // 2]
    for name, value in chosen.items():
        if value is None:
            continue
        link = isinstance(value, str) and value.startswith("http")
        asked = value.split("/")[-2] if link else value
        told = ask(lookup, route, **{name: asked}).content
        assert told["count"] == sum(area[name] == value for area in every), name
        assert {area[name] for area in told["results"]} == {value}


@pytest.mark.parametrize(
    "route, names",
    [
        ("local_authority_districts", "local_authority_district_code local_authority_district_name year"),
        ("england_wales_lower_layer_super_output_areas", "lsoa_code lsoa_name year local_authority_district"),
        ("northern_ireland_small_output_areas", "year soa_code soa_name"),
        ("scotland_data_zones", "data_zone_code data_zone_name year local_authority"),
        ("green_space", "local_authority"),
    ],
)
def test_a_list_of_areas_filters_by_exact_value(lookup, route, names):
    every = whole(lookup, route)
    chosen = every[len(every) // 3]
    for name in names.split():
        value = chosen[name]
        link = isinstance(value, str) and value.startswith("http")
        told = whole(lookup, route, **{name: value.split("/")[-2] if link else value})
        assert told == [area for area in every if area[name] == value]
        if isinstance(value, str) and not link:
            assert ask(lookup, route, **{name: value[:-1]}).content["count"] < len(told)


@each_nation
def test_names_and_codes_of_area_and_authority_filter_by_part_of_the_text(lookup, rows, nation):
    route, _, _, table, _, area = NATIONS[nation]
    every = rows(
        "select a.code, a.name, l.code as authority_code, l.name as authority_name from small_areas as a"
        f" join {table} as i on i.area_code = a.code join local_authorities as l on l.code = a.local_authority_2019"
    )
    columns = {
        f"{area}_code": "code",
        f"{area}_name": "name",
        "local_authority_code": "authority_code",
        "local_authority_name": "authority_name",
    }
    for name, column in columns.items():
        part = every[0][column][1:-1].swapcase()
        expected = {place["code"] for place in every if part.lower() in place[column].lower()}
        found = whole(lookup, f"{route}_indices_of_multiple_deprivation", **{name: part})
        assert {place[area].split("/")[-2] for place in found} == expected
        assert expected
        none = ask(lookup, f"{route}_indices_of_multiple_deprivation", **{name: "%_%"}).content
        assert (none["count"], none["results"]) == (0, [])


def test_data_zones_filter_by_part_of_their_authority(lookup, rows):
    [expected] = rows("select count(*) as count from data_zones_2011 where local_authority_2019 = 'S12000050'")
    by_name = ask(lookup, "scotland_data_zones", local_authority_name="NORTH lanark").content
    by_code = ask(lookup, "scotland_data_zones", local_authority_code="12000050").content
    assert by_name["count"] == by_code["count"] == expected["count"] > 0
    assert ask(lookup, "scotland_data_zones", local_authority_name="north lanarks.").content["count"] == 0


def test_filters_stay_in_next_and_previous_and_strangers_do_not(lookup):
    asked = {"lsoa_name": "Camden & ", "page": 1}
    assert ask(lookup, "english_indices_of_multiple_deprivation", **asked).content["count"] == 0
    asked = {"lsoa_name": "camden", "imd_decile": 3, "Subscription-Key": "secret", "income_decile": ""}
    page = ask(lookup, "english_indices_of_multiple_deprivation", **asked).content
    assert page["next"] == f"{ADDRESS}/english_indices_of_multiple_deprivation/?imd_decile=3&lsoa_name=camden&page=2"
    second = follow(lookup, page["next"]).content
    assert second["previous"] == f"{ADDRESS}/english_indices_of_multiple_deprivation/?imd_decile=3&lsoa_name=camden"
    assert follow(lookup, second["previous"]).content == page


def test_a_filter_for_a_number_says_so_to_anything_else(lookup):
    told = ask(lookup, "english_indices_of_multiple_deprivation", imd_rank="first", imd_score="x", lsoa_name="y")
    assert told.status == 400
    assert told.content == {"imd_rank": ["Enter a number."], "imd_score": ["Enter a number."]}
    for value in ("1_0", "NaN", "inf", "٣", "1,5", "0x1", "\0"):
        told = ask(lookup, "local_authority_districts", year=value)
        assert (told.status, told.content) == (400, {"year": ["Enter a number."]})


@pytest.mark.parametrize("value", ["9" * 5000, "1e9999", "-1e9999", "9223372036854775808", "1e-9999", "-0.0"])
def test_numbers_beyond_measure_match_nothing(lookup, value):
    told = ask(lookup, "english_indices_of_multiple_deprivation", imd_rank=value)
    assert (told.status, told.content["count"], told.content["results"]) == (200, 0, [])


def test_a_number_filters_in_every_form_of_it(lookup):
    for value in ("3", "3.0", " 3 ", "+3", "3e0", "03"):
        told = ask(lookup, "english_indices_of_multiple_deprivation", imd_decile=value).content
        assert told["count"] > 10
        assert {area["imd_decile"] for area in told["results"]} == {3}


# What an area is


def test_people_are_those_of_the_english_publication_and_null_for_wales(lookup, rows):
    [row] = rows("select * from lsoas_2011 where code = 'E01004736'")
    told = ask(lookup, "england_wales_lower_layer_super_output_areas/E01004736").content
    assert told == {
        "lsoa_code": "E01004736",
        "lsoa_name": "Westminster 018C",
        "year": 2011,
        "total_population_mid_2015": row["total_population_mid_2015"],
        "dependent_children_mid_2015": row["dependent_children_mid_2015"],
        "population_16_59_mid_2015": row["population_16_59_mid_2015"],
        "older_population_over_16_mid_2015": row["older_population_60_and_over_mid_2015"],
        "working_age_population_over_18_mid_2015": row["working_age_population_mid_2015"],
        "local_authority_district": f"{ADDRESS}/local_authority_districts/E09000033/",
    }
    assert len({value for name, value in told.items() if name.endswith("_2015")}) == 5
    welsh = ask(lookup, "england_wales_lower_layer_super_output_areas", lsoa_code="W01001939").content["results"]
    assert {value for name, value in welsh[0].items() if name.endswith("_2015")} == {None}


def test_a_local_authority_is_listed_once_under_its_first_year(lookup):
    expected = {"E06000002": 2019, "E07000004": 2019, "E06000060": 2022, "E06000063": 2024, "N09000003": 2024}
    for code, year in expected.items():
        assert ask(lookup, f"local_authority_districts/{code}").content["year"] == year
    assert ask(lookup, "local_authority_districts", year=2019).content["count"] == 371


def test_green_space_gives_counts_as_numbers_and_shares_as_percentages(lookup, rows):
    stored = {row["local_authority"]: row for row in rows("select * from green_space")}
    listed = whole(lookup, "green_space")
    assert len(listed) == 371
    shares = {
        f"{part}_addresses_with_private_outdoor_space_share": f"{part}_percentage_{of}_with_private_outdoor_space"
        for part, of in (("houses", "of_addresses"), ("flats", "of_addresses"), ("total", "addresses"))
    }
    for told in listed:
        row = stored[told["local_authority"].split("/")[-2]]
        for share, name in shares.items():
            assert Decimal(told[name]) == 100 * Decimal(repr(row[share]))
            assert len(told[name]) <= 5
        assert told["houses_address_count"] == row["houses_address_count"]
        assert told["total_addresses_count"] == row["total_address_count"]
        assert told["flats_outdoor_space_count"] == row["flats_private_outdoor_space_count"]
        assert told["flats_outdoor_space_total_area"] == row["flats_private_outdoor_space_total_area_m2"]
        averages = {
            "houses_average_size_private_outdoor_space": "houses_average_private_outdoor_space_m2",
            "houses_median_size_private_outdoor_space": "houses_median_private_outdoor_space_m2",
            "flats_average_size_private_outdoor_space": "flats_average_private_outdoor_space_m2",
            "flats_average_number_of_flats_sharing_a_garden": "flats_average_flats_sharing_a_garden",
            "total_average_size_private_outdoor_space": "total_average_private_outdoor_space_m2",
        }
        assert {name: told[name] for name in averages} == {name: repr(row[of]) for name, of in averages.items()}
        counts = [told[name] for name in told if "count" in name or name.endswith("total_area")]
        assert {type(count) for count in counts} == {int}


def test_a_score_of_zero_and_a_small_one_are_plain_decimals():
    def link(relation, code):
        return f"{relation.kind}/{code}"

    assert Field("x", "decimal", 3).json(0.00001, link) == "0.00001"
    assert Field("x", "decimal", 3).json(0.01, link) == "0.010"
    assert Field("x", "decimal").json(0.0, link) == "0.0"
    assert Field("x", "decimal", 3).json(-2.1, link) == "-2.100"


# Anything else

QUERIES = [b"x=%ff", b"lsoa_name=%ff", b"page=%ed%a0%80", b"postcode=\xff", b"a=1&" * 200]


@pytest.mark.parametrize("query", QUERIES)
@pytest.mark.parametrize("route", [*rcpch.POSTCODE_ROUTES, *FIELDS])
def test_a_query_string_that_cannot_be_read_is_refused_with_its_detail(lookup, route, query):
    told = rcpch.answer(lookup, route, query, ADDRESS)
    assert (told.status, set(json.loads(told.body))) == (400, {"detail"})


@pytest.mark.parametrize("route", rcpch.POSTCODE_ROUTES)
@pytest.mark.parametrize("query", [b"postcode=%00&quantile=5", b"postcode=SW1A%201AA%00&quantile=5"])
def test_a_postcode_with_a_character_that_is_none_is_invalid(lookup, route, query):
    told = rcpch.answer(lookup, route, query, ADDRESS)
    assert (told.status, json.loads(told.body)["detail"]) == (400, "Invalid postcode supplied.")


names = st.sampled_from(
    ["postcode", "quantile", "index", "page", "year", "imd_rank", "imd_score", "lsoa_name", "lsoa", "local_authority"]
)
values = st.one_of(
    st.text(),
    st.sampled_from(
        ["SW1A 1AA", "JE2 3AB", "ML1 1AA", "5", "10", "9", "last", "2019", "england_2025", "E01004736", ""]
    ),
    st.integers().map(str),
    st.floats().map(str),
)
queries = st.one_of(
    st.binary(max_size=60),
    st.lists(st.tuples(names, values), max_size=5).map(
        lambda pairs: "&".join(f"{name}={quote(value, errors='replace')}" for name, value in pairs).encode()
    ),
)
codes = st.one_of(st.none(), st.text(), st.sampled_from(["E01004736", "E06000002", "S01011471", "95GG01S1"]))
routes = st.one_of(st.sampled_from([*rcpch.POSTCODE_ROUTES, *FIELDS, *SPELLINGS]), st.text())


@settings(max_examples=600, deadline=None)
@given(route=routes, code=codes, query=queries)
@example(route="green_space", code="\ud800", query=b"")
@example(route="english_indices_of_multiple_deprivation", code=None, query=b"imd_rank=99999999999999999999")
@example(route="boundaries", code=None, query=b"postcode=\xf0\x9f\x8f\xb0")
def test_whatever_is_asked_there_is_an_answer_that_openapi_describes(lookup, route, code, query):
    told = rcpch.answer(lookup, route if code is None else f"{route}/{code}", query, ADDRESS)
    assert told.status in (200, 400, 404)
    content = json.loads(told.body)
    assert isinstance(content, dict)
    if told.status == 404:
        assert set(content) == {"detail"}


# How it is described

SHAPES = {"integer": int, "number": (int, float), "string": str, "null": type(None)}


def fits(value, schema: dict) -> bool:
    """Whether `value` is as `schema` says, in those words of JSON Schema that the document has."""
    if "anyOf" in schema:
        return any(fits(value, one) for one in schema["anyOf"])
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return value == schema["const"]
    if schema["type"] == "object":
        return set(value) == set(schema["required"]) == set(schema["properties"]) and all(
            fits(value[name], one) for name, one in schema["properties"].items()
        )
    if schema["type"] == "array":
        return all(fits(one, schema["items"]) for one in value)
    kinds = [schema["type"]] if isinstance(schema["type"], str) else schema["type"]
    return any(isinstance(value, SHAPES[kind]) for kind in kinds)


@pytest.mark.parametrize("path", rcpch_paths(rcpch.V1))
def test_every_described_example_is_answered_as_described(lookup, path):
    operation = rcpch_paths(rcpch.V1)[path]["get"]
    asked = {told["name"]: told["example"] for told in operation["parameters"] if "example" in told}
    code = asked.pop("id", None)
    told = ask(lookup, path.replace("{id}", str(code)).strip("/"), **asked)
    assert told.status == 200
    schema = operation["responses"]["200"]["content"]["application/json"]["schema"]
    assert fits(told.content, schema)
    for one in schema.get("anyOf", [schema]):
        assert one["additionalProperties"] is False


@each_nation
def test_every_nations_answer_is_one_that_is_described(lookup, postcodes, nation):
    paths = rcpch_paths(rcpch.V1)
    for path in ("/indices_of_multiple_deprivation", "/index_of_multiple_deprivation_quantile", "/boundaries"):
        schema = paths[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        for place in postcodes[nation].live:
            for q in (5, 9):
                assert fits(ask(lookup, path.strip("/"), postcode=place["postcode"], quantile=q).content, schema)


def test_every_route_and_filter_is_described():
    paths = rcpch_paths(rcpch.V1)
    lists = {f"/{route}/" for route in FIELDS}
    details = {f"/{route}/{{id}}/" for route in FIELDS}
    assert set(paths) == {"/"} | lists | details | {f"/{route}" for route in rcpch.POSTCODE_ROUTES}
    for route in INDICES:
        named = [told["name"] for told in paths[f"/{route}/"]["get"]["parameters"]]
        assert FIELDS[route] | {"page", "local_authority_code"} <= set(named)
        assert len(named) == len(set(named))


# Through HTTP

BASE = "/rcpch-census-platform/api/v1"


def over_http(site, path: str, method: str = "GET", **options):
    """What a site answers; `path` is whole."""

    async def asked():
        return await site.client.request(method, path, **options)

    return asyncio.run(asked())


@pytest.mark.parametrize("slash", ["", "/"])
@pytest.mark.parametrize("route", [*rcpch.V1.root, *SPELLINGS])
def test_every_route_answers_with_and_without_a_slash_and_a_key(extract_site, route, slash):
    asked = f"{BASE}/{route}{slash}?postcode=CF14+3LX&quantile=5"
    answer = over_http(extract_site, asked, headers={"Subscription-Key": "x"})
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert answer.json()
    tag = answer.headers["etag"]
    assert over_http(extract_site, asked, headers={"if-none-match": tag}).status_code == 304
    head = over_http(extract_site, asked, "HEAD")
    assert (head.status_code, head.content, dict(head.headers)) == (200, b"", dict(answer.headers))


def test_addresses_in_answers_lead_on_from_where_one_is(extract_site):
    def host_of(*headers):
        told = over_http(extract_site, f"{BASE}/scotland_datazones/", headers=dict(headers)).json()
        zone = told["results"][0]["local_authority"]
        assert urlsplit(zone).path.startswith(f"{BASE}/local_authority_districts/S")
        assert urlsplit(told["next"]).netloc == urlsplit(zone).netloc
        assert over_http(extract_site, urlsplit(zone).path).json()["local_authority_district_code"].startswith("S")
        return told["next"].partition(BASE)[0]

    assert host_of() == "http://localhost"
    for host in ("census.example", "census.example:8443", "[::1]:8001", "127.0.0.1:8001"):
        assert host_of(("host", host)) == f"http://{host}"
    assert host_of(("host", "")) == ""
    for host in ("census.example/x", 'a"b', "a b", "[::1", "ex@mple", "a:999999"):
        assert over_http(extract_site, f"{BASE}/scotland_datazones/", headers={"host": host}).status_code == 400


def test_other_methods_are_refused_in_their_words(extract_site):
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        answer = over_http(extract_site, f"{BASE}/boundaries?postcode=SW1A1AA", method)
        assert (answer.status_code, answer.json()) == (405, {"detail": f'Method "{method}" not allowed.'})
        assert answer.headers["allow"] == "GET, HEAD, OPTIONS"
        assert answer.headers["cache-control"] == "no-store"


def test_the_base_answers_with_and_without_its_slash(extract_site):
    with_slash, without = (over_http(extract_site, f"{BASE}{slash}") for slash in ("/", ""))
    assert (without.status_code, without.json()) == (with_slash.status_code, with_slash.json())
    assert without.status_code == 200
    assert over_http(extract_site, f"{BASE}x").status_code == 404


def test_a_page_of_any_origin_may_send_its_key_and_read_the_status(extract_site, postcodes):
    asked = f"{BASE}/boundaries?postcode={quote(postcodes['Wales'].retired['postcode'])}"
    preflight = over_http(extract_site, asked, "OPTIONS")
    assert preflight.status_code == 204
    assert "Subscription-Key" in preflight.headers["access-control-allow-headers"]
    answer = over_http(extract_site, asked, headers={"origin": "https://audit.example"})
    assert answer.headers["access-control-allow-origin"] == "*"
    assert answer.headers["postcode-status"] == "terminated"
    assert "Postcode-Status" in answer.headers["access-control-expose-headers"]


def test_errors_are_not_kept_but_for_what_is_not_there(extract_site):
    kept = {"boundaries?postcode=ZZ99+3VZ": 404, "green_space/none/": 404}
    for path, status in (kept | {"boundaries": 400, "green_space/?page=%ff": 400}).items():
        answer = over_http(extract_site, f"{BASE}/{path}")
        assert answer.status_code == status
        assert ("max-age" in answer.headers["cache-control"]) == (status == 404)


def with_base_path(extract_db, folder, base) -> Datasette:
    """A site whose setting says where the routes are."""
    site_of(extract_db, folder)
    told = yaml.safe_load((folder / "metadata.yml").read_text())
    told["plugins"]["api"] = {"rcpch_base_path": base}
    (folder / "metadata.yml").unlink()
    (folder / "metadata.yml").write_text(yaml.safe_dump(told))
    return datasette_of(folder)


def test_the_base_path_is_a_setting(extract_db, tmp_path):
    site = with_base_path(extract_db, tmp_path, "/deprivation/")
    asked = "index_of_multiple_deprivation_quantile?postcode=ML1+1AA&quantile=10"
    assert over_http(site, f"/deprivation/{asked}").json()["result"]["data_quantile"] == 1
    assert over_http(site, "/deprivation/green_space/").json()["next"].startswith("http://localhost/deprivation/green")
    assert over_http(site, f"{BASE}/{asked}").status_code == 404
    assert "/deprivation/boundaries" in over_http(site, "/api/v1/openapi.json").json()["paths"]


@pytest.mark.parametrize("base", ["", "/", "deprivation", "/api/v1", "/api/v1/x", "/a b", "/a//b", None, 5])
def test_a_base_path_that_is_none_is_refused_with_its_name(extract_db, tmp_path, base):
    with pytest.raises(StartupError, match=f"rcpch_base_path .* not {re.escape(repr(base))}"):
        with_base_path(extract_db, tmp_path, base)


@pytest.mark.parametrize(
    "postcode, country, quintile",
    [
        ("SW1A 1AA", "england", 4),
        ("CF14 3LX", "wales", 4),
        ("ML1 1AA", "scotland", 1),
        ("BT2 7DX", "northern_ireland", 1),
    ],
)
def test_a_client_written_as_the_audits_write_theirs(server, postcode, country, quintile):
    url = f"{server[0]}{BASE}/index_of_multiple_deprivation_quantile?postcode={postcode}&quantile=5"
    response = requests.get(url=url, headers={"Subscription-Key": "x"}, timeout=10)
    assert response.status_code == 200
    result = response.json()["result"]
    assert (result["data_quantile"], result["country"], result["error"]) == (quintile, country, None)


def test_no_postcode_of_a_request_is_logged(server):
    base, log = server
    for method, path in (
        ("GET", "boundaries?postcode=SW1A1AA"),
        ("GET", "indices_of_multiple_deprivation?postcode=EC1A9ZZ"),
        ("GET", "index_of_multiple_deprivation_quantile?postcode=SW1A1AA&quantile=x"),
        ("GET", "english_indices_of_multiple_deprivation/?imd_rank=SW1A1AA"),
        ("POST", "boundaries?postcode=SW1A1AA"),
    ):
        assert requests.request(method, f"{base}{BASE}/{path}", timeout=10).status_code in (200, 400, 405)
    text = log.read_text()
    assert "Uvicorn running" in text
    assert not [line for line in text.splitlines() if "1AA" in line or "9ZZ" in line or "postcode" in line]


# The whole UK


@pytest.fixture(scope="module")
def full(full_build):
    opened = Lookup(full_build.path, band_rules(), immutable=True)
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "postcode, country, rank, decile",
    [
        ("SW1A 1AA", "england", 24862, 8),
        ("CF14 3LX", "wales", 1362, 8),
        ("ML1 1AA", "scotland", 192, 1),
        ("BT2 7DX", "northern_ireland", 163, 2),
    ],
)
def test_known_postcodes_have_their_published_figures(full, postcode, country, rank, decile):
    told = ask(full, "index_of_multiple_deprivation_quantile", postcode=postcode, quantile=10).content["result"]
    assert (told["country"], told["rank"], told["data_quantile"]) == (country, rank, decile)
    assert ask(full, "indices_of_multiple_deprivation", postcode=postcode).content["imd_rank"] == rank


def test_an_island_has_no_figures_in_the_whole_database_either(full):
    told = ask(full, "indices_of_multiple_deprivation", postcode="JE2 3AB")
    assert (told.status, told.content["detail"]) == (400, "Invalid postcode supplied.")


def test_the_lists_of_the_whole_database_have_their_published_lengths(full):
    counts = {route: ask(full, route).content["count"] for route in FIELDS}
    assert counts == {
        "local_authority_districts": 391,
        "england_wales_lower_layer_super_output_areas": 34753,
        "northern_ireland_small_output_areas": 890,
        "scotland_data_zones": 6976,
        "green_space": 371,
        "english_indices_of_multiple_deprivation": 32844,
        "welsh_indices_of_multiple_deprivation": 1909,
        "scottish_indices_of_multiple_deprivation": 6976,
        "northern_ireland_indices_of_multiple_deprivation": 890,
    }
    for route in FIELDS:
        assert ask(full, route, page="last").status == 200


def test_the_lists_of_the_whole_database_are_in_the_order_of_their_codes(full):
    listed = whole(full, "england_wales_lower_layer_super_output_areas", lsoa_name="City of London 001A")
    assert [area["lsoa_code"] for area in listed] == ["E01000001"]
    first = ask(full, "england_wales_lower_layer_super_output_areas").content["results"]
    assert [area["lsoa_code"] for area in first[:3]] == ["E01000001", "E01000002", "E01000003"]
