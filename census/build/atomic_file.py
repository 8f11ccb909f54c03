"""Write files atomically: under no name until they are complete, so that a process that is killed leaves no part."""

import contextlib
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO


@contextlib.contextmanager
def atomic_file(path: Path, folder: Path | None = None) -> Iterator[tuple[BinaryIO, Callable[[], None]]]:
    """Yield a file without a name, and a function that gives it the name `path`, in place of an older file.

    folder: where it is written, an existing folder of the same file system; that of `path` where it is None. Where the
    system has no files without names, it has a temporary one in that folder, which is removed on failure.
    """
    folder = folder or path.parent
    temporary = folder / f".{path.name}.{os.getpid()}"
    has_name = False
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o644)
    except (AttributeError, OSError):
        handle = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o644)
        has_name = True

    def publish() -> None:
        if not has_name:
            # Given the descriptor of a folder, Python calls linkat(2), which follows the link of an open file.
            os.link(f"/proc/self/fd/{handle}", temporary, src_dir_fd=handle, follow_symlinks=True)
        os.replace(temporary, path)

    try:
        with os.fdopen(handle, "wb") as out:
            yield out, publish
    finally:
        temporary.unlink(missing_ok=True)


def leftovers(output: Path) -> list[Path]:
    """Return the temporary files that a build of `output` left when it was killed while it named its files."""
    ours = rf"\.({re.escape(output.name)}|inspect-data\.json|manifest\.json|[a-z0-9_]+\.(csv|json)\.gz)\.[0-9]+"
    return [path for path in output.parent.iterdir() if re.fullmatch(ours, path.name)]
