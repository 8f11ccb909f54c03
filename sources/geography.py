"""Declare the tables of areas and authorities that everything else refers to.

`small_areas` holds the 42,619 areas that ONS calls lsoa11 (LSOAs, data zones and Northern Ireland's SOAs);
`lsoas_2011`, `data_zones_2011` and `soas_2001` hold what each kind has of its own. `lsoas_2021` are the areas of the
indices since 2025, `lsoa_changes` leads from one to the other. The lookups that fill them are modules of their own.
"""

from census.domain.geographies import PARENTS
from sources.publication import Table

LOCAL_AUTHORITIES = Table(
    "local_authorities",
    {
        "code": str,
        "name": str,
        "nation": str,
        "vintages": str,
        "successor": str,
        "latitude": float,
        "longitude": float,
        "name_welsh": str,
    },
    primary_key="code",
    references={"successor": ("local_authorities", "code")},
    not_null=frozenset({"nation"}),
    indexes=("successor",),
    search=("name", "name_welsh"),
)
SMALL_AREAS = Table(
    "small_areas",
    {
        "code": str,
        "kind": str,
        "nation": str,
        "name": str,
        "publisher_name": str,
        "local_authority_2019": str,
        "local_authority": str,
        "latitude": float,
        "longitude": float,
    },
    primary_key="code",
    references={
        "local_authority_2019": ("local_authorities", "code"),
        "local_authority": ("local_authorities", "code"),
    },
    not_null=frozenset({"kind", "nation"}),
    indexes=("local_authority_2019", "local_authority"),
    search=("name", "publisher_name"),
    area={"code": "lsoa_2011"},
)
HEALTH_GEOGRAPHIES = Table(
    "health_geographies",
    {
        "code": str,
        "kind": str,
        "nation": str,
        "name": str,
        "ods_code": str,
        "vintages": str,
        "areas_2011": int,
        "areas_2021": int,
    },
    primary_key="code",
    not_null=frozenset({"kind", "nation"}),
    indexes=("ods_code",),
    search=("name",),
)


def _list_table(
    name: str,
    own: dict[str, type],
    search: tuple[str, ...] = ("name",),
    geography: str = "lsoa_2011",
    joins: dict[str, str] | None = None,
) -> Table:
    """Return the table that lists one kind of area: names, authorities, and `own`, what only this kind has.

    geography: as in `Index.geography`. joins: columns of `own` to the table that they refer to.
    """
    vintage = {"lsoa_2011": 2019, "lsoa_2021": 2024}[geography]  # of the authorities as published
    joins = {f"local_authority_{vintage}": "local_authorities", "local_authority": "local_authorities"} | (joins or {})
    return Table(
        name,
        {
            "code": str,
            **dict.fromkeys(search, str),
            "nation": str,
            f"local_authority_{vintage}": str,
            "local_authority": str,
            "local_authority_name": str,
            **own,
        },
        primary_key="code",
        references={column: (table, "code") for column, table in joins.items()}
        | ({} if name == PARENTS[geography] else {"code": (PARENTS[geography], "code")}),
        indexes=tuple(joins),
        search=search,
        area={"code": geography},
    )


LSOAS = _list_table(
    "lsoas_2011",
    search=("name", "publisher_name"),
    joins={"sub_icb_2022": HEALTH_GEOGRAPHIES.name, "icb_2022": HEALTH_GEOGRAPHIES.name},
    own={
        "msoa_2011": str,
        "ward_2019": str,
        "ward_2019_name": str,
        "sub_icb_2022": str,
        "icb_2022": str,
        "total_population_mid_2015": int,
        "dependent_children_mid_2015": int,
        "population_16_59_mid_2015": int,
        "older_population_60_and_over_mid_2015": int,
        "working_age_population_mid_2015": int,
    },
)
LSOAS_2021 = _list_table(
    "lsoas_2021",
    search=("name", "publisher_name"),
    geography="lsoa_2021",
    joins={"sub_icb_2024": HEALTH_GEOGRAPHIES.name, "icb_2024": HEALTH_GEOGRAPHIES.name},
    own={
        "sub_icb_2024": str,
        "icb_2024": str,
        "total_population_mid_2022": int,
        "dependent_children_mid_2022": int,
        "older_population_60_and_over_mid_2022": int,
        "working_age_population_mid_2022": int,
        "latitude": float,
        "longitude": float,
    },
)
LSOA_CHANGES = Table(
    "lsoa_changes",
    {"lsoa_2011": str, "lsoa_2021": str, "change": str, "local_authority_2022": str},
    primary_key=("lsoa_2011", "lsoa_2021"),
    references={
        "lsoa_2011": (SMALL_AREAS.name, "code"),
        "lsoa_2021": (LSOAS_2021.name, "code"),
        "local_authority_2022": ("local_authorities", "code"),
    },
    not_null=frozenset({"change"}),
    indexes=("lsoa_2021",),
    area={"lsoa_2011": "lsoa_2011", "lsoa_2021": "lsoa_2021"},
)
URBAN_RURAL = {
    f"urban_rural_{folds}fold{part}": (type_, f"UR{folds}_{label}")
    for folds in (2, 3, 6, 8)
    for part, type_, label in (("", int, "Code"), ("_name", str, "Name"))
}
DATA_ZONE_LIST = _list_table(
    "data_zones_2011",
    joins={"health_board": HEALTH_GEOGRAPHIES.name},
    own={
        "intermediate_zone": str,
        "intermediate_zone_name": str,
        "ward": str,
        "ward_name": str,
        "health_board": str,
        **{name: type_ for name, (type_, _) in URBAN_RURAL.items()},
        "population": int,
        "working_age_population": int,
    },
)
SOAS = _list_table("soas_2001", {"local_government_district_2014": str, "urban_rural_2015": str})

LISTS = {"LSOA": LSOAS.name, "data zone": DATA_ZONE_LIST.name, "SOA": SOAS.name}
"""Kind of area to its list, of the areas that ONS calls lsoa11."""

TABLES = (LOCAL_AUTHORITIES, HEALTH_GEOGRAPHIES, SMALL_AREAS, LSOAS, LSOAS_2021, LSOA_CHANGES, DATA_ZONE_LIST, SOAS)
"""The tables of this module. They exist in every build, whichever publications are left out."""
