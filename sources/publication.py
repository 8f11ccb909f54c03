"""What a publication is to the build: its files, the tables it fills, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from census.domain.geographies import PARENTS

if TYPE_CHECKING:
    from sources.build import Build


class SourceError(Exception):
    """A publication, file, cell or check is not as it must be. The message says which, and what to do."""


@dataclass(frozen=True)
class Licence:
    """The terms of a publication: `name` and `url` as its publisher gives them."""

    name: str
    url: str


OGL = Licence(
    "Open Government Licence v3.0", "https://www.nationalarchives.gov.uk/doc/open-government-licence/version/3/"
)
CC_BY = Licence(
    "Creative Commons Attribution 4.0 International (CC BY 4.0)", "https://creativecommons.org/licenses/by/4.0/"
)


@dataclass(frozen=True)
class KnownFile:
    """The content of a file, by its SHA-256: what a file of one of `names` must be, unless it is accepted as changed.

    names: the accepted names of the `SourceFile` that have this content and no other. sha256: in hexadecimal; size:
    bytes; both of the file itself, not of a .gz around it.
    kind: "official" for the file as its publisher serves it, "rebuilt" for a copy that others made of its figures.
    note: a sentence that says what the copy is; empty for an official file.
    """

    names: tuple[str, ...]
    sha256: str
    size: int
    kind: Literal["official", "rebuilt"] = "official"
    note: str = ""


@dataclass(frozen=True)
class SourceFile:
    """One file of a publication.

    id: its row in the table `publications`.
    names: the file names that are accepted, the official one (or the newest edition's) first.
    address: where the publisher serves it; None where no address is known.
    served_as: the accepted name of what the address serves, where that is not the first one.
    optional: a mirror may be without it, and so may the cache where no address is known; the database then says that
    its publication was not loaded.
    page_size: for an ArcGIS feature layer, how many features one request may ask for; None for a plain file.
    geometry: whether the features' boundaries are wanted too, in WGS 84.
    known: its contents whose SHA-256 is known. A feature layer has none, for the build assembles it from pages.
    """

    id: str
    names: tuple[str, ...]
    address: str | None
    page_size: int | None = None
    geometry: bool = False
    served_as: str | None = None
    optional: bool = False
    known: tuple[KnownFile, ...] = ()


@dataclass(frozen=True)
class Table:
    """A table of census.db.

    columns: column name to str, int, float or Number (whole numbers and halves), in order. Codes are str so that
    anyone's SQL joins on them.
    primary_key: its key column, or columns; none where it is empty. references: column to (table, column).
    area: the columns that hold a small area's code, each with its geography (as in `Index.geography`), by which an
    extract is cut; empty for a table kept whole.
    derived: made by every build, from the other tables or a hosted data set, so not part of an extract.
    indexes: columns that get an index of their own. search: columns in the full-text index.
    computed_indexes: name to what is indexed beyond columns, as SQL from the bracket on.
    """

    name: str
    columns: dict[str, type]
    primary_key: str | tuple[str, ...]
    references: dict[str, tuple[str, str]] = field(default_factory=dict)
    not_null: frozenset[str] = frozenset()
    indexes: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    computed_indexes: dict[str, str] = field(default_factory=dict)
    without_rowid: bool = False
    area: dict[str, str] = field(default_factory=dict)
    derived: bool = False

    @property
    def key(self) -> str:
        """What each row is another one by, as SQL for an order by: the primary key, or all columns."""
        return self.primary_key if isinstance(self.primary_key, str) else ", ".join(self.primary_key or self.columns)

    @property
    def index_names(self) -> dict[str, str]:
        """The names of its indexes, each with what it indexes, as SQL."""
        return {f"idx_{self.name}_{column}": f"({column})" for column in self.indexes} | {
            f"idx_{self.name}_{name}": sql for name, sql in self.computed_indexes.items()
        }


@dataclass(frozen=True)
class Index:
    """An index of multiple deprivation and how to read its table in the words common to all of them.

    areas: how many areas it ranks. geography: the kind of area, as a column of `postcodes`: lsoa_2011 or lsoa_2021.
    band_rule: "ceil" or "floor", the rule that its publisher's bands follow (see `census.schema.deprivation`).
    bands: published band columns of the overall rank, name to number of bands.
    bounds: for published bands that follow no rule, name to the highest rank of each band.
    domains: common domain name to the table's own column prefix; `_rank`, and `_decile` where published.
    may_be_blank: columns that a file of the publication may have blank, each as a whole.
    tied_pairs: how many pairs of areas share an overall rank.
    weights: column prefix of each domain to its weight in the overall score, in per cent of the scores that the
    domain's ranks give (`census.build.checks.cross.transformed`). domain_scores: how the columns of those scores end,
    after the prefix; empty where none are published. decimals: how many a published score has. ties: the rank that tied
    areas get, the "first" of their places or the "mean" of them. scored_at_mean: whether tied areas are scored at the
    mean of their places all the same. other_ties: column to a rank that follows neither. slack: how far the weighted
    scores may rise against the published overall rank, for indices whose publisher weighted finer scores than those of
    the ranks. published_ranks: rank column to how many different ranks it has as published, and an area of the first
    rank.
    """

    id: str
    nation: str
    year: int
    title: str
    publisher: str
    areas: int
    geography: str
    area_kind: str
    table: str
    band_rule: str
    bands: dict[str, int]
    domains: dict[str, str]
    bounds: dict[str, tuple[int, ...]] = field(default_factory=dict)
    may_be_blank: frozenset[str] = frozenset()
    tied_pairs: int = 0
    domain_bands: bool = False
    score: str | None = "imd_score"
    weights: dict[str, float] = field(default_factory=dict)
    domain_scores: str = ""
    decimals: int = 3
    ties: Literal["first", "mean"] = "first"
    scored_at_mean: bool = False
    other_ties: dict[str, float] = field(default_factory=dict)
    slack: float = 1e-5
    published_ranks: dict[str, tuple[int, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Publication:
    """A publication: who publishes what under which terms, and how it gets into the database.

    load: called with the build; reads its files and fills its tables. None for a hosted data set.
    goes_with: the publication whose rows it adds to, and without which it is left out too.
    fills: the tables it writes to. tables: those of them that exist because of it.
    rows: file id to the exact number of rows that the publication has; a file with another number is refused.
    hosted: the CSV of a hosted data set (see `census.schema.hosted`); None for an official publication.
    """

    id: str
    title: str
    publisher: str
    edition: str
    page: str
    files: tuple[SourceFile, ...]
    load: Callable[["Build"], None] | None
    fills: tuple[str, ...]
    attribution: str
    licence: Licence = OGL
    conditions: str | None = None
    tables: tuple[Table, ...] = ()
    index: Index | None = None
    goes_with: str | None = None
    rows: dict[str, int] = field(default_factory=dict)
    hosted: Path | None = None


def index_table(name: str, columns: dict[str, type], geography: str = "lsoa_2011") -> Table:
    """Return the table of an index: one row an area, keyed by the area's code."""
    return Table(
        name,
        {"area_code": str, **columns},
        primary_key="area_code",
        references={"area_code": (PARENTS[geography], "code")},
        not_null=frozenset({"imd_rank"}),
        area={"area_code": geography},
    )
