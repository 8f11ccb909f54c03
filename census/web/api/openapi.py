"""The OpenAPI 3.1 document of the API: what the routes take and answer, with examples that they answered.

Members are described by metadata.yml, where every column is; their types are the database's.
"""

from collections.abc import Iterable, Mapping

import orjson

from census.domain.types import Record
from census.lookup.postcodes import FIELDS, QUANTILE_FIELDS, STATUSES
from census.lookup.sources import Publication
from census.web.api import rcpch, rcpch_rows
from census.web.api.v1 import ANSWER, IN_A_LIST, MOST_BYTES, MOST_POSTCODES, V1, Listed, ListRequest

_TYPES = {"INTEGER": "integer", "REAL": "number", "NUMERIC": "number"}
_CACHED = {
    "ETag": {"schema": {"type": "string"}, "description": "Of the database and the code: it changes with either."},
    "Cache-Control": {"schema": {"type": "string"}, "description": "An hour, for anyone."},
}
_UNCHANGED = {"description": "As the entity tag in If-None-Match says, nothing has changed."}
_EXAMPLES = {"postcode": "SW1A 1AA", "index": "england_2025", "area": "E01004736", "authority": "E09000033"}
_POSTCODES = ["SW1A 1AA", "cf143lx", "ZZ99 3VZ"]


def document(tables: Record, v1: V1, base: str, rcpch_documents: Iterable[Record]) -> Record:
    """Make the document.

    tables: those of metadata.yml. v1: gives the examples. base: where its routes are. rcpch_documents: those of the
    RCPCH Census Platform's routes (`rcpch_document`).
    """
    paths = {f"{base}{path}": item for path, item in _paths(v1).items()}
    for platform in rcpch_documents:
        paths |= platform["paths"]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "UK census and deprivation by postcode",
            "version": "1",
            "summary": "The index of multiple deprivation and green space for any UK postcode.",
            "description": (
                "1 is the most deprived. Ranks and bands are within one nation and one edition and do not compare with"
                " those of another. Name the index in every address that you embed: a named index is never answered by"
                " another, an empty one or latest by the newest that has figures. No key, no account, no log."
            ),
            "license": {
                "name": "Open Government Licence v3.0",
                "url": "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/",
            },
        },
        "tags": [
            {"name": "v1", "description": "The API."},
            _RCPCH_TAG,
        ],
        "paths": paths,
        "components": {"schemas": _schemas(tables, v1)},
    }


def _parameter(
    name: str, description: str, example: object = None, place: str = "query", needed: bool = False, **schema: object
) -> Record:
    told: Record = {"name": name, "in": place, "description": description, "schema": {"type": "string", **schema}}
    if needed or place == "path":
        told["required"] = True
    return told if example is None else told | {"example": example}


def _strict(properties: Record, **more: object) -> Record:
    return {"type": "object", "properties": properties, "additionalProperties": False, **more}


def _ref(name: str) -> Record:
    return {"$ref": f"#/components/schemas/{name}"}


def _answer(v1: V1, schema: str, description: str, path: str, query: bytes = b"") -> Record:
    content: Record = {"schema": _ref(schema)}
    example = v1.get(path, query)
    if example.status == 200:
        content["example"] = orjson.loads(example.body)
    return {"description": description, "headers": _CACHED, "content": {"application/json": content}}


def _problem(description: str, v1: V1 | None = None, path: str = "", query: bytes = b"") -> Record:
    content: Record = {"schema": _ref("Problem")}
    if v1:
        content["example"] = orjson.loads(v1.get(path, query).body)
    return {"description": description, "content": {"application/problem+json": content}}


