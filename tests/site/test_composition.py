"""The same answers whatever order the plugins are loaded in, with the headers that all have, and below a prefix."""

import asyncio
import json
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from html import unescape
from urllib.parse import urljoin, urlsplit

import httpx
import pytest
import yaml

from census.web.concurrency.disconnect import read_already
from census.web.responses import CORS, SECURITY
from census.web.state import Site
from tests.conftest import ROOT, THOROUGH, datasette_of, site_of
from tests.golden.site import Request, requests

ORDERS = ("sorted", "reversed", *"1 2 3 4 5".split()[: 5 if THOROUGH else 1])
COMMON = dict(CORS + SECURITY)


@pytest.fixture(scope="module")
def folder(extract_db, guide, tmp_path_factory):  # noqa: ARG001
    return site_of(extract_db, tmp_path_factory.mktemp("composed"))


def test_the_order_of_the_plugins_changes_no_answer_and_no_header(folder, extract_db):
    def answers(order: str) -> dict[str, str]:
        command = [sys.executable, "-m", "tests.site.in_order", folder, extract_db, order]
        done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    with ThreadPoolExecutor(2) as two:
        first, *others = two.map(answers, ORDERS)
    assert len(first) > 100
    for order, other in zip(ORDERS[1:], others, strict=True):
        for name, answer in first.items():
            assert other[name] == answer, f"{name}, with the plugins {order}"


def test_only_one_plugin_wraps_the_site_or_starts_it():
    hooks = ("def asgi_wrapper(", "def startup(", "def menu_links(", "def prepare_jinja2_environment(")
    for hook in hooks:
        having = [path.name for path in (ROOT / "plugins").glob("*.py") if hook in path.read_text()]
        assert having == ["site.py"], hook


@pytest.fixture(scope="module")
def client(extract_site):
    asyncio.run(extract_site.invoke_startup())
    return extract_site


@cache
def app_of(site):
    return site.app()


def answer(site, method: str, path: str, **options) -> httpx.Response:
    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app_of(site))
        plain = {"accept-encoding": "identity"}
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost", headers=plain) as client:
            return await client.request(method, path, **options)

    return asyncio.run(ask())


STATUSES = [
    (200, "GET", "/", {}),
    (200, "GET", "/census/imd_by_postcode.csv?postcode=SW1A1AA", {}),
    (200, "GET", "/census/soas_2001.csv?_stream=on&_size=max", {}),
    (200, "GET", "/api/v1/postcodes/SW1A1AA", {}),
    (200, "POST", "/api/v1/postcodes", {"json": ["SW1A 1AA"] * 1000}),
    (200, "POST", "/graphql", {"json": {"query": "{ soas_2001 { totalCount } }"}}),
    (200, "GET", "/tiles/uk_latest.json", {}),
    (204, "OPTIONS", "/api/v1/postcodes", {}),
    (204, "OPTIONS", "/", {"headers": {"origin": "https://a.example", "access-control-request-method": "GET"}}),
    (301, "GET", "/guide", {}),
    (302, "GET", "/search?q=SW1A1AA", {}),
    (400, "GET", "/census.json?sql=nonsense", {}),
    (400, "GET", "/api/v1/postcodes/nonsense", {}),
    (400, "GET", "/graphql?query=nonsense", {}),
    (400, "GET", "/", {"headers": {"host": 'a"><script>'}}),
    (404, "GET", "/nothing", {}),
    (404, "GET", "/api/v1/nothing", {}),
    (404, "GET", "/tiles/uk_latest/30/1/1.pbf", {}),
    (405, "DELETE", "/census", {}),
    (405, "PUT", "/api/v1/postcodes/SW1A1AA", {}),
    (405, "POST", "/tiles/uk_latest.json", {}),
    (413, "POST", "/api/v1/postcodes", {"content": b"x" * 3_000_000, "headers": {"content-type": "text/plain"}}),
    (413, "POST", "/graphql", {"content": b"x" * 20_000}),
    (414, "GET", "/census?sql=select+1" + "+" * 62_000, {}),
]


@pytest.mark.parametrize("status, method, path, options", STATUSES, ids=lambda value: str(value)[:50])
def test_every_answer_has_its_headers_and_its_length(client, status, method, path, options):
    found = answer(client, method, path, **options)
    assert found.status_code == status, found.text[:200]
    for name, value in COMMON.items():
        assert found.headers.get_list(name.decode()) == [value.decode()], name
    assert len(found.headers.get_list("content-security-policy")) == 1
    assert "set-cookie" not in found.headers
    assert "transfer-encoding" not in found.headers
    if status not in (204, 304):
        assert found.headers.get_list("content-length") == [str(len(found.content))]


