"""Draw the panel of green space of an authority of 2019: its homes with private outdoor space, and its place."""

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from census.lookup.authorities import Authority
from census.lookup.green_space import GreenSpace, NationShares
from census.pages import charts

HOMES = {
    "total": "All homes",
    "houses": "Houses",
    "flats": "Flats",
}
"""The kinds of homes, and what the page calls them."""


@dataclass(frozen=True)
class Homes:
    """A kind of homes: the shares (0 to 1) with private outdoor space, and the mean area of one in m², drawn."""

    label: str
    share: float
    in_nation: float
    average: float | None
    chart: Markup


@dataclass(frozen=True)
class Neighbour:
    """An authority next to another in the order of shares of all homes. own: it is that one itself."""

    code: str
    name: str
    share: float
    place: int
    own: bool


@dataclass(frozen=True)
class Panel:
    """The green space of an authority. place: from the highest share, of the `of` authorities of its nation."""

    code: str
    name: str
    nation: str
    row: GreenSpace
    homes: list[Homes]
    place: int
    of: int
    neighbours: list[Neighbour]


class Gardens:
    """The panels of the authorities of 2019, each drawn once."""

    def __init__(self, figures: Mapping[str, GreenSpace], authorities: Mapping[str, Authority]) -> None:
        self.shares = NationShares(figures, {code: authorities[code].nation for code in figures})
        self._panels: dict[str, Panel] = {}

    def of(self, code: str | None) -> Panel | None:
        """Return the panel of the authority of 2019 with `code`; None where there are no figures."""
        if code is None or code not in self.shares.figures:
            return None
        if code not in self._panels:
            self._panels[code] = self._panel(code)
        return self._panels[code]

    def _panel(self, code: str) -> Panel:
        row, nation = self.shares.figures[code], self.shares.nations[code]
        order = self.shares.ranked[nation]
        first = max(0, min(order.index(code) - 2, len(order) - 5))
        name = row.local_authority_2019_name or code
        return Panel(
            code=code,
            name=name,
            nation=nation,
            row=row,
            homes=[self._homes(row, name, nation, homes) for homes in HOMES],
            place=self.shares.place(code),
            of=len(order),
            neighbours=[self._neighbour(other, code) for other in order[first : first + 5]],
        )

    def _homes(self, row: GreenSpace, name: str, nation: str, homes: str) -> Homes:
        label, share, in_nation = HOMES[homes], row.share(homes), self.shares.shares[nation][homes]
        text = f"{label} with private outdoor space: {charts.percent(share)} in {name}, "
        chart = charts.shares(
            [(name, share, True), (nation, in_nation, False)], f"{text}{charts.percent(in_nation)} in {nation}."
        )
        return Homes(label, share, in_nation, getattr(row, f"{homes}_average_private_outdoor_space_m2"), chart)

    def _neighbour(self, other: str, code: str) -> Neighbour:
        row = self.shares.figures[other]
        place = self.shares.place(other)
        return Neighbour(other, row.local_authority_2019_name or other, row.share("total"), place, other == code)
