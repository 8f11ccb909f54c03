"""The routes under /api/v1: a postcode, many postcodes, an area, a local authority, the indices.

What is wrong with a request is a `Problem` (RFC 9457) with a `reason`: those of STATUSES for a postcode without an
answer, and those in the docstrings below. The names of an answer's members are those of `imd_by_postcode`.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import orjson

from census.domain.types import Record
from census.lookup.lookup import FIELDS, QUANTILE_FIELDS, STATUSES, AskedError, Counts, Lookup, as_quantile
from census.tables import postcode_column
from census.web import responses as web
from census.web.asgi import Receive, Scope
from census.web.responses import Answer, Malformed, answered, problem

HTTP = dict(zip(STATUSES, (200, 200, 404, 404, 400), strict=True))
MOST_POSTCODES = 10_000
MOST_BYTES = 1_000_000
MOST_READING = 64 * MOST_BYTES  # of all lists together that are still on their way
AT_ONCE = 250  # postcodes that are looked up before others get their turn: 2 to 10 ms

_INSIDE = "local_authority_2019_code"  # is given inside green_space
ANSWER = (*(name for name in FIELDS if name != _INSIDE), *QUANTILE_FIELDS, "green_space", "edition", "sources")
"""The members of a postcode's answer."""

IN_A_LIST = tuple(name for name in ANSWER if name not in ("edition", "sources"))
"""Those of an answer in a list, which gives the other two once for all, whether they are asked for or not."""


class Problem(Exception):
    """An answer that is an error, as its `answer`."""

    def __init__(self, status: int, reason: str, detail: str, **more: object) -> None:
        super().__init__(reason)
        self.answer = problem(status, reason, detail, **more)


def busy() -> Problem:
    """Return the refusal of a list for which there is no room now."""
    told = Problem(503, "busy", "Too many lists are asked for just now; try again.")
    told.answer.headers = ((b"retry-after", b"1"),)
    return told


@dataclass(frozen=True, slots=True)
class ListAsked:
    """A list of postcodes as it was sent, and what is asked of each.

    column: of a CSV. wanted: the index as `Lookup.wanted` gives it. q: the number of bands. fields: members wanted.
    """

    body: bytes
    content_type: bytes
    column: str | None
    wanted: str
    q: int | None
    fields: list[str]


@dataclass(frozen=True, slots=True)
class Listed:
    """The postcodes of a list, and the name of the column of a CSV that they stand in, None where it has no name."""

    texts: Sequence[object]
    column: str | None = None


Asked = tuple[str, int | None, list[str] | None]
"""The index as `Lookup.wanted` gives it, the number of bands, and the members wanted."""

REFUSALS = (Problem, Malformed, AskedError)


def refused(error: Problem | Malformed | AskedError) -> Answer:
    """Return the answer to a request that was refused with `error`, one of REFUSALS."""
    if isinstance(error, Problem):
        return error.answer
    return problem(400, "bad_parameter" if isinstance(error, Malformed) else error.reason, str(error))


