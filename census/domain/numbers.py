"""Read the numbers that visitors type."""

import re

NUMBER = re.compile(r"[ \t\n\r]*(-?(?:0|[1-9][0-9]*))(\.[0-9]+)?([eE][+-]?[0-9]+)?[ \t\n\r]*", re.ASCII)


def number_between(text: float | str | None, least: float, most: float) -> float | None:
    """Return the number in `text` if it is from `least` to `most`, otherwise None; whole ones as int."""
    match = NUMBER.fullmatch(str(text))
    if match is None or len(match[0]) > 100:
        return None
    number = float(match[0]) if match[2] or match[3] else int(match[1])
    return number if least <= number <= most else None
