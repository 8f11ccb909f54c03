"""Files that have no name until they are finished, so that a process that fails or is killed leaves none behind."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def unnamed(path: Path, made_in: Path | None = None) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    """Yield a file without a name until the function given with it names it `path`, replacing what was there.

    made_in: a folder of the same file system that exists already; `path`'s own where it is None. Where the system has
    no such files, one with a temporary name in that folder, removed on failure.
    """
    made_in = made_in or path.parent
    beside = made_in / f".{path.name}.{os.getpid()}"
    nameless = True
    try:
        handle = os.open(made_in, os.O_TMPFILE | os.O_RDWR, 0o644)
    except (AttributeError, OSError):
        handle = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        nameless = False

    def name_it() -> None:
        if nameless:
            # Naming a directory descriptor makes Python call linkat(2), which follows the link of an open file.
            os.link(f"/proc/self/fd/{handle}", beside, src_dir_fd=handle, follow_symlinks=True)
        os.replace(beside, path)

    try:
        with os.fdopen(handle, "wb") as out:
            yield out, name_it
    finally:
        beside.unlink(missing_ok=True)


def strays(output: Path) -> list[Path]:
    """Return what a build of `output` that was killed while it named its files left beside it."""
    ours = rf"\.({re.escape(output.name)}|inspect-data\.json|manifest\.json|[a-z0-9_]+\.(csv|json)\.gz)\.[0-9]+"
    return [path for path in output.parent.iterdir() if re.fullmatch(ours, path.name)]
