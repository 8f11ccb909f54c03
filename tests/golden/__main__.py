"""Compares the golden answers with what is answered now, or records what is.

python -m tests.golden                    prints a diff for each answer that differs, exit status 1
python -m tests.golden --record           records the answers as they are now, and prints the same diffs
python -m tests.golden --whole DIR        writes every answer whole into DIR, to be compared with another revision's

--database FILE takes another build of the extract (without a map next to it, what needs one is left as it is);
--full FILE compares or records a full build and its map instead. --only GROUP is for one group of requests.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from tests import conftest
from tests.golden import commands, database, records
from tests.golden.normal import Known
from tests.golden.site import Site, requests
from tests.kept import kept


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; returns the exit status: 1 where an answer differs that was not to be recorded."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true", help="record the answers as they are now")
    parser.add_argument("--whole", metavar="DIR", type=Path, help="write every answer whole into DIR")
    parser.add_argument("--database", metavar="FILE", type=Path, help="a build of the extract")
    parser.add_argument("--full", metavar="FILE", type=Path, help="a full build, instead of the extract")
    parser.add_argument("--only", metavar="GROUP", action="append", help="only this file of answers")
    options = parser.parse_args(arguments)
    if options.full:
        return told("full", {"full": database.records(options.full)}, options.record)
    with tempfile.TemporaryDirectory() as folder:
        path = options.database or extract(Path(folder) / "extract")
        guide(path, Path(folder) / "guide")
        served = Path(folder) / "site"
        served.mkdir()
        site = Site(conftest.datasette_of(conftest.site_of(path.resolve(), served)), Known.of(path))
        has_map = path.with_name("maps").exists()
        if options.record and not has_map:
            parser.error(f"there is no maps/ next to {path}: what needs one could not be recorded")
        sets = records.Sets(recorded=not options.record or bool(options.only))
        now: dict[str, dict[str, str]] = {}
        for request in requests():
            if options.only and request.group not in options.only:
                continue
            if request.map and not has_map:
                now.setdefault(request.group, {})[request.name] = records.read(request.group)[request.name]
                continue
            answer = site.answer(request)
            now.setdefault(request.group, {})[request.name] = site.record(request, answer, sets.name)
            if options.whole:
                write_whole(options.whole, request, site.shown(request, answer)[0])
        if not options.only or "commands" in options.only:
            now["commands"] = {run.title: commands.record(run, path) for run in commands.runs()}
            now["commands"] |= {f"{name} --help": commands.options_of(name) for name in commands.PROGRAMS}
        if not options.only or "extract" in options.only:
            now["extract"] = database.records(path, map_too=has_map)
            if not has_map:
                now["extract"] |= {n: t for n, t in records.read("extract").items() if n.startswith("map: ")}
        if options.record and not options.only:
            now[records.SETS] = sets.records()
        return told("extract", now, options.record)


def told(what: str, now: dict[str, dict[str, str]], record: bool) -> int:
    """Prints what differs, and records it if it is to be; returns the exit status. what: for the last line."""
    count = 0
    for name, entries in now.items():
        for diff in records.differences(name, entries):
            print(diff, end="\n\n")
            count += 1
        if record:
            records.write(name, entries)
    total = sum(map(len, now.values()))
    done = "recorded" if record else "differ from those recorded"
    print(f"{what}: {count} of {total} answers {done}", file=sys.stderr)
    return 1 if count and not record else 0


def extract(folder: Path) -> Path:
    """A census.db of the extract with its map, as the tests have it."""

    def make(made: Path) -> None:
        for more in ((), ("--maps",)):
            done = conftest.command(*more, "--output", made / "census.db")
            if done.returncode:
                sys.exit(done.stderr)

    return kept("extract", folder, make) / "census.db"


def guide(path: Path, folder: Path) -> None:
    """The guide as the tests have it, for the site to serve."""

    def make(made: Path) -> None:
        mkdocs = [Path(sys.executable).with_name("mkdocs"), "build", "--strict", "--site-dir", made]
        environment = {**os.environ, "CENSUS_DB": str(path.resolve()), "NO_MKDOCS_2_WARNING": "1"}
        done = subprocess.run(mkdocs, cwd=conftest.ROOT, env=environment, capture_output=True, encoding="utf-8")
        if done.returncode:
            sys.exit(done.stdout + done.stderr)

    os.environ["GUIDE"] = str(kept("guide", folder, make))


def write_whole(folder: Path, request, body: str) -> None:
    """Writes a whole answer, normalised, into a file named after its request."""
    file = folder / request.group / (request.name.replace("/", "_")[:150] + ".txt")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(body + "\n", "utf-8")


if __name__ == "__main__":
    code = main()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)  # Datasette's threads would keep it waiting
