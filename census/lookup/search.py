"""Tell a postcode, a code and a name apart, find them, and suggest as one types.

A postcode is a form (`census.domain.postcode`), a code is known to the database, and so are the beginnings of
postcodes: an outward code (SW1A) and a sector (SW1A 1). Anything else is looked for in the names of authorities, in
Welsh too, of health geographies and of small areas: all words must occur, the last one may be a beginning. What looks
like a postcode that is here is offered as that one, never taken for it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from census.domain import postcode
from census.lookup.database import Lookup
from census.lookup.postcodes import look_alikes

LONGEST = 100  # characters of a search
SUGGESTED = 8
LISTED = 50  # of each kind, on the page of results

_BEGINNING = re.compile("[A-Z]{1,2}[0-9][A-Z0-9]{0,2}[0-9]?[A-Z]{0,2}", re.ASCII)
_CODE = re.compile("[A-Z0-9]{3,9}", re.ASCII)
_WORDS = re.compile(r"\w+")
_PLACE = "coalesce({0}.name, {0}.publisher_name) as name"
_LIVE = """
    select postcode from postcodes where postcode >= ? and postcode < ? and terminated is null
    order by postcode limit ?
"""
_IN_AUTHORITIES = """
    select local_authorities.code, local_authorities.name, count(*) as postcodes
    from postcodes left join local_authorities on local_authorities.code = postcodes.local_authority
    where postcode >= ? and postcode < ? and terminated is null
    group by 1 order by 3 desc, 1
"""
_ANY = "select 1 from postcodes where postcode >= ? and postcode < ? limit 1"
_CODES = f"""
    select 'local authority' as place, 'local authority' as kind, code, name, nation, name_welsh as also
    from local_authorities
    where code >= :q and code < :end
    union all
    select 'health geography', kind, code, name, nation, null from health_geographies
    where code >= :q and code < :end or ods_code = :q
    union all
    select 'area', kind, code, {_PLACE.format("small_areas")}, nation, null from small_areas
    where code >= :q and code < :end
    union all
    select 'area', 'LSOA', code, {_PLACE.format("lsoas_2021")}, nation, null from lsoas_2021
    where code >= :q and code < :end and code not in (select code from small_areas)
    order by code limit :limit
