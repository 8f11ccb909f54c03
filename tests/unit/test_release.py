"""deploy/release.py: what it refuses, with the reason, and what a release holds. It never tags and never pushes."""

import contextlib
import hashlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

import deploy.release

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "deploy" / "release.py"
CHANGELOG = """# Changelog

## Unreleased

Nothing yet.

## 1.2.0 - 2026-01-31

### Added

- A new table.

## 1.1.0 - 2025-12-01

### Added

- An older table.
"""
# In the place of build_db.py: it writes what a build writes, and every command that it was given.
BUILD = """
import pathlib, sqlite3, sys
arguments = sys.argv[1:]
with open("build/commands.txt", "a") as commands:
    commands.write(" ".join(arguments) + "\\n")
if "--check" in arguments:
    sys.exit(pathlib.Path("broken").exists())
output = pathlib.Path(arguments[arguments.index("--output") + 1])
if "--maps" in arguments:
    (output.parent / "maps").mkdir()
    (output.parent / "maps" / "uk.mbtiles").write_bytes(b"tiles")
elif "--parquet" in arguments:
    folder = pathlib.Path(arguments[arguments.index("--parquet") + 1])
    folder.mkdir()
    (folder / "imd_england_2025.parquet").write_bytes(b"PAR1")
else:
    with sqlite3.connect(output) as db:
        db.execute("create table edition (digest, directory, scope, authorities, left_out)")
        db.execute("insert into edition values ('d1gest', 'ONSPD, November 2025', 'complete', null, null)")
        db.execute("create table publications (publication, title, edition, status, licence, attribution, conditions)")
        db.execute("insert into publications values ('x', 'Index', '2025', 'complete', 'OGL', 'Made by X.', null)")
        db.execute("insert into publications values ('y', 'Absent', '2025', 'not loaded', 'OGL', 'By Y.', null)")
"""
MAKEFILE = "check:\n\t@mkdir -p build && echo checked > build/checked\n"


