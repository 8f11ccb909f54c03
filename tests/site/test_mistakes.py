"""A mistake of the caller's is a 400 or 404 that names it; never rows that were not asked for, never a 500."""

import asyncio
import html
import random
from urllib.parse import quote, urlencode

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from census.schema import hosted
from tests.conftest import ROOT, THOROUGH

CENSUS = hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text()))["databases"]["census"]


def get(site, address: str):
    return asyncio.run(site.client.get(address))


@pytest.mark.parametrize(
    ("address", "named"),
    {
        "/census/small_areas.json?nation__is=Wales": "'is' is not an operator",
        "/census/small_areas.json?natoin=Wales": "nor a parameter. Is nation meant?",
        "/census/small_areas.csv?natoin__exact=Wales": "'natoin'",
        "/census/small_areas?natoin=Wales": "'natoin'",
        "/census/small_areas.json?nation__=Wales": "'' is not an operator",
        "/census/small_areas.json?_shape=bogus": "'bogus' is not a shape",
        "/census/small_areas?_shape=bogus": "bogus",
        "/census.json?sql=select+1&_shape=bogus": "'bogus' is not a shape",
        "/census/imd_by_postcode.json?_shape=bogus": "'bogus' is not a shape",
        "/census/deprivation/E01004736,england_2025.json?_shape=bogus": "'bogus' is not a shape",
        "/census.json?_shape=array": "'_shape' is not a parameter of the list of tables",
        "/census.json?sql=select+1&_shape=object": "_shape=object is for tables",
        "/census/edition_notes.json?_shape=object": "_shape=object is for tables",
        "/census/small_areas.json?_size=9&_szie=9": "'_szie' is not a parameter of small_areas. Is _size meant?",
        "/census/small_areas.json?utm_source=x": "'utm_source'",
        "/census/small_areas.json?_=1700000000": "'_' is not a parameter",
        "/census/small_areas/E01004736.json?x=1": "'x' is not a parameter of a row",
        "/census.json?tables=1": "'tables' is not a parameter of the list of tables",
        "/census.json?sql=select+:a&b=1": "'b' is not a parameter of this SQL, which takes a",
        "/census.csv?sql=select+1&b=1": "'b' is not a parameter of this SQL",
        "/census.json?sql=select+1&_size=3": "_size is for tables",
        "/census.json?sql=select+1&_next=3": "'_next' is not a parameter",
        "/census/imd_by_postcode.json?postcode=x&_size=3": "_size is for tables",
        "/census/imd_by_postcode.json?post_code=x": "'post_code' is not a parameter of imd_by_postcode",
        "/census/postcodes.json?_search=x": "postcodes has no search",
        "/census/small_areas.json?_search_nme=x": "'_search_nme'",
        "/census/small_areas.json?_fts_table=lsoas_2011_fts&_search=x": "'_fts_table'",
        "/census/small_areas.json?_search=x&_searchmode=rwa": "_searchmode is raw or escaped",
        "/census/small_areas.json?_sort=nope": "_sort: 'nope' is not a column",
        "/census/small_areas.json?_sort_desc=nope": "'nope' is not a column",
        "/census/small_areas.json?_sort=code&_sort_desc=code": "_sort and _sort_desc are there both",
        "/census/small_areas.json?_sort=code&_sort=name": "Duplicate parameter '_sort'",
        "/census/small_areas.json?_through=x": "_through must be JSON",
        "/census/small_areas.json?_through=[1]": "_through must be JSON",
        '/census/small_areas.json?_through={"table":"nope","column":"a","value":1}': "_through: its table is none",
        '/census/small_areas.json?_through={"table":"indices","column":"id","value":1}': "does not lead to small_areas",
        "/census/small_areas.json?_col=nope": "nope",
        "/census/small_areas.json?_label=nope": "_label: 'nope' is not a column",
        "/census/small_areas.json?_json=nope": "_json: 'nope' is not a column",
        "/census/small_areas.json?_labels=maybe": "_labels is on or off",
        "/census/small_areas.json?_size=-1": "_size",
        "/census/small_areas.json?_size=many": "_size",
        "/census/small_areas.json?_size=1001": "_size",
        "/census/small_areas.json?_timelimit=soon": "_timelimit is a number of milliseconds",
        "/census/small_areas.json?_next=%00": "_next is not what a page of these rows",
        "/census/indices.json?_next=a,b": "_next is not what a page of these rows",
        "/census/small_areas.json?_next=a": "_next is not what a page of these rows",
        "/census/small_areas.json?_sort=nation&_next=a": "_next is not what a page of these rows",
        "/census/deprivation.json?_next=%00": "_next is not what a page of these rows",
        "/census/postcode_places.json?_next=x": "_next is not what a page of these rows",
        "/census/small_areas.csv?_stream=on&_next=a": "_next",
        "/census/deprivation.json?rank__gt=abc": "rank is a number",
        "/census/deprivation.json?rank__lte=": "rank is a number",
        "/census/deprivation.json?rank__gt=²": "rank is a number",
        "/census/deprivation.json?rank__gt=99999999999999999999": "too large a number",
        "/census/deprivation.json?rank__in=[1": "neither a list in JSON",
        "/census/deprivation.json?rank__in=[[1]]": "neither a list in JSON",
        "/census/small_areas.json?_where=nope=1": "no such column: nope",
        "/search?q=x&utm_source=x": "utm_source",
        "/?fbclid=x": "fbclid",
        "/map?layers=uk_2011": "layers",
        "/map?layer=uk_2011&layer=uk_latest": "layer",
        "/spreadsheet?index=x": "index",
        "/postcode/SW1A1AA?index=england_2019": "index",
        "/area/E01004736?year=2019": "year",
        "/local-authority/E09000033?year=2019": "year",
        "/area/E01004736/areas.csv?year=2019": "year",
        "/download?format=csv": "format",
        "/download.json?x=1": "'x'",
        "/api/v1?x=1": "x",
        "/api/v1/postcodes/SW1A1AA?year=2019": "year",
        "/api/v1/postcodes/SW1A1AA?utm_source=x": "utm_source",
        "/graphql?query={indices{totalCount}}&x=1": "'x' is not a parameter",
    }.items(),
)
def test_a_mistake_is_named(extract_site, address, named):
    answer = get(extract_site, quote(address, safe="/?&=%:,+'(){}[]"))
    assert answer.status_code == 400, answer.text[:300]
    assert named in html.unescape(answer.text).replace('\\"', '"'), answer.text[-1500:]


