"""Postcodes to figures: the view `postcode_figures` for what has figures, the canned queries' SQL for the rest.

Both read the same views. A postcode with figures costs one statement of key reads, of which SQLite does those whose
columns are asked for; a list goes through it in one go. Where the newest index has none, a second statement finds the
older one and says so in the words of `imd_by_postcode`, the one sentence that stands here too; a test holds them
together. Whatever has none at all (unknown, invalid, not covered, no area of that edition) gets its answer from the
SQL of `imd_by_postcode` itself, which says why.
"""

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from functools import cache
from operator import itemgetter
from pathlib import Path
from typing import TypedDict, cast

import orjson
import yaml

from census.domain import bands, geographies, postcode
from census.domain.types import Record, Row
from census.lookup import messages
from sources import registry

METADATA = Path(__file__).resolve().parents[2] / "metadata.yml"
QUANTILES = {10: "decile", 5: "quintile", 4: "quartile", 20: "vigintile"}  # those that a publisher may give
NATIONS = ("England", "Northern Ireland", "Scotland", "Wales")
QUANTILE_FIELDS = ("requested_quantile", "data_quantile", "data_quantile_basis")
DOMAINS = tuple(f"{domain}_{figure}" for domain in geographies.DOMAINS for figure in ("rank", "decile"))
FIELDS = (
    *("status", "message", "postcode", "terminated", "nation"),
    *("area_code", "area_name", "area_publisher_name", "local_authority_code", "local_authority_name"),
    *("index_id", "year", "rank", "of", "decile", "decile_basis", "quintile", "quintile_basis"),
    *DOMAINS,
    *("idaci_rank", "idaci_decile", "idaopi_rank", "idaopi_decile", "domain_decile_basis"),
    *("uk_composite_rank", "uk_composite_decile", "lsoa_2011", "lsoa_2021", "latitude", "longitude"),
    "local_authority_2019_code",
)
"""What is read from the view, in the order of an answer; the names are those of `imd_by_postcode`."""

STATUSES = ("found", "terminated", "not_covered", "unknown", "invalid")
_QUANTILE = re.compile("[1-9][0-9]{0,2}")
_COUNTED = ("status", "nation", "index_id", "rank")
_WORDED = frozenset(("message", "postcode"))  # what differs between two texts that are no postcodes
OWN = frozenset(("message", "postcode", "terminated", "latitude", "longitude"))
"""Those of FIELDS that are of a postcode alone; the others it shares with all live or retired ones of its areas."""

_IN_THE_QUERY = frozenset(FIELDS) - {"latitude", "longitude", "local_authority_2019_code"}

_ELSEWHERE = """
    select
      postcodes.latitude,
      postcodes.longitude,
      small_areas.local_authority_2019 as local_authority_2019_code,
      deprivation.quartile,
      deprivation.vigintile
    from postcodes
    left join small_areas on small_areas.code = postcodes.lsoa_2011
    left join deprivation on deprivation.area_code = ? and deprivation.index_id = ?
    where postcodes.postcode = ?
"""
_GREEN_SPACE = """
    select
      local_authorities.code as local_authority_2019_code,
      local_authorities.name as local_authority_2019_name,
      green_space.*,
      parks.average_distance_to_nearest_m as parks_average_distance_to_nearest_m,
      parks.average_size_of_nearest_m2 as parks_average_size_of_nearest_m2,
      parks.average_number_within_1000_m as parks_average_number_within_1000_m,
      parks.average_combined_size_within_1000_m_m2 as parks_average_combined_size_within_1000_m_m2
    from green_space
    join local_authorities on local_authorities.code = green_space.local_authority
    left join green_space_parks as parks on parks.local_authority = green_space.local_authority
"""

Counted = tuple[str, str | None, str | None]
"""By what answers are counted: status, nation and index."""

Counts = Counter[Counted]
KnownByArea = dict[str | bool, tuple[Counted, Row]]


class IndexRow(TypedDict):
    """A row of the table `indices`."""

    id: str
    nation: str
    year: int
    title: str
    publisher: str
    areas: int
    area_kind: str
    geography: str
    band_rule: str
    published_bands: str | None
    table_name: str
    loaded: int
    publication: str


class Source(TypedDict):
    """A publication whose figures an answer has."""

    id: str
    title: str
    publisher: str
    edition: str | None
    page: str
    licence: str
    licence_url: str
    attribution: str
    conditions: str | None


