"""Find the words of the project's old private language in the program: `python -m tests.plain_words [PATH ...]`.

Written words count wherever they stand, in code, comments and texts; names count where they are a whole identifier.
"""

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = ("census", "plugins", "sources", "append.py", "build_db.py", "guide.py", "serve_many.py", "deploy")
WORDS = re.compile(
    r"\b(told|asked|anew|beside|thereof|that which|so many|house|give_way|mistaken|honest|to_the_end|unnamed"
    r"|lies under|stands beside|whose turn|is there twice|has not the form of)\b",
    re.IGNORECASE,
)
NAMES = {"told", "asked", "called", "found", "house", "room", "face", "whole", "said", "says", "meant", "wanted"}
NAMES |= {"_none", "_sound", "_findable", "give_way", "mistaken", "honest", "to_the_end", "unnamed"}


def files(paths: list[str]) -> Iterator[Path]:
    """Yield the Python files at or below `paths`, by default those of the program."""
    for name in paths or PROGRAM:
        path = ROOT / name
        yield from sorted(path.rglob("*.py")) if path.is_dir() else [path]


def uses(path: Path) -> list[tuple[int, str]]:
    """Return line and word of each use in a file."""
    text = path.read_text("utf-8")
    lines = text.splitlines()
    uses = [(n, match[0].lower()) for n, line in enumerate(lines, 1) for match in WORDS.finditer(line)]
    for node in ast.walk(ast.parse(text)):
        name = getattr(node, "id", None) or getattr(node, "arg", None) or getattr(node, "attr", None)
        name = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) else name
        if name in NAMES and not WORDS.fullmatch(name):
            uses.append((node.lineno, name))
    return sorted(uses)


def main() -> int:
    """Print each use and their number; the exit status is 1 where there is any."""
    counted = 0
    for path in files(sys.argv[1:]):
        for line, word in uses(path):
            print(f"{path.relative_to(ROOT)}:{line}: {word}")
            counted += 1
    print(f"{counted} uses")
    return min(1, counted)


if __name__ == "__main__":
    sys.exit(main())
