"""The areas and authorities that everything else refers to, from the lookups of ONS and the Scottish Government.

`small_areas` holds the 42,619 areas that ONS calls lsoa11 (LSOAs, data zones and Northern Ireland's SOAs);
`lsoas_2011`, `data_zones_2011` and `soas_2001` hold what each kind has of its own. `lsoas_2021` are the areas of the
indices since 2025, `lsoa_changes` leads from one to the other.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from census.domain.codes import NATION_OF_CODE
from census.domain.geographies import PARENTS
from sources.publication import KnownFile, Publication, SourceError, SourceFile, Table
from sources.workbook import column

if TYPE_CHECKING:
    from sources.build import Build


SERVICES = "https://services1.arcgis.com/ESMARspQHYMw9BZ9/arcgis/rest/services/"
ONS = "Office for National Statistics"
OPEN_GEOGRAPHY = "https://geoportal.statistics.gov.uk/"


AS_CSV = "The publisher's table in its own columns, saved as CSV; its address serves it as a feature layer."


def _layer(id_: str, name: str, service: str, sha256: str, size: int) -> SourceFile:
    """Return a lookup that ONS gives as a file `name` and as the feature layer `service`.

    sha256 and size: those of the known copy as CSV.
    """
    layer = f"{service}.geojson"
    address = f"{SERVICES}{service}/FeatureServer/0"
    names = (name, f"{service}.csv")
    known = (KnownFile(names, sha256, size, "rebuilt", AS_CSV),)
    return SourceFile(id_, (*names, layer), address, page_size=1000, served_as=layer, known=known)


WARDS = _layer(
    "lsoa_2011_lookup",
    "Lower_Layer_Super_Output_Area_(2011)_to_Ward_(2019)_Lookup_in_England_and_Wales.csv",
    "LSOA11_WD19_LAD19_EW_LU_V2",
    "75b036a9295ee234ee3356fd61350d5bdeca7437e104bf5c5d805e73c4d45bc1",
    2_721_116,
)
CHANGES = _layer(
    "lsoa_changes",
    "LSOA11_LSOA21_LAD22_EW_LU.csv",
    "LSOA11_LSOA21_LAD22_EW_LU_v5",
    "7d2d4f18dabf4c595dcdc0ddffbfd44c20896c0546503bc6fa4820ff316abe81",
    2_769_635,
)
NHS_2022 = SourceFile(
    "nhs_geography_2022",
    ("LSOA11_SICBL22_ICB22_LAD22_EN_LU.csv", "LSOA11_SICBL22_ICB22_LAD22_EN_LU.geojson"),
    None,  # on the Open Geography portal; no fixed address is known
    known=(
        KnownFile(
            ("LSOA11_SICBL22_ICB22_LAD22_EN_LU.csv",),
            "2f71df5ffca501bdf77016ad1bd1f549191ad0f502682ac20bc7792d00677849",
            5_409_062,
            "rebuilt",
            "The publisher's table in its own columns, saved as CSV.",
        ),
    ),
)
NHS_2024 = _layer(
    "nhs_geography_2024",
    "LSOA21_SICBL24_ICB24_EN_LU.csv",
    "LSOA21_SICBL24_ICB24_CAL24_LAD24_EN_LU",
    "47b59e0f207e8d7021187995c036d0c7d924bb9882e3ecadec4af2145e6fdd3a",
    4_831_028,
)
DATA_ZONES = SourceFile(
    "data_zone_2011_lookup",
    ("DataZone2011lookup_2024-12-16.csv", "scottish_dz_lookup.csv"),
    "https://statistics.gov.scot/downloads/file?id=50d30936-6de2-4ae0-a131-c2105aa74647%2FDataZone2011lookup_2024-12-16.csv",
    known=(
        KnownFile(
            ("DataZone2011lookup_2024-12-16.csv", "scottish_dz_lookup.csv"),
            "0cc10817b9ae5a0fb03eefa531f798e920b449ffb196e1b5683beb561d1d061b",
            3_269_106,
        ),
    ),
)
LAD_2024 = KnownFile(
    ("LAD_MAY_2024_UK_Boundaries.geojson",),
    "1dff23a47ba563ff1e9e5f1371177fe7bf3644698bd79f8b8de4bf6b00b8cf60",
    561_067,
    "rebuilt",
    "The publisher's codes and names with generalised boundaries.",
)
AUTHORITIES = SourceFile(
    "local_authority_names",
    ("LAD_MAY_2024_UK_Boundaries.geojson", "LAD_MAY_2024_UK_names.geojson"),
    SERVICES + "Local_Authority_Districts_May_2024_Boundaries_UK_BFC/FeatureServer/0",
    page_size=100,
    served_as="LAD_MAY_2024_UK_names.geojson",  # without the boundaries
    known=(LAD_2024,),
)

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


def load_lsoas(build: "Build") -> None:
    """Add the LSOAs of England and Wales with ONS's names, their wards and authorities of 2019."""
    wanted = ("LSOA11CD", "LSOA11NM", "WD19CD", "WD19NM", "LAD19CD", "LAD19NM")
    rows = list(build.rows(WARDS, {name: column(str, name) for name in wanted}))
    build.authorities("2019", ((row[4], row[5], NATION_OF_CODE[row[4][0]]) for row in rows))
    build.areas(
        {
            "code": row[0],
            "kind": "LSOA",
            "nation": NATION_OF_CODE[row[0][0]],
            "name": row[1],
            "local_authority_2019": row[4],
        }
        for row in rows
    )
    build.merge(LSOAS.name, ["code", "ward_2019", "ward_2019_name"], ((r[0], r[2], r[3]) for r in rows))


