"""Bound what a GraphQL request may cost, and switch GraphQL off.

datasette-graphql bounds the number of its table queries and checks its time between them. It bounds neither the size of
a request nor how many rows foreign keys are followed for, and 60,000 of those keep a server busy for ten seconds. Here
a request above `max_bytes` is refused, so is one that could cost more than `max_cost` (a value costs 1, a lookup of
another table 20, times the rows that it is asked for), and one that takes longer than `time_limit_ms` is stopped, or
whose answer is larger than 4 MB (`execution.py`). `enabled: false` switches GraphQL off. All of them stand in
metadata.yml, under plugins: datasette-graphql.
"""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from urllib.parse import parse_qs

from datasette.app import Datasette
from datasette.plugins import pm
from datasette_graphql.utils import schema_for_database_via_cache
from graphql import GraphQLError, get_introspection_query, parse
from graphql.language import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    VariableNode,
)

from census.domain.types import Record
from census.web.asgi import App, Message, Receive, Scope, Send, Wrapper
from census.web.graphql.execution import MOST_ANSWER, TOO_LARGE, WORK, Stopped, Work

LIMITS = {"max_bytes": 10_000, "max_cost": 25_000, "time_limit_ms": 1000}
MOST_ROWS = 1000  # what Datasette gives at once
LOOKUP = 20
MOST_SELECTIONS = 1000  # fields and fragments of a document
MOST_PAIRS = 50_000  # of fields of one name
PARAMETERS = ("query", "variables", "operationName", "schema")
INSIDE_A_LIST = {"nodes", "edges", "node", "pageInfo", "totalCount"}

Selecting = FieldNode | InlineFragmentNode | FragmentDefinitionNode | OperationDefinitionNode


def switch_off(datasette: Datasette) -> None:
    """Take GraphQL out of the menus where metadata.yml says `enabled: false`."""
    import datasette_graphql  # not above: it must not be imported before Datasette, which makes a plugin of it

    if not _config(datasette).get("enabled", True) and pm.is_registered(datasette_graphql):
        pm.unregister(datasette_graphql)  # so that no menu leads to it; Datasette may know its routes already


def graphql_limits(datasette: Datasette) -> Wrapper:
    """Return the middleware, by the settings of `datasette`."""
    limits: dict[str, int] | None = None
    if _config(datasette).get("enabled", True):
        limits = {name: _config(datasette).get(name, default) for name, default in LIMITS.items()}
    return limited(path_of(datasette), limits, lambda name: schema_for_database_via_cache(datasette, database=name))


def path_of(datasette: Datasette) -> str:
    """Return the path that GraphQL answers at, a setting of datasette-graphql's own."""
    path: str = _config(datasette).get("path", "/graphql")
    return path


def _config(datasette: Datasette) -> Record:
    config: Record = datasette.plugin_config("datasette-graphql") or {}
    return config


def limited(graphql: str, limits: dict[str, int] | None, prepare: Callable[[str | None], Awaitable[object]]) -> Wrapper:
    """Return an ASGI wrapper that answers 413, 400 or 503 to a GraphQL request that is too large, malformed or slow.

    graphql: the path that GraphQL answers at. limits: as LIMITS; with None, GraphQL is off and answers 404.
    prepare: makes the schema of a database, which takes half a second once and is no request's fault.
    """

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            path = scope.get("path", "")
            if scope["type"] == "http" and (path == graphql or path.startswith(graphql + "/")):
                await answer(scope, receive, send)
            else:
                await app(scope, receive, send)

        async def answer(scope: Scope, receive: Receive, send: Send) -> None:
            if limits is None:
                return await refuse(send, 404, "GraphQL is switched off here.")
            whole = await body_of(receive, limits["max_bytes"] - len(scope.get("query_string", b"")))
            if whole is None:
                return await refuse(send, 413, f"The request is too large: {limits['max_bytes']:,} bytes are allowed.")
            if problem := problem_with(scope.get("query_string", b""), whole, limits["max_cost"]):
                return await refuse(send, 400, problem)
            with contextlib.suppress(KeyError):  # no such database: Datasette says so
                await prepare(scope["path"].removeprefix(graphql).strip("/").removesuffix(".graphql") or None)
            problem_or_answer = await executed(app, scope, whole, Work(limits["time_limit_ms"], limits["max_cost"]))
            if isinstance(problem_or_answer, tuple):
                return await refuse(send, *problem_or_answer)
            for message in problem_or_answer:
                mistaken = message.get("status") == 500  # datasette-graphql's answer to any mistake in a query
                await send({**message, "status": 400} if mistaken else message)
            return None

        return wrapped

    return wrap


