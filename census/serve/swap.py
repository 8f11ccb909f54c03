"""Put a checked database in the place of the one that is served."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from census.serve.database import check, describe, digest_of
from census.serve.files import Refused, copy_file, copy_folder, reason, say

MAP = "uk.mbtiles"  # in maps/, next to the database


def put_in_place(new: Path, database: Path, digest: str) -> None:
    """Put `new`, with its map and downloads, in the place of `database`.

    Nothing is replaced before all of it is copied. Raises Refused where a file cannot be written, and names it.
    """
    making = database.with_name(f".{database.name}.swap")
    shutil.rmtree(making, ignore_errors=True)  # of a swap that was killed
    replacements = {database: making / database.name}
    there, here = (file.with_name("maps") / MAP for file in (new, database))
    new_map = here.with_name(f".{MAP}.swap")
    downloads, published = (file.with_name("downloads") / digest[:16] for file in (new, database))
    try:
        making.mkdir()
        copy_file(new, replacements[database])
        if database.name == "census.db":
            describe(replacements[database])
            replacements[database.with_name("inspect-data.json")] = making / "inspect-data.json"
        if there.exists() and there.resolve() != here.resolve():
            here.parent.mkdir(exist_ok=True)
            copy_file(there, new_map)
            replacements[here] = new_map
        if downloads.exists() and downloads.resolve() != published.resolve():
            copy_folder(downloads, published, copy_file)
        for file, copy in replacements.items():
            os.replace(copy, file)
    except (Refused, OSError) as error:
        raise Refused(f"{reason(error)}\n{database} is as it was.") from None
    finally:
        new_map.unlink(missing_ok=True)
        shutil.rmtree(making, ignore_errors=True)


@contextlib.contextmanager
def one_swap_at_a_time(database: Path) -> Iterator[None]:
    """Lock the folder of `database` as long as it is swapped. Raises Refused where another process does."""
    try:
        folder = os.open(database.absolute().parent, os.O_RDONLY)
    except OSError as error:
        raise Refused(f"{reason(error)}\nNothing was changed.") from None
    try:
        fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(folder)
        raise Refused(
            f"Another swap of {database} is running. Wait until it has ended, then try again.\nNothing was changed."
        ) from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        os.close(folder)


def swap(new: Path, database: Path, home: Path) -> None:
    """Put `new`, which is checked first, in the place of `database`, and the workers over to it. Raises Refused."""
    with one_swap_at_a_time(database):
        try:
            digest = digest_of(new)
            check(new, new)
        except Refused as error:
            raise Refused(f"{error}\nNothing was changed.") from None
        if new.resolve() != database.resolve():
            put_in_place(new, database, digest)
        take_workers_over(digest, home)


def take_workers_over(digest: str, home: Path) -> None:
    """Tell the running serve_many.py to take its workers over, and wait until it has. Raises Refused."""
    try:
        before = json.loads((home / "state.json").read_text("utf-8"))
        os.kill(before["pid"], signal.SIGHUP)
    except (OSError, ValueError):
        say("The file is in its place. serve_many.py is not running; a server that is must be restarted.")
        return
    while True:
        time.sleep(0.2)
        try:
            state = json.loads((home / "state.json").read_text("utf-8"))
        except OSError:
            raise Refused("serve_many.py ended meanwhile") from None
        if state["reloads"] > before["reloads"]:
            break
    if state["digest"] != digest:
        raise Refused(f"The workers were not taken over: {state['problem']}")
    say(f"Every worker serves {digest[:16]}.")
