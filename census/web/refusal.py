"""Refuse a request with a status and a sentence."""

import json

from api.asgi import Send


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
