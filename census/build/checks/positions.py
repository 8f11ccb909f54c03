"""Compare the positions and dates of postcodes with those of the others of their area, sector and local authority.

How far a postcode lies from the mean position of the others is measured in their own spread (the root mean square of
their distances from it) and a margin. Of the 2.7 million postcodes of November 2025 the farthest live one lies 31
spreads from its area, and the farthest retired one 163 (its area's code is older than its position). From both its area
and its sector none lies farther than 10.9 (Lundy), from its local authority none farther than 4.5. The bounds leave
room above that for those of other editions.
"""

import math
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from census.build.checks.check import Check, expect_no_rows, query
from census.domain.types import Row
from sources.geography import LSOA_CHANGES

KM = 111.2  # a degree of latitude
SCALE = KM * math.cos(math.radians(55))  # a degree of longitude in the middle of the UK: for comparisons alone
AREA_MARGIN, SECTOR_MARGIN, AUTHORITY_MARGIN = 0.25, 1.0, 0.25  # km, added to the spread
MOST_FROM_AREA, MOST_FROM_AREA_RETIRED = 60, 250
MOST_FROM_BOTH = 15
MOST_FROM_AUTHORITY = 6
MOST_UNPAIRED_KM = 40  # from its LSOA of 2021, for one whose two areas the lookup does not have together: 6.6 was most
MOST_UNPAIRED = 0.001  # of all postcodes: 589 of 2.4 million were
MOST_ELSEWHERE = 0.2  # of an area's postcodes: a tenth was most
MONTHS = "January February March April May June July August September October November December".split()


@dataclass
class Cluster:
    """The positions of some postcodes, added up: count, sums, sums of squares, and the box around them (km)."""

    n: int = 0
    x: float = 0.0
    y: float = 0.0
    xx: float = 0.0
    yy: float = 0.0
    box: list[float] = field(default_factory=lambda: [math.inf, -math.inf, math.inf, -math.inf])

    def add(self, row: Row) -> None:
        """Add what `sums` gives of some postcodes."""
        n, y, x, yy, xx, south, north, west, east = row
        self.n += n
        self.x, self.y = self.x + x * SCALE, self.y + y * KM
        self.xx, self.yy = self.xx + xx * SCALE * SCALE, self.yy + yy * KM * KM
        low_y, high_y, low_x, high_x = self.box
        self.box = [
            min(low_y, south * KM),
            max(high_y, north * KM),
            min(low_x, west * SCALE),
            max(high_x, east * SCALE),
        ]

    def ratio(self, latitude: float, longitude: float, margin: float) -> float:
        """Return how far one of the postcodes lies from the mean of the others, in their spread and `margin` (km)."""
        others = self.n - 1
        if others < 1:
            return 0.0
        x, y = longitude * SCALE, latitude * KM
        mean_x, mean_y = (self.x - x) / others, (self.y - y) / others
        squares = (self.xx - x * x + self.yy - y * y) / others - mean_x**2 - mean_y**2
        return math.hypot(x - mean_x, y - mean_y) / (math.sqrt(max(squares, 0.0)) + margin)

    def most(self, margin: float) -> float:
        """Return a bound that no postcode's `ratio` exceeds, from the box alone."""
        if self.n < 2:
            return 0.0
        mean_x, mean_y = self.x / self.n, self.y / self.n
        south, north, west, east = self.box
        corner = math.hypot(max(mean_x - west, east - mean_x), max(mean_y - south, north - mean_y))
        farthest = corner * self.n / (self.n - 1)
        spread = (self.xx + self.yy) / self.n - mean_x**2 - mean_y**2
        squares = spread * self.n / (self.n - 1) - farthest**2 / self.n
        return farthest / (math.sqrt(max(squares, 0.0)) + margin)


def run(connection: sqlite3.Connection, complete: bool) -> list[Check]:
    """Return the checks of dates, positions and pairs of areas."""
    groups = _groups(connection)
    return [_dates(connection), _positions(connection, groups, complete), *_pairs(connection, groups, complete)]


@dataclass
class Group:
    """The postcodes of one area of 2011, one of 2021 and one local authority: how many, and where they lie."""

    area: str | None
    newer: str | None
    authority: str | None
    postcodes: int
    sums: Row