@pytest.mark.parametrize(
    "asked",
    [
        "_size=max&_labels=on&_extra=count&_extra=next_url&_shape=objects",  # what the map of a table's page asks for
        "_labels=on&_labels=on&_nofacet=1&_nocount=1",
        "_col=name&_col=nation&_nocol=name",
        "name__contains=a&name__contains=b&name__exact=&_search=&_sort=&_where=1&_where=2",
        "_filter_column=&_filter_op=exact&_filter_value=",
    ],
)
@pytest.mark.parametrize("table", ["small_areas", "local_authorities"])
def test_what_datasettes_own_pages_ask_for_is_answered(extract_site, table, asked):
    assert get(extract_site, f"/census/{table}.json?{asked}").status_code in (200, 302)


@pytest.mark.parametrize(
    "address",
    [
        "/census/deprivation/E01004736.json",
        "/census/deprivation/E01004736",
        "/census/deprivation/E01004736,england_2025,x.json",
        "/census/small_areas/E01004736,x.json",
        "/census/small_areas/nope.json",
        "/census/nope.json",
        "/census/nothing.json",
        "/census/select",
        "/census/order/by.json",
        "/census/small_areas_fts_idx.json",
        "/census/small_areas_fts_data/1.json",
        "/census/nope/x.json",
        "/census/small_areas.xml",
        "/census/deprivation/E01004736,england_2025.xml",
        "/census.xml",
        "/nope.json",
        "/nope/small_areas.json?x=1",
    ],
)
def test_what_is_not_there_is_not_found(extract_site, address):
    assert get(extract_site, address).status_code == 404


@pytest.mark.parametrize(
    ("encoded", "plain"),
    {
        "deprivation/E01004736%2Cengland_2025": "deprivation/E01004736,england_2025",
        "deprivation/E01004736%2cengland_2025": "deprivation/E01004736,england_2025",
        "postcodes/SW1A%201AA": "postcodes/SW1A+1AA",
    }.items(),
)
def test_a_key_may_be_percent_encoded(extract_site, encoded, plain):
    for form in ("", ".json", ".csv"):
        one, other = (get(extract_site, f"/census/{key}{form}") for key in (encoded, plain))
        assert (one.status_code, other.status_code) == (200, 200), form
    assert one.text == other.text