@pytest.mark.parametrize(
    "path", ["/", "/census/soas_2001.json", "/api/v1/postcodes/SW1A1AA", "/tiles/uk_latest/7/63/42.pbf"]
)
def test_an_answer_that_is_known_already_is_a_304_with_its_headers(client, path):
    before = answer(client, "GET", path)
    after = answer(client, "GET", path, headers={"if-none-match": before.headers["etag"]})
    assert (after.status_code, after.content) == (304, b"")
    assert after.headers["etag"] == before.headers["etag"]
    for name, value in COMMON.items():
        assert after.headers.get_list(name.decode()) == [value.decode()], name


def test_a_tag_of_the_site_makes_no_304_of_an_address_that_is_none(client):
    tag = answer(client, "GET", "/").headers["etag"]
    for path, status in (
        ("/nothing", 404),
        ("/census/nothing.json", 404),
        ("/area/E00000000", 404),
        ("/census.json?sql=nonsense", 400),
        ("/census/soas_2001.json?_size=nonsense", 400),
        ("/api/v1/postcodes/nonsense", 400),
    ):
        for known in (tag, "*", f'"other", {tag}'):
            assert answer(client, "GET", path, headers={"if-none-match": known}).status_code == status, path


def test_head_is_answered_as_get_begins(client):
    for request in (one for number, one in enumerate(requests()) if number % 10 == 0 and one.method == "GET"):
        if "<" in request.path or request.headers:
            continue
        get, head = (answer(client, method, request.path) for method in ("GET", "HEAD"))
        assert head.content == b""
        assert head.status_code == get.status_code, request
        volatile = ("x-git-revision",)
        if "ms" not in get.text[-3000:]:  # a page says how long its queries took
            assert head.headers["content-length"] == get.headers["content-length"], request
        kept = [(n, v) for n, v in get.headers.items() if n not in ("content-length", *volatile)]
        assert kept == [(n, v) for n, v in head.headers.items() if n not in ("content-length", *volatile)], request


def test_a_request_that_fails_within_is_a_500_with_its_headers(extract_db, tmp_path, capsys):
    site = datasette_of(site_of(extract_db, tmp_path))
    asyncio.run(site.invoke_startup())
    Site.of(site).api.of_v1 = None  # what it calls is not there
    found = answer(site, "GET", "/api/v1/postcodes/SW1A1AA")
    assert found.status_code == 500
    assert found.headers["content-length"] == str(len(found.content))
    assert found.headers["x-content-type-options"] == "nosniff"
    assert "SW1A" not in found.text + capsys.readouterr().err


# Below a prefix


@pytest.fixture(scope="module")
def below(extract_db, guide, tmp_path_factory):  # noqa: ARG001
    served = site_of(extract_db, tmp_path_factory.mktemp("below"))
    settings = json.loads((served / "settings.json").read_text())
    (served / "settings.json").unlink()
    (served / "settings.json").write_text(json.dumps(settings | {"base_url": "/data/"}))
    return datasette_of(served)


def test_limits_hold_below_a_prefix(below):
    for prefix in ("/data", ""):  # a proxy that passes the prefix on, and one that takes it away
        for status, method, path, options in STATUSES:
            assert answer(below, method, prefix + path, **options).status_code == status, (prefix, path)
        costly = "{ postcodes(first: 1000) { nodes { lsoa_2011 { name lsoa_2021 { name } } } } }"
        found = answer(below, "POST", f"{prefix}/graphql", json={"query": costly})
        assert found.status_code == 400
        assert "cost" in found.text


def asked_below() -> list[Request]:
    return [
        one for number, one in enumerate(requests()) if number % (2 if THOROUGH else 8) == 0 and one.method == "GET"
    ]


def test_both_kinds_of_proxy_get_the_same_answers(below):
    for request in asked_below():
        if "<" in request.path:
            continue
        kept, taken = (answer(below, "GET", prefix + request.path, headers=request.headers) for prefix in ("/data", ""))
        assert kept.status_code == taken.status_code, request
        assert kept.headers.get("location") == taken.headers.get("location"), request
        if "ms" not in kept.text[-3000:] and "query_ms" not in kept.text:
            assert kept.content == taken.content, request


