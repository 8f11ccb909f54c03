"""Compare figures with each other: what an altered file would break, though each of its cells looks right.

Ranks are compared with their places, domain scores with the ranks that they are made from, overall scores and ranks
with the weighted domains, the composite with the indices that it stands on, and lookups with each other.
docs/security.md (Altered figures) says which alteration each check refuses; tests/alterations.py has the alterations.
"""

import math
import sqlite3

from census.build.checks.check import ALTERED, Check, Query, expect_no_rows, query
from census.build.provenance import attribution_of
from census.domain.types import Record
from census.schema.tables import INDICES, PROVENANCE
from sources import uk_composite_3_4 as uk_composite
from sources.geography import LISTS, LSOAS, LSOAS_2021
from sources.publication import Index, Publication

SCALE = 23  # of the exponential transformation, in the technical reports of all four nations
MOST_MOVED = 0.7  # of the range of ranks, between the editions of 2019 and 2025: the most was 0.558
MOST_TIED = 3  # areas at one place in a domain of England, as published; an extract does not show them all


def transformed(rank: float | None, areas: int) -> float | None:
    """Return the exponentially transformed score of `rank` among `areas`, from 0 (least deprived) to 100.

    As the technical reports define it: -23 ln(1 - R (1 - exp(-100/23))), where R is the share of areas that are not
    more deprived. None for what is no rank.
    """
    if not isinstance(rank, int | float) or not 0 < rank <= areas + 1:
        return None
    return -SCALE * math.log(1 - (areas + 1 - rank) / areas * (1 - math.exp(-100 / SCALE)))


def provenance(connection: sqlite3.Connection, publications: list[Publication]) -> list[Check]:
    """Check that licences and attributions are those that `publications` give, and checksums what is said of them.

    A file whose checksum became known after the build may stay recorded as unknown.
    """
    rows = {row["id"]: row for row in _dicts(connection, f"select * from {PROVENANCE.name}")}
    wrong: list[str] = []
    unlike: list[str] = []
    for publication in publications:
        for file in publication.files:
            row = rows.get(file.id)
            if row is None:
                wrong.append(f"{file.id} is missing")
                continue
            declared = {
                "publication": publication.id,
                "publisher": publication.publisher,
                "licence": publication.licence.name,
                "licence_url": publication.licence.url,
                "conditions": publication.conditions,
                "attribution": attribution_of(publication, row["edition"]),
            }
            wrong += [f"{file.id} {column}" for column, value in declared.items() if row[column] != value]
            if publication.hosted or row["sha256"] is None:
                continue
            kind = next((known.kind for known in file.known if known.sha256 == row["sha256"]), None)
            right = {"official": "verified", "rebuilt": "rebuilt"}.get(kind or "")
            if row["checked"] not in (right, "changed", "unknown") or row["checked"] is None:
                unlike.append(f"{file.id} {row['checked']}")
    indices = {p.index.id: p.index for p in publications if p.index}
    for row in _dicts(connection, f"select * from {INDICES.name}"):
        index = indices.get(row["id"])
        names = ("nation", "year", "areas", "area_kind", "geography", "band_rule")
        wrong += [f"{row['id']} {name}" for name in names if index is None or row[name] != getattr(index, name)]
    hint = "They are those of the modules in sources/."
    name = "licences, attributions and indices that are not as declared"
    return [
        Check(name, "none", _few(wrong), hint),
        Check("files that are not what their SHA-256 says", "none", _few(unlike), "Known ones are in sources/."),
    ]


def index(connection: sqlite3.Connection, index: Index, complete: bool) -> list[Check]:
    """Check the ranks, the domain scores and the overall score of an index against each other."""
    _with_functions(connection)
    columns = [row[1] for row in connection.execute(f"pragma table_info({index.table})")]
    filled = [c for c in columns if _filled(connection, index.table, c)]
    ranks = [column for column in filled if column.endswith("_rank")]
    checks = _rank_checks(connection, index, ranks) if complete and ranks else []
    if not index.weights:
        return checks
    scored = {prefix: f"{prefix}{index.domain_scores}" for prefix in index.weights} if index.domain_scores else {}
    scored = {prefix: column for prefix, column in scored.items() if column in filled}
    if scored:
        checks.append(_domain_scores(connection, index, scored, complete))
    return [*checks, _overall(connection, index, complete)]


