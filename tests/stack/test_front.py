"""What Caddy and the headers promise: what is hidden, stripped, compressed, kept and told to crawlers."""

import gzip
import hashlib
import http.client
import json
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from urllib.parse import quote

import pytest
import yaml

from benchmarks.stack import Stack
from census.serve.caddy import buffering, site_address, taken
from census.serve.worker import free_port
from census.web import path_kinds
from plugins.pages import PLACES
from tests.conftest import ROOT, unavailable

PAGES = [
    "/",
    "/postcode/SW1A1AA",
    "/postcode/nonsense",
    "/area/E01004736",
    "/local-authority/E09000033",
    "/local-authority/E09000033/areas.csv",
    "/health-geography/S08000028",
    "/search?q=cardiff",
    "/suggest?q=cardi",
    "/spreadsheet",
    "/map",
    "/map/maplibre-gl.js",
    "/tiles/uk_latest.json",
    "/tiles/uk_latest/12/2046/1362.pbf",
    "/tiles/uk_latest/0/0/1.pbf",
    "/api/v1",
    "/download",
    "/census",
    "/census?sql=select+1",
    "/census/imd_by_postcode?postcode=SW1A+1AA",
    "/census/soas_2001",
    "/census/soas_2001?_size=5&_facet=x",
    "/census/local_authorities/E09000033",
    "/census/soas_2001.csv",
    "/census/imd_by_postcode.json?postcode=SW1A+1AA&_shape=array",
    "/api/v1/postcodes/SW1A1AA",
    "/rcpch-census-platform/api/v1/",
    "/deprivation/v1/",
    "/deprivation/v1/swagger-ui/",
    "/deprivation/v2/",
    "/deprivation/v2/health/",
    "/deprivation/v2/index_of_multiple_deprivation_quantile?postcode=SW1A1AA&quantile=5&year=2025",
    "/deprivation/v2/index_of_multiple_deprivation_quantile?postcode=SW1A1AA&quantile=5&year=2015",
    "/deprivation/v2/tiles/index.json",
    "/download.json",
    "/census.db",
    "/graphql",
    "/robots.txt",
    "/nothing",
    "/census/nothing.json",
    "/-/health",
    "/-/ready",
]


@pytest.mark.parametrize("path", PAGES)
def test_every_answer_has_its_headers_and_no_cookie(stack, path):
    answer = stack.ask(path, Cookie="ds_actor=x", Accept="text/html")
    assert answer.status < 500
    assert "Set-Cookie" not in answer.headers
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Cookie" not in (answer.headers["Vary"] or "")
    assert answer.headers["Referrer-Policy"] == "strict-origin"
    if path == "/census.db":
        return
    policy = answer.headers["Content-Security-Policy"]
    assert "frame-ancestors" in policy
    if re.match(
        r"/($|api/v1$|download$|search|spreadsheet|(postcode|area|local-authority|health-geography)/[^/]+$)", path
    ):
        assert "script-src 'self';" in policy
        assert not re.search(rb"<script>|<script [^>]*>[^<]|\son\w+=|javascript:", answer.body), "no script within"
    if "text/html" not in answer.headers["Content-Type"]:
        assert policy.startswith("default-src 'none'")


@pytest.mark.parametrize(
    "path",
    """/-/threads /-/threads.json /-/databases /-/databases.json /-/allow-debug /-/actor.json /-/permissions /-/settings
    /-/messages /-/plugins.json /-/logout /-/auth-token /-/config.json /-/metadata.json /%2D/threads.json /-%2Fthreads
    //-/threads.json /_internal /_internal.json /_memory /census/-/x /-/patterns /-/THREADS.json""".split(),
)
def test_what_datasette_tells_of_its_inside_is_hidden(stack, path):
    answer = stack.ask(path)
    assert answer.status == 404
    assert b"thread" not in answer.body.lower()
    assert str(ROOT).encode() not in answer.body


