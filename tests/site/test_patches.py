"""Each patch of a library is still needed, says what it is for, and is applied where a site is served."""

import json
import re
import subprocess
import sys
from importlib.metadata import version

import pytest

from census.web.patches.order import NOT_REPORTED, PATCHES
from tests.conftest import ROOT

NOT_YET = ("census/lookup/maps.py", "plugins/pages.py")
"""Files that still keep something in an attribute of a Datasette."""


@pytest.fixture(scope="module")
def faults():
    """Which faults the libraries have where nothing of ours is loaded."""
    done = subprocess.run([sys.executable, "-m", "tests.site.unpatched"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("patch", PATCHES, ids=lambda patch: patch.name)
def test_a_patch_is_needed(faults, patch):
    assert faults[patch.name], f"patch {patch.name} is no longer needed: {patch.of} no longer has the fault"


def test_a_patch_says_what_it_is_for():
    names = [patch.name for patch in PATCHES]
    assert len(names) == len({*names})
    for patch in PATCHES:
        library, _version = patch.of.split()
        assert version(library), patch.name
        assert patch.fault
        assert patch.issue == NOT_REPORTED or re.fullmatch(
            r"https://github\.com/[\w-]+/[\w-]+/(issues|pull)/\d+", patch.issue
        )
        assert (patch.apply is None) != (patch.apply_to is None)


def test_nothing_else_is_set_on_a_library():
    """A module outside the list that assigns to an attribute of Datasette's would be a patch that nobody lists."""
    modules = "|".join(("datasette", "Datasette", "DataView", "TableView", "QueryView", "Database", "Schema", "utils"))
    assigned = re.compile(rf"^\s*(?:{modules})(?:\.\w+)+(?:\[[^]]+\])? = ", re.MULTILINE)
    listed = {patch.apply or patch.apply_to for patch in PATCHES}
    allowed = {function.__module__.replace(".", "/") + ".py" for function in listed}
    allowed |= {"census/web/state.py", "census/web/startup/site_metadata.py", *NOT_YET}
    for path in [*(ROOT / "census").rglob("*.py"), *(ROOT / "plugins").glob("*.py")]:
        if str(path.relative_to(ROOT)) not in allowed:
            assert not assigned.findall(path.read_text("utf-8")), path