def _paths(v1: V1) -> dict[str, Record]:
    known = sorted(index.id for index in v1.lookup.indices)
    index = _parameter(
        "index", f"{', '.join(known)}, a year, latest or empty. A named one is never answered by another.", known[0]
    )
    quantile = _parameter("quantile", "Of so many equal groups, data_quantile is one.", 5, type="integer")
    quantile["schema"] |= {"minimum": 2, "maximum": 100}

    def fields(names: tuple[str, ...]) -> Record:
        told = _parameter("fields", f"Only these members, separated by commas: {', '.join(names)}.", "status,decile")
        told["schema"] = {"type": "array", "items": {"type": "string", "enum": list(names)}}
        return told | {"style": "form", "explode": False, "example": ["status", "index_id", "decile"]}

    def read(
        summary: str, parameters: list[Record], schema: str, path: str, query: bytes = b"", missing: str = ""
    ) -> Record:
        responses = {
            "200": _answer(v1, schema, summary, path, query),
            "304": _UNCHANGED,
            "400": _problem(
                "A parameter cannot be answered; `reason` and `detail` say which and why.", v1, path, b"x=1"
            ),
        }
        if missing:
            responses["404"] = _problem(missing, v1, f"{path.partition('/')[0]}/ZZ1 1ZZ")
        return {"get": {"tags": ["v1"], "summary": summary, "parameters": parameters, "responses": responses}}

    example, code = _EXAMPLES["postcode"], _EXAMPLES["area"]
    one = _parameter("postcode", "A postcode in any case, with or without its space.", example, "path", minLength=1)
    area = _parameter("code", "LSOA of 2011 or 2021, data zone or super output area.", code, "path", minLength=1)
    authority = _parameter("code", "A local authority of any vintage.", _EXAMPLES["authority"], "path", minLength=1)
    asked = b"index=england_2025"
    absent = "The postcode is `unknown` or `not_covered`, or the index is of another nation: `reason`."
    return {
        "/postcodes/{postcode}": read(
            "The figures of a postcode, with their licences",
            [one, index, quantile, fields(ANSWER)],
            "Postcode",
            f"postcodes/{example}",
            asked,
            absent,
        ),
        "/postcodes": _bulk(v1, [index, quantile, fields(IN_A_LIST)]),
        "/areas/{code}": read(
            "A small area with its figures in each index",
            [area, index],
            "Area",
            f"areas/{code}",
            asked,
            "No such area.",
        ),
        "/local-authorities/{code}": read(
            "A local authority: how its areas spread over the deciles, and its green space",
            [authority, index],
            "LocalAuthority",
            f"local-authorities/{_EXAMPLES['authority']}",
            asked,
            "No such authority.",
        ),
        "/indices": read("The indices that there are, newest first", [], "Indices", "indices"),
        "/openapi.json": {
            "get": {
                "tags": ["v1"],
                "summary": "This document",
                "responses": {
                    "200": {
                        "description": "OpenAPI 3.1.",
                        "headers": _CACHED,
                        "content": {"application/json": {"schema": {"type": "object"}}},
                    },
                    "304": _UNCHANGED,
                },
            }
        },
    }


def _bulk(v1: V1, parameters: list[Record]) -> Record:
    listed = {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": MOST_POSTCODES}
    fields = ["status", "postcode", "index_id", "rank", "of", "decile", "quintile"]
    example = orjson.loads(b"".join(v1.pieces(Listed(_POSTCODES), ListRequest(b"", b"", None, "", None, fields))))
    column = _parameter("column", "For CSV: the column that holds the postcodes, if not postcode.")
    return {
        "post": {
            "tags": ["v1"],
            "summary": f"Up to {MOST_POSTCODES:,} postcodes, answered in their order; nothing of them is kept",
            "parameters": [*parameters, column],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": listed, "example": _POSTCODES},
                    "application/x-ndjson": {"schema": {"type": "string", "description": "A JSON string a line."}},
                    "text/csv": {"schema": {"type": "string"}, "example": "id,postcode\n1,SW1A 1AA\n2,cf143lx\n"},
                },
            },
            "responses": {
                "200": {
                    "description": "An answer for each, those without figures in their place.",
                    "content": {"application/json": {"schema": _ref("Postcodes"), "example": example}},
                },
                "400": _problem("The list or a parameter cannot be read; `reason` and `detail` say why."),
                "413": _problem(f"More than {MOST_POSTCODES:,} postcodes or {MOST_BYTES:,} bytes."),
                "415": _problem("Not JSON, NDJSON or CSV."),
            },
        }
    }


