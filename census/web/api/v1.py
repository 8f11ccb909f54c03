"""Serve the routes under /api/v1: a postcode, many postcodes, an area, a local authority, the indices.

What is wrong with a request is a `Problem` (RFC 9457) with a `reason`: those of STATUSES for a postcode without an
answer, and those in the docstrings below. The names of an answer's members are those of `imd_by_postcode`.
"""

import csv
import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

import orjson

from census.domain.types import Record
from census.lookup import areas, authorities, postcode_lists, postcodes
from census.lookup.database import Lookup
from census.lookup.errors import NotFound, RequestError
from census.lookup.indices import as_quantile
from census.lookup.postcode_lists import Counts
from census.lookup.postcodes import FIELDS, QUANTILE_FIELDS
from census.tables import postcode_column
from census.web import responses as web
from census.web.asgi import Receive, Scope
from census.web.responses import Answer, Malformed, answered, problem

HTTP = {"found": 200, "terminated": 200, "not_covered": 404, "unknown": 404, "invalid": 400}
"""Status of a postcode to that of the answer."""
MOST_POSTCODES = 10_000
MOST_BYTES = 1_000_000
MOST_READING = 64 * MOST_BYTES  # of all lists together that are still on their way
AT_ONCE = 250  # postcodes that are looked up before others get their turn: 2 to 10 ms

_INSIDE = "local_authority_2019_code"  # is given inside green_space
_SHOWN = FIELDS[: FIELDS.index(_INSIDE)]
ANSWER = (*_SHOWN, *QUANTILE_FIELDS, "green_space", "edition", "sources")
"""The members of a postcode's answer."""

IN_A_LIST = tuple(name for name in ANSWER if name not in ("edition", "sources"))
"""Those of an answer in a list, which gives the other two once for all, whether they are requested or not."""


class Problem(Exception):
    """An answer that is an error, as its `answer`."""

    def __init__(self, status: int, reason: str, detail: str, **more: object) -> None:
        super().__init__(reason)
        self.answer = problem(status, reason, detail, **more)


def busy() -> Problem:
    """Return the refusal of a list for which there is no room now."""
    refusal = Problem(503, "busy", "Too many lists are in progress; try again.")
    refusal.answer.headers = ((b"retry-after", b"1"),)
    return refusal


@dataclass(frozen=True, slots=True)
class ListRequest:
    """A list of postcodes as it was sent, and what is requested of each.

    column: of a CSV. choice: of an index, as `Indices.choice` gives it. groups: of the quantile. fields: the members.
    """

    body: bytes
    content_type: bytes
    column: str | None
    choice: str
    groups: int | None
    fields: list[str]


@dataclass(frozen=True, slots=True)
class Listed:
    """The postcodes of a list, and the name of the column of a CSV that they stand in, None where it has no name."""

    texts: Sequence[object]
    column: str | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """The parameters of a request.

    choice: of an index, as `Indices.choice` gives it. groups: of the quantile. fields: the members; None for all.
    """

    choice: str
    groups: int | None = None
    fields: list[str] | None = None


REFUSALS = (Problem, Malformed, RequestError)