class V1:
    """The routes, over one Lookup. `get` answers at once, `pieces` a list that `read_list` has read."""

    def __init__(self, lookup: Lookup) -> None:
        self.lookup = lookup
        self.green_space = {code: orjson.Fragment(orjson.dumps(row)) for code, row in lookup.green_space.items()}
        self._sources: dict[tuple[str, bool, bool, bool], orjson.Fragment] = {}
        self._known: dict[bytes, Asked] = {}
        self.reading = 0  # bytes of lists that have not arrived whole

    def get(self, path: str, query_string: bytes) -> Answer:
        """Return the answer to GET: `path` is what follows /api/v1/, percent-decoded."""
        try:
            room, _, name = path.removesuffix("/").partition("/")
            if room == "postcodes" and name:
                return self.postcode(name, query_string)
            if room == "areas" and name:
                return self.area(name, query_string)
            if room == "local-authorities" and name:
                return self.local_authority(name, query_string)
            if room == "indices" and not name:
                return self.indices(query_string)
            raise Problem(404, "unknown_route", "There is no such address; /api/v1 lists them.")
        except REFUSALS as error:
            return refused(error)

    def postcode(self, text: str, query_string: bytes) -> Answer:
        """Answer for one postcode.

        Reasons: those of STATUSES; unknown_index, index_of_another_nation, bad_quantile, bad_field.
        """
        wanted, q, fields = self._asked_in(query_string)
        answer = self.lookup.one(text, wanted, q)
        status = HTTP[answer["status"]]
        if status != 200:
            known = {name: answer[name] for name in _OF_A_PROBLEM if answer[name] is not None}
            raise Problem(status, answer["status"], answer["message"], **known, edition=self.lookup.edition)
        index = answer["index_id"]
        if index is None:
            raise Problem(404, "index_of_another_nation", answer["message"], postcode=answer["postcode"])
        green_space = self.green_space.get(answer.pop(_INSIDE))
        answer["green_space"] = green_space
        answer["edition"] = self.lookup.edition
        answer["sources"] = self._told(
            index,
            answer["nation"] == "Northern Ireland",
            answer["uk_composite_rank"] is not None,
            green_space is not None,
        )
        return answered({name: answer[name] for name in fields} if fields else answer)

    def area(self, code: str, query_string: bytes) -> Answer:
        """Answer for a small area of 2011 or 2021. Reasons: unknown, unknown_index, index_of_another_nation."""
        wanted, _, _ = self._asked(web.parameters(query_string, ("index",)))
        code, lookup = _code(code), self.lookup
        parents = {
            "2011": lookup.rows("select * from small_areas where code = ?", (code,)),
            "2021": lookup.rows("select *, 'LSOA' as kind from lsoas_2021 where code = ?", (code,)),
        }
        eras = [era for era, rows in parents.items() if rows]
        figures = lookup.rows(_DEPRIVATION, (code,))
        if wanted == "latest":
            figures = figures[:1]
        elif wanted:
            figures = [row for row in figures if wanted in (row["index_id"], str(row["year"]))]
        message = None
        if not figures:
            [told] = lookup.canned("deprivation_by_small_area", code=code, index=wanted)
            message = told["message"]
        if not eras:
            detail = message or f"'{code[:40]}' is not the code of a small area here."
            raise Problem(404, "unknown", detail, edition=lookup.edition)
        area = parents[eras[0]][0]
        if message and lookup.newest(wanted)[area["nation"]] is None:
            raise Problem(404, "index_of_another_nation", message, edition=lookup.edition)
        [authority] = lookup.rows(
            "select (select name from local_authorities where code = ?) as name", (area["local_authority"],)
        )
        composite = lookup.rows(
            "select uk_imd_e_rank as uk_composite_rank, uk_imd_e_pop_decile as uk_composite_decile"
            " from imd_uk_composite where area_code = ?",
            (code,),
        )
        green_space = self.green_space.get(area.get("local_authority_2019"))
        lists = {}
        for table in ("lsoas_2011", "lsoas_2021", "data_zones_2011", "soas_2001"):
            for row in lookup.rows(f"select * from {table} where code = ?", (code,)):
                lists[table] = row
        more = [name for name, there in (("uk_composite", composite), ("green_space", green_space)) if there]
        return answered(
            {
                "code": code,
                "kind": area["kind"],
                "nation": area["nation"],
                "name": area["name"],
                "publisher_name": area["publisher_name"],
                "eras": eras,
                "local_authority_code": area["local_authority"],
                "local_authority_name": authority["name"],
                "latitude": area["latitude"],
                "longitude": area["longitude"],
                "message": message,
                "deprivation": figures,
                **(composite[0] if composite else {"uk_composite_rank": None, "uk_composite_decile": None}),
                "green_space": green_space,
                "changes": lookup.rows(_CHANGES, (code, code)),
                "lists": lists,
                "edition": lookup.edition,
                "sources": lookup.sources(
                    {row["index_id"] for row in figures}, area["nation"] == "Northern Ireland", more
                ),
            }
        )

    def local_authority(self, code: str, query_string: bytes) -> Answer:
        """Answer for a local authority of any vintage. Reasons: unknown, unknown_index, index_of_another_nation."""
        wanted, _, _ = self._asked(web.parameters(query_string, ("index",)))
        code, lookup = _code(code), self.lookup
        found = lookup.rows("select * from local_authorities where code = ?", (code,))
        if not found:
            raise Problem(
                404, "unknown", f"'{code[:40]}' is not the code of a local authority here.", edition=lookup.edition
            )
        [authority] = found
        meant = [
            index["id"]
            for index in lookup.indices
            if index["nation"] == authority["nation"] and wanted in ("", "latest", index["id"], str(index["year"]))
        ]
        if wanted == "latest":
            meant = meant[:1]
        if not meant:
            [told, *_] = lookup.canned("deprivation_in_local_authority", authority=code, index=wanted)
            raise Problem(404, "index_of_another_nation", told["message"], edition=lookup.edition)
        deprivation = [
            _distribution(lookup.canned("deprivation_in_local_authority", authority=code, index=index))
            for index in meant
        ]
        green_space = lookup.canned("green_space_by_local_authority", authority=code)
        gardens = [
            self.green_space[row["local_authority_2019_code"]]
            for row in green_space
            if row["local_authority_2019_code"] is not None
        ]
        areas = {
            "2011": "select code, name from small_areas where local_authority = ? order by code",
            "2021": "select code, name from lsoas_2021 where local_authority = ? order by code",
        }
        return answered(
            {
                **authority,
                "predecessors": lookup.rows(
                    "select code, name from local_authorities where successor = ? order by code", (code,)
                ),
                "deprivation": deprivation,
                "green_space": gardens,
                "green_space_message": green_space[0]["message"],
                "small_areas": {era: lookup.rows(sql, (code,)) for era, sql in areas.items()},
                "edition": lookup.edition,
                "sources": lookup.sources(
                    meant, authority["nation"] == "Northern Ireland", ["green_space"][: len(gardens)]
                ),
            }
        )

    def indices(self, query_string: bytes) -> Answer:
        """Answer with the indices that there are, newest first, with the database that they are in."""
        web.parameters(query_string, ())
        lookup = self.lookup
        return answered(
            {
                "indices": [row | {"loaded": bool(row["loaded"])} for row in lookup.indices],
                "edition": lookup.edition,
                "directory": lookup.directory,
                "database": lookup.digest,
                "extract": lookup.extract,
                "sources": lookup.sources([row["id"] for row in lookup.indices], True, ("uk_composite", "green_space")),
            }
        )

    async def read_list(self, scope: Scope, receive: Receive) -> "Answer | ListAsked":
        """Return the list of postcodes that a request asks for, or the answer to one that is refused.

        Reasons: too_large, too_many, malformed, bad_content_type; and
        bad_parameter, unknown_index, bad_quantile, bad_field.
        """
        try:
            given = web.parameters(scope["query_string"], ("index", "quantile", "fields", "column"))
            wanted, q, fields = self._asked(given, ANSWER)
            body = await self._body(scope, receive)
        except REFUSALS as error:
            return refused(error)
        if fields:
            fields = [name for name in fields if name in IN_A_LIST]
        else:
            fields = [name for name in IN_A_LIST if q is not None or name not in QUANTILE_FIELDS]
        return ListAsked(body, web.header(scope, b"content-type"), given.get("column"), wanted, q, fields)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body of a list. Raises Problem for one that is too large, broken off, or one too many."""
        if web.header(scope, b"content-encoding") not in (b"", b"identity"):
            raise Problem(415, "bad_content_type", "The list must not be compressed.")
        too_large = Problem(413, "too_large", f"The list is too large: {MOST_BYTES:,} bytes are allowed.")
        told = web.header(scope, b"content-length")
        if told.isdigit() and int(told) > MOST_BYTES:
            raise too_large
        body, more = bytearray(), True
        try:
            while more:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Problem(400, "malformed", "The list broke off.")
                piece = message.get("body", b"")
                body += piece
                self.reading += len(piece)
                if len(body) > MOST_BYTES:
                    raise too_large
                more = message.get("more_body", False)
                if more and self.reading > MOST_READING:
                    raise busy()
            return bytes(body)
        finally:
            self.reading -= len(body)

    def listed(self, asked: "ListAsked") -> "Answer | Listed":
        """Return the postcodes of a list, or the answer to what is none."""
        try:
            return _listed(asked.content_type, asked.body, asked.column)
        except REFUSALS as error:
            return refused(error)

    def pieces(self, listed: "Listed", asked: "ListAsked") -> Iterable[bytes]:
        """Yield the answer to a list, in its order, in pieces that together are one JSON object; none of it is kept."""
        texts = listed.texts
        wanted, q, fields = asked.wanted, asked.q, asked.fields
        green = "green_space" in fields
        read = [_INSIDE if name == "green_space" else name for name in fields]
        counts: Counts = Counter()
        before = b'{"edition":%s,"answers":[' % orjson.dumps(self.lookup.edition)
        for start in range(0, len(texts), AT_ONCE):
            answers, counted = self.lookup.many(texts[start : start + AT_ONCE], wanted, read, q)
            counts += counted
            if green:
                for answer in answers:
                    answer["green_space"] = self.green_space.get(answer.pop(_INSIDE))
            yield before + orjson.dumps(answers)[1:-1]
            before = b","
        summary = self.lookup.summary(counts, wanted)
        more = [name for name in ("uk_composite", "green_space") if any(name in field for field in fields)]
        used = self.lookup.sources({index for _, _, index in counts}, "Northern Ireland" in summary["nations"], more)
        yield (
            (before if before != b"," else b"")
            + b"],"
            + orjson.dumps({"summary": summary | {"column": listed.column}, "sources": used})[1:]
        )

    def _asked_in(self, query_string: bytes) -> Asked:
        """Return what a query string asks of one postcode; kept, since clients ask the same of every postcode."""
        asked = self._known.get(query_string)
        if asked is None:
            asked = self._asked(web.parameters(query_string, ("index", "quantile", "fields")), ANSWER)
            if len(self._known) < 256 and len(query_string) < 1000:
                self._known[query_string] = asked
        return asked

    def _asked(self, given: dict[str, str], known: tuple[str, ...] = ()) -> Asked:
        """Return what the parameters ask for: the index as `Lookup.wanted` gives it, number of bands, fields."""
        wanted = self.lookup.wanted(given.get("index"))
        q: int | None = None
        fields: list[str] | None = None
        if "quantile" in given:
            q = as_quantile(given["quantile"])
        if "fields" in given:
            names = [name.strip(" ") for name in given["fields"].split(",")]
            for name in names:
                if name not in known:
                    raise AskedError("bad_field", f"'{name[:40]}' is not a field here: {', '.join(known)}.")
                if name in QUANTILE_FIELDS and q is None:
                    raise AskedError("bad_field", f"The field '{name}' needs quantile=.")
            fields = list(dict.fromkeys(names))
        return wanted, q, fields

    def _told(self, index: str, northern_ireland: bool, composite: bool, green_space: bool) -> orjson.Fragment:
        key = (index, northern_ireland, composite, green_space)
        if key not in self._sources:
            more = [name for name, there in (("uk_composite", composite), ("green_space", green_space)) if there]
            self._sources[key] = orjson.Fragment(orjson.dumps(self.lookup.sources([index], northern_ireland, more)))
        return self._sources[key]


_OF_A_PROBLEM = ("postcode", "terminated", "nation", "local_authority_code", "local_authority_name")
_DEPRIVATION = """
    select indices.id as index_id, indices.year, deprivation.*
    from deprivation join indices on indices.id = deprivation.index_id
    where deprivation.area_code = ? order by indices.year desc, indices.id