def _schemas(tables: Record, v1: V1) -> dict[str, Record]:
    def members(table: str, names: tuple[str, ...] | None = None) -> Record:
        types = {row["name"]: row["type"] for row in v1.lookup.rows(f"pragma table_xinfo({table})")}
        told = tables[table]["columns"]
        return {
            name: {"type": [_TYPES.get(types[name], "string"), "null"], "description": told[name]}
            for name in names or types
        }

    def many(of: Record, description: str = "") -> Record:
        return {"type": "array", "items": of, **({"description": description} if description else {})}

    text, number = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
    edition = {"type": "string", "description": "The postcode directory's edition and the database's digest: keep it."}
    sources = many(_ref("Source"), "Whose the figures are, and under which licence.")
    green_space = {"anyOf": [_ref("GreenSpace"), {"type": "null"}]}
    answer = members("postcode_figures", tuple(name for name in FIELDS if name in ANSWER))
    quantiles = {
        "requested_quantile": {"type": "integer", "description": "The quantile that was asked for."},
        "data_quantile": {"type": ["integer", "null"], "description": "The group; 1 is the most deprived."},
        "data_quantile_basis": {"enum": ["published", "computed", None], "description": "Whose the group is."},
    }
    assert set(quantiles) == set(QUANTILE_FIELDS)
    status = {"status": {"enum": list(STATUSES), "description": "Of the postcode."}}
    one = answer | status | quantiles | {"green_space": green_space}
    gardens = {name: value for name, value in members("green_space").items() if name != "local_authority"} | {
        f"parks_{name}": value
        for name, value in members("green_space_parks").items()
        if name not in ("local_authority", "region", "region_name")
    }
    authority_2019 = {f"local_authority_2019_{part}": text for part in ("code", "name")}
    source = members("publications", ("id", "title", "publisher", "edition", "page", "licence"))
    source |= members("publications", ("licence_url", "attribution", "conditions"))
    lists = ("lsoas_2011", "lsoas_2021", "data_zones_2011", "soas_2001")
    area_name = {"type": "object", "properties": {"code": {"type": "string"}, "name": text}}
    band = {"decile": number, "decile_basis": text, "areas": number, "share": {"type": ["number", "null"]}}
    listed_area = {"area_code": text, "area_name": text, "rank": number, "decile": number}
    return {
        "Postcode": _strict(one | {"edition": edition, "sources": sources}),
        "Postcodes": _strict(
            {
                "edition": edition,
                "answers": many(_strict(one)),
                "summary": _strict(
                    {
                        "postcodes": {"type": "integer"},
                        "statuses": {"type": "object", "additionalProperties": {"type": "integer"}},
                        "nations": {"type": "object", "additionalProperties": {"type": "integer"}},
                        "older_edition": {
                            "type": "integer",
                            "description": "How many have figures of an older index than their nation's newest.",
                        },
                        "without_figures": {
                            "type": "integer",
                            "description": "How many are found or terminated, with no figure of the index asked for.",
                        },
                        "column": text
                        | {"description": "The name of the column of a CSV that was read, null where it has none."},
                    }
                ),
                "sources": sources,
            },
            required=["edition", "answers", "summary", "sources"],
        ),
        "Problem": {
            "type": "object",
            "description": "RFC 9457.",
            "properties": {
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "reason": {"type": "string", "description": "One word for a program."},
                "detail": {"type": "string", "description": "A sentence for a person."},
                "edition": edition,
            },
            "required": ["type", "title", "status", "reason", "detail"],
        },
        "Source": _strict(source, required=list(source)),
        "GreenSpace": _strict(authority_2019 | gardens),
        "Area": _strict(
            {
                **dict.fromkeys(("code", "kind", "nation", "name", "publisher_name"), text),
                "eras": many({"enum": ["2011", "2021"]}, "The censuses whose areas it is one of."),
                **dict.fromkeys(("local_authority_code", "local_authority_name", "message"), text),
                **{name: {"type": ["number", "null"]} for name in ("latitude", "longitude")},
                "deprivation": many(_strict({"year": number} | members("deprivation")), "Newest first."),
                **{name: answer[name] for name in ("uk_composite_rank", "uk_composite_decile")},
                "green_space": green_space,
                "changes": many(_strict(members("lsoa_changes", ("lsoa_2011", "lsoa_2021", "change")))),
                "lists": _strict({name: _strict(members(name)) for name in lists}),
                "edition": edition,
                "sources": sources,
            }
        ),
        "LocalAuthority": _strict(
            {
                **members("local_authorities"),
                "predecessors": many(area_name),
                "deprivation": many(
                    _strict(
                        {
                            "message": text,
                            "index_id": text,
                            "year": number,
                            "of": number,
                            "deciles": many(_strict(band)),
                            "most_deprived": many(_strict(listed_area)),
                            "least_deprived": many(_strict(listed_area)),
                        }
                    )
                ),
                "green_space": many(_ref("GreenSpace"), "Of the authority, or of those that it follows."),
                "green_space_message": text,
                "small_areas": _strict({era: many(area_name) for era in ("2011", "2021")}),
                "edition": edition,
                "sources": sources,
            }
        ),
        "Indices": _strict(
            {
                "indices": many(_strict(members("indices") | {"loaded": {"type": "boolean"}})),
                "edition": edition,
                "directory": text,
                "database": {"type": "string", "description": "The database's digest, whole."},
                "extract": {"type": "boolean"},
                "sources": sources,
            }
        ),
    }


