"""The guide: what it shows is what was seen, everything has its place in it, and its links lead somewhere.

GUIDE_UPDATE=1 writes what blocks print into the pages, instead of comparing.
"""

import asyncio
import json
import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import quote, unquote, urljoin, urlsplit

import pytest
import yaml

from census.schema import hosted
from census.web.api import rcpch
from tests.conftest import ROOT, copy_of_the_repository, unavailable

DOCS = ROOT / "docs"
HERE = "http://127.0.0.1:8001"
UPDATE = os.environ.get("GUIDE_UPDATE") == "1"
RUN = {  # the languages that are run, by what, and whether they are told their file's name
    "sh": ["bash", "-eu"],
    "python": [".venv/bin/python"],
    "r": ["Rscript", "--vanilla"],
    "spss": ["pspp", "-O", "format=csv"],
}
ASKED = ("powerquery", "excel", "stata", "javascript")  # whose addresses are asked
SHOWN = ("text", "json")
FILES = ("csv", "yaml")
BLOCK = re.compile(
    r'(?:^<!-- not run: (?P<reason>.+?) -->\n)?^```(?P<language>\w+)(?: title="(?P<title>.+?)")?\n(?P<text>.*?)^```$',
    re.MULTILINE | re.DOTALL,
)
ADDRESS = re.compile(r"http://127\.0\.0\.1:8001[^\s\"'`<>)]*")
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = re.findall(r"^([a-z-]+):.*?## ", MAKEFILE, re.MULTILINE)
METADATA = hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text()))
CENSUS = METADATA["databases"]["census"]


@dataclass
class Block:
    """A block of a page: what stands in it, and the span of what it is said to print."""

    page: Path
    line: int
    language: str
    title: str | None
    reason: str | None
    text: str
    shown: str | None = None
    span: tuple[int, int] = (0, 0)
    shown_language: str | None = None

    def __str__(self) -> str:
        return f"docs/{self.page.relative_to(DOCS)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order, each with the one that shows what it prints."""
    text = page.read_text()
    found, end = [], 0
    for match in BLOCK.finditer(text):
        line = text.count("\n", 0, match.start()) + 1
        if match["language"] in SHOWN and found and not text[end : match.start()].strip():
            found[-1].shown, found[-1].span, found[-1].shown_language = (
                match["text"],
                match.span("text"),
                match["language"],
            )
        else:
            found.append(Block(page, line, match["language"], match["title"], match["reason"], match["text"]))
        end = match.end()
    return found


PAGES = sorted(DOCS.rglob("*.md"))
BLOCKS = {page: blocks(page) for page in PAGES}
RUN_PAGES = [p for p in PAGES if any((b.language in RUN and not b.reason) or b.language == "excel" for b in BLOCKS[p])]


def named(page: Path) -> str:
    return str(page.relative_to(DOCS))


def test_every_block_is_of_a_kind_that_is_checked():
    for page in PAGES:
        fences = re.findall(r"^\s*```", page.read_text(), re.MULTILINE)
        assert len(fences) == 2 * len(BLOCK.findall(page.read_text())), f"{named(page)}: a fence that is not read"
        for block in BLOCKS[page]:
            kinds = [*RUN, *ASKED, *(FILES if block.title else ()), *(("yaml",) if page.name == "hosting.md" else ())]
            assert block.language in kinds, f"{block}: {block.language}"
            runs_make = (
                block.language == "sh" and not block.reason and re.search(r"^\S*\s*make\b", block.text, re.MULTILINE)
            )
            assert not runs_make, f"{block} runs make, which would change the environment of the tests"
    assert sum(len(BLOCKS[page]) for page in PAGES) > 40


