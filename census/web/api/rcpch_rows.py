"""Define the rows and fields of the RCPCH Census Platform's routes, in both of its versions.

A `Resource` says where the rows of a route are, and for each field the SQL of its value. Lists, details, filters and
their OpenAPI descriptions are all made from it. Where the platform is wrong (bands at boundaries, percentages, types),
the right answer stands under its name.

Names are the platform's even where they are wrong: `older_population_over_16_mid_2015` counts people of 60 and over,
`working_age_population_over_18_mid_2015` those of working age, 18 to 59 or 64.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import cached_property
from typing import TypedDict
from urllib.parse import urlencode

from census.domain.bands import BANDS, band_sql, quantile_sql
from census.domain.geographies import PARENTS
from census.domain.types import Record
from census.lookup.database import Lookup
from census.schema.indices import Index, indices, publication_of, table_of
from census.web.responses import answered

PAGE = 10

_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,4})?\s*", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,9}\s*", re.ASCII)


def whole_number(text: str) -> int | None:
    """Parse a whole number of at most nine digits, or return None."""
    return int(text) if _WHOLE.fullmatch(text) else None


class Refused(Exception):
    """Refuse a request: an answer that is an error, with its status and content."""

    def __init__(self, status: int, content: Mapping[str, object]) -> None:
        super().__init__(status)
        self.answer = answered(content, status)


@dataclass(frozen=True)
class Field:
    """A field of an answer.

    sql: its value. kind: integer, number (JSON), decimal (a string, as the platform gives scores), text, or the route
    that a relation leads to. places: the least decimal places of a decimal. always: it is never null. year: of the
    areas that a relation leads to, where that is not the route's own.
    """

    sql: str
    kind: str = "integer"
    places: int = 1
    always: bool = False
    year: int | None = None

    @property
    def is_relation(self) -> bool:
        """Whether it leads to another route."""
        return self.kind not in _SCHEMAS

    @property
    def is_number(self) -> bool:
        """Whether its value is a number."""
        return self.kind in ("integer", "number", "decimal")

    def json(self, value: object, link: "Link") -> object:
        """Return `value`, as the database has it, as an answer gives it. link: makes the address of a relation."""
        if value is None:
            return None
        if self.kind == "decimal":
            units, _, places = format(Decimal(repr(value)), "f").partition(".")
            return f"{units}.{places.ljust(self.places, '0')}"
        return link(self, str(value)) if self.is_relation else value

    def schema(self) -> Record:
        """Return its JSON Schema."""
        schema: Record = {"type": "string", "format": "uri-reference"} if self.is_relation else _SCHEMAS[self.kind]
        return schema if self.always else schema | {"type": [schema["type"], "null"]}


Link = Callable[[Field, str], str]
"""Make the address to which a relation with a code leads."""

_SCHEMAS: dict[str, Record] = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "decimal": {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]+$"},
    "text": {"type": "string"},
}


class Page(TypedDict):
    """A page of a list, as the platform has it."""

    count: int
    next: str | None
    previous: str | None
    results: list[Record]


@dataclass(frozen=True)
class Resource:
    """The rows that a route answers.

    Relations and the fields of `exact` filter by their value, `parts` by a part of a text in any case.

    table: where the rows are. key: the column that is their id. example: an id. parts: a filter to the SQL of its text.
    joins: the tables that only `parts` read, as SQL. also: filters by the exact value of what is no field.
    order: of a list, as SQL; by the key where it is empty. needs: filters of which a list must be given one.
    years: the years of which there may be a list; any where it is empty. whole_years: one that is no number has a
    sentence of its own.
    """

    title: str
    table: str
    key: str
    example: str
    fields: dict[str, Field]
    exact: tuple[str, ...] = ()
    parts: dict[str, str] = field(default_factory=dict)
    joins: str = ""
    also: dict[str, Field] = field(default_factory=dict)
    order: str = ""
    needs: tuple[str, ...] = ()
    years: tuple[int, ...] = ()
    whole_years: bool = False

    @cached_property
    def filters(self) -> dict[str, Field]:
        """The filters by an exact value."""
        return {name: f for name, f in self.fields.items() if f.is_relation or name in self.exact} | self.also

    @cached_property
    def columns(self) -> str:
        """The fields, as SQL."""
        return ", ".join(f"{f.sql} as {name}" for name, f in self.fields.items())

    def detail(self, lookup: Lookup, code: str, link: Link) -> Record | None:
        """Return the one row with the id `code`, or None."""
        rows = self._read(lookup, link, f"where {self.key} = ?", [code])
        return rows[0] if rows else None

    def page(self, lookup: Lookup, params: dict[str, str], link: Link, address: str, kept: dict[str, str]) -> Page:
        """Return a page of the list. Raises Refused.

        params: those of the request; any that is no filter is let be. address: of the list. kept: parameters that the
        addresses of other pages repeat besides filters.
        """
        # A blank filter filters nothing, as the platform has it; a blank year would be an edition that nobody named.
        given = {
            name: params[name]
            for name in (*self.filters, *self.parts)
            if params.get(name) or (name == "year" and name in params)
        }
        if self.needs and not any(given.get(name) for name in self.needs):
            names = " or ".join(f"`{name}`" for name in self.needs)
            raise Refused(400, {"detail": f"One of {names} query parameters must be provided."})
        self.check_year(params)
        where, values = self._where(given)
        rows = f"{self.joins if given.keys() & self.parts.keys() else ''} {where}"
        [counted] = lookup.rows(f"select count(*) as count from {self.table} {rows}", values)
        count = counted["count"]
        last = max(1, -(-count // PAGE))
        page = params.get("page") or "1"
        number = last if page == "last" else whole_number(page) or 0
        if not 1 <= number <= last:
            raise Refused(404, {"detail": "Invalid page."})

        def at(other: int) -> str | None:
            if not 1 <= other <= last:
                return None
            query = urlencode(sorted((given | kept | ({"page": str(other)} if other > 1 else {})).items()))
            return f"{address}/{'?' if query else ''}{query}"

        order = f"{self.order or self.key} limit {PAGE} offset {PAGE * (number - 1)}"
        results = self._read(lookup, link, f"{rows} order by {order}", values)
        return {"count": count, "next": at(number + 1), "previous": at(number - 1), "results": results}

    def check_year(self, params: dict[str, str]) -> None:
        """Check a `year` that chooses no edition. Raises Refused, in the platform's words."""
        if not self.years or "year" not in params:
            return
        if self.whole_years and whole_number(params["year"]) is None:
            raise Refused(400, {"detail": "Year must be an integer."})
        check_year(params["year"], self.years)

    def _where(self, given: dict[str, str]) -> tuple[str, list[str | float]]:
        conditions: list[str] = []
        values: list[str | float] = []
        wrong: dict[str, list[str]] = {}
        for name, value in given.items():
            by = self.filters.get(name)
            if by is None:
                conditions.append(f"instr(lower({self.parts[name]}), ?) > 0")
                values.append(value.lower())
            elif by.is_number and not _NUMBER.fullmatch(value):
                wrong[name] = ["Enter a number."]
            else:
                conditions.append(f"{by.sql} = ?")
                values.append(float(value) if by.is_number else value)
        if wrong:
            raise Refused(400, wrong)
        return f"where {' and '.join(conditions)}" if conditions else "", values

    def _read(self, lookup: Lookup, link: Link, rest: str, values: Sequence[object]) -> list[Record]:
        rows = lookup.rows(f"select {self.columns} from {self.table} {rest}", values)
        return [{name: f.json(row[name], link) for name, f in self.fields.items()} for row in rows]


