"""What of an answer may differ between two machines or two runs, and is therefore replaced before it is compared.

Everything else is compared byte for byte. HTML is compared as its tags, attributes and texts: how many blanks stand
between two of them is nobody's promise.
"""

import re
import sqlite3
from dataclasses import dataclass
from functools import cache
from html.parser import HTMLParser
from pathlib import Path

from datasette.inspect import inspect_hash


@dataclass(frozen=True)
class Rule:
    """Replaces what `pattern` finds. reason: why it may differ."""

    reason: str
    pattern: str
    replacement: str


RULES = (
    Rule("a hash of the program's files", r'(W/"<digest>-)[0-9a-f]{8}(?:-<map>)?"', r'\1<code>"'),
    Rule("a hash of the program's files", r'(W/"<map version>-)[0-9a-f]{8}"', r'\1<code>"'),
    Rule("a hash of the installed MapLibre", r"(maplibre-gl\.(?:js|css)\?v=)[0-9a-f]{12}", r"\1<hash>"),
    Rule("a hash of a file of the installed Datasette", r"(/-/static/[\w.-]+\?)[0-9a-f]{6}\b", r"\1<hash>"),
    Rule("the time that a query took", r'("query_ms": )[0-9.e-]+', r"\1<time>"),
    Rule("the time that a query took", r"(Queries took )[0-9.]+ms", r"\1<time>"),
    Rule("the time that a command took", r"\bin [0-9.]+ s\b", "in <time>"),
    Rule("a token made from chance", r"\b[A-Za-z0-9_-]{16,40}\.[A-Za-z0-9_-]{27}(?=['\"])", "<token>"),
    Rule("the version of an installed package", r'("version": )"[^"]*"', r'\1"<version>"'),
    Rule(
        "the folder of this run",
        r'(?<![\w/.])/(?!/)[^\s"<>:,]*/(census\.db|[\w.-]+\.(?:csv|tsv|txt|xlsx))',
        r"<folder>/\1",
    ),
    Rule("the size of a database file, which differs by version of SQLite", r"[0-9.]+ MB(?=, digest)", "<bytes>"),
    Rule("a colour made from the hash of the database file", r"(border-color: )#[0-9a-f]{6}", r"\1<colour>"),
)
"""Applied in this order to each header and to each body that is text, after the names of `Known`."""

OF_DOWNLOADS = (
    Rule("the size of a gzipped file, which differs by version of zlib", r'("bytes": )[0-9]+', r"\1<bytes>"),
    Rule("the hash of a gzipped file, likewise", r'("sha256": )"[0-9a-f]{64}"', r'\1"<hash>"'),
    Rule("the hash of a gzipped file, likewise", r'"[0-9a-f]{64}"', '"<hash>"'),
    Rule("the hash of a gzipped file, likewise", r"\b[0-9a-f]{64}\b", "<hash>"),
    Rule("the size of a gzipped file, likewise", r"[0-9][0-9,.]* (?:bytes|[kMG]B)", "<bytes>"),
)
"""Applied to the list of downloads and to the headers of each."""

DROPPED = {
    "date": "the time",
    "server": "the server in front, of which there is none here",
    "server-timing": "the time that an answer took",
}
"""Headers that are not compared, and why."""


@dataclass(frozen=True)
class Known:
    """What one database and its map are known by, each with the name that takes its place in an answer."""

    names: dict[str, str]

    @classmethod
    @cache
    def of(cls, database: Path) -> "Known":
        """Reads them from the database file `database` and the map next to it."""
        with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as connection:
            [digest] = connection.execute("select digest from edition").fetchone()
        # The digest of all rows is recorded with the tables: here it would hide in each answer that gives it.
        names = {digest: "<whole digest>", digest[:16]: "<digest>"}
        # Of the bytes of a file, which differ by version of SQLite.
        names |= {inspect_hash(database): "<hash of the file>", str(database.stat().st_size): "<size of the file>"}
        pictured = database.with_name("maps") / "uk.mbtiles"
        if pictured.exists():
            with sqlite3.connect(f"file:{pictured}?mode=ro", uri=True) as connection:
                [version] = connection.execute("select value from metadata where name = 'version'").fetchone()
            # It is a hash of gzipped tiles, which differ by version of zlib.
            names |= {version: "<map version>", version[:8]: "<map>"}
        return cls(names)

    def hide(self, text: str, *more: Rule) -> str:
        """Puts names in the place of what is known, and applies the rules."""
        for value, name in self.names.items():
            text = text.replace(value, name)
        for rule in (*more, *RULES):
            text = re.sub(rule.pattern, rule.replacement, text)
        return text

    def reveal(self, text: str) -> str:
        """Puts what is known in the place of its names, for a request."""
        for value, name in self.names.items():
            text = text.replace(name, value)
        return text


BLOCKS = set(
    "address article aside blockquote body br button caption dd details div dl dt fieldset figcaption figure footer"
    " form h1 h2 h3 h4 h5 h6 head header hr html legend li link main meta nav ol optgroup option p pre script section"
    " select style summary svg table tbody td text textarea tfoot th thead title tr ul".split()
)
VOID = set("area base br col embed hr img input link meta source track wbr".split())
BLANKS = re.compile(r"[ \t\n\r\f]+")  # no-break spaces are none of them
AS_THEY_ARE = ("pre", "textarea", "script", "style")


class Page(HTMLParser):
    """A page, read. markup: its tags and texts, a line each. text: what its <main> says, a line a block.

    A text is taken together up to the next tag: in how many pieces it comes differs by version of Python.
    """

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.markup: list[str] = []
        self.text: list[str] = []
        self.title = ""
        self._open: list[str] = []
        self._pieces: list[str] = []
        self._line = ""
        self.feed(html)
        self.close()
        self._end_text()
        self._end_line()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Notes a tag and its attributes, in the order of their names."""
        self._tag(
            tag,
            "".join(
                f" {name}" if value is None else f' {name}="{value}"'
                for name, value in sorted(attrs, key=lambda attribute: attribute[0])
            ),
        )
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Notes the end of a tag."""
        self._tag(tag, None)
        if tag in self._open:
            while self._open.pop() != tag:
                pass

    def handle_data(self, data: str) -> None:
        """Keeps a piece of a text."""
        self._pieces.append(data)

    def handle_decl(self, decl: str) -> None:
        """Notes the document's type."""
        self.markup.append(f"<!{decl}>")

    def _tag(self, tag: str, attributes: str | None) -> None:
        self._end_text()
        self.markup.append(f"</{tag}>" if attributes is None else f"<{tag}{attributes}>")
        if tag in BLOCKS:
            self._end_line()

    def _end_text(self) -> None:
        text, self._pieces = "".join(self._pieces), []
        if "main" in self._open and "script" not in self._open and "style" not in self._open:
            self._line += text
        as_it_is = any(tag in self._open for tag in AS_THEY_ARE)
        text = text.strip("\n") if as_it_is else BLANKS.sub(" ", text).strip(" ")
        if text.strip():
            self.markup.extend(text.split("\n"))
        if "title" in self._open and "svg" not in self._open:
            self.title += text

    def _end_line(self) -> None:
        if line := BLANKS.sub(" ", self._line).strip(" "):
            self.text.append(line)
        self._line = ""