@pytest.fixture(scope="session")
def fresh(extract_db, tmp_path_factory) -> Path:
    """A folder like a fresh clone after `make serve`: the repository, its environment, census.db of the extract."""
    folder = tmp_path_factory.mktemp("fresh") / "clone"
    copy_of_the_repository(folder)
    (folder / ".venv").symlink_to(sys.prefix)
    for name in ("census.db", "inspect-data.json"):
        shutil.copy(extract_db.with_name(name), folder)
    for block in (block for page in PAGES for block in BLOCKS[page] if block.title):
        (folder / block.title).write_text(block.text)
    return folder


def printed(block: Block, folder: Path, base: str) -> str:
    """What a block prints, run in `folder` with the site at `base`."""
    program = RUN[block.language]
    if "/" not in program[0] and not shutil.which(program[0]):
        unavailable(f"there is no program {program[0]}, which {block} wants")
    script = folder / f"block.{block.language}"
    script.write_text(block.text.replace(HERE, base))
    environment = {**os.environ, "COLUMNS": "100", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", "TZ": "UTC"}
    done = subprocess.run(
        [*program, script.name], cwd=folder, env=environment, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout.replace(base, HERE).rstrip() + "\n"


def formula_addresses(text: str) -> list[str]:
    """The addresses of a formula whose parts are put together with &, with SW1A 1AA in the cell."""
    joined = re.sub(r'" & [^"]*?(?:"[^"]*"[^"]*?)*? & "', "SW1A1AA", text)
    return ADDRESS.findall(joined)


def laid_out(text: str) -> str:
    """JSON as a page shows it: as it came where that is short, otherwise a member a line."""
    return text if len(text) < 120 else json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def without_digest(text: str) -> str:
    """What a block prints without the demonstration's digest and size, which every new row changes."""
    return re.sub(r"(census\.db|digest) [0-9a-f]{16}|[0-9.]+ MB", "…", text)


@pytest.mark.parametrize("page", RUN_PAGES, ids=named)
def test_what_a_page_shows_is_what_was_seen(page, fresh, server, tmp_path):
    base, _ = server
    folder = tmp_path / "clone"
    shutil.copytree(fresh, folder, symlinks=True)
    seen = []
    for block in BLOCKS[page]:
        if block.language in RUN and not block.reason:
            output = printed(block, folder, base)
        elif block.language == "excel" and block.shown is not None:
            output = ask(formula_addresses(block.text)[0].replace(HERE, base))[1]
        else:
            continue
        if block.shown is not None:
            assert output.strip(), f"{block} is said to print something"
            seen.append((block, laid_out(output) if block.shown_language == "json" else output))
    if UPDATE:
        text = page.read_text()
        for block, output in reversed(seen):
            if without_digest(block.shown.rstrip()) == without_digest(output.rstrip()):
                continue
            text = text[: block.span[0]] + output.rstrip() + "\n" + text[block.span[1] :]
        page.write_text(text)
        return
    for block, output in seen:
        assert without_digest(block.shown.rstrip()) == without_digest(output.rstrip()), str(block)


def test_what_is_not_run_still_exists():
    """Targets of make, files and their options, and variables, in blocks that say why they are not run."""
    variables = (
        MAKEFILE
        + (ROOT / "Caddyfile").read_text()
        + "".join(map(Path.read_text, (ROOT / "census" / "serve").glob("*.py")))
    )
    variables += (ROOT / "tests" / "conftest.py").read_text() + Path(__file__).read_text()
    checked = 0
    for block in (block for page in PAGES for block in BLOCKS[page] if block.reason):
        assert block.language == "sh", block
        for line in block.text.splitlines():
            words = shlex.split(line, comments=True)
            for word in words:
                if name := re.match(r"([A-Z_]+)=", word):
                    assert re.search(rf"\b{name[1]}\b", variables), f"{block}: {word}"
            words = [word for word in words if not re.match(r"[A-Z_]+=", word)]
            if words[:1] == ["make"]:
                assert set(words[1:]) <= set(TARGETS), f"{block}: {line}"
                checked += 1
            script = next((word for word in words if word.endswith(".py")), None)
            if script:
                assert (ROOT / script).is_file(), f"{block}: {line}"
                known = (ROOT / script).read_text()
                known += "".join(
                    (ROOT / f"{module.replace('.', '/')}.py").read_text()
                    for module in re.findall(r"^from (census\.\S+) import main$", known, re.MULTILINE)
                )
                assert all(f'"{word}"' in known for word in words if word.startswith("--")), f"{block}: {line}"
                checked += 1
    assert checked > 8


def ask(address: str) -> tuple[int, str, str]:
    """Status, body as text, and the content type of what an address answers, without following it elsewhere."""
    path = quote(address, safe=":/?&=%+;,@#$!*'()[]~")
    try:
        request = urllib.request.Request(path, headers={"Accept": "text/html, */*"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode("utf-8", "replace"), answer.headers["content-type"]
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode("utf-8", "replace"), error.headers["content-type"]


def test_every_address_in_a_block_that_is_not_run_answers(server):
    asked = 0
    for block in (block for page in PAGES for block in BLOCKS[page] if block.language in ASKED):
        for address in formula_addresses(block.text):
            if urlsplit(address).path.rstrip("/") in (
                "",
                "/api/v1/postcodes",
            ):  # a list is posted, which blocks that are run do
                continue
            status, _, kind = ask(address.replace(HERE, server[0]))
            assert status == 200, f"{block}: {address}"
            assert kind.startswith(("text/csv", "text/plain", "application/json")), f"{block}: {address}: {kind}"
            asked += 1
    assert asked >= 5


class Page(HTMLParser):
    """A page of the built guide: its links, its anchors, its pictures, its words outside of code."""

    def __init__(self, html: str):
        super().__init__()
        self.links, self.anchors, self.images, self.words, self.text = [], set(), [], [], []
        self._path = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        of = dict(attributes)
        if of.get("id"):
            self.anchors.add(of["id"])
        if tag == "a" and of.get("href"):
            self.links.append(of["href"])
        if tag == "img":
            self.images.append(of)
            self.words.append(of.get("alt") or "")
        if tag not in ("img", "br", "hr", "meta", "link", "input", "path", "source", "wbr"):
            self._path.append(tag)

    def handle_endtag(self, tag):
        while tag in self._path and self._path.pop() != tag:
            pass

    def handle_data(self, data):
        if {"script", "style", "svg"} & set(self._path):
            return
        self.text.append(data)
        if "article" in self._path and not {"code", "pre"} & set(self._path):
            self.words.append(data)


@pytest.fixture(scope="session")
def built(guide) -> dict[str, Page]:
    """The pages of the built guide by their address below /guide/."""
    found = {}
    for file in sorted(guide.rglob("index.html")):
        found[str(file.parent.relative_to(guide)).replace(".", "", 1)] = Page(file.read_text())
    return found


def test_every_link_of_the_guide_leads_somewhere(built, server):
    """Links to the guide's own pages and anchors, and to the site. Those to elsewhere are only read."""
    base, _ = server
    site, elsewhere = {}, set()
    for name, page in built.items():
        at = f"{base}/guide/{name}/" if name else f"{base}/guide/"
        for link in page.links:
            address = urljoin(at, link)
            if not address.startswith(base):
                elsewhere.add(address)
            elif address.startswith(f"{base}/guide/"):
                path, _, anchor = address.removeprefix(f"{base}/guide/").partition("#")
                assert path.strip("/") in built, f"{at}: {link}"
                assert not anchor or unquote(anchor) in built[path.strip("/")].anchors, f"{at}: {link}"
            else:
                site.setdefault(address, at)
    assert len(site) > 60
    for address, at in site.items():
        status, body, _ = ask(address)
        assert status == 200, f"{at}: {address}: {status}"
        assert "SQL Interrupted" not in body, address
    assert len(elsewhere) > 15
    for address in elsewhere:
        parts = urlsplit(address)
        assert parts.scheme in ("https", "http"), address
        assert parts.scheme == "https" or parts.hostname == "127.0.0.1", address
        assert re.fullmatch(r"[a-z0-9.-]+\.[a-z]+|127\.0\.0\.1", parts.hostname), address


def test_the_guide_gives_its_own_files_and_no_others(extract_site, guide, monkeypatch):
    def get(path):
        return asyncio.run(extract_site.client.get(path))

    assert get("/guide").headers["location"] == "/guide/"
    assert get("/guide/operators").headers["location"] == "/guide/operators/"
    assert get("/guide/operators/").text == (guide / "operators" / "index.html").read_text()
    for name, kind in (
        ("guide.css", "text/css"),
        ("images/flow.svg", "image/svg+xml"),
        ("search/search_index.json", "json"),
    ):
        answer = get(f"/guide/{name}")
        assert answer.content == (guide / name).read_bytes()
        assert kind in answer.headers["content-type"]
    outside = ("..%2f", "..%2f..%2f..%2fetc%2fpasswd", "%2fetc%2fpasswd", "%2fetc", "a%00b", "x" * 5000, "nothing/")
    for name in outside:
        answer = get(f"/guide/{name}")
        assert answer.status_code == 404, name
        assert "The guide has no such page" in answer.text
    monkeypatch.setenv("GUIDE", str(guide / "nowhere"))
    answer = get("/guide/operators/")
    assert answer.status_code == 404
    assert "make docs" in answer.text


def test_pages_of_the_site_lead_to_the_section_that_explains_them(built, server):
    base, _ = server
    wanted = {
        "/": "",
        "/postcode/SW1A1AA": "researchers/meaning",
        "/postcode/nope": "researchers",
        "/area/E01004736": "researchers/meaning",
        "/local-authority/E09000033": "researchers/meaning",
        "/health-geography/E54000029": "data/geography",
        "/spreadsheet": "researchers/own-machine",
        "/download": "data/dictionary",
        "/api/v1": "developers/api",
        "/census": "data",
        "/census/postcodes": "data/dictionary",
        "/census/imd_england_2019": "data/dictionary",
        "/census/domain_weights": "data/dictionary",
        "/census/imd_by_postcode?postcode=SW1A1AA&index=latest": "developers/queries",
        "/census/compare_editions": "developers/queries",
        "/census?sql=select+1": "developers",
    }
    for path, section in wanted.items():
        status, body, _ = ask(base + path)
        assert status in (200, 400), path
        links = [link for link in Page(body).links if link.startswith("/guide/")]
        sections = [link.removeprefix("/guide/").partition("#")[0].strip("/") for link in links]
        assert section in sections, f"{path} leads to {links}, not to {section}"
        for link in links:
            where, _, anchor = link.removeprefix("/guide/").partition("#")
            assert where.strip("/") in built, f"{path}: {link}"
            assert not anchor or anchor in built[where.strip("/")].anchors, f"{path}: {link}"


def test_every_picture_has_words_and_a_size(built, guide):
    shown = [(name, image) for name, page in built.items() for image in page.images]
    assert len(shown) >= 6
    for name, image in shown:
        assert len(image.get("alt") or "") > 20, f"{name}: {image}"
        drawn = image["src"].endswith(".svg")
        assert drawn or image.get("width"), f"{name}: {image}"
        file = (guide / name / image["src"]).resolve()
        assert 0 < file.stat().st_size < 250_000, f"{name}: {image}"


def everything() -> dict[str, list[str]]:
    """What the guide must name, by kind."""
    settings = [*json.loads((ROOT / "settings.json").read_text())]
    settings += [name for plugin in METADATA["plugins"].values() if isinstance(plugin, dict) for name in plugin]
    options = {}
    for script in ("build_db.py", "append.py", "serve_many.py"):
        told = subprocess.run([sys.executable, ROOT / script, "--help"], capture_output=True, text=True, check=True)
        options[script] = re.findall(r"^ +(?:-\w FILE, )?(--[a-z-]+)", told.stdout, re.MULTILINE)
    routes = [
        match.split("(?P")[0].replace("\\.", ".").rstrip("$/?")
        for plugin in (ROOT / "plugins").glob("*.py")
        for match in re.findall(r'\(r?f?"\^(/[^"]+)"', plugin.read_text())
    ]
    return {
        "tables": [*CENSUS["tables"]],
        "columns": [column for table in CENSUS["tables"].values() for column in table["columns"]],
        "queries": [*CENSUS["queries"]],
        "parameters": [name for query in CENSUS["queries"].values() for name in query["params"]],
        "settings": settings,
        "commands": [f"make {target}" for target in TARGETS],
        "options": [option for several in options.values() for option in several],
        "routes": routes,
        "routes of the RCPCH Census Platform": [*rcpch.ROUTES, *rcpch.SPELLINGS, "health", "schema", "swagger-ui"],
        "variables": re.findall(r"\{\$([A-Z0-9_]+)", (ROOT / "Caddyfile").read_text()),
        "variables of make": re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE),
        "plugins": [plugin.name for plugin in (ROOT / "plugins").glob("*.py")],
        "SQL functions": [
            "normalise_postcode",
            "postcode_problem",
            "postcode_look_alikes",
            "imd_quantile",
            "distance_m",
        ],
        "publications": [path.stem for path in (DOCS / "data").glob("*.md")],
    }


def test_everything_has_its_place_in_the_guide(built):
    text = " ".join(" ".join(page.text) for page in built.values())
    words = set(re.findall(r"[\w-]+", text))

    def is_there(name: str) -> bool:
        return name in words or re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None

    of_kind = everything()
    assert all(of_kind.values())
    assert {f"data/{name}".removesuffix("/index") for name in of_kind.pop("publications")} <= set(built)
    missing = {kind: [name for name in names if not is_there(name)] for kind, names in of_kind.items()}
    assert not any(missing.values()), missing


def test_every_publication_has_a_page(built, extract_db):
    with sqlite3.connect(f"file:{extract_db}?mode=ro", uri=True) as connection:
        titles = {row[0] for row in connection.execute("select title from publications")}
    pages = {" ".join(" ".join(page.text).split()) for name, page in built.items() if name.startswith("data/")}
    for title in titles:
        assert any(title in page and "Attribution" in page for page in pages), title


def test_the_guide_begins_with_what_the_demonstration_knows(built, extract_db):
    with sqlite3.connect(f"file:{extract_db}?mode=ro", uri=True) as connection:
        [[authorities]] = connection.execute("select authorities from edition").fetchall()
    start = " ".join(" ".join(built[""].text).split())
    names = [name for name in authorities.split(", ") if not name.endswith("…")]
    assert len(names) > 5
    assert not [name for name in names if name not in start]


def test_the_citation_is_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert {"cff-version", "message", "title", "authors", "license"} <= set(cited)
    assert f'version = "{cited["version"]}"' in (ROOT / "pyproject.toml").read_text()


def test_spelling_is_british(built):
    if not shutil.which("aspell"):
        unavailable("there is no program aspell")
    known = set((ROOT / "tests" / "words.txt").read_text().split())
    text = "\n".join(" ".join(page.words) for page in built.values())
    text = re.sub(r"https?://\S+|\S+\.(?:csv|xlsx|xls|ods|zip|geojson|py|yml|db|json|md|txt)\b|\S*_\S*", " ", text)
    done = subprocess.run(
        ["aspell", "list", "--lang=en_GB-ise", "--encoding=utf-8"],
        input=text,
        capture_output=True,
        text=True,
        check=True,
    )
    told = {word for word in done.stdout.split() if len(word) > 2}
    unknown, unused = sorted(told - known), sorted(known - told)
    assert not unknown, f"unknown: {' '.join(unknown)}"
    assert not unused, f"in no page: {' '.join(unused)}"