def _groups(connection: sqlite3.Connection) -> list[Group]:
    cursor = connection.execute(
        """
        select lsoa_2011, lsoa_2021, local_authority, count(*), count(latitude), sum(latitude), sum(longitude),
            sum(latitude * latitude), sum(longitude * longitude),
            min(latitude), max(latitude), min(longitude), max(longitude)
        from postcodes group by lsoa_2011, lsoa_2021, local_authority
        """
    )
    return [
        Group(area, newer, authority, n, tuple(sums) if _numbers(sums) else (0, *sums[1:]))
        for area, newer, authority, n, *sums in cursor
    ]


def _numbers(values: Iterable[object]) -> bool:
    """Return whether all are numbers; another check tells of a position that is none."""
    return all(isinstance(value, int | float) for value in values)


def _dates(connection: sqlite3.Connection) -> Check:
    """Check that no postcode ends before it begins, or begins or ends after the directory's edition."""
    edition = connection.execute("select edition from publications where id = 'postcode_directory'").fetchone()
    month, _, year = str(edition[0] if edition else "").partition(" ")
    newest = int(year) * 100 + MONTHS.index(month) + 1 if month in MONTHS and year.isdecimal() else 999999
    return expect_no_rows(connection, query("dates", newest=newest))


def _positions(connection: sqlite3.Connection, groups: list[Group], complete: bool) -> Check:
    """Check that no postcode lies where none of its area and sector, or of its local authority, does.

    An extract holds parts of local authorities, so these are left out there.
    """
    areas: dict[str, Cluster] = defaultdict(Cluster)
    authorities: dict[str, Cluster] = defaultdict(Cluster)
    of_authority: dict[str, list[Group]] = defaultdict(list)
    nations = dict(connection.execute("select code, nation from small_areas"))
    abroad = set()
    for group in (group for group in groups if group.sums[0]):
        if group.area:
            areas[group.area].add(group.sums)
        if group.authority:
            authorities[group.authority].add(group.sums)
            of_authority[group.authority].append(group)
            if group.area and group.authority[0] != nations.get(group.area, group.authority)[0]:
                abroad.add(group.area)
    suspects = {area for area, cluster in areas.items() if cluster.most(AREA_MARGIN) > MOST_FROM_BOTH} | abroad
    problems = [
        problem
        for area in sorted(suspects)
        for row in _rows(connection, "lsoa_2011 = ?", area)
        if (problem := _from_area(connection, row, areas[area], nations.get(area)))
    ]
    for authority, cluster in sorted(authorities.items()) if complete else ():
        if cluster.most(AUTHORITY_MARGIN) > MOST_FROM_AUTHORITY:
            problems += _from_authority(connection, authority, cluster, of_authority[authority])
    hint = "Its position, or the code of its area or local authority, is another postcode's."
    name = "postcodes far from the others of their area and sector, or of their local authority"
    return Check(name, "none", "; ".join(dict.fromkeys(problems[:3])) or "none", hint)


def _rows(connection: sqlite3.Connection, where: str, *parameters: str | None) -> Iterable[Row]:
    return connection.execute(
        f"select postcode, latitude, longitude, terminated, local_authority from postcodes where {where}"
        " and typeof(latitude) = 'real' and typeof(longitude) = 'real'",
        parameters,
    ).fetchall()


def _from_area(connection: sqlite3.Connection, row: Row, area: Cluster, nation: str | None) -> str | None:
    """Return what is wrong with a postcode's position in its area, or None."""
    postcode, latitude, longitude, terminated, authority = row
    ratio = area.ratio(latitude, longitude, AREA_MARGIN)
    if ratio > (MOST_FROM_AREA if terminated is None else MOST_FROM_AREA_RETIRED):
        return f"{postcode} lies {ratio:.0f} spreads from its area"
    if ratio <= MOST_FROM_BOTH:
        return None
    if authority and nation and authority[0] != nation[0]:
        return f"{postcode} lies {ratio:.0f} spreads from its area, which is in {nation}, and its authority is not"
    sector = Cluster()
    first = postcode[:-2]
    sums = connection.execute(
        """
        select count(*), sum(latitude), sum(longitude), sum(latitude * latitude), sum(longitude * longitude),
            min(latitude), max(latitude), min(longitude), max(longitude)
        from postcodes where postcode between ? and ? and latitude is not null
        """,
        (f"{first}AA", f"{first}ZZ"),
    ).fetchone()
    sector.add(sums)
    from_sector = sector.ratio(latitude, longitude, SECTOR_MARGIN)
    if from_sector > MOST_FROM_BOTH:
        return f"{postcode} lies {ratio:.0f} spreads from its area and {from_sector:.0f} from its sector"
    return None


