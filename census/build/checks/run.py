"""What must hold of a census.db, asked of the finished database itself, after a build and by `--check`.

A check compares what was expected with what was found; all of them are reported, and one that fails refuses the
database.
"""

import sqlite3
from numbers import Number
from typing import Any

from census.build.checks import cross as cross_checks
from census.build.checks import positions as position_checks
from census.build.checks.check import Check, expect_no_rows
from census.domain.bands import band_sql, quantile_sql
from census.domain.geographies import PARENTS
from census.domain.types import Record
from census.schema.deprivation import DEPRIVATION
from census.schema.tables import EDITION, NOT_LOADED, all_tables, digest
from census.schema.views import VIEWS, view_sql
from sources import green_space_2020 as green_space
from sources import natural_green_space
from sources import uk_composite_3_4 as uk_composite
from sources.geography import LISTS, LSOA_CHANGES, LSOAS_2021
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
    return [*checks, _types(connection, tables), _findable(connection, tables), *_sound(connection, tables)]


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
        told = described[table].get("columns") or {}
        problems += [f"no column {table}.{c}" for c in columns if not told.get(c)]
        problems += [f"{table}.{c}, which is not built" for c in told if c not in columns]
        problems += [
            f"no {key} of {table}"
            for key in ("title", "description", "license", "license_url", "source", "source_url", "about")
            if not described[table].get(key)
        ]
    found = "; ".join(sorted(problems)[:6]) or "everything"
    return [Check("metadata.yml describes", "everything", found, "Describe it in metadata.yml, or take it out there.")]


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
    whole = [p.id for p in green_space.PUBLICATIONS if p.id not in left_out | absent]  # each has one table, of its name
    expected |= dict.fromkeys(whole, green_space.AUTHORITIES)
    for table, areas in expected.items():
        found = _one(connection, f"select count(*) from {table}")
        if complete or table in whole:
            checks.append(Check(f"rows of {table}", f"{areas:,}", f"{found:,}"))
        else:
            checks.append(Check(f"rows of {table}", f"1 to {areas:,}", _within(found, 1, areas)))
    if complete and "postcode_directory" not in left_out:
        found = _one(connection, "select count(*) from postcodes")
        most = 10 * FEWEST_POSTCODES
        checks.append(Check("postcodes", f"{FEWEST_POSTCODES:,} to {most:,}", _within(found, FEWEST_POSTCODES, most)))
    return checks


def _within(found: int, least: int, most: int) -> str:
    return f"{least:,} to {most:,}" if least <= found <= most else f"{found:,}"


def _columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"pragma table_info({table})")]


def _ranks(connection: sqlite3.Connection, index: Index, complete: bool) -> list[Check]:
    table, n = index.table, index.areas
    columns = _columns(connection, table)
    blank = [c for c in columns if c in index.may_be_blank and not _one(connection, f"select count({c}) from {table}")]
    ranks = [c for c in columns if c.endswith("_rank") and c not in blank]
    checks = [
        expect_no_rows(
            f"{index.id}: ranks that are blank or not within 1 to {n:,} ({len(ranks)} columns)",
            connection,
            " union all ".join(
                f"select area_code, '{c}', {c} from {table} where {c} is null or {c} not between 1 and {n}"
                for c in ranks
            ),
        )
    ]
    if some := [c for c in columns if c in index.may_be_blank and c not in blank]:
        wrong = " union all ".join(f"select area_code, '{c}' from {table} where {c} is null" for c in some)
        checks.append(expect_no_rows(f"{index.id}: blanks in {', '.join(some)}", connection, wrong))
    if complete:
        low, distinct, rows = connection.execute(
            f"select min(imd_rank), count(distinct imd_rank), count(*) from {table}"
        ).fetchone()
        gaps = _one(
            connection,
            f"select count(*) from (select imd_rank, rank() over (order by imd_rank) as place from {table})"
            " where imd_rank <> place",
        )
        found = f"{gaps:,} ranks are not the place of their area" if gaps else f"{low} to {rows:,}, {rows - distinct}"
        expected = f"1 to {n:,}, {index.tied_pairs}"
        checks.append(Check(f"{index.id}: overall ranks without a gap, tied pairs", expected, found))
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
    wrong = " union all ".join(
        f"select area_code, '{column}', score from (select area_code, {column} as score,"
        f" min({column}) over (order by {rank} groups between unbounded preceding and 1 preceding) as before,"
        f" max({column}) over (partition by {rank}) as tied from {index.table}) where score > before or score < tied"
        for column, rank in scored.items()
    )
    if index.score:
        wrong += f" union all select area_code, '{index.score}', 'blank' from {index.table} where {index.score} is null"
    name = f"{index.id}: scores that rise with the rank or differ within a tie ({len(scored)} columns), blank ones"
    return [expect_no_rows(name, connection, wrong, "A score or its rank is another area's or another column's.")]


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
    if not loaded:
        filled = " union all ".join(
            f"select area_code, '{c}' from {index.table} where {c} is not null" for c in columns
        )
        return [expect_no_rows(f"{index.id}: transformed scores, which were not loaded", connection, filled)]
    wrong = " union all ".join(
        f"select area_code, '{c}', score from (select area_code, {c} as score, min({c}) over"
        f" (order by {c.removesuffix(TRANSFORMED)}_rank groups between unbounded preceding and 1 preceding) as before"
        f" from {index.table}) where score is null or score > before or score not between 0 and 100"
        for c in columns
    )
    name = f"{index.id}: transformed scores that are blank, not within 0 to 100, or rise with the rank"
    return [expect_no_rows(f"{name} ({len(columns)} columns)", connection, wrong)]


