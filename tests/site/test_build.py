"""A build: from the extract, from made-up publications, and what stops it."""

import contextlib
import csv
import gzip
import hashlib
import json
import os
import re
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import openpyxl
import pytest

from census.build import database, extracts
from census.build.finish import finish, publish
from census.build.load import load_hosted
from census.cli import build as build_db
from census.schema import hosted, tables
from sources import green_space_2020 as green_space
from sources import registry
from sources.publication import Publication, SourceError
from tests import made_up
from tests.conftest import OLD, ROOT, THOROUGH, command

PUBLICATIONS = {p.id: p for p in registry.publications()}


def query(path: Path, sql: str, *parameters) -> list[tuple]:
    connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.close()


def only(*ids: str) -> list[str]:
    """Arguments that leave out every publication but these, and take made-up files for them."""
    return ["--full", "--accept-changed", "--skip", ",".join(id_ for id_ in PUBLICATIONS if id_ not in ids)]


def assert_untouched(old: Path) -> None:
    assert [path.name for path in old.parent.iterdir()] == ["census.db"]
    assert old.read_bytes() == OLD


def assert_named(named: tuple[str, ...], said: str) -> None:
    """Every one of these is named in what was said."""
    assert [name for name in named if name not in said] == [], said


def refused(capsys, old: Path, *arguments) -> str:
    """Runs a build that must be refused; returns what it says."""
    assert build_db.main([*map(str, arguments), "--output", str(old)]) == 1
    assert_untouched(old)
    said = capsys.readouterr().err
    assert "census.db" in said.splitlines()[-1], "what became of the old one"
    return said


def built(folder: Path, mirror: Path, *ids: str) -> Path:
    """A database of these publications alone, under a name that gets no downloads."""
    output = folder / "built.db"
    assert build_db.main([*only(*ids), "--mirror", str(mirror), "--output", str(output)]) == 0
    return output


@pytest.fixture(scope="module")
def small_db(small_extract, tmp_path_factory) -> Path:
    """The database of that extract, which passes every check."""
    output = tmp_path_factory.mktemp("small_db") / "small.db"
    building = database.Build(output, [*PUBLICATIONS.values(), *hosted.data_sets()], None, build_db.progress)
    with contextlib.closing(building):
        extracts.load(building, small_extract)
        load_hosted(building)
        finish(building)
        publish(building)
    return output


@pytest.fixture(scope="module")
def parks(tmp_path_factory) -> list[str]:
    """Arguments for the shortest full build: of one small publication, and nothing made smaller for it."""
    folder = tmp_path_factory.mktemp("parks")
    made_up.parks(folder / green_space.PARKS.names[0])
    return [*only("green_space_parks"), "--mirror", str(folder)]


# The extract


def test_the_extract_builds_offline_and_says_what_it_is(extract_db):
    assert query(extract_db, "select scope from edition") == [("extract",)]
    authorities = query(extract_db, "select authorities from edition")[0][0]
    for name in ("Westminster", "Camden", "Tendring", "Middlesbrough", "Aylesbury Vale", "Cardiff", "Powys"):
        assert name in authorities
    statuses = dict(query(extract_db, "select id, status from publications"))
    assert statuses["postcode_directory"] == statuses["england_2019"] == "extract"
    assert statuses["green_space"] == "complete"
    assert query(extract_db, "select count(*) from green_space") == [(371,)]


STRAYS = (".census.db.123", ".indices.csv.gz.123", ".manifest.json.9")
OTHERS = (".notes.json.5", ".census.db.mine")


@pytest.fixture(scope="module")
def rebuilt(tmp_path_factory) -> Path:
    """The extract built a second time, in a folder where killed builds and others have left something."""
    folder = tmp_path_factory.mktemp("rebuilt")
    for name in (*STRAYS, *OTHERS):
        (folder / name).write_text("")
    (folder / "downloads" / "0123456789abcdef").mkdir(parents=True)
    (folder / "downloads" / "0123456789abcdef" / "indices.csv.gz").write_text("")
    for name in ("photos", "fedcba9876543210"):
        (folder / "downloads" / name).mkdir()
        (folder / "downloads" / name / "a.jpg").write_text("mine")
    done = command("--output", folder / "census.db")
    assert done.returncode == 0, done.stderr
    return folder


