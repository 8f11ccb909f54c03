"""Serve the routes of the RCPCH Census Platform, for software written for it: its addresses, parameters and errors.

The platform has two versions: V1 is that of 2023, V2 that of 2026. Both answer from the rows and fields of
`census.web.api.rcpch_rows`; a `Version` holds what differs. `year` chooses an edition in either, as the platform of
2026 has it: honoured, or refused with 400 in its words. `index` is ours, and may name any index.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from typing import NamedTuple

from census.domain import postcode
from census.domain.types import Record
from census.lookup import postcodes
from census.lookup.database import Lookup
from census.lookup.errors import RequestError
from census.lookup.indices import NATIONS as LOOKUP_NATIONS
from census.lookup.messages import explain
from census.lookup.postcodes import PostcodeFigures
from census.lookup.sources import Publication
from census.web.api import rcpch_rows as rows
from census.web.api.rcpch_rows import (
    BY_INDEX,
    NATIONS,
    OLDEST,
    Field,
    Link,
    Page,
    Refused,
    Resource,
    check_year,
    whole_number,
)
from census.web.responses import Answer, Malformed, answered, pairs

SPELLINGS = {"scotland_datazones": "scotland_data_zones", "greenspace": "green_space"}
_NAMES = "median tertile quartile quintile sextile septile octile decile duodecile hexadecile vigintile"
QUANTILES = dict(zip((2, 3, 4, 5, 6, 7, 8, 10, 12, 18, 20), _NAMES.split(), strict=True))
"""Those of the platform, with its names for them: hexadecile, wrong as it is, is of 18."""
YEARS = {nation.name: nation.years for nation in NATIONS}
"""What `year` may be for a postcode of a nation."""

ABSENT = ("not loaded", "left out")  # of a publication, as in the table `publications`
_CODE = re.compile("[A-Za-z0-9]{1,12}")
_OLDEST = tuple(OLDEST[nation] for nation in LOOKUP_NATIONS)
_ANY_YEAR = {year for years in YEARS.values() for year in years}


@dataclass(frozen=True)
class Route:
    """A route of lists or details: its resource by edition, the first of which answers where none is named.

    indices: by id, where the editions are those of an index. either: where no edition is named, a detail may be of any.
    missing: what a detail that is not there answers. publication: the one that it needs, where that may be absent.
    """

    editions: dict[int, Resource]
    indices: dict[str, Resource] = field(default_factory=dict)
    either: bool = False
    missing: str = "Not found."
    nation: str = ""
    publication: str = ""

    @property
    def resource(self) -> Resource:
        """The resource that answers where no edition is named."""
        return next(iter(self.editions.values()))

    @property
    def chooses(self) -> bool:
        """Whether `year` chooses an edition; otherwise it is a filter."""
        return 0 not in self.editions

    def is_absent(self, publications: Mapping[str, Publication]) -> bool:
        """Return whether the publication that it needs is not in a database. publications: that database's, by id."""
        publication = publications.get(self.publication) if self.publication else None
        return publication is not None and publication.status in ABSENT

    def chosen(self, lookup: Lookup, params: dict[str, str]) -> list[Resource]:
        """Return the resources that `year` and `index` ask for, in the order in which to look. Raises Refused."""
        named = self._named(lookup, params)
        if "year" not in params or not self.chooses:
            return [named] if named else list(self.editions.values()) if self.either else [self.resource]
        by_year = self.editions[check_year(params["year"], tuple(sorted(self.editions)))]
        if named and named is not by_year:
            raise Refused(400, {"detail": _two_editions(params)})
        return [by_year]

    def _named(self, lookup: Lookup, params: dict[str, str]) -> Resource | None:
        if "index" not in params:
            return None
        if not self.indices:
            raise Refused(400, {"detail": "'index' is not a parameter of this route, which lists no index."})
        choice = lookup.indices.choice(params["index"])
        index = lookup.indices.newest(choice)[self.nation] if choice else None
        if choice and index is None:
            known = ", ".join(self.indices)
            raise Refused(404, {"detail": explain("unknown_index", choice, self.nation, known)})
        return self.indices[index] if index else None


