#!/usr/bin/env python3
"""Build the files of a release in dist/, step by step, and print the commands that publish them.

python deploy/release.py                    the whole UK, from the publishers' addresses
python deploy/release.py --mirror DIR       the same from files that you have
python deploy/release.py --extract          a rehearsal over the extract in the repository
python deploy/release.py --dry-run          prints the steps and checks what needs no build

It makes no tag and pushes nothing.
"""

import argparse
import hashlib
import io
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import tomllib
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
CHECKSUMS = "SHA256SUMS"
NOTES = "RELEASE_NOTES.md"
_HEADING = re.compile(r"^## \[?(?P<version>[^\]\s]+)\]?(?: - (?P<date>.+))?$", re.MULTILINE)


class RefusedError(Exception):
    """A release that cannot be made. The message says what is wrong and what to do."""


@dataclass(frozen=True)
class Release:
    """What the repository says about the version to release.

    published: the date in CHANGELOG.md, None while it has none. notes: the version's section of CHANGELOG.md.
    """

    version: str
    published: date | None
    notes: str


def main(arguments: list[str] | None = None) -> int:
    """Run the command. Return 0 for a release that is ready, 1 for one that is refused, 2 for misuse."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # whatever the locale
    options = _options(arguments)
    root: Path = options.root
    try:
        return dry_run(root, options.mirror, options.extract) if options.dry_run else run(root, options)
    except RefusedError as error:
        print(f"release refused: {error}", file=sys.stderr)
        return 1


def run(root: Path, options: argparse.Namespace) -> int:
    """Go through every step; raise RefusedError at the first that fails."""
    release = read_release(root)
    if release.published is None and not options.extract:
        raise RefusedError(_undated(release))
    check_tree(root, release.version)
    check_dist(root / "dist")
    making = root / "build" / "release"
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir(parents=True)
    for title, command in steps(making, options.mirror, options.extract):
        print(f"\n{title}: {shlex.join(command)}", flush=True)
        if subprocess.run(command, cwd=root, check=False).returncode != 0:
            raise RefusedError(f"'{title}' failed. Nothing was put into dist/.")
    print("\nCollect the files in dist/", flush=True)
    files = collect(release, making, root / "dist")
    for path in files:
        print(f"  {path.relative_to(root)}  {path.stat().st_size:,} bytes")
    print()
    if options.extract:
        print("This was a rehearsal over the extract: do not publish these files.")
    else:
        print(instructions(release, _git(root, "rev-parse", "--short=12", "HEAD"), files, root))
    return 0


def dry_run(root: Path, mirror: str | None, extract: bool) -> int:
    """Print every step, and check what needs no build. Return 1 if a check fails, after all of them."""
    problems = 0
    release: Release | None = None
    try:
        release = read_release(root)
        print(f"ok       version {release.version} is the same in pyproject.toml, CITATION.cff and CHANGELOG.md")
        if release.published is None:
            print(f"to do    {_undated(release)}")
    except RefusedError as error:
        problems += 1
        print(f"refused  {error}")
    try:
        check_tree(root, release.version if release else None)
        print("ok       nothing is uncommitted, and the version has no tag yet")
    except RefusedError as error:
        problems += 1
        print(f"refused  {error}")
    try:
        check_dist(root / "dist")
    except RefusedError as error:
        problems += 1
        print(f"refused  {error}")
    for title, command in steps(Path("build/release"), mirror, extract):
        print(f"would    {title}: {shlex.join(command)}")
    print(f"would    Collect the files in dist/, with {CHECKSUMS} and {NOTES}")
    print("would    Print the commands that tag and publish the release, for you to run")
    if release:
        print(f"\nThe notes of {release.version}:\n\n{release.notes}")
    return 1 if problems else 0


def read_release(root: Path) -> Release:
    """Read the version and its section of the changelog from the repository at `root`.

    Raises RefusedError where the version is not of three numbers, or pyproject.toml, CITATION.cff and CHANGELOG.md do
    not agree.
    """
    version = str(tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"])
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise RefusedError(f"pyproject.toml has version {version}. A version is three numbers, such as 1.2.3.")
    cited = str(yaml.safe_load((root / "CITATION.cff").read_text("utf-8")).get("version"))
    if cited != version:
        raise RefusedError(f"CITATION.cff has version {cited}, pyproject.toml has {version}. Give both the same one.")
    changelog = (root / "CHANGELOG.md").read_text("utf-8")
    headings = [match for match in _HEADING.finditer(changelog) if match["version"] != "Unreleased"]
    newest = headings[0]["version"] if headings else None
    if version not in [match["version"] for match in headings]:
        raise RefusedError(
            f"CHANGELOG.md has no section for {version}. Add a heading '## {version} - YYYY-MM-DD' and the changes."
        )
    if newest != version:
        raise RefusedError(
            f"The newest version in CHANGELOG.md is {newest}, pyproject.toml has {version}. Release the newest one."
        )
    notes = re.split(r"^## ", changelog[headings[0].end() :], maxsplit=1, flags=re.MULTILINE)[0].strip()
    if not re.search(r"^- ", notes, re.MULTILINE):
        raise RefusedError(f"The section of {version} in CHANGELOG.md lists no change. Write what has changed.")
    return Release(version, _date(version, headings[0]["date"]), notes)


def check_tree(root: Path, version: str | None) -> None:
    """Raise RefusedError where the working tree has changes, or `version` has a tag already."""
    changed = _git(root, "status", "--porcelain").splitlines()
    if changed:
        files = ", ".join(line[3:] for line in changed[:5]) + (", …" if len(changed) > 5 else "")
        raise RefusedError(f"There are uncommitted changes: {files}. Commit them, or put them aside with git stash.")
    if version and _git(root, "tag", "--list", f"v{version}"):
        raise RefusedError(f"There is a tag v{version} already. Give the release a new version.")


def check_dist(dist: Path) -> None:
    """Raise RefusedError where `dist` holds something other than an earlier release, which would be replaced."""
    if dist.exists() and (not dist.is_dir() or (any(dist.iterdir()) and not (dist / CHECKSUMS).is_file())):
        raise RefusedError("dist/ holds something other than a release. Move it away.")


def steps(making: Path, mirror: str | None, extract: bool) -> list[tuple[str, list[str]]]:
    """Return the commands of the release, each with its title. They write into the folder `making`."""
    build = [sys.executable, "build_db.py"]
    database = str(making / "census.db")
    full = [] if extract else ["--full"]
    source = ["--mirror", mirror] if mirror else []
    return [
        ("Lint, check types and test", ["make", "check"]),
        ("Build the database", [*build, *full, *source, "--output", database]),
        ("Check the database", [*build, "--check", database]),
        ("Build the map", [*build, "--maps", *source, "--output", database]),
        ("Export Parquet", [*build, "--parquet", str(making / "parquet"), "--output", database]),
    ]


def collect(release: Release, making: Path, dist: Path) -> list[Path]:
    """Put the files of a release into `dist`, flat, with notes and checksums; replace those of an earlier one.

    making: the folder with census.db, maps/ and parquet/. Returns the files, in the order of their names.
    """
    part = making / "dist"
    part.mkdir()
    for source in (making / "census.db", making / "maps" / "uk.mbtiles", *sorted((making / "parquet").iterdir())):
        shutil.copy2(source, part)
    (part / NOTES).write_text(f"{release.notes}\n\n{describe_database(part / 'census.db')}", encoding="utf-8")
    lines = []
    for path in sorted(part.iterdir()):
        with path.open("rb") as file:
            lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    (part / CHECKSUMS).write_text("".join(lines), encoding="utf-8", newline="\n")
    if dist.exists():
        shutil.rmtree(dist)
    part.rename(dist)
    return sorted(dist.iterdir())


def describe_database(path: Path) -> str:
    """Return what the release notes say about the database at `path`: edition, digest, sources with their terms."""
    with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        digest, directory, scope, left_out = connection.execute(
            "select digest, directory, scope, left_out from edition"
        ).fetchone()
        sources = connection.execute(
            "select title, group_concat(distinct edition), licence, attribution, conditions from publications"
            " where status not in ('left out', 'not loaded') group by publication order by title"
        ).fetchall()
    lines = [
        "## The database",
        "",
        f"- Digest of all figures: `{digest}`",
        f"- Postcodes: {directory or 'none'}",
        f"- Area: {'the United Kingdom' if scope == 'complete' else 'a demonstration extract'}",
    ]
    lines += [f"- Left out: {left_out}"] if left_out else []
    lines += ["", "## Sources and licences", ""]
    for title, edition, *terms in sources:
        details = ". ".join(str(term).rstrip(".") for term in terms if term)
        lines.append(f"- {title}{f' ({edition})' if edition else ''}: {details}.")
    return "\n".join(lines) + "\n"


def instructions(release: Release, commit: str, files: list[Path], root: Path) -> str:
    """Return what the person who releases does next, with the commands."""
    tag = f"v{release.version}"
    names = [str(path.relative_to(root)) for path in files if path.name != NOTES]
    tagging = ["git", "tag", "--annotate", tag, "--message", f"Version {release.version}", commit]
    published = ["gh", "release", "create", tag, "--verify-tag", "--title", release.version]
    return "\n".join(
        (
            f"Version {release.version} is ready in dist/. Nothing was tagged or pushed. Before you publish it:",
            f"  1. Read dist/{NOTES}.",
            "  2. Confirm the terms of the postcodes of Northern Ireland (BT). Commercial use of them needs a licence.",
            "Then run:",
            f"  {shlex.join(tagging)}",
            f"  git push origin {tag}",
            f"  {shlex.join([*published, '--notes-file', f'dist/{NOTES}', *names])}",
        )
    )


def _date(version: str, text: str | None) -> date | None:
    """Return the date of a version's heading, None for "not yet released"."""
    if text == "not yet released":
        return None
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise RefusedError(
            f"The heading of {version} in CHANGELOG.md has the date '{text or ''}'. Write it as YYYY-MM-DD."
        ) from None


def _undated(release: Release) -> str:
    return (
        f"CHANGELOG.md says that {release.version} is not yet released."
        f" Write the day of the release: '## {release.version} - {date.today().isoformat()}'."
    )


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=root, capture_output=True, encoding="utf-8", errors="replace", check=False
        )
    except FileNotFoundError:
        raise RefusedError("There is no git. Install it.") from None
    if done.returncode != 0:
        raise RefusedError(f"git {' '.join(arguments)} failed: {done.stderr.strip()}")
    return done.stdout.rstrip()


def _options(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dry-run", action="store_true", help="print the steps and check what needs no build")
    parser.add_argument("--mirror", metavar="DIR-or-URL", help="where the publications are; no other address is used")
    parser.add_argument("--extract", action="store_true", help="rehearse over the extract in the repository")
    parser.add_argument("--root", metavar="DIR", type=Path, default=ROOT, help="the repository; default: this one")
    options = parser.parse_args(arguments)
    if options.mirror and options.extract:
        parser.error("--mirror and --extract do not go together")
    options.root = options.root.resolve()
    return options


if __name__ == "__main__":
    sys.exit(main())
