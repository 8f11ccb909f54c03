"""Fill the OpenAPI 3.1 documents of the API and of the RCPCH Census Platform's routes: see `openapi.yaml`.

Members are described by metadata.yml, where every column is; their types are the database's. Examples are what the
routes answer.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import orjson
import yaml

from census.domain.types import Record
from census.lookup.postcodes import FIELDS, QUANTILE_FIELDS, STATUSES
from census.lookup.sources import Publication
from census.web.api import rcpch, rcpch_rows
from census.web.api.v1 import ANSWER, IN_A_LIST, MOST_BYTES, MOST_POSTCODES, V1, Listed, ListRequest

ABSENT = object()
"""The value of a member that is left out."""
SPREAD = "..."
_VALUE = re.compile(r"\$\{([^}]+)\}")
_TYPES = {"INTEGER": "integer", "REAL": "number", "NUMERIC": "number"}
_POSTCODES = ["SW1A 1AA", "cf143lx", "ZZ99 3VZ"]
_LIST_FIELDS = ["status", "postcode", "index_id", "rank", "of", "decile", "quintile"]

Columns = Callable[[str, list[str] | None], Record]
Value = Callable[[str], Any]


@cache
def template() -> Record:
    """Return openapi.yaml as it is."""
    text: Record = yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text("utf-8"))
    return text


def fill(node: Any, value: Value, columns: Columns) -> Any:
    """Return a part of the template with its values: see there.

    value: gives a value by its name, or ABSENT. columns: gives columns of a table as members, by table and names.
    """
    if isinstance(node, list):
        return [fill(item, value, columns) for item in node]
    if isinstance(node, dict):
        filled: Record = {}
        for key, item in node.items():
            content = fill(item, value, columns)
            if key.startswith(SPREAD):
                filled |= content if isinstance(content, dict) else columns(key.removeprefix(SPREAD), content)
            elif content is not ABSENT:
                filled[key] = content
        return filled
    if isinstance(node, str):
        only = _VALUE.fullmatch(node)
        return value(only[1]) if only else _VALUE.sub(lambda name: str(value(name[1])), node)
    return node


def _no_columns(table: str, _names: list[str] | None) -> Record:
    raise KeyError(table)


def filled(node: Any, **values: Any) -> Any:
    """Return a part of the template with these values alone."""
    return fill(node, values.__getitem__, _no_columns)


def document(tables: Record, v1: V1, base: str, rcpch_documents: Iterable[Record]) -> Record:
    """Make the document of the API.

    tables: those of metadata.yml. v1: gives the examples. base: where its routes are. rcpch_documents: those of the
    RCPCH Census Platform's routes (`rcpch_document`), whose paths are added.
    """

    def columns(table: str, names: list[str] | None = None) -> Record:
        types = {row["name"]: row["type"] for row in v1.lookup.rows(f"pragma table_xinfo({table})")}
        descriptions = tables[table]["columns"]
        return {
            name: {"type": [_TYPES.get(types[name], "string"), "null"], "description": descriptions[name]}
            for name in names or types
        }

    def value(name: str) -> Any:
        kind, _, address = name.partition(" ")
        if kind not in ("answer", "problem"):
            return values[name]
        path, _, query = address.partition("?")
        answer = v1.get(path, query.encode())
        return ABSENT if kind == "answer" and answer.status != 200 else orjson.loads(answer.body)

    values = _values(v1, columns)
    made: Record = fill(template()["v1"], value, columns)
    made["paths"] = {f"{base}{path}": item for path, item in made["paths"].items()}
    for platform in rcpch_documents:
        made["paths"] |= platform["paths"]
    return made


def _values(v1: V1, columns: Columns) -> Record:
    """Return the values of the API's document by name."""
    indices = sorted(index.id for index in v1.lookup.indices)
    pieces = v1.pieces(Listed(_POSTCODES), ListRequest(b"", b"", None, "", None, _LIST_FIELDS))
    assert QUANTILE_FIELDS == ("requested_quantile", "data_quantile", "data_quantile_basis")
    parks = columns("green_space_parks", None)
    return {
        "rcpch_tag": template()["rcpch"]["document"]["tags"][0],
        "indices": ", ".join(indices),
        "first_index": indices[0],
        "fields": _fields(ANSWER),
        "fields_in_a_list": _fields(IN_A_LIST),
        "most_postcodes": f"{MOST_POSTCODES:,}",
        "most_bytes": f"{MOST_BYTES:,}",
        "max_items": MOST_POSTCODES,
        "listed": _POSTCODES,
        "list_answer": orjson.loads(b"".join(pieces)),
        "figures": [name for name in FIELDS if name in ANSWER],
        "statuses": list(STATUSES),
        "green_space": [name for name in columns("green_space", None) if name != "local_authority"],
        "parks": {f"parks_{name}": parks[name] for name in parks if name.partition("_")[0] not in ("local", "region")},
    }


