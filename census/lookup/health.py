"""Look health geographies up: integrated care boards, sub-ICB locations, health boards, and who lives in them."""

from dataclasses import dataclass

from census.lookup.database import Lookup, columns
from census.lookup.errors import NotFound
from census.lookup.indices import Index
from census.lookup.messages import explain
from census.lookup.places import AREAS, DECILES, RANKED


@dataclass(frozen=True)
class HealthGeography:
    """A row of the table `health_geographies`. ods_code: the NHS's own. areas_2011, areas_2021: how many it has."""

    code: str
    kind: str
    nation: str
    name: str | None
    ods_code: str | None
    vintages: str | None
    areas_2011: int | None
    areas_2021: int | None


@dataclass(frozen=True)
class People:
    """How many people, and children aged 0 to 15, live in the areas of a decile."""

    decile: int
    people: int
    children: int | None


@dataclass(frozen=True)
class Population:
    """The people in the areas of a health geography by decile; none where no publication says how many.

    message: why there are no figures of the place at all. note: whose count it is.
    """

    message: str | None
    deciles: list[People]
    note: str | None


LOOKUPS = {
    ("England", "lsoa_2011"): "nhs_geography_2022",
    ("England", "lsoa_2021"): "nhs_geography_2024",
    ("Scotland", "lsoa_2011"): "data_zone_2011_lookup",
}
"""The publication that says which areas a health geography has, by nation and geography."""

_PEOPLE = {
    "lsoa_2011": """
        select code, total_population_mid_2015 as people, dependent_children_mid_2015 as children
        from lsoas_2011 where :code in (sub_icb_2022, icb_2022)
        union all
        select code, population, null from data_zones_2011 where health_board = :code
    """,
    "lsoa_2021": """
        select code, total_population_mid_2022 as people, dependent_children_mid_2022 as children
        from lsoas_2021 where :code in (sub_icb_2024, icb_2024)
    """,
}
_PEOPLE_BY_DECILE = f"""
    select deprivation.decile, count(*), count(people), sum(people), count(children), sum(children)
    from ({{people}}) as area {RANKED}
    group by deprivation.decile
"""


def health_geography(lookup: Lookup, code: str) -> HealthGeography:
    """Return the health geography with ONS's code or the NHS's own, in any case. Raises NotFound."""
    code = code.strip(" ").upper()
    rows = lookup.read(
        HealthGeography,
        f"select {columns(HealthGeography)} from health_geographies where code = :code or ods_code = :code"
        " order by vintages desc, code",
        {"code": code},
    )
    if not rows:
        problem = f"'{code[:40]}' is not the code of an integrated care board, sub-ICB location or health board."
        raise NotFound("unknown", problem)
    return next((row for row in rows if row.code == code), rows[0])


def population(lookup: Lookup, place: HealthGeography, index: Index) -> Population:
    """Return how many people live in the areas of a health geography, by decile of an index of its nation."""
    if not index.loaded:
        return Population(explain("left_out", index.title), [], None)
    sql = _PEOPLE_BY_DECILE.format(people=_PEOPLE[index.geography])
    rows = lookup.connection.execute(sql, {"code": place.code, "index": index.id}).fetchall()
    areas = sum(row[1] for row in rows)
    is_newer = index.geography == "lsoa_2021"
    all_areas = place.areas_2021 if is_newer else place.areas_2011
    if areas == 0 == all_areas:
        year = index.geography[-4:]
        message = explain("no_areas_of_year", place.name, place.code, year, index.id, place.vintages)
        return Population(message, [], None)
    if areas == 0 or areas != all_areas:
        return Population(explain("health_geography_in_part", place.name, place.code, areas, all_areas), [], None)
    if sum(row[2] for row in rows) < areas:
        return Population(None, [], explain("no_people"))
    has_children = sum(row[4] for row in rows) == areas
    by_decile = {row[0]: row for row in rows}
    deciles = []
    for n in DECILES:
        _, _, _, people, _, children = by_decile.get(n, (n, 0, 0, 0, 0, 0))
        deciles.append(People(n, people, children if has_children else None))
    note = "people_of_scotland" if place.nation == "Scotland" else "people_of_2025" if is_newer else "people_of_2019"
    return Population(None, deciles, explain(note))


def authorities_within(lookup: Lookup, place: HealthGeography) -> set[str]:
    """Return the codes of the local authorities of 2019 in which the areas of a health geography are."""
    areas = AREAS[place.kind]["lsoa_2011"]
    rows = lookup.rows(
        f"select distinct local_authority_2019 as code from ({areas}) as area join small_areas using (code)",
        {"code": place.code},
    )
    return {row["code"] for row in rows if row["code"]}
