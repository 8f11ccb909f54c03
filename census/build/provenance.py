"""Record where the figures came from: the rows of the tables `publications` and `indices`."""

from dataclasses import dataclass, field

from census.build.fetch import Obtained
from census.domain.types import Record
from sources.publication import Index, Publication, SourceFile


@dataclass
class Provenance:
    """What a build knows about the files of its publications, each by the file's id.

    files: the files on this machine. rows: how many rows were read. editions: of files whose publication has many.
    """

    files: dict[str, Obtained] = field(default_factory=dict)
    rows: dict[str, int] = field(default_factory=dict)
    editions: dict[str, str] = field(default_factory=dict)

    def file_row(self, publication: Publication, file: SourceFile, status: str) -> Record:
        """Return the row of `publications` for a file of a publication."""
        obtained = self.files.get(file.id)
        edition = self.editions.get(file.id, publication.edition)
        compared = None if publication.hosted else obtained
        return {
            "id": file.id,
            "publication": publication.id,
            "title": publication.title,
            "publisher": publication.publisher,
            "edition": edition or None,
            "status": status,
            "page": publication.page,
            "address": file.address,
            "file": obtained and obtained.name,
            "bytes": obtained and obtained.size,
            "sha256": obtained and obtained.sha256,
            "rows": self.rows.get(file.id),
            "retrieved": obtained and obtained.retrieved,
            "licence": publication.licence.name,
            "licence_url": publication.licence.url,
            "attribution": attribution_of(publication, edition),
            "conditions": publication.conditions,
            "tables": ", ".join(publication.fills),
            "checked": compared and compared.checked,
            "checked_note": compared and compared.checked_note,
        }


def index_row(publication: Publication, index: Index, bands: list[str], loaded: bool) -> Record:
    """Return the row of `indices` for an index. bands: the names of its published bands that have figures."""
    copied = ("id", "nation", "year", "title", "publisher", "areas", "area_kind", "geography", "band_rule")
    return {
        **{name: getattr(index, name) for name in copied},
        "published_bands": ", ".join(bands) or None,
        "table_name": index.table,
        "loaded": int(loaded),
        "publication": publication.files[0].id,
    }


def attribution_of(publication: Publication, edition: str | None) -> str:
    """Return the attribution that `publication` asks for, with the year of the `edition` where it names one."""
    return publication.attribution.replace(" {year}", f" {edition[-4:]}" if edition else "")
