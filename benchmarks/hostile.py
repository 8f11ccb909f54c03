"""Requests that want more than their share: by class, generated, each harmless to this machine if the site is.

`tests/stack/test_hostile.py` sends each of them once, `python -m benchmarks.attack` (make attack) all of them on
fifty connections.
"""

import json
import random
from urllib.parse import quote

from graphql import get_introspection_query

from benchmarks.client import Request

ANSWERED = [200, 204, 301, 302, 400, 403, 404, 405, 410, 413, 414, 415, 431, 503]
"""What a hostile request may get: an answer or a refusal, never a 500, never nothing."""

RECURSIVE = "with recursive t(n) as (select 1 union all select n + 1 from t) select"
BLOB = "hex(zeroblob(8000))"


def doubling(depth: int, table: str = "select 1 as x") -> str:
    """Return a statement whose text doubles at each of `depth` steps while SQLite plans it."""
    steps = [f"c0 as ({table})"] + [f"c{n} as (select 1 as x from c{n - 1} t0, c{n - 1} t1)" for n in range(1, depth)]
    return f"with {', '.join(steps)} select count(*) from c{depth - 1}"


def nested(depth: int) -> str:
    """Return the same without a common table expression: subqueries within subqueries."""
    text = "select 1 as x"
    while depth and len(text) < 9000:
        text, depth = f"select 1 as x from ({text}) a, ({text}) b", depth - 1
    return f"select count(*) from ({text})"


PLANNER = {
    "doubled CTEs": doubling(22),
    "more doubled CTEs": doubling(40),
    "doubled tables": doubling(16, "select code as x from soas_2001"),
    "nested subqueries": nested(12),
    "doubled unions": "with "
    + ", ".join(
        ["c0 as (select 1 as x)"] + [f"c{n} as (select * from c{n - 1} union all select * from c{n - 1})"
                                     for n in range(1, 20)]
    )
    + " select count(*) from c19",
    "doubled columns": "with "
    + ", ".join(["c0 as (select 1 as x)"] + [f"c{n} as (select a.*, b.* from c{n - 1} a, c{n - 1} b)"
                                             for n in range(1, 20)])
    + " select * from c19",
    "correlated subqueries": "select " + "(select max(" * 40 + "1" + ") from soas_2001)" * 40,
    "a join of 60 views": "select 1 from " + ", ".join(f"postcode_figures v{n}" for n in range(60)),
    "a join of 64 tables": "select 1 from " + ", ".join(f"soas_2001 v{n}" for n in range(64)) + " where "
    + " and ".join(f"v{n}.name = v{n + 1}.code" for n in range(40)),
    "a sum": "select " + "1+" * 9000 + "1",
    "deep brackets": "select " + "(" * 5000 + "1" + ")" * 5000,
    "many ors": "select count(*) from postcodes where " + " or ".join(f"latitude = {n}" for n in range(1000)),
    "a long in": "select count(*) from postcodes where latitude in (" + ",".join(map(str, range(4000))) + ")",
    "many likes": "select count(*) from postcodes where "
    + " or ".join(f"postcode like '%{n}%_%{n}'" for n in range(190)),
    "many cases": "select case " + " ".join(f"when {n} then {n}" for n in range(1500)) + " end",
    "a long compound": " union all ".join(["select 1"] * 1500),
    "windows": "select " + ", ".join(f"sum(latitude) over (order by longitude + {n})" for n in range(60))
    + " from postcodes",
    "values": "select count(*) from (values " + ",".join(f"({n})" for n in range(3000)) + ")",
}  # fmt: skip

