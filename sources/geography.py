"""The areas and authorities that everything else refers to, from the lookups of ONS and the Scottish Government.

`small_areas` holds the 42,619 areas that ONS calls lsoa11 (LSOAs, data zones and Northern Ireland's SOAs);
`lsoas_2011`, `data_zones_2011` and `soas_2001` hold what each kind has of its own.
"""

import re

from sources.publication import Publication, SourceFile, Table
from sources.workbook import column

SERVICES = "https://services1.arcgis.com/ESMARspQHYMw9BZ9/arcgis/rest/services/"
ONS = "Office for National Statistics"
OPEN_GEOGRAPHY = "https://geoportal.statistics.gov.uk/"

WARDS = SourceFile(
    "lsoa_2011_lookup",
    (
        "Lower_Layer_Super_Output_Area_(2011)_to_Ward_(2019)_Lookup_in_England_and_Wales.csv",
        "LSOA11_WD19_LAD19_EW_LU_V2.csv",
        "LSOA11_WD19_LAD19_EW_LU_V2.geojson",
    ),
    SERVICES + "LSOA11_WD19_LAD19_EW_LU_V2/FeatureServer/0",
    page_size=1000,
    served_as="LSOA11_WD19_LAD19_EW_LU_V2.geojson",
)
DATA_ZONES = SourceFile(
    "data_zone_2011_lookup",
    ("DataZone2011lookup_2024-12-16.csv", "scottish_dz_lookup.csv"),
    "https://statistics.gov.scot/downloads/file?id=50d30936-6de2-4ae0-a131-c2105aa74647%2FDataZone2011lookup_2024-12-16.csv",
)
AUTHORITIES = SourceFile(
    "local_authority_names",
    ("LAD_MAY_2024_UK_Boundaries.geojson",),
    SERVICES + "Local_Authority_Districts_May_2024_Boundaries_UK_BFC/FeatureServer/0",
    page_size=100,
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
    },
    primary_key="code",
    references={"successor": ("local_authorities", "code")},
    not_null=frozenset({"nation"}),
    indexes=("successor",),
    search=("name",),
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
    area="code",
)


def _list_table(name: str, own: dict[str, type], search: tuple[str, ...] = ("name",)) -> Table:
    """The list of one kind of area: what small_areas says of it, so that it can be read alone, and what is its own."""
    return Table(
        name,
        {
            "code": str,
            **dict.fromkeys(search, str),
            "nation": str,
            "local_authority_2019": str,
            "local_authority": str,
            "local_authority_name": str,
            **own,
        },
        primary_key="code",
        references={
            "code": ("small_areas", "code"),
            "local_authority_2019": ("local_authorities", "code"),
            "local_authority": ("local_authorities", "code"),
        },
        indexes=("local_authority_2019", "local_authority"),
        search=search,
        area="code",
    )


LSOAS = _list_table(
    "lsoas_2011",
    search=("name", "publisher_name"),
    own={
        "msoa_2011": str,
        "ward_2019": str,
        "ward_2019_name": str,
        "total_population_mid_2015": int,
        "dependent_children_mid_2015": int,
        "population_16_59_mid_2015": int,
        "older_population_60_and_over_mid_2015": int,
        "working_age_population_mid_2015": int,
    },
)
DATA_ZONE_LIST = _list_table(
    "data_zones_2011",
    {
        "intermediate_zone": str,
        "intermediate_zone_name": str,
        "ward": str,
        "ward_name": str,
        "population": int,
        "working_age_population": int,
    },
)
SOAS = _list_table("soas_2001", {"local_government_district_2014": str, "urban_rural_2015": str})

LISTS = {"LSOA": LSOAS.name, "data zone": DATA_ZONE_LIST.name, "SOA": SOAS.name}

AREA_CODE = re.compile(r"[EW]01[0-9]{6}|S01[0-9]{6}|95[A-Z]{2}[0-9]{2}[A-Z][0-9]")
NATION_OF_CODE = {"E": "England", "W": "Wales", "S": "Scotland", "N": "Northern Ireland", "9": "Northern Ireland"}
KIND_OF_CODE = {"E": "LSOA", "W": "LSOA", "S": "data zone", "9": "SOA"}


def load_lsoas(build) -> None:
    """Adds the LSOAs of England and Wales with ONS's names, their wards and authorities of 2019."""
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


