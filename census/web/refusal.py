"""Refuse a request with a status and a sentence."""

import json
from collections.abc import Iterable
from difflib import get_close_matches

from datasette.views.base import DatasetteError

from census.web.asgi import Send


async def refuse(send: Send, status: int, why: str, *headers: tuple[bytes, bytes]) -> None:
    """Send `why` as Datasette's JSON has errors."""
    body = json.dumps({"ok": False, "error": why, "status": status}).encode()
    headers = (
        (b"content-type", b"application/json; charset=utf-8"),
        (b"content-length", b"%d" % len(body)),
        *headers,
    )
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


UNKNOWN = "Unknown parameter"


def refused(problem: str, title: str = "Bad parameter") -> DatasetteError:
    """Return the refusal of a request by one of Datasette's views."""
    return DatasetteError(problem, title=title, status=400)


def similar(name: str, known: Iterable[str]) -> str:
    """Return a sentence that asks whether a similar name was meant, empty where there is none."""
    return "".join(f" Is {match} meant?" for match in get_close_matches(name, known, 1))