def _fields(names: tuple[str, ...]) -> Record:
    """Return the parameter that chooses among the members `names` of an answer."""
    return {
        "name": "fields",
        "in": "query",
        "description": f"Only these members, separated by commas: {', '.join(names)}.",
        "schema": {"type": "array", "items": {"type": "string", "enum": list(names)}},
        "example": ["status", "index_id", "decile"],
        "style": "form",
        "explode": False,
    }


# The routes of the RCPCH Census Platform


def rcpch_document(version: rcpch.Version, base: str, publications: Mapping[str, Publication]) -> Record:
    """Make the OpenAPI document of a version of the RCPCH Census Platform's routes.

    base: where they are. publications: those of the database by id; a route whose publication is absent is left out.
    """
    made: Record = filled(template()["rcpch"]["document"], version=version.name)
    return made | {"paths": {f"{base}{path}": item for path, item in rcpch_paths(version, publications).items()}}


def rcpch_paths(version: rcpch.Version, publications: Mapping[str, Publication] | None = None) -> dict[str, Record]:
    """Return the routes of a version as path items, by path; the other spellings (`rcpch.SPELLINGS`) are left out.

    publications: as in `rcpch_document`; None describes every route.
    """
    parts = template()["rcpch"]
    root = _whole({key: {"type": "string", "format": "uri-reference"} for key in version.root})
    headers = parts["headers"]["revision"] if version.name == "v2" else {}
    paths = _by_postcode(version) | {"/": _operation("The routes", [], root, refused=ABSENT, headers=headers)}
    if version.name == "v2":
        paths["/health/"] = parts["health"]
    for name, route in version.lists.items():
        paths[f"/{name}/"] = _list(route)
    for name, route in version.details.items():
        if publications is not None and route.is_absent(publications):
            continue
        resource = route.resource
        code = _parameter("id", "The area's code.", resource.example, path=True)
        paths[f"/{name}/{{id}}/"] = _operation(
            f"{resource.title}: one",
            [code, *_edition(route)],
            _any_of([_resource(edition) for edition in route.editions.values()]),
            "No such id.",
        )
    return paths


def _parameter(name: str, description: str, example: object = None, path: bool = False, **schema: object) -> Record:
    made: Record = {"name": name, "in": "path" if path else "query", "description": description}
    made["schema"] = {"type": "string", **schema}
    if path:
        made["required"] = True
    return made if example is None else made | {"example": example}


def _whole(properties: Record) -> Record:
    """Return an object that has each of `properties` and no other member."""
    return {"type": "object", "properties": properties, "additionalProperties": False, "required": list(properties)}


def _resource(resource: rcpch_rows.Resource) -> Record:
    return _whole({name: field.schema() for name, field in resource.fields.items()})


