"""Choose an index, and cut its ranks into bands.

A choice is what the parameter `index` of a query or a request may be: an id (`england_2019`), a year, `latest`, or
empty. An id or a year never falls back to another edition.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

from census.domain import bands
from census.domain.bands import BandRule
from census.lookup.errors import RequestError
from census.lookup.messages import explain

if TYPE_CHECKING:
    from census.lookup.database import Lookup

NATIONS = ("England", "Northern Ireland", "Scotland", "Wales")
NEWEST = ("", "latest")
"""The choices that fall back to an older edition where the newest has no figures."""

_BAND_NAMES = {groups: name for name, groups in bands.BANDS.items()}
_QUANTILE = re.compile("[1-9][0-9]{0,2}")

IndexIds = tuple[str | None, ...]
"""The id of an index for each of NATIONS, or None."""


@dataclass(frozen=True)
class Index:
    """A row of the table `indices`. areas: how many areas it ranks. loaded: whether its figures are here."""

    id: str
    nation: str
    year: int
    title: str
    publisher: str
    areas: int
    area_kind: str
    geography: str
    band_rule: str
    published_bands: str | None
    table_name: str
    loaded: bool
    publication: str


class Banded(Protocol):
    """An area's rank in an index, and its published bands, where its publisher gives any."""

    @property
    def index_id(self) -> str | None:
        """The index."""

    @property
    def rank(self) -> float | None:
        """The rank, from 1, the most deprived; None without figures."""


class Quantile(NamedTuple):
    """A band of a rank, from 1, the most deprived; computed where its publisher gives none."""

    requested_quantile: int | None
    data_quantile: int | None
    data_quantile_basis: str | None


class Indices:
    """The indices that a database knows, newest first.

    rules: for each id how its publisher cuts bands. ids: for each choice the index that it names in each of NATIONS.
    """

    def __init__(self, rows: Iterable[Index], rules: Mapping[str, BandRule]) -> None:
        self.by_id = {index.id: index for index in rows}
        self._rules = rules
        choices = [*NEWEST, *self.by_id, *(str(index.year) for index in self)]
        self.ids = {choice: self._ids(choice) for choice in choices}

    def __iter__(self) -> Iterator[Index]:
        """Iterate over the indices, newest first."""
        return iter(self.by_id.values())

    def __getitem__(self, id_: str) -> Index:
        return self.by_id[id_]

    def of_nation(self, nation: str | None, choice: str = "") -> list[Index]:
        """Return the indices of a nation that `choice` may name, newest first."""
        return [index for index in self if index.nation == nation and _is_named(index, choice)]

    def choice(self, text: str | None) -> str:
        """Return the choice in `text`. Raises RequestError for what is neither an index, a year, latest nor empty."""
        choice = (text or "").strip(" ").lower()
        if choice in self.ids:
            return choice
        raise RequestError("unknown_index", explain("unknown_index_anywhere", choice, ", ".join(sorted(self.by_id))))

    def newest(self, choice: str) -> dict[str, str | None]:
        """Return for each nation the id of the index that a choice names there, or None."""
        return dict(zip(NATIONS, self.ids[choice], strict=True))

    def not_of(self, nation: str, choice: str) -> str:
        """Return the sentence about a choice that names no index of `nation`."""
        known = sorted(index.id for index in self if index.nation == nation)
        return explain("unknown_index", choice, nation, ", ".join(known) or None)

    def quantile(self, figures: Banded, groups: int | None) -> Quantile:
        """Return the band of `figures` among `groups` (2 to 100): the published one, otherwise by the index's rule.

        figures: may have `decile` and `quintile`, each with `_basis`, and the published `quartile` and `vigintile`.
        """
        if figures.rank is None or figures.index_id is None or groups is None:
            return Quantile(groups, None, None)
        band, basis = None, None
        if name := _BAND_NAMES.get(groups):
            band, basis = getattr(figures, name), getattr(figures, f"{name}_basis", "published")
        if band is None:
            band, basis = bands.quantile(self._rules[figures.index_id], figures.rank, groups), "computed"
        return Quantile(groups, band, basis)

    def _ids(self, choice: str) -> IndexIds:
        named = [self.of_nation(nation, choice) for nation in NATIONS]
        return tuple(indices[0].id if indices else None for indices in named)


@dataclass(frozen=True)
class Weight:
    """The weight of a domain in an index, in per cent, and the publisher's name of the domain."""

    publisher_domain: str
    weight_percent: float


def weights(lookup: "Lookup") -> dict[str, dict[str, Weight]]:
    """Return the weights of the domains of each index, by domain; none where they were not hosted."""
    by_index: dict[str, dict[str, Weight]] = {index.id: {} for index in lookup.indices}
    for row in lookup.rows("select * from domain_weights"):
        by_index[row["index_id"]][row["domain"]] = Weight(row["publisher_domain"], row["weight_percent"])
    return by_index


def _is_named(index: Index, choice: str) -> bool:
    return choice in (*NEWEST, index.id, str(index.year))


def as_quantile(text: str) -> int:
    """Return `text` as a number of groups. Raises RequestError for what is not a whole number from 2 to 100."""
    groups = int(text) if _QUANTILE.fullmatch(text.strip(" ")) else 0
    if groups in bands.QUANTILES:
        return groups
    raise RequestError("bad_quantile", explain("bad_quantile_in_api", text))
