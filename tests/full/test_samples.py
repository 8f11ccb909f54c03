"""The heads of real files that the mirror has in samples/: the real layout is read, and each cell is the file's.

They need CENSUS_SOURCES. Cells are compared by the position of their column, read with nothing but csv.
"""

import csv
import math

import pytest

from sources import england_2025, natural_green_space
from sources.workbook import rows as read_rows
from tests.conftest import unavailable
from tests.full.test_full import number, text_of

FILE_7 = england_2025.FILE_7.names[0]
FILE_9 = england_2025.FILE_9.names[0]
LAYER = natural_green_space.LAYER.names[0]


@pytest.fixture(scope="module")
def sample(real_mirror):
    """The sample of a file by the file's name: its path, its header and its rows."""

    def of(name: str):
        path = real_mirror / "samples" / name.replace(".csv", ".head.csv")
        if not path.is_file():
            unavailable(f"the mirror has no {path.name} in samples/")
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = csv.reader(file)
        return path, header, rows

    return of


def read(path, columns: dict) -> list[list]:
    """The rows of a sample as a build reads them."""
    return [list(row) for row in read_rows(path, path.read_bytes(), columns)]


def test_file_7_of_2025_is_read_in_its_real_layout(sample):
    path, header, rows = sample(FILE_7)
    assert len(rows) == 42
    columns = england_2025.KEY | england_2025.PLACE | england_2025.FIGURES | england_2025.POPULATIONS
    assert len(columns) == len(header) == 56
    found = read(path, columns)
    assert found == [[*row[:4], *map(number, row[4:])] for row in rows]
    assert not any(cell is None for row in found for cell in row), "the real file has no blank cell here"
    for name, cells in zip(columns, zip(*found, strict=True), strict=True):
        assert {type(cell) for cell in cells} == {columns[name].type}, name
    assert not any(cell.endswith(".0") for row in rows for cell in row)
    [cut] = [label for label in header if label.endswith("LSO")]
    assert len(cut) == 80


def test_the_made_up_file_7_of_2025_has_the_real_layout(sample, mirror):
    _, header, _ = sample(FILE_7)
    made_up, *rows = text_of(mirror, FILE_7, "utf-8")
    assert made_up == header
    assert not any(cell == "" or cell.endswith(".0") for row in rows for cell in row)
    assert text_of(mirror, FILE_9, "utf-8")[0] == sample(FILE_9)[1]
    assert text_of(mirror, LAYER, "utf-8")[0] == sample(LAYER)[1]


def test_file_9_of_2025_is_read_in_its_real_layout(sample):
    path, header, rows = sample(FILE_9)
    assert len(rows) == 144
    assert len(header) == 11
    found = read(path, england_2025.KEY | england_2025.TRANSFORMED)
    assert found == [[row[0], *map(float, row[4:])] for row in rows]


def test_transformed_scores_of_2025_follow_from_the_ranks_of_file_7(sample, real_mirror):
    """By the technical report's transformation; what is stored is the published cell all the same."""
    _, _, rows = sample(FILE_9)
    header, *areas = text_of(real_mirror, FILE_7)
    columns = [name.replace("score_exponentially_transformed", "rank") for name in england_2025.TRANSFORMED]
    labels = [england_2025.FIGURES[name].labels[0] for name in columns]
    assert len(labels) == 7
    ranks = {row[0]: [float(row[header.index(label)]) for label in labels] for row in areas}
    n = len(areas)
    assert n == 33755
    compared = 0
    for row in rows:
        for rank, cell in zip(ranks[row[0]], row[4:], strict=True):
            r = (n + 1 - rank) / n
            made = -23 * math.log(1 - r * (1 - math.exp(-100 / 23)))
            assert abs(made - float(cell)) <= 0.0005 + 1e-9, (row[0], rank, cell, made)
            compared += 1
    assert compared == 1008


def test_natural_england_s_layer_is_read_in_its_real_layout(sample):
    path, header, rows = sample(LAYER)
    assert len(rows) == 28
    assert len(header) == 78
    columns = natural_green_space.KEY | natural_green_space.FIGURES
    kinds = [c.type for c in columns.values()]
    found = read(path, columns)
    # In the file: the area second, seven columns of place, then the figures but for the two of the shape.
    expected = [[row[1], *row[8:76]] for row in rows]
    assert found == [
        [None if cell == "" else kind(cell) for kind, cell in zip(kinds, row, strict=True)] for row in expected
    ]
    assert [label.lower().rstrip("_") for label in header[8:76]] == list(natural_green_space.FIGURES)
    blank = {name for row in found for name, cell in zip(columns, row, strict=True) if cell is None}
    assert "pgarea_resaddress_ratio" in blank


def test_what_the_descriptions_of_the_layer_say_holds_for_its_first_rows(sample):
    path, _, _ = sample(LAYER)
    columns = natural_green_space.KEY | natural_green_space.FIGURES
    for row in (dict(zip(columns, cells, strict=True)) for cells in read(path, columns)):
        area = row["area_code"]
        assert row["perc_close2home"] == row["perc_pop_close2home"], area
        assert row["imd_reversed"] == 11 - row["imd_decile"], area
        assert sum(row[f"cohort_age_{ages}"] for ages in natural_green_space.AGES) == row["population_2011"], area
        young = ("0_to_4", "5_to_7", "8_to_9", "10_to_14", "15")
        assert sum(row[f"cohort_age_{ages}"] for ages in young) == row["cohort_children"], area
        old = ("65_to_74", "75_to_84", "85_to_89", "90_and_over")
        assert sum(row[f"cohort_age_{ages}"] for ages in old) == row["cohort_olderpeople"], area
        ethnic = [row[name] for name in columns if name.startswith("ethnic_")]
        assert len(ethnic) == 5
        assert sum(ethnic) == row["population_2011"], area
        assert row["population_estimate2018"] - row["population_2011"] == row["population_growth_2011_2018"], area
        assert row["population_2011_1000s"] * 1000 == pytest.approx(row["population_2011"]), area
        for part, whole in (
            ("popn_close2home", "population_2011"),
            ("popn_children_close2home", "cohort_children"),
            ("popn_olderpeople_close2home", "cohort_olderpeople"),
        ):
            assert row[part] == pytest.approx(row["perc_close2home"] * row[whole] / 100), (area, part)
        assert row["ag_area_ha"] / row["population_2011"] == pytest.approx(row["ag_area_ha_per_person"]), area
        assert row["pg_area"] / row["population_2011_1000s"] == pytest.approx(row["pg_area_per1kpeople"]), area
        if row["pgarea_resaddress_ratio"] is not None:
            ratio = row["pg_area"] / row["residentialaddress_count"]
            assert ratio == pytest.approx(row["pgarea_resaddress_ratio"]), area
        for buffer in natural_green_space.BUFFERS:
            cover = row[f"perc_buff{buffer}"]
            letter = "H" if cover > 50 else "M" if cover >= 5 else "L"
            deprived = 1 if row["imd_decile"] <= 2 else 2 if row["imd_decile"] <= 8 else 3
            assert row[f"buff{buffer}_imd_deficit"] == f"{letter}{deprived}", (area, buffer)
            assert row[f"buff{buffer}_popdens_deficit"][0] == letter, (area, buffer)
            assert row[f"buff{buffer}_popdens_deficit"][1:] in ("1", "2", "3"), (area, buffer)
