"""The API: the same figures as the canned queries, the statuses, the errors, lists, HTTP, and what it bears."""

import asyncio
import csv
import gzip
import io
import json
import os
import random
import re
import string
import subprocess
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import orjson
import pytest
import requests

from census.lookup.database import Lookup
from census.lookup.postcode_lists import many
from census.lookup.postcodes import FIELDS, QUANTILE_FIELDS, one
from census.schema.indices import indices as band_rules
from census.web.api.v1 import ANSWER, AT_ONCE, IN_A_LIST, MOST_BYTES, MOST_POSTCODES, V1
from census.web.state import Site
from sources.registry import publications
from tests.canned import canned, canned_sql
from tests.conftest import ROOT, THOROUGH, datasette_of, site_of

BASE = "/api/v1"
FEW = "status,index_id,rank,decile,quintile"
INDICES = ("", "latest", "2019", "2025", *(p.index.id for p in publications() if p.index))
BANDS_OF_WALES_2025 = (191, 382, 574, 766, 958, 1149, 1341, 1533, 1724, 1917)


@pytest.fixture(scope="module")
def lookup(extract_db):
    opened = Lookup(extract_db, band_rules(), immutable=True)
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def v1(lookup):
    return V1(lookup)


@pytest.fixture(scope="module")
def postcodes(lookup):
    """10,000 postcodes of the extract, all that no index covers among them."""
    sql = "select postcode from postcodes where lsoa_2011 is {} null order by postcode"
    covered = [row["postcode"] for row in lookup.rows(sql.format("not"))]
    return random.Random(1).sample(covered, 9_500) + [row["postcode"] for row in lookup.rows(sql.format(""))][:500]


def asked(site, method: str, path: str, **options):
    """What the site answers; `path` is what follows /api/v1."""

    async def ask():
        return await site.client.request(method, BASE + path, **options)

    return asyncio.run(ask())


def get(site, path: str, **options):
    return asked(site, "GET", path, **options)


def post(site, body, content_type="application/json", query="", **headers):
    body = body if isinstance(body, str | bytes) else json.dumps(body)
    return asked(site, "POST", "/postcodes" + query, content=body, headers={"content-type": content_type, **headers})


def test_the_api_and_the_canned_queries_never_disagree(v1, lookup, postcodes):
    indices, statuses = random.Random(2), Counter()
    some = postcodes if THOROUGH else [*postcodes[:1000], *postcodes[-200:]]
    for postcode in [*some, "ZZ99 3VZ", "ZZ1 1ZZ", "nope", "", "SW1A-1AA"]:
        index, q = indices.choice(INDICES), indices.choice((2, 3, 4, 5, 7, 10, 20, 100))
        [told] = canned(lookup, "imd_by_postcode", postcode=postcode, index=index)
        statuses[told["status"]] += 1
        answer = one(lookup, postcode, index)
        for name in set(told) & set(FIELDS):
            assert getattr(answer, name) == told[name], (postcode, index, name)
        through = v1.get(f"postcodes/{postcode}", f"index={index}&quantile={q}".encode())
        body = orjson.loads(through.body)
        if through.status != 200:
            assert body["reason"] in (told["status"], "index_of_another_nation", "unknown_route"), body
            assert body["reason"] != told["status"] or told["status"] in ("not_covered", "unknown", "invalid")
            assert body["detail"] == told["message"] or not postcode
            continue
        for name in set(told) - {"licence", "attribution", "uk_composite_licence", "uk_composite_attribution"}:
            assert body[name] == told[name], (postcode, index, name)
        assert told["licence"].startswith(body["sources"][1]["licence"] if told["index_id"] else "")
        attributions = [source["attribution"] for source in body["sources"]]
        assert all(
            part in (told["attribution"], *told.values()) or part in told["attribution"] for part in attributions[:2]
        )
    assert set(statuses) == {"found", "terminated", "not_covered", "unknown", "invalid"}


def test_quantiles_are_those_of_the_canned_query(extract_site, lookup, postcodes):
    query = "imd_quantile_by_postcode"

    async def by_request(parameters):
        answer = await extract_site.client.get(f"/census/{query}.json", params={**parameters, "_shape": "array"})
        return answer.json()

    async def by_sql(parameters):
        return (await extract_site.get_database("census").execute(canned_sql()[query], parameters)).rows

    async def compare():
        await extract_site.invoke_startup()
        for place, postcode in enumerate([*postcodes[: 300 if THOROUGH else 100], *postcodes[-5:]]):
            for q in (3, 4, 5, 8, 10, 20, 99):
                asked = by_request if place < 5 else by_sql
                [told] = await asked({"postcode": postcode, "quantile": str(q), "index": "latest"})
                quantile = lookup.indices.quantile(one(lookup, postcode, "latest"), q)
                assert quantile._asdict() == {name: told[name] for name in QUANTILE_FIELDS}

    asyncio.run(compare())


