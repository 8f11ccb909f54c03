"""Describe a publication to the build: its files, the tables that it fills, and how it is read."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from census.domain.geographies import PARENTS

if TYPE_CHECKING:
    from sources.build import Build


class SourceError(Exception):
    """A publication, file, cell or check is wrong. The message says which, and what to do."""


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
    """The SHA-256 that a file must have, unless it is accepted as changed.

    names: the accepted names of the `SourceFile` for which it holds. sha256 (hexadecimal), size (bytes): of the file
    itself, not of a .gz that holds it.
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
    names: the accepted file names, the official one (or the newest edition's) first.
    address: where the publisher serves it; None where no address is known.
    served_as: the accepted name of what the address serves, where that is not the first one.
    optional: whether a build succeeds without it; the database then says that its publication was not loaded.
    page_size: of an ArcGIS feature layer, the number of features in a request; None for a plain file.
    geometry: whether to download the features' boundaries too, in WGS 84.
    known: the files with a known SHA-256. A feature layer has none, because the build assembles it from pages.
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
    all SQL joins on them.
    primary_key: its key column, or columns; none where it is empty. references: column to (table, column), the foreign
    keys.
    area: the columns with a small area's code, each with its geography (as in `Index.geography`), which cut an extract;
    empty for a table that an extract has completely.
    derived: whether every build computes it, from the other tables or a hosted data set, so that it is not part of an
    extract.
    indexes: columns that get an index of their own. search: columns in the full-text index.
    computed_indexes: name of an index of expressions to its SQL, from the bracket on.
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
        """The columns that identify a row, as SQL for an order by: the primary key, or all columns."""
        return self.primary_key if isinstance(self.primary_key, str) else ", ".join(self.primary_key or self.columns)

    @property
    def index_names(self) -> dict[str, str]:
        """The names of its indexes, each with what it indexes, as SQL."""
        return {f"idx_{self.name}_{column}": f"({column})" for column in self.indexes} | {
            f"idx_{self.name}_{name}": sql for name, sql in self.computed_indexes.items()
        }


@dataclass(frozen=True)
class Index:
    """An index of multiple deprivation, and how the columns of its table map to those of the table `deprivation`.

    Its identity:

    - id: as users write it, `england_2019`. nation, year, title, publisher: as published.
    - areas: the number of areas that it ranks. geography: which areas, as the column of `postcodes` that holds their
      codes: lsoa_2011 or lsoa_2021. area_kind: what its publisher calls them. table: the table of its figures.

    Its bands:

    - band_rule: "ceil" or "floor", the rule that its publisher's bands follow (see `census.domain.bands`).
    - bands: the published bands of the overall rank, name to number of bands; their columns are `imd_` and the name.
    - bounds: for published bands that follow no rule, name to the highest rank of each band.
    - domain_bands: whether deciles of the domains are published.

    Its columns:

    - score: the column of the overall score; None where none is published.
    - domains: common domain name (`census.domain.geographies.DOMAINS`) to the prefix of the table's own columns, which
      end in `_rank`, and in `_decile` where that is published.
    - may_be_blank: columns that may be blank in every row, because some copies of the publication's file lack them.

    What the checks compare its figures with (`census.build.checks`):

    - tied_pairs: the number of pairs of areas that share an overall rank.
    - weights: column prefix of each domain to its weight in the overall score, in per cent.
    - domain_scores: the end of the columns with the domains' transformed scores, after the prefix; empty where none are
      published. decimals: the number of decimals of a published score.
    - ties: the rank of tied areas, the "first" or the "mean" of their places. scored_at_mean: whether their score is
      that of the mean all the same. other_ties: column to a rank that follows neither.
    - slack: by how much the weighted scores may rise against the published overall rank, where the publisher weighted
      finer scores than those that the ranks give.
    - published_ranks: rank column to its number of different ranks as published, and an area with the first rank.
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

    load: a function that reads its files and fills its tables; it is called with the build. None for a hosted data set.
    goes_with: the publication to whose rows it adds, and without which it is left out too.
    fills: the tables that it writes to. tables: those that it creates.
    rows: file id to the exact number of rows of the publication; a file with another number is refused.
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
    """Return the table of an index: a row for each area, with the area's code as its key.

    columns: the columns of figures, among them imd_rank, which no row may lack. geography: as in `Index.geography`.
    """
    return Table(
        name,
        {"area_code": str, **columns},
        primary_key="area_code",
        references={"area_code": (PARENTS[geography], "code")},
        not_null=frozenset({"imd_rank"}),
        area={"area_code": geography},
    )