def _rank_checks(connection: sqlite3.Connection, index: Index, ranks: list[str]) -> list[Check]:
    """Check that each rank is the place of its areas in the order, and that the columns are as published.

    None is skipped and none is there too often; a column has as many different ranks as it was published with, and its
    most deprived area is the published one.
    """
    rows = connection.execute(f"select area_code, {', '.join(ranks)} from {index.table}").fetchall()
    codes = [row[0] for row in rows]
    misplaced, expected, actual = [], [], []
    for at, column in enumerate(ranks, 1):
        tied: dict[float, int] = {}
        for row in rows:
            if isinstance(row[at], int | float):
                tied[row[at]] = tied.get(row[at], 0) + 1
        before = 0
        for rank in sorted(tied):
            place = before + 1 if index.ties == "first" else before + (tied[rank] + 1) / 2
            if rank not in (place, index.other_ties.get(column)):
                misplaced.append(f"{column} {rank} of {tied[rank]} areas, place {place:g}")
            before += tied[rank]
        if tied and column in index.published_ranks:
            distinct, first = index.published_ranks[column]
            leads = any(code == first and row[at] == min(tied) for code, row in zip(codes, rows, strict=True))
            if (len(tied), leads) != (distinct, True):
                expected.append(f"{column} {distinct:,} ranks, {first} first")
                actual.append(f"{column} {len(tied):,} ranks, {first} {'' if leads else 'not '}first")
    name = f"{index.id}: ranks that are not the {index.ties} of their places ({len(ranks)} columns)"
    checks = [Check(name, "none", _few(misplaced), ALTERED)]
    if index.published_ranks:
        name = f"{index.id}: number of ranks and most deprived area of each column ({len(ranks)})"
        published = "as published"
        checks.append(Check(name, "; ".join(expected[:3]) or published, "; ".join(actual[:3]) or published, ALTERED))
    return checks


def _domain_scores(connection: sqlite3.Connection, index: Index, scored: dict[str, str], complete: bool) -> Check:
    """Check that each domain's score follows from its rank, to the published decimals."""
    tolerance = 0.55 * 10**-index.decimals  # the publishers round once more on the way
    queries = []
    for prefix, column in scored.items():
        most, least = (_score_sql(f"{prefix}_rank", index, complete, most) for most in (True, False))
        columns = {"column": column, "columns": len(scored)}
        queries.append(query("domain_scores", index=index, most=most, least=least, tolerance=tolerance, **columns))
    return expect_no_rows(connection, *queries)


def _score_sql(rank: str, index: Index, complete: bool, most: bool) -> str:
    """Return SQL for the transformed score of the column `rank`: the most it can be, or the least.

    They differ where tied areas are scored at the mean of their places and an extract does not hold all of them.
    """
    if not index.scored_at_mean:
        return f"transformed({rank}, {index.areas})"
    if complete:
        return f"transformed({rank} + (count(*) over (partition by {rank}) - 1) / 2.0, {index.areas})"
    return f"transformed({rank} + {0 if most else (MOST_TIED - 1) / 2}, {index.areas})"


def weighted_sql(index: Index, complete: bool, most: bool = True) -> str:
    """Return SQL for the overall score that the ranks of the domains give."""
    parts = (
        f"{weight / 100!r} * {_score_sql(f'{prefix}_rank', index, complete, most)}"
        for prefix, weight in index.weights.items()
    )
    return " + ".join(parts)


def _overall(connection: sqlite3.Connection, index: Index, complete: bool) -> Check:
    """Check that the overall score is that of the weighted domains, and that the overall rank is in their order."""
    tolerance = 0.55 * 10**-index.decimals
    most, least = (weighted_sql(index, complete, most) for most in (True, False))
    score = index.score or "null"
    columns = len(index.weights)
    return expect_no_rows(
        connection,
        query("overall", index=index, score=score, most=most, least=least, tolerance=tolerance, columns=columns),
    )


def composite(connection: sqlite3.Connection, indices: list[Index], complete: bool) -> list[Check]:
    """Check the composite against the indices that it stands on, and its scores against the model that it uses."""
    _with_functions(connection)
    table = uk_composite.TABLE.name
    by_id = {index.id: index for index in indices}
    queries = [query("composite_expanded_deciles")]
    for nation, id_ in uk_composite.STANDS_ON.items():
        constant, employment, overall = uk_composite.MODEL[nation]
        queries.append(
            query("composite_model", nation=nation, constant=constant, employment=employment, overall=overall)
        )
        if id_ in by_id:
            queries += _composite_of(by_id[id_], nation, complete)
    checks = [expect_no_rows(connection, *queries)]
    if complete:
        decile = "uk_imd_e_pop_decile"
        counted = connection.execute(f"select count(*) from {table} group by {decile} order by {decile}")
        expected, actual = (", ".join(f"{n:,}" for n in ns) for ns in (uk_composite.DECILES, (n for (n,) in counted)))
        checks.append(Check(f"{table}: areas in each decile", expected, actual, ALTERED))
    return checks