def test_green_space_is_that_of_the_canned_query(v1, lookup, postcodes):
    seen = Counter()
    for postcode in postcodes[:1000]:
        [told] = canned(lookup, "green_space_by_postcode", postcode=postcode)
        body = orjson.loads(v1.get(f"postcodes/{postcode}", b"").body)
        if told["total_address_count"] is None:
            assert body.get("green_space") is None
        else:
            assert body["green_space"] == {name: told[name] for name in body["green_space"]}
            assert len(body["green_space"]) == 26
        seen[told["nation"]] += 1
    assert {"England", "Wales", "Scotland", "Northern Ireland"} <= set(seen)


def test_a_list_answers_what_one_by_one_answers(lookup, postcodes):
    for place, index in enumerate(INDICES):
        some = postcodes[:3000] if THOROUGH else postcodes[place : 3000 : len(INDICES)]
        texts = [*some, *postcodes[-20:], "nope", None, "ZZ99 3VZ"]
        answers, counts = many(lookup, texts, index, (*FIELDS, *QUANTILE_FIELDS), 5)
        assert sum(counts.values()) == len(texts)
        for text, answer in zip(texts, answers, strict=True):
            figures = one(lookup, text, index)
            expected = (*figures[: len(FIELDS)], *lookup.indices.quantile(figures, 5))
            assert answer == expected, (text, index)
        few, _ = many(lookup, texts, index, ("decile", "status"))
        decile, status = FIELDS.index("decile"), FIELDS.index("status")
        assert few == [(answer[decile], answer[status]) for answer in answers]


