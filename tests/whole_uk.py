"""The database and the map of the whole UK, which all processes of a run share: `python -m tests.whole_uk MIRROR`.

They take minutes. The runner has them made beside the first tests, so that the tests which need them find them there.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.kept import ROOT, kept

MEASURED = "measured.json"


def database(mirror: Path, to: Path | None = None) -> Path:
    """Return the folder `to` with the census.db of `mirror`, and what its build took."""
    return kept("full", to, lambda folder: _build(folder, "--full", mirror), mirror)


def maps(mirror: Path, to: Path | None = None) -> Path:
    """Return the folder `to` with the map of `mirror` in its folder maps, and what its making took."""

    def make(folder: Path) -> None:
        with tempfile.TemporaryDirectory(dir=folder) as temporary:
            _build(database(mirror, Path(temporary)), "--maps", mirror)
            for name in ("maps", MEASURED):
                shutil.move(Path(temporary) / name, folder)

    return kept("full_maps", to, make, mirror)


def measured(folder: Path) -> dict:
    """Return what making `folder` took: seconds, peak memory in bytes, and what was printed."""
    return json.loads((folder / MEASURED).read_text("utf-8"))


def _build(folder: Path, what: str, mirror: Path) -> None:
    """Run build_db.py, and write what it printed and took into a file of `folder`."""
    program = (
        "import resource, subprocess, sys; done = subprocess.run(sys.argv[1:]);"
        " print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(done.returncode)"
    )
    build = [sys.executable, "-c", program, sys.executable, ROOT / "build_db.py"]
    build += [what, "--mirror", mirror, "--output", folder / "census.db"]
    started = time.monotonic()
    done = subprocess.run([*map(str, build)], capture_output=True, encoding="utf-8")
    seconds = time.monotonic() - started
    assert done.returncode == 0, done.stderr
    printed, peak = done.stdout.rstrip().rsplit("\n", 1)
    took = {"seconds": seconds, "peak": int(peak) * 1024, "printed": printed}
    (folder / MEASURED).write_text(json.dumps(took), "utf-8")


if __name__ == "__main__":
    maps(Path(sys.argv[1]).resolve())