MACHINE = {
    "randomblob": "select randomblob(150000000)",
    "zeroblob": "select zeroblob(1000000000)",
    "zeroblobs in a row": "select " + ", ".join(f"hex(zeroblob({4000 + n}))" for n in range(190)) + " from postcodes",
    "printf": "select printf('%.*c', 1000000000, 'x')",
    "printf many times": "select " + ", ".join(f"printf('%.*c', {10**9 + n}, 'x')" for n in range(100)),
    "format": "select format('%2000000000d', 1)",
    "trim": f"select trim({BLOB}, replace(hex(zeroblob(4000)), '0', 'b') || '0')",
    "like": f"select count(*) from postcodes where {BLOB} like '{'%0' * 99}1'",
    "instr": "select " + ", ".join(f"instr({BLOB}, hex(zeroblob(4000)) || '1{n}')" for n in range(190)),
    "recursion": f"{RECURSIVE} count(*) from t",
    "recursive rows": f"{RECURSIVE} n, {BLOB} from t",
    "recursive tree": f"with recursive t(x, n) as (select {BLOB}, 1 union all"
    f" select hex(zeroblob(7000)) || n, n + 1 from t, (values (1), (2), (3))) select count(*) from t",
    "cartesian join": "select count(*) from postcodes a, postcodes b, postcodes c",
    "grouping": f"select {BLOB} || a.postcode, count(*) from postcodes a, postcodes b group by 1",
    "gathering": "select group_concat(a.postcode) from postcodes a, postcodes b",
    "gathering json": f"select json_group_array({BLOB} || postcode) from postcodes",
    "deep json": "select json(replace(hex(zeroblob(8000)), '0', '['))",
    "every view": "select * from " + ", ".join(f"postcode_figures v{n}" for n in range(60)),
    "a megabyte of SQL": "select '" + "x" * 20_500 + "'",
    "an extension": "select load_extension('/lib/x86_64-linux-gnu/libm.so.6')",
    "our own functions": "select count(postcode_problem(a.postcode)) from postcodes a, postcodes b",
    "the path of the file": "select file from pragma_database_list",
}

DISK = {
    "sorting a product": f"select {BLOB} || b.postcode as x from postcodes a, postcodes b order by x desc limit 1000",
    "a materialised product": f"with m as materialized (select {BLOB} || a.postcode as x from postcodes a, postcodes b)"
    " select count(*) from m, m as n where m.x = n.x",
    "several sorts": " union all ".join(
        f"select * from (select {BLOB} || a.postcode || {n} as x from postcodes a, postcodes b order by x limit 100000)"
        for n in range(8)
    ),
    "distinct": f"select count(distinct {BLOB} || a.postcode || b.postcode) from postcodes a, postcodes b",
}

GRAPHQL = {
    "one field 300 times": "{" + "indices{nodes{id}} " * 300 + "}",
    "one field 100 times": "{" + "indices{nodes{id}} " * 100 + "}",
    "aliases": "{" + " ".join(f"a{n}: postcodes(first: 1000) {{ nodes {{ postcode }} }}" for n in range(99)) + "}",
    "fragments": "{" + " ".join(f"...f{n}" for n in range(150)) + "} "
    + " ".join(f"fragment f{n} on Query {{ indices {{ nodes {{ id }} }} }}" for n in range(150)),
    "fragments in a circle": "{ ...a } fragment a on Query { ...b } fragment b on Query { ...a }",
    "doubling fragments": "{ ...f0 } "
    + " ".join(f"fragment f{n} on Query {{ ...f{n + 1} ...f{n + 1} }}" for n in range(60))
    + " fragment f60 on Query { indices { nodes { id } } }",
    "depth": "{" + "... on Query {" * 700 + "indices { nodes { id } }" + "}" * 701,
    "rows times rows": "{ local_authorities(first: 400) { nodes { small_areas_by_local_authority_list(first: 1000)"
    " { nodes { name postcodes_list(first: 1000) { nodes { postcode } } } } } } }",
    "bombs in where": '{ soas_2001(where: "code in (' + doubling(22) + ')") { nodes { code } } }',
    "introspection again and again": "{" + " ".join(f"a{n}: __schema {{ types {{ name }} }}" for n in range(90)) + "}",
    "the whole schema again and again": "{" + " ".join(f"a{n}: __schema {{ ...S }}" for n in range(170)) + "} "
    "fragment S on __Schema { types { name fields { name description args { name description type { name } } } } }",
    "the whole schema": get_introspection_query(),
    "long names": "{ small_areas(first: 1000) { nodes { " + "a" * 9000 + ": code } } }",
    "names that are nearly right": "{" + " ".join(f"imd_englan_{n:03}" for n in range(600)) + "}",
    "no end": "{" * 4000,
    "a long list": '{ indices(filter: { id: { in: [' + '"a",' * 2000 + "] } }) { nodes { id } } }",
    "slow rows": '{ postcodes(where: "hex(postcode) like \'%9%9%9%9%\'", first: 1000) { nodes { postcode } } }',
}  # fmt: skip