def expected_band(index: str, rank: int, areas: int, q: int) -> int:
    """The rules of the bands, written a second time, from the publications."""
    if index == "wales_2025" and q in (5, 10):
        decile = next(n for n, highest in enumerate(BANDS_OF_WALES_2025, 1) if rank <= highest)
        return decile if q == 10 else (decile + 1) // 2
    if index == "wales_2019":
        return (rank - 1) * q // areas + 1
    return -(-rank * q // areas)


def every_area_at_every_quantile(lookup) -> int:
    published = {"decile": 10, "quintile": 5, "quartile": 4, "vigintile": 20}
    checked = 0
    for index in lookup.indices:
        table = {row["area_code"]: row for row in lookup.rows(f"select * from {index.table_name}")}
        own = {name: q for name, q in published.items() if any(f"imd_{name}" in row for row in table.values())}
        for row in lookup.rows("select * from deprivation where index_id = ?", (index.id,)):
            theirs = {q: table[row["area_code"]][f"imd_{name}"] for name, q in own.items()}
            for q in range(2, 101):
                told = lookup.indices.quantile(SimpleNamespace(**row), q).data_quantile
                by_rule = theirs.get(q)
                if by_rule is None:
                    by_rule = expected_band(index.id, row["rank"], index.areas, q)
                assert told == by_rule, (index.id, row["area_code"], q)
                checked += 1
    return checked


def test_every_area_of_every_index_is_in_the_right_band_at_every_quantile(lookup):
    assert every_area_at_every_quantile(lookup) == 99 * lookup.rows("select count(*) as n from deprivation")[0]["n"]


def test_every_area_of_the_whole_uk_is_in_the_right_band_at_every_quantile(full_build):
    lookup = Lookup(full_build.path, band_rules(), immutable=True)
    assert every_area_at_every_quantile(lookup) == 99 * (32_844 + 33_755 + 1_909 + 1_917 + 6_976 + 890)


def test_ten_thousand_postcodes_of_the_whole_uk_answer_as_the_canned_query_does(full_build):
    lookup = Lookup(full_build.path, band_rules(), immutable=True)
    everything = [row["postcode"] for row in lookup.rows("select postcode from postcodes")]
    chosen = random.Random(7).sample(everything, 10_000)
    for index in ("", "england_2019", "2025"):
        answers, _ = many(lookup, chosen, index, FIELDS)
        for postcode, values in zip(chosen, answers, strict=True):
            answer = dict(zip(FIELDS, values, strict=True))
            [told] = canned(lookup, "imd_by_postcode", postcode=postcode, index=index)
            assert {name: answer[name] for name in told if name in FIELDS} == {
                name: told[name] for name in told if name in FIELDS
            }


@pytest.mark.parametrize(
    "path, status, reason",
    [
        ("/postcodes/SW1A%201AA", 200, None),
        ("/postcodes/sw1a1aa?index=england_2019", 200, None),
        ("/postcodes/JE2%203AB", 404, "not_covered"),
        ("/postcodes/ZZ99%203VZ", 404, "unknown"),
        ("/postcodes/SW1A-1AA", 400, "invalid"),
        ("/postcodes/a%2Fb", 400, "invalid"),
        ("/postcodes/%00", 400, "invalid"),
        ("/postcodes/%20", 400, "invalid"),
        ("/postcodes/SW1A1AA?index=england_2035", 400, "unknown_index"),
        ("/postcodes/SW1A1AA?index=wales_2019", 404, "index_of_another_nation"),
        ("/postcodes/SW1A1AA?indx=england_2019", 400, "bad_parameter"),
        ("/postcodes/SW1A1AA?index=2019&index=2025", 400, "bad_parameter"),
        ("/postcodes/SW1A1AA?index=%FF", 400, "bad_parameter"),
        ("/postcodes/SW1A1AA?quantile=1", 400, "bad_quantile"),
        ("/postcodes/SW1A1AA?quantile=101", 400, "bad_quantile"),
        ("/postcodes/SW1A1AA?quantile=5.0", 400, "bad_quantile"),
        ("/postcodes/SW1A1AA?quantile=", 400, "bad_quantile"),
        ("/postcodes/SW1A1AA?quantile=%D9%A5", 400, "bad_quantile"),
        ("/postcodes/SW1A1AA?fields=decil", 400, "bad_field"),
        ("/postcodes/SW1A1AA?fields=data_quantile", 400, "bad_field"),
        ("/postcodes/SW1A1AA?fields=", 400, "bad_field"),
        ("/areas/E01004736", 200, None),
        ("/areas/e01004736?index=england_2025", 200, None),
        ("/areas/E01004736?index=scotland_2020", 404, "index_of_another_nation"),
        ("/areas/E0100473", 404, "unknown"),
        ("/areas/E01004736?fields=name", 400, "bad_parameter"),
        ("/local-authorities/E09000033", 200, None),
        ("/local-authorities/E09000033?index=2025", 200, None),
        ("/local-authorities/S12000050?index=2025", 404, "index_of_another_nation"),
        ("/local-authorities/Westminster", 404, "unknown"),
        ("/indices", 200, None),
        ("/indices?x=1", 400, "bad_parameter"),
        ("/nothing", 404, "unknown_route"),
        ("/postcodes/", 404, "unknown_route"),
        ("/postcodes/SW1A1AA/", 200, None),
        ("/postcodes/SW1A1AA//", 400, "invalid"),
        ("/areas/E01004736/", 200, None),
        ("/indices/", 200, None),
        ("/indices/1", 404, "unknown_route"),
    ],
)
def test_each_address_has_its_status_and_its_reason(extract_site, path, status, reason):
    answer = get(extract_site, path)
    assert answer.status_code == status
    if reason:
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["reason"] == reason
        assert body["status"] == status
        assert len(body["detail"]) > 10
        assert len(body["detail"]) < 2000
    else:
        assert answer.headers["content-type"] == "application/json; charset=utf-8"


def test_a_terminated_postcode_has_its_month_and_its_figures(extract_site, lookup):
    [row] = lookup.rows("select postcode, terminated from postcodes where terminated > 0 and lsoa_2011 > '' limit 1")
    answer = get(extract_site, f"/postcodes/{row['postcode']}")
    assert answer.status_code == 200
    assert answer.json()["status"] == "terminated"
    assert answer.json()["terminated"] == row["terminated"]
    assert answer.json()["decile"] in range(1, 11)


def test_an_answer_is_whole_and_can_be_narrowed(extract_site):
    whole = get(extract_site, "/postcodes/SW1A1AA?index=england_2025&quantile=3").json()
    assert set(whole) == set(ANSWER)
    assert (whole["rank"], whole["of"], whole["decile"], whole["data_quantile"]) == (24593, 33755, 8, 3)
    assert whole["green_space"]["local_authority_2019_name"] == "Westminster"
    assert [source["id"] for source in whole["sources"]] == [
        "postcode_directory",
        "england_2025",
        "uk_composite",
        "green_space",
    ]
    assert all(source["licence"] and source["attribution"] for source in whole["sources"])
    narrow = get(extract_site, "/postcodes/SW1A1AA?index=england_2025&fields=decile,status,sources").json()
    assert narrow == {name: whole[name] for name in ("decile", "status", "sources")}


def test_northern_irelands_postcodes_come_with_their_conditions(extract_site, lookup):
    [row] = lookup.rows("select postcode from postcodes where postcode like 'BT%' and lsoa_2011 > '' limit 1")
    told = get(extract_site, f"/postcodes/{row['postcode']}").json()
    assert "Land & Property Services" in told["sources"][0]["conditions"]
    assert told["green_space"] is None
    assert "green_space" not in [source["id"] for source in told["sources"]]
    assert get(extract_site, "/postcodes/SW1A1AA").json()["sources"][0]["conditions"] is None


def test_an_area_has_its_figures_of_every_index(extract_site):
    told = get(extract_site, "/areas/E01004736").json()
    assert [row["index_id"] for row in told["deprivation"]] == ["england_2025", "england_2019"]
    assert told["deprivation"][0]["rank"] == 24593
    assert told["eras"] == ["2011", "2021"]
    assert told["lists"]["lsoas_2011"]["total_population_mid_2015"] > 0
    assert told["changes"] == [{"lsoa_2011": "E01004736", "lsoa_2021": "E01004736", "change": "U"}]
    only = get(extract_site, "/areas/E01004736?index=2019").json()
    assert [row["index_id"] for row in only["deprivation"]] == ["england_2019"]


def test_an_authority_has_its_deciles_and_its_green_space(extract_site):
    told = get(extract_site, "/local-authorities/E09000033").json()
    for index in told["deprivation"]:
        assert sum(band["areas"] for band in index["deciles"]) > 100
        assert len(index["most_deprived"]) == len(index["least_deprived"]) == 5
    assert told["green_space"][0]["local_authority_2019_code"] == "E09000033"
    assert len(told["small_areas"]["2011"]) == sum(band["areas"] for band in told["deprivation"][1]["deciles"])
    follows = get(extract_site, "/local-authorities/E06000060").json()
    assert [row["local_authority_2019_code"] for row in follows["green_space"]] == [
        *("E07000004", "E07000005", "E07000006", "E07000007")
    ]
    assert "Buckinghamshire" in follows["green_space_message"]
    assert {"code": "E07000004", "name": "Aylesbury Vale"} in follows["predecessors"]


def test_a_list_is_answered_in_its_order_in_each_form(extract_site):
    sent = ["SW1A 1AA", "nope", "je2 3ab", "ZZ99 3VZ", "cf143lx", "SW1A1AA"]
    by_json = post(extract_site, sent, query="?index=latest").json()
    assert [answer["status"] for answer in by_json["answers"]][1:4] == ["invalid", "not_covered", "unknown"]
    assert by_json["answers"][0] == by_json["answers"][5]
    assert set(by_json["answers"][0]) == set(IN_A_LIST) - set(QUANTILE_FIELDS)
    one = get(extract_site, "/postcodes/SW1A1AA?index=latest").json()
    assert by_json["answers"][0] == {name: one[name] for name in by_json["answers"][0]}
    assert by_json["edition"] == one["edition"]
    assert sum(by_json["summary"]["statuses"].values()) == by_json["summary"]["postcodes"] == 6
    assert {"england_2025", "postcode_directory", "green_space"} <= {source["id"] for source in by_json["sources"]}
    assert by_json["summary"].pop("column") is None
    assert column_and_rest(extract_site, "".join(json.dumps(text) + "\n" for text in sent), "application/x-ndjson") == (
        None,
        by_json,
    )


def column_and_rest(
    site, body: str | bytes, content_type: str = "text/csv", query: str = ""
) -> tuple[str | None, dict]:
    """The name of the column that was read, and the rest of the answer."""
    answer = post(site, body, content_type, f"?index=latest{query}")
    assert answer.status_code == 200, answer.text[:300]
    told = answer.json()
    return told["summary"].pop("column"), told


LISTED = ["SW1A 1AA", "nope1", "", "ZZ99 3VZ", "cf143lx", "SW1A1AA"]


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    ("title", "query"),
    [
        ("postcode", ""),
        ("Postcode", ""),
        ("POST_CODE", ""),
        ("Post Code", ""),
        ("Patient's postcode", ""),
        ("pcds", ""),
        ("PCD7", ""),
        ("pcd_8", ""),
        ("Home", "&column=home"),
        ("Home address", "&column=Home address"),
    ],
)
def test_a_csv_is_read_by_the_name_of_its_column(extract_site, delimiter, title, query):
    by_json = post(extract_site, LISTED, query="?index=latest").json()
    del by_json["summary"]["column"]
    for beside in ((), ("id", "name")):
        rows = io.StringIO()
        writer = csv.writer(rows, delimiter=delimiter)
        writer.writerow((*beside, title))
        writer.writerows((*(f"{name} {n}" for name in beside), text) for n, text in enumerate(LISTED))
        text = rows.getvalue().replace('""', "") if not beside else rows.getvalue()
        assert column_and_rest(extract_site, text, query=query) == (title, by_json), beside
        excel = f"\ufeffsep={delimiter}\r\n{text}"
        assert column_and_rest(extract_site, excel, query=query) == (title, by_json), beside