# The routes of the RCPCH Census Platform


def _whole(properties: Record) -> Record:
    """Return an object that has each of `properties` and no other member."""
    return _strict(properties, required=list(properties))


_RCPCH_TAG = {
    "name": "RCPCH",
    "description": (
        "The routes of the RCPCH Census Platform, for software written for it: its addresses, names and errors, in its"
        " versions of 2023 (v1) and 2026 (v2). The parameter year, or index, names an edition; without either the"
        " answer is of the oldest. A final slash may be there or not, and no Subscription-Key is needed. A terminated"
        " postcode has figures, and the header Postcode-Status says so, unless this site is set to answer 410 in v2."
    ),
}
_DETAIL = {"type": "object", "properties": {"detail": {"type": "string"}}, "required": ["detail"]}
_FILTERS_REFUSED = {
    "type": "object",
    "description": "`detail`, or each filter that is not a number, with what is wrong.",
    "additionalProperties": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
}
_POSTCODE_STATUS = {
    "Postcode-Status": {"schema": {"const": "terminated"}, "description": "There for a terminated postcode alone."}
}
_REVISION = {"X-Git-Revision": {"schema": {"type": "string"}, "description": "The revision of the code."}}
_TERMINATED = _whole(
    {"postcode": {"type": "string"}, "year_terminated": {"type": "integer"}, "month_terminated": {"type": "integer"}}
    | {name: {"type": ["number", "null"]} for name in ("longitude", "latitude")}
)


def rcpch_document(version: rcpch.Version, base: str, publications: Mapping[str, Publication]) -> Record:
    """Make the OpenAPI document of a version of the RCPCH Census Platform's routes.

    base: where they are. publications: those of the database by id; a route whose publication is absent is left out.
    """
    return {
        "openapi": "3.1.0",
        "info": {
            "title": f"Routes of the RCPCH Census Platform, {version.name}",
            "version": "1.0.0",
            "description": _RCPCH_TAG["description"],
        },
        "tags": [_RCPCH_TAG],
        "paths": {f"{base}{path}": item for path, item in rcpch_paths(version, publications).items()},
    }


def rcpch_paths(version: rcpch.Version, publications: Mapping[str, Publication] | None = None) -> dict[str, Record]:
    """Return the routes of a version as path items, by path; the other spellings (`rcpch.SPELLINGS`) are left out.

    publications: as in `rcpch_document`; None describes every route.
    """
    address = {"type": "string", "format": "uri-reference"}
    root = _whole(dict.fromkeys(version.root, address))
    headers = _REVISION if version.name == "v2" else {}
    paths = _rcpch_by_postcode(version) | {"/": _operation("The routes", [], root, refused=None, headers=headers)}
    if version.name == "v2":
        health = _operation("Whether it runs", [], _whole({"status": {"const": "ok"}}), refused=None)
        del health["get"]["responses"]["304"], health["get"]["responses"]["200"]["headers"]
        paths["/health/"] = health
    for name, route in version.lists.items():
        paths[f"/{name}/"] = _list(route)
    for name, route in version.details.items():
        if publications is not None and route.is_absent(publications):
            continue
        resource = route.resource
        code = _parameter("id", "The area's code.", resource.example, "path")
        editions = [_resource(edition) for edition in route.editions.values()]
        paths[f"/{name}/{{id}}/"] = _operation(
            f"{resource.title}: one",
            [code, *_edition(route)],
            {"anyOf": editions} if len(editions) > 1 else editions[0],
            "No such id.",
        )
    return paths


def _resource(resource: rcpch_rows.Resource) -> Record:
    return _whole({name: f.schema() for name, f in resource.fields.items()})


def _edition(route: rcpch.Route) -> list[Record]:
    """Return the parameters that choose an edition, or name the only one."""
    parameters = []
    years = sorted(route.editions) if route.chooses else list(route.resource.years)
    if years:
        without = f"; without it {next(iter(route.editions))}" if route.chooses else ""
        parameters.append(_parameter("year", f"The edition{without}.", type="integer", enum=years))
    if route.indices:
        parameters.append(_parameter("index", f"The same by name: {', '.join(route.indices)} or latest."))
    return parameters


