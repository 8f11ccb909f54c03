"""Add the labels, landmarks, language and order of headings that Datasette's templates lack.

0.65's have no blocks for these, so their text is changed as Jinja reads it. A Datasette with other templates stops the
start rather than being served half changed.
"""

from pathlib import Path

import datasette
from datasette.app import Datasette
from datasette.utils import StartupError
from jinja2.ext import Extension

TEMPLATES = Path(datasette.__file__).parent / "templates"
FOCUSABLE = '<div class="table-wrapper" tabindex="0" role="region" aria-label="Rows">'
CHANGES = {
    "base.html": (
        ("<html>", '<html lang="en-GB">'),
        ("<head>", '<head>\n    <meta charset="utf-8">'),
        ("<header><nav>", '<header><nav aria-label="Site">'),
        ('<section class="content">', '<main class="content" id="content">'),
        ("</section>\n</div>\n<footer", "</main>\n</div>\n<footer"),
    ),
    "table.html": (
        ("<h3>", "<h2>"),
        ("</h3>", "</h2>"),
        ('<select name="_filter_column', '<select aria-label="Column" name="_filter_column'),
        ('<select name="_filter_op', '<select aria-label="Comparison" name="_filter_op'),
        ('<select name="_sort"', '<select aria-label="Sort by" name="_sort"'),
        ('<input type="text" name="_filter_value', '<input aria-label="Value" type="text" name="_filter_value'),
        ('href="{{ extra_where.remove_url }}"', 'href="{{ fix_path(extra_where.remove_url) }}"'),
        ('<dl class="column-descriptions">', '<dl class="column-descriptions" tabindex="0">'),
    ),
    "_table.html": (('<div class="table-wrapper">', FOCUSABLE),),
    "query.html": (
        ("<h3>", "<h2>"),
        ("</h3>", "</h2>"),
        ('<div class="table-wrapper">', FOCUSABLE),
        ('href="{{ show_hide_link }}"', 'href="{{ urls.path(show_hide_link) }}"'),
    ),
    "database.html": (("<h3>Custom SQL query</h3>", "<h2>Custom SQL query</h2>"),),
}
"""For each of Datasette's templates what is replaced, wherever it stands, and by what."""


class Accessible(Extension):
    """Makes CHANGES."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        """Return the text of a template with its CHANGES. Raises StartupError where one does not fit."""
        path = Path(filename or "")
        if path.parent != TEMPLATES:
            return source
        for old, new in CHANGES.get(path.name, ()):
            if old not in source:
                raise StartupError(
                    f"{Path(__file__).name} does not fit this Datasette: its {path.name} has no {old!r}."
                )
            source = source.replace(old, new)
        return source


def apply(site: Datasette) -> None:
    """Change Datasette's templates as Jinja reads them. Raises StartupError where one does not fit."""
    env = site.jinja_env
    env.add_extension(Accessible)
    for name in CHANGES:
        env.get_template(f"default:{name}")