@pytest.mark.parametrize(
    "first", ["SW1A 1AA", "nope1", "SWIA 1AA", "", "n/k", "not known", "No fixed abode", "postcode unknown", "-"]
)
def test_a_list_without_a_heading_is_read_from_its_first_line(extract_site, first):
    sent = [first, "CF14 3LX", "", "SW1A 1AA"]
    column, told = column_and_rest(extract_site, "\r\n".join(sent))
    assert column is None
    assert [answer["status"] for answer in told["answers"]][1:] == ["found", "invalid", "found"]


@pytest.mark.parametrize(
    "body",
    [
        "Smith\nSW1A 1AA\n",  # a heading, or somebody who typed a name?
        "home\nSW1A 1AA\n",
        "1,SW1A 1AA\n2,CF14 3LX\n",
        "1;SW1A 1AA\n2;CF14 3LX\n",
        "1\tSW1A 1AA\n",
        "postcode,postcode\nSW1A 1AA,x\n",
        "home postcode,school postcode\nSW1A 1AA,SW1A 1AA\n",
        "name,address\nx,SW1A 1AA\n",
    ],
)
def test_a_list_whose_column_is_in_doubt_is_refused(extract_site, body):
    told = post(extract_site, body, "text/csv")
    assert (told.status_code, told.json()["reason"]) == (400, "malformed")
    assert "column" in told.json()["detail"]
    assert not any(cell in told.text for cell in ("Smith", "home", "SW1A", "address"))


