"""In a real browser, headless Chromium: the box, each kind of page, maps, the spreadsheet page, and what others embed.

Every page is also looked at by axe-core, in light and dark, wide and 320 pixels wide; with CENSUS_SCREENSHOTS, a
folder, each is kept there as a picture. No request leaves this machine: tiles never come.
"""

import contextlib
import csv
import functools
import http.server
import io
import json
import os
import random
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from PIL import Image
from playwright.sync_api import expect, sync_playwright

from tests.conftest import ROOT, unavailable
from tests.site.test_pages import AREAS, AUTHORITIES, BOARD, GONE, POSTCODES
from tests.user_tables import CASES, CELLS

OPTIONS = (
    "--no-sandbox --enable-unsafe-swiftshader --disable-quic --no-first-run"
    " --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage"
).split()
PICTURES = os.environ.get("CENSUS_SCREENSHOTS")
OTHER_PAGE = """<!doctype html><title>An audit's own page</title><pre id="out">waiting</pre><script>
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
KINDS = {
    "home": "/",
    "spreadsheet": "/spreadsheet",
    "map": "/map",
    "search": "/search?q=cardiff",
    "search-nothing": "/search?q=xyzzy",
    **{f"postcode-{nation}": f"/postcode/{code}" for nation, code in POSTCODES.items()},
    "postcode-not-covered": "/postcode/JE23AB",
    "postcode-unknown": "/postcode/SW1A1ZZ",
    "postcode-invalid": "/postcode/SWIA1AA",
    **{f"area-{nation}": f"/area/{code}" for nation, code in AREAS.items()},
    "area-missing": "/area/E01999999",
    **{f"authority-{nation}": f"/local-authority/{code}" for nation, code in AUTHORITIES.items()},
    "authority-gone": f"/local-authority/{GONE}",
    "authority-in-part": "/local-authority/E06000060",
    "health-board": f"/health-geography/{BOARD}",
    "health-in-part": "/health-geography/E54000029",
    "api": "/api/v1",
    "downloads": "/download",
    "queries": "/census",
    "sql": "/census?sql=select+1+as+one",
    "query-form": "/census/imd_by_postcode",
    "query-answer": "/census/imd_by_postcode?postcode=SW1A1AA&index=england_2019",
    "query-list": "/census/deprivation_in_local_authority?authority=Cardiff&index=wales_2019",
    "table": "/census/soas_2001?_size=20",
    "table-filtered": "/census/small_areas?_search=Cardiff&nation=Wales&_size=20",
    "table-numbers": "/census/imd_northern_ireland_2017?_size=5",
    "row": "/census/soas_2001/95GG40S1",
    "not-found": "/nothing",
}
"""Each kind of page in each nation and each status. GraphQL's editor is another's program, and is not among them."""

TERMINATED = "select replace(postcode, ' ', '') from postcodes where terminated > 0 and lsoa_2011 is not null limit 1"


@pytest.fixture(scope="module")
def chromium():
    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        unavailable("there is no Chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=OPTIONS)
        yield browser
        browser.close()


def opened(context, base: str):
    """Open an empty page that asks nobody but `base`; what it asked of whom is in its `asked`."""
    page = context.new_page()
    page.set_default_timeout(15_000)
    page.asked, page.wrong = [], []

    def route(route):
        page.asked.append(route.request)
        if route.request.url.startswith((base, "blob:", "data:")):
            return route.fallback()
        return route.abort()

    page.route("**/*", route)
    page.on("console", lambda told: page.wrong.append(told.text) if told.type == "error" else None)
    page.on("pageerror", lambda error: page.wrong.append(str(error)))
    return page


@pytest.fixture
def browse(chromium, server):
    """Opens a page as a new visitor does: `browse(path, **options of the context)`."""
    base, _ = server
    contexts = []

    def browse(path: str, **options):
        context = chromium.new_context(base_url=base, **{"viewport": {"width": 1200, "height": 900}, **options})
        contexts.append(context)
        page = opened(context, base)
        page.goto(path)
        return page

    yield browse
    for context in contexts:
        context.close()


@pytest.fixture(scope="module")
def visitor(chromium, server):
    """The page of one visitor, who goes from one to the next: half the work, since axe-core is compiled once."""
    context = chromium.new_context(base_url=server[0])
    yield opened(context, server[0])
    context.close()


@pytest.fixture
def read(visitor):
    """Opens a page anew in one of the looks, such as "dark, 320 wide": `read(path, look)`."""

    def read(path: str, look: str):
        scheme, width = look.split(", ")
        visitor.goto("about:blank")
        visitor.asked.clear()
        visitor.wrong.clear()
        visitor.emulate_media(color_scheme=scheme)
        visitor.set_viewport_size({"width": int(width.split()[0]), "height": 900})
        visitor.goto(path)
        return visitor

    return read


def elsewhere_of(page, server) -> set[str]:
    """The hosts besides ours that a page asked."""
    asked = {urlsplit(request.url) for request in page.asked}
    return {url.netloc for url in asked if url.scheme.startswith("http")} - {urlsplit(server[0]).netloc}


def picture(page, name: str) -> None:
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{name}.png", full_page=True)


def nothing_reaches_beyond_the_screen(page) -> bool:
    return page.evaluate("document.documentElement.scrollWidth") <= page.viewport_size["width"]


def violations(page) -> list[str]:
    """What axe-core finds, every one of its rules asked; what is well is not listed."""
    found = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    return [f"{one['id']} ({one['impact']}): {node['html'][:200]}" for one in found for node in one["nodes"][:3]]


# Each kind of page


@pytest.mark.parametrize("look", ["light, 1200 wide", "dark, 320 wide"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_page_can_be_read_by_everyone(read, server, kind, look):
    page = read(KINDS[kind], look)
    picture(page, f"{kind}-{look.split(',')[0]}".replace(" ", "-").lower())
    assert violations(page) == []
    assert nothing_reaches_beyond_the_screen(page)
    assert elsewhere_of(page, server) == set()
    refused = r"Failed to load resource: the server responded with a status of 40[04]"
    assert [told for told in page.wrong if not re.match(refused, told)] == [], "its policy lets all that it does"


THEME_S = ("landmark-unique", "scrollable-region-focusable")
"""What axe-core finds of the guide's theme: copy buttons are landmarks, wide tables are wrapped without a focus."""