async def executed(app: App, scope: Scope, body: bytes, work: Work) -> list[Message] | tuple[int, str]:
    """Return what `app` answers to a request that has been read, or status and sentence where it takes too much."""
    messages: list[Message] = []
    size = 0

    async def receive() -> Message:
        return {"type": "http.request", "body": body, "more_body": False}

    async def keep(message: Message) -> None:
        nonlocal size
        size += len(message.get("body", b""))
        messages.append(message)

    before = WORK.set(work)
    try:
        await asyncio.wait_for(app(scope, receive, keep), work.time_limit_ms / 1000)
    except TimeoutError:
        return work.problem or work.too_slow()
    except (Stopped, asyncio.CancelledError):
        if work.problem is None:  # not stopped: its client has gone
            raise
        return work.problem
    finally:
        WORK.reset(before)
    return (400, TOO_LARGE) if size > MOST_ANSWER else messages


async def body_of(receive: Receive, most: int) -> bytes | None:
    """Return the body of a request, None where it has more than `most` bytes."""
    body, size, more = [], 0, True
    while more and size <= most:
        message = await receive()
        body.append(message.get("body", b""))
        size += len(body[-1])
        more = message.get("more_body", False)
    return None if size > most else b"".join(body)


def problem_with(query_string: bytes, body: bytes, most: int) -> str | None:
    """Return why a request is refused, None where it is not. most: what it may cost."""
    try:
        costs = cost(*query_of(query_string, body), most)
    except (ValueError, GraphQLError, RecursionError) as error:
        return f"That is no GraphQL request: {error}"
    return f"The query could cost more than {most:,}; ask for fewer rows or tables." if costs > most else None


def query_of(query_string: bytes, body: bytes) -> tuple[str, Record]:
    """Return the query and its variables, from a request's body or query string.

    Raises ValueError for what is neither.
    """
    given = parse_qs(query_string.decode("latin-1"), keep_blank_values=True)
    if unknown := [name for name in given if name not in PARAMETERS]:
        raise ValueError(f"'{unknown[0][:60]}' is not a parameter: {', '.join(PARAMETERS)} are")
    if body:
        asked = json.loads(body)
    else:
        if doubled := [name for name, values in given.items() if len(values) > 1]:
            raise ValueError(f"{', '.join(doubled)} is there twice")
        asked = {name: values[0] for name, values in given.items()}
        asked["variables"] = json.loads(asked.get("variables") or "{}")
    if not isinstance(asked, dict):
        raise ValueError('the body must be a JSON object: {"query": "{ … }"}')
    query, variables = asked.get("query") or "", asked.get("variables") or {}
    if not isinstance(query, str) or not isinstance(variables, dict):
        raise ValueError("query must be a text and variables an object")
    return query, variables


def cost(query: str, variables: Record, most: int) -> int:
    """Return what `query` could cost: each value 1, each lookup of a table 20, times the rows.

    Counting stops above `most`.
    """
    if not query.strip():
        return 0
    document = parse(query, no_location=True)
    check_repetition(document)
    fragments = fragments_of(document)
    total = 0
    introspected: set[str] = set()

    def count(node: Selecting, rows: int, inside: tuple[str, ...]) -> None:
        nonlocal total
        for field in node.selection_set.selections if node.selection_set else ():
            if total > most:
                return
            if isinstance(field, FragmentSpreadNode):
                name = field.name.value
                total += 1
                if name in fragments and name not in inside:
                    count(fragments[name], rows, (*inside, name))
            elif isinstance(field, InlineFragmentNode):
                count(field, rows, inside)
            elif not isinstance(field, FieldNode):
                continue  # there is no other kind
            elif field.name.value.startswith("__"):
                total += rows
                check_introspection(field, fragments, introspected)
            elif not field.selection_set or field.name.value in INSIDE_A_LIST:
                total += rows
                count(field, rows, inside)
            else:
                total += LOOKUP * rows
                names = {f.name.value for f in field.selection_set.selections if isinstance(f, FieldNode)}
                is_list = names & INSIDE_A_LIST or len(names) < len(field.selection_set.selections)
                count(field, rows * (first(field, variables) if is_list else 1), inside)

    for operation in operations_of(document):
        count(operation, 1, ())
    return total


