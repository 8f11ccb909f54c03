"""Find the downloads of a census.db: folder, manifest and files."""

import json
from pathlib import Path
from typing import TypedDict

FOLDER = "downloads"

MANIFEST = "manifest.json"


class DownloadFile(TypedDict):
    """Size and SHA-256 of a file of a table."""

    bytes: int
    sha256: str


class DownloadTable(TypedDict):
    """A table in manifest.json: how many rows it has, and its files by name."""

    rows: int
    files: dict[str, DownloadFile]


Manifest = dict[str, DownloadTable]


def folder_of(database: Path, digest: str) -> Path:
    """Return where the files of the build with this digest lie."""
    return database.parent / FOLDER / digest[:16]


def listed(database: Path, digest: str) -> Manifest:
    """Return the manifest of the files made with the build of that digest; empty where there is none.

    files: name to bytes and sha256.
    """
    try:
        manifest: Manifest = json.loads((folder_of(database, digest) / MANIFEST).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return manifest