def check_year(text: str, years: tuple[int, ...]) -> int:
    """Return the year in `text`. Raises Refused, in the platform's words, for one that is not among `years`."""
    year = whole_number(text)
    if year not in years:
        raise Refused(400, {"detail": f"Year must be one of: {', '.join(map(str, years))}."})
    return year


# Areas and green space

_AUTHORITY = "local_authority_districts"
_LSOA = "england_wales_lower_layer_super_output_areas"
_DATA_ZONE = "scotland_data_zones"
_SOA = "northern_ireland_small_output_areas"

_PEOPLE = {
    "total_population_mid_2015": "total_population_mid_2015",
    "dependent_children_mid_2015": "dependent_children_mid_2015",
    "population_16_59_mid_2015": "population_16_59_mid_2015",
    "older_population_over_16_mid_2015": "older_population_60_and_over_mid_2015",
    "working_age_population_over_18_mid_2015": "working_age_population_mid_2015",
}
_GREEN = {
    "houses_address_count": "houses_address_count",
    "houses_addresses_with_private_outdoor_space_count": "houses_addresses_with_private_outdoor_space_count",
    "houses_outdoor_space_total_area": "houses_private_outdoor_space_total_area_m2",
    "houses_percentage_of_addresses_with_private_outdoor_space": "houses_addresses_with_private_outdoor_space_share",
    "houses_average_size_private_outdoor_space": "houses_average_private_outdoor_space_m2",
    "houses_median_size_private_outdoor_space": "houses_median_private_outdoor_space_m2",
    "flats_address_count": "flats_address_count",
    "flats_addresses_with_private_outdoor_space_count": "flats_addresses_with_private_outdoor_space_count",
    "flats_outdoor_space_total_area": "flats_private_outdoor_space_total_area_m2",
    "flats_outdoor_space_count": "flats_private_outdoor_space_count",
    "flats_percentage_of_addresses_with_private_outdoor_space": "flats_addresses_with_private_outdoor_space_share",
    "flats_average_size_private_outdoor_space": "flats_average_private_outdoor_space_m2",
    "flats_average_number_of_flats_sharing_a_garden": "flats_average_flats_sharing_a_garden",
    "total_addresses_count": "total_address_count",
    "total_addresses_with_private_outdoor_space_count": "total_addresses_with_private_outdoor_space_count",
    "total_percentage_addresses_with_private_outdoor_space": "total_addresses_with_private_outdoor_space_share",
    "total_average_size_private_outdoor_space": "total_average_private_outdoor_space_m2",
}