def test_the_same_inputs_give_the_same_bytes(extract_db, rebuilt):
    [folder] = extract_db.with_name("downloads").iterdir()
    assert len(list(folder.iterdir())) > 30
    for path in (extract_db, extract_db.with_name("inspect-data.json"), *folder.iterdir()):
        assert (rebuilt / path.relative_to(extract_db.parent)).read_bytes() == path.read_bytes(), path.name
    assert {path.name for path in (rebuilt / "downloads" / folder.name).iterdir()} == {f.name for f in folder.iterdir()}


def test_what_a_killed_build_left_is_removed_by_the_next_and_nothing_else(extract_db, rebuilt):
    assert {path.name for path in rebuilt.iterdir()} == {"census.db", "inspect-data.json", "downloads", *OTHERS}
    [folder] = extract_db.with_name("downloads").iterdir()
    assert {path.name for path in (rebuilt / "downloads").iterdir()} == {"photos", "fedcba9876543210", folder.name}
    for name in ("photos", "fedcba9876543210"):
        assert (rebuilt / "downloads" / name / "a.jpg").read_text() == "mine"


def test_inspect_data_fits_the_database(extract_db):
    described = json.loads(extract_db.with_name("inspect-data.json").read_text())["census"]
    assert described["size"] == extract_db.stat().st_size
    assert described["hash"] == hashlib.sha256(extract_db.read_bytes()).hexdigest()
    for table, counted in described["tables"].items():
        assert query(extract_db, f"select count(*) from [{table}]") == [(counted["count"],)], table


def test_no_inspect_data_is_left_beside_another_name(parks, tmp_path):
    assert command(*parks, "--output", tmp_path / "other.db").returncode == 0
    assert [path.name for path in tmp_path.iterdir()] == ["other.db"]


def test_the_extract_in_the_repository_is_small_and_holds_no_publication():
    files = list(extracts.FOLDER.iterdir())
    assert sum(path.stat().st_size for path in files) <= 4_000_000
    names = {name for p in PUBLICATIONS.values() for file in p.files for name in file.names}
    assert not names & {path.name.removesuffix(".gz") for path in files}


def test_check_accepts_a_good_database_and_says_what_it_holds(extract_db):
    done = command("--check", extract_db)
    assert done.returncode == 0, done.stderr
    assert "ONS Postcode Directory (November 2025): extract" in done.stdout
    assert f"{extract_db.stat().st_size / 1e6:.1f} MB" in done.stdout
    [folder] = extract_db.with_name("downloads").iterdir()
    assert f"digest {folder.name}" in done.stdout


@pytest.mark.parametrize(
    "sql, named",
    [
        (
            "update imd_england_2019 set imd_decile = imd_decile % 10 + 1 where area_code = 'E01000319'",
            ("E01000319", "imd_decile"),
        ),
        (
            "update imd_wales_2019 set imd_quintile = imd_quintile % 5 + 1 where area_code = 'W01000023'",
            ("W01000023", "imd_quintile"),
        ),
        ("update imd_scotland_2020 set income_rank = income_rank + 1 where area_code = 'S01006538'", ("digest",)),
        ("delete from imd_northern_ireland_2017 where area_code = '95AB01S3'", ("95AB01S3",)),
        ("update postcodes set lsoa_2011 = 'E01099999' where postcode = 'JE2 3AB'", ("foreign_key_check",)),
        ("update postcodes set terminated = 'long ago' where postcode = 'JE2 3AB'", ("postcodes", "JE2 3AB")),
        (f"delete from green_space where local_authority = '{made_up.RETIRED[0]}'", (made_up.RETIRED[0],)),
        ("drop table deprivation", ("deprivation",)),
        ("update imd_england_2019 set crime_rank = null, crime_decile = null", ("england_2019", "crime_rank")),
        ("update imd_england_2019 set imd_score = income_score", ("england_2019", "imd_score")),
        ("update imd_wales_2019 set imd_score = null", ("wales_2019", "imd_score")),
        (
            "update green_space set total_addresses_with_private_outdoor_space_share = 90",
            ("total_addresses_with_private_outdoor_space_share", "90"),
        ),
        ("drop index idx_postcodes_lsoa_2011", ("idx_postcodes_lsoa_2011",)),
        ("drop index idx_postcodes_cell", ("idx_postcodes_cell",)),
        ("drop view postcode_places", ("postcode_places",)),
        ("drop view edition_notes; create view edition_notes as select 1", ("edition_notes",)),
        ("delete from small_areas_fts where rowid < 3", ("small_areas", "388", "390")),
        ("update edition set authorities = 'Leeds'", ("digest",)),
        ("update edition set left_out = 'wales_2019'", ("wales_2019",)),
        ("delete from edition", ("edition", "1", "0")),
        ("delete from imd_wales_2019", ("imd_wales_2019", "1,909", "0")),
        (
            "update imd_wales_2019 set income_rank = 'first' where area_code = 'W01000023'",
            ("imd_wales_2019", "another type"),
        ),
        ("update postcodes set latitude = 'north' where postcode like 'AB1 %'", ("another type", "AB1 ")),
        (
            "update postcodes set lsoa_2011 = 'E01099999' where postcode like 'AB1 %'",
            ("foreign_key_check", "E01099999"),
        ),
        (
            "update postcodes set lsoa_2021 = 'E01099999' where postcode like 'AB1 %'",
            ("foreign_key_check", "E01099999"),
        ),
    ],
)
def test_check_refuses_a_database_in_which_anything_was_changed(small_db, tmp_path, capsys, sql, named):
    changed = shutil.copy(small_db, tmp_path / "census.db")
    connection = sqlite3.connect(changed)
    connection.executescript(sql)
    connection.close()
    assert build_db.main(["--check", str(changed)]) == 1
    assert_named(named, capsys.readouterr().err.replace(str(changed), ""))