def test_a_changed_statement_leaves_its_old_parameters_behind(extract_site):
    answer = get(extract_site, "/census?sql=select+:a&a=1&b=2&_hide_sql=1")
    assert (answer.status_code, answer.headers["location"]) == (302, "?sql=select+%3Aa&a=1&_hide_sql=1")


@pytest.mark.parametrize(
    ("search", "rows"),
    {
        "Camd*": 133,
        "camden": 133,
        '"Camden 001"': 0,
        '"Camden 001*': 0,
        '"Camden 001A"': 1,
        '"Camden 001"*': 5,
        "Camden 001*": 5,
        " ": 1573,
        "": 1573,
        "*": 1573,
        "&": 0,
        "Camden & 001A": 1,
        'Camden "001A"': 1,
        "Camden -001A": 1,
        "Camden OR": 0,
        "NEAR(": 0,
    }.items(),
)
def test_a_search_is_of_words_and_their_beginnings(extract_site, search, rows):
    answer = get(extract_site, f"/census/small_areas.json?{urlencode({'_search': search})}")
    assert (answer.status_code, answer.json()["filtered_table_rows_count"]) == (200, rows)
    asked = f'{{ small_areas(search: "{search}") {{ totalCount }} }}'.replace('"', '\\"', 0)
    if '"' not in search:
        told = asyncio.run(extract_site.client.post("/graphql", json={"query": asked})).json()
        assert told == {"data": {"small_areas": {"totalCount": rows}}}


ALIKE = [
    ('filter: {name: {in: ["Bristol, City of", "Camden"]}}', "name in ('Bristol, City of', 'Camden')"),
    ('filter: {name: {notin: ["Bristol, City of"]}}', "name <> 'Bristol, City of'"),
    ('filter: [{name: {startswith: "B"}}, {name: {startswith: "Br"}}]', "name like 'Br%'"),
    ('filter: [{name: {startswith: "Br"}}, {name: {startswith: "B"}}]', "name like 'Br%'"),
    ("filter: {successor: {isnull: false}}", "successor is not null"),
    ("filter: {successor: {notnull: false}}", "successor is null"),
    ("where: \"name = 'Camden' or name = 'Brent'\", filter: {nation: {eq: \"Wales\"}}", "false"),
]


@pytest.mark.parametrize(("arguments", "condition"), ALIKE)
def test_graphql_chooses_the_rows_that_sql_does(extract_site, arguments, condition):
    query = f"{{ local_authorities({arguments}) {{ totalCount }} }}"
    answer = asyncio.run(extract_site.client.post("/graphql", json={"query": query})).json()
    sql = urlencode({"sql": f"select count(*) from local_authorities where {condition}", "_shape": "arrayfirst"})
    assert [answer["data"]["local_authorities"]["totalCount"]] == get(extract_site, f"/census.json?{sql}").json()


@pytest.mark.parametrize("condition", ["gt: 53.5", "lte: 53.5", "gt: 53", "in: [53.5]"])
def test_graphql_compares_decimals(extract_site, condition):
    query = f"{{ small_areas(filter: {{latitude: {{{condition}}}}}) {{ totalCount }} }}"
    answer = asyncio.run(extract_site.client.post("/graphql", json={"query": query})).json()
    operator, number = condition.split(": ")
    sql = f"latitude {dict(gt='>', lte='<=').get(operator, 'in')} {number.replace('[', '(').replace(']', ')')}"
    asked = urlencode({"sql": f"select count(*) from small_areas where {sql}", "_shape": "arrayfirst"})
    assert [answer["data"]["small_areas"]["totalCount"]] == get(extract_site, f"/census.json?{asked}").json()


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ('{ small_areas(where: "nope") { totalCount } }', "no such column: nope"),
        ('{ small_areas(after: "a,b,c") { totalCount } }', "_next is not what"),
        ("{ small_areas(sort: code, sort_desc: code) { totalCount } }", "_sort and _sort_desc"),
        ("{ small_areas(filter: {code: {eq: null}}) { totalCount } }", "isnull"),
    ],
)
def test_graphql_says_what_is_wrong(extract_site, query, named):
    answer = asyncio.run(extract_site.client.post("/graphql", json={"query": query}))
    assert (answer.status_code, named in answer.text) == (400, True), answer.text


