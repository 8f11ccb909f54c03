"""Builds census.db: UK small-area deprivation, green space and postcodes from the official publications.

python build_db.py                              from the extract in this repository: seconds, offline
python build_db.py --full                       the whole UK, from the publishers' addresses
python build_db.py --full --mirror DIR-or-URL   the same files from a folder or a base address, nothing else
python build_db.py --check census.db            verifies a database and says what it holds
python build_db.py --parquet DIR                every table of census.db as a Parquet file
python build_db.py --maps                       maps/uk.mbtiles next to census.db: boundaries and tiles for the map
python build_db.py --extract CODES              cuts the extract again from a full census.db and its map
"""

import argparse
import contextlib
import functools
import signal
import sqlite3
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

from census.build import extracts, map_file, parquet
from census.build.checks import run as checks
from census.build.checks.check import Check
from census.build.database import Build
from census.build.fetch import CHECKED, Library
from census.build.finish import finish, publish
from census.build.load import load_hosted, load_publications
from census.domain.types import Advance
from census.lookup.maps import map_of
from census.schema import hosted
from census.schema.tables import all_tables
from census.terminal import write_any_character
from sources import boundaries, registry
from sources.publication import SourceError

ROOT = Path(__file__).resolve().parents[2]
FILES = frozenset(file.id for publication in registry.publications() for file in publication.files) | frozenset(
    published.file.id for published in boundaries.PUBLISHED
)
say = functools.partial(print, flush=True)


def main(arguments: list[str] | None = None) -> int:
    """Run the command; return the exit status: 0 only for a database that passed every check, 1, or 2 for misuse."""
    write_any_character()
    options = _options(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        if options.check:
            return check(options.check)
        if options.extract:
            return cut(options.output, options.extract)
        if options.parquet:
            return as_parquet(options.output, options.parquet)
        if options.maps:
            return maps(options)
        return build(options)
    except SourceError as error:
        problem = str(error)
    except sqlite3.Error as error:
        problem = f"{options.output.parent}: the database could not be written ({error}). Is the disk full?"
    except OSError as error:
        problem = f"{error.filename or options.output.parent}: {error.strerror or error}"
    except KeyboardInterrupt:
        problem = "interrupted"
    print(f"build_db.py: {problem}", file=sys.stderr)
    if not (options.check or options.extract or options.parquet):
        kept = map_of(options.output) if options.maps else options.output
        print(f"build_db.py: nothing was built; {_old(kept)}", file=sys.stderr)
    return 1


def build(options: argparse.Namespace) -> int:
    """Build, check and publish a database."""
    started = time.monotonic()
    publications = registry.publications() + hosted.data_sets()
    library = _library(options) if options.full else None
    with contextlib.closing(Build(options.output, publications, library, progress, say)) as building:
        if options.full:
            load_publications(building, set(options.skip))
        else:
            extracts.load(building)
        load_hosted(building)
        finish(building)
        metadata = hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text("utf-8")))
        results = checks.run(building.db.conn, publications)
        results += checks.undescribed(building.db.conn, metadata, publications)
        report(results)
        if not all(check.passed for check in results):
            raise SourceError(failures(results))
        publish(building)
    say(f"{options.output} built in {time.monotonic() - started:.1f} s")
    holdings(options.output)
    return 0


def check(path: Path) -> int:
    """Verify the database `path` and print what it holds."""
    with _opened(path) as connection:
        results = checks.run(connection, registry.publications() + hosted.data_sets())
    report(results)
    if not all(check.passed for check in results):
        raise SourceError(f"{path}: {failures(results)}")
    holdings(path)
    return 0


def cut(path: Path, codes: list[str]) -> int:
    """Cut the extract of `codes` from the full database `path`."""
    with _opened(path):
        manifest = extracts.cut(path, codes, extracts.FOLDER, registry.publications(), map_of(path))
    size = sum(file.stat().st_size for file in extracts.FOLDER.iterdir())
    rows = sum(table["rows"] for table in manifest["tables"].values())
    say(f"{extracts.FOLDER}: {rows:,} rows, {size / 1e6:.1f} MB")
    return 0


