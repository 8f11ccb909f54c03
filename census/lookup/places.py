"""Read the small areas of a local authority or a health geography: how they spread over an index; and positions."""

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from census.domain import geographies
from census.lookup.database import Lookup
from census.lookup.indices import Index

DECILES = range(1, 11)
OVERALL = "imd"


class Place(Protocol):
    """A local authority or a health geography. kind: a key of AREAS."""

    @property
    def code(self) -> str:
        """The code."""

    @property
    def name(self) -> str | None:
        """The name."""

    @property
    def kind(self) -> str:
        """The key of AREAS."""


class ListedArea(NamedTuple):
    """An area of a list: its figures in one index, and its centroid in degrees."""

    code: str
    name: str | None
    index_id: str
    rank: float
    of: int
    decile: int
    decile_basis: str
    quintile: int
    quintile_basis: str
    idaci_rank: float | None
    idaci_decile: int | None
    latitude: float | None
    longitude: float | None


@dataclass(frozen=True)
class Ranked:
    """An area at one end of a spread."""

    code: str
    name: str | None
    rank: float
    decile: int


@dataclass(frozen=True)
class Spread:
    """How the areas of a place spread over the deciles of one index.

    basis: whether the deciles are published or computed. counts: OVERALL and each domain that has them to the number of
    areas in each decile. most, least: the five most and least deprived.
    """

    areas: int
    basis: str
    counts: dict[str, list[int]]
    most: list[Ranked]
    least: list[Ranked]


@dataclass(frozen=True)
class Position:
    """A place on the map: degrees, and the code of the area to outline, if any.

    eras: of a small area, the years of the lists that have it.
    """

    latitude: float
    longitude: float
    nation: str | None = None
    eras: tuple[int, ...] = ()


_AREA = "{era}.code, coalesce({era}.name, {era}.publisher_name) as name, {era}.name as own_name, {era}.latitude,"
_IN_2011 = _AREA.format(era="small_areas") + " small_areas.longitude"
_IN_2021 = _AREA.format(era="lsoas_2021") + " lsoas_2021.longitude"
_OF_2011 = f"select {_IN_2011} from small_areas where {{}} = :code"
_OF_2021 = f"select {_IN_2021} from lsoas_2021 where {{}} = :code"
_LISTED = f"select {_IN_2011} from {{}} as listed join small_areas on small_areas.code = listed.code where {{}} = :code"
AREAS = {
    "local authority": {
        "lsoa_2011": _OF_2011.format("local_authority"),
        "lsoa_2021": _OF_2021.format("local_authority"),
    },
    "gone local authority": {
        "lsoa_2011": _OF_2011.format("local_authority_2019"),
        "lsoa_2021": _OF_2021.format("local_authority_2024"),
    },
    "integrated care board": {
        "lsoa_2011": _LISTED.format("lsoas_2011", "listed.icb_2022"),
        "lsoa_2021": _OF_2021.format("icb_2024"),
    },
    "sub-ICB location": {
        "lsoa_2011": _LISTED.format("lsoas_2011", "listed.sub_icb_2022"),
        "lsoa_2021": _OF_2021.format("sub_icb_2024"),
    },
    "health board": {"lsoa_2011": _LISTED.format("data_zones_2011", "listed.health_board")},
}
"""The SQL of the areas of a place, by its kind and their geography, as the canned queries count them."""

RANKED = "cross join deprivation on deprivation.area_code = area.code and deprivation.index_id = :index"
LISTED = ", ".join(
    f"{'area' if name in ('code', 'name', 'latitude', 'longitude') else 'deprivation'}.{name}"
    for name in ListedArea._fields
)
_COUNTED = {"": OVERALL, **{name: name for name in (*geographies.SUPPLEMENTARY, *geographies.DOMAINS)}}
_SPREAD = f"""
    select count(*) as areas, min(decile_basis) as basis, {
    ", ".join(
        f"sum({name}{'_' if name else ''}decile = {n}) as {label}_{n}"
        for name, label in _COUNTED.items()
        for n in DECILES
    )
}
    from ({{areas}}) as area {RANKED}
"""
ENDS = f"""
    select area.code, area.{{name}}, deprivation.rank, deprivation.decile from ({{areas}}) as area {RANKED}
    order by deprivation.rank {{way}}, area.code limit 5
"""
_POSITIONS = {
    "area": """
        select latitude, longitude, nation, 2011 from small_areas where code = :code
        union all select latitude, longitude, nation, 2021 from lsoas_2021 where code = :code
    """,
    "local authority": "select latitude, longitude, null, null from local_authorities where code = :code",
    "health geography": """
        select avg(latitude), avg(longitude), null, null from (
            select latitude, longitude from lsoas_2021 where :code in (icb_2024, sub_icb_2024)
            union all
            select small_areas.latitude, small_areas.longitude from lsoas_2011 join small_areas using (code)
            where :code in (icb_2022, sub_icb_2022)
            union all
            select small_areas.latitude, small_areas.longitude from data_zones_2011 join small_areas using (code)
            where health_board = :code
        )
    """,
}


def spread(lookup: Lookup, place: Place, index: Index) -> Spread:
    """Return how the areas of a place spread over the deciles of an index that has them."""
    areas, parameters = AREAS[place.kind][index.geography], {"code": place.code, "index": index.id}
    [row] = lookup.rows(_SPREAD.format(areas=areas), parameters)
    counts = {name: [row[f"{name}_{n}"] for n in DECILES] for name in _COUNTED.values()}
    most, least = (
        lookup.read(Ranked, ENDS.format(areas=areas, name="name", way=way), parameters) for way in ("", "desc")
    )
    return Spread(
        areas=row["areas"],
        basis=row["basis"],
        counts={name: of for name, of in counts.items() if None not in of and sum(of) == row["areas"]},
        most=most,
        least=least,
    )


def areas_of(lookup: Lookup, place: Place, index: Index) -> list[ListedArea]:
    """Return the areas of a place with their figures in an index, most deprived first."""
    areas = AREAS[place.kind][index.geography]
    sql = f"select {LISTED} from ({areas}) as area {RANKED} order by deprivation.rank, area.code"
    return lookup.read(ListedArea, sql, {"code": place.code, "index": index.id})


def position(lookup: Lookup, kind: str, code: str) -> Position | None:
    """Return where a place is; None where that is not known. kind: a key of _POSITIONS."""
    rows = lookup.connection.execute(_POSITIONS[kind], {"code": code}).fetchall()
    if not rows or rows[0][0] is None:
        return None
    latitude, longitude, nation, _ = rows[0]
    return Position(latitude, longitude, nation, tuple(dict.fromkeys(row[3] for row in rows if row[3])))