def git(root: Path, *arguments: str) -> str:
    environment = {**os.environ, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ["-c", "user.name=Nobody", "-c", "user.email=nobody@example.org", "-c", "init.defaultBranch=main"]
    command = ["git", *identity, *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a git repository whose version 1.2.0 can be released, with builds that take no time."""
    files = {
        "pyproject.toml": '[project]\nname = "x"\nversion = "1.2.0"\n',
        "CITATION.cff": "cff-version: 1.2.0\nversion: 1.2.0\n",
        "CHANGELOG.md": CHANGELOG,
        "Makefile": MAKEFILE,
        "build_db.py": BUILD,
        ".gitignore": "/build/\n/dist/\n/broken\n",
    }
    root = tmp_path / "repository"
    root.mkdir()
    for name, text in files.items():
        (root / name).write_text(text)
    git(root, "init", "--quiet")
    commit(root)
    return root


def commit(root: Path) -> None:
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message", "Change")


def command(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command as a process of its own."""
    command = [sys.executable, str(RELEASE), "--root", str(root), *options]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def release(root: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run the command in this process; its steps are processes of their own."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            status = deploy.release.main(["--root", str(root), *options])
        except SystemExit as ended:
            status = int(ended.code or 0)
    return subprocess.CompletedProcess([], status, out.getvalue(), err.getvalue())


def change(root: Path, name: str, old: str, new: str) -> None:
    text = (root / name).read_text()
    assert old in text
    (root / name).write_text(text.replace(old, new))
    commit(root)


# What is refused


@pytest.mark.parametrize(
    "name, old, new, reason",
    [
        ("CITATION.cff", "version: 1.2.0\n", "version: 1.1.0\n", "CITATION.cff has version 1.1.0"),
        ("pyproject.toml", '"1.2.0"', '"1.2"', "A version is three numbers"),
        ("CHANGELOG.md", "## 1.2.0 - 2026-01-31", "## 1.3.0 - 2026-01-31", "CHANGELOG.md has no section for 1.2.0"),
        (
            "CHANGELOG.md",
            "Nothing yet.",
            "## 1.3.0 - 2026-02-01\n\n- X.",
            "The newest version in CHANGELOG.md is 1.3.0",
        ),
        ("CHANGELOG.md", "2026-01-31", "31 January", "has the date '31 January'"),
        ("CHANGELOG.md", " - 2026-01-31", "", "Write it as YYYY-MM-DD"),
        ("CHANGELOG.md", "- A new table.", "", "lists no change"),
    ],
)
def test_a_version_that_the_files_do_not_agree_on_is_refused(repository, name, old, new, reason):
    change(repository, name, old, new)
    for options in ((), ("--dry-run",)):
        done = release(repository, *options)
        assert done.returncode == 1
        assert reason in done.stderr + done.stdout
        assert "Traceback" not in done.stderr
    assert not (repository / "dist").exists()
    assert not (repository / "build").exists()


def test_a_version_that_is_not_yet_released_is_refused_until_it_has_a_date(repository):
    change(repository, "CHANGELOG.md", "2026-01-31", "not yet released")
    done = release(repository)
    assert done.returncode == 1
    assert "'## 1.2.0 - 20" in done.stderr
    dry = release(repository, "--dry-run")
    assert (dry.returncode, "to do    CHANGELOG.md says" in dry.stdout) == (0, True)


@pytest.mark.parametrize("name", ["new.txt", "CHANGELOG.md"])
def test_a_dirty_tree_is_refused_and_the_file_is_named(repository, name):
    with (repository / name).open("a") as file:
        file.write("more\n")
    for options in ((), ("--dry-run",)):
        done = release(repository, *options)
        assert done.returncode == 1
        assert f"There are uncommitted changes: {name}. Commit them" in done.stderr + done.stdout


def test_a_version_that_has_a_tag_is_refused(repository):
    git(repository, "tag", "v1.2.0")
    done = command(repository)
    assert (done.returncode, "v1.2.0" in done.stderr) == (1, True)


def test_a_folder_outside_git_is_refused(repository, tmp_path):
    (repository / ".git").rename(tmp_path / "away")
    done = release(repository)
    assert (done.returncode, "git status --porcelain failed" in done.stderr) == (1, True)


def test_a_dist_with_something_else_in_it_is_left_as_it_is(repository):
    (repository / "dist").mkdir()
    (repository / "dist" / "mine.txt").write_text("mine")
    done = release(repository)
    assert (done.returncode, "something other than a release" in done.stderr) == (1, True)
    assert (repository / "dist" / "mine.txt").read_text() == "mine"


def test_a_step_that_fails_ends_the_release_and_leaves_the_old_one(repository):
    assert release(repository).returncode == 0
    before = (repository / "dist" / "SHA256SUMS").read_bytes()
    (repository / "broken").touch()
    done = release(repository)
    assert done.returncode == 1
    assert "'Check the database' failed" in done.stderr
    assert (repository / "dist" / "SHA256SUMS").read_bytes() == before


def test_a_mirror_and_a_rehearsal_do_not_go_together(repository):
    assert release(repository, "--mirror", "x", "--extract").returncode == 2


# What a release holds


def test_a_release_has_the_database_map_exports_notes_and_checksums(repository):
    done = command(repository, "--mirror", "files")
    assert done.returncode == 0, done.stderr
    dist = repository / "dist"
    assert sorted(path.name for path in dist.iterdir()) == [
        "RELEASE_NOTES.md",
        "SHA256SUMS",
        "census.db",
        "imd_england_2025.parquet",
        "uk.mbtiles",
    ]
    sums = dict(line.split("  ")[::-1] for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in dist.iterdir() if path.name != "SHA256SUMS"
    }
    assert (repository / "build" / "checked").exists()
    commands = (repository / "build" / "commands.txt").read_text().splitlines()
    assert [command.split()[0] for command in commands] == ["--full", "--check", "--maps", "--parquet"]
    assert ["--mirror files" in command for command in commands] == [True, False, True, False]


def test_the_notes_are_the_changelog_s_section_and_the_sources_that_were_loaded(repository):
    assert release(repository).returncode == 0
    notes = (repository / "dist" / "RELEASE_NOTES.md").read_text()
    assert "- A new table." in notes
    assert "older table" not in notes
    assert "`d1gest`" in notes
    assert "ONSPD, November 2025" in notes
    assert "- Index (2025): OGL. Made by X." in notes
    assert "Absent" not in notes


def test_nothing_is_tagged_and_the_commands_are_printed_for_a_person(repository):
    done = release(repository)
    assert git(repository, "tag") == ""
    assert git(repository, "status", "--porcelain") == ""
    head = git(repository, "rev-parse", "--short=12", "HEAD").strip()
    assert f"git tag --annotate v1.2.0 --message 'Version 1.2.0' {head}" in done.stdout
    assert "git push origin v1.2.0" in done.stdout
    assert "gh release create v1.2.0" in done.stdout
    assert "postcodes of Northern Ireland" in done.stdout


def test_a_second_release_replaces_the_first(repository):
    assert release(repository).returncode == 0
    (repository / "dist" / "old.parquet").touch()
    assert release(repository).returncode == 0
    assert not (repository / "dist" / "old.parquet").exists()


def test_a_rehearsal_needs_no_date_and_says_that_it_is_one(repository):
    change(repository, "CHANGELOG.md", "2026-01-31", "not yet released")
    done = release(repository, "--extract")
    assert done.returncode == 0, done.stderr
    assert "do not publish" in done.stdout
    assert "git tag" not in done.stdout
    assert "--full" not in (repository / "build" / "commands.txt").read_text()


# A dry run


def test_a_dry_run_prints_each_step_and_writes_nothing(repository):
    done = release(repository, "--dry-run", "--mirror", "files")
    assert done.returncode == 0, done.stderr
    for step in ("make check", "--full --mirror files", "--check", "--maps", "--parquet", "SHA256SUMS", "tag"):
        assert step in done.stdout, step
    assert "- A new table." in done.stdout
    assert not (repository / "dist").exists()
    assert not (repository / "build").exists()


def test_this_repository_s_version_and_changelog_agree():
    done = command(ROOT, "--dry-run")
    refused = [line for line in done.stdout.splitlines() if line.startswith("refused")]
    assert [line for line in refused if "uncommitted changes" not in line] == []
    assert "is the same in pyproject.toml, CITATION.cff and CHANGELOG.md" in done.stdout
    assert "would    Lint, check types and test: make check" in done.stdout
