"""Tells a postcode, a code and a name apart, finds them, and suggests as one types.

A postcode is a form (`census.domain.postcode`), a code is known to the database, and so are the beginnings of
postcodes: an outward code (SW1A) and a sector (SW1A 1). Anything else is looked for in the names of authorities, in
Welsh too, of health geographies and of small areas: all words must occur, the last one may be a beginning. What looks
like a postcode that is here is offered as that one, never taken for it.
"""

import re
from dataclasses import asdict, dataclass
from urllib.parse import quote

from census.domain import postcode
from census.domain.types import Record
from census.lookup.lookup import Lookup

LONGEST = 100  # characters of what is asked
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
    select 'local-authority' as room, 'local authority' as kind, code, name, nation, name_welsh as also
    from local_authorities
    where code >= :q and code < :end
    union all
    select 'health-geography', kind, code, name, nation, null from health_geographies
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
    select 'local-authority' as room, 'local authority' as kind, code, local_authorities.name, nation,
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
    select 'health-geography' as room, kind, code, health_geographies.name, nation
    from health_geographies_fts join health_geographies on health_geographies.rowid = health_geographies_fts.rowid
    where health_geographies_fts match :words
    order by instr(vintages, '2024') = 0, length(health_geographies.name), code limit :limit
    """,
    f"""
    select 'area' as room, kind, code, {_PLACE.format("small_areas")}, nation, small_areas.publisher_name as also
    from small_areas_fts join small_areas on small_areas.rowid = small_areas_fts.rowid
    where small_areas_fts match :words
    union
    select 'area', 'LSOA', code, {_PLACE.format("lsoas_2021")}, nation, lsoas_2021.publisher_name
    from lsoas_2021_fts join lsoas_2021 on lsoas_2021.rowid = lsoas_2021_fts.rowid
    where lsoas_2021_fts match :words and code not in (select code from small_areas)
    order by 4, 3 limit :limit
    """,
)


@dataclass
class Hit:
    """Something found: the address of its page, its name, and what it is."""

    address: str
    name: str
    kind: str


@dataclass
class Beginning:
    """What the postcodes of an outward code or a sector have in common.

    text: as they begin ("SW1A", "SW1A 1"). kind: which of the two it is. live: how many are in use; there may be none
    where `known`. places: the authorities in which they lie, with how many each. first: the first LISTED of them.
    low, high: what the postcodes are not before, and before what they are.
    """

    text: str
    kind: str
    known: bool
    live: int
    places: list[Record]
    first: list[str]
    low: str
    high: str


def exact(lookup: Lookup, text: str) -> Hit | None:
    """Return what `text` is for certain.

    That is the form of a postcode (which need not exist), or a code that is known here.
    """
    if normal := postcode.normalise(text):
        return Hit(f"/postcode/{normal.replace(' ', '')}", normal, "postcode")
    code = text.strip(" ").upper()
    if not _CODE.fullmatch(code):
        return None
    found = lookup.rows(_CODES, {"q": code, "end": code + " ", "limit": 2})
    return _hit(found[0]) if found else None


def named(lookup: Lookup, text: str, limit: int = LISTED) -> list[Hit]:
    """Return authorities, health geographies and small areas with the words of `text` in their names.

    limit: how many of each.
    """
    words = _WORDS.findall(text[:LONGEST].replace("_", " "))
    if not words:
        return []
    match = " ".join(f'"{word}"' for word in words) + "*"
    asked = {"words": match, "q": text.strip(" ").lower(), "limit": limit}
    return [_hit(row) for sql in _NAMES for row in lookup.rows(sql, asked)]


def suggested(lookup: Lookup, text: str) -> list[Hit]:
    """Return at most SUGGESTED pages that `text` may be the beginning of; none for fewer than two characters."""
    packed = postcode.pack(text).upper()
    if len(packed) < 2 or len(text) > LONGEST:
        return []
    found = alike(lookup, text)
    for beginning in beginnings(lookup, text, 0):
        if beginning.live:
            found.append(Hit(f"/search?q={quote(beginning.text)}", beginning.text, _told(beginning)))
    if len(packed) >= 3 and _BEGINNING.fullmatch(packed):
        found += [Hit(f"/postcode/{code.replace(' ', '')}", code, "postcode") for code in _begin(lookup, packed)]
    if len(packed) >= 3 and _CODE.fullmatch(packed) and any(map(str.isdigit, packed)):
        found += [_hit(row) for row in lookup.rows(_CODES, {"q": packed, "end": packed + "~", "limit": SUGGESTED})]
    elif (hit := exact(lookup, text)) and hit not in found:
        found.append(hit)
    if len(found) < SUGGESTED:
        found += [hit for hit in named(lookup, text, SUGGESTED) if hit not in found]
    return found[:SUGGESTED]


def alike(lookup: Lookup, text: str) -> list[Hit]:
    """Return the postcodes here that `text`, which is none of them, may be meant for: letters and digits look alike."""
    return [
        Hit(f"/postcode/{code.replace(' ', '')}", code, "postcode that looks like it")
        for code in lookup.look_alikes(text)
    ]


def beginnings(lookup: Lookup, text: str, listed: int = LISTED) -> list[Beginning]:
    """Return what begins as `text` does, where that is an outward code or a sector; M13 may be M1 3 as well.

    The first is there even if no postcode here begins so. listed: how many postcodes to list at most.
    """
    found: list[Beginning] = []
    for low in postcode.beginnings(text):
        high = low[:-1] + chr(ord(low[-1]) + 1)
        places = lookup.rows(_IN_AUTHORITIES, (low, high))
        live = sum(place["postcodes"] for place in places)
        if found and not live:
            continue
        known = live > 0 or bool(lookup.rows(_ANY, (low, high)))
        first = [row["postcode"] for row in lookup.rows(_LIVE, (low, high, listed))] if live and listed else []
        kind = "outward code" if low.endswith(" ") else "postcode sector"
        found.append(Beginning(low.strip(" "), kind, known, live, places, first, low, high))
    return found


def as_json(hits: list[Hit]) -> list[Record]:
    """Return `hits` as they are sent."""
    return [asdict(hit) for hit in hits]


def _begin(lookup: Lookup, packed: str) -> list[str]:
    """Return live postcodes that begin as `packed` does: its outward code may end anywhere in it."""
    whole = [
        packed,
        *(f"{packed[:-n]} {packed[-n:]}" for n in (1, 2, 3) if re.fullmatch("[0-9][A-Z]{0,2}", packed[-n:])),
    ]
    rows = [row for start in whole for row in lookup.rows(_LIVE, (start, start + "~", SUGGESTED))]
    return sorted({row["postcode"] for row in rows})[:SUGGESTED]


def _told(beginning: Beginning) -> str:
    """Return what is suggested of a beginning: how many postcodes, and where most of them lie."""
    names = [place["name"] for place in beginning.places if place["name"]]
    where = f", {names[0]}" + (f" and {len(names) - 1} more" if len(names) > 1 else "") if names else ""
    return f"{beginning.kind}, {beginning.live:,} postcode{'' if beginning.live == 1 else 's'}{where}"


def _hit(row: Record) -> Hit:
    name = row["name"] or row["code"]
    also = row.get("also")
    if also and also != name:
        name += f" ({also})"
    code = f" {row['code']}" if row["room"] == "area" else ""
    return Hit(f"/{row['room']}/{row['code']}", name, f"{row['kind']}{code}, {row['nation']}")
