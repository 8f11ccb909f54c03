"""The official publications, a module each, and what they share.

A module that holds publications names them in `PUBLICATIONS`; that is all it takes to be built, checked and
published. `geography` comes first because the others add to its areas; the rest follow by name.
"""

import importlib
import pkgutil

from sources.publication import Publication


def publications() -> list[Publication]:
    """Return every publication of every module of this package, in the order in which they are loaded."""
    names = sorted((m.name for m in pkgutil.iter_modules(__path__)), key=lambda name: (name != "geography", name))
    modules = [importlib.import_module(f"{__name__}.{name}") for name in names]
    return [p for module in modules for p in getattr(module, "PUBLICATIONS", ())]
