"""Obtain the publications' files: from a mirror, from the cache, or from their official addresses.

Downloads are streamed into the cache folder, resumed where they broke off, tried again with growing pauses, and kept
with a note (address, bytes, sha256, date) in a file next to them. A mirror is a folder or a base address; with one, no
other place is read. Wherever a file comes from, its SHA-256 is compared with those that are known (`SourceFile.known`).
"""

import datetime
import gzip
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar
from urllib.parse import quote, urlsplit

import httpx

from census.domain.types import Progress
from sources.publication import SourceError, SourceFile

ATTEMPTS = 5
FIRST_PAUSE = 1.0  # seconds, doubled after each failed attempt
KEPT_S = 86_400  # pages of a layer that broke off are used for so long: later it may be another edition
TIMEOUT = httpx.Timeout(60.0, connect=15.0)
BLOCK = 1 << 20

Result = TypeVar("Result")


class NotInMirror(SourceError):
    """A mirror is without a file. The message says which names were looked for."""


class ChangedFile(SourceError):
    """A file is another than the ones known by its name. The message says which, what was expected, and what to do."""


class NoAddress(SourceError):
    """A file is not in the cache and its address is not known. The message says where to put it."""


@dataclass
class Obtained:
    """A publication's file on this machine.

    path: where it lies, perhaps as .gz. name: its name without .gz. size (bytes), sha256: of the file itself, not of
    a .gz around it. retrieved: the date of the download (ISO 8601), None where the file came from a mirror or by hand.
    checked: what the comparison of its SHA-256 with the known ones gave, a key of `CHECKED`; checked_note: a sentence
    about it.
    """

    path: Path
    name: str
    size: int
    sha256: str
    retrieved: str | None
    checked: str = "unknown"
    checked_note: str = ""

    @property
    def described(self) -> str:
        """Its name, size and SHA-256, and what the comparison with the known ones gave, as a line of the log."""
        return f"{self.name}, {self.size:,} bytes, sha256 {self.sha256}, {self.checked}"

    def open(self) -> BinaryIO:
        """Return the file's content as a seekable binary file."""
        if self.path.name == self.name:
            return self.path.open("rb")
        plain = tempfile.TemporaryFile()  # noqa: SIM115, the caller closes it
        with gzip.open(self.path) as packed:
            shutil.copyfileobj(packed, plain, BLOCK)
        plain.seek(0)
        return plain

    def read(self) -> bytes:
        """Return the file's content."""
        with self.open() as file:
            return file.read()


