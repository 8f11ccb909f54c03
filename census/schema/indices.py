"""Give the indices that the publications hold, and the tables that their figures are in."""

from sources.publication import Index, Publication, Table
from sources.registry import publications

__all__ = ["Index", "indices", "publication_of", "table_of"]


def indices() -> dict[str, Index]:
    """Return every index of the publications, by id, oldest first."""
    every = [publication.index for publication in publications() if publication.index]
    return {index.id: index for index in sorted(every, key=lambda index: index.year)}


def publication_of(table: str) -> Publication:
    """Return the publication that fills a table. Raises StopIteration for a table of none."""
    return next(p for p in publications() if any(own.name == table for own in p.tables))


def table_of(name: str) -> Table:
    """Return a table of a publication. Raises StopIteration for a table of none."""
    return next(table for table in publication_of(name).tables if table.name == name)