FORMATS = ("", ".json", ".csv", ".jsono", ".blob", ".xml")
ROWS = ("E01004736", "E01004736,england_2025", "SW1A+1AA", "SW1A%201AA", "a,b,c", "%00", "~00", "~", ",", "é")
PLACES = [
    *(f"/census{form}" for form in FORMATS),
    *(f"/census/{name}{form}" for name in (*CENSUS["tables"], *CENSUS["queries"], "nope") for form in FORMATS),
    *(f"/census/{name}/{row}{form}" for name in CENSUS["tables"] for row in ROWS for form in FORMATS),
    *(
        "/",
        "/.json",
        "/search",
        "/suggest",
        "/map",
        "/spreadsheet",
        "/download",
        "/download.json",
        "/graphql",
        "/api/v1",
    ),
    *(f"/{kind}/{row}" for kind in ("postcode", "area", "local-authority", "health-geography") for row in ROWS),
    *(f"/area/E01004736/areas.{form}" for form in ("csv", "json", "xml")),
    *(f"/api/v1/{kind}/{row}" for kind in ("postcodes", "areas", "local-authorities", "indices") for row in ROWS),
    *("/-/versions.json", "/-/metadata", "/-/plugins.json", "/-/settings", "/-/databases.json", "/-/actor.json"),
    *("/-/ready", "/-/health", "/-/logout", "/robots.txt", "/guide/", "/census.db.json", "/_memory", "/_internal.json"),
]
NAMES = (
    "_shape _size _next _sort _sort_desc _sort_by_desc _search _search_name _searchmode _where _through _col _nocol"
    " _facet _facet_array _facet_date _facet_size _label _labels _json _json_infinity _nl _dl _stream _header _trace"
    " _ttl _timelimit _nofacet _nocount _nosuggest _extra _extras _blob_column _blob_hash _hide_sql _show_sql"
    " _show_hidden _filter_column _filter_op _filter_value _filter_column_1 _filter_op_1 _fts_table _fts_pk _context"
    " _format sql name nation code rank name__in rank__gt rank__lt nation__contains name__like name__glob code__date"
    " code__isnull name__arraycontains year index quantile postcode q layer measure query variables fields digest"
    " _exact __exact a__b__c"
).split()
VALUES = (
    *(
        "",
        "on",
        "off",
        "1",
        "0",
        "-1",
        "1e9",
        "99999999999999999999",
        "²",
        "max",
        "array",
        "object",
        "arrayfirst",
        "objects",
    ),
    *(
        "code",
        "nation",
        "name",
        "rank",
        "nope",
        "rowid",
        "latest",
        "england_2019",
        "2019",
        "x",
        "%",
        "*",
        '"',
        "'",
        "[",
        "[1",
    ),
    *('["a"]', "[[1]]", "{}", "null", '{"table":"small_areas","column":"code","value":"x"}', "{indices{totalCount}}"),
    *("$null,E01004736", "England,E01004736", "a,b,c", ",", "\0", "é", "\ud7ff", "select 1", "select :a", "select"),
    *("select * from postcodes", "1=1", "1=1 --", "1=1) or (1=1", "/*", "E01004736", "SW1A 1AA", "exact", "is__null"),
)
addresses = st.tuples(
    st.sampled_from(PLACES),
    st.lists(
        st.tuples(st.sampled_from(NAMES) | st.text(max_size=6), st.sampled_from(VALUES) | st.text(max_size=8)),
        max_size=4,
    ),
)


@settings(max_examples=4000 if THOROUGH else 400, deadline=None, suppress_health_check=list(HealthCheck))
@given(addresses)
def test_no_address_with_any_parameters_is_a_mistake_of_ours(extract_site, asked):
    path, parameters = asked
    query = urlencode(parameters, errors="replace")
    answer = get(extract_site, quote(path, safe="/%,~+.") + (f"?{query}" if query else ""))
    assert answer.status_code < 500, (path, parameters, answer.text[:300])


def test_each_value_of_each_parameter_of_a_table(extract_site):
    """Every pair (where the tests are thorough), and at times a second parameter beside it."""
    seen = random.Random(26)

    async def every() -> None:
        for name in NAMES:
            for value in VALUES if THOROUGH else seen.sample(VALUES, 8):
                more = [(seen.choice(NAMES), seen.choice(VALUES))] if seen.random() < 0.3 else []
                table, form = (
                    seen.choice(("small_areas", "deprivation", "edition_notes", "indices")),
                    seen.choice(FORMATS),
                )
                address = f"/census/{table}{form}?{urlencode([(name, value), *more])}"
                answer = await extract_site.client.get(address)
                assert answer.status_code < 500, (address, answer.text[:300])

    asyncio.run(every())