@pytest.mark.parametrize("look", ["light, 1300 wide", "dark, 320 wide"])
@pytest.mark.parametrize("path", ["", "developers/", "operators/", "researchers/python/", "data/dictionary/"])
def test_the_guide_can_be_read_by_everyone(read, server, path, look):
    page = read(f"/guide/{path}", look)
    expect(page.locator(".md-code__nav, .md-typeset__table").first).to_be_attached()  # the theme's script has run
    assert [told for told in violations(page) if not told.startswith(THEME_S)] == []
    assert nothing_reaches_beyond_the_screen(page)
    assert elsewhere_of(page, server) == set()
    assert page.wrong == []


@pytest.mark.parametrize("kind", ["postcode-England", "authority-Wales", "health-board"])
def test_on_paper_there_are_the_figures_and_no_menu(browse, kind):
    page = browse(KINDS[kind])
    page.emulate_media(media="print")
    drawn = page.locator(".chart.strip, .chart.bars, .chart.shares")
    assert drawn.count() == drawn.locator("visible=true").count() > 0
    for hidden in ("header", ".box", ".map-place"):
        expect(page.locator(hidden)).to_be_hidden()
    picture(page, f"{kind}-print".lower())


def test_a_retired_postcode_s_page_is_readable_too(browse, extract_db):
    with contextlib.closing(sqlite3.connect(extract_db)) as db:
        [code] = db.execute(TERMINATED).fetchone()
    for scheme in ("light", "dark"):
        page = browse(f"/postcode/{code}", color_scheme=scheme)
        expect(page.get_by_text("This postcode is no longer in use.")).to_be_visible()
        picture(page, f"postcode-terminated-{scheme}")
        assert violations(page) == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("kind", ["home", "postcode-England", "authority-England", "spreadsheet"])
def test_the_focus_goes_down_the_page_and_is_seen(browse, kind, scheme):
    page = browse(KINDS[kind], color_scheme=scheme)
    focused = """() => {
      const e = document.activeElement, style = getComputedStyle(e);
      const all = [...document.querySelectorAll("*")];
      return [all.indexOf(e), e.tagName, style.outlineStyle, parseFloat(style.outlineWidth), style.outlineColor];
    }"""
    seen = []
    for _ in range(200):
        page.keyboard.press("Tab")
        place, tag, outline, width, colour = page.evaluate(focused)
        if tag == "BODY":
            break
        assert (outline, width) == ("solid", 3), f"{tag} has no outline that can be seen"
        assert colour == ("rgb(179, 71, 0)" if scheme == "light" else "rgb(255, 176, 103)")
        seen.append(place)
    assert seen == sorted(seen), "in the order of the page"
    can = "a[href]:visible, button:visible:enabled, input:visible:enabled, select:visible:enabled, summary:visible"
    can += ", [tabindex='0']:visible"
    assert len(seen) == page.locator(can).count(), "everything that can be used is reached"