def refused(error: Problem | Malformed | RequestError) -> Answer:
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
        self._requests: dict[bytes, Request] = {}
        self.reading = 0  # bytes of lists that have not arrived whole

    def get(self, path: str, query_string: bytes) -> Answer:
        """Return the answer to GET: `path` is what follows /api/v1/, percent-decoded."""
        try:
            route, _, name = path.removesuffix("/").partition("/")
            if route == "postcodes" and name:
                return self.postcode(name, query_string)
            if route == "areas" and name:
                return self.area(name, query_string)
            if route == "local-authorities" and name:
                return self.local_authority(name, query_string)
            if route == "indices" and not name:
                return self.indices(query_string)
            raise Problem(404, "unknown_route", "There is no such address; /api/v1 lists them.")
        except REFUSALS as error:
            return refused(error)
        except NotFound as error:
            return problem(404, error.reason, str(error), edition=self.lookup.edition)

    def postcode(self, text: str, query_string: bytes) -> Answer:
        """Answer for one postcode.

        Reasons: those of STATUSES; unknown_index, index_of_another_nation, bad_quantile, bad_field.
        """
        request = self._request_of_a_postcode(query_string)
        figures = postcodes.one(self.lookup, text, request.choice)
        status = HTTP[figures.status]
        if status != 200:
            known = {name: value for name in _OF_A_PROBLEM if (value := getattr(figures, name)) is not None}
            raise Problem(status, figures.status, str(figures.message), **known, edition=self.lookup.edition)
        index = figures.index_id
        if index is None:
            raise Problem(404, "index_of_another_nation", str(figures.message), postcode=figures.postcode)
        content: Record = dict(zip(_SHOWN, figures))  # noqa: B905, without the last three
        if request.groups is not None:
            content |= self.lookup.indices.quantile(figures, request.groups)._asdict()
        green_space = self.green_space.get(figures.local_authority_2019_code or "")
        content["green_space"] = green_space
        content["edition"] = self.lookup.edition
        content["sources"] = self._sources_of(
            index,
            figures.nation == "Northern Ireland",
            figures.uk_composite_rank is not None,
            green_space is not None,
        )
        return answered({name: content[name] for name in request.fields} if request.fields else content)

    def area(self, code: str, query_string: bytes) -> Answer:
        """Answer for a small area of 2011 or 2021. Reasons: unknown, unknown_index, index_of_another_nation."""
        request = self._request(web.parameters(query_string, ("index",)))
        return answered(areas.area(self.lookup, code, request.choice))

    def local_authority(self, code: str, query_string: bytes) -> Answer:
        """Answer for a local authority of any vintage. Reasons: unknown, unknown_index, index_of_another_nation."""
        request = self._request(web.parameters(query_string, ("index",)))
        return answered(authorities.authority_figures(self.lookup, code, request.choice))

    def indices(self, query_string: bytes) -> Answer:
        """Answer with the indices that there are, newest first, with the database that they are in."""
        web.parameters(query_string, ())
        lookup = self.lookup
        return answered(
            {
                "indices": list(lookup.indices),
                "edition": lookup.edition,
                "directory": lookup.directory,
                "database": lookup.digest,
                "extract": lookup.extract,
                "sources": lookup.sources(
                    [index.id for index in lookup.indices], True, ("uk_composite", "green_space")
                ),
            }
        )

    async def read_list(self, scope: Scope, receive: Receive) -> "Answer | ListRequest":
        """Return the list of postcodes that a request has, or the answer to one that is refused.

        Reasons: too_large, too_many, malformed, bad_content_type; and
        bad_parameter, unknown_index, bad_quantile, bad_field.
        """
        try:
            given = web.parameters(scope["query_string"], ("index", "quantile", "fields", "column"))
            request = self._request(given, ANSWER)
            body = await self._body(scope, receive)
        except REFUSALS as error:
            return refused(error)
        if request.fields:
            fields = [name for name in request.fields if name in IN_A_LIST]
        else:
            fields = [name for name in IN_A_LIST if request.groups is not None or name not in QUANTILE_FIELDS]
        content_type, column = web.header(scope, b"content-type"), given.get("column")
        return ListRequest(body, content_type, column, request.choice, request.groups, fields)

    async def _body(self, scope: Scope, receive: Receive) -> bytes:
        """Return the body of a list. Raises Problem for one that is too large, broken off, or one too many."""
        if web.header(scope, b"content-encoding") not in (b"", b"identity"):
            raise Problem(415, "bad_content_type", "The list must not be compressed.")
        too_large = Problem(413, "too_large", f"The list is too large: {MOST_BYTES:,} bytes are allowed.")
        length = web.header(scope, b"content-length")
        if length.isdigit() and int(length) > MOST_BYTES:
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

    def listed(self, request: "ListRequest") -> "Answer | Listed":
        """Return the postcodes of a list, or the answer to what is none."""
        try:
            return _listed(request.content_type, request.body, request.column)
        except REFUSALS as error:
            return refused(error)

    def pieces(self, listed: "Listed", request: "ListRequest") -> Iterable[bytes]:
        """Yield the answer to a list, in its order, in pieces that together are one JSON object; none of it is kept."""
        texts, fields = listed.texts, request.fields
        names = tuple(_INSIDE if name == "green_space" else name for name in fields)
        counts: Counts = Counter()
        before = b'{"edition":%s,"answers":[' % orjson.dumps(self.lookup.edition)
        for start in range(0, len(texts), AT_ONCE):
            rows, counted = postcode_lists.many(
                self.lookup, texts[start : start + AT_ONCE], request.choice, names, request.groups
            )
            counts += counted
            answers = [dict(zip(names, row)) for row in rows]  # noqa: B905, as fast as can be
            if _INSIDE in names:
                for answer in answers:
                    answer["green_space"] = self.green_space.get(answer.pop(_INSIDE))
            yield before + orjson.dumps(answers)[1:-1]
            before = b","
        summary = postcode_lists.summary(self.lookup, counts, request.choice)
        more = [name for name in ("uk_composite", "green_space") if any(name in field for field in fields)]
        used = self.lookup.sources({index for _, _, index in counts}, "Northern Ireland" in summary.nations, more)
        yield (
            (before if before != b"," else b"")
            + b"],"
            + orjson.dumps({"summary": asdict(summary) | {"column": listed.column}, "sources": used})[1:]
        )

    def _request_of_a_postcode(self, query_string: bytes) -> Request:
        """Return the parameters of one postcode; kept, since clients request the same of every postcode."""
        request = self._requests.get(query_string)
        if request is None:
            request = self._request(web.parameters(query_string, ("index", "quantile", "fields")), ANSWER)
            if len(self._requests) < 256 and len(query_string) < 1000:
                self._requests[query_string] = request
        return request

    def _request(self, given: Mapping[str, str], known: tuple[str, ...] = ()) -> Request:
        """Return the parameters of a request. known: the fields that there are. Raises RequestError."""
        choice = self.lookup.indices.choice(given.get("index"))
        groups: int | None = None
        fields: list[str] | None = None
        if "quantile" in given:
            groups = as_quantile(given["quantile"])
        if "fields" in given:
            names = [name.strip(" ") for name in given["fields"].split(",")]
            for name in names:
                if name not in known:
                    raise RequestError("bad_field", f"'{name[:40]}' is not a field here: {', '.join(known)}.")
                if name in QUANTILE_FIELDS and groups is None:
                    raise RequestError("bad_field", f"The field '{name}' needs quantile=.")
            fields = list(dict.fromkeys(names))
        return Request(choice, groups, fields)

    def _sources_of(self, index: str, northern_ireland: bool, composite: bool, green_space: bool) -> orjson.Fragment:
        key = (index, northern_ireland, composite, green_space)
        if key not in self._sources:
            more = [name for name, there in (("uk_composite", composite), ("green_space", green_space)) if there]
            self._sources[key] = orjson.Fragment(orjson.dumps(self.lookup.sources([index], northern_ireland, more)))
        return self._sources[key]


