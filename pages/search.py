"""Tells a postcode, a code and a name apart, finds them, and suggests as one types.

A postcode is a form (`sources.postcode`), a code is known to the database; anything else is looked for in the names of
authorities, health geographies and small areas: all words must occur, the last one may be a beginning.
"""

import re
from dataclasses import asdict, dataclass

from api.lookup import Lookup
from sources import postcode
from sources.rows import Record

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
_CODES = f"""
    select 'local-authority' as room, 'local authority' as kind, code, name, nation from local_authorities
    where code >= :q and code < :end
    union all
    select 'health-geography', kind, code, name, nation from health_geographies
    where code >= :q and code < :end or ods_code = :q
    union all
    select 'area', kind, code, {_PLACE.format("small_areas")}, nation from small_areas
    where code >= :q and code < :end
    union all
    select 'area', 'LSOA', code, {_PLACE.format("lsoas_2021")}, nation from lsoas_2021
    where code >= :q and code < :end and code not in (select code from small_areas)
    order by code limit :limit
"""
_NAMES = (
    """
    select 'local-authority' as room, 'local authority' as kind, code, local_authorities.name, nation
    from local_authorities_fts join local_authorities on local_authorities.rowid = local_authorities_fts.rowid
    where local_authorities_fts match :words
    order by successor is not null, lower(local_authorities.name) <> :q, length(local_authorities.name), code
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
    packed = "".join(text.split()).upper()
    if len(packed) < 2 or len(text) > LONGEST:
        return []
    found: list[Hit] = []
    if len(packed) >= 3 and _BEGINNING.fullmatch(packed):
        found += [Hit(f"/postcode/{code.replace(' ', '')}", code, "postcode") for code in _begin(lookup, packed)]
    if len(packed) >= 3 and _CODE.fullmatch(packed) and any(map(str.isdigit, packed)):
        found += [_hit(row) for row in lookup.rows(_CODES, {"q": packed, "end": packed + "~", "limit": SUGGESTED})]
    elif (hit := exact(lookup, text)) and hit not in found:
        found.append(hit)
    if len(found) < SUGGESTED:
        found += [hit for hit in named(lookup, text, SUGGESTED) if hit not in found]
    return found[:SUGGESTED]


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


def _hit(row: Record) -> Hit:
    name = row["name"] or row["code"]
    also = row.get("also")
    if also and also != name:
        name += f" ({also})"
    code = f" {row['code']}" if row["room"] == "area" else ""
    return Hit(f"/{row['room']}/{row['code']}", name, f"{row['kind']}{code}, {row['nation']}")