def _two_editions(params: dict[str, str]) -> str:
    year, index = params["year"].strip()[:40], params["index"].strip()[:40]
    return f"'year' asks for {year} and 'index' for {index}: give one of the two."


@dataclass(frozen=True)
class Version:
    """One of the platform's versions.

    name: as its document has it. root: the routes that its root names. lists, details: the routes that have them.
    unknown: what it says of a text that is no postcode, or one that nobody knows. quantile_first: it looks at the
    quantile first, and refuses what is none. wrapped: `boundaries` gives postcodes.io's whole answer.
    gone: a terminated postcode is answered 410. link: the address, below the version's, of what a relation leads to.
    """

    name: str
    root: tuple[str, ...]
    lists: dict[str, Route]
    details: dict[str, Route]
    unknown: str
    link: Callable[[Field, str], str]
    quantile_first: bool = False
    wrapped: bool = False
    gone: bool = False


# One postcode


def country(nation: str) -> str:
    """Return the platform's name for a nation."""
    return nation.lower().replace(" ", "_")


_NATION = """
    select coalesce(small_areas.nation, lsoas_2021.nation) as nation from postcodes
    left join small_areas on small_areas.code = lsoa_2011 left join lsoas_2021 on lsoas_2021.code = lsoa_2021
    where postcode = ?
"""


class OverallFigures(NamedTuple):
    """The fields of `PostcodeFigures` that the routes answer with."""

    status: str
    message: str | None
    postcode: str | None
    terminated: int | None
    nation: str | None
    area_code: str | None
    index_id: str | None
    year: int | None
    rank: float | None
    decile: int | None
    decile_basis: str | None
    quintile: int | None
    quintile_basis: str | None
    quartile: int | None
    vigintile: int | None
    latitude: float | None
    longitude: float | None


Figures = OverallFigures | PostcodeFigures


def _year(params: dict[str, str]) -> int | None:
    """Return the year of a request, None where none was. Raises Refused for one that no index has."""
    if "year" not in params:
        return None
    year = whole_number(params["year"])
    if year not in _ANY_YEAR:
        raise Refused(400, {"detail": "Invalid year supplied."})
    return year


def _check_known(version: Version, figures: Figures) -> None:
    """Check that figures are of a postcode that is known. Raises Refused."""
    if figures.status in ("invalid", "unknown"):
        raise Refused(400, {"detail": version.unknown, "reason": figures.message})
    if version.gone and figures.terminated:
        year, month = divmod(figures.terminated, 100)
        terminated = {"year_terminated": year, "month_terminated": month}
        place = {"longitude": figures.longitude, "latitude": figures.latitude}
        raise Refused(410, {"postcode": figures.postcode, **terminated, **place})


def _figures(version: Version, lookup: Lookup, params: dict[str, str]) -> Figures:
    """Return the figures of the postcode of a request. Raises Refused.

    They are those of `year` or `index`; where neither is named, of the oldest index.
    """
    text = params.get("postcode")
    if not text:
        raise Refused(400, {"detail": "Postcode not supplied."})
    year, index = _year(params), lookup.indices.choice(params.get("index"))
    choice = index or str(year or "")
    index_ids = lookup.indices.ids[choice] if choice else _OLDEST
    figures: Figures | None = postcodes.with_figures(lookup, text, index_ids, OverallFigures)
    if figures is None:  # the long way, which says why
        if not choice and (nations := lookup.rows(_NATION, (postcode.key(text),))):
            choice = OLDEST.get(nations[0]["nation"], "")
        figures = postcodes.one(lookup, text, choice)
    _check_known(version, figures)
    if figures.status == "not_covered":
        raise Refused(400, {"detail": "Invalid postcode supplied.", "reason": figures.message})
    nation = str(figures.nation)
    if year is not None and year not in YEARS[nation]:
        years = " or ".join(map(str, YEARS[nation]))
        raise Refused(400, {"detail": f"Year must be {years} for {nation}."})
    if year is not None and index and figures.index_id and figures.year != year:
        raise Refused(400, {"detail": _two_editions(params)})
    if figures.rank is None:
        raise Refused(404, {"detail": figures.message})
    return figures