def test_each_link_of_a_page_has_the_prefix_and_leads_somewhere(below):
    seen, queue = set(), ["/data/"]
    while queue:
        path = queue.pop()
        found = answer(below, "GET", path, headers={"accept": "text/html"})
        assert found.status_code in (200, 301, 302), path
        if not found.headers.get("content-type", "").startswith("text/html"):
            continue
        for link in links(found):
            assert link.startswith("/data/") or link == "/data", f"{link} in {path}"
            kind = kind_of(link)
            if kind not in seen and "_fts" not in link:  # Datasette's own pages of FTS5's tables
                seen.add(kind)
                queue.append(link)
    assert len(seen) > 40


def links(page: httpx.Response) -> list[str]:
    found = []
    for link in re.findall(r'(?:href|src|action)="([^"]*)"', page.text):
        absolute = urljoin(str(page.url), unescape(link))
        if absolute.startswith("http://localhost/"):
            parts = urlsplit(absolute)
            found.append(parts.path + (f"?{parts.query}" if parts.query else ""))
    return found


def kind_of(link: str) -> str:
    """What a link is like: places and rows are one kind each."""
    path, _, query = link.partition("?")
    path = re.sub(r"/(area|local-authority|health-geography|postcode)/[^/]+", r"/\1/x", path)
    path = re.sub(r"^(/data/census/\w+)/[^/]+$", r"\1/row", path)
    path = re.sub(r"^/data/guide/.+", "/data/guide/x", path)
    path = re.sub(r"^(/data/census/)(?!imd_by_postcode|postcodes\b|small_areas\b)\w+(\.\w+)?$", r"\1other\2", path)
    return path + "?" + "&".join(sorted({part.partition("=")[0] for part in query.split("&")}))


def test_a_canonical_origin_is_what_answers_hold(extract_db, guide, tmp_path):  # noqa: ARG001
    served = site_of(extract_db, tmp_path)
    metadata = yaml.safe_load((served / "metadata.yml").read_text())
    metadata["plugins"]["site"] = {"origin": "https://imd.example.org"}
    (served / "metadata.yml").unlink()
    (served / "metadata.yml").write_text(yaml.safe_dump(metadata))
    site = datasette_of(served)
    for path in ("/postcode/SW1A1AA", "/census/soas_2001.json?_size=5", "/tiles/uk_latest.json", "/download.json"):
        found = answer(site, "GET", path, headers={"host": "evil.example"})
        assert "evil.example" not in found.text + str(found.headers)
        assert "https://imd.example.org/" in found.text
        assert "host" not in found.headers.get("vary", "")


def test_without_one_an_answer_that_holds_the_host_says_so(client):
    for path in ("/postcode/SW1A1AA", "/census/soas_2001.json?_size=5", "/tiles/uk_latest.json", "/download.json"):
        found = answer(client, "GET", path, headers={"host": "some.example"})
        if "some.example" in found.text:
            assert "host" in found.headers["vary"], path
    assert "host" not in answer(client, "GET", "/api/v1/postcodes/SW1A1AA").headers.get("vary", "")


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_a_scheme_of_web_sockets_is_not_written_into_answers(client, scheme):
    async def ask() -> bytes:
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"type": "http", "method": "GET", "path": "/postcode/SW1A1AA", "raw_path": b"/postcode/SW1A1AA"}
        scope |= {"query_string": b"", "headers": [(b"host", b"a.example")], "scheme": scheme}
        await client.app()(scope, read_already(b""), send)
        return b"".join(message.get("body", b"") for message in sent)

    page = asyncio.run(ask())
    assert b"ws://" not in page
    assert b"wss://" not in page
    assert (b"https://a.example/" if scheme == "wss" else b"http://a.example/") in page


def test_a_path_that_has_the_prefix_twice_leads_nowhere(below):
    for path in (
        "/-/threads.json",
        "/census.json?sql=select+1",
        "/census/soas_2001",
        "/graphql?query={__typename}",
        "/",
    ):
        for raw in ("/data/data", "/data/%64ata", "/%64ata/data"):
            found = answer(below, "GET", raw + path)
            assert found.status_code == 404, raw + path
            assert found.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path", ["/", "/census", "/graphql", "/census/soas_2001.json", "/postcode/SW1A1AA", "/nothing"]
)
def test_options_says_the_methods_and_nothing_else(client, path):
    found = answer(client, "OPTIONS", path)
    assert (found.status_code, found.content) == (204, b"")
    assert "GET" in found.headers["allow"]
    assert ("POST" in found.headers["allow"]) is (path == "/graphql")
