"""The routes of the RCPCH Census Platform, for software that was written for it: its addresses, names and errors.

What a route answers is a `Resource`: where its rows are, and for each field of theirs the SQL of its value. The lists,
the details, the filters and what OpenAPI says of them are all made from it, as is what is said of a postcode.
Where the platform was mistaken (bands at boundaries, percentages, types), the right answer stands under its name.

Names are theirs even where they say something else: `older_population_over_16_mid_2015` are the people of 60 and over,
`working_age_population_over_18_mid_2015` those of working age, 18 to 59 or 64. It knows one edition of each nation's
index, the oldest here; `index` asks for another.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from urllib.parse import urlencode

import sources
from api.lookup import AskedError, Lookup
from api.web import Answer, Malformed, answered, pairs
from sources import postcode
from sources.deprivation import BANDS, band_sql, quantile_sql
from sources.publication import Index, Publication

PAGE = 10
SPELLINGS = {"scotland_datazones": "scotland_data_zones", "greenspace": "green_space"}
_NAMES = "median tertile quartile quintile sextile septile octile decile duodecile hexadecile vigintile"
QUANTILES = dict(zip((2, 3, 4, 5, 6, 7, 8, 10, 12, 18, 20), _NAMES.split(), strict=True))
"""Those that the platform knows, with its names for them: hexadecile, wrong as it is, is of 18."""

_NUMBER = re.compile(r"\s*[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]{1,4})?\s*", re.ASCII | re.IGNORECASE)
_WHOLE = re.compile(r"\s*[+-]?[0-9]{1,9}\s*", re.ASCII)
_CODE = re.compile("[A-Za-z0-9]{1,12}")


class Refused(Exception):
    """An answer that is an error, with its content."""

    def __init__(self, status: int, content: dict):
        super().__init__(status)
        self.answer = answered(content, status)


@dataclass(frozen=True)
class Field:
    """A field of an answer.

    sql: its value. kind: integer, number (a rank that may be a half), decimal (a string, as there), text, or the route
    whose detail a relation leads to. places: how many a decimal has at least. always: it is never null.
    """

    sql: str
    kind: str = "integer"
    places: int = 1
    always: bool = False

    @property
    def is_relation(self) -> bool:
        return self.kind not in _SCHEMAS

    @property
    def is_number(self) -> bool:
        return self.kind in ("integer", "number", "decimal")

    def shown(self, value, address: str):
        """`value`, as the database has it, as an answer gives it."""
        if value is None:
            return None
        if self.kind == "decimal":
            whole, _, places = format(Decimal(repr(value)), "f").partition(".")
            return f"{whole}.{places.ljust(self.places, '0')}"
        return f"{address}/{self.kind}/{value}/" if self.is_relation else value

    def schema(self) -> dict:
        """What OpenAPI says of it."""
        told = {"type": "string", "format": "uri-reference"} if self.is_relation else _SCHEMAS[self.kind]
        return told if self.always else told | {"type": [told["type"], "null"]}


_SCHEMAS = {
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "decimal": {"type": "string", "pattern": r"^-?[0-9]+\.[0-9]+$"},
    "text": {"type": "string"},
}


@dataclass(frozen=True)
class Resource:
    """What a route answers. Relations and the fields of `exact` filter by their value, `parts` by part of a text.

    table: where its rows are. key: the column that is its id. example: an id. parts: a filter to the SQL of the text.
    joins: the tables that only `parts` read, as SQL.
    """

    title: str
    table: str
    key: str
    example: str
    fields: dict[str, Field]
    exact: tuple[str, ...] = ()
    parts: dict[str, str] = field(default_factory=dict)
    joins: str = ""

    @cached_property
    def filters(self) -> dict[str, Field]:
        """The fields that filter by their exact value."""
        return {name: told for name, told in self.fields.items() if told.is_relation or name in self.exact}

    @cached_property
    def columns(self) -> str:
        """The fields, as SQL."""
        return ", ".join(f"{told.sql} as {name}" for name, told in self.fields.items())

    def detail(self, lookup: Lookup, code: str, address: str) -> dict | None:
        """The one with the id `code`, None where there is none."""
        found = self._read(lookup, address, f"where {self.key} = ?", [code])
        return found[0] if found else None

    def page(self, lookup: Lookup, given: dict[str, str], address: str, route: str) -> dict:
        """A page of the list, as the parameters ask for it. Raises Refused."""
        asked = {name: given[name] for name in (*self.filters, *self.parts) if given.get(name)}
        where, values = self._where(asked)
        rows = f"{self.joins if asked.keys() & self.parts.keys() else ''} {where}"
        [counted] = lookup.rows(f"select count(*) as count from {self.table} {rows}", values)
        count = counted["count"]
        last = max(1, -(-count // PAGE))
        wanted = given.get("page") or "1"
        number = last if wanted == "last" else int(wanted) if _WHOLE.fullmatch(wanted) else 0
        if not 1 <= number <= last:
            raise Refused(404, {"detail": "Invalid page."})

        def at(other: int) -> str | None:
            if not 1 <= other <= last:
                return None
            query = urlencode(sorted((asked | ({"page": str(other)} if other > 1 else {})).items()))
            return f"{address}/{route}/{'?' if query else ''}{query}"

        paged = f"{rows} order by {self.key} limit {PAGE} offset {PAGE * (number - 1)}"
        results = self._read(lookup, address, paged, values)
        return {"count": count, "next": at(number + 1), "previous": at(number - 1), "results": results}

    def _where(self, asked: dict[str, str]) -> tuple[str, list]:
        conditions, values, wrong = [], [], {}
        for name, value in asked.items():
            told = self.filters.get(name)
            if told is None:
                conditions.append(f"instr(lower({self.parts[name]}), ?) > 0")
                values.append(value.lower())
            elif told.is_number and not _NUMBER.fullmatch(value):
                wrong[name] = ["Enter a number."]
            else:
                conditions.append(f"{told.sql} = ?")
                values.append(float(value) if told.is_number else value)
        if wrong:
            raise Refused(400, wrong)
        return f"where {' and '.join(conditions)}" if conditions else "", values

    def _read(self, lookup: Lookup, address: str, rest: str, values: list) -> list[dict]:
        found = lookup.rows(f"select {self.columns} from {self.table} {rest}", values)
        return [{name: told.shown(row[name], address) for name, told in self.fields.items()} for row in found]


# The areas, and green space

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


def _green(column: str) -> Field:
    """Counts and total areas are whole, shares become percentages, averages stay decimals."""
    if column.endswith("_count"):
        return Field(column)
    if column.endswith("_total_area_m2"):
        return Field(f"cast(round({column}) as integer)")
    return Field(f"round(100 * {column}, 6)" if column.endswith("_share") else column, "decimal")


def _lsoas(year: int, example: str, authority: str, people: dict[str, str]) -> Resource:
    return Resource(
        "LSOAs of England and Wales",
        f"lsoas_{year}",
        "code",
        example,
        {
            "lsoa_code": _text("code", always=True),
            "lsoa_name": _text("coalesce(name, publisher_name)"),
            "year": Field(str(year), always=True),
            **{name: Field(people.get(name, "null")) for name in _PEOPLE},
            "local_authority_district": Field(authority, _AUTHORITY),
        },
        exact=("lsoa_code", "lsoa_name", "year"),
    )


LSOAS_2021 = _lsoas(2021, "E01035716", "local_authority_2024", {})
"""What an index of 2025 leads to where 2011 has no such LSOA: not in the list, but at the address of its detail."""

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
    _LSOA: _lsoas(2011, "E01004736", "local_authority_2019", _PEOPLE),
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
            "local_authority": Field("zones.local_authority_2019", _AUTHORITY),
        },
        exact=("data_zone_code", "data_zone_name", "year"),
        parts={"local_authority_code": "local_authorities.code", "local_authority_name": "local_authorities.name"},
        joins="left join local_authorities on local_authorities.code = zones.local_authority_2019",
    ),
    "green_space": Resource(
        "Private outdoor space by local authority of 2019 (Great Britain)",
        "green_space",
        "local_authority",
        "E06000002",
        {
            **{name: _green(column) for name, column in _GREEN.items()},
            "local_authority": Field("local_authority", _AUTHORITY, always=True),
        },
    ),
}


# The indices


@dataclass(frozen=True)
class Nation:
    """How the platform speaks of a nation's index.

    route: what its list begins with. type: the adjective. area, areas: the relation, and the route it leads to.
    example: an area. figures: parts of the index to the figures that each has. more: further fields of an index, as
    SQL. rank: the kind of a domain's. places: of a score.
    """

    name: str
    route: str
    type: str
    area: str
    areas: str
    example: str
    figures: dict[str, str]
    more: Callable[[Index], dict[str, str]]
    rank: str = "integer"
    places: int = 1

    def names(self) -> Iterator[tuple[str, str]]:
        """The part and the figure of each field."""
        for parts, figures in self.figures.items():
            yield from ((part, figure) for part in parts.split() for figure in figures.split())


NATIONS = (
    Nation(
        *("England", "english", "English", "lsoa", _LSOA, "E01004736"),
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
        *("Wales", "welsh", "Welsh", "lsoa", _LSOA, "W01001939"),
        figures={
            "imd income employment health education access_to_services housing community_safety"
            " physical_environment": "rank quartile quintile decile score"
        },
        more=lambda index: {"year": str(index.year)},
    ),
    Nation(
        *("Scotland", "scottish", "Scottish", "data_zone", _DATA_ZONE, "S01011471"),
        figures={"imd income employment education health access crime housing": "rank"},
        more=lambda index: {"year": str(index.year), "version": _version(index.title)},
        rank="number",
    ),
    Nation(
        *("Northern Ireland", "northern_ireland", "Northern Irish", "soa", _SOA, "95GG01S1"),
        figures={
            "imd income employment health_deprivation_and_disability education_skills_and_training"
            " access_to_services living_environment crime_and_disorder": "rank"
        },
        more=lambda index: {"year": str(index.year)},
    ),
)


def _version(title: str) -> str:
    """The version that the title of an index ends with ("… 2020v2"), as SQL."""
    found = re.search(r"[0-9]{4}v([0-9]+)$", title)
    return found[1] if found else "null"


def _figure(index: Index, columns: dict[str, type], part: str, figure: str) -> str:
    """The SQL of a figure: the published one, otherwise a band by the index's rule, or null.

    A publisher may cut a domain's bands from figures with more digits than it publishes, and breaks ties as it sees
    fit; the rule on the published rank is the nearest that can be had.
    """
    published = f'figures."{part}_{figure}"' if f"{part}_{figure}" in columns else "null"
    if figure not in BANDS:
        return published
    rank, q = f'figures."{part}_rank"', BANDS[figure]
    computed = quantile_sql(index, rank, q) if part == "imd" else band_sql(rank, index.areas, q, index.band_rule)
    return f"coalesce({published}, {computed})"


def _of_an_index(nation: Nation, publication: Publication) -> Resource:
    index = publication.index
    [columns] = [table.columns for table in publication.tables if table.name == index.table]
    fields = {name: Field(sql) for name, sql in nation.more(index).items()}
    for part, figure in nation.names():
        kind = "decimal" if "score" in figure else nation.rank if figure == "rank" and part != "imd" else "integer"
        sql, always = _figure(index, columns, part, figure), (part, figure) == ("imd", "rank")
        fields[f"{part}_{figure}"] = Field(sql, kind, nation.places, always)
    return Resource(
        index.title,
        f"{index.table} as figures",
        "figures.area_code",
        nation.example,
        {
            **fields,
            nation.area: Field("figures.area_code", nation.areas, always=True),
            "type": _text(f"'{nation.type}'", always=True),
        },
        exact=(*fields, "type"),
        parts={
            f"{nation.area}_code": "areas.code",
            f"{nation.area}_name": "coalesce(areas.name, areas.publisher_name)",
            "local_authority_code": "local_authorities.code",
            "local_authority_name": "local_authorities.name",
        },
        joins="left join small_areas as areas on areas.code = figures.area_code"
        " left join local_authorities on local_authorities.code = areas.local_authority_2019",
    )


_PUBLISHED = sorted((p for p in sources.publications() if p.index), key=lambda p: p.index.year)
BY_INDEX = {
    p.index.id: _of_an_index(nation, p) for nation in NATIONS for p in _PUBLISHED if p.index.nation == nation.name
}
OLDEST = {nation.name: next(p.index.id for p in _PUBLISHED if p.index.nation == nation.name) for nation in NATIONS}
"""The index that the platform speaks of, by nation."""

LISTS = AREAS | {f"{nation.route}_indices_of_multiple_deprivation": BY_INDEX[OLDEST[nation.name]] for nation in NATIONS}


# One postcode


def country(nation: str) -> str:
    return nation.lower().replace(" ", "_")


_NATION = "select nation from postcodes join small_areas on code = lsoa_2011 where postcode = ?"


def _looked_up(lookup: Lookup, given: dict[str, str], q: int | None = None) -> dict:
    """The figures of the postcode that was asked for, of the oldest index unless another is named. Raises Refused."""
    text = given.get("postcode")
    if not text:
        raise Refused(400, {"detail": "Postcode not supplied."})
    wanted = lookup.wanted(given.get("index"))
    if not wanted and (found := lookup.rows(_NATION, (postcode.key(text),))):
        wanted = OLDEST[found[0]["nation"]]
    told = lookup.one(text, wanted, q)
    if told["status"] not in ("found", "terminated"):
        raise Refused(400, {"detail": "Invalid postcode supplied.", "reason": told["message"]})
    if told["rank"] is None:
        raise Refused(404, {"detail": told["message"]})
    return told


def _indices(lookup: Lookup, given: dict[str, str], address: str) -> tuple[dict, dict]:
    """`indices_of_multiple_deprivation`: every figure of the index for the postcode's area."""
    told = _looked_up(lookup, given)
    return BY_INDEX[told["index_id"]].detail(lookup, told["area_code"], address), told


