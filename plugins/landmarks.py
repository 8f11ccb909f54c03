"""Datasette's skeleton of a page says its language and has landmarks, as screen readers want; 0.65's has neither.

`default:base.html` has no blocks for either, so its text is changed as Jinja reads it. A Datasette whose skeleton is
another stops the start rather than being served half changed.
"""

from pathlib import Path

import datasette
from datasette import hookimpl
from datasette.utils import StartupError
from jinja2.ext import Extension

SKELETON = Path(datasette.__file__).parent / "templates" / "base.html"
CHANGES = (
    ("<html>", '<html lang="en-GB">'),
    ("<head>", '<head>\n    <meta charset="utf-8">'),
    ("<header><nav>", '<header><nav aria-label="Site">'),
    ('<section class="content">', '<main class="content" id="content">'),
    ("</section>\n</div>\n<footer", "</main>\n</div>\n<footer"),
)


class Landmarks(Extension):
    """Changes the text of the file SKELETON."""

    def preprocess(self, source: str, name: str | None, filename: str | None = None) -> str:  # noqa: ARG002
        if filename is None or Path(filename) != SKELETON:
            return source
        for old, new in CHANGES:
            if source.count(old) != 1:
                raise StartupError(f"plugins/landmarks.py does not fit this Datasette: its base.html has no {old!r}.")
            source = source.replace(old, new)
        return source


@hookimpl
def prepare_jinja2_environment(env):
    env.add_extension(Landmarks)
    env.get_template("default:base.html")