class PublicationRow(Source):
    """A row of the table `publications`."""

    publication: str
    status: str
    address: str | None
    file: str | None
    bytes: int | None
    sha256: str | None
    rows: int | None
    retrieved: str | None
    tables: str
    checked: str | None
    checked_note: str | None


class Summary(TypedDict):
    """How many answers of a list there are of each kind."""

    postcodes: int
    statuses: dict[str, int]
    nations: dict[str, int]
    older_edition: int
    without_figures: int


class AskedError(ValueError):
    """What was asked for cannot be answered. `reason` is a word for machines, the message a sentence for people."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@cache
def canned_sql(metadata: Path = METADATA) -> dict[str, str]:
    """Return the SQL of the canned queries, by name, from metadata.yml."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    told = yaml.load(metadata.read_bytes(), loader)
    return {name: query["sql"] for name, query in told["databases"]["census"]["queries"].items()}


def as_quantile(text: str) -> int:
    """Return `text` as a number of groups. Raises AskedError for what is not a whole number from 2 to 100."""
    q = int(text) if _QUANTILE.fullmatch(text.strip(" ")) else 0
    if 2 <= q <= 100:
        return q
    raise AskedError(
        "bad_quantile", f"'{text[:40]}' is not a quantile: it must be a whole number from 2 to 100, such as 5."
    )


