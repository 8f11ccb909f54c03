"""Give the indices that the publications hold, and the tables that their figures are in."""

from functools import cache

from census.domain.bands import quantile
from sources.publication import Index, Publication, Table
from sources.registry import publications

__all__ = ["Index", "imd_quantile", "indices", "publication_of", "table_of"]


@cache
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


def imd_quantile(index_id: str | None, rank: float | None, q: int | None) -> int | None:
    """Return the band of `rank` among `q`, None where there is none. Parameters of a web query are text: '5' is 5."""
    index = None if index_id is None else indices().get(index_id)
    try:
        bands = _number(q)
        if index is None or bands != int(bands):
            return None
        return quantile(index, _number(rank), int(bands))
    except (TypeError, ValueError, OverflowError):
        return None


def _number(value: float | str | None) -> float:
    if not isinstance(value, int | float | str):
        raise TypeError(f"{value!r} is no number")
    return float(value)
