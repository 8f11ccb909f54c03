"""Check a finished census.db, after a build and by `--check`.

A check compares what was expected with what is there; all of them are reported, and one that fails refuses the
database.
"""

import sqlite3
from numbers import Number
from typing import Any

from census.build.checks import cross as cross_checks
from census.build.checks import positions as position_checks
from census.build.checks.check import Check, expect_no_rows, query
from census.domain.bands import band_sql, quantile_sql
from census.domain.geographies import PARENTS
from census.domain.types import Record
from census.schema.tables import EDITION, NOT_LOADED, all_tables, digest
from census.schema.views import VIEWS, view_sql
from sources import green_space_2020 as green_space
from sources import natural_green_space
from sources import uk_composite_3_4 as uk_composite
from sources.geography import LISTS, LSOAS_2021
from sources.publication import Index, Publication, Table

FEWEST_POSTCODES = 2_600_000  # the directory of 2023 had 2.69 million and it only grows
LEAST_SHARE = 0.9  # of a nation's live postcodes have figures on the newer areas; a directory may lack some codes
TRANSFORMED = "_score_exponentially_transformed"  # the end of a column's name
SQL_TYPES = {str: "'text'", int: "'integer'", float: "'real'", Number: "'integer', 'real'"}


def run(connection: sqlite3.Connection, publications: list[Publication]) -> list[Check]:
    """Return every check of the database behind `connection`, in the order of the report."""
    checks = figures(connection, publications)
    if not all(check.passed for check in checks[:2]):
        return checks  # a table is missing
    tables = all_tables(publications)
    return [
        *checks,
        _types(connection, tables),
        check_search_indexes(connection, tables),
        *check_integrity(connection, tables),
    ]


def figures(connection: sqlite3.Connection, publications: list[Publication]) -> list[Check]:
    """Return the checks of what the tables say; that the file is whole and unchanged is for `run` to check."""
    tables = all_tables(publications)
    there = {row[0] for row in connection.execute("select name from sqlite_master where type in ('table', 'view')")}
    missing = sorted({*tables, *VIEWS} - there)
    checks = [Check("tables and views", "all there", "all there" if not missing else f"without {', '.join(missing)}")]
    if missing:
        return checks
    editions = connection.execute("select scope, left_out from edition").fetchall()
    checks.append(Check("rows of edition", "1", str(len(editions))))
    if len(editions) != 1:
        return checks
    complete = editions[0][0] == "complete"
    left_out, absent = (
        {row[0] for row in connection.execute("select publication from publications where status = ?", (status,))}
        for status in ("left out", NOT_LOADED)
    )
    checks.append(Check("publications left out", ", ".join(sorted(left_out)) or "none", editions[0][1] or "none"))
    checks += cross_checks.provenance(connection, publications)
    indices = [p.index for p in publications if p.index and p.id not in left_out]
    checks += _counts(connection, indices, complete, left_out, absent)
    for index in indices:
        checks += _ranks(connection, index, complete)
        checks += _scores(connection, index)
        checks += _transformed(connection, index, publications, left_out | absent)
        checks += cross_checks.index(connection, index, complete)
        checks += _bands(connection, index)
        checks += _areas(connection, index)
    if "uk_composite" not in left_out:
        checks += _composite(connection, complete)
        checks += cross_checks.composite(connection, indices, complete)
    checks += _natural_green_space(connection, complete, "natural_green_space" in left_out | absent)
    checks += _joins(connection, indices, complete, left_out)
    checks += cross_checks.between_tables(connection, indices, complete, left_out)
    if "postcode_directory" not in left_out:
        checks += position_checks.run(connection, complete)
    return [*checks, _shares(connection, tables)]


def undescribed(connection: sqlite3.Connection, metadata: Record, publications: list[Publication]) -> list[Check]:
    """Check that `metadata` (metadata.yml, read) describes each table and column there is, and no other."""
    described = metadata.get("databases", {}).get("census", {}).get("tables", {})
    built = [*all_tables(publications), *VIEWS]
    problems = [f"nothing of {t}" for t in built if t not in described]
    problems += [f"{t}, which nobody builds" for t in described if t not in built]
    for table in set(built) & set(described):
        columns = [row[1] for row in connection.execute(f"pragma table_xinfo({table})")]
        columns_described = described[table].get("columns") or {}
        problems += [f"no column {table}.{c}" for c in columns if not columns_described.get(c)]
        problems += [f"{table}.{c}, which is not built" for c in columns_described if c not in columns]
        problems += [
            f"no {key} of {table}"
            for key in ("title", "description", "license", "license_url", "source", "source_url", "about")
            if not described[table].get(key)
        ]
    actual = "; ".join(sorted(problems)[:6]) or "everything"
    return [Check("metadata.yml describes", "everything", actual, "Describe it in metadata.yml, or take it out there.")]


