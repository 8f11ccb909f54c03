"""GraphQL: what one query may take of time, values and bytes, and that nothing of it is left when it is stopped."""

import asyncio
import gc
import json
import warnings

import graphene
import pytest
from graphql import get_introspection_query, parse, validate

from census.web.graphql import execution as graphql_execution
from census.web.graphql import limits as graphql_limits
from census.web.graphql.execution import Work, execute_bounded

STANDARD = get_introspection_query()
EACH_TYPE = "kind name description fields(includeDeprecated: true) { name type { kind name ofType { kind name } } }"


@pytest.fixture(autouse=True)
def _an_hour_for_each_query(monkeypatch):
    """The bounds are tried here, and not how fast the machine is."""
    monkeypatch.setattr(graphql_limits, "Work", lambda _limit_ms, most: Work(3_600_000, most))


def posted(site, query: str):
    return asyncio.run(site.client.post("/graphql", json={"query": query}))


@pytest.mark.parametrize(
    "query",
    [
        "{"
        + " ".join(f"a{n}: __schema {{ ...S }}" for n in range(170))
        + "} fragment S on __Schema { types { name } }",
        "{ a: __schema { types { name } } b: __schema { types { name } } }",
        "{ __schema { types { name } } __schema { types { kind } } }",
        "{ ...F ...G } fragment F on Query { __schema { types { name } } }"
        " fragment G on Query { a: __schema { types { name } } }",
        '{ a: __type(name: "indices") { name } b: __type(name: "edition") { name } }',
        "query A { __schema { types { name } } } query B { __schema { types { name } } }",
        "{ __schema { types { fields { type { fields { name } } } } } }",
        '{ __type(name: "indices") { fields { type { fields { name } } } } }',
        '{ __type(name: "indices") { a: fields { name } b: fields { name } } }',
        "{ __schema { types { possibleTypes { possibleTypes { name } } } } }",
        "{ __schema { types { ofType { name fields { name } } } } }",
        "{ __schema { types { a: __typename b: __typename } } }",
        "{ __schema { types { ...T } } } fragment T on __Type { fields { type { ...T } } }",
    ],
)
def test_the_schema_is_answered_once_in_a_request(extract_site, query):
    answer = posted(extract_site, query)
    assert answer.status_code == 400, answer.text[:300]
    assert json.loads(answer.text)["errors"]


def test_graphiql_is_told_of_the_whole_schema(extract_site):
    answer = posted(extract_site, STANDARD)
    assert answer.status_code == 200, answer.text[:300]
    types = {each["name"] for each in answer.json()["data"]["__schema"]["types"]}
    assert len(types) > 100
    assert "postcodes" in types
    one = posted(extract_site, f'{{ __typename __type(name: "indices") {{ {EACH_TYPE} }} }}')
    assert one.json()["data"]["__type"]["name"] == "indices"


def test_a_query_of_many_values_is_stopped_while_it_resolves(extract_site, monkeypatch):
    monkeypatch.setattr(graphql_execution, "MOST_INTROSPECTED", 5000)
    answer = posted(extract_site, STANDARD)
    assert (answer.status_code, "5,000 values" in answer.text) == (400, True)


@pytest.mark.parametrize(
    "query",
    [
        "{ __schema { types { fields { name description type { name kind ofType { name } } } } } }",
        "{ small_areas(first: 1000) { nodes { code name nation } } }",
        "{ small_areas(first: 200) { nodes { code name local_authority { name } } } }",
    ],
)
def test_what_resolves_without_a_pause_ends_at_its_deadline(extract_site, monkeypatch, query):
    assert posted(extract_site, query).status_code == 200, "within its time"
    seen, count = [], Work.count_field

    def late(work, name, introspection):
        seen.append(name)
        if len(seen) == 50:
            work.deadline = 0
        count(work, name, introspection)

    monkeypatch.setattr(Work, "count_field", late)
    answer = posted(extract_site, query)
    assert (answer.status_code, "took longer than" in answer.text) == (503, True), answer.text[:300]
    assert len(seen) < 100, "it went on"


