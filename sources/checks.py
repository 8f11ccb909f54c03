"""What must hold of a census.db, asked of the finished database itself, after a build and by `--check`.

A check compares what was expected with what was found; all of them are reported, and one that fails refuses the
database.
"""

import sqlite3
from dataclasses import dataclass
from numbers import Number

from sources import green_space
from sources.database import EDITION, all_tables, digest
from sources.deprivation import DEPRIVATION, band_sql
from sources.geography import LISTS
from sources.publication import Index, Publication, Table
from sources.views import VIEWS, view_sql

FEWEST_POSTCODES = 2_600_000  # the directory of 2023 had 2.69 million and it only grows
SQL_TYPES = {str: "'text'", int: "'integer'", float: "'real'", Number: "'integer', 'real'"}


@dataclass(frozen=True)
class Check:
    """One line of the report. hint: where to look when it fails."""

    name: str
    expected: str
    found: str
    hint: str = ""

    @property
    def passed(self) -> bool:
        """Whether what was found is what was expected."""
        return self.expected == self.found


def run(connection: sqlite3.Connection, publications: list[Publication]) -> list[Check]:
    """Every check of the database behind `connection`, in the order of the report."""
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
    left_out = {row[0] for row in connection.execute("select publication from publications where status = 'left out'")}
    checks.append(Check("publications left out", ", ".join(sorted(left_out)) or "none", editions[0][1] or "none"))
    indices = [p.index for p in publications if p.index and p.id not in left_out]
    checks += _counts(connection, indices, complete, left_out)
    for index in indices:
        checks += _ranks(connection, index, complete)
        checks += _scores(connection, index)
        checks += _bands(connection, index)
        checks += _areas(connection, index)
    checks += _joins(connection, indices, complete, left_out)
    checks += [_types(connection, tables), _shares(connection, tables), _findable(connection, tables)]
    checks += _sound(connection, tables)
    return checks


def undescribed(connection: sqlite3.Connection, metadata: dict, publications: list[Publication]) -> list[Check]:
    """That `metadata` (metadata.yml, read) describes each table and column there is, and no other."""
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


def _one(connection: sqlite3.Connection, sql: str, *parameters):
    return connection.execute(sql, parameters).fetchone()[0]


def _none(name: str, connection: sqlite3.Connection, sql: str, hint: str = "") -> Check:
    """A check that the query `sql` finds no row; the first few that it finds are named."""
    rows = connection.execute(f"select * from ({sql}) limit 3").fetchall()
    found = "; ".join(" ".join(map(str, row)) for row in rows)
    return Check(name, "none", found or "none", hint)


def _counts(connection, indices: list[Index], complete: bool, left_out: set[str]) -> list[Check]:
    checks = []
    expected: dict[str, int] = {}
    by_list: dict[str, int] = {}
    for index in indices:
        expected[index.table] = index.areas
        by_list[LISTS[index.area_kind]] = by_list.get(LISTS[index.area_kind], 0) + index.areas
    if not left_out:
        expected |= by_list
    if "green_space" not in left_out:
        expected[green_space.TABLE.name] = green_space.AUTHORITIES
    for table, areas in expected.items():
        found = _one(connection, f"select count(*) from {table}")
        if complete or table == "green_space":
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


def _columns(connection, table: str) -> list[str]:
    return [row[1] for row in connection.execute(f"pragma table_info({table})")]


def _ranks(connection, index: Index, complete: bool) -> list[Check]:
    table, n = index.table, index.areas
    ranks = [c for c in _columns(connection, table) if c.endswith("_rank")]
    checks = [
        _none(
            f"{index.id}: ranks that are blank or not within 1 to {n:,} ({len(ranks)} columns)",
            connection,
            " union all ".join(
                f"select area_code, '{c}', {c} from {table} where {c} is null or {c} not between 1 and {n}"
                for c in ranks
            ),
        )
    ]
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