def _text(sql: str, always: bool = False) -> Field:
    return Field(sql, "text", always=always)


def _green(column: str, kind: str) -> Field:
    """Make a field: counts and total areas are whole, shares become percentages and are of `kind`, as averages are."""
    if column.endswith("_count"):
        return Field(column)
    if column.endswith("_total_area_m2"):
        return Field(f"cast(round({column}) as integer)")
    return Field(f"round(100 * {column}, 6)" if column.endswith("_share") else column, kind)


def _green_space(kind: str, order: str) -> Resource:
    return Resource(
        "Private outdoor space by local authority of 2019 (Great Britain)",
        "green_space",
        "local_authority",
        "E06000002",
        {
            **{name: _green(column, kind) for name, column in _GREEN.items()},
            "local_authority": Field("local_authority", _AUTHORITY, always=True, year=2019),
        },
        parts={"local_authority_name": "local_authorities.name"},
        joins="left join local_authorities on local_authorities.code = green_space.local_authority",
        also={name: _text("green_space.local_authority") for name in ("local_authority_code", "id")},
        order=order,
        years=(2020,),
    )


def _lsoas(year: int, example: str, authority: int, people: dict[str, str]) -> Resource:
    return Resource(
        f"LSOAs ({year}) of England and Wales",
        f"lsoas_{year}",
        "code",
        example,
        {
            "lsoa_code": _text("code", always=True),
            "lsoa_name": _text("coalesce(name, publisher_name)"),
            "year": Field(str(year), always=True),
            **{name: Field(people.get(name, "null")) for name in _PEOPLE},
            "local_authority_district": Field(f"local_authority_{authority}", _AUTHORITY, year=authority),
        },
        exact=("lsoa_code", "lsoa_name", "year"),
    )


LSOAS = {2011: _lsoas(2011, "E01004736", 2019, _PEOPLE), 2021: _lsoas(2021, "E01035716", 2024, {})}

AREAS = {
    _AUTHORITY: Resource(
        "Local authorities, each once, with the year of the first list that has it",
        "local_authorities",
        "code",
        "E06000002",
        {
            "local_authority_district_code": _text("code", always=True),
            "local_authority_district_name": _text("name"),
            "year": Field("cast(substr(vintages, 1, 4) as integer)"),
        },
        exact=("local_authority_district_code", "local_authority_district_name", "year"),
    ),
    _LSOA: LSOAS[2011],
    _SOA: Resource(
        "Super output areas of Northern Ireland",
        "soas_2001",
        "code",
        "95GG01S1",
        {
            "year": Field("2001", always=True),
            "soa_code": _text("code", always=True),
            "soa_name": _text("name"),
        },
        exact=("year", "soa_code", "soa_name"),
        years=(2001,),
    ),
    _DATA_ZONE: Resource(
        "Data zones of Scotland",
        "data_zones_2011 as zones",
        "zones.code",
        "S01011471",
        {
            "data_zone_code": _text("zones.code", always=True),
            "data_zone_name": _text("zones.name"),
            "year": Field("2011", always=True),
            "local_authority": Field("zones.local_authority_2019", _AUTHORITY, year=2011),
        },
        exact=("data_zone_code", "data_zone_name", "year"),
        years=(2011,),
        parts={"local_authority_code": "local_authorities.code", "local_authority_name": "local_authorities.name"},
        joins="left join local_authorities on local_authorities.code = zones.local_authority_2019",
    ),
    "green_space": _green_space("decimal", ""),
}
"""The areas as version 1 lists them, by route."""

