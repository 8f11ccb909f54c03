"""Derive authorities, centroids, successors and counts from the postcodes."""

import sqlite3
from typing import TYPE_CHECKING

from census.domain.geographies import PARENTS
from sources.geography import LISTS, SMALL_AREAS
from sources.postcode_directory import POSTCODE_AREAS

if TYPE_CHECKING:
    from sqlite_utils import Database


def derive(db: "Database") -> None:
    """Fill what follows from the postcodes: current authorities, centroids and successors, all described as derived.

    Before that, a publisher's name that equals the area's own is removed; after it, the lists of each kind
    of area get the values of small_areas, and the health geographies how many areas they have.

    The current authority of an area is that of most of its live postcodes (of all of them where none is live; the
    first code where two have as many), its centroid their mean position; an authority's centroid is the mean position
    of its live postcodes, or of those of its 2019 areas where it has none today; the successor of an authority that the
    directory no longer has is the one that most of the live postcodes of its 2019 areas are in now. An LSOA of 2021
    that no postcode is known to lie in gets its authority of 2024, or that one's successor.
    """
    for parent in PARENTS.values():
        db.conn.execute(f"update {parent} set publisher_name = null where publisher_name = name")
    _place(db, "lsoa_2011")
    db.conn.executescript(
        """
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
        """
    )
    _place(db, "lsoa_2021")
    db.conn.executescript(
        """
        drop table counted;
        drop table tally;
        update lsoas_2021 set local_authority = (
            select coalesce(successor, code) from local_authorities where code = local_authority_2024
        )
        where local_authority is null;
        update lsoas_2021 set local_authority_name = (
            select name from local_authorities where code = local_authority
        );
        with held (code, older, newer) as (
            select sub_icb_2022, 1, 0 from lsoas_2011 union all
            select icb_2022, 1, 0 from lsoas_2011 union all
            select health_board, 1, 0 from data_zones_2011 union all
            select sub_icb_2024, 0, 1 from lsoas_2021 union all
            select icb_2024, 0, 1 from lsoas_2021
        )
        update health_geographies set areas_2011 = older, areas_2021 = newer
        from (select code, sum(older) as older, sum(newer) as newer from held group by code) as counted
        where counted.code = health_geographies.code;
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


def _place(db: "Database", geography: str) -> None:
    """Give the areas of a geography, a column of postcodes, the authority and the mean position of their postcodes.

    Leaves the counts behind it: temp.tally by area, authority and live or not; temp.counted, those of them that count.
    """
    db.conn.executescript(
        f"""
        drop table if exists temp.tally;
        drop table if exists temp.counted;
        create temp table tally as
        select
            {geography} as area,
            local_authority as authority,
            terminated is null as live,
            count(*) as postcodes,
            count(latitude) as located,
            total(latitude) as latitudes,
            total(longitude) as longitudes
        from postcodes
        where {geography} is not null
        group by {geography}, local_authority, terminated is null;

        create index temp.tally_area on tally(area);
        create temp table counted as
        select * from tally
        where live = (select max(t.live) from tally t where t.area = tally.area);

        create index temp.counted_area on counted(area);
        update {PARENTS[geography]} set
            local_authority = (
                select authority from counted
                where area = {PARENTS[geography]}.code and authority is not null
                order by postcodes desc, authority limit 1
            ),
            (latitude, longitude) = (
                select
                    round(sum(latitudes) / nullif(sum(located), 0), 6),
                    round(sum(longitudes) / nullif(sum(located), 0), 6)
                from counted where area = {PARENTS[geography]}.code
            );
        """
    )


def dates_of_areas(connection: sqlite3.Connection) -> str | None:
    """Return up to when the postcodes have small areas, in words; None where none has one."""
    months = connection.execute(
        f"select small_areas_of, count(*) from {POSTCODE_AREAS.name} where small_areas_of is not null"
        " group by small_areas_of order by count(*) desc, small_areas_of desc"
    ).fetchall()
    if not months:
        return None
    (most, areas), others = months[0], sorted(month for month, _ in months[1:])
    text = f"small areas as of {_month(most)}"
    if not others:
        return text
    between = " to ".join(dict.fromkeys((_month(others[0]), _month(others[-1]))))
    return f"{text} in {areas} of {sum(n for _, n in months)} postcode areas, {between} in the others"


def _month(month: int) -> str:
    return f"{month // 100}-{month % 100:02}"