def _bands(connection: sqlite3.Connection, index: Index) -> list[Check]:
    """Check that published bands follow the index's rule, or at least rise with the rank where none is known."""
    bands = {f"imd_{name}": ("imd", q) for name, q in index.bands.items()}
    columns = _columns(connection, index.table)
    if index.domain_bands:
        bands |= {c: (c[:-7], 10) for c in columns if c.endswith("_decile") and c != "imd_decile"}
    irregular = [f"imd_{name}" for name in index.bands if index.bounds and name not in index.bounds]
    wrong, falling = [], []
    for column, (prefix, q) in bands.items():
        rank = f"{prefix}_rank"
        where = f"{column} is not null and " if column in index.may_be_blank else ""
        if column in irregular:
            falling.append(
                f"select area_code, '{column}', band from (select area_code, {column} as band,"
                f" max({column}) over (order by imd_rank groups between unbounded preceding and 1 preceding) as before"
                f" from {index.table}) where band < before or band not between 1 and {q}"
            )
        else:
            rule = quantile_sql(index, rank, q) if prefix == "imd" else band_sql(rank, index.areas, q, index.band_rule)
            wrong.append(
                f"select area_code || ' {column} ' || coalesce({column}, 'null') || ', by the rule ' || ({rule})"
                f" from {index.table} where {where}{column} is not {rule}"
            )
    hint = "A changed cell, or a publisher's new rule: compare with the publication."
    rule = "as bounded" if index.bounds else f"{index.band_rule} of the rank"
    checks = []
    if wrong:
        name = f"{index.id}: published bands that are not {rule} ({len(wrong)} columns)"
        checks.append(expect_no_rows(name, connection, " union all ".join(wrong), hint))
    if falling:
        name = f"{index.id}: published bands that do not rise with the rank ({len(falling)} columns)"
        checks.append(expect_no_rows(name, connection, " union all ".join(falling), hint))
    return checks


def _composite(connection: sqlite3.Connection, complete: bool) -> list[Check]:
    table = uk_composite.TABLE.name
    checks = [
        expect_no_rows(
            f"{table}: areas without it, and the reverse",
            connection,
            f"select code from small_areas where code not in (select area_code from {table})"
            f" union all select area_code from {table} where area_code not in (select code from small_areas)",
        ),
        expect_no_rows(
            f"{table}: scores, deciles and quintiles that do not follow the rank",
            connection,
            f"""
            select area_code, uk_imd_e_rank from (
                select *, min(uk_imd_e_score) over lower_ranks as higher,
                    max(uk_imd_e_pop_decile) over lower_ranks as decile
                from {table} window lower_ranks as (
                    order by uk_imd_e_rank groups between unbounded preceding and 1 preceding
                )
            )
            where uk_imd_e_score > higher or uk_imd_e_pop_decile < decile or uk_imd_e_pop_decile not between 1 and 10
            or uk_imd_e_pop_quintile is not (uk_imd_e_pop_decile + 1) / 2
            """,
        ),
    ]
    if complete:
        checks.append(
            expect_no_rows(
                f"{table}: ranks that are not the mean place of their score",
                connection,
                f"""
                select area_code, uk_imd_e_rank from (
                    select area_code, uk_imd_e_rank,
                        rank() over by_score + (count(*) over (partition by uk_imd_e_score) - 1) / 2.0 as place
                    from {table} window by_score as (order by uk_imd_e_score desc)
                )
                where uk_imd_e_rank <> place
                """,
            )
        )
    return checks