def test_without_javascript_every_page_has_its_figures_and_its_box(browse):
    page = browse("/", java_script_enabled=False)
    page.get_by_label("Postcode, area code or place").fill("cf14 3lx")
    page.get_by_role("button", name="Look up").click()
    expect(page).to_have_url(re.compile("/postcode/CF143LX$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("CF14 3LX")
    expect(page.get_by_role("img", name="Overall: decile 8 of 10, rank 1,479 of 1,917")).to_be_visible()
    expect(page.locator("noscript p", has=page.locator("a"))).to_be_visible()  # the areas as a list, in place of a map
    expect(page.get_by_role("button", name="Show the map")).to_be_hidden()
    page.get_by_label("Postcode, area code or place").fill("Cardiff")
    page.get_by_role("button", name="Look up").click()
    page.get_by_role("link", name="Cardiff (Caerdydd)").click()
    expect(page).to_have_url(re.compile("/local-authority/W06000015$"))
    page.goto("/spreadsheet")
    expect(page.locator("noscript p.message-error")).to_be_visible()
    assert "append.py" in page.locator("noscript").inner_text()
    expect(page.locator("form.sheet")).to_be_hidden()
    assert [request for request in page.asked if request.resource_type == "script"] == []


# The box


def test_the_box_is_used_by_keyboard_alone(browse):
    page = browse("/")
    box = page.get_by_role("combobox", name="Postcode, area code or place")
    for _ in range(6):
        page.keyboard.press("Tab")
        if box.evaluate("e => e === document.activeElement"):
            break
    expect(box).to_be_focused()
    expect(box).to_have_attribute("aria-expanded", "false")
    page.keyboard.type("cardi", delay=30)
    options = page.get_by_role("option")
    expect(options.first).to_have_text(re.compile(r"^Cardiff \(Caerdydd\) local authority, Wales"))
    expect(box).to_have_attribute("aria-expanded", "true")
    expect(page.locator(".box [role=status]")).to_have_text(re.compile(r"^\d suggestions; use the arrow keys"))
    page.keyboard.press("ArrowDown")
    expect(options.first).to_have_attribute("aria-selected", "true")
    expect(box).to_have_attribute("aria-activedescendant", options.first.get_attribute("id"))
    picture(page, "suggestions")
    assert violations(page) == [], "with the list open too"
    page.keyboard.press("ArrowUp")
    expect(options.last).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    expect(box).to_have_value("cardi")
    page.keyboard.press("ArrowDown")  # opens it again
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("/local-authority/W06000015$"))
    expect(page.get_by_role("heading", level=1)).to_have_text("Cardiff")


def test_what_is_typed_whole_is_looked_up_with_enter(browse):
    page = browse("/")
    page.get_by_label("Postcode, area code or place").focus()
    page.keyboard.type("bt2 7dx")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("BT2 7DX")


@pytest.mark.parametrize(
    "typed, first, address",
    [
        ("SW1A 1A", "SW1A 1AA postcode", "/postcode/SW1A1AA"),
        ("CF1O 1AA", "CF10 1AA postcode that looks like it", "/postcode/CF101AA"),
        ("bt2", re.compile("^BT2 outward code, .* postcodes, Belfast"), r"/search\?q=BT2"),
        ("abertawe", "Swansea (Abertawe) local authority, Wales", "/local-authority/W06000011"),
        ("w0100175", "Cardiff 031A LSOA W01001750, Wales", "/area/W01001750"),
        ("gabalf", "Cardiff 025A (Gabalfa 1) LSOA W01001755, Wales", "/area/W01001755"),
        ("western is", "Western Isles health board, Scotland", "/health-geography/S08000028"),
        ("shaftesb", "Shaftesbury 1 SOA 95GG39S1, Northern Ireland", "/area/95GG39S1"),
    ],
)
def test_suggestions_are_clicked(browse, typed, first, address):
    page = browse("/")
    page.get_by_label("Postcode, area code or place").press_sequentially(typed, delay=20)
    option = page.get_by_role("option").first
    expect(option).to_have_text(first)
    option.click()
    expect(page).to_have_url(re.compile(f"{address}$"))


def test_a_server_that_cannot_suggest_leaves_a_form_that_works(browse):
    page = browse("/")
    page.route("**/suggest*", lambda route: route.abort())
    page.get_by_label("Postcode, area code or place").press_sequentially("ml1 1aa", delay=20)
    page.wait_for_timeout(400)
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_have_text("ML1 1AA")


# Maps


@pytest.mark.parametrize(
    "kind, told",
    [
        ("postcode-England", "60 areas at the mean position of their postcodes, English indices of deprivation 2025"),
        ("area-Northern Ireland", "60 areas at the mean position"),
        ("authority-Wales", "areas at the mean position of their postcodes, Welsh Index of Multiple Deprivation 2025"),
        ("health-board", "36 areas at the mean position"),
    ],
)
def test_a_map_comes_when_it_is_asked_for_and_stands_without_tiles(browse, server, kind, told):
    page = browse(KINDS[kind])
    page.wait_for_load_state("networkidle")
    assert not [request for request in page.asked if "leaflet" in request.url], "nothing of a map before"
    page.get_by_role("button", name="Show the map").click()
    expect(page.locator(".map-told")).to_contain_text(told)
    expect(page.locator(".map-told")).to_contain_text("The background did not come; the areas stand without it.")
    expect(page.locator(".legend")).to_contain_text("10")
    expect(page.locator(".leaflet-control-attribution")).to_contain_text("OpenStreetMap contributors")
    assert elsewhere_of(page, server) == {"tile.openstreetmap.org"}
    drawn = "e => e.getContext('2d').getImageData(0, 0, e.width, e.height).data.some((value) => value)"
    assert page.locator("canvas.leaflet-zoom-animated").evaluate(drawn), "circles are drawn"
    if kind.startswith("postcode"):
        expect(page.locator(".leaflet-tooltip")).to_have_text("SW1A 1AA")
    picture(page, f"map-{kind}".replace(" ", "-").lower())
    assert violations(page) == []


def test_a_map_whose_areas_do_not_come_says_so_and_can_be_asked_for_again(browse):
    page = browse("/postcode/SW1A1AA")
    page.route("**/areas.json*", lambda route: route.abort())
    page.get_by_role("button", name="Show the map").click()
    expect(page.locator(".map-told")).to_contain_text("There is no map:")
    page.unroute("**/areas.json*")
    page.get_by_role("button", name="Show the map").click()
    expect(page.locator(".map-told")).to_contain_text("60 areas")


@pytest.mark.parametrize(
    "path, text",
    [
        ("/census/nearest_postcodes?latitude=51.501&longitude=-0.1416", "SW1E 6LA"),
        ("/census/small_areas?_search=Shaftesbury", "Shaftesbury 1"),
        ("/census/local_authorities?_search=Westminster", "Westminster"),
    ],
)
def test_a_table_s_map_comes_when_it_is_asked_for_and_shows_its_points_though_no_tile_comes(browse, server, path, text):
    page = browse(path)
    page.wait_for_load_state("networkidle")
    assert elsewhere_of(page, server) == set()
    assert page.locator(".leaflet-container").count() == 0
    page.get_by_role("button", name="Show these on a map").click()
    expect(page.locator(".leaflet-container")).to_be_visible()
    expect(page.locator(".leaflet-marker-icon").first).to_be_attached()
    expect(page.locator(".leaflet-control-attribution")).to_contain_text("OpenStreetMap contributors")
    expect(page.get_by_text(text).first).to_be_attached()
    assert elsewhere_of(page, server) == {"tile.openstreetmap.org"}
    page.reload()
    expect(page.get_by_role("button", name="Show these on a map")).to_be_visible()


def test_a_page_of_one_answer_has_no_empty_map(browse):
    page = browse("/census/nearest_postcodes")
    page.wait_for_load_state("networkidle")
    assert page.locator(".leaflet-container").count() == 0
    assert page.get_by_role("button", name="Show these on a map").count() == 0


# A spreadsheet


@pytest.fixture(scope="module")
def patients(extract_db, tmp_path_factory) -> tuple[Path, list[list[str]]]:
    """A made-up CSV of 5,000 rows, its postcodes written in many ways, and its rows."""
    chosen = random.Random(3)
    with contextlib.closing(sqlite3.connect(extract_db)) as db:
        codes = [row[0] for row in db.execute("select postcode from postcodes order by postcode")]
    spellings = (str, str.lower, lambda c: c.replace(" ", ""), lambda c: f" {c}\u00a0", lambda c: c.replace(" ", "  "))
    strange = [
        "",
        "unknown",
        "N/A",
        "SWIA 1AA",
        "M1 1AE",
        "ZZ99 3VZ",
        "JE2 3AB",
        "Anne Other",
        "1 The Street\nTown",
        'a "b"',
        "ſw1a1aa",
        "12345",
    ]
    rows = [["id", "name", "POSTCODE", "notes"]]
    for n in range(5000):
        code = chosen.choice(spellings)(chosen.choice(codes)) if chosen.random() < 0.9 else chosen.choice(strange)
        note = chosen.choice(["", "plain", "comma, here", 'he said "no"', "two\nlines", "Łódź", "0012"])
        rows.append([f"{n:05}", f"Secret Name {n}", code, note])
    path = tmp_path_factory.mktemp("patients") / "patients.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path, rows


def appended(path: Path, database: Path, *more: str) -> list[list[str]]:
    """The rows that append.py makes of the table at `path`."""
    output = path.with_name(f"{path.stem}_appended.csv")
    command = [sys.executable, ROOT / "append.py", path, "--postcode", "POSTCODE", "-o", output, "--force"]
    done = subprocess.run([*command, "--database", database, *more], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    with output.open(newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def downloaded(page) -> list[list[str]]:
    with page.expect_download() as download:
        page.locator("#download").click()
    with open(download.value.path(), newline="", encoding="utf-8-sig") as file:
        return list(csv.reader(file))


def test_a_spreadsheet_of_5000_rows_comes_back_as_append_py_would_make_it(browse, patients, extract_db):
    path, rows = patients
    page = browse("/spreadsheet")
    page.set_input_files("#file", path)
    expect(page.locator("#form-told")).to_have_text("patients.csv: 5,000 rows, 4 columns, UTF-8, commas between cells.")
    expect(page.locator("#column option:checked")).to_have_text("POSTCODE")
    before = len(page.asked)
    page.get_by_label("children (IDACI)").check()
    page.get_by_role("button", name="Look up and join").click()
    expect(page.locator("#result")).to_be_visible(timeout=60_000)
    expect(page.locator("#result")).to_be_focused()
    expect(page.locator("#summary")).to_contain_text("5,000 rows: ")
    expect(page.locator("#summary")).to_contain_text("have figures of an older index than their nation’s newest")
    expect(page.locator("#sources")).to_contain_text("Open Government Licence")
    picture(page, "spreadsheet-result")
    assert violations(page) == []
    columns = "status,nation,area_code,index_id,rank,of,decile,quintile,idaci_rank,idaci_decile"
    assert downloaded(page) == appended(path, extract_db, "--columns", columns)

    # What left the machine: the different postcodes, nothing else.
    from census.domain import postcode

    asked = [request for request in page.asked[before:] if request.url.startswith("http")]
    assert {(request.method, urlsplit(request.url).path) for request in asked} == {("POST", "/api/v1/postcodes")}
    sent = [code for request in asked for code in json.loads(request.post_data)]
    assert sent == sorted({code for row in rows[1:] if (code := postcode.normalise(row[2]))})
    assert all(urlsplit(request.url).query.startswith("index=latest&fields=status,") for request in asked)
    assert max(len(json.loads(request.post_data)) for request in asked) == 500


@pytest.mark.parametrize("index", ["england_2019", "2019"])
def test_the_index_that_is_asked_for_is_the_one_that_answers(browse, patients, extract_db, index):
    path = patients[0].with_name(f"few_{index}.csv")
    path.write_text("POSTCODE\nSW1A 1AA\nCF14 3LX\nML1 1AA\n\nBT2 7DX\n")
    page = browse("/spreadsheet")
    page.set_input_files("#file", path)
    page.select_option("#index", index)
    page.get_by_role("button", name="Look up and join").click()
    expect(page.locator("#result")).to_be_visible()
    made = downloaded(page)
    assert made == appended(path, extract_db, "--index", index)
    assert made[1][1:5] == ["found", "England", "E01004736", "england_2019"]


@pytest.mark.parametrize(
    "text, encoding, told, end",
    [
        ("Postcode;Ort\r\nSW1A 1AA;Łódź\r\n", "utf-16", "utf-16le, semicolons", "\r\n"),
        ("Postcode\tPlace\nSW1A 1AA\tCafé\n", "cp1252", "Windows-1252, tabs", "\n"),
        ("\ufeffPostcode|Place\nSW1A 1AA|Café\n", "utf-8", "UTF-8 with a mark, vertical bars", "\n"),
        ('a,Postcode\n"two\nlines",SW1A 1AA', "ascii", "UTF-8, commas", "\n"),
    ],
)
def test_a_file_keeps_its_form(browse, tmp_path, text, encoding, told, end):
    path = tmp_path / "file.csv"
    path.write_bytes(text.encode(encoding))
    page = browse("/spreadsheet")
    page.set_input_files("#file", path)
    expect(page.locator("#form-told")).to_contain_text(f"1 rows, 2 columns, {told}".replace("1 rows", "1 rows"))
    page.get_by_role("button", name="Look up and join").click()
    expect(page.locator("#result")).to_be_visible()
    with page.expect_download() as download:
        page.locator("#download").click()
    made = Path(download.value.path()).read_bytes()
    assert made.startswith(b"\xef\xbb\xbf") == (not told.startswith("UTF-8,")), "a mark, so that Excel knows"
    lines = made.decode("utf-8-sig")
    delimiter = {"semi": ";", "tabs": "\t", "vert": "|", "comm": ","}[told.split(", ")[1][:4]]
    assert lines.split(end)[0] == text.lstrip("\ufeff").split(end)[0] + "".join(
        f"{delimiter}imd_{name}" for name in "status nation area_code index_id rank of decile quintile".split()
    )
    assert lines.endswith(
        f"found{delimiter}England{delimiter}E01004736{delimiter}england_2025{delimiter}24593"
        f"{delimiter}33755{delimiter}8{delimiter}4{end}"
    )
    assert download.value.suggested_filename == "file_with_deprivation.csv"


def test_the_page_reads_each_table_as_append_py_does_or_refuses_it(browse, tmp_path, extract_db):
    page, wrong = browse("/spreadsheet"), {}
    for n, (name, case) in enumerate(CASES.items()):
        if not case.page:
            continue
        path = tmp_path / f"file{n}.csv"
        path.write_bytes(case.content)
        page.set_input_files("#file", path)
        page.locator("#problem:not([hidden]), #asked:not([disabled])").first.wait_for()
        told = page.get_by_role("alert").text_content() if page.locator("#problem").is_visible() else ""
        if case.statuses is None:
            names = case.names if case.page is True else case.page
            if not told or [name for name in names if name not in told] or [cell for cell in CELLS if cell in told]:
                wrong[name] = told
            expect(page.get_by_role("button", name="Look up and join")).to_be_disabled()
        elif told:
            wrong[name] = told
        else:
            if case.asked and not re.fullmatch("[0-9,]+", case.asked):
                page.select_option("#column", label=case.asked.replace(",", " and "))
            page.get_by_role("button", name="Look up and join").click()
            expect(page.locator("#result")).to_be_visible()
            asked = ["--postcode", case.asked] if case.asked else []
            output = path.with_suffix(".out")
            command = [sys.executable, ROOT / "append.py", path, "-o", output, "--database", extract_db, *asked]
            assert subprocess.run(command, capture_output=True).returncode == 0
            with page.expect_download() as download:
                page.locator("#download").click()
            made = read_rows(Path(download.value.path()).read_bytes())
            if made != read_rows(output.read_bytes()):
                wrong[name] = made
    assert wrong == {}


def test_a_near_miss_gets_its_hint_and_is_not_sent(browse, tmp_path):
    (tmp_path / "file.csv").write_text("postcode\nSWIA 1AA\nSW1A\u200b 1AA\nSW1! 1AA\n", encoding="utf-8")
    page = browse("/spreadsheet")
    page.set_input_files("#file", tmp_path / "file.csv")
    page.get_by_label("why, where there are no figures").check()
    page.get_by_role("button", name="Look up and join").click()
    expect(page.locator("#summary")).to_contain_text("1 different postcodes were sent")
    [header, near, marked, strange] = downloaded(page)
    told = header.index("imd_message")
    assert near[told] == "This is not in a valid postcode format; it was not sent. SW1A 1AA would be."
    assert (marked[1], strange[told]) == ("found", "This is not in a valid postcode format; it was not sent.")


def read_rows(content: bytes) -> list[list[str]]:
    """The cells of a CSV as the page or append.py wrote it, whatever its encoding and line ends."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252")
    delimiter = ";" if ";imd_status" in text else ","
    return [row or [""] for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)]


def test_a_file_that_is_refused_keeps_no_other_from_being_read(browse, tmp_path):
    (tmp_path / "bad.csv").write_bytes(b"")
    (tmp_path / "good.csv").write_text("Postcode,imd_rank\nSW1A 1AA,1\n")
    page = browse("/spreadsheet")
    page.set_input_files("#file", tmp_path / "bad.csv")
    expect(page.get_by_role("alert")).to_contain_text("The file is empty.")
    page.set_input_files("#file", tmp_path / "good.csv")
    expect(page.get_by_role("alert")).to_be_hidden()
    page.get_by_role("button", name="Look up and join").click()
    expect(page.get_by_role("alert")).to_have_text("The file has a column imd_rank already: rename it first.")


def test_a_server_that_fails_now_and_then_is_asked_again(browse, patients, extract_db):
    path, _ = patients
    page, n = browse("/spreadsheet"), iter(range(1000))

    def shaky(route):
        if next(n) % 3 == 1:
            return route.fulfill(status=503, body='{"ok": false}') if next(n) % 2 else route.abort()
        return route.fallback()

    page.route("**/api/v1/postcodes*", shaky)
    page.set_input_files("#file", path)
    page.get_by_role("button", name="Look up and join").click()
    expect(page.locator("#result")).to_be_visible(timeout=60_000)
    assert downloaded(page) == appended(path, extract_db)


def test_a_server_that_fails_for_good_gives_no_half_result(browse, patients):
    page = browse("/spreadsheet")
    page.route("**/api/v1/postcodes*", lambda route: route.fulfill(status=503, body="{}"))
    page.set_input_files("#file", patients[0])
    page.get_by_role("button", name="Look up and join").click()
    expect(page.get_by_role("alert")).to_contain_text("The server did not answer (it answered 503)", timeout=30_000)
    expect(page.locator("#result")).to_be_hidden()
    expect(page.get_by_role("button", name="Look up and join")).to_be_enabled()


def test_looking_up_can_be_stopped(browse, patients):
    page = browse("/spreadsheet")
    page.route("**/api/v1/postcodes*", lambda _: None)  # never answered
    page.set_input_files("#file", patients[0])
    page.get_by_role("button", name="Look up and join").click()
    page.get_by_role("button", name="Stop").click()
    expect(page.get_by_role("alert")).to_have_text("Stopped: nothing was made.")


# Others


def test_code_can_be_copied(browse):
    page = browse("/postcode/SW1A1AA", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_text("curl", exact=True).click()
    page.get_by_role("button", name="Copy").first.click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(copied, shell=True, capture_output=True, text=True, timeout=30)
    [row] = json.loads(done.stdout)
    assert (row["status"], row["index_id"], row["decile"]) == ("found", "england_2025", 8)


@pytest.fixture(scope="module")
def another_origin(server, tmp_path_factory):
    """The address of a page of another origin."""
    base, _ = server
    folder = tmp_path_factory.mktemp("elsewhere")
    query = '{ postcodes_row(postcode: "SW1A 1AA") { lsoa_2011 { name } } }'
    page = OTHER_PAGE.replace("BASE", json.dumps(base)).replace("GRAPHQL", json.dumps(query))
    (folder / "index.html").write_text(page)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            """Says nothing."""

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=folder)) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{served.server_port}/"
        served.shutdown()


def test_a_page_of_another_origin_reads_an_embedded_address(chromium, another_origin):
    page = chromium.new_page()
    page.goto(another_origin)
    expect(page.locator("#out")).not_to_have_text("waiting", timeout=20_000)
    rows, text, graphql, size, missing = json.loads(page.locator("#out").text_content())
    page.close()
    [row] = rows
    assert (row["status"], row["area_name"], row["decile"]) == ("found", "Cardiff 025D", 8)
    assert text.splitlines()[0].startswith("status,message,postcode")
    assert graphql["data"]["postcodes_row"]["lsoa_2011"]["name"] == "Westminster 018C"
    assert size > 1000
    assert missing == 404


def test_the_editor_of_graphql_starts_under_its_content_security_policy(browse):
    expect(browse("/graphql").locator(".graphiql-container")).to_be_visible()


# The map


LONDON = "/map#at=11/51.5/-0.12"


@pytest.fixture
def atlas(browse, server):
    """Opens the map at an address and waits until it is drawn; none of its tiles may fail."""

    def atlas(path: str, **options):
        page = browse(path, **options)
        expect(page.locator("#atlas[data-drawn]")).to_be_attached()
        settle(page)
        assert elsewhere_of(page, server) == set()
        assert page.wrong == []
        return page

    return atlas


def settle(page) -> None:
    """Returns when the map has been drawn and nothing more is asked for."""
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(700)


def colours(page, within=(0.05, 0.05, 0.9, 0.9)) -> dict[tuple, int]:
    """The deciles whose colours are in a part of the map (left, top, width, height as shares), each with its pixels."""
    place = page.locator(".atlas")
    place.scroll_into_view_if_needed()
    shot = Image.open(io.BytesIO(place.screenshot())).convert("RGB")
    width, height = shot.size
    left, top, across, down = within
    part = shot.crop((int(left * width), int(top * height), int((left + across) * width), int((top + down) * height)))
    scale = page.evaluate(
        """() => [...Array(10)].map((_, i) => {
          const style = getComputedStyle(document.documentElement);
          return parseInt(style.getPropertyValue(`--d${i + 1}`).trim().slice(1), 16);
        })"""
    )
    known = {(value >> 16, value >> 8 & 255, value & 255): n for n, value in enumerate(scale, 1)}
    return {known[colour]: n for n, colour in part.getcolors(1 << 24) if colour in known}


def test_the_map_draws_deciles_where_they_are(atlas, extract_db):
    """Westminster, in its place: many deciles; the sea beside Eastbourne: none."""
    page = atlas(LONDON)
    assert len(colours(page)) > 3
    picture(page, "map-london")
    sea = atlas("/map#at=12/50.68/0.45")
    assert colours(sea, (0.5, 0.5, 0.4, 0.4)) == {}
    with contextlib.closing(sqlite3.connect(extract_db)) as db:
        latitude, longitude, decile = db.execute(
            "select latitude, longitude, decile from lsoas_2021 join deprivation on area_code = code"
            " where code = 'E01004736' and index_id = 'england_2025'"
        ).fetchone()
    page = atlas(f"/map#at=16/{latitude}/{longitude}")
    middle = colours(page, (0.49, 0.49, 0.02, 0.02))
    assert list(middle) == [decile], "the colour of the area in which the middle of the map is"


def test_the_switches_change_the_colours_and_the_address_keeps_them(atlas):
    page = atlas(LONDON)
    newest = colours(page)
    assert not [request for request in page.asked if "/tiles/uk_2011/" in request.url], "one edition at a time"
    page.get_by_label("2017 to 2020").check()
    settle(page)
    older = colours(page)
    page.get_by_label("Index or domain").select_option("crime")
    settle(page)
    crime = colours(page)
    assert newest != older != crime != newest
    assert "layer=uk_2011" in page.url
    assert "measure=crime" in page.url
    page.mouse.move(600, 500)
    page.get_by_role("button", name="Zoom in").click()
    expect(page).to_have_url(re.compile("#at=12"))
    again = atlas(page.url.replace(page.evaluate("location.origin"), ""))
    expect(again.get_by_label("2017 to 2020")).to_be_checked()
    expect(again.get_by_label("Index or domain")).to_have_value("crime")
    assert "at=12" in again.url
    again.evaluate("location.hash = '#at=11/51.5/-0.12'")
    settle(again)
    expect(again.get_by_label("newest of each nation")).to_be_checked()
    expect(again.get_by_label("Index or domain")).to_have_value("imd")
    assert colours(again) == newest, "the address says all"


def test_an_address_keeps_the_area_that_was_chosen_in_any_edition(atlas):
    page = atlas("/map?layer=uk_2011#at=14/51.501/-0.1416&area=E01004736")
    told = page.locator(".atlas-area")
    expect(told).to_contain_text("rank 24,862 of 32,844")
    expect(told).to_contain_text("English indices of deprivation 2019")
    page.get_by_label("newest of each nation").check()
    expect(told).to_contain_text("rank 24,593 of 33,755")
    page.reload()
    settle(page)
    expect(page.get_by_label("newest of each nation")).to_be_checked()
    expect(told).to_contain_text("rank 24,593 of 33,755")
    page.get_by_label("Index or domain").select_option("health")
    settle(page)
    page.get_by_label("Go to a postcode").fill("CF14 3LX")
    page.get_by_role("button", name="Go there").click()
    settle(page)
    expect(page.get_by_label("Index or domain")).to_have_value("health")
    expect(told).to_contain_text("Welsh Index of Multiple Deprivation 2025")
    expect(told).to_contain_text("The decile is computed.")


def test_a_map_whose_tiles_do_not_come_says_so(browse):
    page = browse("/")
    page.route("**/tiles/uk_latest/**", lambda route: route.fulfill(status=410, body="{}"))
    page.goto("/map")
    expect(page.locator("#atlas-problem")).to_contain_text("Some of the map did not come")
    page.route("**/tiles/uk_latest.json", lambda route: route.fulfill(status=503, body="{}"))
    page.goto("/map?layer=uk_latest")
    expect(page.locator("#atlas-problem")).to_contain_text("cannot be drawn")


@pytest.mark.parametrize("way", ["pointed at", "by keyboard", "touched"])
def test_an_area_on_the_map_tells_its_figures(atlas, extract_db, way):
    with contextlib.closing(sqlite3.connect(extract_db)) as db:
        latitude, longitude, name, rank, of, decile = db.execute(
            "select latitude, longitude, name, rank, of, decile from lsoas_2021 join deprivation on area_code = code"
            " where code = 'E01004736' and index_id = 'england_2025'"
        ).fetchone()
    page = atlas(f"/map#at=15/{latitude}/{longitude}", has_touch=way == "touched")
    place = page.locator(".atlas")
    place.scroll_into_view_if_needed()
    box = place.bounding_box()
    middle = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    if way == "pointed at":
        page.mouse.move(*middle)
    elif way == "touched":
        page.touchscreen.tap(*middle)
    else:
        page.locator(".atlas canvas").focus()
        page.keyboard.press("ArrowRight")
        settle(page)
        page.keyboard.press("ArrowLeft")
        settle(page)
        expect(page.locator(".atlas .cross")).to_be_visible()
    told = page.locator(".atlas-area")
    expect(told).to_contain_text(f"decile {decile} of 10, rank {rank:,} of {of:,}")
    expect(told).to_contain_text("English indices of deprivation 2025")
    expect(told).to_contain_text("The decile is published.")
    expect(told.get_by_role("link", name=name)).to_have_attribute("href", "/area/E01004736")
    expect(told.get_by_role("link", name="Westminster", exact=True)).to_have_attribute(
        "href", "/local-authority/E09000033"
    )
    if way != "pointed at":
        expect(page.locator('#atlas [role="status"]')).to_contain_text(f"decile {decile} of 10")
        page.locator(".atlas canvas").focus()
        page.keyboard.press("Escape")
        expect(told).to_contain_text("Point at an area")
        page.wait_for_timeout(1000)
        expect(told).to_contain_text("Point at an area")
        expect(page.locator(".atlas .cross")).to_be_hidden()


def test_a_domain_that_a_nation_has_not_says_so(atlas):
    page = atlas("/map#at=12/51.49/-3.2&measure=crime")
    page.get_by_label("Index or domain").select_option("idaci")
    settle(page)
    assert colours(page, (0.3, 0.3, 0.4, 0.4)) == {}, "Wales publishes no IDACI"
    page.locator(".atlas").hover()
    expect(page.locator(".atlas-area")).to_contain_text("no figure in this index here")


@pytest.mark.parametrize("look", ["light, 1200 wide", "dark, 320 wide"])
def test_the_map_can_be_used_by_everyone(atlas, look):
    scheme, width = look.split(", ")
    page = atlas(LONDON, color_scheme=scheme, viewport={"width": int(width.split()[0]), "height": 900})
    assert violations(page) == []
    page.locator(".atlas").click(position={"x": 120, "y": 120})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= int(width.split()[0])
    picture(page, f"map-{scheme}")


def test_the_map_is_a_picture_and_a_list_without_javascript(browse):
    page = browse("/map", java_script_enabled=False)
    expect(page.locator("#atlas")).to_be_hidden()
    expect(page.locator("svg.picture")).to_be_visible()
    assert page.locator("svg.picture path").count() > 7
    expect(page.get_by_role("link", name="Cardiff", exact=True).first).to_be_visible()
    expect(page.locator("noscript p").first).to_contain_text("needs JavaScript")
    page.get_by_label("Go to a postcode").fill("W06000015")
    page.get_by_role("button", name="Go there").click()
    assert urlsplit(page.url).path == "/map"
    authority = browse("/local-authority/W06000015", java_script_enabled=False)
    expect(authority.locator("svg.picture").first).to_be_visible()


def test_without_webgl_the_map_says_so(browse):
    page = browse("/")
    page.context.add_init_script("HTMLCanvasElement.prototype.getContext = () => null;")
    page.goto("/map")
    expect(page.locator("#atlas-problem")).to_contain_text("cannot be drawn in this browser")
    expect(page.locator("#atlas")).to_be_hidden()
    expect(page.locator("svg.picture")).to_be_visible()


def test_the_box_of_the_map_leads_to_the_place_suggested(atlas):
    page = atlas("/map")
    page.get_by_label("Go to a postcode").fill("SW1A 1AA")
    page.get_by_role("option", name="SW1A 1AA").click()
    page.wait_for_url("**/map?layer=uk_latest#at=14/51.50101/-0.14159*")
    settle(page)
    assert len(colours(page)) > 3


def test_on_paper_the_map_is_there_without_its_switches(atlas):
    page = atlas(LONDON)
    page.emulate_media(media="print")
    expect(page.locator(".atlas canvas")).to_be_visible()
    assert len(colours(page)) > 3
    expect(page.locator(".maplibregl-ctrl-top-right")).to_be_hidden()
    picture(page, "map-print")


def test_a_background_comes_only_when_it_is_switched_on(browse, server):
    page = browse(LONDON)
    expect(page.locator("#atlas[data-drawn]")).to_be_attached()
    settle(page)
    assert elsewhere_of(page, server) == set()
    page.get_by_label("Background from OpenStreetMap").check()
    expect(page.get_by_role("link", name="OpenStreetMap").first).to_be_visible()
    page.wait_for_timeout(1000)
    assert elsewhere_of(page, server) == {"tile.openstreetmap.org"}
    assert not [told for told in page.wrong if "Content Security Policy" in told]
