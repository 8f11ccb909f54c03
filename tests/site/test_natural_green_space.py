"""Natural England's layer of green space by LSOA (2011): read from a made-up file, or missing."""

import csv
import sqlite3

import pytest

from census.cli import build as build_db
from sources import natural_green_space
from tests import made_up
from tests.site.test_build import assert_named, changed, edited, only, query, refused

NAME = natural_green_space.LAYER.names[0]
TABLE = natural_green_space.TABLE.name
COLUMNS = list(natural_green_space.FIGURES)


def cells(path, places: dict[str, str]) -> dict[str, list]:
    """The cells of a layer's CSV by area, in the order of `places` (column to label), as numbers where they are."""
    kinds = natural_green_space.LABELS
    with path.open(newline="") as file:
        return {
            row["LSOA11CD"]: [None if row[x] == "" else kinds[x](row[x]) for x in places.values()]
            for row in csv.DictReader(file)
        }


def test_every_figure_is_the_file_s_cell(mirror, made_up_db):
    labels = dict(zip(COLUMNS, natural_green_space.LABELS, strict=True))
    expected = cells(mirror / NAME, labels)
    assert len(expected) == 844
    found = {row[0]: list(row[1:]) for row in query(made_up_db, f"select area_code, {', '.join(COLUMNS)} from {TABLE}")}
    assert found == expected
    blank = query(made_up_db, f"select count(*), count(pgarea_resaddress_ratio), count(pg_area) from {TABLE}")
    assert blank == [(844, 0, 844)]
    assert query(made_up_db, "select status, rows from publications where id = 'natural_green_space'") == [
        ("complete", 844)
    ]


def test_columns_have_the_platform_s_names_and_types():
    """Its table of 2024: 68 fields, here in the file's order with the area's code before them."""
    columns = natural_green_space.TABLE.columns
    assert len(columns) == 69
    assert [name for name, type_ in columns.items() if type_ is int] == [
        *("imd_decile", "population_2011", "population_estimate2018", "residentialaddress_count"),
        *(f"cohort_age_{ages}" for ages in natural_green_space.AGES),
        *("cohort_children", "cohort_olderpeople"),
    ]
    buffers = ("200", "300", "1k", "2k", "5k", "10k")
    assert [name for name, type_ in columns.items() if type_ is str] == [
        "area_code",
        *(f"buff{buffer}_{of}_deficit" for of in ("popdens", "imd") for buffer in buffers),
        *("ruc_category", "ruc11"),
    ]
    for name in ("ethnic_black_african_caribbean", "perc_close2home", "perc_pop_close2home", "ag_area_ha_per_person"):
        assert columns[name] is float, name


def built(tmp_path, *arguments) -> tuple:
    output = tmp_path / "built.db"
    return output, build_db.main([*only("natural_green_space"), *map(str, arguments), "--output", str(output)])


@pytest.mark.parametrize("where", ["mirror", "cache"])
def test_without_the_file_the_table_is_there_and_empty(tmp_path, capsys, where):
    """No address is known, so a build from the publishers' addresses may be without it as a mirror may."""
    (tmp_path / where).mkdir()
    output, status = built(tmp_path, f"--{where}", tmp_path / where)
    assert status == 0
    said = capsys.readouterr().out
    missing = {"mirror": "not in the mirror", "cache": f"no address is known for it. Put {NAME} into"}[where]
    assert f"natural_green_space: {missing}" in said
    assert "It is not loaded." in said
    assert query(output, f"select count(*) from {TABLE}") == [(0,)]
    found = query(output, "select status, rows, file, address from publications where id = 'natural_green_space'")
    assert found == [("not loaded", None, None, None)]
    assert build_db.main(["--check", str(output)]) == 0


@pytest.mark.made_up
@pytest.mark.parametrize("areas", [58, 844])
def test_either_number_of_rows_that_the_platform_names_is_accepted(tmp_path, areas):
    (tmp_path / "mirror").mkdir()
    made_up.natural_green_space_layer(tmp_path / "mirror" / NAME, made_up.codes("E")[:areas])
    output, status = built(tmp_path, "--mirror", tmp_path / "mirror")
    assert status == 0
    assert query(output, f"select count(*) from {TABLE}") == [(areas,)]
    assert query(output, "select rows from publications where id = 'natural_green_space'") == [(areas,)]


@pytest.mark.parametrize(
    "edit, named",
    [
        (lambda rows: rows[:58], ("natural_green_space_inequalities", "58", "844", "57")),
        (
            lambda rows: [*rows, [*rows[1][:1], "E01099999", *rows[1][2:]]],
            ("natural_green_space_inequalities", "58", "844", "845"),
        ),
        (lambda rows: [*rows, rows[-1]], ("UNIQUE", "natural_green_space_inequalities.area_code")),
        (changed(9, "LSOA11CD", "W01000001"), ("natural_green_space_inequalities", "W01000001")),
        (changed(9, "LSOA11CD", ""), ("None",)),
        (changed(9, "Cohort_Age_15", "1.5"), ("row 10", "'Cohort_Age_15'", "'1.5'")),
        (changed(9, "AG_Area_ha", "none"), ("row 10", "'AG_Area_ha'", "'none'")),
        (changed(0, "perc_Close2Home", "perc_pop_Close2Home"), ("'perc_Close2Home'",)),
    ],
)
def test_a_changed_layer_stops_the_build(mirror, tmp_path, old, capsys, edit, named):
    broken = edited(mirror, tmp_path / "broken", NAME, edit)
    assert_named(named, refused(capsys, old, *only("natural_green_space"), "--mirror", broken))


def test_an_area_that_no_index_has_stops_the_build(mirror, tmp_path, old, capsys):
    broken = edited(mirror, tmp_path / "broken", NAME, changed(9, "LSOA11CD", "E01099999"))
    for name in ("File_7_-_All_IoD2019*", "File_9_-_IoD2019*"):
        [path] = mirror.rglob(name)
        (broken / path.name).write_bytes(path.read_bytes())
    arguments = only("natural_green_space", "england_2019", "england_2019_transformed_scores")
    assert "E01099999" in refused(capsys, old, *arguments, "--mirror", broken)


def test_rows_of_a_layer_that_was_not_loaded_are_refused(tmp_path, capsys):
    (tmp_path / "mirror").mkdir()
    output, _ = built(tmp_path, "--mirror", tmp_path / "mirror")
    connection = sqlite3.connect(output)
    connection.execute(f"insert into {TABLE} (area_code) values ('E01000001')")
    connection.commit()
    connection.close()
    assert build_db.main(["--check", str(output)]) == 1
    assert_named((TABLE, "expected 0", "found 1"), capsys.readouterr().err)