def as_parquet(path: Path, folder: Path) -> int:
    """Write every table of the database `path` to `folder` as Parquet."""
    publications = registry.publications() + hosted.data_sets()
    metadata = hosted.describe(yaml.safe_load((ROOT / "metadata.yml").read_text("utf-8")))
    with _opened(path) as connection:
        tables = all_tables(publications)
        rows = parquet.write(connection, tables, metadata["databases"]["census"], folder)
    size = sum(file.stat().st_size for file in folder.iterdir())
    say(f"{folder}: {len(rows)} tables, {sum(rows.values()):,} rows, {size / 1e6:.1f} MB")
    return 0


def maps(options: argparse.Namespace) -> int:
    """Build the map of the database at `options.output`: of an extract from the repository, otherwise as --full."""
    started = time.monotonic()
    with _opened(options.output) as connection:
        [scope] = connection.execute("select scope from edition").fetchone()
    if scope != "complete" and options.mirror:
        raise SourceError(f"{options.output} is an extract: its boundaries are in the repository, not in a mirror.")
    library = _library(options) if scope == "complete" else None
    path = map_of(options.output)
    counted = map_file.build(options.output, path, library, say)
    tiles = ", ".join(f"{count:,} tiles of {layer}" for layer, count in counted.items())
    say(f"{path} built in {time.monotonic() - started:.1f} s: {tiles}, {path.stat().st_size / 1e6:.1f} MB")
    return 0


def report(results: list[Check]) -> None:
    """Print the checks, a line each."""
    for c in results:
        outcome = c.actual if c.passed else f"expected {c.expected}, found {c.actual}"
        say(f"{'ok' if c.passed else 'FAILED':7}{c.name}: {outcome}")


def failures(results: list[Check]) -> str:
    """Return the failed checks, a sentence each."""
    return "\n".join(
        f"{c.name}: expected {c.expected}, found {c.actual}." + (f" {c.hint}" if c.hint else "")
        for c in results
        if not c.passed
    )


def holdings(path: Path) -> None:
    """Print what the database holds: editions, rows, size."""
    with _opened(path) as connection:
        digest, scope, authorities, left_out = connection.execute(
            "select digest, scope, authorities, left_out from edition"
        ).fetchone()
        area = "the United Kingdom" if scope == "complete" else f"an extract: {authorities}"
        say(f"holds {area}")
        for title, edition, status, rows, checked in connection.execute(
            "select title, group_concat(distinct edition), status, max(rows), group_concat(distinct checked)"
            " from publications group by publication"
        ):
            parts = (status, f"{rows:,} rows" if rows else None, checked)
            say(f"  {title} ({edition or 'no edition'}): {', '.join(filter(None, parts))}")
        by_checked = dict(connection.execute("select checked, count(*) from publications group by 1"))
        files = ", ".join(f"{by_checked[name]} {name} ({CHECKED[name]})" for name in CHECKED if name in by_checked)
        say(f"  files by their SHA-256: {files or 'none'}")
        postcodes, live = connection.execute("select count(*), count(*) - count(terminated) from postcodes").fetchone()
        areas = connection.execute("select count(*) from small_areas").fetchone()[0]
        say(f"  {postcodes:,} postcodes, {live:,} of them live, in {areas:,} small areas")
        if left_out:
            say(f"  left out: {left_out}")
    say(f"  {path.stat().st_size / 1e6:.1f} MB, digest {digest[:16]}")


