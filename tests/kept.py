"""What several test processes share: databases, maps and the guide, made once and copied.

A full build takes minutes and a build of the extract half of one, and `make test` runs more than one process. Each is
kept in build/tests/, named by the hash of everything that it is made from, so that a change of the program or of a
publication makes it anew.
"""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path

from tests import LAYERS

try:
    import fcntl
except ImportError:  # Windows, where one process runs the tests
    fcntl = None

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "build" / "tests"
NOT_BUILT_FROM = tuple(f"tests/{name}/".encode() for name in (*LAYERS, "golden"))


def kept(name: str, to: Path | None, make: Callable[[Path], None], mirror: Path | None = None) -> Path:
    """Copy into the folder `to` what `make` writes into one, made now if no process has made it of the same sources.

    mirror: the folder of publications that it is made from, where those are not the repository's. Returns `to`; without
    one, the folder that is kept, which nobody may change.
    """
    KEPT.mkdir(parents=True, exist_ok=True)
    folder = KEPT / f"{name}-{_digest(mirror)}"
    with (KEPT / f"{name}.lock").open("w", encoding="utf-8") as lock:
        if fcntl:
            fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.exists():
            for old in KEPT.glob(f"{name}-*"):
                shutil.rmtree(old)
            part = KEPT / f"{name}.part"
            shutil.rmtree(part, ignore_errors=True)
            part.mkdir()
            make(part)
            part.rename(folder)
        if to:
            shutil.copytree(folder, to, dirs_exist_ok=True)
    return to or folder


@cache
def _digest(mirror: Path | None) -> str:
    """Return a hash of this Python, the repository's files but tests, and the names, sizes and times of a mirror's."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=True
    )
    digest = hashlib.sha256(sys.version.encode())
    for name in sorted(filter(None, listed.stdout.split(b"\0"))):
        path = ROOT / os.fsdecode(name)
        if path.is_file() and not name.startswith(NOT_BUILT_FROM):
            digest.update(b"%s\0%s\0" % (name, hashlib.sha256(path.read_bytes()).digest()))
    for path in sorted(mirror.rglob("*")) if mirror else ():
        told = path.stat()
        digest.update(f"{path}\0{told.st_size}\0{told.st_mtime_ns}\0".encode())
    return digest.hexdigest()[:16]
