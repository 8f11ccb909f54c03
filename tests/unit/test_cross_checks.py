"""Checks of figures against each other, on small tables: what they take for right and what for wrong."""

import csv
import dataclasses
import math
import sqlite3
from itertools import permutations

import pytest

from census.build.checks import cross as cross_checks
from census.build.checks import positions as position_checks
from census.build.checks import run as checks
from census.build.checks.positions import Cluster
from census.schema import hosted
from sources import registry
from sources import scotland_2020 as scotland
from sources import wales_2019 as wales

COMPOSITE = [  # area, score, rank, decile, quintile; two tied areas on either side of a decile's boundary
    ("E01000001", 8.927, 33669.0, 8, 4),
    ("E01019890", 8.926, 33670.5, 9, 5),
    ("E01024949", 8.926, 33670.5, 8, 4),
    ("E01000002", 8.925, 33672.0, 9, 5),
]


@pytest.mark.parametrize("rows", permutations(COMPOSITE), ids=lambda rows: " ".join(row[0][-2:] for row in rows))
def test_the_order_in_which_tied_areas_are_stored_does_not_matter(rows):
    connection = sqlite3.connect(":memory:")
    connection.execute("create table small_areas (code text)")
    connection.execute(
        "create table imd_uk_composite (area_code text, uk_imd_e_score real, uk_imd_e_rank numeric,"
        " uk_imd_e_pop_decile integer, uk_imd_e_pop_quintile integer)"
    )
    connection.executemany("insert into small_areas values (?)", [row[:1] for row in rows])
    connection.executemany("insert into imd_uk_composite values (?, ?, ?, ?, ?)", rows)
    assert [check for check in checks._composite(connection, complete=False) if not check.passed] == []
    connection.execute(
        "update imd_uk_composite set uk_imd_e_pop_decile = 7, uk_imd_e_pop_quintile = 4 where uk_imd_e_rank = 33672"
    )
    [refused] = [check for check in checks._composite(connection, complete=False) if not check.passed]
    assert refused.actual.startswith("E01000002 33672")


def test_a_transformed_score_is_that_of_the_technical_report():
    assert cross_checks.transformed(1, 33755) == pytest.approx(100)
    assert cross_checks.transformed(33756, 33755) == 0
    share = 1 - math.exp(-100 / 23)
    assert cross_checks.transformed(501, 1000) == pytest.approx(-23 * math.log(1 - share / 2))
    assert cross_checks.transformed(13.5, 1000) > cross_checks.transformed(14, 1000)
    for none in (None, "12", 0, -4, 1002):
        assert cross_checks.transformed(none, 1000) is None


def test_weights_are_those_that_the_hosted_data_set_has():
    """That one was copied from the publications' technical reports by others."""
    [path] = hosted.FOLDER.glob("domain_weights.csv")
    with path.open() as file:
        told = {(row["index_id"], row["domain"]): float(row["weight_percent"]) for row in csv.DictReader(file)}
    indices = {publication.index.id: publication.index for publication in registry.publications() if publication.index}
    for (index_id, domain), weight in told.items():
        index = indices[index_id]
        assert index.weights[index.domains[domain]] == weight
    for index in indices.values():
        assert sum(index.weights.values()) == pytest.approx(100, abs=0.11)
        assert len(index.weights) == sum(id_ == index.id for id_, _ in told) or index.year == 2025


def ranked(index, ranks: list[float]) -> list[str]:
    """What is found of an index of these ranks, whose areas are named a, b, c and so on."""
    connection = sqlite3.connect(":memory:")
    connection.execute(f"create table {index.table} (area_code text, imd_rank numeric)")
    connection.executemany(f"insert into {index.table} values (?, ?)", zip("abcdefgh", ranks, strict=False))
    found = cross_checks.index(connection, dataclasses.replace(index, weights={}), complete=True)
    return [check.actual for check in found if not check.passed]


FIRST = dataclasses.replace(wales.INDEX, published_ranks={"imd_rank": (4, "b")})
MEAN = dataclasses.replace(scotland.INDEX, other_ties={}, published_ranks={"imd_rank": (4, "b")})


@pytest.mark.parametrize(
    "index, ranks, refused",
    [
        (FIRST, [5, 1, 2, 2, 4], []),
        (FIRST, [5, 1, 3, 3, 4], ["imd_rank 3 of 2 areas, place 2"]),
        (FIRST, [5, 1, 2, 2, 3], ["imd_rank 3 of 1 areas, place 4"]),
        (FIRST, [1, 5, 2, 2, 4], ["imd_rank 4 ranks, b not first"]),
        (FIRST, [5, 1, 2, 3, 4], ["imd_rank 5 ranks, b first"]),
        (MEAN, [5, 1, 2.5, 2.5, 4], []),
        (MEAN, [5, 1, 2, 2, 4], ["imd_rank 2 of 2 areas, place 2.5"]),
        (dataclasses.replace(MEAN, other_ties={"imd_rank": 2}), [5, 1, 2, 2, 4], []),
    ],
)
def test_a_rank_is_the_place_of_its_areas(index, ranks, refused):
    assert ranked(index, ranks) == refused


def cluster(places: list[tuple[float, float]]) -> Cluster:
    latitudes, longitudes = zip(*places, strict=True)
    one = Cluster()
    one.add(
        (
            len(places),
            sum(latitudes),
            sum(longitudes),
            sum(x * x for x in latitudes),
            sum(x * x for x in longitudes),
            *(min(latitudes), max(latitudes), min(longitudes), max(longitudes)),
        )
    )
    return one


def test_a_distance_is_from_the_mean_of_the_others_in_their_spread():
    places = [(51.5, -0.1), (51.502, -0.1), (51.5, -0.103), (51.501, -0.101), (51.6, -0.1)]
    one = cluster(places)
    others = cluster(places[:-1])
    mean = (others.y / 4 / position_checks.KM, others.x / 4 / position_checks.SCALE)
    away = math.hypot((51.6 - mean[0]) * position_checks.KM, (-0.1 - mean[1]) * position_checks.SCALE)
    spread = math.sqrt((others.xx + others.yy) / 4 - (others.x / 4) ** 2 - (others.y / 4) ** 2)
    assert one.ratio(51.6, -0.1, 0.25) == pytest.approx(away / (spread + 0.25), rel=1e-6)
    assert one.ratio(51.6, -0.1, 0.25) > 25
    assert one.ratio(51.5, -0.1, 0.25) < 1


def test_no_postcode_is_farther_than_the_bound_from_the_box():
    grid = [(51.5 + i % 7 / 1000, -0.1 - i % 11 / 900) for i in range(60)]
    for far in ((51.5, -0.1), (51.9, -0.1), (52.5, 1.0), (51.4, -2.0)):
        one = cluster([*grid, far])
        assert max(one.ratio(*place, 0.25) for place in (*grid, far)) <= one.most(0.25) * (1 + 1e-6)
    assert cluster(grid).most(0.25) < position_checks.MOST_FROM_BOTH
    assert cluster([*grid, (51.9, -0.1)]).most(0.25) > position_checks.MOST_FROM_BOTH
    assert cluster(grid[:1]).most(0.25) == cluster(grid[:1]).ratio(*grid[0], 0.25) == 0