class Library:
    """Where files are searched for: `mirror` (a folder, a base address or None), then `cache`, then the publishers.

    progress: called with (title, total bytes or None), gives a context manager whose value takes bytes as they come.
    accept_changed: the ids of the files that are taken though they are others than the known ones, and recorded so;
    any other is refused.
    """

    def __init__(
        self, mirror: str | None, cache: Path, progress: Progress, accept_changed: Collection[str] = ()
    ) -> None:
        self.cache = cache
        self.progress = progress
        self.accept_changed = accept_changed
        self.base = mirror.rstrip("/") + "/" if mirror and mirror.startswith(("http://", "https://")) else None
        if self.base:
            try:
                httpx.URL(self.base), urlsplit(self.base).port
            except (httpx.InvalidURL, ValueError) as error:
                raise SourceError(f"The mirror {mirror} is not an address: {error}") from error
        self.folder = Path(mirror) if mirror and not self.base else None
        if self.folder and not self.folder.is_dir():
            raise SourceError(f"The mirror {mirror} is neither a folder nor an http(s) address.")
        self._mirrored: dict[str, list[Path]] = {}
        for path in sorted(self.folder.rglob("*")) if self.folder else ():
            if path.is_file():
                self._mirrored.setdefault(path.name, []).append(path)

    def obtain(self, file: SourceFile) -> Obtained:
        """Return the file under the first of its accepted names, compared with what is known of it.

        Raises SourceError saying what was looked for and where, ChangedFile where it is another than the known ones.
        """
        return compared(file, self._find(file), file.id in self.accept_changed)

    def _find(self, file: SourceFile) -> Obtained:
        if self.folder:
            return self._from_folder(file)
        if self.base:
            return self._from_base(file, self.base)
        for name in file.names:
            for path in (self.cache / name, self.cache / f"{name}.gz"):
                if path.is_file() and not (file.geometry and _of_another(path, file.address)):
                    return self._described(path, name)
        if not file.address:
            raise NoAddress(
                f"{file.id}: no address is known for it. Put {file.names[0]} into {self.cache},"
                " or leave it out (--skip)."
            )
        name, address = file.served_as or file.names[0], file.address
        if file.page_size:
            self._features(address, file, file.page_size, self.cache / name)
        else:
            self._download(address, self.cache / name)
        return self._described(self.cache / name, name)

    def _from_folder(self, file: SourceFile) -> Obtained:
        for name in file.names:
            paths = self._mirrored.get(name, []) + self._mirrored.get(f"{name}.gz", [])
            if len(paths) > 1:
                raise SourceError(f"{file.id}: {name} lies in the mirror twice: {', '.join(map(str, paths))}")
            if paths:
                return _measured(paths[0], name, None)
        raise NotInMirror(f"{file.id}: not in the mirror {self.folder}. Accepted names: {_listed(file.names)}.")

    def _from_base(self, file: SourceFile, base: str) -> Obtained:
        store = self.cache / ("mirror-" + hashlib.sha256(base.encode()).hexdigest()[:12])
        for name in file.names:
            for served in (name, f"{name}.gz"):
                if not (store / served).is_file():
                    try:
                        self._download(base + quote(served), store / served)
                    except FileNotFoundError:
                        continue
                return _measured(store / served, name, None)
        raise NotInMirror(f"{file.id}: not in the mirror {base}. Accepted names: {_listed(file.names)}.")

    def _described(self, path: Path, name: str) -> Obtained:
        obtained = _measured(path, name, None)
        note = json.loads(_note(path).read_text("utf-8")) if _note(path).is_file() else {}
        if note.get("sha256") == obtained.sha256:  # otherwise it was put there by hand since
            obtained.retrieved = note["retrieved"]
        return obtained

    def _client(self) -> httpx.Client:
        # A mirror must not send the request on to somewhere else.
        return httpx.Client(timeout=TIMEOUT, follow_redirects=not self.base, headers={"Accept-Encoding": "identity"})

    def _download(self, address: str, path: Path) -> None:
        """Stream `address` to `path`, resuming a broken-off `path`.part.

        Raises FileNotFoundError where a mirror has none, SourceError where there is nothing to be had.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        part, mark = path.with_name(path.name + ".part"), path.with_name(path.name + ".part.etag")

        def attempt(client: httpx.Client) -> None:
            have = part.stat().st_size if part.exists() and mark.exists() else 0
            headers = {"Range": f"bytes={have}-", "If-Range": mark.read_text("utf-8")} if have else {}
            with client.stream("GET", address, headers=headers) as response:
                self._check_download(response, address, part, have)
                resumed = response.status_code == 206
                etag = response.headers.get("etag")
                mark.write_text(etag, "utf-8") if etag and not etag.startswith("W/") else mark.unlink(missing_ok=True)
                length = response.headers.get("content-length")
                expected = int(length) + (have if resumed else 0) if length else None
                with part.open("ab" if resumed else "wb") as out, self.progress(path.name, expected) as advance:
                    advance(have if resumed else 0)
                    for block in response.iter_raw():
                        out.write(block)
                        advance(len(block))
                if expected is not None and part.stat().st_size != expected:
                    raise httpx.TransportError(f"{part.stat().st_size} of {expected} bytes arrived")

        self._attempts(address, attempt)
        mark.unlink(missing_ok=True)
        self._keep(part, path, address)

    def _check_download(self, response: httpx.Response, address: str, part: Path, have: int) -> None:
        """Raise unless `response` is the file, or the rest of it after the `have` bytes in `part`.

        FileNotFoundError: a mirror has no such file. TransportError: another attempt may do. SourceError: none can.
        """
        is_page = response.headers.get("content-type", "").startswith("text/html")
        if self.base and (response.status_code in (403, 404, 410) or (response.status_code == 200 and is_page)):
            raise FileNotFoundError(address)  # many a store answers so for a file that it does not have
        if response.status_code == 416:
            part.unlink()
            raise httpx.TransportError("the rest of the file could not be had; starting again")
        _succeeded(response, address)
        if is_page:
            name = part.name.removesuffix(".part")
            raise SourceError(f"{address} answered with a web page instead of {name}.")
        content_range = response.headers.get("content-range", "")
        if response.status_code == 206 and not content_range.startswith(f"bytes {have}-"):
            part.unlink(missing_ok=True)
            raise httpx.TransportError("the server sent another part of the file than requested; starting again")

    def _features(self, address: str, file: SourceFile, page_size: int, path: Path) -> None:
        """Download the features of an ArcGIS layer as GeoJSON, a feature a line; a lookup's have no geometry.

        Pages are kept in a folder next to it until all have come, so that a download resumes where it broke off.
        """
        pages = path.with_name(path.name + ".pages")
        pages.mkdir(parents=True, exist_ok=True)
        geometry = "&outSR=4326&geometryPrecision=5" if file.geometry else "&returnGeometry=false"
        kept = ("type", "properties", "geometry") if file.geometry else ("properties",)
        part = path.with_name(path.name + ".part")
        count = 0
        with part.open("wb") as out, self.progress(path.name, None) as advance:
            out.write(b'{"type":"FeatureCollection","features":[')
            while True:
                query = (
                    f"/query?where=1%3D1&outFields=*{geometry}&f=geojson"
                    f"&resultOffset={count}&resultRecordCount={page_size}"
                )
                kept_as = pages / f"{hashlib.sha256((address + query).encode()).hexdigest()[:12]}.json"
                page = self._page(address, query, kept_as)
                try:
                    answer = json.loads(page)
                    features = [{name: feature[name] for name in kept} for feature in answer["features"]]
                    more = (answer.get("properties") or answer).get("exceededTransferLimit", False)
                except (ValueError, KeyError, TypeError, AttributeError) as error:
                    kept_as.unlink()
                    raise SourceError(f"{address} did not answer with features: {page[:120]!r}") from error
                for feature in features:
                    out.write((b",\n" if count else b"\n") + json.dumps(feature, separators=(",", ":")).encode())
                    count += 1
                advance(len(page))
                if not features or (len(features) < page_size and not more):
                    break
            out.write(b"\n]}\n")
        self._keep(part, path, address)
        shutil.rmtree(pages)

    def _page(self, address: str, query: str, path: Path) -> bytes:
        """Return one page of a layer, from `path` where it came a little before."""
        if path.is_file() and time.time() - path.stat().st_mtime < KEPT_S:
            return path.read_bytes()

        def attempt(client: httpx.Client) -> bytes:
            response = client.get(address + query)
            _succeeded(response, address)
            return response.content

        page = self._attempts(address, attempt)
        part = path.with_suffix(".part")
        part.write_bytes(page)
        os.replace(part, path)
        return page

    def _attempts(self, address: str, attempt: Callable[[httpx.Client], Result]) -> Result:
        pause = FIRST_PAUSE
        for left in reversed(range(ATTEMPTS)):
            try:
                with self._client() as client:
                    return attempt(client)
            except (httpx.TooManyRedirects, httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
                raise SourceError(f"{address}: {error}") from error
            except httpx.TransportError as error:
                if not left:
                    raise SourceError(f"{address}: {error or type(error).__name__} ({ATTEMPTS} attempts)") from error
                time.sleep(pause)
                pause *= 2
        raise AssertionError("the last attempt returns or raises")

    def _keep(self, part: Path, path: Path, address: str) -> None:
        measured = _measured(part, part.name, None)
        note = {
            "address": address,
            "bytes": measured.size,
            "sha256": measured.sha256,
            "retrieved": datetime.datetime.now(datetime.UTC).date().isoformat(),
        }
        _note(path).write_text(json.dumps(note, indent=1) + "\n", "utf-8")
        os.replace(part, path)


CHECKED = {
    "verified": "official",
    "rebuilt": "known copies",
    "changed": "accepted, not known",
    "unknown": "no checksum known",
}
"""What a comparison with the known checksums can give, with what that says of files."""


def compared(file: SourceFile, obtained: Obtained, accepted: bool) -> Obtained:
    """Return `obtained` with `checked` and `checked_note` filled in from what is known of `file`.

    Where only copies of a file are known, one from the publisher's own address may be the official or a changed one:
    then no checksum is known. Raises ChangedFile where the file is another than the known ones and
    it is not `accepted`.
    """
    for known in file.known:
        if known.sha256 == obtained.sha256:
            checked = "verified" if known.kind == "official" else "rebuilt"
            return replace(obtained, checked=checked, checked_note=known.note or "The official file, by its SHA-256.")
    known_ones = [known for known in file.known if obtained.name in known.names]
    if obtained.retrieved:
        known_ones = [known for known in known_ones if known.kind == "official"]
    if not known_ones:
        return replace(obtained, checked="unknown", checked_note=_why_unknown(obtained))
    expected = " or ".join(f"{known.sha256} ({known.size:,} bytes, {known.kind})" for known in known_ones)
    if not accepted:
        raise ChangedFile(
            f"{file.id}: {obtained.path} is not a known {obtained.name}: expected SHA-256 {expected},"
            f" found {obtained.sha256} ({obtained.size:,} bytes). Delete it and fetch it again; if the publisher has"
            f" changed the file, compare its figures with the publication and build with --accept-changed {file.id}."
        )
    note = f"Another file than the known one, accepted with --accept-changed. Expected SHA-256 {expected}."
    return replace(obtained, checked="changed", checked_note=note)


def _why_unknown(obtained: Obtained) -> str:
    if obtained.name.endswith(".geojson"):
        return "No checksum known: a feature layer, which is downloaded in pages, has none that stays."
    if obtained.retrieved:
        return "No checksum known of the file at the publisher's address."
    return f"No checksum known for {obtained.name}."


def _succeeded(response: httpx.Response, address: str) -> None:
    if response.status_code in (408, 429) or response.status_code >= 500:
        raise httpx.TransportError(f"answered {response.status_code}")
    if response.status_code not in (200, 206):
        raise SourceError(f"{address} answered {response.status_code}.")


def _of_another(path: Path, address: str | None) -> bool:
    """Return whether a file of the cache came from another address, as that of a layer without its boundaries did."""
    return _note(path).is_file() and json.loads(_note(path).read_text("utf-8")).get("address") != address


def _note(path: Path) -> Path:
    return path.with_name(path.name + ".json")


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "") + " (each also as .gz)"


def _measured(path: Path, name: str, retrieved: str | None) -> Obtained:
    digest, size = hashlib.sha256(), 0
    try:
        with gzip.open(path) if path.name != name else path.open("rb") as file:
            while block := file.read(BLOCK):
                digest.update(block)
                size += len(block)
    except (OSError, EOFError) as error:
        raise SourceError(f"{path} cannot be read: {error}") from error
    return Obtained(path, name, size, digest.hexdigest(), retrieved)
