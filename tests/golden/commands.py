"""What the commands write, print and return, as text that can be compared.

A program runs as `python PROGRAM` runs it, in this process, in an empty folder. Of `--help` the wording is argparse's
own, which differs from one version of Python to the next (metavars, blanks, colours), so what the programs tell it is
recorded: names, metavars, defaults and help of each option. Of its errors the usage above them is left out likewise.
"""

import argparse
import contextlib
import io
import os
import runpy
import shlex
import signal
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from unittest import mock

import yaml

from tests.conftest import ROOT
from tests.golden.normal import Known

RUNS = Path(__file__).with_name("commands.yaml")
PROGRAMS = ("append.py", "build_db.py", "serve_many.py")


@dataclass(frozen=True)
class Run:
    """A run of commands.yaml, which says what each field is."""

    title: str
    run: str
    table: str | None = None
    encoding: str = "utf-8"
    end: str = "\n"
    name: str = "in.csv"
    stdin: bool = False
    before: str = ""
    sheets: dict[str, list] = field(default_factory=dict, hash=False)

    def __str__(self) -> str:
        return self.title


@cache
def runs() -> tuple[Run, ...]:
    """Every run of commands.yaml, in its order."""
    return tuple(Run(title, **told) for title, told in yaml.safe_load(RUNS.read_text("utf-8")).items())


def record(run: Run, database: Path) -> str:
    """Runs a command over a build of the extract: exit status, what it printed and what it wrote."""
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        table, out = Path(name) / run.name, Path(name) / "out.csv"
        if run.sheets:
            _write_workbook(table, run.sheets)
        elif run.table is not None:
            table.write_bytes(run.table.replace("\n", run.end).encode(run.encoding))
        if run.before:
            out.write_text(run.before, "utf-8")
        paths = {"in": str(table), "out": str(out), "database": str(database.resolve())}
        program, *options = (word.format(**paths) for word in shlex.split(run.run.replace(";", "';'")))
        given = table.read_bytes() if run.stdin else b""
        status, stdout, stderr = _run(program, options, given)
        known = Known.of(database)
        lines = [f"python {run.run}", f"exit status {status}"]
        if stdout:
            lines += ["", f"standard output, {len(stdout):,} bytes:", *_lines(stdout, run.encoding, known)]
        if stderr:
            lines += ["", "standard error:", *_lines(_without_usage(stderr), "utf-8", known)]
        written = sorted(path.name for path in Path(name).iterdir() if path != table)
        for file in written:
            path = Path(name) / file
            content = path.read_bytes() if path.is_file() else b""
            lines += ["", f"{file}, {len(content):,} bytes:", *_lines(content, run.encoding, known)]
        return "\n".join(lines) + "\n"


def options_of(program: str) -> str:
    """What a program tells argparse of itself, and whether `--help` prints all of it."""
    told: list[str] = []

    def note(parser: argparse.ArgumentParser, _file: object = None) -> None:
        formatter = parser._get_formatter()
        told.extend([parser.prog, *f"{parser.description or ''}\n{parser.epilog or ''}".splitlines()])
        for action in parser._actions:
            told.append("")
            told.append(f"{', '.join(action.option_strings) or action.dest} {action.metavar or ''}".rstrip())
            told.append(f"  {formatter._expand_help(action) if action.help else '-'}")
            rest = {name: getattr(action, name) for name in ("nargs", "const", "choices", "required")}
            rest["type"] = getattr(action.type, "__name__", None)
            rest = {name: value for name, value in rest.items() if value not in (None, False)}
            told.extend([f"  {name} {value}" for name, value in rest.items()])

    with mock.patch.object(argparse.ArgumentParser, "print_help", note):
        status, _, _ = _run(program, ["--help"])
    _, help_, _ = _run(program, ["--help"])
    printed = set(help_.decode().replace(",", " ").split())
    options = {word for line in told if line.startswith("-") for word in line.replace(",", " ").split()}
    lines = [f"exit status {status}", *told, "", f"not in --help: {', '.join(sorted(options - printed)) or '-'}"]
    return "\n".join(line.rstrip() for line in lines).replace(str(ROOT), "<repository>") + "\n"


def _run(program: str, options: list[str], given: bytes = b"") -> tuple[int, bytes, bytes]:
    """Runs a program of the repository; its exit status, standard output and standard error."""
    streams = {
        "stdin": io.TextIOWrapper(io.BytesIO(given)),
        "stdout": io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True),
        "stderr": io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True),
    }
    handler = signal.getsignal(signal.SIGTERM)
    width = {"COLUMNS": "100", "NO_COLOR": "1", "TERM": "dumb"}
    with (
        mock.patch.multiple(sys, argv=[program, *options], path=[str(ROOT), *sys.path], **streams),
        mock.patch.dict(os.environ, width),
    ):
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
            os.environ.pop(name, None)
        try:
            runpy.run_path(str(ROOT / program), run_name="__main__")
            status: object = 0
        except SystemExit as exit_:
            status = exit_.code
        finally:
            signal.signal(signal.SIGTERM, handler)
        if isinstance(status, str):
            print(status, file=sys.stderr)
            status = 1
    out, err = (streams[name].buffer.getvalue() for name in ("stdout", "stderr"))
    return int(status or 0), out, err


def _without_usage(stderr: bytes) -> bytes:
    before, found, after = stderr.partition(b"usage: ")
    if not found:
        return stderr
    lines = after.split(b"\n")
    start = next((place for place, line in enumerate(lines) if b": error: " in line), 0)
    return before + b"\n".join(lines[start:])


def _lines(content: bytes, encoding: str, known: Known) -> Iterator[str]:
    for codec in (encoding, "utf-8", "latin-1"):
        with contextlib.suppress(UnicodeError):
            text = known.hide(content.decode(codec))
            break
    text = text.replace("\r", "␍").replace("\ufeff", "<mark>")
    for line in text.removesuffix("\n").split("\n"):
        yield f"  {line}".rstrip(" ") + ("·" if line.endswith(" ") else "")


def _write_workbook(path: Path, sheets: dict[str, list]) -> None:
    import openpyxl

    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
