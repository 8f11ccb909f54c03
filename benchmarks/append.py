"""append.py over a made-up table of patients: rows a second and memory, against copying the table with csv."""

import csv
import random
import sqlite3
import string
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.api import matched

ROOT = Path(__file__).resolve().parent.parent
PEAK = """
import re, sys, append
status = append.main(sys.argv[1:])
print(status, re.search(r"VmHWM:\\s+(\\d+)", open("/proc/self/status", encoding="utf-8").read())[1])
"""
MORE = "status,area_name,rank,decile,quintile,income_decile,idaci_rank,idaci_decile,uk_composite_decile"


def patients(path: Path, n: int) -> None:
    """Write a table of `n` rows: nine in ten live postcodes, the rest retired, not there, empty or no postcodes."""
    census = sqlite3.connect(f"file:{ROOT / 'census.db'}?mode=ro", uri=True)
    sql = "select postcode from postcodes where lsoa_2011 is not null and terminated is {} null"
    live, retired = ([row[0] for row in census.execute(sql.format(what))] for what in ("", "not"))
    chance = random.Random(5)

    def postcode() -> str:
        of = chance.random()
        if of < 0.94:
            text: str = chance.choice(live if of < 0.9 else retired)
            return text if of < 0.6 else text.replace(" ", "").lower()
        if of < 0.96:
            return "".join(chance.choices(string.ascii_uppercase, k=2)) + f"{chance.randint(10, 99)} 9ZZ"
        return "" if of < 0.98 else f"unknown {chance.randint(0, 999)}"

    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "surname", "born", "POSTCODE", "clinic"])
        writer.writerows([k, "Smith, J", "2010-02-03", postcode(), "Leeds"] for k in range(n))


def main(folder: Path, n: int) -> None:
    """Print what adding the default columns, and some more, to `n` rows costs; the database is the house's."""
    table, out = folder / "patients.csv", folder / "out.csv"
    patients(table, n)
    started = time.perf_counter()
    with table.open(newline="", encoding="utf-8") as reading, out.open("w", newline="", encoding="utf-8") as writing:
        csv.writer(writing).writerows(csv.reader(reading))
    copying = time.perf_counter() - started
    print(f"append.py, {n:,} rows; copying them with csv alone {copying:.1f} s:")
    for name, options in (
        ("the default columns", []),
        ("domains and composite", ["--columns", MORE, "--quantile", "5"]),
    ):
        started = time.perf_counter()
        command = [sys.executable, "-c", PEAK, table, "--postcode", "POSTCODE", "-o", out, "--force", *options]
        done = subprocess.run([*map(str, command)], cwd=ROOT, capture_output=True, encoding="utf-8", check=True)
        took = time.perf_counter() - started
        status, peak = map(int, matched(r"^(\d+) (\d+)\n$", done.stdout).groups())
        assert status == 0
        print(f"  {name}: {took:.1f} s, {took / copying:.1f} times the copying, ", end="")
        print(f"{n / took:,.0f} rows a second, {peak / 1024:.0f} MiB with what it touched of the mapped database")
