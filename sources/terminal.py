"""Write to a terminal or a log whatever characters it takes."""

import sys


def write_any_character() -> None:
    """Make standard output and error write what their encoding lacks as escapes, instead of failing.

    Where a locale such as C makes them ASCII, a name with an accent would otherwise end the program.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            reconfigure(errors="backslashreplace")