"""
_NAMES = (
    """
    select 'local authority' as place, 'local authority' as kind, code, local_authorities.name, nation,
      local_authorities.name_welsh as also
    from local_authorities_fts join local_authorities on local_authorities.rowid = local_authorities_fts.rowid
    where local_authorities_fts match :words
    order by
      successor is not null,
      :q not in (lower(local_authorities.name), lower(coalesce(local_authorities.name_welsh, ''))),
      length(local_authorities.name),
      code
    limit :limit
    """,
    """
    select 'health geography' as place, kind, code, health_geographies.name, nation, null as also
    from health_geographies_fts join health_geographies on health_geographies.rowid = health_geographies_fts.rowid
    where health_geographies_fts match :words
    order by instr(vintages, '2024') = 0, length(health_geographies.name), code limit :limit
    """,
    f"""
    select 'area' as place, kind, code, {_PLACE.format("small_areas")}, nation, small_areas.publisher_name as also
    from small_areas_fts join small_areas on small_areas.rowid = small_areas_fts.rowid
    where small_areas_fts match :words
    union
    select 'area', 'LSOA', code, {_PLACE.format("lsoas_2021")}, nation, lsoas_2021.publisher_name
    from lsoas_2021_fts join lsoas_2021 on lsoas_2021.rowid = lsoas_2021_fts.rowid
    where lsoas_2021_fts match :words and code not in (select code from small_areas)
    order by 4, 3 limit :limit
    """,
)


@dataclass(frozen=True)
class Hit:
    """A page that may be meant: of a `place` (postcode, area, local authority, health geography) by its `code`.

    place is "search" for the postcodes that begin with `code`. name, kind: what to show of it.
    """

    place: str
    code: str
    name: str
    kind: str


@dataclass(frozen=True)
class AuthorityCount:
    """A local authority, None for none, and the number of live postcodes that lie in it."""

    code: str | None
    name: str | None
    postcodes: int


@dataclass(frozen=True)
class Beginning:
    """What the postcodes of an outward code or a sector have in common.

    text: as they begin ("SW1A", "SW1A 1"). kind: which of the two it is. live: how many are in use; there may be none
    where `known`. places: the authorities in which they lie. first: the first LISTED of them. low, high: the postcodes
    are from `low` on and before `high`.
    """

    text: str
    kind: str
    known: bool
    live: int
    places: list[AuthorityCount]
    first: list[str]
    low: str
    high: str


def exact(lookup: Lookup, text: str) -> Hit | None:
    """Return what `text` is for certain: a valid postcode, which need not exist, or a code that is known here."""
    if normal := postcode.normalise(text):
        return _postcode(normal)
    code = text.strip(" ").upper()
    if not _CODE.fullmatch(code):
        return None
    hits = lookup.read(_hit, _CODES, {"q": code, "end": code + " ", "limit": 2})
    return hits[0] if hits else None


def named(lookup: Lookup, text: str, limit: int = LISTED) -> list[Hit]:
    """Return authorities, health geographies and small areas with the words of `text` in their names.

    limit: how many of each.
    """
    words = _WORDS.findall(text[:LONGEST].replace("_", " "))
    if not words:
        return []
    match = " ".join(f'"{word}"' for word in words) + "*"
    parameters = {"words": match, "q": text.strip(" ").lower(), "limit": limit}
    return [hit for sql in _NAMES for hit in lookup.read(_hit, sql, parameters)]


def suggested(lookup: Lookup, text: str) -> list[Hit]:
    """Return at most SUGGESTED pages that `text` may be the beginning of; none for fewer than two characters."""
    packed = postcode.pack(text).upper()
    if len(packed) < 2 or len(text) > LONGEST:
        return []
    hits = alike(lookup, text)
    for beginning in beginnings(lookup, text, 0):
        if beginning.live:
            hits.append(Hit("search", beginning.text, beginning.text, _described(beginning)))
    if len(packed) >= 3 and _BEGINNING.fullmatch(packed):
        hits += map(_postcode, _begin(lookup, packed))
    if len(packed) >= 3 and _CODE.fullmatch(packed) and any(map(str.isdigit, packed)):
        hits += lookup.read(_hit, _CODES, {"q": packed, "end": packed + "~", "limit": SUGGESTED})
    elif (hit := exact(lookup, text)) and hit not in hits:
        hits.append(hit)
    if len(hits) < SUGGESTED:
        hits += [hit for hit in named(lookup, text, SUGGESTED) if hit not in hits]
    return hits[:SUGGESTED]


def alike(lookup: Lookup, text: str) -> list[Hit]:
    """Return the postcodes here that `text`, which is none of them, may be meant for: letters and digits look alike."""
    return [_postcode(code, "postcode that looks like it") for code in look_alikes(lookup, text)]


def beginnings(lookup: Lookup, text: str, listed: int = LISTED) -> list[Beginning]:
    """Return what begins as `text` does, where that is an outward code or a sector; M13 may be M1 3 as well.

    The first is there even if no postcode here begins so. listed: how many postcodes to list at most.
    """
    every: list[Beginning] = []
    for low in postcode.beginnings(text):
        high = low[:-1] + chr(ord(low[-1]) + 1)
        places = lookup.read(AuthorityCount, _IN_AUTHORITIES, (low, high))
        live = sum(place.postcodes for place in places)
        if every and not live:
            continue
        known = live > 0 or bool(lookup.rows(_ANY, (low, high)))
        first = _live(lookup, low, high, listed) if live and listed else []
        kind = "outward code" if low.endswith(" ") else "postcode sector"
        every.append(Beginning(low.strip(" "), kind, known, live, places, first, low, high))
    return every


def _live(lookup: Lookup, low: str, high: str, limit: int) -> list[str]:
    return [code for (code,) in lookup.connection.execute(_LIVE, (low, high, limit))]


def _begin(lookup: Lookup, packed: str) -> list[str]:
    """Return live postcodes that begin as `packed` does: its outward code may end anywhere in it."""
    starts: Sequence[str] = [
        packed,
        *(f"{packed[:-n]} {packed[-n:]}" for n in (1, 2, 3) if re.fullmatch("[0-9][A-Z]{0,2}", packed[-n:])),
    ]
    codes = {code for start in starts for code in _live(lookup, start, start + "~", SUGGESTED)}
    return sorted(codes)[:SUGGESTED]


def _described(beginning: Beginning) -> str:
    """Return what is suggested of a beginning: how many postcodes, and where most of them lie."""
    names = [place.name for place in beginning.places if place.name]
    where = f", {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
    return f"{beginning.kind}, {beginning.live:,} postcode{'' if beginning.live == 1 else 's'}{where}"


def _postcode(code: str, kind: str = "postcode") -> Hit:
    return Hit("postcode", code.replace(" ", ""), code, kind)


def _hit(place: str, kind: str, code: str, name: str | None, nation: str, also: str | None) -> Hit:
    """Return a row of `_CODES` or `_NAMES`. also: the publisher's name of an area, or an authority's in Welsh."""
    shown = name or code
    if also and also != shown:
        shown += f" ({also})"
    return Hit(place, code, shown, f"{kind}{f' {code}' if place == 'area' else ''}, {nation}")