def _indices(version: Version, lookup: Lookup, params: dict[str, str], link: Link) -> tuple[Record, Figures]:
    """Answer `indices_of_multiple_deprivation`: every figure of the index for the postcode's area."""
    figures = _figures(version, lookup, params)
    content = BY_INDEX[str(figures.index_id)].detail(lookup, str(figures.area_code), link)
    if content is None:
        raise Refused(404, {"detail": "Not found."})
    return content, figures


def _quantile(version: Version, lookup: Lookup, params: dict[str, str], _: Link) -> tuple[Record, Figures]:
    """Answer `index_of_multiple_deprivation_quantile`: which of a number of groups the postcode's area is in."""
    text = params.get("quantile", "")
    q = whole_number(text)
    if version.quantile_first and q not in QUANTILES:
        one_of = f"{text[:40]} is not a valid quantile. Must be one of {list(QUANTILES)}."
        raise Refused(400, {"detail": one_of if text else "Quantile parameter is required."})
    known = q in QUANTILES
    figures = _figures(version, lookup, params)
    if q is None:
        wrong = "must be a whole number of at most nine digits" if text.strip() else "not supplied"
        raise Refused(400, {"detail": f"Quantile {wrong}."})
    result = {
        "rank": figures.rank if known else None,
        "requested_quantile": q,
        "requested_quantile_name": QUANTILES.get(q),
        "data_quantile": lookup.indices.quantile(figures, q).data_quantile if known else None,
        "country": country(str(figures.nation)),
        "error": None if known else f"{q} is not a valid quantile.",
    }
    return {"result": result}, figures