def load_changes(build: "Build") -> None:
    """Add the LSOAs of 2021 and how they follow from those of 2011: U unchanged, M merged, S split, X irregular."""
    wanted = ("LSOA11CD", "LSOA21CD", "LSOA21NM", "CHGIND", "LAD22CD", "LAD22NM")
    rows = list(build.rows(CHANGES, {name: column(str, name) for name in wanted}))
    for row in rows:
        if row[3] not in ("U", "M", "S", "X") or (row[3] == "U") != (row[0] == row[1]):
            raise SourceError(f"{CHANGES.names[0]}: {row[0]} to {row[1]} cannot be a change {row[3]!r}.")
    build.authorities("2022", ((row[4], row[5], NATION_OF_CODE[row[4][0]]) for row in rows))
    newer = dict.fromkeys((row[1], row[2], NATION_OF_CODE[row[1][0]]) for row in rows)
    build.merge(LSOAS_2021.name, ["code", "name", "nation"], newer)
    build.insert(LSOA_CHANGES.name, list(LSOA_CHANGES.columns), ((r[0], r[1], r[3], r[4]) for r in rows))


def load_nhs(build: "Build", file: SourceFile, table: str, area: str, year: str) -> None:
    """Add the sub-ICB locations and integrated care boards of England, and which of them each LSOA lies in."""
    names = [area, *(f"{kind}{year[2:]}{part}" for kind in ("SICBL", "ICB") for part in ("CD", "CDH", "NM"))]
    rows = list(build.rows(file, {name: column(str, name) for name in names}))
    for kind, at in (("sub-ICB location", 1), ("integrated care board", 4)):
        build.health_geographies(year, ((r[at], kind, "England", r[at + 2], r[at + 1]) for r in rows))
    build.merge(table, ["code", f"sub_icb_{year}", f"icb_{year}"], ((r[0], r[1], r[4]) for r in rows))


def load_data_zones(build: "Build") -> None:
    """Add Scotland's data zones with their full names, intermediate zones, wards, health boards, urban-rural class."""
    place = {name: column(str, name) for name in ("DZ2011_Code", "DZ2011_Name", "LA_Code", "LA_Name", "HB_Name")}
    own = {
        "intermediate_zone": column(str, "IZ2011_Code"),
        "intermediate_zone_name": column(str, "IZ2011_Name"),
        "ward": column(str, "MMWard_Code"),
        "ward_name": column(str, "MMWard_Name"),
        "health_board": column(str, "HB_Code"),
        **{name: column(type_, label) for name, (type_, label) in URBAN_RURAL.items()},
    }
    rows = list(build.rows(DATA_ZONES, place | own))
    figures, board = len(place), len(place) + list(own).index("health_board")
    build.authorities("2024", ((row[2], row[3], "Scotland") for row in rows))
    build.areas({"code": row[0], "kind": "data zone", "nation": "Scotland", "name": row[1]} for row in rows)
    build.health_geographies("2024", ((r[board], "health board", "Scotland", r[4], None) for r in rows))
    build.merge(DATA_ZONE_LIST.name, ["code", *own], (row[:1] + row[figures:] for row in rows))