def _natural_green_space(connection: sqlite3.Connection, complete: bool, missing: bool) -> list[Check]:
    """Check that the table has rows within bounds, each of an LSOA of England, and none where it was not loaded."""
    table = natural_green_space.TABLE.name
    found = _one(connection, f"select count(*) from {table}")
    if missing:
        return [Check(f"rows of {table}, which was not loaded", "0", f"{found:,}")]
    least = natural_green_space.FEWEST_AREAS if complete else 1
    bounds = f"{least:,} to {natural_green_space.AREAS:,}"
    expected = f"{found:,}" if least <= found <= natural_green_space.AREAS else bounds
    others = f"select area_code from {table} where area_code not glob 'E01*'"
    return [
        Check(f"rows of {table} ({bounds})", expected, f"{found:,}"),
        expect_no_rows(f"{table}: areas that are not LSOAs of England", connection, others),
    ]


def _areas(connection: sqlite3.Connection, index: Index) -> list[Check]:
    parent = PARENTS[index.geography]
    kind = f"and kind = '{index.area_kind}'" if parent == "small_areas" else ""
    return [
        expect_no_rows(
            f"{index.id}: areas without the index, and the reverse",
            connection,
            f"""
            select code from {parent} where nation = '{index.nation}' {kind}
            and code not in (select area_code from {index.table})
            union all
            select area_code from {index.table} left join {parent} on code = area_code
            where code is null or nation <> '{index.nation}'
            """,
        )
    ]


def _joins(connection: sqlite3.Connection, indices: list[Index], complete: bool, left_out: set[str]) -> list[Check]:
    checks = []
    if "postcode_directory" not in left_out:
        for geography, parent in PARENTS.items():
            covered = ", ".join({f"'{i.nation}'" for i in indices if i.geography == geography})
            checks.append(
                expect_no_rows(
                    f"postcodes whose {geography} does not meet its area and an index",
                    connection,
                    f"""
                    with met as (
                        select code from {parent} where nation not in ({covered})
                        or code in (select {geography} from {DEPRIVATION.name})
                    )
                    select distinct {geography} from postcodes
                    where {geography} is not null and {geography} not in (select code from met)
                    """,
                )
            )
        checks += _answered(connection, indices, complete and "lsoa_changes" not in left_out)
        if complete:
            checks.append(
                expect_no_rows(
                    "small areas without a postcode",
                    connection,
                    "select code from small_areas where code not in"
                    " (select lsoa_2011 from postcodes where lsoa_2011 is not null)",
                    "The directory may be cut short.",
                )
            )
    if "green_space" not in left_out:
        reverse = """
            union all
            select local_authority from green_space where local_authority not in
            (select local_authority_2019 from small_areas where local_authority_2019 is not null)
        """
        checks.append(
            expect_no_rows(
                "authorities of Great Britain (2019) without green space" + (", and the reverse" if complete else ""),
                connection,
                """
                select distinct local_authority_2019 from small_areas
                where nation <> 'Northern Ireland' and local_authority_2019 not in
                (select local_authority from green_space)
                """
                + (reverse if complete and not left_out else ""),
            )
        )
    if not left_out:
        checks.append(
            expect_no_rows(
                "small areas without a name or a 2019 authority",
                connection,
                "select code from small_areas where name is null or local_authority_2019 is null",
            )
        )
        checks.append(
            expect_no_rows(
                "LSOAs of 2021 without a name or a 2024 authority",
                connection,
                "select code from lsoas_2021 where name is null or local_authority_2024 is null",
            )
        )
        checks.append(
            expect_no_rows(
                "areas without their ward, middle layer, integrated care board or health board",
                connection,
                """
                select code from lsoas_2011 where ward_2019 is null or msoa_2011 is null
                or (nation = 'England' and (sub_icb_2022 is null or icb_2022 is null))
                union all
                select code from lsoas_2021 where nation = 'England' and (sub_icb_2024 is null or icb_2024 is null)
                union all
                select code from data_zones_2011
                where ward is null or intermediate_zone is null or health_board is null or urban_rural_8fold is null
                """,
            )
        )
        checks.append(
            expect_no_rows(
                "integrated care boards without their NHS region, authorities of Wales without their health board",
                connection,
                """
                select icb_2022 from lsoas_2011
                where exists (select * from nhs_regions_2021)
                and icb_2022 not in (select icb_2022 from nhs_regions_2021)
                union
                select icb_2024 from lsoas_2021
                where exists (select * from nhs_regions_2021)
                and icb_2024 not in (select icb_2024 from nhs_regions_2021)
                union
                select local_authority_2019 from lsoas_2011
                where nation = 'Wales' and exists (select * from health_boards_2022)
                and local_authority_2019 not in (select local_authority from health_boards_2022)
                """,
                "A lookup does not fit the others' year.",
            )
        )
        checks.append(
            expect_no_rows(
                "LSOAs that are in no change from 2011 to 2021, changes that are not of their kind",
                connection,
                f"""
                select code from lsoas_2011 where code not in (select lsoa_2011 from {LSOA_CHANGES.name})
                union all
                select code from lsoas_2021 where code not in (select lsoa_2021 from {LSOA_CHANGES.name})
                union all
                select lsoa_2011 from {LSOA_CHANGES.name} where change in ('U', 'M')
                group by lsoa_2011 having count(*) > 1
                union all
                select lsoa_2021 from {LSOA_CHANGES.name} where change in ('U', 'S')
                group by lsoa_2021 having count(*) > 1
                """,
            )
        )
    return checks


