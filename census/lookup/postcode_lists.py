"""Look lists of postcodes up, each list in one statement, and count the answers."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import NamedTuple, cast

import orjson

from census.domain import postcode
from census.domain.types import Row
from census.lookup.database import Lookup
from census.lookup.indices import NEWEST
from census.lookup.postcodes import (
    INDEX_ID,
    OLDER_ONES,
    QUANTILE_FIELDS,
    STATUSES,
    PostcodeFigures,
    explained,
    is_known,
    listed,
)

OWN = frozenset(("message", "postcode", "terminated", "latitude", "longitude"))
"""Those of FIELDS that are of a postcode alone; the others it shares with all live or retired ones of its areas."""

_WORDED = frozenset(("message", "postcode"))  # what differs between two texts that are no postcodes


class _Bands(NamedTuple):
    """The columns from which a quantile is made."""

    index_id: str | None
    rank: float | None
    decile: int | None
    decile_basis: str | None
    quintile: int | None
    quintile_basis: str | None
    quartile: int | None
    vigintile: int | None


Counted = tuple[str, str | None, str | None]
"""By what answers are counted: status, nation and index; without figures the last is None."""

Counts = Counter[Counted]
KnownByArea = dict[str | bool, tuple[Counted, Row]]


@dataclass(frozen=True)
class Summary:
    """How many answers of a list there are of each kind.

    older_edition: how many fell back to an older index. without_figures: how many of those found or terminated have no
    figure of the index that was requested.
    """

    postcodes: int
    statuses: dict[str, int]
    nations: dict[str, int]
    older_edition: int
    without_figures: int


def many(
    lookup: Lookup, texts: Sequence[object], choice: str, names: tuple[str, ...], groups: int | None = None
) -> tuple[list[Row], Counts]:
    """Answer for `texts`, in their order, each as a tuple of the values of `names` (of FIELDS and QUANTILE_FIELDS).

    groups: of the quantile. The counter says how many answers there are for each (status, nation, index).
    """
    columns = tuple(name for name in names if name not in QUANTILE_FIELDS)
    has_quantile = len(columns) < len(names)
    read = ("status", "nation", "index_id", *columns, *(_Bands._fields if has_quantile else ()))
    rows = _rows_with_figures(lookup, texts, choice, read) if lookup.complete else []
    counts: Counts = Counter(map(itemgetter(1, 2, 3), rows))
    answers: list[Row | None] = [None] * len(texts)
    for row in rows:
        answers[row[0]] = row[4:]
    if has_quantile:
        for row in rows:
            quantile = lookup.indices.quantile(_Bands._make(row[-len(_Bands._fields) :]), groups)
            values = dict(zip(columns, row[4:], strict=False)) | quantile._asdict()
            answers[row[0]] = tuple(values[name] for name in names)
    if len(rows) < len(texts):
        left = {place: _as_text(texts[place]) for place, answer in enumerate(answers) if answer is None}
        for place, figures in _without_figures(lookup, left, choice, not _WORDED.isdisjoint(names)):
            quantile = lookup.indices.quantile(figures, groups)
            counts[_counted(figures.status, figures.nation, figures.index_id, figures.rank)] += 1
            answers[place] = tuple(getattr(quantile if name in QUANTILE_FIELDS else figures, name) for name in names)
    return cast(list[Row], answers), counts  # each has its answer now


def _without_figures(
    lookup: Lookup, texts: Mapping[int, str | None], choice: str, is_worded: bool
) -> Iterator[tuple[int, PostcodeFigures]]:
    """Yield place and answer of texts that have no figures; each answer is looked up once.

    is_worded: what differs between two texts that are no postcodes matters.
    """
    known: dict[str | None, PostcodeFigures] = {}
    for place, text in texts.items():
        key = text if is_worded else _without_wording(lookup, text)
        if key not in known:
            known[key] = explained(lookup, text, choice)
        yield place, known[key]


def by_areas(
    lookup: Lookup,
    texts: Sequence[str],
    choice: str,
    names: tuple[str, ...],
    groups: int | None,
    known: KnownByArea,
) -> tuple[list[Row], Counts]:
    """Return as `many`, for `names` that postcodes of the same areas share (none of OWN), each looked up once.

    known: the answers so far, by areas, authority and whether the postcode is live, or by the postcode where it has
    no area; empty at first. It is for one `choice`, `names` and `groups`.
    """
    keys = orjson.dumps([postcode.key(text) for text in texts]).decode()
    areas: list[str | None] = [None] * len(texts)
    for n, area in lookup.connection.execute(_AREAS, (keys,)):
        areas[n] = area
    places = [
        postcode.normalise(text) is None if area is None else area for text, area in zip(texts, areas, strict=True)
    ]
    new: dict[str | bool, str] = {}
    for text, place in zip(texts, places, strict=True):
        if place not in known:
            new[place] = text
    if new:
        rows, _ = many(lookup, list(new.values()), choice, ("status", "nation", "index_id", "rank", *names), groups)
        known.update(zip(new, ((_counted(*row[:4]), row[4:]) for row in rows), strict=True))
    answers = [known[place] for place in places]
    return [answer[1] for answer in answers], Counter(map(itemgetter(0), answers))


def summary(lookup: Lookup, counts: Counts, choice: str) -> Summary:
    """Return a summary of the counter of `many`."""
    newest = lookup.indices.newest("latest")
    statuses: Counter[str] = Counter()
    nations: Counter[str] = Counter()
    older = without = 0
    for (status, nation, index), n in counts.items():
        statuses[status] += n
        if nation:
            nations[nation] += n
        if choice in NEWEST and nation is not None and index is not None and index != newest[nation]:
            older += n
        if index is None and status in ("found", "terminated"):
            without += n
    return Summary(
        postcodes=counts.total(),
        statuses={status: statuses[status] for status in STATUSES},
        nations=dict(sorted(nations.items())),
        older_edition=older,
        without_figures=without,
    )


def _rows_with_figures(lookup: Lookup, texts: Sequence[object], choice: str, names: tuple[str, ...]) -> list[Row]:
    """Return for those of `texts` that have figures their place among them and the columns `names`."""
    key, index_ids = postcode.key, lookup.indices.ids[choice]
    keys = [key(text) if isinstance(text, str) else None for text in texts]
    rows = lookup.connection.execute(_many_sql(names), (orjson.dumps(keys).decode(), *index_ids)).fetchall()
    if choice in NEWEST and len(rows) < len(texts):
        there = {row[0] for row in rows}
        left = [place for place in range(len(texts)) if place not in there]
        left_keys = orjson.dumps([keys[place] for place in left]).decode()
        # The last of a postcode's is the newest.
        older = {row[0]: row for row in lookup.connection.execute(_many_older_sql(names), (left_keys, *index_ids))}
        rows += [(left[n], *row[1:]) for n, row in older.items()]
    return rows


def _without_wording(lookup: Lookup, text: str | None) -> str | None:
    """Return a key for all texts that have, except for the wording, the answer of `text`.

    It is for texts that are unknown or no postcode.
    """
    normal = postcode.normalise(text)
    return normal if normal is None or is_known(lookup, normal) else ""


def _as_text(value: object) -> str | None:
    """Return a text for a JSON value that may be none. Of lists and objects, which may be deep, only the kind."""
    if value is None or isinstance(value, str):
        return value
    return "[…]" if isinstance(value, list) else "{…}" if isinstance(value, dict) else json.dumps(value)


def _counted(status: str, nation: str | None, index: str | None, rank: float | None) -> Counted:
    """Return the key by which answers are counted."""
    return status, nation, None if rank is None else index


_AREAS = """
    select
      texts.key,
      coalesce(lsoa_2011, postcode) || ' ' || coalesce(lsoa_2021, '') || ' ' || coalesce(local_authority, '')
      || ' ' || (terminated is null)
    from json_each(?) as texts cross join postcodes on postcodes.postcode = texts.value
"""
"""What postcodes with the same figures have in common, as one text."""


@cache
def _many_sql(columns: tuple[str, ...]) -> str:
    return f"""
        select texts.key, {listed(columns)} from json_each(?) as texts
        cross join postcode_figures as figures on figures.postcode = texts.value and figures.index_id = {INDEX_ID}
    """


@cache
def _many_older_sql(columns: tuple[str, ...]) -> str:
    return f"""
        select texts.key, {listed(columns, older=True)} from json_each(?) as texts
        cross join postcode_figures as figures on figures.postcode = texts.value {OLDER_ONES}
        order by texts.key, figures.year
    """