class Lookup:
    """A census.db, opened read-only on a connection of its own, memory-mapped; for one thread at a time.

    database: the file. queries: the canned queries' SQL by name. immutable: the file is known not to change while it is
    open, as one that a build published; SQLite then spares its locks.

    edition: the text that every answer gives. digest: the database's. indices: those it knows, newest first.
    meant_by: for each `wanted` the index that it means in each of NATIONS.
    """

    def __init__(self, database: Path, queries: dict[str, str], immutable: bool = False) -> None:
        address = f"{Path(database).resolve().as_uri()}?mode=ro{'&immutable=1' if immutable else ''}"
        self.connection = sqlite3.connect(
            address, uri=True, check_same_thread=False, cached_statements=256, isolation_level=None
        )
        self.connection.execute(f"pragma mmap_size = {1 << 31}")
        for name, function in postcode.FUNCTIONS.items():
            self.connection.create_function(name, 1, function, deterministic=True)
        for name, sentence in messages.FUNCTIONS.items():
            self.connection.create_function(name, -1, sentence, deterministic=True)
        self.queries = queries
        [edition] = self.rows("select edition_notes.edition, edition.* from edition_notes, edition")
        self.edition, self.digest = edition["edition"], edition["digest"]
        self.directory, self.extract = edition["directory"], edition["scope"] == "extract"
        self._whole = edition["left_out"] is None and edition["directory"] is not None
        self.indices = cast(list[IndexRow], self.rows("select * from indices order by year desc, id"))
        known = ["", "latest", *(index["id"] for index in self.indices), *(str(row["year"]) for row in self.indices)]
        self.meant_by = {wanted: self._meaning(wanted) for wanted in known}
        publications = cast(list[PublicationRow], self.rows("select * from publications order by id"))
        self.publications = {row["id"]: row for row in publications}
        self.green_space = {
            row.pop("local_authority"): row for row in self.rows(_GREEN_SPACE + " order by green_space.local_authority")
        }
        self._bands = {p.index.id: p.index for p in registry.publications() if p.index}

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def rows(self, sql: str, parameters: Sequence[object] | Record = ()) -> list[Record]:
        """Return the rows that `sql` gives, each as a dict."""
        with closing(self.connection.cursor()) as cursor:
            cursor.row_factory = _as_dict
            found: list[Record] = cursor.execute(sql, parameters).fetchall()
        return found

    def canned(self, name: str, **parameters: object) -> list[Record]:
        """Return the rows of the canned query `name`."""
        return self.rows(self.queries[name], parameters)

    def wanted(self, index: str | None) -> str:
        """Return `index` as the queries read it.

        Raises AskedError for what is neither an index, a year, latest nor empty.
        """
        wanted = (index or "").strip(" ").lower()
        if wanted in self.meant_by:
            return wanted
        known = ", ".join(sorted(known["id"] for known in self.indices))
        raise AskedError("unknown_index", f"'{wanted[:40]}' is not an index: give {known}, a year, latest or nothing.")

    def newest(self, wanted: str) -> dict[str, str | None]:
        """Return for each nation the id of the index that `wanted` (as `wanted` gives it) means there, or None."""
        return dict(zip(NATIONS, self.meant_by[wanted], strict=True))

    def one(self, text: str | None, wanted: str = "", q: int | None = None) -> Record:
        """Return the answer for one postcode, in the words of `imd_by_postcode`, with position and authority of 2019.

        text: the postcode as it was given. wanted: as `wanted` gives it. q: a number of bands from 2 to 100, of which
        `data_quantile` is to be one.
        """
        meant = self.meant_by[wanted]
        answer = self.figures(text, meant, q)
        if answer is None and wanted in ("", "latest"):
            answer = self.figures(text, meant, q, older=True)
        return self._why(text, wanted, q) if answer is None else answer

    def figures(
        self,
        text: str | None,
        meant: Sequence[str | None],
        q: int | None,
        columns: tuple[str, ...] = FIELDS,
        older: bool = False,
    ) -> Record | None:
        """Return the answer for a postcode that has figures of the index meant for its nation, otherwise None.

        meant: an index for each of NATIONS. columns: those of FIELDS to read; with `q` the bands of the rank must be
        among them. older: the newest index before the one meant.
        """
        if not self._whole or not (key := postcode.key(text)):
            return None
        found = self.connection.execute(one_sql(columns, older), (key, *meant)).fetchone()
        if found is None:
            return None
        answer = dict(zip(columns, found, strict=False))
        if q is not None:
            answer.update(self.banded(answer | {"quartile": found[-2], "vigintile": found[-1]}, q))
        return answer

    def many(
        self, texts: Sequence[object], wanted: str, fields: Sequence[str], q: int | None = None
    ) -> tuple[list[Record], Counts]:
        """Answer for `texts`, in their order, each with `fields` (of FIELDS and QUANTILE_FIELDS).

        The counter says how many there are for each (status, nation, index_id); without figures the last is None.
        """
        fields = tuple(fields)
        cells, counts = self.table(texts, wanted, fields, q)
        return [dict(zip(fields, row)) for row in cells], counts  # noqa: B905, as fast as can be

    def table(
        self, texts: Sequence[object], wanted: str, fields: tuple[str, ...], q: int | None = None
    ) -> tuple[list[Row], Counts]:
        """Return as `many`, each answer as a tuple of the values of `fields`."""
        quantiles = [field for field in fields if field in QUANTILE_FIELDS]
        read = ("status", "nation", "index_id", *(field for field in fields if field not in QUANTILE_FIELDS))
        if quantiles:
            read += ("rank", *(f"{name}{more}" for name in ("decile", "quintile") for more in ("", "_basis")))
            read += ("quartile", "vigintile")
        found = self._found(texts, wanted, read) if self._whole else []
        answers: list[Row | None] = [None] * len(texts)
        counts: Counts = Counter(map(itemgetter(1, 2, 3), found))
        for row in found:
            answers[row[0]] = row[4:]
        if quantiles:
            for row in found:
                told = dict(zip(read, row[1:], strict=True))
                told |= self.banded(told, q)
                answers[row[0]] = tuple(told[field] for field in fields)
        if len(found) < len(texts):
            known: dict[str | None, Record] = {}
            whole = q is not None or not _IN_THE_QUERY.issuperset(fields)
            worded = not _WORDED.isdisjoint(fields)
            for place, answer in enumerate(answers):
                if answer is None:
                    text = _as_text(texts[place])
                    alike = text if worded else self._alike(text)
                    told = known.get(alike) or known.setdefault(alike, self._why(text, wanted, q, whole))
                    counts[_counted(*(told[name] for name in _COUNTED))] += 1
                    answers[place] = tuple(told[field] for field in fields)
        return cast(list[Row], answers), counts  # each has its answer now

    def by_areas(
        self, texts: Sequence[str], wanted: str, fields: tuple[str, ...], q: int | None, known: KnownByArea
    ) -> tuple[list[Row], Counts]:
        """Return as `table`, for `fields` that postcodes of the same areas share (none of OWN), each looked up once.

        known: the answers so far, by areas, authority and whether the postcode is live, or by the postcode where it has
        no area; empty at first. It is for these `wanted`, `fields` and `q`.
        """
        asked = orjson.dumps([postcode.key(text) for text in texts]).decode()
        found: list[str | None] = [None] * len(texts)
        for n, place in self.connection.execute(_PLACES, (asked,)):
            found[n] = place
        places = [
            postcode.normalise(text) is None if place is None else place
            for text, place in zip(texts, found, strict=True)
        ]
        new: dict[str | bool, str] = {}
        for text, place in zip(texts, places, strict=True):
            if place not in known:
                new[place] = text
        if new:
            cells, _ = self.table(list(new.values()), wanted, (*_COUNTED, *fields), q)
            known.update(zip(new, ((_counted(*row[:4]), row[4:]) for row in cells), strict=True))
        answers = [known[place] for place in places]
        return [answer[1] for answer in answers], Counter(map(itemgetter(0), answers))

    def _found(self, texts: Sequence[object], wanted: str, read: tuple[str, ...]) -> list[Row]:
        """Return for those of `texts` that have figures their place among them and the columns `read`."""
        key, meant = postcode.key, self.meant_by[wanted]
        asked = [key(text) if isinstance(text, str) else None for text in texts]
        found = self.connection.execute(_batch(read), (orjson.dumps(asked).decode(), *meant)).fetchall()
        if wanted in ("", "latest") and len(found) < len(texts):
            there = {row[0] for row in found}
            left = [place for place in range(len(texts)) if place not in there]
            asked_again = orjson.dumps([asked[place] for place in left]).decode()
            # The last of a postcode's is the newest.
            older = {row[0]: row for row in self.connection.execute(_older_batch(read), (asked_again, *meant))}
            found += [(left[n], *row[1:]) for n, row in older.items()]
        return found

    def _alike(self, text: str | None) -> str | None:
        """Return a key for all texts that have, except for the wording, the answer of `text`.

        It is for texts that are unknown or no postcode.
        """
        asked = postcode.normalise(text)
        if asked is None:
            return None
        here = self.connection.execute("select 1 from postcodes where postcode = ?", (asked,)).fetchone()
        return asked if here else ""

    def look_alikes(self, text: str | None) -> list[str]:
        """Return the postcodes here that one swap of look-alike letters and digits makes of `text`, which is none."""
        if postcode.normalise(text) and self._alike(text):
            return []
        return [row["postcode"] for row in self.rows(_LOOK_ALIKES, (json.dumps(postcode.look_alikes(text)),))]

    def summary(self, counts: Counts, wanted: str) -> Summary:
        """Return a summary of the counter of `many`: statuses, nations, how many fell back to an older index.

        without_figures: how many of those found or terminated have no figure of the index that was asked for.
        """
        newest = self.newest("latest")
        statuses: Counter[str] = Counter()
        nations: Counter[str] = Counter()
        older = without = 0
        for (status, nation, index), n in counts.items():
            statuses[status] += n
            if nation:
                nations[nation] += n
            if wanted in ("", "latest") and nation is not None and index is not None and index != newest[nation]:
                older += n
            if index is None and status in ("found", "terminated"):
                without += n
        return {
            "postcodes": counts.total(),
            "statuses": {status: statuses[status] for status in STATUSES},
            "nations": dict(sorted(nations.items())),
            "older_edition": older,
            "without_figures": without,
        }

    def banded(self, figures: Record, q: int | None) -> Record:
        """Return the band of `figures` among `q`, as QUANTILE_FIELDS.

        It is the published one where there is one, otherwise computed.
        """
        rank, band, basis = figures["rank"], None, None
        if rank is not None and q is not None:
            if name := QUANTILES.get(q):
                band, basis = figures.get(name), figures.get(f"{name}_basis", "published")
            if band is None:
                band, basis = bands.quantile(self._bands[figures["index_id"]], rank, q), "computed"
        return dict(zip(QUANTILE_FIELDS, (q, band, basis), strict=True))

    def sources(self, indices: Iterable[str | None], northern_ireland: bool, more: Iterable[str]) -> list[Source]:
        """Return the sources of an answer's figures.

        Each has title, edition, licence, attribution and conditions.

        indices: of the figures. northern_ireland: whether a postcode of Northern Ireland (BT) is among them, which has
        conditions of its own. more: of "uk_composite" and "green_space" those that the answer has.
        """
        of_index = {index["id"]: index["publication"] for index in self.indices}
        used = ["postcode_directory", *sorted({of_index[index] for index in indices if index}), *more]
        told: list[Source] = []
        for source in used:
            if row := self.publications.get(source):
                has_conditions = northern_ireland or source != "postcode_directory"
                told.append(
                    Source(
                        id=row["id"],
                        title=row["title"],
                        publisher=row["publisher"],
                        edition=row["edition"],
                        page=row["page"],
                        licence=row["licence"],
                        licence_url=row["licence_url"],
                        attribution=row["attribution"],
                        conditions=row["conditions"] if has_conditions else None,
                    )
                )
        return told

    def _why(self, text: str | None, wanted: str, q: int | None, whole: bool = True) -> Record:
        [row] = self.canned("imd_by_postcode", postcode=text, index=wanted)
        places = self.rows(_ELSEWHERE, (row["area_code"], row["index_id"], row["postcode"])) if whole else []
        told: Record = dict.fromkeys(FIELDS) | {name: row[name] for name in FIELDS if name in row}
        for place in places:
            told |= {name: place[name] for name in FIELDS if name in place}
        if q is not None:
            told |= self.banded(told | {name: row[name] for row in places for name in ("quartile", "vigintile")}, q)
        return told

    def _meaning(self, wanted: str) -> tuple[str | None, ...]:
        """Return for each of NATIONS the index that `wanted` means there."""
        meant: dict[str, str] = {}
        for index in self.indices:
            if wanted in ("", "latest", index["id"], str(index["year"])):
                meant.setdefault(index["nation"], index["id"])
        return tuple(meant.get(nation) for nation in NATIONS)


