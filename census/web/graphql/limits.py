"""Bound what a GraphQL request may cost, and switch GraphQL off.

datasette-graphql bounds the number of its table queries and checks its time between them. It bounds neither the size of
a request nor how many rows foreign keys are followed for, and 60,000 of those keep a server busy for ten seconds. Here
a request above `max_bytes` is refused, and so is one that could cost more than `max_cost` (a value costs 1, a lookup of
another table 20, times the rows: `cost.py`). One that takes longer than `time_limit_ms` is stopped, or whose answer is
larger than 4 MB (`execution.py`). `enabled: false` switches GraphQL off. The settings are in metadata.yml, under
plugins: datasette-graphql.
"""

import asyncio
import contextlib
import json
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from datasette.app import Datasette
from datasette.plugins import pm
from datasette_graphql.utils import schema_for_database_via_cache
from graphql import GraphQLError

from census.domain.types import Record
from census.web.asgi import App, Message, Receive, Scope, Send, Wrapper
from census.web.graphql.cost import cost
from census.web.graphql.execution import MOST_ANSWER, TOO_LARGE, WORK, Stopped, Work

LIMITS = {"max_bytes": 10_000, "max_cost": 25_000, "time_limit_ms": 1000}
PARAMETERS = ("query", "variables", "operationName", "schema")


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
            body = await body_of(receive, limits["max_bytes"] - len(scope.get("query_string", b"")))
            if body is None:
                return await refuse(send, 413, f"The request is too large: {limits['max_bytes']:,} bytes are allowed.")
            if problem := problem_with(scope.get("query_string", b""), body, limits["max_cost"]):
                return await refuse(send, 400, problem)
            with contextlib.suppress(KeyError):  # no such database: Datasette says so
                await prepare(scope["path"].removeprefix(graphql).strip("/").removesuffix(".graphql") or None)
            problem_or_answer = await executed(app, scope, body, Work(limits["time_limit_ms"], limits["max_cost"]))
            if isinstance(problem_or_answer, tuple):
                return await refuse(send, *problem_or_answer)
            for message in problem_or_answer:
                is_error = message.get("status") == 500  # datasette-graphql's answer to any mistake in a query
                await send({**message, "status": 400} if is_error else message)
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
        request = json.loads(body)
    else:
        if doubled := [name for name, values in given.items() if len(values) > 1]:
            raise ValueError(f"duplicate parameter {', '.join(doubled)}")
        request = {name: values[0] for name, values in given.items()}
        request["variables"] = json.loads(request.get("variables") or "{}")
    if not isinstance(request, dict):
        raise ValueError('the body must be a JSON object: {"query": "{ … }"}')
    query, variables = request.get("query") or "", request.get("variables") or {}
    if not isinstance(query, str) or not isinstance(variables, dict):
        raise ValueError("query must be a text and variables an object")
    return query, variables


async def refuse(send: Send, status: int, problem: str) -> None:
    """Send `problem` as GraphQL clients read errors."""
    body = json.dumps({"errors": [{"message": problem}]}).encode()
    headers = [(b"content-type", b"application/json; charset=utf-8")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
