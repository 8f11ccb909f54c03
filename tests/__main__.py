"""Run layers of the tests: `python -m tests unit site`. What pytest is to know stands after `--`.

It says first what it will not run and why, runs what it can in several processes, then the tests that need the machine
to themselves; the second run starts even if the first failed. What the tests of the whole UK share is made beside them.
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from census.terminal import write_any_character
from tests import LAYERS

PROGRAMS = {
    "browser": ("chromium", "java"),
    "stack": ("caddy", "wrk", "curl", "openssl", "podman", "runc", "mmdebstrap"),
    "site": ("aspell", "Rscript", "pspp"),
}
FOLDER = Path(__file__).resolve().parent
NOTHING_COLLECTED = 5


def missing(layer: str) -> list[str]:
    """Return what the tests of `layer` need and this machine has not."""
    if layer == "full":
        return [] if os.environ.get("CENSUS_SOURCES") else ["CENSUS_SOURCES, the folder with the publications"]
    return [name for name in PROGRAMS.get(layer, ()) if not shutil.which(name)]


def with_tests_alone(folders: list[str]) -> list[str]:
    """Return the files of tests in `folders` that mark a test as `alone`."""
    files = (path for folder in folders for path in sorted(Path(folder).glob("test_*.py")))
    return [str(path) for path in files if "mark.alone" in path.read_text("utf-8")]


@contextmanager
def whole_uk_made_beside(mirror: str | None) -> Iterator[None]:
    """Make the database and the map of `mirror`, if any, in a process beside this one; a failure shows in the tests."""
    if not mirror:
        yield
        return
    process = subprocess.Popen([sys.executable, "-m", "tests.whole_uk", mirror], start_new_session=True)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        process.wait()


def main() -> int:
    write_any_character()
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("layers", nargs="+", choices=LAYERS)
    parser.add_argument("pytest", nargs="*", help="arguments for pytest, after --")
    at = sys.argv.index("--") if "--" in sys.argv else len(sys.argv)
    options = parser.parse_args(sys.argv[1:at])
    for layer, what in LAYERS.items():
        if layer not in options.layers:
            print(f"Not run: {layer} ({what}). `make test-all` runs it.")
        elif lacking := missing(layer):
            print(f"Skipped in {layer}: what needs {', '.join(lacking)}, not found here.")
    sys.stdout.flush()
    chosen = " or ".join(options.layers)
    folders = {*options.layers} | ({"site"} if {"browser", "full"} & {*options.layers} else set())
    where = [str(FOLDER / layer) for layer in LAYERS if layer in folders]
    processes = min(os.cpu_count() or 1, 4)
    # Each file's tests stay in one process where some share what takes long to start or to read.
    spread = ["loadfile", "--no-loadscope-reorder"] if "full" in options.layers else ["worksteal"]
    together = ["-n", str(processes), "--dist", *spread] if processes > 1 else []
    runs = [[*together, "-m", f"({chosen}) and not alone", *where]]
    if files := with_tests_alone(where):
        runs.append(["-m", f"({chosen}) and alone", *files])
    pytest = [sys.executable, "-m", "pytest", "--durations=10"]
    more = sys.argv[at + 1 :]
    # A few tests that are chosen by name make for themselves what they need.
    with whole_uk_made_beside(os.environ.get("CENSUS_SOURCES") if "full" in options.layers and not more else None):
        utf8 = {**os.environ, "PYTHONUTF8": "1"}  # the tests of other locales set their own
        codes = [subprocess.run([*pytest, *run, *more], env=utf8).returncode for run in runs]
    if set(codes) == {NOTHING_COLLECTED}:
        return NOTHING_COLLECTED
    return next((code for code in codes if code not in (0, NOTHING_COLLECTED)), 0)


if __name__ == "__main__":
    sys.exit(main())
