"""Look postcodes up: the view `postcode_figures` for what has figures, `postcode_places` and messages for the rest.

A postcode with figures costs one statement of key reads, of which SQLite does those whose columns are read; a list goes
through it in one statement. Where the newest index has none, a second statement finds the older one and says so.
Whatever has none at all (unknown, invalid, not covered, no area of that edition) gets its answer from the views of
places and indices, in the words of `messages`. The canned query `imd_by_postcode` says the same; a test compares them.
"""

import json
from collections.abc import Iterable
from functools import cache
from typing import NamedTuple, TypeVar

from census.domain import postcode
from census.lookup import messages
from census.lookup.database import Lookup
from census.lookup.indices import NATIONS, NEWEST, IndexIds, Quantile
from census.lookup.messages import explain

STATUSES = ("found", "terminated", "not_covered", "unknown", "invalid")


class PostcodeFigures(NamedTuple):
    """The answer for a postcode, with the names of the canned query `imd_by_postcode`.

    1 is the most deprived in every rank and band. terminated: yyyymm. latitude, longitude: in degrees. quartile,
    vigintile: those that a publisher gives.
    """

    status: str
    message: str | None
    postcode: str | None
    terminated: int | None
    nation: str | None
    area_code: str | None
    area_name: str | None
    area_publisher_name: str | None
    local_authority_code: str | None
    local_authority_name: str | None
    index_id: str | None
    year: int | None
    rank: float | None
    of: int | None
    decile: int | None
    decile_basis: str | None
    quintile: int | None
    quintile_basis: str | None
    income_rank: float | None
    income_decile: int | None
    employment_rank: float | None
    employment_decile: int | None
    education_rank: float | None
    education_decile: int | None
    health_rank: float | None
    health_decile: int | None
    crime_rank: float | None
    crime_decile: int | None
    barriers_to_housing_and_services_rank: float | None
    barriers_to_housing_and_services_decile: int | None
    access_to_services_rank: float | None
    access_to_services_decile: int | None
    housing_rank: float | None
    housing_decile: int | None
    living_environment_rank: float | None
    living_environment_decile: int | None
    idaci_rank: float | None
    idaci_decile: int | None
    idaopi_rank: float | None
    idaopi_decile: int | None
    domain_decile_basis: str | None
    uk_composite_rank: int | None
    uk_composite_decile: int | None
    lsoa_2011: str | None
    lsoa_2021: str | None
    latitude: float | None
    longitude: float | None
    local_authority_2019_code: str | None
    quartile: int | None
    vigintile: int | None


_ALL = PostcodeFigures._fields
FIELDS = _ALL[: _ALL.index("quartile")]
"""What a request or a table may have of an answer; quartile and vigintile are only given as a quantile."""

QUANTILE_FIELDS = Quantile._fields

Figures = TypeVar("Figures", bound=NamedTuple)
"""A named tuple of columns of the view `postcode_figures`, by their names."""


def one(lookup: Lookup, text: str | None, choice: str = "") -> PostcodeFigures:
    """Return the answer for one postcode; for any text there is one.

    text: the postcode as it was given. choice: of an index, as `Indices.choice` gives it.
    """
    index_ids = lookup.indices.ids[choice]
    answer = with_figures(lookup, text, index_ids, PostcodeFigures)
    if answer is None and choice in NEWEST:
        answer = with_figures(lookup, text, index_ids, PostcodeFigures, older=True)
    return explained(lookup, text, choice) if answer is None else answer


def with_figures(
    lookup: Lookup, text: str | None, index_ids: IndexIds, kind: type[Figures], older: bool = False
) -> Figures | None:
    """Return the answer for a postcode that has figures of the index of its nation, otherwise None.

    index_ids: an index for each of NATIONS. kind: its fields are the columns to read. older: the newest index before
    the one of its nation, where that has no figures.
    """
    if not lookup.complete or not (key := postcode.key(text)):
        return None
    row = lookup.connection.execute(one_sql(kind._fields, older), (key, *index_ids)).fetchone()
    return None if row is None else kind._make(row)


def explained(lookup: Lookup, text: str | None, choice: str) -> PostcodeFigures:
    """Return the answer for any text, also for one that has no figures; its message says why."""
    editions = lookup.rows(_EDITIONS, (normal := postcode.normalise(text),))
    named = [
        edition
        for edition in editions
        if choice in (*NEWEST, edition["index_id"], str(lookup.indices[edition["index_id"]].year))
    ]
    chosen = min(named, key=lambda edition: edition["rank"] is None, default=None)  # of several the newest
    index_id, area = (chosen["index_id"], chosen["area_code"]) if chosen else (None, None)
    row = lookup.connection.execute(_PLACE, {"postcode": normal, "index_id": index_id, "area": area}).fetchone()
    if row is None:
        return _unknown(lookup, text, normal)
    answer = PostcodeFigures._make(row)
    reason = None
    if answer.status == "not_covered":
        pass
    elif chosen is None:
        reason = lookup.indices.not_of(str(answer.nation), choice)
    elif chosen["rank"] is None:
        reason = chosen["without"]
    elif chosen is not editions[0] and choice in NEWEST:
        reason = f"{editions[0]['without']} {explain('older_index', index_id)}"
    return answer._replace(message=messages.sentences(answer.message, reason))


