"""Watch what the processes of a server use."""

import contextlib
import threading
from pathlib import Path
from typing import Self

from benchmarks.stack import rss_anon


class Usage(threading.Thread):
    """Watches the processes below one: their own memory together (MiB), and their temporary files (bytes)."""

    def __init__(self, root: int) -> None:
        super().__init__(daemon=True)
        self.root, self.ended = root, threading.Event()
        self.by_name: dict[str, tuple[float, float]] = {}
        self.first = self.memory()
        self.most = self.last = self.first
        self.temporary = 0
        self.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """Look no more."""
        self.ended.set()
        self.join()

    @property
    def growth(self) -> float:
        """By how much their memory together grew at most, in MiB."""
        return self.most - self.first

    def processes(self) -> list[int]:
        """Return the processes below the root, and itself."""
        children: dict[int, list[int]] = {}
        for entry in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError, ValueError, IndexError):
                parent = int(entry.read_text().rsplit(")", 1)[1].split()[1])
                children.setdefault(parent, []).append(int(entry.parent.name))
        found, queue = [], [self.root]
        while queue:
            pid = queue.pop()
            found.append(pid)
            queue += children.get(pid, [])
        return found

    def memory(self) -> float:
        """Return the memory of the processes of their own, in MiB."""
        total = 0.0
        for pid in self.processes():
            with contextlib.suppress(OSError, TypeError, AssertionError, ValueError):
                mib = rss_anon(pid)
                total += mib
                key = f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes().decode(errors='replace')}"
                first, most = self.by_name.get(key, (mib, mib))
                self.by_name[key] = first, max(most, mib)
        return total

    def growth_of(self, name: str) -> float:
        """Return by how much one of the processes whose command has `name` in it grew at most."""
        return max((most - first for key, (first, most) in self.by_name.items() if name in key), default=0.0)

    def most_of(self, name: str) -> float:
        """Return the most that one of them had."""
        return max((most for key, (_, most) in self.by_name.items() if name in key), default=0.0)

    def files(self) -> int:
        """Return the bytes of the temporary files that the processes have open."""
        seen: dict[int, int] = {}
        for pid in self.processes():
            for file in Path(f"/proc/{pid}/fd").glob("*"):
                with contextlib.suppress(OSError):
                    if str(file.readlink()).endswith(" (deleted)") and (about := file.stat()).st_size:
                        seen[about.st_ino] = about.st_size
        return sum(seen.values())

    def run(self) -> None:
        """Look ten times a second."""
        while not self.ended.wait(0.1):
            with contextlib.suppress(OSError):
                self.last = self.memory()
                self.most = max(self.most, self.last)
                self.temporary = max(self.temporary, self.files())