def _composite_of(index: Index, nation: str, complete: bool) -> list[Query]:
    """Return queries for the areas whose figures in the composite are not those of `index`."""
    score = index.score or weighted_sql(index, complete)
    decile = "imd_decile" if "decile" in index.bands else f"(imd_rank * 10 + {index.areas - 1}) / {index.areas}"
    near = uk_composite.DECILES_DIFFER.get(nation, 0)
    rates = "".join(
        f" or abs(composite.{part}_score - 100 * original.{rate}) > 1e-6"
        for part, rate in uk_composite.RATES.get(nation, {}).items()
    )
    return [
        query("composite_index", index=index, score=score, decile=decile, near=near, rates=rates),
        *(query("composite_domain", index=index, part=part) for part in ("income", "employment")),
    ]


def between_tables(
    connection: sqlite3.Connection, indices: list[Index], complete: bool, left_out: set[str]
) -> list[Check]:
    """Check lookups, populations, green space and editions: what one table says against what another says."""
    checks = [expect_no_rows(connection, query(file)) for file in ("green_space", "populations")]
    if not left_out:
        checks += [_nested(connection), _names(connection)]
        if complete:
            checks.append(expect_no_rows(connection, query("boards")))
    return [*checks, *_editions(connection, indices, left_out)]


NESTED = {
    LSOAS.name: (
        ("ward_2019", "local_authority_2019"),
        ("ward_2019", "ward_2019_name"),
        ("msoa_2011", "local_authority_2019"),
        ("sub_icb_2022", "icb_2022"),
        ("substr(name, 1, length(name) - 1)", "msoa_2011"),
    ),
    LSOAS_2021.name: (
        ("sub_icb_2024", "icb_2024"),
        ("substr(name, 1, length(name) - 1)", "local_authority_2024"),
    ),
    LISTS["data zone"]: (
        ("intermediate_zone", "local_authority_2019"),
        ("intermediate_zone", "intermediate_zone_name"),
        ("ward", "local_authority_2019"),
        ("ward", "ward_name"),
        ("local_authority_2019", "health_board"),
        ("urban_rural_8fold", "urban_rural_6fold"),
        ("urban_rural_8fold", "urban_rural_3fold"),
        ("urban_rural_8fold", "urban_rural_2fold"),
    ),
}
"""Table to what lies in what: all areas of the first lie in one of the second. The beginning of an LSOA's name, as in
Westminster 018C, names its middle layer area."""


def _nested(connection: sqlite3.Connection) -> Check:
    return expect_no_rows(
        connection,
        *(
            query("nested", table=table, inner=inner, outer=outer)
            for table, pairs in NESTED.items()
            for inner, outer in pairs
        ),
    )


def _names(connection: sqlite3.Connection) -> Check:
    """Check that what an area's list and `small_areas` say of it are the same, and authorities' names their rows'."""
    return expect_no_rows(
        connection,
        *(query("names", table=table) for table in LISTS.values()),
        *(query("names_of_authorities", table=table) for table in (*LISTS.values(), LSOAS_2021.name)),
        query("names_of_districts"),
    )


def _editions(connection: sqlite3.Connection, indices: list[Index], left_out: set[str]) -> list[Check]:
    """Check that an area that is unchanged from 2011 to 2021 has not gone from one end of the ranks to the other."""
    if "lsoa_changes" in left_out:
        return []
    checks = []
    for nation in ("England", "Wales"):
        older = next((i for i in indices if i.nation == nation and i.geography == "lsoa_2011"), None)
        newer = next((i for i in indices if i.nation == nation and i.geography == "lsoa_2021"), None)
        if older and newer:
            percent = f"{100 * MOST_MOVED:.0f}"
            moved = query("editions", older=older, newer=newer, most=MOST_MOVED, percent=percent)
            checks.append(expect_no_rows(connection, moved))
    return checks


def _with_functions(connection: sqlite3.Connection) -> None:
    connection.create_function("transformed", 2, transformed, deterministic=True)


def _filled(connection: sqlite3.Connection, table: str, column: str) -> bool:
    return connection.execute(f"select 1 from {table} where {column} is not null limit 1").fetchone() is not None


def _dicts(connection: sqlite3.Connection, sql: str) -> list[Record]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def _few(problems: list[str]) -> str:
    return "; ".join(problems[:3]) or "none"
