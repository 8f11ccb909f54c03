"""The types of rows and of functions that several modules hand to each other."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

Row = tuple[Any, ...]
"""A row of a query or of a file: what a cell holds, its column says, and no type checker can."""

Record = dict[str, Any]
"""A row by column name, or an object of JSON or YAML."""

Say = Callable[[str], object]
"""Prints a line."""

Advance = Callable[[int], object]
"""Takes how many bytes have come since it was last called."""

Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Takes a title and the total number of bytes, where that is known."""
