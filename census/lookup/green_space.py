"""Gardens and private outdoor space by local authority of 2019 (ONS, Great Britain, April 2020).

What is computed here and not published: a nation's shares, from the sums of its authorities, and an authority's place
among them.
"""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from census.lookup.messages import explain

if TYPE_CHECKING:
    from census.lookup.authorities import Authority
    from census.lookup.database import Lookup

HOMES = ("total", "houses", "flats")
"""The kinds of homes, as the columns begin."""


@dataclass(frozen=True)
class GreenSpace:
    """A row of the table `green_space`, and of `green_space_parks` where that was loaded.

    Areas are in m², distances in m; a share is from 0 to 1.
    """

    local_authority_2019_code: str
    local_authority_2019_name: str | None
    region: str
    region_name: str | None
    houses_address_count: int
    houses_addresses_with_private_outdoor_space_count: int
    houses_private_outdoor_space_total_area_m2: float | None
    houses_addresses_with_private_outdoor_space_share: float
    houses_average_private_outdoor_space_m2: float | None
    houses_median_private_outdoor_space_m2: float | None
    flats_address_count: int
    flats_addresses_with_private_outdoor_space_count: int
    flats_private_outdoor_space_total_area_m2: float | None
    flats_addresses_with_private_outdoor_space_share: float
    flats_average_private_outdoor_space_m2: float | None
    flats_private_outdoor_space_count: int | None
    flats_average_flats_sharing_a_garden: float | None
    total_address_count: int
    total_addresses_with_private_outdoor_space_count: int
    total_private_outdoor_space_total_area_m2: float | None
    total_addresses_with_private_outdoor_space_share: float
    total_average_private_outdoor_space_m2: float | None
    parks_average_distance_to_nearest_m: float | None
    parks_average_size_of_nearest_m2: float | None
    parks_average_number_within_1000_m: float | None
    parks_average_combined_size_within_1000_m_m2: float | None

    def share(self, homes: str) -> float:
        """Return the share, from 0 to 1, of a kind of HOMES that have private outdoor space."""
        share: float = getattr(self, f"{homes}_addresses_with_private_outdoor_space_share")
        return share

    def addresses(self, homes: str) -> int:
        """Return the number of a kind of HOMES."""
        count: int = getattr(self, f"{homes}_address_count")
        return count

    def addresses_with_space(self, homes: str) -> int:
        """Return the number of a kind of HOMES that have private outdoor space."""
        count: int = getattr(self, f"{homes}_addresses_with_private_outdoor_space_count")
        return count


_PARKS = "parks_"
SQL = f"""
    select {
    ", ".join(
        f"parks.{name.removeprefix(_PARKS)}"
        if name.startswith(_PARKS)
        else f"local_authorities.{name.removeprefix('local_authority_2019_')}"
        if name.startswith("local_authority_2019_")
        else f"green_space.{name}"
        for name in GreenSpace.__dataclass_fields__
    )
}
    from green_space
    join local_authorities on local_authorities.code = green_space.local_authority
    left join green_space_parks as parks on parks.local_authority = green_space.local_authority
    order by green_space.local_authority
"""


@dataclass(frozen=True)
class OfAuthority:
    """The figures of an authority of any vintage: its own, or those of the authorities of 2019 that it follows.

    message: the first that there is to say about them, None where they are its own.
    """

    figures: list[GreenSpace]
    message: str | None


def of_authority(lookup: "Lookup", authority: "Authority") -> OfAuthority:
    """Return the figures of green space of a local authority."""
    if own := lookup.green_space.get(authority.code):
        return OfAuthority([own], None)
    gone = lookup.rows("select code from local_authorities where successor = ?", (authority.code,))
    followed = [lookup.green_space[row["code"]] for row in gone if row["code"] in lookup.green_space]
    if followed:
        followed.sort(key=lambda row: (row.local_authority_2019_name or "", row.local_authority_2019_code))
        first = followed[0]
        old = first.local_authority_2019_name, first.local_authority_2019_code
        return OfAuthority(followed, explain("authority_followed", *old, authority.name, authority.code))
    if not lookup.green_space:
        return OfAuthority([], explain("green_space_left_out"))
    if authority.nation == "Northern Ireland":
        return OfAuthority([], explain("great_britain_only"))
    return OfAuthority([], explain("no_green_space_authority", authority.code))


class NationShares:
    """The authorities of 2019 among those of their nation.

    shares: for each nation the share of each kind of HOMES that have private outdoor space. ranked: for each nation the
    codes of its authorities, from the highest share of all homes.
    """

    def __init__(self, figures: Mapping[str, GreenSpace], nations: Mapping[str, str]) -> None:
        """Compute the shares. nations: the code of each authority to its nation."""
        self.figures, self.nations = figures, nations
        self.ranked: dict[str, list[str]] = defaultdict(list)
        for code in sorted(figures, key=lambda code: (-figures[code].share("total"), code)):
            self.ranked[nations[code]].append(code)
        self.shares = {nation: self._shares(codes) for nation, codes in self.ranked.items()}

    def place(self, code: str) -> int:
        """Return one more than the authorities of its nation with a higher share: those with the same share tie."""
        share = self.figures[code].share("total")
        return 1 + sum(self.figures[other].share("total") > share for other in self.ranked[self.nations[code]])

    def _shares(self, codes: list[str]) -> dict[str, float]:
        rows = [self.figures[code] for code in codes]
        return {
            homes: sum(row.addresses_with_space(homes) for row in rows) / sum(row.addresses(homes) for row in rows)
            for homes in HOMES
        }
