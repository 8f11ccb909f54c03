"""Write a file of personal data of which a killed process leaves no part.

Linux: the file has no name until it is complete (open(2), O_TMPFILE; linkat(2)). To replace a file it gets a temporary
name for an instant, because linkat(2) replaces nothing. On other systems, and on file systems that have no such files,
it is written under a temporary name, `.NAME.HOST-PID-RANDOM.append-part`, and locked. `sweep` removes what a killed
process left under such a name; whoever writes such files calls it first.
"""

import contextlib
import errno
import os
import re
import shutil
import stat
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

if sys.platform != "win32":
    import fcntl

PARTIAL = re.compile(r"\..+\.([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}\.append-part", re.DOTALL)
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EXDEV, errno.EMLINK, errno.EINVAL, errno.ENOENT}


@contextlib.contextmanager
def private_file(output: Path, replace: bool) -> Iterator[BinaryIO]:
    """Yield a file that becomes `output` when the block ends without an exception, and otherwise never exists.

    A new file has the permissions that the umask gives, a replaced one keeps its own.
    replace: whether it may take the place of a file. Raises FileExistsError where there is one and it may not, and
    OSError, which names `output`, for whatever else cannot be done.
    """
    partial = _partial_name(output)  # known before the file exists: a signal may come at any moment
    try:
        with _errors_name(output):
            handle = _unnamed(output.parent)
            named = handle is None
            if handle is None:
                handle = _create(partial)
        with open(handle, "w+b") as file:
            yield file
            file.flush()
            with _errors_name(output):
                os.fsync(handle)
                _set_mode(handle, partial, output)
                if sys.platform != "win32":
                    _publish(file, partial, output, named, replace)
        if sys.platform == "win32":  # which renames no open file
            with _errors_name(output):
                (os.replace if replace else os.rename)(partial, output)
    finally:
        try:
            _remove(partial)
        except BaseException:  # a signal
            _remove(partial)
            raise


def _remove(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()


@contextlib.contextmanager
def _errors_name(output: Path) -> Iterator[None]:
    """Let an OSError name the file that the user named, not one that is gone when the message is read."""
    try:
        yield
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(output)) from None


def sweep(folder: Path) -> list[Path]:
    """Remove what killed processes of this user and this machine left in `folder`; returns what was removed.

    A file is removed only if its name is one that this module gives, and the process that wrote it has ended: it holds
    a lock on the file as long as it runs. Where the file system has no locks, its process number decides.
    """
    removed = []
    try:
        paths = [path for path in folder.iterdir() if PARTIAL.fullmatch(path.name)]
    except OSError:
        return []
    for path in paths:
        with contextlib.suppress(OSError):
            if _is_abandoned(path):
                path.unlink()
                removed.append(path)
    return removed


def _is_abandoned(path: Path) -> bool:
    match = PARTIAL.fullmatch(path.name)
    state = path.lstat()
    if match is None or match[1] != _host() or not stat.S_ISREG(state.st_mode):
        return False
    if sys.platform == "win32":  # which removes no file that a process has open
        return True
    if state.st_uid != os.geteuid():
        return False
    handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), path.lstat())
    except BlockingIOError:
        return False
    except OSError:
        return not _runs(int(match[2]))
    finally:
        os.close(handle)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    """Return a short mark of this machine: other machines may share the folder, and their processes are not seen."""
    name = os.environ.get("COMPUTERNAME", "") if sys.platform == "win32" else os.uname().nodename
    return f"{zlib.crc32(name.encode(errors='surrogateescape')):08x}"


def _partial_name(output: Path) -> Path:
    # A part of the name: with all of it a long one would be longer than a file system takes.
    return output.with_name(f".{output.name[:40]}.{_host()}-{os.getpid()}-{os.urandom(8).hex()}.append-part")


def _unnamed(folder: Path) -> int | None:
    """Return the descriptor of a file without a name in `folder`, None where the system has no such files."""
    if sys.platform != "linux":
        return None
    try:
        handle = os.open(folder, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError:  # also what a folder that is missing gives; it is reported when the named file is tried
        return None
    if not os.path.exists(f"/proc/self/fd/{handle}"):  # no /proc, by which the file would get its name
        os.close(handle)
        return None
    _lock(handle)  # it holds when the file has got a name
    return handle


def _create(partial: Path) -> int:
    """Return the descriptor of the file `partial`, new and locked."""
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        handle = os.open(partial, flags, 0o600)
        _lock(handle)
        if sys.platform == "win32" or os.fstat(handle).st_nlink:
            return handle
        os.close(handle)  # swept by another process in the moment before it was locked


def _lock(handle: int) -> None:
    if sys.platform != "win32":
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _set_mode(handle: int, partial: Path, output: Path) -> None:
    if output.exists():
        mode = stat.S_IMODE(output.stat().st_mode)
    else:
        mask = os.umask(0)
        os.umask(mask)
        mode = 0o666 & ~mask
    with contextlib.suppress(PermissionError):  # a file system that keeps no permissions
        if sys.platform == "win32":
            os.chmod(partial, mode)
        else:
            os.fchmod(handle, mode)


def _publish(file: BinaryIO, partial: Path, output: Path, named: bool, replace: bool) -> None:
    """Give the complete file the name `output`."""
    with contextlib.ExitStack() as copies:
        if not named:
            try:
                _link(file.fileno(), output)
                return
            except FileExistsError:
                if not replace:
                    raise
            except OSError as error:
                _raise_unless_no_links(error)
            try:
                _link(file.fileno(), partial)
            except OSError as error:
                _raise_unless_no_links(error)
                copies.enter_context(_copy(file, partial))
        if replace:
            os.replace(partial, output)
            return
        try:
            os.link(partial, output)
        except FileExistsError:
            raise
        except OSError as error:
            _raise_unless_no_links(error)
            if output.exists():
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(output)) from None
            os.replace(partial, output)


def _raise_unless_no_links(error: OSError) -> None:
    """Raise the error of a link(2), unless it says that this file system makes no such link."""
    if error.errno not in _NO_LINKS:
        raise error


def _link(handle: int, path: Path) -> None:
    # Naming a directory descriptor makes Python call linkat(2), which follows the link of an open file.
    os.link(f"/proc/self/fd/{handle}", path, src_dir_fd=handle, follow_symlinks=True)


def _copy(file: BinaryIO, partial: Path) -> BinaryIO:
    """Copy a file without a name to `partial`, where the file system gives it none; returns it open, and so locked."""
    out = open(_create(partial), "wb")  # noqa: SIM115
    try:
        file.seek(0)
        shutil.copyfileobj(file, out, 1 << 20)
        out.flush()
        os.fsync(out.fileno())
        if sys.platform != "win32":
            os.fchmod(out.fileno(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))
    except BaseException:
        out.close()
        raise
    return out
