"""Hostile requests of every class, in both ways to start the site: answered or refused, within bounds, and it goes on.

`make attack` is the long form: each class on fifty connections, with a table of what waits how long.
"""

import http.client
import json
import random
import sqlite3
import threading
import time
import urllib.request
from contextlib import closing

import pytest

from benchmarks import attack, hostile
from benchmarks.client import Request, Sending
from benchmarks.usage import Usage

pytestmark = pytest.mark.alone  # it loads servers

WAYS = {"make serve": attack.one_server, "make serve-many": attack.whole_stack}
BEHIND = 1000  # milliseconds: behind a hostile request a lookup would wait for seconds
LONGEST_S = 5  # for one request: a page asks several statements, of a second together
MOST_GROWTH = 64  # MiB, of the processes that answer
MOST_SQL = 128  # MiB, of a process for SQL, with the 30 that it begins with


@pytest.fixture(scope="module", params=WAYS)
def site(request, extract_db, tmp_path_factory):
    """The port of a running site, and its process."""
    from tests.conftest import site_of

    database = extract_db
    if request.param == "make serve":
        database = site_of(extract_db, tmp_path_factory.mktemp("hostile")) / "census.db"
    with WAYS[request.param](database) as running:
        for _ in range(4):
            for path in ("/census.json?sql=select+1", "/graphql?query={__typename}", *attack.PAGES):
                ask(running[0], {"path": path})
        yield running


def ask(port: int, request: Request) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with closing(connection):
        body = request.get("body")
        headers = {"content-type": "application/json"} if body else {}
        connection.request(request.get("method", "GET"), request["path"], body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read()


def postcodes(extract_db) -> list[str]:
    with closing(sqlite3.connect(extract_db)) as connection:
        return [row[0] for row in connection.execute("select postcode from postcodes limit 1000")]


def sample(requests: list[Request], name: str) -> list[Request]:
    """All statements once, and each fourth as a filter too; the rest whole."""
    if name.startswith("SQL"):
        half = len(requests) // 2
        return requests[:half] + requests[half::4]
    return requests


@pytest.mark.parametrize("name", hostile.classes(["SW1A 1AA"]))
def test_each_is_answered_or_refused_within_its_bounds(site, extract_db, name):
    port, pid = site
    usage = Usage(pid)
    for request in sample(hostile.classes(postcodes(extract_db))[name], name):
        started = time.monotonic()
        status, body = ask(port, request)
        took = time.monotonic() - started
        assert status in hostile.ANSWERED, (request["path"][:200], body[:300])
        assert took < LONGEST_S, request["path"][:200]
        if status == 400 and b"ok" in body[:10]:
            assert json.loads(body)["error"], request["path"][:200]
    usage.ended.set()
    usage.join()
    assert usage.growth_of("datasette") < MOST_GROWTH
    assert usage.most_of("census.web.sql.worker") < MOST_SQL
    assert ask(port, {"path": "/census.json?sql=select+1+as+one&_shape=array"}) == (200, b'[{"one": 1}]')
    assert json.loads(ask(port, {"path": "/api/v1/postcodes/SW1A1AA?fields=decile"})[1]) == {"decile": 8}


def test_all_of_them_on_fifty_connections_keep_no_lookup_waiting(site, extract_db):
    port, _ = site
    requests = [one for several in hostile.classes(postcodes(extract_db)).values() for one in several]
    random.Random(25).shuffle(requests)
    lookups = Sending(port, 8, [{"path": "/api/v1/postcodes/SW1A1AA?fields=decile"}], rate=50, connections=2)
    canned = Sending(port, 8, [{"path": "/census/imd_by_postcode.json?postcode=SW1A1AA"}], rate=10, connections=2)
    attacked = Sending(port, 8, requests, connections=50, far=True).found()
    print(attacked)
    assert attacked["sent"] > 100
    # Where the machine is busy they read late themselves, and who reads late is cut off.
    assert set(attacked["problems"]) <= {"IncompleteReadError"}, attacked["problems"]
    assert attacked["failed"] <= attacked["sent"] / 100, attacked["problems"]
    for found in (lookups.found(), canned.found()):
        print(found)
        assert found["failed"] == 0, found["problems"]
        assert found["p99"] < BEHIND, found


def test_senders_who_hang_up_are_worked_for_no_longer(site, extract_db):
    port, _ = site
    body = json.dumps((postcodes(extract_db) * 10)[:10_000]).encode()
    attack.hang_up(port, body, 2)
    started = time.monotonic()
    assert ask(port, {"path": "/api/v1/postcodes/SW1A1AA?fields=decile"})[0] == 200
    assert time.monotonic() - started < BEHIND / 1000 * 3


def test_senders_who_do_not_read_shut_no_other_list_out(site, extract_db):
    port, _ = site
    body = json.dumps((postcodes(extract_db) * 10)[:10_000]).encode()
    thread = threading.Thread(target=attack.hang_up, args=(port, body, 12, 3.3))  # as long as nobody may be cut off
    thread.start()
    time.sleep(4)  # into their second round
    one = urllib.request.Request(
        f"http://127.0.0.1:{port}/api/v1/postcodes", b'["SW1A 1AA"]', {"Content-Type": "application/json"}
    )
    try:
        for _ in range(2):
            with urllib.request.urlopen(one, timeout=30) as answer:
                assert json.load(answer)["answers"]
    finally:
        thread.join()
