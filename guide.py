"""Fill the guide with facts of the repository, so that nothing is typed twice: a hook of MkDocs (mkdocs.yml).

A line `*[Filled in on the site: NAME ARGUMENTS]*` of a page in docs/ becomes what the function NAME of `Facts` gives,
as Markdown: from census.db (CENSUS_DB, by default the one here), metadata.yml, the README, the Makefile, the
description of the API.
"""

import ast
import inspect
import json
import os
import re
import shlex
import sqlite3
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import yaml
from datasette.app import SETTINGS
from mkdocs.exceptions import PluginError
from mkdocs.structure.pages import Page

from census.domain.types import Record
from census.lookup.database import Lookup
from census.schema import hosted
from census.schema.indices import indices
from census.web.api.openapi import document
from census.web.api.v1 import V1
from sources.boundaries import PUBLISHED
from sources.registry import publications
from tests import LAYERS
from tests.__main__ import PROGRAMS

ROOT = Path(__file__).resolve().parent
PLACEHOLDER = re.compile(r"^\*\[Filled in on the site: (\w+) ?(.*?)\]\*$", re.MULTILINE)


class Facts:
    """The facts of the repository and its database, each as Markdown."""

    def __init__(self, database: Path) -> None:
        """Raise PluginError where there is no database."""
        if not database.is_file():
            raise PluginError(f"{database}: there is none, and the guide describes it; make extract builds one.")
        self.database = database
        self.metadata = hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text("utf-8")))
        self.census = self.metadata["databases"]["census"]

    def rows(self, sql: str, *values: object) -> list[sqlite3.Row]:
        """Return the rows of a query of the database."""
        with sqlite3.connect(f"{self.database.absolute().as_uri()}?mode=ro", uri=True) as connection:
            connection.row_factory = sqlite3.Row
            rows: list[sqlite3.Row] = connection.execute(sql, values).fetchall()
            return rows

    def publication(self, *ids: str) -> str:
        """Return the provenance of files: what, whose, when, where from, which terms, and the tables made of them."""
        parts = []
        for identity in ids:
            rows = self.rows("select * from publications where id = ?", identity)
            if not rows:
                raise PluginError(f"There is no publication {identity!r}.")
            [p] = rows
            file = p["file"] or "not in the database that this guide was made with"
            provenance = {
                "Publisher": p["publisher"],
                "Edition": p["edition"],
                "Published at": f"<{p['page']}>",
                "File": f"`{file}`" + (f", {p['rows']:,} rows" if p["rows"] else ""),
                "Checksum": p["checked"] and f"`{p['checked']}`. {p['checked_note']}",
                "Licence": f"[{p['licence']}]({p['licence_url']})",
                "Attribution": p["attribution"],
                "Conditions": p["conditions"],
                "Tables": ", ".join(f"[`{name}`](dictionary.md#{name})" for name in p["tables"].split(", ")),
            }
            parts.append(table(p["title"], "", [(name, value) for name, value in provenance.items() if value]))
        return "\n\n".join(parts)

    def publications(self) -> str:
        """Return the publications, a row each."""
        every = self.rows("select * from publications order by title")
        return table(
            "Publication|Publisher|Edition|Licence",
            *([(f"[{p['title']}]({p['page']})", p["publisher"], p["edition"], p["licence"]) for p in every],),
        )

    def attributions(self) -> str:
        """Return the lines to print, each with the publications that ask for it."""
        titles: dict[str, list[str]] = {}
        for row in self.rows("select distinct title, attribution from publications where attribution is not null"):
            titles.setdefault(row["attribution"], []).append(row["title"])
        rows = sorted(("; ".join(sorted(of)), attribution) for attribution, of in titles.items())
        return table("You used|Print", rows)

    def hosted(self) -> str:
        """Return the hosted data sets, each with what it is and its provenance."""
        parts = []
        for row in self.rows("select id, title from publications where status = 'hosted' order by title"):
            described = self.census["tables"][row["id"]]["description"]
            parts.append(f"## {row['title']}\n\n{described} [The table](/census/{row['id']}).")
            parts.append(self.publication(row["id"]))
        return "\n\n".join(parts)

    def dictionary(self) -> str:
        """Return every table and view with its columns."""
        parts = []
        for name, of in self.census["tables"].items():
            keys = [
                row["name"] for row in self.rows(f"select name from pragma_table_info('{name}') where pk order by pk")
            ]
            types = {row["name"]: row["type"] for row in self.rows(f"select * from pragma_table_xinfo('{name}')")}
            parents = {
                row["from"]: f" → [`{row['table']}`](#{row['table']})"
                for row in self.rows(f"select * from pragma_foreign_key_list('{name}')")
            }
            columns = [
                (f"`{column}`{parents.get(column, '')}", types[column].lower(), of["columns"][column])
                for column in types
            ]
            parts.append(
                f"## {of['title']} {{ #{name} data-toc-label='{name}' }}\n\n`{name}`. {of['description']} Source:"
                f" [{of['source']}]({of['source_url']}), [{of['license']}]({of['license_url']})."
                + (f" Key: {', '.join(f'`{key}`' for key in keys)}." if keys else "")
                + f" [Open it](/census/{name}).\n\n"
                + table("Column|Type|What it is", columns)
            )
        return "\n\n".join(parts)

    def queries(self) -> str:
        """Return the canned queries as their own pages describe them."""
        parts = []
        for name, of in self.census["queries"].items():
            text = re.sub(r'href="(?!/|https)', 'href="/census/', of["description_html"]).strip()
            text = "".join(line.strip() + " " for line in text.splitlines())
            parts.append(f"## {of['title']} {{ #{name} data-toc-label='{name}' }}\n\n`/census/{name}`\n\n{text}")
        return "\n\n".join(parts)

    def query_list(self) -> str:
        """Return the canned queries, a row each."""
        rows = [
            (f"`{name}`", ", ".join(f"`{param}`" for param in of["params"]), of["description"])
            for name, of in self.census["queries"].items()
        ]
        return table("`/census/…`|Parameters|What it answers", rows)

    def functions(self) -> str:
        """Return the SQL functions that plugins add, as their docstrings describe them."""
        rows = [
            (f"`{call}`", " ".join(text.split()).rstrip("."))
            for path in sorted((ROOT / "plugins").glob("*_sql.py"))
            for call, text in re.findall(r"^(\w+\([\w, ]+\)): (.+?)$(?=\n\n|\n\w+\(|\Z)", docstring(path), re.M | re.S)
        ]
        return table("Function|Gives", rows)

    def plugins(self) -> str:
        """Return the plugins, each with the first line of its docstring."""
        rows = [
            (f"`{path.name}`", docstring(path).split("\n", 1)[0].rstrip("."))
            for path in sorted((ROOT / "plugins").glob("*.py"))
        ]
        return table("Plugin|What it does", rows)

    def settings(self) -> str:
        """Return the settings: of Datasette in its own words, of plugins in the comments in metadata.yml."""
        of_datasette = {setting.name: setting.help for setting in SETTINGS}
        rows = [
            (f"`{name}`", "`settings.json`", f"`{json.dumps(value)}`", of_datasette[name])
            for name, value in json.loads((ROOT / "settings.json").read_text("utf-8")).items()
        ]
        lines = (ROOT / "metadata.yml").read_text("utf-8").partition("\nplugins:\n")[2].partition("\n\n")[0]
        for line in lines.splitlines():
            if plugin := re.match(r"  ([\w-]+):", line):
                where = f"`metadata.yml`, {plugin[1]}"
            elif setting := re.fullmatch(r"    (\w+):(.*?)# (.+)", line):
                value = f"`{setting[2].strip()}`" if setting[2].strip() else ""
                rows.append((f"`{setting[1]}`", where, value, setting[3]))
        return table("Setting|In|Value|What it does", rows)

    def layers(self) -> str:
        """Return the layers of the tests."""
        rows = [
            (f"`{name}`", what, ", ".join(f"`{program}`" for program in PROGRAMS.get(name, ())) or "Python")
            for name, what in LAYERS.items()
        ]
        return table("Layer|What it tests|What it needs", rows)

    def routes(self) -> str:
        """Return the routes of the API."""
        rows = []
        for path, item in self._openapi("/api/v1").items():
            for method, of in item.items():
                if path.startswith("/api/v1"):
                    parameters = ", ".join(f"`{p['name']}`" for p in of.get("parameters", ()) if "name" in p)
                    rows.append((f"`{method.upper()} {path}`", parameters, of["summary"]))
        return table("Route|Parameters|What it answers", rows)

    def indices(self) -> str:
        """Return the indices, their areas and how their bands are cut."""
        rules = {
            "ceil": "⌈rank × bands ÷ areas⌉",
            "floor": "⌊(rank − 1) × bands ÷ areas⌋ + 1",
        }
        rows = [
            (
                f"`{i['id']}`",
                i["title"],
                f"{i['areas']:,} {i['area_kind']}s of {i['nation']}",
                i["published_bands"] or "none, ranks only",
                rules[i["band_rule"]],
            )
            for i in self.rows("select * from indices order by id")
        ]
        return table("`index`|Index|Areas|Bands that are published|Any other band", rows)

    def weights(self) -> str:
        """Return what each index is made of, in per cent: a row a domain."""
        rows = self.rows("select * from domain_weights")
        indices = sorted({row["index_id"] for row in rows})
        domains = list(dict.fromkeys(row["domain"] for row in rows))
        of = {(row["domain"], row["index_id"]): f"{row['weight_percent']:g}" for row in rows}
        lines = [(f"`{domain}`", *(of.get((domain, index), "–") for index in indices)) for domain in domains]
        return table("|".join(["Domain", *(f"`{index}`" for index in indices)]), lines)

    def checksums(self) -> str:
        """Return what is known of each file by its SHA-256: a row a file, those of the map last."""
        files = [file for publication in publications() for file in publication.files]
        rows = [
            (
                f"`{file.id}`",
                ", ".join(f"`{known.sha256[:16]}…`" for known in file.known if known.kind == "official"),
                " ".join(f"`{known.sha256[:16]}…`: {known.note}" for known in file.known if known.kind == "rebuilt"),
            )
            for file in (*files, *(published.file for published in PUBLISHED))
        ]
        return table("File|The official file|A known copy", [(a, b or "unknown", c) for a, b, c in rows])

    def commands(self) -> str:
        """Return the targets of the Makefile."""
        targets = re.findall(r"^([a-z-]+):.*?## (.*)$", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
        return table("Command|What it does", [(f"`make {name}`", text) for name, text in targets])

    def file(self, name: str, language: str) -> str:
        """Return a file of the repository, as it stands."""
        return f'```{language} title="{name}"\n{(ROOT / name).read_text("utf-8").rstrip()}\n```'

    def readme(self, name: str) -> str:
        """Return what stands between `<!-- NAME -->` and `<!-- /NAME -->` in the README."""
        part = re.search(rf"<!-- {name} -->\n(.*?)<!-- /{name} -->", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
        if part is None:
            raise PluginError(f"The README has no part {name!r}.")
        return part[1].replace("](docs/", "](").strip()

    @cache  # noqa: B019 there is one Facts
    def _openapi(self, base: str) -> Record:
        paths: Record = document(self.census["tables"], V1(Lookup(self.database, indices())), base, [])["paths"]
        return paths


NAMES = [
    name for name, _ in inspect.getmembers(Facts, inspect.isfunction) if not name.startswith("_") and name != "rows"
]


def table(head: str, *rows: Iterable[Iterable[object]]) -> str:
    """Return a table in Markdown: names of columns with | between, and rows of cells.

    With an empty second argument, `head` stands over a table of two columns that have no names.
    """
    *middle, lines = rows
    title, names = (f"**{head}**\n\n", ["", ""]) if middle else ("", head.split("|"))
    table_lines: list[Iterable[object]] = [names, ["---"] * len(names), *lines]
    return title + "\n".join(f"| {' | '.join(map(cell, line))} |" for line in table_lines)


def docstring(path: Path) -> str:
    """Return the docstring of a module. Raises PluginError where it has none."""
    text = ast.get_docstring(ast.parse(path.read_text("utf-8")))
    if not text:
        raise PluginError(f"{path.name} has no docstring.")
    return text


def cell(value: object) -> str:
    """Return a value as a cell."""
    text = str(value).replace("|", "\\|")
    return text if text.startswith(("`", "<http")) else text.replace("<", "&lt;")


@cache
def facts() -> Facts:
    """Return the facts, over CENSUS_DB or census.db."""
    return Facts(Path(os.environ.get("CENSUS_DB") or ROOT / "census.db"))


def on_post_page(output: str, page: Page, **_: object) -> str:
    """Return the page as HTML (a hook of MkDocs), with a name for the box of the search, which the theme gives none.

    Links to the site become relative: it may be below a prefix, /data/guide/ next to /data/census.
    """
    root = "../" * (page.url.count("/") + 1)
    output = re.sub(r'(\s(?:href|src)=")/(?!/)', lambda match: match[1] + root, output)
    return output.replace(
        'data-md-component="search" role="dialog"', 'data-md-component="search" role="dialog" aria-label="Search"'
    )


def on_page_markdown(markdown: str, **_: object) -> str:
    """Return the page with its placeholders filled in (a hook of MkDocs)."""

    def filled(request: re.Match[str]) -> str:
        if request[1] not in NAMES:
            raise PluginError(f"{request[0]}: there is no {request[1]!r}, but {', '.join(NAMES)}.")
        text: str = getattr(facts(), request[1])(*shlex.split(request[2]))
        return text

    return PLACEHOLDER.sub(filled, markdown)
