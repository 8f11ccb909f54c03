"""HTTP for the API: requests read, answers sent, with the headers that each of them has.

An answer is an `Answer`; `send_answer` adds entity tag, caching, CORS and length, and answers `304` and `HEAD`.
"""

import asyncio
import gzip
import hashlib
import re
import sys
import traceback
import zlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qsl

import orjson

from census.web.asgi import Scope, Send

JSON = b"application/json; charset=utf-8"
PROBLEM = b"application/problem+json"
GZIP_FROM = 16_384  # bytes; below it compressing costs more than it spares
MAX_AGE = b"public, max-age=3600"

HOST = re.compile(rb"[A-Za-z0-9._-]+(:[0-9]{1,5})?|\[[0-9A-Fa-f:.]+\](:[0-9]{1,5})?")
_ROOT = Path(__file__).resolve().parents[2]
_TEXTS = [
    *(path for folder in ("census", "sources") for path in sorted((_ROOT / folder).rglob("*.py"))),
    _ROOT / "census" / "web" / "api" / "openapi.yaml",
    _ROOT / "metadata.yml",
]
CODE = hashlib.sha256(b"".join(text.read_bytes() for text in _TEXTS)).hexdigest()[:8].encode()
"""What stands for this code in an entity tag: other code may answer otherwise from the same database."""

USES_HOST = "census.uses_host"  # in the scope: a list, not empty where the answer holds the request's Host

CORS = (
    (b"access-control-allow-origin", b"*"),
    (b"access-control-allow-methods", b"GET, HEAD, POST, OPTIONS"),
    (
        b"access-control-allow-headers",
        b"Content-Type, If-None-Match, Subscription-Key, Ocp-Apim-Subscription-Key",
    ),
    (b"access-control-expose-headers", b"Link, ETag, Retry-After, Postcode-Status, X-Git-Revision"),
    (b"access-control-max-age", b"86400"),
)
"""What lets pages of any origin read an answer, and send no credentials with the request."""