def _from_authority(connection: sqlite3.Connection, authority: str, cluster: Cluster, groups: list[Group]) -> list[str]:
    """Return the postcodes of an authority that lie too far from the others; only far groups of them are read."""
    mean_x, mean_y = cluster.x / cluster.n, cluster.y / cluster.n
    spread = math.sqrt(max((cluster.xx + cluster.yy) / cluster.n - mean_x**2 - mean_y**2, 0.0))
    far = set()
    for group in groups:
        box = Cluster()
        box.add(group.sums)
        south, north, west, east = box.box
        if math.hypot(max(mean_x - west, east - mean_x), max(mean_y - south, north - mean_y)) > 2 * spread:
            far.add(group.area)
    problems = []
    for area in sorted(far, key=str):
        for postcode, latitude, longitude, *_ in _rows(
            connection, "local_authority = ? and lsoa_2011 is ?", authority, area
        ):
            ratio = cluster.ratio(latitude, longitude, AUTHORITY_MARGIN)
            if ratio > MOST_FROM_AUTHORITY:
                problems.append(f"{postcode} lies {ratio:.0f} spreads from its local authority")
    return problems


def _pairs(connection: sqlite3.Connection, groups: list[Group], complete: bool) -> list[Check]:
    """Check a postcode's areas of 2011 and 2021 against the lookup from the ones to the others.

    Not each pair is in the lookup: the directory decides for a postcode by its position, the lookup for an area as a
    whole. But most are, of every area, and the others lie near their area of 2021.
    """
    lookup = set(connection.execute(f"select lsoa_2011, lsoa_2021 from {LSOA_CHANGES.name}"))
    if not lookup:
        return []
    both: dict[str, int] = defaultdict(int)
    elsewhere: dict[str, int] = defaultdict(int)
    unpaired: dict[tuple[str, str], int] = defaultdict(int)
    for group in groups:
        if group.area and group.newer:
            both[group.area] += group.postcodes
            if (group.area, group.newer) not in lookup:
                elsewhere[group.area] += group.postcodes
                unpaired[group.area, group.newer] += group.postcodes
    far = []
    for older, newer in sorted(unpaired):
        place = connection.execute("select latitude, longitude from lsoas_2021 where code = ?", (newer,)).fetchone()
        if not _numbers(place or (None,)):
            continue
        for postcode, latitude, longitude, *_ in _rows(connection, "lsoa_2011 = ? and lsoa_2021 = ?", older, newer):
            distance = math.hypot((latitude - place[0]) * KM, (longitude - place[1]) * SCALE)
            if distance > MOST_UNPAIRED_KM:
                far.append(f"{postcode} lies {distance:.0f} km from {newer}")
    most = [
        f"{n} of {both[area]} of {area}" for area, n in sorted(elsewhere.items()) if n > MOST_ELSEWHERE * both[area]
    ]
    hint = "One of the postcodes' two areas, or a row of the lookup, was changed."
    checks = [
        Check("postcodes far from their LSOA of 2021", "none", "; ".join(far[:3]) or "none", hint),
        Check(
            "LSOAs of 2011 many of whose postcodes lie outside the LSOAs of 2021 that the lookup gives",
            *("none", "; ".join(most[:3]) or "none", hint),
        ),
    ]
    if complete:
        actual = f"{sum(unpaired.values()):,} of {sum(both.values()):,}"
        enough = sum(unpaired.values()) <= MOST_UNPAIRED * sum(both.values())
        checks.append(
            Check(
                "postcodes whose areas of 2011 and 2021 the lookup does not have together",
                *(actual if enough else f"{100 * MOST_UNPAIRED:g} % or fewer", actual, hint),
            )
        )
    return checks
