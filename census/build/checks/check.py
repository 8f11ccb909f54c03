"""Check a census.db: what was expected and what is there, and queries that must find nothing."""

import sqlite3
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).parent

ALTERED = "A figure is another area's, another column's, or was changed: compare with the publication."
"""The hint of checks of figures against each other, in their files {ALTERED}."""


@dataclass(frozen=True)
class Check:
    """One line of the report. hint: where to look when it fails."""

    name: str
    expected: str
    actual: str
    hint: str = ""

    @property
    def passed(self) -> bool:
        """Whether what is there is what was expected."""
        return self.expected == self.actual


@dataclass(frozen=True)
class Query:
    """A query that must find no row."""

    name: str
    hint: str
    sql: str


def query(file: str, **values: object) -> Query:
    """Return the query of a file of this folder, `FILE.sql`, with its {placeholders} filled with `values`.

    Its first lines are comments: `-- name: …`, as in the report, and `-- hint: …` where there is one.
    """
    header, sql = _read(file)
    filled = {key: text.format(**values, ALTERED=ALTERED) for key, text in header.items()}
    return Query(filled["name"], filled.get("hint", ""), sql.format(**values))


@cache
def _read(file: str) -> tuple[dict[str, str], str]:
    lines = (FOLDER / f"{file}.sql").read_text("utf-8").splitlines()
    about = [line for line in lines if line.startswith(("-- name: ", "-- hint: "))]
    header = dict(line.removeprefix("-- ").split(": ", 1) for line in about)
    return header, "\n".join(lines[len(header) :])


def expect_no_rows(connection: sqlite3.Connection, *queries: Query) -> Check:
    """Return the check that none of `queries` finds a row; the first few rows that they find are named.

    The check has the name and the hint of the first.
    """
    together = "\nunion all\n".join(query.sql for query in queries)
    rows = connection.execute(f"select * from (\n{together}\n) limit 3").fetchall()
    actual = "; ".join(" ".join(map(str, row)) for row in rows)
    return Check(queries[0].name, "none", actual or "none", queries[0].hint)
