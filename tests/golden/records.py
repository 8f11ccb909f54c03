"""The recorded answers: text files of named records, which show in a diff what changed."""

import difflib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

FOLDER = Path(__file__).with_name("answers")
HEAD = "=== "
SETS = "headers"  # the file of the sets of headers that many answers have alike


@cache
def read(name: str) -> dict[str, str]:
    """The records of the file `name`, by their names; none where there is no file."""
    path = FOLDER / f"{name}.txt"
    if not path.exists():
        return {}
    records = {}
    for part in f"\n{path.read_bytes().decode()}".split(f"\n{HEAD}")[1:]:
        head, _, text = part.partition("\n")
        records[head] = text.rstrip("\n") + "\n"
    return records


def write(name: str, records: dict[str, str]) -> None:
    """Writes the file `name`, or removes it where there is no record."""
    path = FOLDER / f"{name}.txt"
    text = "\n".join(f"{HEAD}{head}\n{record.rstrip(chr(10))}\n" for head, record in records.items())
    if text:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    else:
        path.unlink(missing_ok=True)


def names() -> list[str]:
    """The names of the files that there are."""
    return sorted(path.stem for path in FOLDER.glob("*.txt"))


def difference(head: str, recorded: str | None, now: str | None) -> str:
    """The unified diff of a record, empty where nothing differs."""
    texts = [(text or "").splitlines() for text in (recorded, now)]
    labels = (f"{head} (recorded)" if recorded is not None else "nothing", f"{head} (now)" if now else "nothing")
    return "\n".join(difflib.unified_diff(*texts, *labels, lineterm=""))


class Sets:
    """Numbered sets of headers. known: text to number, as recorded or as they are met."""

    def __init__(self, recorded: bool):
        self.known = {text: head for head, text in read(SETS).items()} if recorded else {}
        self.recorded = recorded

    def name(self, headers: str) -> str:
        """The line that stands in a record for a set; the set itself where it is not recorded."""
        if not headers:
            return "no shared headers"
        text = headers + "\n"
        if text not in self.known:
            if self.recorded:
                return headers
            self.known[text] = str(len(self.known) + 1)
        return f"shared headers: {self.known[text]}"

    def records(self) -> dict[str, str]:
        """The sets as records."""
        return {number: text for text, number in self.known.items()}


def differences(name: str, now: dict[str, str]) -> Iterator[str]:
    """The diffs between what the file `name` has and what is answered now."""
    recorded = read(name)
    for head in (*recorded, *(head for head in now if head not in recorded)):
        if diff := difference(f"{name}: {head}", recorded.get(head), now.get(head)):
            yield diff
