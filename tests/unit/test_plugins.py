"""The rule of plugins/: its files register, and what they register is elsewhere."""

import ast
import sys

import pytest

from tests.conftest import ROOT

FILES = sorted((ROOT / "plugins").glob("*.py"))
MAY_IMPORT = {"census", "datasette", "jinja2", *sys.stdlib_module_names}
NOT_YET = {"pages.py"}
"""Files that still hold logic; one that does no more leaves the list."""


def is_hook(node: ast.stmt) -> bool:
    """Whether a statement is a hook, or prepares one: a docstring, an import, a constant, a call."""
    if isinstance(node, ast.FunctionDef):
        return [ast.unparse(decorator) for decorator in node.decorator_list] == ["hookimpl"]
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id.isupper() for target in node.targets)
    return isinstance(node, ast.Import | ast.ImportFrom | ast.Expr)


def imported(tree: ast.Module) -> set[str]:
    """The top-level modules that a file imports."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in names}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_a_plugin_only_registers(file):
    tree = ast.parse(file.read_text("utf-8"))
    only_registers = all(map(is_hook, tree.body)) and imported(tree) <= MAY_IMPORT
    assert only_registers != (file.name in NOT_YET), file.name


def test_plugins_is_no_package():
    assert FILES
    assert not (ROOT / "plugins" / "__init__.py").exists()
    for path in (ROOT / "census").rglob("*.py"):
        assert "plugins" not in imported(ast.parse(path.read_text("utf-8"))), path