# What `boundaries` gives and what it says null for, and the same of its `codes`.
HELD = "postcode country longitude latitude incode outcode admin_district lsoa msoa region".split()
NOT_HELD = (
    "quality eastings northings nhs_ha european_electoral_region primary_care_trust parliamentary_constituency parish"
    " admin_county admin_ward ced ccg nuts"
).split()
CODES_HELD = "admin_district lsoa msoa".split()
CODES_NOT_HELD = "admin_county admin_ward parish parliamentary_constituency ccg ccg_id ced nuts lau2".split()
CODES_OF_2026 = ("lsoa11", "lsoa21")
_BOUNDARIES = """
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


def _boundaries(version: Version, lookup: Lookup, params: dict[str, str], _: Link) -> tuple[Record, Figures]:
    """Answer `boundaries`: where the postcode is, as postcodes.io has it; what this database does not hold is null.

    A postcode that no index covers (Jersey) is somewhere too, so it is answered.
    """
    text = params.get("postcode", "")
    if not text.strip():
        absent = "postcode" not in params and not version.wrapped
        raise Refused(400, {"detail": "Postcode not supplied." if absent else "Postcode cannot be blank"})
    figures = postcodes.one(lookup, text)
    if figures.status == "unknown" and not version.wrapped:
        raise Refused(404, {"detail": figures.message})
    _check_known(version, figures)
    places = lookup.rows(_BOUNDARIES, (figures.lsoa_2011,))
    place = places[0] if places else dict.fromkeys(("lsoa", "msoa", "msoa_code", "region"))
    outcode, incode = str(figures.postcode).split(" ")
    values = (
        *(figures.postcode, figures.nation, figures.longitude, figures.latitude, incode, outcode),
        *(figures.local_authority_name, place["lsoa"], place["msoa"], place["region"]),
    )
    codes = (figures.local_authority_code, figures.lsoa_2011, place["msoa_code"])
    content: Record = {
        **dict(zip(HELD, values, strict=True)),
        **dict.fromkeys(NOT_HELD),
        "codes": dict(zip(CODES_HELD, codes, strict=True)) | dict.fromkeys(CODES_NOT_HELD),
    }
    if not version.wrapped:
        return content, figures
    areas = zip(CODES_OF_2026, (figures.lsoa_2011, figures.lsoa_2021), strict=True)
    return {"status": 200, "result": content | {"codes": content["codes"] | dict(areas)}}, figures


QUANTILE = "index_of_multiple_deprivation_quantile"
POSTCODE_ROUTES = {
    "indices_of_multiple_deprivation": _indices,
    QUANTILE: _quantile,
    "boundaries": _boundaries,
}


# The two versions


def _indices_route(nation: rows.Nation, missing: str = "Not found.") -> Route:
    indices = {id_: BY_INDEX[id_] for (name, _), id_ in rows.INDEX_OF.items() if name == nation.name}
    editions = {year: BY_INDEX[rows.INDEX_OF[nation.name, year]] for year in nation.years}
    return Route(editions, indices, missing=missing, nation=nation.name)


_LSOAS = "england_wales_lower_layer_super_output_areas"
_INDICES = {f"{nation.route}_indices_of_multiple_deprivation": nation for nation in NATIONS}
_LISTS = {
    **{route: Route({0: resource}) for route, resource in rows.AREAS.items()},
    _LSOAS: Route(rows.LSOAS, either=True),
    **{route: _indices_route(nation) for route, nation in _INDICES.items()},
}
_OF_CODE = {"english": "LSOA not found for the supplied code/year.", "welsh": "LSOA not found for the supplied code."}
_OF_CODE |= {"scottish": "Data Zone not found for the supplied code."}
_OF_CODE |= {"northern_ireland": "SOA not found for the supplied code."}
_FILTER_OF = {
    "local_authority_districts": "local_authority_district_code",
    "scotland_data_zones": "data_zone_code",
    "northern_ireland_small_output_areas": "soa_code",
}


def _detail(relation: Field, code: str) -> str:
    return f"{relation.kind}/{code}/" + ("?year=2021" if (relation.kind, relation.year) == (_LSOAS, 2021) else "")


def _detail_or_list(relation: Field, code: str) -> str:
    if relation.kind in _FILTER_OF:
        vintage = 2011 if code.startswith("S") else relation.year  # Scotland's are listed under 2011 alone
        year = f"&year={vintage}" if relation.kind == "local_authority_districts" else ""
        return f"{relation.kind}/?{_FILTER_OF[relation.kind]}={code}{year}"
    return _detail(relation, code)


V1 = Version(
    name="v1",
    root=(*POSTCODE_ROUTES, *_LISTS),
    lists=_LISTS,
    details=_LISTS,
    unknown="Invalid postcode supplied.",
    link=_detail,
)
V2 = Version(
    name="v2",
    root=tuple(rows.AREAS_V2),
    lists={route: Route({0: resource}) for route, resource in rows.AREAS_V2.items()},
    details={
        _LSOAS: Route(rows.LSOAS, missing=_OF_CODE["english"]),
        **{route: _indices_route(nation, _OF_CODE[nation.route]) for route, nation in _INDICES.items()},
        "uk_population_density": Route(
            {0: rows.POPULATION_DENSITY},
            missing="LSOA not found for the supplied code.",
            publication="natural_green_space",
        ),
    },
    unknown="Could not get LSOA from postcode.",
    link=_detail_or_list,
    quantile_first=True,
    wrapped=True,
)
BASES = {  # setting: default
    "rcpch_base_path": "/rcpch-census-platform/api/v1",
    "rcpch_v1_base_path": "/deprivation/v1",
    "rcpch_v2_base_path": "/deprivation/v2",
}
TERMINATED = ("figures", "gone")


def base_paths(config: Record) -> dict[str, Version]:
    """Return the base paths that the settings of the plugin `api` give, each with its version.

    Raises ValueError, naming the setting, for one that is no path of its own.
    """
    paths = {}
    for setting, default in BASES.items():
        value = config.get(setting, default)
        paths[setting] = str(value).rstrip("/")
        if not re.fullmatch(r"(?!/api/v1(/|$))(/[A-Za-z0-9._~-]+)+", paths[setting]):  # that is our own API
            raise ValueError(f"{setting} of the plugin api must be a path such as {default}, not {value!r}.")
    if paths["rcpch_v2_base_path"] in (paths["rcpch_base_path"], paths["rcpch_v1_base_path"]):
        raise ValueError("rcpch_v2_base_path of the plugin api must be another path than those of version 1.")
    terminated = config.get("rcpch_v2_terminated", TERMINATED[0])
    if terminated not in TERMINATED:
        raise ValueError(f"rcpch_v2_terminated of the plugin api must be figures or gone, not {terminated!r}.")
    v2 = replace(V2, gone=terminated == "gone")
    return {path: v2 if setting == "rcpch_v2_base_path" else V1 for setting, path in paths.items()}


ROUTES = tuple(dict.fromkeys((*POSTCODE_ROUTES, *V1.lists, *V2.lists, *V2.details)))
"""Every route of either version."""


def answer(lookup: Lookup, path: str, query_string: bytes, address: str, version: Version = V1) -> Answer:
    """Answer a GET request.

    path: what follows `address`, the absolute address of the version's base path, without its slashes. Parameters that
    neither version knows are let be, but for a slip of the pen (`Year`), and of several with one name the last counts,
    as the platform has it.
    """
    route, _, code = path.strip("/").partition("/")
    try:
        if not route:
            slash = {name: "/" if name in version.lists else "" for name in version.root}
            return answered({name: f"{address}/{name}{slash[name]}" for name in version.root})
        params = dict(pairs(query_string))
        link = partial(_address, version, address)
        _check_spelling(params, _parameters_of(version, route, code))
        if route in POSTCODE_ROUTES and not code:
            content, figures = POSTCODE_ROUTES[route](version, lookup, params, link)
            response = answered(content)
            if figures.terminated:
                response.headers = ((b"postcode-status", b"terminated"),)
            return response
        if code:
            listed: Record | Page | None = _one(version, lookup, route, code, params, link)
        else:
            listed = _page(version, lookup, route, params, link, address)
        if listed is None:
            raise Refused(404, {"detail": "Not found."})
        return answered(listed)
    except Refused as refused:
        return refused.answer
    except (Malformed, RequestError) as error:
        return answered({"detail": str(error)}, 400)


def _parameters_of(version: Version, route: str, code: str) -> tuple[str, ...]:
    """Return the parameters that choose what a route answers."""
    if route in POSTCODE_ROUTES:
        return ("postcode", "quantile", "year", "index")
    listed = None if code else version.lists.get(SPELLINGS.get(route, route))
    filters = (*listed.resource.filters, *listed.resource.parts, "page") if listed else ()
    return ("year", "index", *filters)


def _check_spelling(params: dict[str, str], known: tuple[str, ...]) -> None:
    """Check that no parameter is a misspelt one of `known`: let be, it would choose other rows. Raises Refused."""
    for name in params:
        if name not in known and (alike := get_close_matches(name.strip().casefold(), known, 1, 0.75)):
            raise Refused(400, {"detail": f"'{name[:40]}' is not a parameter here: is '{alike[0]}' meant?"})


def _address(version: Version, address: str, relation: Field, code: str) -> str:
    return f"{address}/{version.link(relation, code)}"


def _page(version: Version, lookup: Lookup, name: str, params: dict[str, str], link: Link, address: str) -> Page | None:
    """Answer a list, or None where the version has none."""
    route = version.lists.get(SPELLINGS.get(name, name))
    if route is None:
        return None
    [resource, *_] = route.chosen(lookup, params)
    kept = {name: params[name] for name in ("index", "year") if params.get(name) and route.chooses}
    return resource.page(lookup, params, link, f"{address}/{name}", kept)


def _one(version: Version, lookup: Lookup, name: str, code: str, params: dict[str, str], link: Link) -> Record | None:
    """Answer a detail, or None where there is none and the version has no words of its own for that."""
    route = version.details.get(SPELLINGS.get(name, name))
    if route is None:
        return None
    if route.is_absent(lookup.publications):
        title = route.resource.title
        raise Refused(404, {"detail": f"'{title}' is not loaded here: its publication was not at hand."})
    for resource in route.chosen(lookup, params):
        if "year" in params and not route.chooses:
            if not resource.years:
                raise Refused(400, {"detail": "'year' is not a parameter of this route."})
            resource.check_year(params)
        if _CODE.fullmatch(code) and (content := resource.detail(lookup, code, link)):
            return content
    raise Refused(404, {"detail": route.missing})


def not_allowed(method: str) -> Answer:
    """Refuse a method other than GET and HEAD."""
    response = answered({"detail": f'Method "{method}" not allowed.'}, 405)
    response.headers = ((b"allow", b"GET, HEAD, OPTIONS"),)
    return response