@pytest.mark.parametrize(
    "query",
    [
        "{ small_areas(first: 1000) { nodes { " + "a" * 5000 + ": code } } }",
        "{ local_authorities(first: 300) { nodes { " + "a" * 8000 + ": small_areas_by_local_authority_list(first: 1, "
        'where: "x") { totalCount } } } }',
        "{ small_areas(first: 700) { nodes { " + " ".join(f"{'a' * 230}{n}: code" for n in range(30)) + " } } }",
    ],
)
def test_an_answer_has_at_most_four_megabytes(extract_site, query):
    answer = posted(extract_site, query)
    assert answer.status_code == 400
    assert "4,000,000 bytes" in answer.text, answer.text[:300]
    assert len(answer.content) < 1000


def test_the_answer_that_is_sent_is_measured_too():
    async def answering(_scope, _receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"x" * (graphql_execution.MOST_ANSWER + 1)})

    found = asyncio.run(graphql_limits.executed(answering, {"type": "http"}, b"", Work(1000, 10)))
    assert found == (400, graphql_execution.TOO_LARGE)


def test_a_query_that_is_not_valid_is_refused_after_some_errors(extract_site):
    answer = posted(extract_site, "{" + " ".join(f"imd_englan_{n:03}" for n in range(600)) + "}")
    assert answer.status_code == 400
    errors = answer.json()["errors"]
    assert "Cannot query field 'imd_englan_000'" in errors[0]["message"]
    assert len(errors) <= graphql_execution.MOST_ERRORS + 1


def test_many_tables_in_one_query_are_answered(extract_site):
    answer = posted(extract_site, "{" + " ".join(f"a{n}: indices {{ totalCount }}" for n in range(24)) + "}")
    assert answer.status_code == 200, answer.text[:300]
    assert len(answer.json()["data"]) == 24


class Row(graphene.ObjectType):
    """A row that leads to another, which takes as long as `go` says."""

    name = graphene.String()
    other = graphene.Field(lambda: Row)
    others = graphene.List(lambda: Row)
    go = asyncio.Event()

    async def resolve_name(self, _info):
        await asyncio.sleep(0)
        return "x"

    async def resolve_other(self, _info):
        await Row.go.wait()
        return Row()

    async def resolve_others(self, _info):
        await asyncio.sleep(0)
        return [Row() for _ in range(7)]


class Query(Row):
    pass


MADE_UP = graphene.Schema(query=Query, types=[Row])
DEEP = "{ name other { name } others { name others { name other { name } others { name } } } }"


async def stopped(cancel_after: int, *, at_deadline: bool) -> None:
    """Stop a query after so many turns of the loop, or fields."""
    Row.go = asyncio.Event()
    fields, work = 0, Work(60_000, 100_000)

    async def app(_scope, _receive, _send):
        await execute_bounded(MADE_UP, DEEP)

    def count_field(*given):
        nonlocal fields
        fields += 1
        if fields > cancel_after:
            work.deadline = 0
        Work.count_field(work, *given)

    if at_deadline:
        work.count_field = count_field
    running = asyncio.ensure_future(graphql_limits.executed(app, {}, b"", work))
    if at_deadline:
        assert (await asyncio.wait_for(running, 10))[0] == 503
    else:
        for _ in range(cancel_after):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(asyncio.all_tasks()) == 1, "something of it goes on"


@pytest.mark.parametrize("at_deadline", [False, True])
def test_a_query_that_is_stopped_leaves_nothing(monkeypatch, at_deadline):
    assert validate(MADE_UP.graphql_schema, parse(DEEP)) == []
    said = []
    monkeypatch.setattr("sys.unraisablehook", lambda told: said.append(str(told)))

    async def run():
        asyncio.get_running_loop().set_exception_handler(lambda _loop, told: said.append(str(told)))
        for moment in (*range(1, 12), 15, 25, 45, 70):
            await stopped(moment, at_deadline=at_deadline)
            assert said == [], moment

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        asyncio.run(run())
        gc.collect()
    assert said + [str(warning.message) for warning in found] == []
