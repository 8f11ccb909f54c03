"""Check and describe a census.db that is to be served."""

import contextlib
import hashlib
import json
import os
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from census.serve.files import Refused

ROOT = Path(__file__).resolve().parents[2]
UTF8 = {"PYTHONUTF8": "1"}  # Datasette reads metadata.yml in the encoding of the locale


def digest_of(database: Path) -> str:
    """Return the digest in the database file. Raises Refused for what is no such file."""
    if not database.is_file():
        raise Refused(f"There is no {database}: build one with build_db.py.")
    try:
        with contextlib.closing(sqlite3.connect(f"{database.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            digest: str = connection.execute("select digest from edition").fetchone()[0]
    except (sqlite3.Error, TypeError) as error:
        raise Refused(f"{database} is not a census.db: {error}") from None
    return digest


def check(database: Path, label: Path, meanwhile: Callable[[], object] = lambda: None) -> None:
    """Verify every row of the database with build_db.py. Raises Refused with what it says.

    label: the file that the message names. meanwhile: called a few times a second.
    """
    command = [sys.executable, str(ROOT / "build_db.py"), "--check", str(database)]
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while process.poll() is None:
            meanwhile()
            time.sleep(0.1)
        if process.returncode:
            output.seek(0)
            lines = output.read().decode(errors="replace").splitlines()
            failed = "\n".join(line for line in lines if not line.startswith("ok "))[:2000]
            raise Refused(f"{label} was refused:\n{failed.replace(str(database), str(label))}")


def is_as_built(database: Path) -> bool:
    """Return whether inspect-data.json, next to the file, says that it is, byte by byte, as built."""
    try:
        described = json.loads(database.with_name("inspect-data.json").read_text("utf-8"))["census"]
    except (OSError, ValueError, KeyError):
        described = {}
    with database.open("rb") as file:
        digest: str = hashlib.file_digest(file, "sha256").hexdigest()
    return bool(digest == described.get("hash"))


def describe(database: Path) -> None:
    """Write the inspect-data.json of a census.db next to it. Raises Refused with what Datasette says."""
    command = [sys.executable, "-m", "datasette", "inspect", database.name, "--inspect-file", "inspect-data.json"]
    done = subprocess.run(
        command,
        cwd=database.parent,
        env={**os.environ, **UTF8},
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode:
        file = database.with_name("inspect-data.json")
        raise Refused(f"{file} could not be written: {done.stderr.strip()[-2000:]}")