_LOOK_ALIKES = """
    select postcode from json_each(?) as form cross join postcodes on postcodes.postcode = form.value order by postcode
"""

_PLACES = """
    select
      asked.key,
      coalesce(lsoa_2011, postcode) || ' ' || coalesce(lsoa_2021, '') || ' ' || coalesce(local_authority, '')
      || ' ' || (terminated is null)
    from json_each(?) as asked cross join postcodes on postcodes.postcode = asked.value
"""
"""What postcodes with the same figures have in common, as one text."""

_MEANT = "case figures.nation " + "".join(f"when '{nation}' then ? " for nation in NATIONS) + "end"
_OLDER_ONES = f"""
    cross join postcode_indices as newest
      on newest.postcode = figures.postcode and newest.index_id = {_MEANT} and newest.rank is null
"""
"""Leads to the editions that answer where the newest has no figures, each with why it has none."""


def _listed(columns: Iterable[str], older: bool = False) -> str:
    message = """
        trim(coalesce(figures.message, '') || ' ' || newest.without || ' These figures are those of '
        || figures.index_id || '.')
    """
    return ", ".join(message if older and name == "message" else f'figures."{name}"' for name in columns)


@cache
def one_sql(columns: tuple[str, ...], older: bool = False) -> str:
    """Return the SQL of one postcode's `columns`, and quartile and vigintile; only the joins they need are made."""
    listed = _listed((*columns, "quartile", "vigintile"), older)
    if not older:
        return f"select {listed} from postcode_figures as figures where figures.postcode = ? and index_id = {_MEANT}"
    return f"""
        select {listed} from (select ? as postcode) as asked
        cross join postcode_figures as figures on figures.postcode = asked.postcode {_OLDER_ONES}
        order by figures.year desc, figures.index_id limit 1
    """


def _batch(columns: Iterable[str]) -> str:
    return f"""
        select asked.key, {_listed(columns)} from json_each(?) as asked
        cross join postcode_figures as figures on figures.postcode = asked.value and figures.index_id = {_MEANT}
    """


def _older_batch(columns: Iterable[str]) -> str:
    return f"""
        select asked.key, {_listed(columns, older=True)} from json_each(?) as asked
        cross join postcode_figures as figures on figures.postcode = asked.value {_OLDER_ONES}
        order by asked.key, figures.year
    """


def _as_text(value: object) -> str | None:
    """Return a text for a JSON value that may be none. Of lists and objects, which may be deep, only the kind."""
    if value is None or isinstance(value, str):
        return value
    return "[…]" if isinstance(value, list) else "{…}" if isinstance(value, dict) else json.dumps(value)


def _counted(status: str, nation: str | None, index: str | None, rank: float | None) -> Counted:
    """Return the key by which answers are counted."""
    return status, nation, None if rank is None else index


def _as_dict(cursor: sqlite3.Cursor, row: Row) -> Record:
    return dict(zip([told[0] for told in cursor.description], row, strict=True))