def _answered(connection: sqlite3.Connection, indices: list[Index], whole: bool) -> list[Check]:
    """Return how many live postcodes with a small area have figures on the LSOAs of 2021.

    In a `whole` database it must be most.
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
        found = f"{answered:,} of {live:,} ({1000 * answered // (live or 1) / 10} %)"  # never 100 % but where it is
        enough = not whole or answered >= LEAST_SHARE * live
        expected = found if enough else f"{100 * LEAST_SHARE:.0f} % or more"
        checks.append(
            Check(f"live postcodes of {nation} with a small area that have figures by LSOA (2021)", expected, found)
        )
    return checks


def _types(connection: sqlite3.Connection, tables: dict[str, Table]) -> Check:
    queries = []
    for table in tables.values():
        wrong = " or ".join(
            f"typeof({column}) not in ({SQL_TYPES[type_]}, 'null')" for column, type_ in table.columns.items()
        )
        queries.append(f"select '{table.name}', {table.key.split(', ')[0]} from {table.name} where {wrong}")
    return expect_no_rows("values of another type than their column's", connection, " union all ".join(queries))


def _shares(connection: sqlite3.Connection, tables: dict[str, Table]) -> Check:
    shares = [(t, c) for t in tables.values() for c in t.columns if c.endswith("_share")]
    wrong = " union all ".join(
        f"select {t.key.split(', ')[0]}, '{c}', {c} from {t.name} where {c} not between 0 and 1" for t, c in shares
    )
    return expect_no_rows("shares that are not within 0 to 1", connection, wrong, "Are they percentages now?")


def _findable(connection: sqlite3.Connection, tables: dict[str, Table]) -> Check:
    """Check that views are as declared, every index is there, and the full-text indexes have every row."""
    there = dict(connection.execute("select name, sql from sqlite_master"))
    problems = [f"view {name} is another" for name in VIEWS if there[name] != view_sql(name)]
    for table in tables.values():
        problems += [f"no {name}" for name in table.index_names if name not in there]
        indexed = f"{table.name}_fts_docsize"
        if table.search and indexed not in there:
            problems.append(f"no full-text index of {table.name}")
        elif table.search:
            rows, found = (_one(connection, f"select count(*) from {name}") for name in (table.name, indexed))
            if rows != found:
                problems.append(f"{found:,} of {rows:,} rows of {table.name} in its full-text index")
    return Check("views, indexes and full-text search", "all there", "; ".join(problems) or "all there")


def _sound(connection: sqlite3.Connection, tables: dict[str, Table]) -> list[Check]:
    integrity = "; ".join(row[0] for row in connection.execute("pragma integrity_check(3)"))
    broken = connection.execute("pragma foreign_key_check").fetchmany(3)
    found = "; ".join(f"{child} row {row} has no {parent}" for child, row, parent, _ in broken)
    stamped = _one(connection, f"select digest from {EDITION.name}")
    return [
        Check("integrity_check", "ok", integrity),
        Check("foreign_key_check", "none", found or "none"),
        Check(
            "digest of every row",
            stamped[:16],
            digest(connection, tables)[:16],
            "A figure was changed after the build.",
        ),
    ]