@pytest.mark.parametrize(
    "body",
    [
        'postcode\n="SW1A 1AA"\n"=""CF14 3LX"""\n',
        '="SW1A 1AA"\n="CF14 3LX"\n',
        'id;Post\u00a0code\n1;="SW1A 1AA"\n2;CF14 3LX\n',
        "postcode\rSW1A 1AA\rCF14 3LX\r",
        'note,postcode\n"a\rb",SW1A 1AA\n"a\r\nb",CF14 3LX\n',
    ],
)
def test_a_list_as_excel_writes_it_is_read(extract_site, body):
    _, told = column_and_rest(extract_site, body)
    assert [answer["postcode"] for answer in told["answers"]] == ["SW1A 1AA", "CF14 3LX"]


def test_a_carriage_return_in_a_cell_makes_no_row_of_its_own(extract_site):
    told = post(extract_site, "note,postcode\na\rb,SW1A 1AA\n", "text/csv")
    assert (told.status_code, told.json()["reason"]) == (400, "malformed")


def test_a_long_list_is_answered_whole_and_in_order(extract_site, postcodes):
    told = post(extract_site, postcodes, query=f"?fields=postcode,{FEW}&index=latest")
    assert int(told.headers["content-length"]) > 0
    assert told.headers["cache-control"] == "no-store"
    assert [answer["postcode"] for answer in told.json()["answers"]] == postcodes
    assert len(postcodes) == MOST_POSTCODES
    summary = told.json()["summary"]
    assert summary["postcodes"] == sum(summary["statuses"].values()) == MOST_POSTCODES
    assert summary["statuses"]["not_covered"] >= 1
    assert sum(summary["nations"].values()) <= MOST_POSTCODES
    answers = told.json()["answers"]
    older = [answer for answer in answers if answer["index_id"] in ("england_2019", "wales_2019")]
    assert summary["older_edition"] == len(older)
    assert summary["without_figures"] == 0


def test_a_list_says_how_many_have_no_figure_of_the_index_that_was_asked_for(extract_site):
    sent = ["SW1A 1AA", "cf143lx", "je2 3ab", "nope", "BT2 7DX"]
    told = post(extract_site, sent, query="?index=wales_2019&fields=status,decile").json()
    assert [answer["decile"] for answer in told["answers"]] == [None, 8, None, None, None]
    assert told["summary"]["without_figures"] == 2


def test_a_list_may_be_asked_for_what_stands_beside_it_once(extract_site):
    plain = post(extract_site, ["SW1A 1AA"], query="?index=latest&fields=status,decile").json()
    assert post(extract_site, ["SW1A 1AA"], query="?index=latest&fields=status,edition,decile,sources").json() == plain
    alone = post(extract_site, ["SW1A 1AA", "x"], query="?index=latest&fields=edition").json()
    assert (alone["edition"], alone["answers"]) == (plain["edition"], [{}, {}])


@pytest.mark.parametrize("n", [1, AT_ONCE - 1, AT_ONCE, AT_ONCE + 1, 2 * AT_ONCE, 2 * AT_ONCE + 1])
def test_a_list_of_any_length_is_one_json_object(extract_site, postcodes, n):
    told = post(extract_site, postcodes[:n], query="?fields=postcode&quantile=5").json()
    assert [answer["postcode"] for answer in told["answers"]] == postcodes[:n]


