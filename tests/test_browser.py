"""In a real browser: a page of another origin that embeds an address, and a map whose tiles are out of reach."""

import functools
import http.server
import json
import re
import shutil
import subprocess
import threading
from html import unescape

import pytest

from tests.conftest import unavailable

PAGE = """<!doctype html><title>An audit's own page</title><pre id="out">waiting</pre><script>
const show = (value) => { document.getElementById("out").textContent = JSON.stringify(value); };
const graphql = {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({query: GRAPHQL})};
Promise.all([
  fetch(BASE + "/census/imd_by_postcode.json?postcode=CF14+3LX&index=wales_2019&_shape=array").then((r) => r.json()),
  fetch(BASE + "/census/imd_by_postcode.csv?postcode=CF14+3LX&index=wales_2019").then((r) => r.text()),
  fetch(BASE + "/graphql", graphql).then((r) => r.json()),
  fetch(BASE + "/download/soas_2001.csv.gz").then((r) => r.arrayBuffer()).then((b) => b.byteLength),
  fetch(BASE + "/census/nothing.json").then((r) => r.status),
]).then(show, (error) => show({error: String(error)}));
</script>"""


@pytest.fixture(scope="module")
def browse(tmp_path_factory):
    """A function that gives the document of an address as headless Chromium makes it."""
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        unavailable("there is no Chromium")

    def document(address: str, width: int = 1200) -> str:
        options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking"
        options += (
            " --disable-component-update --disable-sync --disable-dev-shm-usage --virtual-time-budget=8000 --dump-dom"
        )
        folder = tmp_path_factory.mktemp("browser")
        command = [program, *options.split(), f"--user-data-dir={folder}", f"--window-size={width},900", address]
        return subprocess.run(command, capture_output=True, text=True, timeout=90, check=True).stdout

    return document


@pytest.fixture(scope="module")
def elsewhere(server, tmp_path_factory):
    """The address of a page of another origin."""
    base, _ = server
    folder = tmp_path_factory.mktemp("elsewhere")
    query = '{ postcodes_row(postcode: "SW1A 1AA") { lsoa_2011 { name } } }'
    page = PAGE.replace("BASE", json.dumps(base)).replace("GRAPHQL", json.dumps(query))
    (folder / "index.html").write_text(page)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}/"
        served.shutdown()


def test_a_page_of_another_origin_reads_an_embedded_address(browse, elsewhere):
    found = re.search(r'<pre id="out">(.*?)</pre>', browse(elsewhere), re.DOTALL)[1]
    rows, text, graphql, size, missing = json.loads(unescape(found))
    [row] = rows
    assert (row["status"], row["area_name"], row["decile"]) == ("found", "Cardiff 025D", 8)
    assert text.splitlines()[0].startswith("status,message,postcode")
    assert graphql["data"]["postcodes_row"]["lsoa_2011"]["name"] == "Westminster 018C"
    assert size > 1000
    assert missing == 404


@pytest.mark.parametrize(
    "path, text",
    [
        ("/census/nearest_postcodes?latitude=51.501&longitude=-0.1416", "SW1E 6LA"),
        ("/census/small_areas?_search=Shaftesbury", "Shaftesbury 1"),
        ("/census/local_authorities?_search=Westminster", "Westminster"),
    ],
)
def test_a_map_shows_its_points_and_attribution_though_no_tile_comes(browse, server, path, text):
    document = unescape(browse(server[0] + path))
    assert "leaflet-container" in document
    assert "leaflet-marker-icon" in document
    assert "OpenStreetMap</a> contributors" in document
    assert text in document, "the table stands below the map"


def test_a_page_of_one_answer_has_no_empty_map(browse, server):
    assert "leaflet-container" not in browse(server[0] + "/census/nearest_postcodes")


def test_the_editor_of_graphql_starts_under_its_content_security_policy(browse, server):
    assert "graphiql-container" in browse(server[0] + "/graphql")