def load_authorities(build: "Build") -> None:
    """Add the authorities of May 2024."""
    rows = list(build.rows(AUTHORITIES, {name: column(str, name) for name in ("LAD24CD", "LAD24NM")}))
    build.authorities("2024", ((code, name, NATION_OF_CODE[code[0]]) for code, name in rows))


def _lookup(
    id_: str,
    title: str,
    edition: str,
    file: SourceFile,
    load: Callable[["Build"], None],
    rows: int,
    **other: Any,  # other fields of Publication
) -> Publication:
    return Publication(
        id=id_,
        title=title,
        edition=edition,
        files=(file,),
        load=load,
        rows={file.id: rows},
        **{
            "publisher": ONS,
            "page": OPEN_GEOGRAPHY,
            "attribution": "Contains OS data © Crown copyright and database right 2024."
            " Source: Office for National Statistics licensed under the Open Government Licence v.3.0.",
            **other,
        },
    )


PUBLICATIONS = (
    _lookup(
        "local_authority_names",
        "Local Authority Districts, names and codes",
        "May 2024",
        AUTHORITIES,
        load_authorities,
        361,
        fills=(LOCAL_AUTHORITIES.name,),
        tables=(
            *(LOCAL_AUTHORITIES, HEALTH_GEOGRAPHIES, SMALL_AREAS, LSOAS, LSOAS_2021, LSOA_CHANGES),
            *(DATA_ZONE_LIST, SOAS),
        ),
    ),
    _lookup(
        "lsoa_2011_lookup",
        "Lower layer Super Output Area (2011) to Ward (2019) Lookup in England and Wales",
        "2019",
        WARDS,
        load_lsoas,
        34753,
        fills=(SMALL_AREAS.name, LSOAS.name, LOCAL_AUTHORITIES.name),
    ),
    _lookup(
        "lsoa_changes",
        "LSOA (2011) to LSOA (2021) to Local Authority District (2022) Lookup for England and Wales",
        "2022",
        CHANGES,
        load_changes,
        35795,
        fills=(LSOAS_2021.name, LSOA_CHANGES.name, LOCAL_AUTHORITIES.name),
    ),
    _lookup(
        "nhs_geography_2022",
        "LSOA (2011) to Sub ICB Locations to Integrated Care Boards Lookup in England",
        "2022",
        NHS_2022,
        lambda build: load_nhs(build, NHS_2022, LSOAS.name, "LSOA11CD", "2022"),
        32844,
        fills=(LSOAS.name, HEALTH_GEOGRAPHIES.name),
    ),
    _lookup(
        "nhs_geography_2024",
        "LSOA (2021) to Sub ICB Locations to Integrated Care Boards Lookup in England",
        "2024",
        NHS_2024,
        lambda build: load_nhs(build, NHS_2024, LSOAS_2021.name, "LSOA21CD", "2024"),
        33755,
        fills=(LSOAS_2021.name, HEALTH_GEOGRAPHIES.name),
    ),
    _lookup(
        "data_zone_2011_lookup",
        "2011 Data Zone lookup",
        "December 2024",
        DATA_ZONES,
        load_data_zones,
        6976,
        publisher="Scottish Government",
        page="https://statistics.gov.scot/",
        attribution="Scottish Government, 2011 Data Zone lookup, licensed under the Open Government Licence v3.0.",
        fills=(SMALL_AREAS.name, DATA_ZONE_LIST.name, HEALTH_GEOGRAPHIES.name, LOCAL_AUTHORITIES.name),
    ),
)