def test_lists_on_their_way_have_a_bound_together(v1, monkeypatch):
    monkeypatch.setattr("census.web.api.v1.MOST_READING", 2500)
    scope = {"type": "http", "query_string": b"", "headers": [(b"content-type", b"application/json")]}
    ends = asyncio.Event()

    async def endless():
        await asyncio.sleep(0)
        return {"type": "http.request", "body": b" " * 1000, "more_body": True}

    async def one_piece():
        return {"type": "http.request", "body": b'["SW1A 1AA"]', "more_body": False}

    def slow():
        pieces = [{"type": "http.request", "body": b" " * 1000, "more_body": True}] * 2

        async def receive():
            if pieces:
                return pieces.pop()
            await ends.wait()
            return {"type": "http.disconnect"}

        return receive

    async def several():
        waiting = asyncio.create_task(v1.read_list(scope, slow()))
        await asyncio.sleep(0)
        refused = await asyncio.wait_for(v1.read_list(scope, endless), 5)
        assert (refused.status, refused.headers) == (503, ((b"retry-after", b"1"),))
        assert (await v1.read_list(scope, one_piece)).body == b'["SW1A 1AA"]', "what is there already is taken"
        ends.set()
        assert (await waiting).status == 400
        assert v1.reading == 0

    asyncio.run(several())


@pytest.mark.parametrize(
    "body, content_type, query, status, reason, says",
    [
        (json.dumps(["SW1A 1AA"] * (MOST_POSTCODES + 1)), "application/json", "", 413, "too_many", "10,000"),
        (json.dumps(["x" * MOST_BYTES]), "application/json", "", 413, "too_large", "1,000,000 bytes"),
        ('{"postcodes": []}', "application/json", "", 400, "malformed", "list"),
        ('["SW1A 1AA"', "application/json", "", 400, "malformed", "application/json"),
        ("[]", "application/json", "", 400, "malformed", "empty"),
        ("", "application/json", "", 400, "malformed", "application/json"),
        ("SW1A 1AA", "application/x-ndjson", "", 400, "malformed", "ndjson"),
        ("", "text/csv", "", 400, "malformed", "empty"),
        ("a,b\n1,2\n", "text/csv", "", 400, "malformed", "'postcode'"),
        ("a,b\n1,2\n", "text/csv", "?column=c", 400, "malformed", "'c'"),
        (b"postcode\n\xff\n", "text/csv", "", 400, "malformed", "text/csv"),
        ('postcode\n"a\n', "text/csv", "", 400, "malformed", "text/csv"),
        ('["SW1A 1AA"]', "text/plain", "", 415, "bad_content_type", "application/json"),
        ('["SW1A 1AA"]', "", "", 415, "bad_content_type", "application/json"),
        ('["SW1A 1AA"]', "application/json", "?fields=editions", 400, "bad_field", "'editions'"),
        ('["SW1A 1AA"]', "application/json", "?index=x", 400, "unknown_index", "'x'"),
        ('["SW1A 1AA"]', "application/json", "?quantile=x", 400, "bad_quantile", "'x'"),
        ('["SW1A 1AA"]', "application/json", "?y=x", 400, "bad_parameter", "'y'"),
        ('["SW1A 1AA"]', "application/json", "?column=x", 400, "bad_parameter", "CSV"),
    ],
)
def test_a_list_that_cannot_be_answered_is_refused_with_the_reason(
    extract_site, body, content_type, query, status, reason, says
):
    answer = post(extract_site, body, content_type, query)
    assert answer.status_code == status
    assert answer.json()["reason"] == reason
    assert says in answer.json()["detail"]


def test_what_is_no_text_is_answered_in_its_place(extract_site):
    told = post(
        extract_site, [None, 5, ["SW1A 1AA"], {"a": 1}, True, "SW1A 1AA"], query="?fields=status,message"
    ).json()
    assert [answer["status"] for answer in told["answers"]] == ["invalid"] * 5 + ["found"]
    assert "postcode" in told["answers"][0]["message"]


def test_a_deep_value_is_no_postcode(extract_site):
    deep = "[" * 900 + "]" * 900
    told = post(extract_site, f'["SW1A 1AA", {deep}]', query="?fields=status")
    assert [answer["status"] for answer in told.json()["answers"]] == ["found", "invalid"]


@pytest.mark.parametrize("lines", ["SW1A 1AA\n\nCF14 3LX\n", "id,postcode\n1,SW1A 1AA\n\n3,CF14 3LX\n"])
def test_an_empty_line_of_a_csv_is_answered_in_its_place(extract_site, lines):
    told = post(extract_site, lines, "text/csv", "?fields=status").json()
    assert [answer["status"] for answer in told["answers"]] == ["found", "invalid", "found"]


def test_a_compressed_list_is_refused(extract_site):
    packed = gzip.compress(b'["SW1A 1AA"]')
    answer = post(extract_site, packed, **{"content-encoding": "gzip"})
    assert answer.status_code == 415