def test_the_api_s_page_is_the_same_with_and_without_cookie_authorization_and_ttl(stack):
    path = "/census/imd_by_postcode.json?postcode=SW1A+1AA&_shape=array"
    plain = stack.ask(path)
    assert plain.headers["Cache-Control"] == "public, max-age=3600"
    for other in (
        stack.ask(path, Cookie="ds_actor=1", Authorization="Bearer x"),
        stack.ask(path + "&_ttl=99999"),
        stack.ask("/census/imd_by_postcode.json?_ttl=0&postcode=SW1A+1AA&_shape=array"),
        stack.ask(path + "&%5Fttl=7"),
    ):
        assert (other.status, other.body) == (200, plain.body)
        assert other.headers["Cache-Control"] == plain.headers["Cache-Control"]


@pytest.mark.parametrize(
    "path", ["/", "/census/soas_2001.json", "/census/imd_by_postcode.csv?postcode=SW1A1AA", "/api/v1/postcodes/SW1A1AA"]
)
def test_an_answer_is_kept_under_the_database_s_hash(stack, path):
    first = stack.ask(path)
    digest = stack.state["digest"]
    assert digest[:16] in first.headers["ETag"]
    again = stack.ask(path, **{"If-None-Match": first.headers["ETag"]})
    assert (again.status, again.body) == (304, b"")
    assert stack.ask(path, **{"If-None-Match": 'W/"another"'}).status == 200


def test_the_guide_is_served_from_its_folder(stack):
    assert stack.ask("/guide").body == stack.ask("/guide/").body, "the address without a slash leads there"
    page = stack.ask("/guide/security/")
    assert (page.status, page.headers["Cache-Control"]) == (200, "public, max-age=3600")
    assert "No log line of ours holds a postcode" in page.body.decode()
    assert stack.ask("/guide/../Caddyfile").status == 404
    assert stack.ask("/guide/nothing/").status == 404


def test_sql_of_one_s_own_and_errors_are_not_kept(stack):
    assert stack.ask("/census.json?sql=select+random()").headers.get("ETag") is None
    for path in ("/census/nothing", "/census.json?sql=select+x", "/-/ready"):
        assert stack.ask(path).headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_answers_are_compressed(stack, coding):
    path = "/census/soas_2001.json?_size=200&_shape=array"
    plain, packed = stack.ask(path), stack.ask(path, **{"Accept-Encoding": coding})
    assert packed.headers["Content-Encoding"] == coding
    assert len(packed.body) < len(plain.body) / 3
    if coding == "gzip":
        assert gzip.decompress(packed.body) == plain.body


def test_the_database_is_downloaded_whole_or_from_where_it_broke_off(stack):
    whole = stack.ask("/census.db")
    assert hashlib.sha256(whole.body).digest() == hashlib.sha256(stack.database.read_bytes()).digest()
    rest = stack.ask("/census.db", Range=f"bytes={len(whole.body) - 10}-", **{"If-Range": whole.headers["ETag"]})
    assert (rest.status, rest.body) == (206, whole.body[-10:])


def test_the_server_is_ready_with_its_database_and_no_other(stack):
    told = json.loads(stack.ask("/-/ready").body)
    assert told["ready"] is True
    assert told["digest"] == stack.state["digest"]
    assert told["sha256"] == hashlib.sha256(stack.database.read_bytes()).hexdigest()
    assert "england_2025" in told["indices"]
    assert "November 2025" in " ".join(told["editions"].values())
    assert stack.ask(f"/-/ready?digest={told['digest'][:16]}").status == 200
    other = stack.ask("/-/ready?digest=0123456789abcdef")
    assert (other.status, json.loads(other.body)["ready"]) == (503, False)
    assert json.loads(stack.ask("/-/health").body) == {"ok": True}


def allowed(robots: str, path: str) -> bool:
    """Whether a crawler that follows RFC 9309 may ask for `path`: the longest rule that fits decides."""
    rules = re.findall(r"^(Allow|Disallow): (\S+)$", robots, re.MULTILINE)
    assert len(rules) > 5
    fits = [(len(rule), kind) for kind, rule in rules if re.match(re.escape(rule).replace(r"\$", "$"), path)]
    return max(fits, default=(0, "Allow"))[1] == "Allow"


def test_files_are_read_and_nothing_else(stack):
    for path in ("/census.db", "/guide/", "/guide/guide.css"):
        assert stack.ask(path, "HEAD").status == 200
        for method in ("POST", "PUT", "DELETE"):
            assert stack.ask(path, method, b"SW1A 1AA").status == 405, f"{method} {path}"


