"""Copy files and folders, and put errors in sentences that name the file."""

import contextlib
import errno
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Refused(Exception):
    """What is requested cannot be done; the message says why."""


def say(text: str) -> None:
    """Print a line; where it cannot be written (a full disk) the work goes on without it."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def reason(error: Exception) -> str:
    """Return an error as a sentence for people, which begins with the file."""
    if isinstance(error, OSError):
        return f"{error.filename or 'serve_many.py'}: {error.strerror or error}"
    return str(error)


def copy_file(source: str | Path, target: str | Path) -> None:
    """Copy the file. Raises OSError, which names the file that could not be read or written."""
    try:
        shutil.copyfile(source, target)
    except OSError as error:
        # shutil names the source first, also where it is the target that has no room.
        failed = target if error.filename2 or error.errno in NO_ROOM else error.filename
        raise OSError(error.errno, error.strerror, str(failed)) from None


def copy_folder(source: Path, target: Path, copy: Callable[[str, str], object]) -> None:
    """Copy the folder, each file by `copy`, into one that may exist. Raises OSError as `copy_file` does."""

    def copied(file: str, to: str) -> None:
        try:
            copy(file, to)
        except OSError as error:
            raise CopyError(error) from None  # copytree would go on, and then say what failed in a list

    try:
        shutil.copytree(source, target, copy_function=copied, dirs_exist_ok=True)
    except CopyError as error:
        raise error.error from None


class CopyError(Exception):
    """What ends the copying of a folder: the error of a file."""

    def __init__(self, error: OSError) -> None:
        super().__init__(str(error))
        self.error = error


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Link the file under another name, or copy it where there are no links.

    A build replaces files, it writes in none.
    """
    try:
        os.link(source, target)
    except OSError:
        copy_file(source, target)
