"""Execute GraphQL within bounds of time, values and bytes.

graphql-core resolves introspection, and the rows of a table once they are read, without a pause in which the event loop
could stop it. Here each field is counted, and the whole is stopped at the first one beyond a bound. What was begun and
is not wanted any more is closed, so that Python does not warn of it in the log.
"""

import asyncio
import inspect
import time
from contextvars import ContextVar
from json.encoder import encode_basestring_ascii
from typing import Any

from graphene import Schema
from graphql import (
    ExecutionContext,
    ExecutionResult,
    FieldNode,
    GraphQLError,
    GraphQLLeafType,
    GraphQLObjectType,
    GraphQLOutputType,
    execute,
    parse,
    validate,
)
from graphql.pyutils import Path, is_awaitable

MOST_INTROSPECTED = 100_000  # values of an answer about the schema; GraphiQL asks for 26,000
MOST_ANSWER = 4_000_000  # bytes
MOST_ERRORS = 10  # of a query that is not valid: graphql-core looks for a similar name for each
TOO_LARGE = f"The answer is larger than {MOST_ANSWER:,} bytes; ask for less."


class Stopped(BaseException):
    """A query is beyond a bound. No Exception: graphql-core would make a null of it and go on."""


class Work:
    """What one query may still take. problem: status and sentence, once it is beyond a bound."""

    def __init__(self, time_limit_ms: int, most_values: int) -> None:
        self.time_limit_ms = time_limit_ms
        self.deadline = time.monotonic() + time_limit_ms / 1000
        self.values, self.introspected, self.size = most_values, MOST_INTROSPECTED, MOST_ANSWER
        self.most_values = most_values
        self.problem: tuple[int, str] | None = None
        self.task: asyncio.Task[Any] | None = None
        self.coroutines: list[Any] = []

    def count_field(self, name: str, introspection: bool) -> None:
        """Count a field of this name in the answer. Raises Stopped."""
        if introspection:
            self.introspected -= 1
        else:
            self.values -= 1
        self.count_bytes(len(name) + 6)
        if time.monotonic() > self.deadline:
            self.stop(*self.too_slow())
        if self.values < 0 or self.introspected < 0:
            most = MOST_INTROSPECTED if introspection else self.most_values
            self.stop(400, f"The answer has more than {most:,} values; ask for less.")

    def count_bytes(self, size: int) -> None:
        """Count bytes of the answer. Raises Stopped."""
        self.size -= size
        if self.size < 0:
            self.stop(400, TOO_LARGE)

    def too_slow(self) -> tuple[int, str]:
        """Return status and sentence for a query that took too long."""
        return 503, f"The query took longer than {self.time_limit_ms} ms; ask for less."

    def stop(self, status: int, why: str) -> None:
        """Stop the query, with all that runs for it next to the calling task. Raises Stopped."""
        if self.problem is None:
            self.problem = status, why
            if self.task is not None and self.task is not asyncio.current_task():
                self.task.cancel()
        raise Stopped

    def is_awaitable(self, value: object) -> bool:
        """Return whether `value` is awaited, and keep it where it could be forgotten."""
        if not is_awaitable(value):
            return False
        if inspect.iscoroutine(value):
            self.coroutines.append(value)
        return True

    def close(self) -> None:
        """Close what was not begun."""
        for coroutine in self.coroutines:
            if inspect.getcoroutinestate(coroutine) == inspect.CORO_CREATED:
                coroutine.close()
        self.coroutines.clear()


WORK: ContextVar[Work | None] = ContextVar("graphql_work", default=None)


class Execution(ExecutionContext):
    """graphql-core's execution, each field, value and error of which is counted."""

    def execute_field(
        self, parent_type: GraphQLObjectType, source: Any, field_nodes: list[FieldNode], path: Path
    ) -> Any:
        """Count a field, then resolve it. Raises Stopped."""
        if work := WORK.get():
            work.count_field(str(path.key), parent_type.name.startswith("__"))
        return super().execute_field(parent_type, source, field_nodes, path)

    @staticmethod
    def complete_leaf_value(return_type: GraphQLLeafType, result: Any) -> Any:
        """Return a value as it is in the answer, counted. Raises Stopped."""
        value = ExecutionContext.complete_leaf_value(return_type, result)
        if work := WORK.get():
            work.count_bytes(len(encode_basestring_ascii(value)) if isinstance(value, str) else 1)
        return value

    def handle_field_error(self, error: GraphQLError, return_type: GraphQLOutputType, path: Path) -> None:
        """Count an error, then keep it. Raises Stopped."""
        if work := WORK.get():
            work.count_bytes(len(error.message))
        super().handle_field_error(error, return_type, path)


unbounded = Schema.execute_async


async def execute_bounded(schema: Schema, query: str, **options: Any) -> ExecutionResult:
    """Return the answer to `query`, as Schema.execute_async does. Raises Stopped."""
    work = WORK.get()
    if work is None:
        answer: ExecutionResult = await unbounded(schema, query, **options)
        return answer
    work.task = asyncio.current_task()
    try:
        document = parse(query)
        if errors := validate(schema.graphql_schema, document, max_errors=MOST_ERRORS):
            return ExecutionResult(None, errors)
        result = execute(
            schema.graphql_schema,
            document,
            execution_context_class=Execution,
            is_awaitable=work.is_awaitable,
            **options,
        )
        return await result if inspect.isawaitable(result) else result
    except GraphQLError as error:
        return ExecutionResult(None, [error])
    finally:
        work.close()


def apply() -> None:
    """Let datasette-graphql execute its queries so."""
    Schema.execute_async = execute_bounded