def _scores(connection, index: Index) -> list[Check]:
    """That no area has a higher score than one that ranks as more deprived: a score under another's label would."""
    columns = _columns(connection, index.table)
    scored = [c[:-6] for c in columns if c.endswith("_score") and f"{c[:-6]}_rank" in columns]
    if not scored:
        return []
    wrong = " union all ".join(
        f"select area_code, '{name}_score', score from (select area_code, {name}_score as score,"
        f" min({name}_score) over (order by {name}_rank groups between unbounded preceding and 1 preceding) as before"
        f" from {index.table}) where score > before"
        for name in scored
    )
    if index.score:
        wrong += f" union all select area_code, '{index.score}', 'blank' from {index.table} where {index.score} is null"
    name = f"{index.id}: scores that rise with the rank ({len(scored)} columns), blank overall scores"
    return [_none(name, connection, wrong)]


def _bands(connection, index: Index) -> list[Check]:
    bands = [("imd", f"imd_{name}", q) for name, q in index.bands.items()]
    if index.domain_bands:
        columns = _columns(connection, index.table)
        bands += [(c[:-7], c, 10) for c in columns if c.endswith("_decile") and c != "imd_decile"]
    if not bands:
        return []
    wrong = " union all ".join(
        f"select area_code || ' {column} ' || coalesce({column}, 'null') || ', by the rule '"
        f" || ({band_sql(f'{prefix}_rank', index.areas, q, index.band_rule)})"
        f" from {index.table} where {column} is not {band_sql(f'{prefix}_rank', index.areas, q, index.band_rule)}"
        for prefix, column, q in bands
    )
    return [
        _none(
            f"{index.id}: published bands that are not {index.band_rule} of the rank ({len(bands)} columns)",
            connection,
            wrong,
            "A changed cell, or a publisher's new rule: compare with the publication.",
        )
    ]


def _areas(connection, index: Index) -> list[Check]:
    return [
        _none(
            f"{index.id}: areas without the index, and the reverse",
            connection,
            f"""
            select code from small_areas where nation = '{index.nation}' and kind = '{index.area_kind}'
            and code not in (select area_code from {index.table})
            union all
            select area_code from {index.table} left join small_areas on code = area_code
            where code is null or nation <> '{index.nation}'
            """,
        )
    ]


def _joins(connection, indices: list[Index], complete: bool, left_out: set[str]) -> list[Check]:
    checks = []
    covered = ", ".join(f"'{i.nation}'" for i in indices)
    if "postcode_directory" not in left_out:
        checks.append(
            _none(
                "postcodes with a code that do not meet their area and its index",
                connection,
                f"""
                with met as (
                    select code from small_areas
                    where nation not in ({covered}) or code in (select area_code from {DEPRIVATION.name})
                )
                select distinct lsoa_2011 from postcodes
                where lsoa_2011 is not null and lsoa_2011 not in (select code from met)
                """,
            )
        )
        if complete:
            checks.append(
                _none(
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
            _none(
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
            _none(
                "small areas without a name or a 2019 authority",
                connection,
                "select code from small_areas where name is null or local_authority_2019 is null",
            )
        )
        checks.append(
            _none(
                "LSOAs and data zones without their ward or middle layer",
                connection,
                """
                select code from lsoas_2011 where ward_2019 is null or msoa_2011 is null
                union all
                select code from data_zones_2011 where ward is null or intermediate_zone is null
                """,
            )
        )
    return checks


def _types(connection, tables: dict[str, Table]) -> Check:
    queries = []
    for table in tables.values():
        wrong = " or ".join(
            f"typeof({column}) not in ({SQL_TYPES[type_]}, 'null')" for column, type_ in table.columns.items()
        )
        queries.append(f"select '{table.name}', {table.key.split(', ')[0]} from {table.name} where {wrong}")
    return _none("values of another type than their column's", connection, " union all ".join(queries))


def _shares(connection, tables: dict[str, Table]) -> Check:
    shares = [(t, c) for t in tables.values() for c in t.columns if c.endswith("_share")]
    wrong = " union all ".join(
        f"select {t.key.split(', ')[0]}, '{c}', {c} from {t.name} where {c} not between 0 and 1" for t, c in shares
    )
    return _none("shares that are not within 0 to 1", connection, wrong, "Are they percentages now?")


def _findable(connection, tables: dict[str, Table]) -> Check:
    """That views are the declared ones, every index is there, and what can be searched is in the full-text index."""
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


def _sound(connection, tables: dict[str, Table]) -> list[Check]:
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