"""
_CHANGES = """
    select lsoa_2011, lsoa_2021, change from lsoa_changes where lsoa_2011 = ?
    union
    select lsoa_2011, lsoa_2021, change from lsoa_changes where lsoa_2021 = ?
    order by 1, 2
"""


def _code(text: str) -> str:
    return text.strip(" ").upper()


def _distribution(rows: list[Record]) -> Record:
    """Return the rows of `deprivation_in_local_authority` for one index, as one object."""

    def listed(part: str, *names: str) -> list[Record]:
        return [{name: row[name] for name in names} for row in rows if row["part"] == part]

    return {
        **{name: rows[0][name] for name in ("message", "index_id", "year", "of")},
        "deciles": listed("decile", "decile", "decile_basis", "areas", "share"),
        "most_deprived": listed("most deprived", "area_code", "area_name", "rank", "decile"),
        "least_deprived": listed("least deprived", "area_code", "area_name", "rank", "decile"),
    }


def _listed(content_type: bytes, body: bytes, column: str | None) -> Listed:
    """Return the postcodes of a list as it was sent. What is no text stays what it is, and is answered as invalid."""
    media = content_type.partition(b";")[0].strip().lower()
    try:
        if media == b"application/json":
            listed = orjson.loads(body)
            if not isinstance(listed, list):
                raise Problem(400, "malformed", 'The JSON must be a list of postcodes: ["SW1A 1AA", "CF14 3LX"].')
            found = Listed(listed)
        elif media in (b"application/x-ndjson", b"application/ndjson", b"application/jsonl"):
            found = Listed([orjson.loads(line) for line in body.splitlines() if line.strip()])
        elif media in (b"text/csv", b"text/tab-separated-values"):
            found = _column(body.decode("utf-8-sig"), column)
        else:
            raise Problem(
                415, "bad_content_type", "Content-Type must be application/json, application/x-ndjson or text/csv."
            )
    except (ValueError, csv.Error) as error:
        where = (
            f" ({error.msg}, line {error.lineno}, column {error.colno})"
            if isinstance(error, orjson.JSONDecodeError)
            else ""
        )
        raise Problem(400, "malformed", f"The list cannot be read as {media.decode('latin-1')}{where}.") from None
    if column is not None and not media.startswith(b"text/"):
        raise Problem(400, "bad_parameter", "'column' is for CSV.")
    if not found.texts:
        raise Problem(400, "malformed", "The list is empty.")
    if len(found.texts) > MOST_POSTCODES:
        raise Problem(
            413, "too_many", f"The list has {len(found.texts):,} postcodes: {MOST_POSTCODES:,} at a time are allowed."
        )
    return found


def _column(text: str, column: str | None) -> Listed:
    """Return the cells of one column of a CSV, and its name.

    It is `column`, or else the one named postcode, or the only one whose name says so, or the only one there is. That
    one may have no name: then its first cell is a postcode, or stands for one that is not known.
    """
    text, told = postcode_column.cut(text)
    delimiter = told or postcode_column.delimiter_of(text, column or "postcode")
    end = postcode_column.first_line_end(text)
    lines = io.StringIO(text, newline="\r" if end == "\r" else "\n")  # another line break needs quotes
    rows = [list(map(postcode_column.bare, row)) for row in csv.reader(lines, delimiter=delimiter, strict=True)]
    if not rows:
        return Listed([])
    names = rows[0]  # an empty line further down is an empty postcode
    wanted = postcode_column.plain(column or "postcode")
    places = [place for place, name in enumerate(names) if postcode_column.plain(name) == wanted]
    if not places and column is None and (only := postcode_column.only_title(names)) is not None:
        places = [only]
    if len(places) == 1:
        place = places[0]
        return Listed([row[place] if place < len(row) else "" for row in rows[1:]], names[place].strip())
    if column is None and len(names) < 2:
        first = names[0] if names else ""
        if any(map(str.isdigit, first)) or postcode_column.NO_POSTCODE.fullmatch(first.strip()):
            return Listed([row[0] if row else "" for row in rows])
        raise Problem(
            400,
            "malformed",
            "The first line is neither a postcode nor called postcode: `column` names what it is called.",
        )
    raise Problem(400, "malformed", f"The CSV needs one column named '{wanted[:40]}'; `column` names another one.")