_VINTAGES = """
    (
      select code, name, 2011 as year from local_authorities
      where nation = 'Scotland' and ', ' || vintages || ',' like '%, 2019,%'
      union all
      select code, name, vintage.column1 from local_authorities
      join (values (2019), (2024)) as vintage on ', ' || vintages || ',' like '%, ' || vintage.column1 || ',%'
      where nation in ('England', 'Wales')
    ) as districts
"""
# NISRA's own names, "Shaftesbury_1": a test compares all 890 with its workbook.
_NISRA_NAME = """
    case
      when substr(name, -2) glob ' [0-9]' then substr(name, 1, length(name) - 2) || '_' || substr(name, -1)
      else name
    end
"""

AREAS_V2 = {
    # The platform lists Scotland's authorities under 2011, with the codes of 2019, and none of Northern Ireland.
    _AUTHORITY: Resource(
        "Local authorities of Scotland (2011), England and Wales (2019 and 2024)",
        _VINTAGES,
        "code",
        "E06000002",
        {
            "local_authority_district_code": _text("code", always=True),
            "local_authority_district_name": _text("name"),
            "year": Field("year", always=True),
        },
        exact=("local_authority_district_code", "local_authority_district_name", "year"),
        order="code desc, year desc",
        years=(2011, 2019, 2024),
        whole_years=True,
    ),
    _SOA: replace(
        AREAS[_SOA],
        fields=AREAS[_SOA].fields | {"soa_name": _text(_NISRA_NAME)},
        needs=("soa_code", "soa_name"),
    ),
    _DATA_ZONE: replace(AREAS[_DATA_ZONE], needs=("data_zone_code", "data_zone_name")),
    "green_space": _green_space("number", "total_address_count desc, local_authority"),
}
"""The areas that version 2 lists, by route."""

_KINDS = {int: "integer", float: "number", str: "text"}

_GREEN_SPACE_BY_LSOA = "natural_green_space_inequalities"

POPULATION_DENSITY = Resource(
    publication_of(_GREEN_SPACE_BY_LSOA).title,
    _GREEN_SPACE_BY_LSOA,
    "area_code",
    "E01004736",
    {
        **{
            name: Field(name, _KINDS[type_])
            for name, type_ in table_of(_GREEN_SPACE_BY_LSOA).columns.items()
            if name != "area_code"
        },
        "year": Field("2024", always=True),  # the platform's; the file names none
        "lsoa": Field("area_code", _LSOA, always=True, year=2011),
    },
)
"""Natural England's green space by LSOA (2011), which the platform calls uk_population_density."""


# The indices


@dataclass(frozen=True)
class Nation:
    """What the platform's names for a nation's index are.

    route: the beginning of its list's. type: the adjective. area, areas: the relation, and the route it leads to.
    example: an area. years: those that `year` may name for it. figures: parts of the index to the figures of each.
    more: further fields of an index, as SQL. rank: the kind of a domain's. places: of a score.
    """

    name: str
    route: str
    type: str
    area: str
    areas: str
    example: str
    years: tuple[int, ...]
    figures: dict[str, str]
    more: Callable[[Index], dict[str, str]]
    rank: str = "integer"
    places: int = 1

    def names(self) -> Iterator[tuple[str, str]]:
        """Yield the part and the figure of each field."""
        for parts, figures in self.figures.items():
            yield from ((part, figure) for part in parts.split() for figure in figures.split())