def _quantile(lookup: Lookup, given: dict[str, str], _: str) -> tuple[dict, dict]:
    """`index_of_multiple_deprivation_quantile`: which of so many groups the postcode's area is in."""
    asked = given.get("quantile", "")
    q = int(asked) if _WHOLE.fullmatch(asked) else None
    known = q in QUANTILES
    told = _looked_up(lookup, given, q if known else None)
    if q is None:
        wrong = "must be a whole number of at most nine digits" if asked.strip() else "not supplied"
        raise Refused(400, {"detail": f"Quantile {wrong}."})
    result = {
        "rank": told["rank"] if known else None,
        "requested_quantile": q,
        "requested_quantile_name": QUANTILES.get(q),
        "data_quantile": told["data_quantile"] if known else None,
        "country": country(told["nation"]),
        "error": None if known else f"{q} is not a valid quantile.",
    }
    return {"result": result}, told


# What `boundaries` gives and what it says null for, and the same of its `codes`.
HELD = "postcode country longitude latitude incode outcode admin_district lsoa msoa region".split()
NOT_HELD = (
    "quality eastings northings nhs_ha european_electoral_region primary_care_trust parliamentary_constituency parish"
    " admin_county admin_ward ced ccg nuts"
).split()
CODES_HELD = "admin_district lsoa msoa".split()
CODES_NOT_HELD = "admin_county admin_ward parish parliamentary_constituency ccg ccg_id ced nuts lau2".split()
_PLACE = """
    select
      coalesce(areas.name, areas.publisher_name) as lsoa,
      -- ONS names an LSOA by its middle layer and a letter: "Westminster 018C" is in "Westminster 018".
      coalesce(substr(lsoas.name, 1, length(lsoas.name) - 1), zones.intermediate_zone_name) as msoa,
      coalesce(lsoas.msoa_2011, zones.intermediate_zone) as msoa_code,
      case when green_space.region like 'E12%' then green_space.region_name end as region
    from small_areas as areas
    left join lsoas_2011 as lsoas on lsoas.code = areas.code
    left join data_zones_2011 as zones on zones.code = areas.code
    left join green_space on green_space.local_authority = areas.local_authority_2019
    where areas.code = ?
"""