def _one(connection: sqlite3.Connection, sql: str, *parameters: object) -> Any:
    return connection.execute(sql, parameters).fetchone()[0]


def list_of(index: Index) -> str:
    """Return the list of the areas that an index ranks, all of one kind."""
    return LSOAS_2021.name if index.geography == "lsoa_2021" else LISTS[index.area_kind]


def _counts(
    connection: sqlite3.Connection, indices: list[Index], complete: bool, left_out: set[str], absent: set[str]
) -> list[Check]:
    checks = []
    expected: dict[str, int] = {}
    by_list: dict[str, dict[str, int]] = {}
    for index in indices:
        expected[index.table] = index.areas
        by_list.setdefault(list_of(index), {})[index.nation] = index.areas
    if not left_out:
        expected |= {table: sum(nations.values()) for table, nations in by_list.items()}
        expected["small_areas"] = sum(expected[table] for table in LISTS.values())
    if "uk_composite" not in left_out:
        expected[uk_composite.TABLE.name] = uk_composite.AREAS
    loaded = [
        p.id for p in green_space.PUBLICATIONS if p.id not in left_out | absent
    ]  # each has one table, of its name
    expected |= dict.fromkeys(loaded, green_space.AUTHORITIES)
    for table, areas in expected.items():
        actual = _one(connection, f"select count(*) from {table}")
        if complete or table in loaded:
            checks.append(Check(f"rows of {table}", f"{areas:,}", f"{actual:,}"))
        else:
            checks.append(Check(f"rows of {table}", f"1 to {areas:,}", _within(actual, 1, areas)))
    if complete and "postcode_directory" not in left_out:
        actual = _one(connection, "select count(*) from postcodes")
        most = 10 * FEWEST_POSTCODES
        checks.append(Check("postcodes", f"{FEWEST_POSTCODES:,} to {most:,}", _within(actual, FEWEST_POSTCODES, most)))
    return checks


def _within(actual: int, least: int, most: int) -> str:
    return f"{least:,} to {most:,}" if least <= actual <= most else f"{actual:,}"


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"pragma table_info({table})")]


def _ranks(connection: sqlite3.Connection, index: Index, complete: bool) -> list[Check]:
    table, n = index.table, index.areas
    columns = _columns(connection, table)
    blank = [c for c in columns if c in index.may_be_blank and not _one(connection, f"select count({c}) from {table}")]
    ranks = [c for c in columns if c.endswith("_rank") and c not in blank]
    checks = [expect_no_rows(connection, *(query("ranks", index=index, column=c, columns=len(ranks)) for c in ranks))]
    if some := [c for c in columns if c in index.may_be_blank and c not in blank]:
        queries = (query("blanks", index=index, column=c, columns=", ".join(some)) for c in some)
        checks.append(expect_no_rows(connection, *queries))
    if complete:
        low, distinct, rows = connection.execute(
            f"select min(imd_rank), count(distinct imd_rank), count(*) from {table}"
        ).fetchone()
        gaps = _one(
            connection,
            f"select count(*) from (select imd_rank, rank() over (order by imd_rank) as place from {table})"
            " where imd_rank <> place",
        )
        actual = f"{gaps:,} ranks are not the place of their area" if gaps else f"{low} to {rows:,}, {rows - distinct}"
        expected = f"1 to {n:,}, {index.tied_pairs}"
        checks.append(Check(f"{index.id}: overall ranks without a gap, tied pairs", expected, actual))
    return checks


def _scores(connection: sqlite3.Connection, index: Index) -> list[Check]:
    """Check that scores fall with the rank and tied areas have one score: a mislabelled score would do neither."""
    columns = _columns(connection, index.table)
    scored = {
        column: f"{name}_rank"
        for column in columns
        for name, _, kind in [column.rpartition("_")]
        if kind in ("score", "share") and f"{name}_rank" in columns
    }
    if not scored:
        return []
    queries = [
        query("scores", index=index, column=column, rank=rank, columns=len(scored)) for column, rank in scored.items()
    ]
    if index.score:
        queries.append(query("scores_blank", index=index))
    return [expect_no_rows(connection, *queries)]