def test_an_answer_may_be_kept_until_the_database_changes(extract_site, made_up_db, tmp_path):
    answer = get(extract_site, "/postcodes/SW1A1AA")
    etag = answer.headers["etag"]
    assert answer.headers["cache-control"] == "public, max-age=3600"
    for match in (etag, f'"other", {etag}', etag.removeprefix("W/")):
        again = get(extract_site, "/postcodes/SW1A1AA", headers={"if-none-match": match})
        assert again.status_code == 304
        assert not again.content
        assert again.headers["etag"] == etag
    assert get(extract_site, "/postcodes/SW1A1AA", headers={"if-none-match": '"other"'}).status_code == 200
    assert get(extract_site, "/postcodes/nope", headers={"if-none-match": etag}).status_code == 400
    other = datasette_of(site_of(made_up_db, tmp_path))
    assert get(other, "/indices").headers["etag"] != etag


def test_head_answers_the_headers_of_get(extract_site):
    for path in ("/postcodes/SW1A1AA", "/postcodes/nope", "/openapi.json"):
        whole, head = get(extract_site, path), asked(extract_site, "HEAD", path)
        assert head.status_code == whole.status_code
        assert not head.content
        assert dict(head.headers) == dict(whole.headers)


def test_large_answers_are_compressed_and_small_ones_are_not(extract_site, postcodes):
    packed = get(extract_site, "/openapi.json")
    assert packed.headers["content-encoding"] == "gzip"
    assert get(extract_site, "/openapi.json", headers={"accept-encoding": "identity"}).headers.get("vary")
    for refused in ("identity", "gzip;q=0", "br"):
        plain = get(extract_site, "/openapi.json", headers={"accept-encoding": refused})
        assert "content-encoding" not in plain.headers
        assert plain.content == packed.content
    assert "content-encoding" not in get(extract_site, "/postcodes/SW1A1AA").headers
    long = post(extract_site, postcodes[:2000])
    assert long.headers["content-encoding"] == "gzip"
    assert long.json() == post(extract_site, postcodes[:2000], **{"accept-encoding": "identity"}).json()


def test_any_page_may_read_it_and_other_methods_are_refused(extract_site):
    preflight = {"origin": "https://example.org", "access-control-request-method": "POST"}
    for method, headers, status in (("OPTIONS", preflight, 204), ("GET", {}, 405), ("PUT", {}, 405)):
        answer = asked(extract_site, method, "/postcodes", headers=headers)
        assert answer.status_code == status
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "POST" in answer.headers["access-control-allow-methods"]
        assert "content-type, if-none-match" in answer.headers["access-control-allow-headers"].lower()
        assert "POST" in answer.headers["allow"]
    assert asked(extract_site, "DELETE", "/postcodes/SW1A1AA").status_code == 405
    assert "set-cookie" not in get(extract_site, "/postcodes/SW1A1AA").headers


def test_without_a_database_the_api_says_so(tmp_path):
    for name in ("plugins", "templates", "static", "metadata.yml", "settings.json"):
        (tmp_path / name).symlink_to(ROOT / name)
    answer = get(datasette_of(tmp_path), "/postcodes/SW1A1AA")
    assert answer.status_code == 503
    assert answer.json()["reason"] == "no_database"


def test_a_mistake_of_ours_is_a_500_that_logs_no_postcode(extract_db, tmp_path, capsys):
    site = datasette_of(site_of(extract_db, tmp_path))
    assert get(site, "/postcodes/SW1A1AA").status_code == 200
    Site.of(site).api.lookup.connection.close()
    answer = get(site, "/postcodes/SW1A1AA")
    assert answer.status_code == 500
    assert answer.json()["reason"] == "internal"
    told = capsys.readouterr().err
    assert "ProgrammingError" in told
    assert "1AA" not in told


def test_the_page_lists_every_route(extract_site):
    page = asyncio.run(extract_site.client.get(BASE)).text
    for path in get(extract_site, "/openapi.json").json()["paths"]:
        assert f"{path}</code>" in page
    for address in set(re.findall(r'Try: <a href="([^"]+)"', page)):
        answer = asyncio.run(extract_site.client.get(address.replace("&amp;", "&")))
        assert answer.status_code == 200, address