SECURITY = (
    (b"referrer-policy", b"strict-origin"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"SAMEORIGIN"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-resource-policy", b"cross-origin"),
)
"""What every answer has. `strict-origin`: map tiles come (OpenStreetMap's policy asks for a Referer,
https://operations.osmfoundation.org/policies/tiles/), and other hosts see this site's origin, never a path or query."""

NO_PAGE = b"default-src 'none'; frame-ancestors 'none'"  # the content security policy of what is no page
ALWAYS = (*CORS, *SECURITY, (b"content-security-policy", NO_PAGE))
_KEPT = (*ALWAYS, (b"cache-control", MAX_AGE))
_NOT_KEPT = (*ALWAYS, (b"cache-control", b"no-store"))


@dataclass(slots=True)
class Answer:
    """What a route answers: `body` as bytes, and whether it may be kept (`cached`) until the database changes."""

    body: bytes
    status: int = 200
    content_type: bytes = JSON
    cached: bool = True
    headers: tuple[tuple[bytes, bytes], ...] = ()


def answered(content: object, status: int = 200) -> Answer:
    """Return `content` as JSON. What was not found may be kept like what was; other errors may not."""
    return Answer(orjson.dumps(content), status, cached=status in (200, 404))


def problem(status: int, reason: str, detail: str, **more: object) -> Answer:
    """Return an error as RFC 9457 has it, with `reason`, a word for machines; `more` are further members."""
    content = {"type": "about:blank", "title": _TITLES[status], "status": status, "reason": reason, "detail": detail}
    return Answer(orjson.dumps(content | more), status, PROBLEM, cached=status == 404)


_TITLES = {
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    410: "Gone",
    413: "Content Too Large",
    415: "Unsupported Media Type",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


def internal_error(error: Exception) -> Answer:
    """Return the answer to a request that failed with `error`, and log its type and place.

    Its message may hold a postcode.
    """
    print("".join(traceback.format_tb(error.__traceback__)) + type(error).__name__, file=sys.stderr)
    return problem(500, "internal", "This is a mistake of ours; the request was not answered.")


def not_allowed(method: str, posted: bool) -> Answer:
    """Return the answer to a method that an address does not have; `posted`: it has POST and nothing else."""
    answer = problem(405, "method_not_allowed", f"{method} is not allowed here.")
    answer.headers = ((b"allow", b"POST, OPTIONS" if posted else b"GET, HEAD, OPTIONS"),)
    return answer


class Malformed(ValueError):
    """A query string that cannot be read; the message says why."""


def pairs(query_string: bytes) -> list[tuple[str, str]]:
    """Return the names and values of a query string. Raises Malformed.

    Most have nothing to decode: those are split here, in a seventh of the time of parse_qsl.
    """
    try:
        text = query_string.decode("ascii")
        if "%" not in text and "+" not in text and text.count("&") < 100:
            return [(name, value) for name, _, value in (piece.partition("=") for piece in text.split("&") if piece)]
        return parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=100)
    except ValueError:
        raise Malformed("The query string is not percent-encoded UTF-8 of at most 100 parameters.") from None


def parameters(query_string: bytes, known: tuple[str, ...]) -> dict[str, str]:
    """Return the parameters of a query string.

    Raises Malformed for one that is not among `known`, and for a duplicate.
    """
    given = pairs(query_string)
    for name, _ in given:
        if name not in known:
            takes = f"takes {', '.join(known)}" if known else "takes no parameters"
            raise Malformed(f"'{name[:40]}' is not a parameter; this address {takes}.")
    values = dict(given)
    if len(values) < len(given):
        duplicate = next(name for n, (name, _) in enumerate(given) if name in dict(given[:n]))
        raise Malformed(f"Duplicate parameter '{duplicate}'.")
    return values


_INSTEAD = {"year": "index"}  # what chooses an edition elsewhere: what does here


def undeclared(given: Mapping[str, str], what: str, declared: Collection[str]) -> str | None:
    """Return a sentence about the first parameter of `given` that `what` does not declare, or None."""
    name = next((name for name in given if name not in declared), None)
    if name is None:
        return None
    takes = f"which takes {', '.join(declared)}" if declared else "which takes no parameters"
    instead = _INSTEAD.get(name)
    value = f"={given[name][:40]}" if given[name] else ""
    use = f": use {instead}{value}" if instead in declared else ""
    return f"'{name[:40]}' is not a parameter of {what}, {takes}{use}."


def header(scope: Scope, name: bytes) -> bytes:
    """Return the header `name` (lower case) of the request, empty where it has none."""
    for key, value in scope["headers"]:
        if key == name:
            return bytes(value)
    return b""


def origin(scope: Scope, https: bool) -> str:
    """Return scheme and host by which a request came, for addresses in its answer; empty where it names no host.

    https: a proxy in front speaks it, whatever the request came by.
    """
    uses_host(scope)
    host = header(scope, b"host")
    if not HOST.fullmatch(host):
        return ""
    return f"{'https' if https else scope.get('scheme', 'http')}://{host.decode('ascii')}"


def uses_host(scope: Scope) -> None:
    """Note that the answer to a request holds its Host."""
    scope.setdefault(USES_HOST, []).append(True)


def takes_gzip(scope: Scope) -> bool:
    """Return whether the client accepts gzip."""
    for coding in header(scope, b"accept-encoding").lower().split(b","):
        name, _, weight = coding.partition(b";")
        if name.strip() in (b"gzip", b"*"):
            return weight.replace(b" ", b"") not in (b"q=0", b"q=0.0", b"q=0.00", b"q=0.000")
    return False


async def send_answer(scope: Scope, send: Send, answer: Answer, etag: bytes) -> None:
    """Send `answer`; `etag` is that of everything that this database and this code answer."""
    body, status = answer.body, answer.status
    headers = [*(_KEPT if answer.cached else _NOT_KEPT), *answer.headers]
    if status == 200 and answer.cached:
        headers.append((b"etag", etag))
        matches = header(scope, b"if-none-match")
        if matches and etag.removeprefix(b"W/") in (match.strip().removeprefix(b"W/") for match in matches.split(b",")):
            status, body = 304, b""
    if status not in (204, 304):
        headers.append((b"content-type", answer.content_type))
        if len(body) >= GZIP_FROM:
            headers.append((b"vary", b"accept-encoding"))
            if takes_gzip(scope):
                body = await asyncio.to_thread(gzip.compress, body, 5, mtime=0)
                headers.append((b"content-encoding", b"gzip"))
        headers.append((b"content-length", b"%d" % len(body)))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def send_pieces(scope: Scope, send: Send, pieces: Iterable[bytes]) -> None:
    """Send a long JSON answer piece by piece, so that other requests get their turn between them."""
    headers = [*_NOT_KEPT, (b"content-type", JSON), (b"vary", b"accept-encoding")]
    packer = zlib.compressobj(5, wbits=31) if takes_gzip(scope) else None
    if packer:
        headers.append((b"content-encoding", b"gzip"))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for piece in pieces:
        data = await asyncio.to_thread(packer.compress, piece) if packer else piece
        await send({"type": "http.response.body", "body": data, "more_body": True})
        await asyncio.sleep(0)
    await send({"type": "http.response.body", "body": packer.flush() if packer else b""})