def test_crawlers_may_have_home_lists_and_guide_and_none_of_the_rest(stack):
    robots = stack.ask("/robots.txt").body.decode()
    pages = "/ /guide/ /guide/security/ /download /spreadsheet /local-authority/E09000033 /health-geography/S08000028"
    for path in (*pages.split(), "/census", "/census/soas_2001", "/census/lsoas_2021"):
        assert allowed(robots, path), path
        assert path.startswith("/guide") or stack.ask(path).status == 200
    for path in (
        "/postcode/SW1A1AA",
        "/area/E01004736",
        "/search?q=SW1A1AA",
        "/suggest?q=SW1A",
        "/census/postcodes",
        "/census/postcodes/SW1A~201AA",
        "/census/imd_by_postcode?postcode=SW1A1AA",
        "/census?sql=select+1",
        "/census/soas_2001?_sort=name",
        "/census/soas_2001/95AA01S1",
        "/graphql",
        "/api/v1/postcodes/SW1A1AA",
        "/census.db",
        "/-/ready",
    ):
        assert not allowed(robots, path), path


def test_the_caddyfile_sends_lookups_to_the_workers_for_lookups_and_lists_to_the_open_one():
    metadata = yaml.safe_load((ROOT / "metadata.yml").read_text())
    lookups = re.search(r"@lookups path (.*)", (ROOT / "Caddyfile").read_text())[1].split()
    named = {path.removeprefix("/census/") for path in lookups if path.startswith("/census/")}
    assert set(path_kinds.LOOKUPS) <= set(metadata["databases"]["census"]["queries"])
    assert named == {name + end for name in path_kinds.LOOKUPS for end in ("", ".*")}
    assert metadata["plugins"]["api"]["rcpch_base_path"] in " ".join(lookups)
    assert {"/", "/search", "/suggest", "/spreadsheet", "/postcode/*"} <= set(lookups), "the pages for people too"
    assert not {f"/{kind}/*" for kind in PLACES} & set(lookups), "those of many areas keep no lookup waiting"


@pytest.mark.parametrize("path", ["/census?sql=select+1", "/~63ensus?sql=select+1", "/census.json?sql=select+1"])
def test_however_it_is_spelt_sql_is_counted(extract_site, path):
    import asyncio

    asyncio.run(extract_site.client.get("/-/health"))
    statement = quote("with recursive t(n) as (select 1 union all select n + 1 from t) select count(*) from t")

    async def at_once():
        slow = [extract_site.client.get(path.replace("select+1", statement)) for _ in range(6)]
        return sorted([answer.status_code for answer in await asyncio.gather(*slow)])

    # Two are worked on, two more get their turn within the two seconds that each waits.
    assert asyncio.run(at_once()) in ([400] * 2 + [503] * 4, [400] * 3 + [503] * 3, [400] * 4 + [503] * 2)


def test_a_host_name_gets_tls_with_http_2_and_3(extract_db, tmp_path):
    curl = shutil.which("curl")
    if curl is None:
        unavailable("there is no curl")
    port = free_port()
    stack = Stack(extract_db, tmp_path / "home", tmp_path / "log.txt", 1, SITE_ADDRESS=f"https://localhost:{port}")
    try:
        told = subprocess.run(
            [curl, "-sSki", "--http2", "--retry", "5", "--retry-all-errors", f"https://localhost:{port}/-/health"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.lower()
        assert told.startswith("http/2 200")
        assert "alt-svc: h3=" in told
        assert "strict-transport-security: max-age=31536000" in told
        assert ssl.get_server_certificate(("localhost", port))
    finally:
        stack.end()


def test_a_certificate_of_one_s_own_is_used(extract_db, tmp_path):
    openssl = shutil.which("openssl")
    if openssl is None:
        unavailable("there is no openssl")
    port, pair = free_port(), [tmp_path / "cert.pem", tmp_path / "key.pem"]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    made += ["-addext", "subjectAltName=DNS:localhost", "-out", pair[0], "-keyout", pair[1]]
    subprocess.run([*map(str, made)], capture_output=True, check=True)
    where = {"SITE_ADDRESS": f"https://localhost:{port}", "CERTIFICATE": f"tls {pair[0]} {pair[1]}"}
    stack = Stack(extract_db, tmp_path / "home", tmp_path / "log.txt", 1, **where)
    try:
        assert stack.status("/-/health") == 200
        shown = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("localhost", port)))
        assert shown == ssl.PEM_cert_to_DER_cert(pair[0].read_text())
    finally:
        stack.end()


