"""Below a path of another site: the real Caddy in front, one that passes the path on and one that takes it off."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from census.serve.caddy import buffering
from census.serve.worker import free_port
from census.web.responses import SECURITY
from tests.conftest import ROOT, site_of
from tests.golden.site import requests

FRONT = """
{
	admin off
	skip_install_trust
	auto_https off
}
http://127.0.0.1:%(kept)s {
	handle /data/* {
		reverse_proxy %(upstream)s
	}
}
http://127.0.0.1:%(taken)s {
	handle_path /data/* {
		reverse_proxy %(upstream)s
	}
}
"""


def get(address: str, **headers: str) -> tuple[int, dict[str, list[str]], bytes]:
    """Status, headers and body of an answer; redirects are not followed."""

    class Stay(urllib.request.HTTPRedirectHandler):
        def redirect_request(self, *_):
            return None

    request = urllib.request.Request(address, headers=headers)
    try:
        answer = urllib.request.build_opener(Stay).open(request, timeout=30)
    except urllib.error.HTTPError as error:
        answer = error
    with answer:
        named: dict[str, list[str]] = {}
        for name, value in answer.headers.items():
            named.setdefault(name.lower(), []).append(value)
        return answer.status, named, answer.read()


@pytest.fixture(scope="module")
def proxies(extract_db, guide, tmp_path_factory):
    """The ways to the site below /data/: to Datasette alone and to our own Caddy, through each kind of proxy."""
    folder = tmp_path_factory.mktemp("prefix")
    served = site_of(extract_db, folder)
    settings = json.loads((served / "settings.json").read_text())
    (served / "settings.json").unlink()
    (served / "settings.json").write_text(json.dumps(settings | {"base_url": "/data/"}))
    ports = {name: free_port() for name in ("datasette", "ours", "kept", "taken", "ours_kept", "ours_taken")}
    running = [
        subprocess.Popen(
            [Path(sys.executable).with_name("datasette"), served, "--port", str(ports["datasette"])],
            stderr=subprocess.DEVNULL,
        )
    ]
    usual = {"BUFFERING": buffering(), "GUIDE": str(guide), "DATABASE": str(served), "LOG": "discard"}
    upstream = f"127.0.0.1:{ports['datasette']}"
    usual |= {"UPSTREAMS": upstream, "OPEN_UPSTREAMS": upstream, "PREFIX": "uri strip_prefix /data"}
    usual |= {"SITE_ADDRESS": f"http://:{ports['ours']}", "LOG_LEVEL": "ERROR", "XDG_DATA_HOME": str(folder)}
    configs = {"ours": ROOT / "Caddyfile"}
    for name, port, more in (("direct", "datasette", ""), ("through", "ours", "ours_")):
        configs[name] = folder / f"{name}.Caddyfile"
        ways = {"kept": ports[f"{more}kept"], "taken": ports[f"{more}taken"], "upstream": f"127.0.0.1:{ports[port]}"}
        configs[name].write_text(FRONT % ways)
    for config in configs.values():
        command = ["caddy", "run", "--config", config, "--adapter", "caddyfile"]
        running.append(subprocess.Popen(command, env=os.environ | usual, stderr=subprocess.DEVNULL))
    ways = {name: f"http://127.0.0.1:{ports[name]}/data" for name in ("kept", "taken", "ours_kept", "ours_taken")}
    try:
        end = time.monotonic() + 60
        while not all(answers(f"{base}/-/health") for base in ways.values()):
            assert time.monotonic() < end
            time.sleep(0.1)
        yield ways
    finally:
        for process in running:
            process.terminate()
        for process in running:
            process.wait(20)


def answers(address: str) -> bool:
    try:
        return get(address)[0] == 200
    except OSError:
        return False


WAYS = ("kept", "taken", "ours_kept", "ours_taken")
ASKED = [
    one.path
    for number, one in enumerate(requests())
    if number % 12 == 0 and one.method == "GET" and not one.headers and "<" not in one.path
]
HIDDEN = re.compile(r"/-/(?!ready|health|static|versions)")


@pytest.mark.parametrize("way", WAYS)
def test_the_site_answers_alike_through_each_kind_of_proxy(proxies, way):
    for path in ASKED:
        if HIDDEN.match(path) or (path.startswith("/guide/") and way.startswith("ours")):
            continue  # our Caddy hides the former, and serves the guide itself
        status, headers, body = get(proxies[way] + path)
        expected, expected_headers, expected_body = get(proxies["kept"] + path)
        assert status == expected, path
        assert headers.get("location") == expected_headers.get("location"), path
        if "text/html" not in headers.get("content-type", [""])[0] and b"query_ms" not in body:
            here, there = (proxies[name].removesuffix("/data").encode() for name in (way, "kept"))
            assert body.replace(here, there) == expected_body, path


@pytest.mark.parametrize("way", WAYS)
def test_no_link_leads_out_of_the_prefix_and_each_leads_somewhere(proxies, way):
    host = proxies[way].removesuffix("/data")
    for path in ("/", "/postcode/SW1A1AA", "/census/soas_2001", "/census/publications", "/guide/", "/download", "/map"):
        status, _, body = get(proxies[way] + path)
        assert status == 200, path
        for link in set(re.findall(r'(?:href|src|action)="(/[^"#]*)', body.decode())):
            assert link.startswith("/data"), f"{link} in {path}"
            if ".db" not in link:
                assert get(host + link.replace("&amp;", "&"), Accept="text/html")[0] in (200, 301, 302), link


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/guide/", "/guide/nothing", "/api/v1/nothing", "/census.db", "/-/ready", "/census?sql=x"]
)
def test_every_answer_has_its_headers_once(proxies, way, path):
    _, headers, _ = get(proxies[way] + path)
    for name, value in SECURITY:
        assert headers[name.decode()] == [value.decode()], name
    assert len(headers["content-security-policy"]) == 1
    assert headers["access-control-allow-origin"] == ["*"]


@pytest.mark.parametrize("way", WAYS)
def test_graphql_is_bounded_and_posted_to(proxies, way):
    costly = json.dumps({"query": "{ postcodes(first: 1000) { nodes { lsoa_2011 { name lsoa_2021 { name } } } } }"})
    for query, status in ((costly, 400), (json.dumps({"query": "{ soas_2001 { totalCount } }"}), 200)):
        request = urllib.request.Request(f"{proxies[way]}/graphql", data=query.encode(), method="POST")
        try:
            found = urllib.request.urlopen(request, timeout=30).status
        except urllib.error.HTTPError as error:
            found = error.code
        assert found == status