def _boundaries(lookup: Lookup, given: dict[str, str], _: str) -> tuple[dict, dict]:
    """`boundaries`: where the postcode is, as postcodes.io puts it; what this database does not hold is null.

    A postcode that no index covers (Jersey) is somewhere too, so it is answered.
    """
    text = given.get("postcode")
    if not (text or "").strip():
        raise Refused(400, {"detail": "Postcode not supplied." if text is None else "Postcode cannot be blank"})
    told = lookup.one(text)
    if told["status"] == "invalid":
        raise Refused(400, {"detail": "Invalid postcode supplied.", "reason": told["message"]})
    if told["status"] == "unknown":
        raise Refused(404, {"detail": told["message"]})
    found = lookup.rows(_PLACE, (told["lsoa_2011"],))
    place = found[0] if found else dict.fromkeys(("lsoa", "msoa", "msoa_code", "region"))
    outcode, incode = told["postcode"].split(" ")
    values = (told["postcode"], told["nation"], told["longitude"], told["latitude"], incode, outcode)
    values += (told["local_authority_name"], place["lsoa"], place["msoa"], place["region"])
    codes = (told["local_authority_code"], told["lsoa_2011"], place["msoa_code"])
    return {
        **dict(zip(HELD, values, strict=True)),
        **dict.fromkeys(NOT_HELD),
        "codes": dict(zip(CODES_HELD, codes, strict=True)) | dict.fromkeys(CODES_NOT_HELD),
    }, told