def check_repetition(document: DocumentNode) -> None:
    """Check that validating a document takes milliseconds. Raises ValueError.

    graphql-core compares each two fields of one name, and each two fragments, with each other.
    """
    named: Counter[str] = Counter()
    nodes: list[Selecting] = [d for d in document.definitions if isinstance(d, Selecting)]
    while nodes:
        node = nodes.pop()
        for found in node.selection_set.selections if node.selection_set else ():
            if isinstance(found, FieldNode):
                named[(found.alias or found.name).value] += 1
            else:
                named["..."] += 1
            if isinstance(found, Selecting):
                nodes.append(found)
    if sum(named.values()) > MOST_SELECTIONS or sum(times**2 for times in named.values()) > MOST_PAIRS:
        raise ValueError(f"it selects more than {MOST_SELECTIONS:,} fields, or one of them too often")


def first(field: FieldNode, variables: Record) -> int:
    """Return how many rows a field asks for. Raises ValueError for too many."""
    for argument in field.arguments:
        if argument.name.value == "first":
            value = argument.value
            number = variables.get(value.name.value) if isinstance(value, VariableNode) else None
            if isinstance(value, IntValueNode):
                number = int(value.value)
            if isinstance(number, int) and not 1 <= number <= MOST_ROWS:
                raise ValueError(f"first must be 1 to {MOST_ROWS:,}")
            return number if isinstance(number, int) else MOST_ROWS
    return 10  # datasette-graphql's own


def operations_of(document: DocumentNode) -> list[OperationDefinitionNode]:
    """Return the operations of a document. Raises ValueError where it defines a schema."""
    others = [d for d in document.definitions if not isinstance(d, FragmentDefinitionNode)]
    operations = [d for d in others if isinstance(d, OperationDefinitionNode)]
    if len(operations) < len(others):
        raise ValueError("it defines a schema and asks for nothing")
    return operations


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    """Return the fragments of a document by name."""
    return {d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)}


def check_introspection(
    field: FieldNode, fragments: Mapping[str, FragmentDefinitionNode], introspected: set[str]
) -> None:
    """Check that a document asks no more of the schema than the standard query does. Raises ValueError.

    introspected: those of __schema and __type that it has asked for before; this one is added.
    """
    if field.name.value == "__typename":
        return
    if field.name.value in introspected:
        raise ValueError(f"{field.name.value} is answered once in a request")
    introspected.add(field.name.value)
    if field.selection_set and not introspection_paths(field, fragments) <= STANDARD:
        raise ValueError("introspection beyond the standard query is not answered")


def introspection_paths(field: FieldNode, fragments: Mapping[str, FragmentDefinitionNode]) -> set[tuple[str, ...]]:
    """Return the paths of fields below `field` (__schema or __type).

    Raises ValueError for aliases and for far too many.

    Without aliases a field that is asked for again is answered once, so a subset of the standard query costs no more.
    """
    paths: set[tuple[str, ...]] = set()
    steps = 0

    def walk(node: Selecting, path: tuple[str, ...], inside: tuple[str, ...]) -> None:
        nonlocal steps
        for found in node.selection_set.selections if node.selection_set else ():
            steps += 1
            if steps > 2000:
                raise ValueError("introspection beyond the standard query is not answered")
            if isinstance(found, FragmentSpreadNode):
                name = found.name.value
                if name in fragments and name not in inside:
                    walk(fragments[name], path, (*inside, name))
            elif isinstance(found, InlineFragmentNode):
                walk(found, path, inside)
            elif not isinstance(found, FieldNode):
                continue  # there is no other kind
            elif found.alias:
                raise ValueError("introspection with aliases is not answered")
            elif found.name.value != "__typename":
                paths.add((*path, found.name.value))
                walk(found, (*path, found.name.value), inside)

    walk(field, ("types",) if field.name.value == "__type" else (), ())
    return paths


def _standard() -> set[tuple[str, ...]]:
    options = ("descriptions", "specified_by_url", "directive_is_repeatable", "schema_description")
    text = get_introspection_query(**dict.fromkeys((*options, "input_value_deprecation"), True))
    document = parse(text, no_location=True)
    fragments = fragments_of(document)
    [operation] = operations_of(document)
    [schema] = [field for field in operation.selection_set.selections if isinstance(field, FieldNode)]
    return introspection_paths(schema, fragments)


STANDARD = _standard()


async def refuse(send: Send, status: int, problem: str) -> None:
    """Send `problem` as GraphQL clients read errors."""
    body = json.dumps({"errors": [{"message": problem}]}).encode()
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
