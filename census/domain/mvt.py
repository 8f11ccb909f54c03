"""Rewrite Mapbox Vector Tiles (version 2.1 of the specification) of one layer of polygons, in whole numbers.

`renamed` gives the layer another name; `overzoomed` makes a tile of a deeper zoom from the one above it. Both read and
write the protocol buffers themselves: a server needs no library for it.
"""

from collections.abc import Iterable, Iterator

MARGIN = 64  # a tile reaches a 64th of its side beyond its edges, so that an outline there is not cut
_MOVE, _LINE, _CLOSE = 9, 2, 15  # commands: MoveTo once, LineTo (its id), ClosePath once
_POLYGON = 3

Ring = list[tuple[int, int]]


def renamed(tile: bytes, name: str) -> bytes:
    """Return `tile` with its layer called `name`."""
    [layer] = _parts(_fields(tile), 3)
    at = 0
    for field, _value, end in _placed(layer):
        if field == 1:
            return _field(3, _field(1, name.encode()) + layer[:at] + layer[end:])
        at = end
    raise ValueError("A layer of a tile has no name.")


def overzoomed(tile: bytes, name: str, levels: int, column: int, row: int) -> bytes:
    """Return the tile `levels` deeper, `column` from the west and `row` from the north within `tile`; empty if nothing.

    Positions are multiplied by 2 ** levels, so nothing moves; what lies beyond the tile and its margin is cut off.
    Properties stay as they are, those that nothing uses any more are left out.
    """
    [layer] = [list(_fields(value)) for value in _parts(_fields(tile), 3)]
    extent = next((value for field, value in layer if field == 5 and isinstance(value, int)), 4096)
    names, values = _parts(layer, 3), _parts(layer, 4)
    edge = extent // MARGIN
    kept_names: dict[bytes, int] = {}
    kept_values: dict[bytes, int] = {}
    features = []
    for encoded in _parts(layer, 2):
        feature = dict(_fields(encoded))
        if feature.get(3) != _POLYGON:
            continue
        geometry = _cut(_varints(_packed_in(feature[4])), levels, column * extent, row * extent, -edge, extent + edge)
        if not geometry:
            continue
        tags = _varints(_packed_in(feature.get(2, b"")))
        for at in range(0, len(tags), 2):
            tags[at] = kept_names.setdefault(names[tags[at]], len(kept_names))
            tags[at + 1] = kept_values.setdefault(values[tags[at + 1]], len(kept_values))
        number = _field(1, feature[1]) if 1 in feature else b""
        features.append(_field(2, number + _field(2, _packed(tags)) + _field(3, _POLYGON) + _field(4, geometry)))
    if not features:
        return b""
    parts = [_field(15, 2), _field(1, name.encode()), *features]
    parts += [_field(3, value) for value in kept_names] + [_field(4, value) for value in kept_values]
    return _field(3, b"".join([*parts, _field(5, extent)]))


def _cut(commands: list[int], levels: int, west: int, north: int, least: int, most: int) -> bytes:
    """Return a polygon's commands, magnified and cut to the box from `least` to `most` on both axes; empty if nothing.

    A ring keeps its winding; one that has no area left is dropped, an outer one with its holes.
    """
    out, at, x, y, last_x, last_y, outer = [], 0, 0, 0, 0, 0, False
    while at < len(commands):
        if commands[at] != _MOVE:  # ClosePath
            at += 1
            continue
        stop = at + 4 + 2 * (commands[at + 3] >> 3)
        ring: Ring = []
        for place in (at + 1, *range(at + 4, stop, 2)):
            dx, dy = commands[place], commands[place + 1]
            x += (dx >> 1) ^ -(dx & 1)
            y += (dy >> 1) ^ -(dy & 1)
            ring.append(((x << levels) - west, (y << levels) - north))
        at = stop
        area = _area(ring)
        cut = _clipped(ring, least, most) if area else []
        kept = _area(cut) * area > 0
        if area > 0:
            outer = kept
        if kept and outer:
            out.append(_MOVE)
            for number, (to_x, to_y) in enumerate(cut):
                if number == 1:
                    out.append((len(cut) - 1) << 3 | _LINE)
                dx, dy, last_x, last_y = to_x - last_x, to_y - last_y, to_x, to_y
                out += ((dx << 1) ^ (dx >> 63), (dy << 1) ^ (dy >> 63))
            out.append(_CLOSE)
    return _packed(out)


def _area(ring: Ring) -> int:
    """Return twice a ring's area: more than 0 if it is an outer one, less if it is a hole."""
    return sum(x * next_y - next_x * y for (x, y), (next_x, next_y) in zip(ring, ring[1:] + ring[:1], strict=True))


def _clipped(ring: Ring, least: int, most: int) -> Ring:
    """Return what of a ring lies in a square (Sutherland and Hodgman), without points twice in a row."""
    for axis in (0, 1):
        for bound, sign in ((least, 1), (most, -1)):
            inside = [(point[axis] - bound) * sign >= 0 for point in ring]
            if all(inside):
                continue
            cut: Ring = []
            for number, point in enumerate(ring):
                if inside[number] != inside[number - 1]:
                    start, end = sorted((ring[number - 1], point))
                    cut.append(_crossing(start, end, axis, bound))
                if inside[number]:
                    cut.append(point)
            ring = [point for number, point in enumerate(cut) if point != cut[number - 1]]
    return ring if len(ring) > 2 else []


def _crossing(start: tuple[int, int], end: tuple[int, int], axis: int, bound: int) -> tuple[int, int]:
    """Return the point, to the nearest whole number, in which a line crosses a bound; the same from either end."""
    run, rise = end[axis] - start[axis], end[1 - axis] - start[1 - axis]
    other = start[1 - axis] + (2 * rise * (bound - start[axis]) + run) // (2 * run)
    return (bound, other) if axis == 0 else (other, bound)


def _fields(data: bytes) -> Iterator[tuple[int, bytes | int]]:
    """Yield the fields of a message: number, and bytes or a whole number. Tiles have no others outside of values."""
    return ((field, value) for field, value, _ in _placed(data))


def _placed(data: bytes) -> Iterator[tuple[int, bytes | int, int]]:
    """Yield as `_fields`, each with where it ends."""
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        number, at = _varint(data, at)
        if key & 7 == 2:
            at += number
            yield key >> 3, data[at - number : at], at
        else:
            yield key >> 3, number, at


def _parts(fields: Iterable[tuple[int, bytes | int]], number: int) -> list[bytes]:
    """Return the fields with this number, which is one of bytes."""
    return [value for field, value in fields if field == number and isinstance(value, bytes)]


def _packed_in(value: bytes | int) -> bytes:
    if isinstance(value, int):
        raise ValueError("A feature of a tile has a whole number where packed ones should be.")
    return value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while (byte := data[at]) > 127:
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
    return value | byte << shift, at + 1


def _varints(data: bytes) -> list[int]:
    numbers, value, shift = [], 0, 0
    for byte in data:
        if byte > 127:
            value |= (byte & 127) << shift
            shift += 7
        else:
            numbers.append(value | byte << shift)
            value = shift = 0
    return numbers


def _packed(numbers: list[int]) -> bytes:
    out = bytearray()
    for number in numbers:
        left = number
        while left > 127:
            out.append(left & 127 | 128)
            left >>= 7
        out.append(left)
    return bytes(out)


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _packed([number << 3, value])
    return _packed([number << 3 | 2, len(value)]) + value