@contextlib.contextmanager
def progress(title: str, total: int | None) -> Iterator[Advance]:
    """Show a progress bar in a terminal, otherwise a line; yield a function that takes bytes as they come."""
    if not sys.stdout.isatty():
        say(f"reading {title}" + (f" ({total:,} bytes)" if total else ""))
        yield lambda _: None
        return
    import rich.progress  # a part of the build's environment, which --check does without

    bar = rich.progress.Progress(
        rich.progress.TextColumn("{task.description}"),
        rich.progress.BarColumn(),
        rich.progress.DownloadColumn(),
        rich.progress.TimeRemainingColumn(),
        transient=True,
    )
    with bar:
        task = bar.add_task(title, total=total)
        yield lambda n: bar.advance(task, n)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[sqlite3.Connection]:
    if not path.is_file():
        raise SourceError(f"{path}: there is no such file.")
    connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        connection.execute("select * from edition").fetchone()
        yield connection
    except sqlite3.DatabaseError as error:
        raise SourceError(f"{path} is not a database that build_db.py made, or it is damaged: {error}") from error
    finally:
        connection.close()


def _library(options: argparse.Namespace) -> Library:
    return Library(options.mirror, options.cache, progress, options.accept_changed)


def _old(output: Path) -> str:
    return f"the old {output.name} is as it was." if output.exists() else f"there is no {output.name}."


def _files(text: str) -> frozenset[str]:
    """Return the ids of files in `text`, with commas between, or of every file for "all"."""
    return FILES if text == "all" else frozenset(name.strip() for name in text.split(",") if name.strip())


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = [p.id for p in registry.publications()]
    parser.add_argument("--full", action="store_true", help="every publication instead of the extract")
    parser.add_argument(
        "--mirror", metavar="DIR-or-URL", help="with --full or --maps: where the files are; no other address is used"
    )
    parser.add_argument("--cache", metavar="DIR", type=Path, default=ROOT / "cache", help="where downloads are kept")
    parser.add_argument("--output", metavar="FILE", type=Path, default=ROOT / "census.db", help="default: census.db")
    parser.add_argument(
        "--skip",
        metavar="NAMES",
        type=lambda text: [name.strip() for name in text.split(",") if name.strip()],
        default=[],
        help=f"with --full: publications to leave out, with commas between ({', '.join(names)})",
    )
    parser.add_argument(
        "--accept-changed",
        metavar="FILES",
        nargs="?",
        const="all",
        default="",
        type=_files,
        help="with --full or --maps: take these files (ids with commas between; all, if none is named), though they are"
        " others than the known ones, and record them as changed",
    )
    parser.add_argument("--check", metavar="FILE", type=Path, help="verify an existing database")
    parser.add_argument(
        "--extract",
        metavar="CODES",
        type=lambda text: [code.strip() for code in text.split(",") if code.strip()],
        help="cut the extract of these authorities (codes with commas between) from the full database at --output",
    )
    parser.add_argument(
        "--parquet", metavar="DIR", type=Path, help="write the tables of the database at --output as Parquet files"
    )
    parser.add_argument(
        "--maps", action="store_true", help="boundaries and tiles of the database at --output, in maps/ next to it"
    )
    options = parser.parse_args(arguments)
    if not options.full and options.skip:
        parser.error("--skip goes with --full")
    if not (options.full or options.maps) and options.mirror:
        parser.error("--mirror goes with --full and --maps")
    if not (options.full or options.maps) and options.accept_changed:
        parser.error("--accept-changed goes with --full and --maps")
    if unknown := sorted(options.accept_changed - FILES):
        parser.error(f"--accept-changed: no file {', '.join(unknown)}; there are {', '.join(sorted(FILES))}")
    if unknown := sorted(set(options.skip) - set(names)):
        parser.error(f"--skip: no publication {', '.join(unknown)}; there are {', '.join(names)}")
    if set(options.skip) == set(names):
        parser.error("--skip: that would leave out every publication")
    if bool(options.check) + bool(options.extract) + bool(options.parquet) + options.full + options.maps > 1:
        parser.error("--full, --check, --extract, --maps and --parquet do not go together")
    return options
