"""What the contributors' page says of the layout, and the words of the program."""

import ast
import re

import pytest

from tests.conftest import ROOT
from tests.plain_words import files, uses

PAGE = (ROOT / "docs" / "contributing.md").read_text("utf-8")


def defined(path):
    """The names of functions, methods (`Class.method`), classes and constants in a file."""
    tree = ast.parse(path.read_text("utf-8"))
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{inner.name}" for inner in node.body if isinstance(inner, ast.FunctionDef))
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))


def test_the_steps_of_a_figure_exist():
    steps = re.findall(r"^\| \d \| `([\w.]+)(?:\(\))?` in `([\w/.]+)` \|", PAGE, re.MULTILINE)
    assert len(steps) == 6
    for name, path in steps:
        assert name in set(defined(ROOT / path)), f"{path}: {name}"


def test_what_the_page_names_exists():
    table = PAGE.split("## Where things are")[1].split("The plugins:")[0]
    for name in re.findall(r"`((?:census|sources|plugins|templates|docs)/[\w/.]*)`", table):
        assert (ROOT / name).exists(), name


@pytest.mark.parametrize("path", files([]), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_program_has_plain_words(path):
    assert uses(path) == []