def _transformed(
    connection: sqlite3.Connection, index: Index, publications: list[Publication], missing: set[str]
) -> list[Check]:
    """Check that exponentially transformed scores are there for every area and fall with rank, or not at all.

    missing: the publications that were left out or not loaded; the scores are a publication of their own.
    """
    columns = [c for c in _columns(connection, index.table) if c.endswith(TRANSFORMED)]
    if not columns:
        return []
    loaded = any(p.goes_with == index.id and p.id not in missing for p in publications)
    file = "transformed" if loaded else "transformed_not_loaded"
    ranks = {column: f"{column.removesuffix(TRANSFORMED)}_rank" for column in columns}
    return [
        expect_no_rows(
            connection,
            *(query(file, index=index, column=c, rank=rank, columns=len(columns)) for c, rank in ranks.items()),
        )
    ]


def _bands(connection: sqlite3.Connection, index: Index) -> list[Check]:
    """Check that published bands follow the index's rule, or at least rise with the rank where none is known."""
    bands = {f"imd_{name}": ("imd", q) for name, q in index.bands.items()}
    columns = _columns(connection, index.table)
    if index.domain_bands:
        bands |= {c: (c[:-7], 10) for c in columns if c.endswith("_decile") and c != "imd_decile"}
    irregular = {f"imd_{name}" for name in index.bands if index.bounds and name not in index.bounds}
    falling = [
        query("bands_falling", index=index, column=column, bands=q, columns=len(irregular))
        for column, (_, q) in bands.items()
        if column in irregular
    ]
    rule = "as bounded" if index.bounds else f"{index.band_rule} of the rank"
    regular = {column: of for column, of in bands.items() if column not in irregular}
    wrong = []
    for column, (prefix, q) in regular.items():
        rank = f"{prefix}_rank"
        band = quantile_sql(index, rank, q) if prefix == "imd" else band_sql(rank, index.areas, q, index.band_rule)
        condition = f"{column} is not null" if column in index.may_be_blank else "true"
        wrong.append(
            query("bands", index=index, column=column, band=band, condition=condition, rule=rule, columns=len(regular))
        )
    return [expect_no_rows(connection, *queries) for queries in (wrong, falling) if queries]


def _composite(connection: sqlite3.Connection, complete: bool) -> list[Check]:
    files = ("composite_areas", "composite_order", *(("composite_ranks",) if complete else ()))
    return [expect_no_rows(connection, query(file)) for file in files]


def _natural_green_space(connection: sqlite3.Connection, complete: bool, missing: bool) -> list[Check]:
    """Check that the table has rows within bounds, each of an LSOA of England, and none where it was not loaded."""
    table = natural_green_space.TABLE.name
    actual = _one(connection, f"select count(*) from {table}")
    if missing:
        return [Check(f"rows of {table}, which was not loaded", "0", f"{actual:,}")]
    least = natural_green_space.FEWEST_AREAS if complete else 1
    bounds = f"{least:,} to {natural_green_space.AREAS:,}"
    expected = f"{actual:,}" if least <= actual <= natural_green_space.AREAS else bounds
    return [
        Check(f"rows of {table} ({bounds})", expected, f"{actual:,}"),
        expect_no_rows(connection, query("natural_green_space")),
    ]


def _areas(connection: sqlite3.Connection, index: Index) -> list[Check]:
    parent = PARENTS[index.geography]
    kind = f"kind = '{index.area_kind}'" if parent == "small_areas" else "true"
    return [expect_no_rows(connection, query("areas", index=index, parent=parent, kind=kind))]