def load_data_zones(build) -> None:
    """Adds Scotland's data zones with their full names, intermediate zones and wards."""
    wanted = (
        "DZ2011_Code",
        "DZ2011_Name",
        "IZ2011_Code",
        "IZ2011_Name",
        "MMWard_Code",
        "MMWard_Name",
        "LA_Code",
        "LA_Name",
    )
    rows = list(build.rows(DATA_ZONES, {name: column(str, name) for name in wanted}))
    build.authorities("2024", ((row[6], row[7], "Scotland") for row in rows))
    build.areas({"code": row[0], "kind": "data zone", "nation": "Scotland", "name": row[1]} for row in rows)
    build.merge(
        DATA_ZONE_LIST.name,
        ["code", "intermediate_zone", "intermediate_zone_name", "ward", "ward_name"],
        (row[:1] + row[2:6] for row in rows),
    )


def load_authorities(build) -> None:
    """Adds the authorities of May 2024."""
    rows = list(build.rows(AUTHORITIES, {name: column(str, name) for name in ("LAD24CD", "LAD24NM")}))
    build.authorities("2024", ((code, name, NATION_OF_CODE[code[0]]) for code, name in rows))


def derive(db) -> None:
    """Fills what follows from the postcodes: current authorities, centroids and successors, all described as derived.

    Before that, a publisher's name that is no other than the area's own is taken out; after it, the lists of each kind
    of area get what small_areas says.

    The current authority of an area is that of most of its live postcodes (of all of them where none is live; the
    first code where two have as many), its centroid their mean position; an authority's centroid is the mean position
    of its live postcodes, or of those of its 2019 areas where it has none today; the successor of an authority that the
    directory no longer has is the one that most of the live postcodes of its 2019 areas are in now.
    """
    db.conn.executescript(
        """
        update small_areas set publisher_name = null where publisher_name = name;

        create temp table tally as
        select
            lsoa_2011 as area,
            local_authority as authority,
            terminated is null as live,
            count(*) as postcodes,
            count(latitude) as located,
            total(latitude) as latitudes,
            total(longitude) as longitudes
        from postcodes
        where lsoa_2011 is not null
        group by lsoa_2011, local_authority, terminated is null;

        create index temp.tally_area on tally(area);
        create temp table counted as
        select * from tally
        where live = (select max(t.live) from tally t where t.area = tally.area);

        create index temp.counted_area on counted(area);
        update small_areas set
            local_authority = (
                select authority from counted
                where area = small_areas.code and authority is not null
                order by postcodes desc, authority limit 1
            ),
            latitude = (
                select round(sum(latitudes) / nullif(sum(located), 0), 6) from counted where area = small_areas.code
            ),
            longitude = (
                select round(sum(longitudes) / nullif(sum(located), 0), 6) from counted where area = small_areas.code
            );

        update local_authorities set successor = (
            select counted.authority
            from counted join small_areas on small_areas.code = counted.area
            where small_areas.local_authority_2019 = local_authorities.code and counted.authority is not null
            group by counted.authority
            order by sum(counted.postcodes) desc, counted.authority limit 1
        )
        where exists (select 1 from tally)
        and code not in (select authority from tally where authority is not null);

        create temp table located as
        select
            authority as code,
            round(sum(latitudes) / nullif(sum(located), 0), 6) as latitude,
            round(sum(longitudes) / nullif(sum(located), 0), 6) as longitude
        from tally where live group by authority
        union all
        select
            small_areas.local_authority_2019,
            round(sum(latitudes) / nullif(sum(located), 0), 6),
            round(sum(longitudes) / nullif(sum(located), 0), 6)
        from counted join small_areas on small_areas.code = counted.area
        where small_areas.local_authority_2019 not in (select authority from tally where live and authority is not null)
        group by small_areas.local_authority_2019;
        update local_authorities set (latitude, longitude) = (
            select latitude, longitude from located where located.code = local_authorities.code
        );

        drop table located;
        drop table counted;
        drop table tally;
        """
    )
    for name in LISTS.values():
        shared = [c for c in db[name].columns_dict if c in SMALL_AREAS.columns and c != "code"]
        db.conn.execute(
            f"""
            update {name} set ({", ".join(shared)}, local_authority_name) = (
                select {", ".join(f"small_areas.{c}" for c in shared)}, local_authorities.name
                from small_areas left join local_authorities on local_authorities.code = small_areas.local_authority
                where small_areas.code = {name}.code
            )
            """
        )


def _lookup(id_: str, title: str, edition: str, file: SourceFile, load, rows: int, **other) -> Publication:
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
        tables=(LOCAL_AUTHORITIES, SMALL_AREAS, LSOAS, DATA_ZONE_LIST, SOAS),
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
        "data_zone_2011_lookup",
        "2011 Data Zone lookup",
        "December 2024",
        DATA_ZONES,
        load_data_zones,
        6976,
        publisher="Scottish Government",
        page="https://statistics.gov.scot/",
        attribution="Scottish Government, 2011 Data Zone lookup, licensed under the Open Government Licence v3.0.",
        fills=(SMALL_AREAS.name, DATA_ZONE_LIST.name),
    ),
)