def test_by_any_name_of_plain_http_it_answers_and_a_proxy_that_is_named_is_believed(extract_db, tmp_path, stack):
    port = free_port()
    where = {"SITE_ADDRESS": f"http://localhost:{port}", "PROXIES": "trusted_proxies 127.0.0.1"}
    named = Stack(extract_db, tmp_path / "home", tmp_path / "log.txt", 1, **where)
    try:
        for host in (f"localhost:{port}", f"127.0.0.1:{port}", "other.example"):
            assert named.ask("/-/ready?digest=deadbeef", Host=host).status == 503, "a load balancer sees what is so"
            assert json.loads(named.ask("/-/ready", Host=host).body)["ready"] is True
        told = {"Host": "census.example", "X-Forwarded-Proto": "https"}
        assert b'"https://census.example/download/' in named.ask("/download.json", **told).body
        assert b'"http://census.example/download/' in stack.ask("/download.json", **told).body, "nobody named a proxy"
    finally:
        named.end()


def test_on_another_address_it_starts_and_ends_as_on_the_usual_one(extract_db, tmp_path):
    port = free_port()
    where = {"BIND_ADDRESS": "127.0.0.2", "SITE_ADDRESS": f"http://127.0.0.2:{port}"}
    stack = Stack(extract_db, tmp_path / "home", tmp_path / "log.txt", 1, **where)
    stack.end()
    told = [sys.executable, ROOT / "serve_many.py", "--database", extract_db, "--home", tmp_path / "home"]
    told += ["--port", free_port(), "--workers", 1]
    environment = {**os.environ, "BIND_ADDRESS": "127.0.0.2", "XDG_DATA_HOME": str(tmp_path), "LOG": "discard"}
    with (tmp_path / "second.txt").open("wb") as out:
        process = subprocess.Popen([*map(str, told)], env=environment, stdout=out, stderr=out)
    end = time.monotonic() + 60
    while "1 workers and one for SQL behind" not in (tmp_path / "second.txt").read_text():
        assert process.poll() is None, (tmp_path / "second.txt").read_text()
        assert time.monotonic() < end
        time.sleep(0.1)
    process.terminate()
    assert process.wait(20) == 0


@pytest.mark.parametrize(
    "told, meant",
    [
        ("http://census.example", "http://census.example, http://:80"),
        ("http://census.example:8080", "http://census.example:8080, http://:8080"),
        ("http://:8000", "http://:8000"),
        ("census.example", "census.example"),
        ("https://census.example:8443", "https://census.example:8443"),
        ("http://a.example, http://b.example", "http://a.example, http://b.example"),
    ],
)
def test_what_caddy_is_told_of_the_address(told, meant):
    assert site_address(told) == meant


class Broken:
    """A worker that is ready, keeps what it is asked, and breaks off in the middle of every answer."""

    def __init__(self):
        self.heads, self.bodies = [], []
        self.listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listening.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listening.accept()
            except OSError:
                return  # closed
            threading.Thread(target=self.answer, args=(connection,), daemon=True).start()

    def answer(self, connection):
        with connection, connection.makefile("rb") as reader:
            while head := reader.readline().decode():
                while (line := reader.readline().decode()).strip():
                    head += line.lower()
                if "/-/ready" in head:
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
                    continue
                self.heads.append(head)
                if told := re.search(r"content-length: (\d+)", head):
                    self.bodies.append(reader.read(int(told[1])))
                kind = b"text/plain" if "csv" in head else b"application/json"
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: 300000\r\n\r\n" % kind)
                connection.sendall(b'["SW1A 1AA"' + b"," * 100_000)
                time.sleep(0.2)
                return