def _list(route: rcpch.Route) -> Record:
    resource = route.resource
    link = {"type": ["string", "null"], "format": "uri-reference"}
    page = {"count": {"type": "integer"}, "next": link, "previous": link}
    page["results"] = {"type": "array", "items": _resource(resource)}
    parameters = [_parameter("page", f"{rcpch_rows.PAGE} a page.", 1, type="integer", minimum=1)]
    parameters += _edition(route)
    parameters += [_parameter(name, "Part of the text, in any case.") for name in resource.parts]
    there = {parameter["name"] for parameter in parameters}
    for name, by in resource.filters.items():
        if name in there:
            continue
        kind = "number" if by.is_number else "string"
        example = resource.example if name in resource.needs[:1] else None
        parameters.append(_parameter(name, "A code." if by.is_relation else "The exact value.", example, type=kind))
    return _operation(resource.title, parameters, _whole(page), "No such page.", _FILTERS_REFUSED)


def _operation(
    summary: str,
    parameters: list[Record],
    schema: Record,
    missing: str = "",
    refused: Record | None = _DETAIL,
    headers: Record | None = None,
) -> Record:
    def response(description: str, of: Record) -> Record:
        return {"description": description, "content": {"application/json": {"schema": of}}}

    responses = {"200": response(summary, schema) | {"headers": _CACHED | (headers or {})}, "304": _UNCHANGED}
    if refused:
        responses["400"] = response("A parameter is missing or cannot be read; `detail` says which and why.", refused)
    if missing:
        responses["404"] = response(missing, _DETAIL)
    return {"get": {"tags": ["RCPCH"], "summary": summary, "parameters": parameters, "responses": responses}}


def _rcpch_by_postcode(version: rcpch.Version) -> dict[str, Record]:
    text, whole, number = ({"type": [of, "null"]} for of in ("string", "integer", "number"))
    oldest = list(rcpch_rows.OLDEST.values())
    postcode = _parameter("postcode", "In any case, with or without its space.", _EXAMPLES["postcode"], needed=True)
    years = "; ".join(f"{nation} {' or '.join(map(str, years))}" for nation, years in rcpch.YEARS.items())
    year = _parameter("year", f"The edition: {years}. Without it the oldest.", 2019, type="integer")
    index = _parameter(
        "index",
        f"{', '.join(sorted(rcpch_rows.BY_INDEX))}, a year or latest. A named one never falls back to another.",
        oldest[0],
    )
    quantile = _parameter("quantile", "How many groups.", 5, needed=True, type="integer", enum=list(rcpch.QUANTILES))
    result = {"rank": whole, "requested_quantile": {"type": "integer"}, "requested_quantile_name": text}
    result |= {"data_quantile": whole, "country": {"enum": [rcpch.country(name) for name in rcpch.YEARS]}}
    boundaries = dict.fromkeys((*rcpch.HELD, *rcpch.NOT_HELD), text) | {"longitude": number, "latitude": number}
    codes = (*rcpch.CODES_HELD, *rcpch.CODES_NOT_HELD, *(rcpch.CODES_OF_2026 if version.wrapped else ()))
    boundaries["codes"] = _whole(dict.fromkeys(codes, text))
    place = _whole(boundaries)
    missing = "The index is of another nation, or has no figures for the postcode."
    paths = {
        "/indices_of_multiple_deprivation": _operation(
            "Every figure of the index for a postcode",
            [postcode, year, index],
            {"anyOf": [_resource(rcpch_rows.BY_INDEX[index]) for index in oldest]},
            missing,
            headers=_POSTCODE_STATUS,
        ),
        "/index_of_multiple_deprivation_quantile": _operation(
            "Which of a number of groups a postcode is in; 1 is the most deprived",
            [postcode, quantile, year, index],
            _whole({"result": _whole(result | {"error": text})}),
            missing,
            headers=_POSTCODE_STATUS,
        ),
        "/boundaries": _operation(
            "Where a postcode is",
            [postcode],
            _whole({"status": {"const": 200}, "result": place}) if version.wrapped else place,
            "" if version.wrapped else "There is no such postcode here.",
            headers=_POSTCODE_STATUS,
        ),
    }
    if version.gone:
        for item in paths.values():
            item["get"]["responses"]["410"] = {
                "description": "The postcode is terminated.",
                "content": {"application/json": {"schema": _TERMINATED}},
            }
    return paths