@pytest.mark.parametrize("content", [b"", b"not a database" * 100], ids=["empty", "text"])
def test_check_refuses_what_is_no_database_of_ours(tmp_path, content):
    (tmp_path / "some.db").write_bytes(content)
    done = command("--check", tmp_path / "some.db")
    assert done.returncode == 1
    assert "some.db" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_changed_file_of_the_extract_is_refused(tmp_path, monkeypatch, capsys, old):
    folder = shutil.copytree(extracts.FOLDER, tmp_path / "extract")
    text = (folder / "imd_wales_2019.csv").read_text()
    (folder / "imd_wales_2019.csv").write_text(text.rstrip("\n").rsplit("\n", 1)[0] + "\n")
    monkeypatch.setattr(extracts.load, "__defaults__", (folder,))
    assert_named(("imd_wales_2019.csv", "manifest.json"), refused(capsys, old))


# Killed, interrupted, or out of space


@pytest.fixture(scope="module")
def parks_db(parks, tmp_path_factory) -> Path:
    """census.db of the shortest full build, with what stands beside it."""
    output = tmp_path_factory.mktemp("parks") / "census.db"
    done = command(*parks, "--output", output)
    assert done.returncode == 0, done.stderr
    return output


LOADING, CHECKED = "loading green_space_parks", "digest of every row"
MOMENTS = [("", 0.1), (LOADING, 0), (CHECKED, 0.02)]  # so many seconds after the build has printed that
if THOROUGH:
    MOMENTS += [(LOADING, 0.05), *((CHECKED, hundredths / 100) for hundredths in (0, 1, 3, 5, 8))]


@pytest.mark.parametrize("signal_", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT], ids=lambda s: s.name)
def test_a_killed_build_leaves_the_old_file_or_the_whole_new_one(parks, parks_db, old, signal_):
    killed = 0
    for printed, seconds in MOMENTS:
        building = subprocess.Popen(
            [sys.executable, ROOT / "build_db.py", *parks, "--output", old],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert not printed or any(printed in line for line in building.stdout)
        time.sleep(seconds)
        building.send_signal(signal_)
        building.communicate()
        left = {path.name for path in old.parent.iterdir()} - {"census.db", "downloads"}
        if old.read_bytes() == OLD:
            killed += 1
            assert left == set()
        else:
            assert old.read_bytes() == parks_db.read_bytes()
            assert left <= {"inspect-data.json"}
            old.with_name("inspect-data.json").unlink(missing_ok=True)
        for folder in (old.parent / "downloads").glob("*"):
            # the finished files of the build that was killed before it gave census.db its name, or their beginning
            [same] = parks_db.with_name("downloads").iterdir()
            assert folder.name == same.name
            assert all(file.read_bytes() == (same / file.name).read_bytes() for file in folder.iterdir())
            old.write_bytes(OLD)
    assert killed > 1, "no build was killed after its start"


def test_a_full_disk_is_named_and_leaves_the_old_file(parks, old):
    def small_files_only():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))

    # `make coverage` would write a file of its own, and fail with a traceback.
    unmeasured = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
    done = command(*parks, "--output", old, preexec_fn=small_files_only, env=unmeasured)
    assert done.returncode == 1
    assert str(old.parent) in done.stderr
    assert "disk" in done.stderr.replace(str(old.parent), "")
    assert "Traceback" not in done.stderr
    assert_untouched(old)


