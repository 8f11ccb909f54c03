"""Name the publications whose figures an answer has, with their licences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields


@dataclass(frozen=True)
class Source:
    """A publication whose figures an answer has.

    edition: as its publisher names it. conditions: those beyond the licence, where they apply.
    """

    id: str
    title: str
    publisher: str
    edition: str | None
    page: str
    licence: str
    licence_url: str
    attribution: str
    conditions: str | None


@dataclass(frozen=True)
class Publication(Source):
    """A row of the table `publications`: a publication, and the file of it that was loaded."""

    publication: str
    status: str
    address: str | None
    file: str | None
    bytes: int | None
    sha256: str | None
    rows: int | None
    retrieved: str | None
    tables: str
    checked: str | None
    checked_note: str | None


_SOURCE = tuple(field.name for field in fields(Source))


def sources_of(
    publications: Mapping[str, Publication], indices: Iterable[str], northern_ireland: bool, more: Iterable[str]
) -> list[Source]:
    """Return the sources of an answer's figures: the postcode directory, then those of indices, then `more`.

    indices: the publications of the indices of the figures. northern_ireland: whether a postcode of Northern Ireland
    (BT) is among them, to which conditions of its own apply. more: further publications.
    """
    ids = ["postcode_directory", *sorted(set(indices)), *more]
    sources = []
    for publication in (publications[id_] for id_ in ids if id_ in publications):
        values = {name: getattr(publication, name) for name in _SOURCE}
        if publication.id == "postcode_directory" and not northern_ireland:
            values["conditions"] = None
        sources.append(Source(**values))
    return sources