def _any_of(schemas: list[Record]) -> Record:
    return {"anyOf": schemas} if len(schemas) > 1 else schemas[0]


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
    """Return the path item of a list, with its filters as parameters."""
    resource = route.resource
    link = {"type": ["string", "null"], "format": "uri-reference"}
    page = {"count": {"type": "integer"}, "next": link, "previous": link}
    page["results"] = {"type": "array", "items": _resource(resource)}
    parameters = [_parameter("page", f"{rcpch_rows.PAGE} a page.", 1, type="integer", minimum=1)]
    parameters += _edition(route)
    parameters += [_parameter(name, "Part of the text, in any case.") for name in resource.parts]
    names = {parameter["name"] for parameter in parameters}
    for name, by in resource.filters.items():
        if name in names:
            continue
        kind = "number" if by.is_number else "string"
        example = resource.example if name in resource.needs[:1] else None
        parameters.append(_parameter(name, "A code." if by.is_relation else "The exact value.", example, type=kind))
    refused = template()["rcpch"]["refused_filters"]
    return _operation(resource.title, parameters, _whole(page), "No such page.", refused=refused)


def _operation(
    summary: str,
    parameters: list[Record],
    schema: Record,
    missing: str = "",
    **parts: Any,
) -> Record:
    """Return the path item of a route that is read. parts: those of the template, where they are not the usual ones."""
    rcpch_parts = template()["rcpch"]
    parts = {"refused": rcpch_parts["refused"], "headers": {}, "gone": ABSENT} | parts
    parts["missing"] = filled(rcpch_parts["missing"], why=missing) if missing else ABSENT
    item: Record = filled(rcpch_parts["operation"], summary=summary, parameters=parameters, schema=schema, **parts)
    return item


def _by_postcode(version: rcpch.Version) -> dict[str, Record]:
    """Return the path items of the routes that take a postcode."""
    parts, oldest = template()["rcpch"], list(rcpch_rows.OLDEST.values())
    parameters = filled(
        parts["parameters"],
        years="; ".join(f"{nation} {' or '.join(map(str, years))}" for nation, years in rcpch.YEARS.items()),
        indices=", ".join(sorted(rcpch_rows.BY_INDEX)),
        oldest_index=oldest[0],
        quantiles=list(rcpch.QUANTILES),
    )
    postcode, year, index, quantile = (parameters[name] for name in ("postcode", "year", "index", "quantile"))
    more = {"headers": parts["headers"]["postcode"], "gone": parts["gone"] if version.gone else ABSENT}
    place = _place(version)
    missing = "The index is of another nation, or has no figures for the postcode."
    return {
        "/indices_of_multiple_deprivation": _operation(
            "Every figure of the index for a postcode",
            [postcode, year, index],
            {"anyOf": [_resource(rcpch_rows.BY_INDEX[index_id]) for index_id in oldest]},
            missing,
            **more,
        ),
        "/index_of_multiple_deprivation_quantile": _operation(
            "Which of a number of groups a postcode is in; 1 is the most deprived",
            [postcode, quantile, year, index],
            _quantile(),
            missing,
            **more,
        ),
        "/boundaries": _operation(
            "Where a postcode is",
            [postcode],
            _whole({"status": {"const": 200}, "result": place}) if version.wrapped else place,
            "" if version.wrapped else "There is no such postcode here.",
            **more,
        ),
    }


def _quantile() -> Record:
    """Return the schema of a quantile."""
    text, integer = {"type": ["string", "null"]}, {"type": ["integer", "null"]}
    result = {"rank": integer, "requested_quantile": {"type": "integer"}, "requested_quantile_name": text}
    result |= {"data_quantile": integer, "country": {"enum": [rcpch.country(name) for name in rcpch.YEARS]}}
    return _whole({"result": _whole(result | {"error": text})})


def _place(version: rcpch.Version) -> Record:
    """Return the schema of where a postcode is."""
    text, number = {"type": ["string", "null"]}, {"type": ["number", "null"]}
    place = dict.fromkeys((*rcpch.HELD, *rcpch.NOT_HELD), text) | {"longitude": number, "latitude": number}
    codes = (*rcpch.CODES_HELD, *rcpch.CODES_NOT_HELD, *(rcpch.CODES_OF_2026 if version.wrapped else ()))
    place["codes"] = _whole(dict.fromkeys(codes, text))
    return _whole(place)