@pytest.fixture
def broken(tmp_path):
    """Caddy with the Caddyfile, over such workers alone."""
    worker, port = Broken(), free_port()
    ours = {"SITE_ADDRESS": f"http://:{port}", "UPSTREAMS": worker.address, "OPEN_UPSTREAMS": worker.address}
    ours |= {"BUFFERING": buffering(), "LOG": "discard", "XDG_DATA_HOME": str(tmp_path)}
    command = ["caddy", "run", "--config", ROOT / "Caddyfile", "--adapter", "caddyfile"]
    caddy = subprocess.Popen(command, env=os.environ | ours, stderr=subprocess.DEVNULL)
    try:
        end = time.monotonic() + 20
        while not taken(port):
            assert caddy.poll() is None
            assert time.monotonic() < end
            time.sleep(0.05)
        worker.port = port
        yield worker
    finally:
        caddy.terminate()
        caddy.wait(20)
        worker.listening.close()


@pytest.mark.parametrize("path", ["/census/soas_2001.csv?_stream=on", "/api/v1/postcodes/SW1A1AA"])
@pytest.mark.parametrize("coding", ["", "identity", "gzip"])
def test_an_answer_that_breaks_off_is_never_taken_for_a_whole_one(broken, path, coding):
    client = http.client.HTTPConnection("127.0.0.1", broken.port, timeout=20)
    client.putrequest("GET", path, skip_accept_encoding=True)
    if coding:
        client.putheader("Accept-Encoding", coding)
    client.endheaders()
    answer = client.getresponse()
    if "json" in answer.headers["Content-Type"] and coding == "gzip":
        with pytest.raises(json.JSONDecodeError):  # packed by Caddy, so without a length: half of it is no JSON
            json.loads(gzip.decompress(answer.read()))
    else:
        with pytest.raises(http.client.IncompleteRead):
            answer.read()
    client.close()
    if not coding:
        assert "accept-encoding" not in broken.heads[-1]


def test_a_list_reaches_a_worker_when_it_is_whole(broken):
    body = json.dumps(["SW1A 1AA"] * 1000).encode()
    with socket.create_connection(("127.0.0.1", broken.port), timeout=20) as client:
        client.sendall(b"POST /api/v1/postcodes HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body))
        client.sendall(body[:5000])
        time.sleep(1)
        assert broken.heads == [], "a worker waits for the rest of a list"
        client.sendall(body[5000:])
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 200")
    assert broken.bodies == [body]


def test_a_list_too_large_for_anything_is_refused_by_caddy(broken):
    with socket.create_connection(("127.0.0.1", broken.port), timeout=20) as client:
        client.sendall(b"POST /api/v1/postcodes HTTP/1.1\r\nHost: x\r\nContent-Length: 2000001\r\n\r\n")
        assert client.recv(1 << 16).startswith(b"HTTP/1.1 413")
    assert broken.heads == []


@pytest.mark.parametrize(
    "path",
    """/ /census /census/soas_2001 /census/soas_2001.json /census/soas_2001.csv /census/soas_2001.csv?_stream=on
    /census/data_zones_2011.csv?_stream=on /census/imd_by_postcode.csv?postcode=SW1A+1AA /census.csv?sql=select+1
    /census/imd_by_postcode?postcode=SW1A+1AA /graphql?query={__typename} /download.json /nothing /robots.txt
    /api/v1/postcodes/SW1A1AA /static/site.css""".split(),
)
def test_every_answer_has_its_length(stack, path):
    for port in (stack.state["workers"][0]["port"], stack.port):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        for method in ("GET", "HEAD"):
            client.request(method, path)
            answer = client.getresponse()
            body = answer.read()
            if method == "GET":
                length = len(body)
                assert int(answer.headers["Content-Length"]) == length > 0
            else:
                assert body == b""
                # Datasette's pages and JSON say how long their statements took, in more digits or fewer.
                assert abs(int(answer.headers["Content-Length"]) - length) <= (16 if "/census" in path else 0)
        client.close()


def test_a_csv_that_is_streamed_is_whole(stack):
    for table in ("soas_2001", "data_zones_2011"):
        rows = stack.ask(f"/census.json?sql=select+count(*)+as+n+from+{table}&_shape=array").body
        body = stack.ask(f"/census/{table}.csv?_stream=on", **{"Accept-Encoding": "gzip"}).body
        assert len(body.splitlines()) == json.loads(rows)[0]["n"] + 1