def test_the_examples_of_the_document_are_what_the_routes_answer(extract_site):
    document = get(extract_site, "/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    shown = 0
    for path, item in document["paths"].items():
        for method, told in item.items():
            assert told["summary"]
            for response in told["responses"].values():
                for content in response.get("content", {}).values():
                    shown += "example" in content
            if method == "get" and path.startswith(BASE):
                query = (
                    {"index": "england_2025"} if any(p["name"] == "index" for p in told.get("parameters", ())) else {}
                )
                for parameter in told.get("parameters", ()):
                    if parameter["in"] == "path":
                        path = path.replace("{" + parameter["name"] + "}", parameter["example"])
                answer = asyncio.run(extract_site.client.get(path, params=query))
                example = told["responses"]["200"]["content"]["application/json"].get("example", {})
                assert answer.status_code == 200
                assert example == (answer.json() if example else {})
    assert shown > 10


NDJSON = """
import schemathesis

@schemathesis.serializer("application/x-ndjson")
def as_text(ctx, value):
    return str(value).encode("utf-8", "replace")
"""


# Lists of dozens of columns, each a parameter of the same kind: the list of Scotland has them too.
WIDE = """
[[operations]]
include-path-regex = "/(english|welsh|northern_ireland)_indices_of_multiple_deprivation/$"
phases.coverage.enabled = false
"""


def schemathesis(base: str, folder: Path) -> subprocess.CompletedProcess:
    checks = (
        "not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,"
        "response_schema_conformance,unsupported_method"
    )
    command = [Path(sys.executable).with_name("schemathesis"), "run", f"{base}{BASE}/openapi.json", "--url", base]
    command += [
        "--checks",
        checks,
        "--max-examples",
        "40" if THOROUGH else "3",
        "--seed",
        "1",
        "--no-color",
    ]
    (folder / "ndjson.py").write_text(NDJSON)
    if not THOROUGH:
        (folder / "schemathesis.toml").write_text(WIDE)
    told = {**os.environ, "SCHEMATHESIS_HOOKS": "ndjson", "PYTHONPATH": str(folder)}
    return subprocess.run([*map(str, command)], capture_output=True, text=True, cwd=folder, timeout=500, env=told)


def test_schemathesis_finds_no_undocumented_answer(server, tmp_path):
    base, _ = server
    done = schemathesis(base, tmp_path)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert "No issues found" in done.stdout, done.stdout[-3000:]


def random_texts(n: int, real: list[str]):
    """`n` random strings, then `n` real postcodes with a letter changed, lost, added or moved."""
    chance = random.Random(11)
    strange = string.printable + "\x00\x7f\x85\xa0\u2003\u202e\u0660é𝟙🏴\ufeff"
    for _ in range(n):
        yield "".join(chance.choices(strange, k=chance.choice((0, 1, 3, 6, 7, 8, 30, 300))))
    for _ in range(n):
        text = list(chance.choice(real))
        at = chance.randrange(len(text))
        for change in chance.choices(("swap", "drop", "add", "set", "lower"), k=chance.choice((0, 1, 2))):
            if change == "drop" and text:
                del text[at % len(text)]
            elif change == "add":
                text.insert(at, chance.choice(strange))
            elif change == "set" and text:
                text[at % len(text)] = chance.choice(string.ascii_uppercase + string.digits)
            elif change == "lower":
                text = [letter.lower() for letter in text]
            else:
                text.reverse()
        yield "".join(text)


def own_memory() -> int:
    """Kilobytes that this process holds, without mapped files."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("RssAnon")).split()[1])


def test_strange_postcodes_leave_no_trace(extract_site, postcodes):
    asked = 200_000 if THOROUGH else 5_000
    asyncio.run(extract_site.client.get(f"{BASE}/indices"))
    app, statuses, sizes = extract_site.app(), Counter(), []

    async def ask(text):
        scope = {
            "type": "http",
            "method": "GET",
            "path": f"{BASE}/postcodes/{text}",
            "query_string": b"",
            "headers": [],
            "scheme": "http",
        }

        async def send(message):
            if message["type"] == "http.response.start":
                statuses[message["status"]] += 1

        await app(scope, None, send)

    async def all_of_them():
        for n, text in enumerate(random_texts(asked // 2, postcodes)):
            await ask(text or " ")
            if n % (asked // 20) == 0:
                sizes.append(own_memory())

    asyncio.run(all_of_them())
    assert sum(statuses.values()) == asked
    assert set(statuses) == {200, 400, 404}
    assert statuses[200] > asked // 20
    assert statuses[400] > asked // 4
    assert statuses[404] > asked // 200
    assert sizes[-1] - sizes[3] < 5_000, "kilobytes more after nearly all of the requests"


def test_no_postcode_of_a_request_is_logged(server):
    base, log = server
    for method, path, body in (
        ("GET", "/postcodes/SW1A1AA", None),
        ("GET", "/postcodes/EC1A9ZZ", None),
        ("GET", "/postcodes/SW1A1AA?index=nope", None),
        ("POST", "/postcodes", '["SW1A 1AA", "nope", 5]'),
        ("POST", "/postcodes", '["SW1A 1AA"'),
        ("POST", "/postcodes", "x" * (MOST_BYTES + 1)),
        ("PUT", "/postcodes/SW1A1AA", "SW1A 1AA"),
    ):
        requests.request(
            method, base + BASE + path, data=body, headers={"content-type": "application/json"}, timeout=10
        )
    text = log.read_text()
    assert "Uvicorn running" in text
    assert not [line for line in text.splitlines() if "1AA" in line or "9ZZ" in line or "postcodes" in line]
