"""Write to a terminal or a log whatever characters it takes."""

import os
import sys


def write_any_character() -> None:
    """Make standard output and error write what their encoding lacks as escapes, instead of failing.

    Where a locale such as C makes them ASCII, a name with an accent would otherwise end the program.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")


def as_utf8(argument: str) -> str:
    """Return a text from the command line as it was typed, where the locale is not one of UTF-8 but the terminal is."""
    try:
        return os.fsencode(argument).decode("utf-8")
    except UnicodeError:
        return argument
