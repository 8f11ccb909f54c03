"""A check of a census.db: what was expected and what was found."""

import sqlite3
from dataclasses import dataclass


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


def expect_no_rows(name: str, connection: sqlite3.Connection, sql: str, hint: str = "") -> Check:
    """Return a check that the query `sql` finds no row; the first few that it finds are named."""
    rows = connection.execute(f"select * from ({sql}) limit 3").fetchall()
    found = "; ".join(" ".join(map(str, row)) for row in rows)
    return Check(name, "none", found or "none", hint)
