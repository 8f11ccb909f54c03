"""No postcode stands in any log that the stack writes, whichever way it was sent and whatever became of it."""

import os
import re
import signal
import socket
import time
from urllib.parse import quote

POSTCODE = "SW1A 1AA"
SPELT = ["SW1A1AA", "SW1A+1AA", "SW1A%201AA", "sw1a1aa", "SW1A~201AA"]
FOUND = re.compile(rb"sw1a([^0-9a-z]|%20|~20|\\u0020){0,6}1aa", re.IGNORECASE)
PATHS = [
    "/postcode/{}",
    "/postcode/{}/%00",
    "/area/{}",
    "/area/{}/areas.json",
    "/local-authority/{}",
    "/health-geography/{}/areas.csv?index=nonsense",
    "/search?q={}",
    "/map?q={}",
    "/map?layer={}",
    "/tiles/{}.json",
    "/tiles/{}/0/0/0.pbf",
    "/suggest?q={}",
    "/spreadsheet?{}",
    "/api/v1/postcodes/{}",
    "/api/v1/postcodes/{}?index=nonsense",
    "/rcpch-census-platform/api/v1/index_of_multiple_deprivation_quantile?postcode={}&quantile=5",
    "/rcpch-census-platform/api/v1/indices_of_multiple_deprivation/{}/",
    "/rcpch-census-platform/api/v1/boundaries?postcode={}",
    "/deprivation/v1/english_indices_of_multiple_deprivation/?lsoa_name={}&year=2025",
    "/deprivation/v2/index_of_multiple_deprivation_quantile?postcode={0}&quantile=5&year=2025&Subscription-Key={0}",
    "/deprivation/v2/index_of_multiple_deprivation_quantile?postcode=SW1A1AA&quantile={0}&year={0}",
    "/deprivation/v2/english_indices_of_multiple_deprivation/{0}/?year={0}",
    "/deprivation/v2/green_space/?local_authority_name={}",
    "/deprivation/v2/tiles/public.{0}.json?api_key={0}",
    "/deprivation/v2/tiles/public.uk_master_2021_z8_10/9/255/170.pbf?api_key={}",
    "/census/imd_by_postcode?postcode={}",
    "/census/imd_by_postcode.json?postcode={0}&year={0}",
    "/census/imd_by_postcode.csv?{}=1",
    "/census/imd_by_postcode.json?postcode={}&index=latest&_shape=array&_trace=1",
    "/census/imd_by_postcode.csv?postcode={}",
    "/census/imd_by_postcode.json?postcode={}&_next=%00&_shape=nonsense",
    "/census/postcodes/{}",
    "/census/postcodes.json?postcode={}",
    "/census/postcodes.json?_next={}%00",
    "/census/postcodes?_search={}&_sort=nothing",
    "/census/postcodes?_where=no_function('{}')",
    "/census.json?sql=select+*+from+postcodes+where+postcode='{}'",
    "/census.json?sql=select+no_function('{}')",
    "/census.csv?sql=select+json('{}')",
    "/census.json?sql=select+trim('a',printf('%25.*c{}',1000,'b'))",
    "/census.json?sql=with+recursive+t(n)as(select+1+union+all+select+n%2B1+from+t)select+'{}'from+t+where+n<0",
    "/census?sql=select+:p&p={}",
    '/graphql?query={{postcodes(filter:{{postcode:{{eq:"{}"}}}}){{nodes{{postcode}}}}}}',
    '/graphql?query={{nonsense(x:"{}"',
    "/{}",
    "/guide/{}",
    "/download/{}.csv.gz",
    "/-/{}",
    "/-/ready?digest={}",
    "/robots.txt?{}",
    "/census.db?{}",
]
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "NONSENSE"]


def everything(stack, paths) -> int:
    sent = 0
    for path in paths:
        for number, spelt in enumerate(SPELT):
            for method in METHODS if number == 0 else ("GET",):
                body = f'{{"postcodes": ["{POSTCODE}"]}}'.encode() if method in ("POST", "PUT") else None
                address = quote(path.format(spelt), safe="/?&=%+:~*!(),<>")
                stack.ask(address, method, body, Referer=f"http://localhost/{spelt}", Cookie=spelt, Authorization=spelt)
                sent += 1
    return sent


def raw(port: int, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 5) as connection:
        connection.sendall(request)
        connection.settimeout(2)
        try:
            return connection.recv(1000)
        except TimeoutError:
            return b""


def test_no_log_holds_a_postcode(own_stack, tmp_path):
    sent = everything(own_stack, PATHS)
    for request in (
        b"GET /api/v1/postcodes/SW1A 1AA HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /%zzSW1A1AA HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SW1A1AA\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: SW1A1AA\r\nSW1A 1AA: x\r\n\r\n",
        b"POST /api/v1/postcodes HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        b'["SW1A 1AA"',
    ):
        raw(own_stack.port, request)
        raw(own_stack.state["workers"][0]["port"], request)
    for body in (b'["SW1A 1AA", 5', b"SW1A 1AA\n", b'["SW1A 1AA"]', b"\xff SW1A1AA"):
        for kind in ("application/json", "text/csv", "application/x-ndjson", "SW1A1AA"):
            own_stack.ask("/api/v1/postcodes", "POST", body, **{"Content-Type": kind})
            own_stack.ask("/graphql", "POST", body, **{"Content-Type": kind})
            sent += 2

    # Nobody behind Caddy: what it says of requests that it cannot pass on.
    os.kill(own_stack.process.pid, signal.SIGSTOP)
    for worker in own_stack.state["workers"]:
        os.kill(worker["pid"], signal.SIGKILL)
    failing = own_stack.sending(
        4,
        [{"path": f"/api/v1/postcodes/{spelt}", "statuses": [502, 503]} for spelt in SPELT]
        + [{"path": "/census.json?sql=select+'SW1A1AA'", "statuses": [502, 503]}],
        connections=12,
    ).found()
    os.kill(own_stack.process.pid, signal.SIGCONT)
    assert failing["failed"] == 0, failing
    assert failing["sent"] >= 12
    own_stack.settled()
    assert own_stack.ask("/api/v1/postcodes/SW1A1AA").status == 200
    time.sleep(0.5)

    told = b""
    for file in [own_stack.log, *(path for path in tmp_path.rglob("*") if path.suffix in (".log", ".txt", ".json"))]:
        told += file.read_bytes()
    assert told.count(b'"handled request"') >= sent + failing["sent"], "Caddy's log has a line for every request"
    assert b'"logger":"http.log.error' in told, "and its error log the failures"
    assert b'"msg":"upstream roundtrip"' in told, "and it told what went where"
    who = rb'"(remote_ip|remote_port|client_ip|user-agent|referer)":'
    assert not re.search(who, own_stack.log.read_bytes(), re.IGNORECASE)
    assert b'"status":503' in told or b'"status":502' in told
    for found in FOUND.finditer(told):
        raise AssertionError(told[max(0, found.start() - 300) : found.end() + 100])


def test_the_search_would_find_one():
    for spelt in (*SPELT, POSTCODE, '"SW1A 1AA"', "SW1A%20%201AA"):
        assert FOUND.search(b"x" + spelt.encode() + b"y"), spelt