_OF_A_PROBLEM = ("postcode", "terminated", "nation", "local_authority_code", "local_authority_name")


def _listed(content_type: bytes, body: bytes, column: str | None) -> Listed:
    """Return the postcodes of a list as it was sent. What is no text stays what it is, and gets the answer invalid."""
    media = content_type.partition(b";")[0].strip().lower()
    try:
        if media == b"application/json":
            listed = orjson.loads(body)
            if not isinstance(listed, list):
                raise Problem(400, "malformed", 'The JSON must be a list of postcodes: ["SW1A 1AA", "CF14 3LX"].')
            sent = Listed(listed)
        elif media in (b"application/x-ndjson", b"application/ndjson", b"application/jsonl"):
            sent = Listed([orjson.loads(line) for line in body.splitlines() if line.strip()])
        elif media in (b"text/csv", b"text/tab-separated-values"):
            sent = _column(body.decode("utf-8-sig"), column)
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
    if not sent.texts:
        raise Problem(400, "malformed", "The list is empty.")
    if len(sent.texts) > MOST_POSTCODES:
        raise Problem(
            413, "too_many", f"The list has {len(sent.texts):,} postcodes: {MOST_POSTCODES:,} at a time are allowed."
        )
    return sent


def _column(text: str, column: str | None) -> Listed:
    """Return the cells of one column of a CSV, and its name.

    It is `column`, or else the one named postcode, or the only one whose name says so, or the only one there is. That
    one may have no name: then its first cell is a postcode, or stands for one that is not known.
    """
    text, of_excel = postcode_column.cut(text)
    delimiter = of_excel or postcode_column.delimiter_of(text, column or "postcode")
    end = postcode_column.first_line_end(text)
    lines = io.StringIO(text, newline="\r" if end == "\r" else "\n")  # another line break needs quotes
    rows = [list(map(postcode_column.bare, row)) for row in csv.reader(lines, delimiter=delimiter, strict=True)]
    if not rows:
        return Listed([])
    names = rows[0]  # an empty line further down is an empty postcode
    title = postcode_column.plain(column or "postcode")
    titled = [place for place, name in enumerate(names) if postcode_column.plain(name) == title]
    if not titled and column is None and (only := postcode_column.only_title(names)) is not None:
        titled = [only]
    if len(titled) == 1:
        place = titled[0]
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
    raise Problem(400, "malformed", f"The CSV needs one column named '{title[:40]}'; `column` names another one.")
