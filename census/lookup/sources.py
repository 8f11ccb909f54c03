"""Name the publications whose figures an answer has, with their licences."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property


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

    @cached_property
    def source(self) -> Source:
        """What an answer says of it."""
        return Source(*(getattr(self, field.name) for field in fields(Source)))

    @cached_property
    def source_without_conditions(self) -> Source:
        """What an answer says of it where its conditions do not apply."""
        return replace(self.source, conditions=None)


def sources_of(
    publications: Mapping[str, Publication], indices: Iterable[str], northern_ireland: bool, more: Iterable[str]
) -> list[Source]:
    """Return the sources of an answer's figures: the postcode directory, then those of indices, then `more`.

    indices: the publications of the indices of the figures. northern_ireland: whether a postcode of Northern Ireland
    (BT) is among them, to which conditions of its own apply. more: further publications.
    """
    ids = ["postcode_directory", *sorted(set(indices)), *more]
    return [
        publications[id_].source
        if northern_ireland or id_ != "postcode_directory"
        else publications[id_].source_without_conditions
        for id_ in ids
        if id_ in publications
    ]