def _joins(connection: sqlite3.Connection, indices: list[Index], complete: bool, left_out: set[str]) -> list[Check]:
    checks = []
    if "postcode_directory" not in left_out:
        for geography, parent in PARENTS.items():
            nations = ", ".join({f"'{i.nation}'" for i in indices if i.geography == geography})
            met = query("postcodes_met", geography=geography, parent=parent, nations=nations)
            checks.append(expect_no_rows(connection, met))
        checks += _answered(connection, indices, complete and "lsoa_changes" not in left_out)
        if complete:
            checks.append(expect_no_rows(connection, query("areas_without_postcode")))
    if "green_space" not in left_out:
        queries = [query("green_space_lacking", reverse=", and the reverse" if complete else "")]
        if complete and not left_out:
            queries.append(query("green_space_reverse"))
        checks.append(expect_no_rows(connection, *queries))
    if not left_out:
        files = ("names_missing", "names_missing_2021", "larger_areas_missing", "health_lookups", "lsoa_changes")
        checks += [expect_no_rows(connection, query(file)) for file in files]
    return checks


def _answered(connection: sqlite3.Connection, indices: list[Index], least_holds: bool) -> list[Check]:
    """Return how many live postcodes with a small area have figures on the LSOAs of 2021.

    least_holds: whether it must be LEAST_SHARE of them, as in a complete database with its lookups.
    """
    counted = {}
    for index in (i for i in indices if i.geography == "lsoa_2021"):
        counted[index.nation] = connection.execute(
            f"""
            select count(*), count(*) filter (where postcodes.lsoa_2021 in (select area_code from {index.table}))
            from small_areas cross join postcodes on postcodes.lsoa_2011 = small_areas.code
            where small_areas.nation = ? and postcodes.terminated is null
            """,
            (index.nation,),
        ).fetchone()
    if len(counted) > 1:
        counted[" and ".join(counted)] = tuple(map(sum, zip(*counted.values(), strict=True)))
    checks = []
    for nation, (live, answered) in counted.items():
        actual = f"{answered:,} of {live:,} ({1000 * answered // (live or 1) / 10} %)"  # never 100 % but where it is
        enough = not least_holds or answered >= LEAST_SHARE * live
        expected = actual if enough else f"{100 * LEAST_SHARE:.0f} % or more"
        checks.append(
            Check(f"live postcodes of {nation} with a small area that have figures by LSOA (2021)", expected, actual)
        )
    return checks


def _types(connection: sqlite3.Connection, tables: dict[str, Table]) -> Check:
    queries = []
    for table in tables.values():
        wrong = " or ".join(
            f"typeof({column}) not in ({SQL_TYPES[type_]}, 'null')" for column, type_ in table.columns.items()
        )
        queries.append(query("types", table=table, key=table.key.split(", ")[0], wrong=wrong))
    return expect_no_rows(connection, *queries)


def _shares(connection: sqlite3.Connection, tables: dict[str, Table]) -> Check:
    shares = [(t, c) for t in tables.values() for c in t.columns if c.endswith("_share")]
    queries = (query("shares", table=t.name, key=t.key.split(", ")[0], column=c) for t, c in shares)
    return expect_no_rows(connection, *queries)


def check_search_indexes(connection: sqlite3.Connection, tables: dict[str, Table]) -> Check:
    """Check that views are as declared, every index is there, and the full-text indexes have every row."""
    there = dict(connection.execute("select name, sql from sqlite_master"))
    problems = [f"view {name} is another" for name in VIEWS if there[name] != view_sql(name)]
    for table in tables.values():
        problems += [f"no {name}" for name in table.index_names if name not in there]
        indexed = f"{table.name}_fts_docsize"
        if table.search and indexed not in there:
            problems.append(f"no full-text index of {table.name}")
        elif table.search:
            rows, actual = (_one(connection, f"select count(*) from {name}") for name in (table.name, indexed))
            if rows != actual:
                problems.append(f"{actual:,} of {rows:,} rows of {table.name} in its full-text index")
    return Check("views, indexes and full-text search", "all there", "; ".join(problems) or "all there")


def check_integrity(connection: sqlite3.Connection, tables: dict[str, Table]) -> list[Check]:
    """Check the file, its foreign keys and the digest of every row."""
    integrity = "; ".join(row[0] for row in connection.execute("pragma integrity_check(3)"))
    broken = connection.execute("pragma foreign_key_check").fetchmany(3)
    actual = "; ".join(f"{child} row {row} has no {parent}" for child, row, parent, _ in broken)
    stamped = _one(connection, f"select digest from {EDITION.name}")
    return [
        Check("integrity_check", "ok", integrity),
        Check("foreign_key_check", "none", actual or "none"),
        Check(
            "digest of every row",
            stamped[:16],
            digest(connection, tables)[:16],
            "A figure was changed after the build.",
        ),
    ]