NATIONS = (
    Nation(
        *("England", "english", "English", "lsoa", _LSOA, "E01004736", (2019, 2025)),
        figures={
            "imd": "score rank decile",
            "income employment education_skills_training health_deprivation_disability crime"
            " barriers_to_housing_services living_environment": "score score_exponentially_transformed rank decile",
            "children_young_people_sub_domain adult_skills_sub_domain geographical_barriers_sub_domain"
            " wider_barriers_sub_domain indoors_sub_domain outdoors_sub_domain idaci idaopi": "score rank decile",
        },
        more=lambda _: {},
        places=3,
    ),
    Nation(
        *("Wales", "welsh", "Welsh", "lsoa", _LSOA, "W01001939", (2019,)),
        figures={
            "imd income employment health education access_to_services housing community_safety"
            " physical_environment": "rank quartile quintile decile score"
        },
        more=lambda index: {"year": str(index.year)},
    ),
    Nation(
        *("Scotland", "scottish", "Scottish", "data_zone", _DATA_ZONE, "S01011471", (2020,)),
        figures={"imd income employment education health access crime housing": "rank"},
        more=lambda index: {"year": str(index.year), "version": _version(index.title)},
        rank="number",
    ),
    Nation(
        *("Northern Ireland", "northern_ireland", "Northern Irish", "soa", _SOA, "95GG01S1", (2017,)),
        figures={
            "imd income employment health_deprivation_and_disability education_skills_and_training"
            " access_to_services living_environment crime_and_disorder": "rank"
        },
        more=lambda index: {"year": str(index.year)},
    ),
)


def _version(title: str) -> str:
    """Return the version that the title of an index ends with ("… 2020v2"), as SQL."""
    match = re.search(r"[0-9]{4}v([0-9]+)$", title)
    return match[1] if match else "null"


def _figure(index: Index, columns: dict[str, type], part: str, figure: str) -> str:
    """Return the SQL of a figure: the published one, otherwise a band by the index's rule, or null.

    A publisher may cut a domain's bands from figures with more digits than it publishes, and breaks ties as it sees
    fit; the rule on the published rank is the nearest that can be had.
    """
    published = f'figures."{part}_{figure}"' if f"{part}_{figure}" in columns else "null"
    if figure not in BANDS:
        return published
    rank, q = f'figures."{part}_rank"', BANDS[figure]
    computed = quantile_sql(index, rank, q) if part == "imd" else band_sql(rank, index.areas, q, index.band_rule)
    return f"coalesce({published}, {computed})"


def _of_an_index(nation: Nation, index: Index) -> Resource:
    columns = table_of(index.table).columns
    fields = {name: Field(sql) for name, sql in nation.more(index).items()}
    for part, figure in nation.names():
        kind = "decimal" if "score" in figure else nation.rank if figure == "rank" and part != "imd" else "integer"
        sql, always = _figure(index, columns, part, figure), (part, figure) == ("imd", "rank")
        fields[f"{part}_{figure}"] = Field(sql, kind, nation.places, always)
    parent = PARENTS[index.geography]
    vintage = 2019 if parent == "small_areas" else 2024
    code, name = "areas.code", "coalesce(areas.name, areas.publisher_name)"
    return Resource(
        index.title,
        f"{index.table} as figures",
        "figures.area_code",
        nation.example,
        {
            **fields,
            nation.area: Field("figures.area_code", nation.areas, always=True, year=int(index.geography[-4:])),
            "type": _text(f"'{nation.type}'", always=True),
        },
        exact=(*fields, "type"),
        parts={
            f"{nation.area}_code": code,
            f"{nation.area}_name": name,
            "local_authority_code": "local_authorities.code",
            "local_authority_name": "local_authorities.name",
            **({"soa_zone_code": code, "soa_zone_name": name} if nation.area == "soa" else {}),  # in its code of 2023
        },
        joins=f"left join {parent} as areas on areas.code = figures.area_code"
        f" left join local_authorities on local_authorities.code = areas.local_authority_{vintage}",
    )


_PUBLISHED = indices()
BY_INDEX = {
    index.id: _of_an_index(nation, index)
    for nation in NATIONS
    for index in _PUBLISHED.values()
    if index.nation == nation.name
}
INDEX_OF = {(index.nation, index.year): index.id for index in _PUBLISHED.values()}
OLDEST = {
    nation.name: next(index.id for index in _PUBLISHED.values() if index.nation == nation.name) for nation in NATIONS
}
"""The index that the platform answers with where no year is named, by nation."""
