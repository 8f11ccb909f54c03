"""Find the program that draws the map, MapLibre GL, in the installed package `maplibre`."""

import hashlib
import importlib.util
from functools import cache
from pathlib import Path

FILES = {"maplibre-gl.js": "text/javascript; charset=utf-8", "maplibre-gl.css": "text/css; charset=utf-8"}


def version() -> str | None:
    """Return what tells the installed program from others; None where its package is missing."""
    files = library()
    return files["maplibre-gl.js"][1] if len(files) == len(FILES) else None


@cache
def library() -> dict[str, tuple[str, str]]:
    """Return the files of MapLibre GL by name, each with what tells it from others.

    There are fewer where its package is missing.
    """
    package = importlib.util.find_spec("maplibre")
    if package is None or not package.submodule_search_locations:
        return {}
    folder = Path(package.submodule_search_locations[0]) / "srcjs"
    texts = {name: (folder / name).read_text("utf-8") for name in FILES if (folder / name).is_file()}
    version = hashlib.sha256("".join(texts.values()).encode()).hexdigest()[:12]
    return {name: (text, version) for name, text in texts.items()}