def test_a_disk_that_fills_up_at_the_last_step_leaves_the_old_file(parks, old, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, os.strerror(28), str(old))

    monkeypatch.setattr(os, "fsync", full)
    assert "No space left on device" in refused(capsys, old, *parks)


def test_a_folder_that_cannot_be_written_is_named(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert build_db.main(["--output", str(tmp_path / "file" / "census.db")]) == 1
    assert str(tmp_path / "file") in capsys.readouterr().err


# Made-up publications


def test_a_full_build_of_made_up_publications_passes_every_check(made_up_db):
    assert query(made_up_db, "select scope, left_out, directory from edition") == [
        ("complete", None, "ONS Postcode Directory, May 2026")
    ]
    counted = dict(query(made_up_db, "select nation, count(*) from small_areas group by 1"))
    assert counted == {"England": 844, "Wales": 1909, "Scotland": 6976, "Northern Ireland": 890}


def test_figures_names_and_codes_are_read_as_they_stand(made_up_db):
    [first] = query(
        made_up_db, "select name, publisher_name, local_authority_2019 from small_areas where code = 'W01000001'"
    )
    assert first == ("Made-up 00000A", "Pentre 0", "W06000001")
    assert query(made_up_db, "select name, publisher_name from small_areas where code = 'S01006506'") == [
        ("Glen Mòr - 0", "Glen - 0")
    ]
    assert query(made_up_db, "select count(*) from imd_scotland_2020 where income_rank * 2 % 2 = 1")[0][0] > 100
    assert query(made_up_db, "select name from small_areas where nation = 'Northern Ireland' limit 1") == [
        ("Townland 0",)
    ]
    assert query(made_up_db, "select total_population_mid_2015 from lsoas_2011 where code = 'E01000002'") == [(1001,)]
    assert query(made_up_db, "select houses_address_count from green_space limit 1") == [(1250,)]


def test_a_file_that_is_not_a_known_one_stops_the_build_or_is_recorded_as_changed(mirror, made_up_db, old, capsys):
    said = refused(
        capsys, old, *(word for word in only("scotland_2020") if word != "--accept-changed"), "--mirror", mirror
    )
    sha256 = hashlib.sha256(next(mirror.rglob("SIMD+2020v2.csv")).read_bytes()).hexdigest()
    [known] = PUBLICATIONS["scotland_2020"].files[0].known
    assert_named(("scotland_2020", "SIMD+2020v2.csv", known.sha256, sha256, "--accept-changed"), said)
    recorded = {id_: row for id_, *row in query(made_up_db, "select id, checked, checked_note from publications")}
    assert recorded["scotland_2020"] == [
        "changed",
        "Another file than the known one, accepted with --accept-changed. Expected SHA-256 "
        f"{known.sha256} ({known.size:,} bytes, rebuilt).",
    ]
    assert recorded["england_2025_transformed_scores"][0] == "unknown"
    assert recorded["domain_weights"] == [None, None]
    assert build_db.main(["--check", str(made_up_db)]) == 0
    said = capsys.readouterr().out
    assert "Scottish Index of Multiple Deprivation 2020v2 (2020v2): complete, 6,976 rows, changed" in said
    assert re.search(r"files by their SHA-256: \d+ changed \(.*\), \d+ unknown \(no checksum known\)", said)


@pytest.mark.parametrize("checked", ["verified", "rebuilt", None])
def test_a_file_that_is_recorded_as_what_its_checksum_is_not_is_refused(made_up_db, tmp_path, capsys, checked):
    path = shutil.copy(made_up_db, tmp_path / "census.db")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("update publications set checked = ? where id = 'scotland_2020'", (checked,))
        connection.commit()
    assert build_db.main(["--check", str(path)]) == 1
    assert f"files that are not what their SHA-256 says: expected none, found scotland_2020 {checked}" in (
        capsys.readouterr().err
    )


def test_pseudo_codes_and_missing_places_become_null(made_up_db):
    assert query(made_up_db, "select * from postcodes where postcode = 'JE2 3AB'") == [
        ("JE2 3AB", None, None, None, 200208, None, None, None)
    ]


def test_an_authority_that_is_gone_is_followed_by_the_one_its_postcodes_are_in(made_up_db):
    gone = query(made_up_db, "select code, successor from local_authorities where successor is not null")
    assert sorted(gone) == [(code, made_up.AUTHORITIES[0]) for code in sorted(made_up.RETIRED)]
    [(vintages,)] = query(made_up_db, "select vintages from local_authorities where code = ?", made_up.AUTHORITIES[0])
    assert vintages == "2019, 2022, 2024, 2026"


def test_an_extract_cut_twice_is_the_same_and_builds(made_up_db, small_extract, small_db, tmp_path):
    assert query(made_up_db, "select count(*) from publications where status = 'hosted'") == [(1,)]
    extracts.cut(made_up_db, made_up.SMALL, tmp_path / "two", list(PUBLICATIONS.values()))
    one, two = ({p.name: p.read_bytes() for p in folder.iterdir()} for folder in (small_extract, tmp_path / "two"))
    assert one == two
    for table in ("imd_england_2019", "small_areas", "postcodes"):
        key = tables.all_tables(list(PUBLICATIONS.values()))[table].primary_key
        rows = query(small_db, f"select * from {table} order by {key}")
        assert rows
        assert set(rows) <= set(query(made_up_db, f"select * from {table}"))
    assert build_db.check(small_db) == 0


def test_a_code_that_selects_nothing_is_refused(made_up_db, tmp_path):
    with pytest.raises(SourceError, match="'E06999999'"):
        extracts.cut(made_up_db, ["E06999999"], tmp_path, list(PUBLICATIONS.values()))


def test_an_extract_is_cut_from_a_complete_database_only(extract_db, tmp_path):
    with pytest.raises(SourceError, match=str(extract_db)):
        extracts.cut(extract_db, ["W06000015"], tmp_path, list(PUBLICATIONS.values()))


@pytest.mark.parametrize(
    "left_out",
    [
        {
            *("local_authority_names", "lsoa_2011_lookup", "data_zone_2011_lookup"),
            *("natural_green_space", "uk_composite", "england_2025"),
        },
        {"england_2019", "scotland_2020", "green_space", "wales_2025"},
        {"wales_2019", "northern_ireland_2017", "postcode_directory", "england_2019", "natural_green_space"},
        set(PUBLICATIONS) - {"wales_2019"},
    ],
    ids=lambda ids: " ".join(sorted(ids)),
)
def test_publications_left_out_are_named_in_the_database(left_out, mirror, tmp_path):
    output = built(tmp_path, mirror, *set(PUBLICATIONS) - left_out)
    statuses = dict(query(output, "select publication, status from publications where status <> 'hosted'"))
    left_out |= {id_ for id_, p in PUBLICATIONS.items() if p.goes_with in left_out}
    assert statuses == {id_: "left out" if id_ in left_out else "complete" for id_ in PUBLICATIONS}
    assert set(query(output, "select left_out from edition")[0][0].split(", ")) == left_out
    for index, loaded in query(output, "select id, loaded from indices"):
        assert loaded == (index not in left_out)
        assert loaded == bool(
            query(output, "select exists (select 1 from deprivation where index_id = ?)", index)[0][0]
        )


# Publications that are not as they must be


def edited(mirror: Path, folder: Path, name: str, edit) -> Path:
    """A mirror with one file, whose CSV rows went through `edit`."""
    [path] = [p for p in mirror.rglob("*") if p.name.removesuffix(".gz") == name]
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = edit(list(csv.reader(data.decode("utf-8-sig").splitlines())))
    folder.mkdir()
    with (folder / name).open("w", newline="") as out:
        csv.writer(out).writerows(rows)
    return folder


def without_column(label):
    def edit(rows):
        at = rows[0].index(label)
        return [row[:at] + row[at + 1 :] for row in rows]

    return edit


def changed(row, label, value):
    def edit(rows):
        rows[row][rows[0].index(label)] = value(rows[row][rows[0].index(label)]) if callable(value) else value
        return rows

    return edit


def next_decile(text):
    return str(int(text) % 10 + 1)


ENGLAND, SCOTLAND = "File_7_-_All_IoD2019_Scores__Ranks__Deciles_and_Population_Denominators_3.csv", "SIMD+2020v2.csv"


@pytest.mark.parametrize(
    "edit, named",
    [
        (without_column("SIMD2020v2_Rank"), ("SIMD+2020v2.csv", "SIMD2020v2_Rank")),
        (lambda rows: rows[:-1], ("SIMD+2020v2.csv", "6,976", "6,975")),
        (lambda rows: [*rows, rows[-1]], ("SIMD+2020v2.csv", "6,976", "6,977")),
        (lambda rows: [*rows[:-1], rows[1]], ("UNIQUE", "imd_scotland_2020.area_code")),
        (changed(40, "SIMD2020v2_Decile", next_decile), ("S01006545", "imd_decile")),
        (changed(40, "SIMD2020v2_Rank", ""), ("NOT NULL", "imd_scotland_2020.imd_rank")),
        (changed(40, "SIMD2020v2_Rank", "7000"), ("scotland_2020", "1 to 6,976", "7000")),
        (changed(40, "SIMD2020v2_Rank", "n/a"), ("SIMD+2020v2.csv", "row 41", "SIMD2020v2_Rank", "n/a")),
        (changed(40, "SIMD2020_Crime_Domain_Rank", ""), ("S01006545", "crime_rank")),
        (changed(40, "DZ", "S0100"), ("'S0100'",)),
    ],
)
def test_a_changed_scottish_file_stops_the_build(mirror, tmp_path, old, capsys, edit, named):
    broken = edited(mirror, tmp_path / "broken", SCOTLAND, edit)
    assert_named(named, refused(capsys, old, *only("scotland_2020"), "--mirror", broken))


def test_a_scottish_area_that_its_lookup_lacks_stops_the_build(mirror, tmp_path, old, capsys):
    broken = edited(mirror, tmp_path / "broken", SCOTLAND, changed(40, "DZ", "S01019999"))
    shutil.copy(next(mirror.rglob("scottish_dz_lookup.csv")), broken)
    said = refused(capsys, old, *only("scotland_2020", "data_zone_2011_lookup"), "--mirror", broken)
    assert_named(("scotland_2020", "S01006545"), said)


LOOKUP = "LSOA11_WD19_LAD19_EW_LU_V2.csv"


@pytest.mark.parametrize(
    "edit", [lambda rows: [*rows[:20], rows[10], *rows[21:]], changed(30, "LSOA11CD", "E01000011")]
)
def test_a_lookup_with_an_area_twice_stops_the_build(mirror, tmp_path, old, capsys, edit):
    broken = edited(mirror, tmp_path / "broken", LOOKUP, edit)
    said = refused(capsys, old, *only("lsoa_2011_lookup"), "--mirror", broken)
    assert_named(("small_areas", "UNIQUE", ".code"), said)


def test_an_area_without_its_ward_is_loaded_so_and_refused_in_a_complete_database(mirror, made_up_db, tmp_path, capsys):
    broken = edited(mirror, tmp_path / "broken", LOOKUP, changed(30, "WD19CD", ""))
    without = "select code from lsoas_2011 where ward_2019 is null"
    [(code,)] = query(built(tmp_path, broken, "lsoa_2011_lookup"), without)
    whole = shutil.copy(made_up_db, tmp_path / "whole.db")
    with contextlib.closing(sqlite3.connect(whole)) as connection:
        connection.execute("update lsoas_2011 set ward_2019 = null where code = ?", (code,))
        connection.commit()
    assert build_db.main(["--check", str(whole)]) == 1
    assert_named(("ward", code), capsys.readouterr().err)


@pytest.mark.parametrize(
    "edit, named",
    [
        (
            changed(7, "Income Decile (where 1 is most deprived 10% of LSOAs)", next_decile),
            ("E01000007", "income_decile"),
        ),
        (
            changed(7, "Local Authority District code (2019)", "E06000001"),
            ("E01000007", "local_authority_2019", "E06000001"),
        ),
        (
            changed(7, "LSOA name (2011)", "Elsewhere"),
            ("E01000007", "name", "Made-up 00006A", "Elsewhere"),
        ),
    ],
)
def test_a_changed_english_file_stops_the_build(mirror, tmp_path, old, capsys, edit, named):
    broken = edited(mirror, tmp_path / "broken", ENGLAND, edit)
    for name in ("File_9_-_IoD2019_Transformed_Scores.csv", LOOKUP):
        shutil.copy(next(mirror.rglob(name)), broken)
    assert_named(named, refused(capsys, old, *only("england_2019", "lsoa_2011_lookup"), "--mirror", broken))


def broken_directory(tmp_path, header=made_up.HEADER, rows=None) -> Path:
    folder = tmp_path / "broken"
    folder.mkdir()
    rows = made_up.postcodes()[:3000] if rows is None else rows
    return made_up.directory(folder / "ONSPD_FEB_2024.zip", header, rows)


def with_cell(row, name, value):
    rows = [list(r) for r in made_up.postcodes()[:3000]]
    rows[row][made_up.HEADER.index(name)] = value
    return rows


def in_two_middle_layers():
    first, second = ([*row] for row in made_up.postcodes()[:2])
    for name, value in (("lsoa11cd", first[made_up.HEADER.index("lsoa11cd")]), ("msoa11cd", "E02999999")):
        second[made_up.HEADER.index(name)] = value
    return [first, second]


@pytest.mark.parametrize(
    "header, rows, named",
    [
        ([h for h in made_up.HEADER if h != "lsoa11cd"], None, ("lsoa11cd", "pcd7", "pcd8")),
        ([h.replace("lsoa21cd", "lsoa11") for h in made_up.HEADER], None, ("lsoa11cd", "2")),
        (made_up.HEADER, with_cell(9, "lsoa11cd", "X01000001"), ("line 11", "X01000001")),
        (made_up.HEADER, with_cell(9, "lad26cd", "E99"), ("line 11", "E99")),
        (made_up.HEADER, with_cell(9, "doterm", "201013"), ("line 11", "201013")),
        (made_up.HEADER, with_cell(9, "pcds", "AB1  0AA"), ("line 11", "AB1  0AA")),
        (made_up.HEADER, with_cell(9, "lat", "north"), ("line 11", "north")),
        (made_up.HEADER, with_cell(9, "long", ""), ("line 11", "latitude", "longitude")),
        (made_up.HEADER, with_cell(9, "lat", "-1.5"), ("line 11", "-1.5, -1.5")),
        (made_up.HEADER, in_two_middle_layers(), ("E01000001", "E02000000", "E02999999")),
        (made_up.HEADER, [["AB1"]], ("line 2", "12", "1")),
        (made_up.HEADER, [made_up.postcodes()[0]] * 2, ("UNIQUE", "postcodes.postcode")),
    ],
)
def test_a_changed_directory_stops_the_build(tmp_path, old, capsys, header, rows, named):
    broken_directory(tmp_path, header, rows)
    assert_named(named, refused(capsys, old, *only("postcode_directory"), "--mirror", tmp_path / "broken"))


@pytest.mark.parametrize("kept", [0.3, 0.95])
def test_a_truncated_zip_stops_the_build(tmp_path, old, capsys, kept):
    path = broken_directory(tmp_path)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    said = refused(capsys, old, *only("postcode_directory"), "--mirror", tmp_path / "broken")
    assert "ONSPD_FEB_2024.zip" in said


def test_a_zip_with_changed_bytes_inside_stops_the_build(tmp_path, old, capsys):
    path = broken_directory(tmp_path)
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as archive:
        at = archive.getinfo("Data/ONSPD_FEB_2024_UK.csv").header_offset + 2000
    data[at : at + 50] = bytes(50)
    path.write_bytes(data)
    # Whichever of the two is noticed first: that the line makes no sense, or that the ZIP's checksum is wrong.
    assert "build_db.py: ONSPD_FEB_2024.zip" in refused(
        capsys, old, *only("postcode_directory"), "--mirror", tmp_path / "broken"
    )


def test_a_directory_with_too_few_postcodes_stops_the_build(tmp_path, old, capsys, monkeypatch):
    monkeypatch.setattr("census.build.checks.run.FEWEST_POSTCODES", 2_600_000)
    broken_directory(tmp_path)
    said = refused(capsys, old, *only("postcode_directory"), "--mirror", tmp_path / "broken")
    assert_named(("postcodes", "2,600,000", "26,000,000", "3,000"), said)


@pytest.mark.parametrize(
    "spelling",
    [
        {"lad26cd": "oslaua", "ctry26cd": "ctry", "lsoa11cd": "lsoa11", "msoa11cd": "msoa11", "lsoa21cd": "lsoa21"},
        {"lad26cd": "lad23cd"},
        {"lad26cd": "LAD25CD", "pcds": "\ufeffPCDS", "lat": "LAT"},
    ],
    ids=["2023", "2024", "capitals"],
)
def test_header_spellings_of_other_editions_are_read(tmp_path, monkeypatch, spelling):
    monkeypatch.setattr("census.build.checks.run.FEWEST_POSTCODES", 500)
    header = [spelling.get(name, name) for name in made_up.HEADER]
    broken_directory(tmp_path, header)
    monkeypatch.setattr("census.build.checks.run._joins", lambda *_: [])  # this directory has few areas, on purpose
    output = built(tmp_path, tmp_path / "broken", "postcode_directory")
    assert query(output, "select count(*), count(lsoa_2011), count(local_authority) from postcodes")[0][0] == 3000
    assert query(output, "select distinct edition from publications where id = 'postcode_directory'") == [
        ("February 2024",)
    ]


def test_every_missing_file_is_named_at_once(tmp_path, old, capsys):
    (tmp_path / "empty").mkdir()
    said = refused(capsys, old, "--full", "--mirror", tmp_path / "empty")
    for publication in PUBLICATIONS.values():
        for file in publication.files:
            assert (f"{file.id}: not in the mirror" in said) is not file.optional


def test_a_table_or_column_that_is_not_described_stops_the_build(parks, tmp_path, old, capsys, monkeypatch):
    text = (ROOT / "metadata.yml").read_text()
    monkeypatch.setattr(build_db, "ROOT", tmp_path)
    (tmp_path / "metadata.yml").write_text(text.replace("          imd_vigintile:", "          imd_vigintiles:"))
    said = refused(capsys, old, *parks)
    assert "imd_scotland_2020.imd_vigintiles, which is not built" in said
    assert "no column imd_scotland_2020.imd_vigintile" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["--mirror", "x"],
        ["--accept-changed"],
        ["--full", "--accept-changed", "wales_2099"],
        ["--check", "x.db", "--accept-changed"],
        ["--skip", "wales_2019"],
        ["--full", "--skip", "wales_2099"],
        ["--full", "--skip", ",".join(PUBLICATIONS)],
        ["--full", "--check", "x.db"],
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        build_db.main(arguments)
    assert stopped.value.code == 2
    assert "error:" in capsys.readouterr().err


def test_every_publication_has_what_provenance_needs():
    for publication in PUBLICATIONS.values():
        assert isinstance(publication, Publication)
        assert publication.attribution
        assert publication.page.startswith("https://")
        assert all(file.address is None or file.address.startswith("https://") for file in publication.files)
        assert all(file.served_as in (None, *file.names) for file in publication.files)
        assert set(publication.fills) <= set(tables.all_tables(list(PUBLICATIONS.values())))


def as_workbook(mirror: Path, name: str, path: Path, sheet: str) -> None:
    """The CSV `name` of the mirror as a workbook, with its numbers as numbers, behind a cover sheet."""
    [found] = mirror.rglob(name)
    book = openpyxl.Workbook(write_only=True)
    book.create_sheet("Cover").append(["A cover sheet"])
    table = book.create_sheet(sheet)
    for row in csv.reader(found.read_text("utf-8-sig").splitlines()):
        table.append([float(cell) if re.fullmatch(r"[0-9.]+", cell) else cell or None for cell in row])
    book.save(path)


def test_official_workbooks_give_the_same_tables_as_the_csv_files(mirror, made_up_db, tmp_path):
    (tmp_path / "books").mkdir()
    for name, official, sheet in [
        ("SIMD+2020v2.csv", "SIMD+2020v2+-+datazone+lookup.xlsx", "SIMD 2020v2 DZ lookup data"),
        ("access_to_green_space.csv", "osprivateoutdoorspacereferencetables.xlsx", "LAD gardens"),
    ]:
        as_workbook(mirror, name, tmp_path / "books" / official, sheet)
    shutil.copy(next(mirror.rglob("scottish_dz_lookup.csv")), tmp_path / "books")
    output = built(tmp_path, tmp_path / "books", "scotland_2020", "green_space", "data_zone_2011_lookup")
    zones = "code, name, intermediate_zone, intermediate_zone_name, ward, ward_name, population, working_age_population"
    for table, columns in (("imd_scotland_2020", "*"), ("green_space", "*"), ("data_zones_2011", zones)):
        sql = f"select {columns} from {table} order by 1"
        assert query(output, sql) == query(made_up_db, sql)
