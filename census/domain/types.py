"""Name the types of rows and of functions that several modules exchange."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

Row = tuple[Any, ...]
"""A row of a query or of a file. The type of a cell follows from its column, which no type checker knows."""


class NamedRow(tuple[Any, ...]):
    """A row of a file, a named tuple: its cells are attributes too, by the names of the columns that were read."""

    if TYPE_CHECKING:

        def __getattr__(self, column: str) -> Any: ...


Record = dict[str, Any]
"""A row by column name, or an object of JSON or YAML."""

Say = Callable[[str], object]
"""A function that prints a line."""

Advance = Callable[[int], object]
"""A function that takes the number of bytes since its last call."""

Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""A function that takes a title and the total number of bytes, None where that is unknown; gives a progress bar."""