POSTCODE_ROUTES = {
    "indices_of_multiple_deprivation": _indices,
    "index_of_multiple_deprivation_quantile": _quantile,
    "boundaries": _boundaries,
}
ROUTES = (*POSTCODE_ROUTES, *LISTS)


def answer(lookup: Lookup, path: str, query_string: bytes, address: str) -> Answer:
    """The answer to GET. path: what follows `address`, the absolute address of the base path, without its slashes."""
    route, _, code = path.strip("/").partition("/")
    try:
        if not route:
            return answered({name: f"{address}/{name}{'/' if name in LISTS else ''}" for name in ROUTES})
        # Unknown names are let be, and of several with one name the last counts, as the platform has it.
        given = {} if code else dict(pairs(query_string))
        if route in POSTCODE_ROUTES and not code:
            content, told = POSTCODE_ROUTES[route](lookup, given, address)
            found = answered(content)
            if told["status"] == "terminated":
                found.headers = ((b"postcode-status", b"terminated"),)
            return found
        resource = LISTS.get(SPELLINGS.get(route, route))
        if resource and not code:
            return answered(resource.page(lookup, given, address, route))
        if resource and _CODE.fullmatch(code):
            for of in (resource, LSOAS_2021) if resource is LISTS[_LSOA] else (resource,):
                if one := of.detail(lookup, code, address):
                    return answered(one)
        raise Refused(404, {"detail": "Not found."})
    except Refused as refused:
        return refused.answer
    except (Malformed, AskedError) as error:
        return answered({"detail": str(error)}, 400)


def not_allowed(method: str) -> Answer:
    """The answer to a method other than GET and HEAD."""
    told = answered({"detail": f'Method "{method}" not allowed.'}, 405)
    told.headers = ((b"allow", b"GET, HEAD, OPTIONS"),)
    return told