def look_alikes(lookup: Lookup, text: str | None) -> list[str]:
    """Return the postcodes here that one swap of look-alike letters and digits makes of `text`, which is none."""
    if is_known(lookup, postcode.normalise(text)):
        return []
    rows = lookup.connection.execute(_LOOK_ALIKES, (json.dumps(postcode.look_alikes(text)),))
    return [code for (code,) in rows]


def sector(lookup: Lookup, normal: str) -> list[str]:
    """Return at most twelve live postcodes of the sector of a postcode ("SW1A 1AA": those of SW1A 1)."""
    rows = lookup.connection.execute(_SECTOR, {"sector": normal[:-2]})
    return [code for (code,) in rows]


def months(lookup: Lookup) -> dict[str, int]:
    """Return the month (yyyymm) up to which the postcodes of each postcode area have small areas."""
    rows = lookup.rows("select postcode_area, small_areas_of from postcode_areas")
    return {row["postcode_area"]: row["small_areas_of"] for row in rows}


def _unknown(lookup: Lookup, text: str | None, normal: str | None) -> PostcodeFigures:
    alike = ", ".join(look_alikes(lookup, text))
    message = messages.unknown_postcode(text, lookup.directory, lookup.authorities, alike)
    values = {"status": "unknown" if normal else "invalid", "message": message, "postcode": normal}
    return PostcodeFigures._make(values.get(name) for name in _ALL)


def is_known(lookup: Lookup, normal: str | None) -> bool:
    """Return whether a postcode, as `normalise` gives it, is in the database."""
    sql = "select 1 from postcodes where postcode = ?"
    return normal is not None and lookup.connection.execute(sql, (normal,)).fetchone() is not None


# SQL

_LOOK_ALIKES = """
    select postcode from json_each(?) as form cross join postcodes on postcodes.postcode = form.value order by postcode
"""
_SECTOR = """
    select postcode from postcodes
    where postcode >= :sector and postcode < :sector || '~' and terminated is null order by postcode limit 12
"""
_EDITIONS = """
    select index_id, area_code, rank, without from postcode_indices where postcode = ? order by year desc, index_id
"""
INDEX_ID = "case figures.nation " + "".join(f"when '{nation}' then ? " for nation in NATIONS) + "end"
OLDER_ONES = f"""
    cross join postcode_indices as newest
      on newest.postcode = figures.postcode and newest.index_id = {INDEX_ID} and newest.rank is null
"""
"""Leads to the editions that answer where the newest has no figures, each with why it has none."""


def listed(columns: Iterable[str], older: bool = False) -> str:
    """Return columns of `postcode_figures` for a SELECT. older: of OLDER_ONES, whose message says why they answer."""
    message = f"""
        trim(coalesce(figures.message, '') || ' ' || newest.without || ' '
        || {messages.as_sql("older_index", "figures.index_id")})
    """
    return ", ".join(message if older and name == "message" else f'figures."{name}"' for name in columns)


@cache
def one_sql(columns: tuple[str, ...], older: bool = False) -> str:
    """Return the SQL of one postcode's `columns`; only the joins that they need are made."""
    names = listed(columns, older)
    if not older:
        return f"select {names} from postcode_figures as figures where figures.postcode = ? and index_id = {INDEX_ID}"
    return f"""
        select {names} from (select ? as postcode) as request
        cross join postcode_figures as figures on figures.postcode = request.postcode {OLDER_ONES}
        order by figures.year desc, figures.index_id limit 1
    """


def _place_sql() -> str:
    """Return the SQL of the answer for a postcode of the directory, with the figures of one index or none."""
    of_place = ("status", "message", "postcode", "terminated", "nation", "local_authority_code", "local_authority_name")
    columns = {
        **{name: f"place.{name}" for name in (*of_place, "lsoa_2021", "local_authority_2019_code")},
        **{
            name: f"case when indices.geography = 'lsoa_2021' then {newer} else place.{name} end"
            for name, newer in (
                ("area_code", ":area"),
                ("area_name", "place.lsoa_2021_name"),
                ("area_publisher_name", "place.lsoa_2021_publisher_name"),
            )
        },
        "index_id": "indices.id",
        "year": "indices.year",
        "of": "indices.areas",
        "uk_composite_rank": "composite.uk_imd_e_rank",
        "uk_composite_decile": "composite.uk_imd_e_pop_decile",
        "lsoa_2011": "place.area_code",
        "latitude": "postcodes.latitude",
        "longitude": "postcodes.longitude",
    }
    names = ", ".join(columns.get(name, f'figures."{name}"') for name in _ALL)
    return f"""
        select {names}
        from postcode_places as place
        cross join postcodes on postcodes.postcode = place.postcode
        left join indices on indices.id = :index_id
        left join deprivation as figures on figures.index_id = :index_id and figures.area_code = :area
        left join imd_uk_composite as composite on composite.area_code = place.area_code
        where place.postcode = :postcode
    """


_PLACE = _place_sql()