PAGES = [
    "/census/green_space_by_local_authority?authority=",
    "/census/postcodes_in_small_area?code=E01004736",
    "/census/small_areas_by_name?q=west",
    "/census/nearest_postcodes?latitude=51.5&longitude=-0.12",
    "/census/deprivation_in_local_authority?authority=Westminster",
    "/census",
    "/census/postcodes?_size=1000",
    "/census/deprivation.csv?_size=1000&_sort=rank",
    "/census/small_areas.csv?_stream=on&_size=max",
    "/census/postcodes?_facet=local_authority&_facet=lsoa_2011&_facet=terminated&_facet=introduced",
    "/census/postcodes?" + "&".join(f"postcode__contains={n}" for n in range(150)),
    "/census/postcodes.json?_sort=latitude&_next=" + "9" * 2000,
    "/local-authority/W06000015",
    "/health-geography/S08000028",
    "/local-authority/E09000033/areas.csv",
    "/area/E01004736",
    "/search?q=a",
    "/suggest?q=e",
    "/map?q=west",
    "/api/v1/local-authorities/W06000015",
    "/api/v1/areas/E01004736",
    *(f"/deprivation/v2/tiles/public.uk_master_2021_z11_14/14/{column}/5448.pbf" for column in range(8160, 8200)),
    "/download",
    "/-/versions.json",
    "/guide/",
]


def of_sql(statements: dict[str, str]) -> list[Request]:
    """Return each statement as SQL of one's own, and as the filter of a table."""
    asked = [f"/census.json?sql={quote(sql)}" for sql in statements.values()]
    asked += [f"/census/soas_2001.json?_where={quote(f'code in ({sql})')}" for sql in statements.values()]
    return [{"path": path, "statuses": ANSWERED} for path in asked if len(path) < 30_000]


def of_graphql() -> list[Request]:
    """Return each query as it is posted."""
    return [
        {"path": "/graphql", "method": "POST", "body": json.dumps({"query": query}), "statuses": ANSWERED}
        for query in GRAPHQL.values()
    ]


def odd(seed: int = 25, number: int = 150) -> list[Request]:
    """Return requests with odd paths, parameters and methods."""
    generator = random.Random(seed)
    pieces = [
        "%00",
        "%ff",
        "..",
        "%2e%2e",
        "//",
        "~",
        "~7E",
        "'",
        '"',
        "<script>",
        "{{7*7}}",
        "%25",
        "é",
        "\\",
        ";",
        ":",
    ]
    pieces += [
        "census",
        "postcode",
        "SW1A1AA",
        "api/v1/postcodes",
        "graphql",
        "-",
        "_internal",
        ".json",
        ".csv",
        "?_nl=1",
    ]
    names = [
        "_sort",
        "_next",
        "_size",
        "_facet",
        "_col",
        "_through",
        "_search",
        "_labels",
        "_trace",
        "_shape",
        "postcode",
    ]
    values = ["x", "-1", "99999999999999999999", "%00", "null", "[]", "'", "a" * 500, "%F0%9F%98%80"]
    asked: list[Request] = []
    for _ in range(number):
        path = "/" + "/".join(generator.choices(pieces, k=generator.randint(1, 4)))
        query = "&".join(
            f"{generator.choice(names)}={generator.choice(values)}" for _ in range(generator.randint(0, 4))
        )
        path = quote(path, safe="/%?=&~.-_:;") + (("&" if "?" in path else "?") + query if query else "")
        method = generator.choice(["GET"] * 6 + ["HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
        asked.append({"path": path, "method": method, "statuses": ANSWERED})
    return asked


def lists(postcodes: list[str]) -> list[Request]:
    """Return lists of postcodes, as long as may be, and some that are none."""
    many = json.dumps((postcodes * (10_000 // len(postcodes) + 1))[:10_000])
    deep = "[" * 50_000
    return [
        {"path": "/api/v1/postcodes", "method": "POST", "body": body, "statuses": ANSWERED}
        for body in (many, many, many, deep, json.dumps(["x" * 900_000]), json.dumps([None, 1, {}, []] * 2000))
    ]


def classes(postcodes: list[str]) -> dict[str, list[Request]]:
    """Return every class of requests by name. postcodes: real ones, for lists."""
    return {
        "SQL that is hard to plan": of_sql(PLANNER),
        "SQL that is long to run": of_sql(MACHINE),
        "SQL that wants the disk": of_sql(DISK),
        "GraphQL": of_graphql(),
        "pages of many rows": [{"path": path, "statuses": ANSWERED} for path in PAGES],
        "lists of postcodes": lists(postcodes),
        "odd requests": odd(),
    }
