"""Bring requests to one form: path without prefix, host and scheme that may be written into an answer.

`base_url` is where the site is below a proxy. Some proxies pass it on, some take it away: everything within sees paths
without it, and puts it into the links that it writes. The prefix must not be the name of an address of the site
(`/census/`, `/api/`): they could not be distinguished. A path that has it twice is a 404: Datasette would take the
second away itself, and see another address than the middleware did.

Addresses in answers begin as `origin` in metadata.yml (plugins: site) says. Without it they begin as the request's own
Host does, and such an answer says `Vary: Host`.
"""

import re
from urllib.parse import urlsplit

from datasette.app import Datasette
from datasette.utils import StartupError

from census.web.asgi import App, Headers, Message, Receive, Scope, Send, Wrapper
from census.web.responses import HOST, USES_HOST, header, problem, send_answer, uses_host

SCHEMES = {"ws": "http", "wss": "https"}  # what a proxy may say of a request that is no WebSocket


def prefix_of(datasette: Datasette) -> str:
    """Return the prefix of every address, without a slash at its end; empty where there is none."""
    prefix: str = datasette.setting("base_url").rstrip("/")
    return prefix


def origin_of(datasette: Datasette) -> tuple[str, bytes] | None:
    """Return scheme and host of the setting `origin`; None without it. Raises StartupError for what is no origin."""
    stated = str((datasette.plugin_config("site") or {}).get("origin") or "")
    if not stated:
        return None
    scheme, _, host = stated.rstrip("/").partition("://")
    if scheme not in ("http", "https") or not HOST.fullmatch(host.encode()) or urlsplit(stated).netloc != host:
        raise StartupError(
            f"metadata.yml, plugins: site: origin: '{stated}' is not an origin such as https://example.org"
        )
    return scheme, host.encode()


def canonical(prefix: str, origin: tuple[str, bytes] | None) -> Wrapper:
    """Return middleware that takes the prefix off the path and sets host and scheme; a malformed Host gets 400."""

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] != "http":
                return await app(scope, receive, send)
            scope = {**scope, **(changed := without_prefix(scope, prefix))}
            if changed and scope["path"].startswith(f"{prefix}/"):
                answer = problem(404, "not_found", "Nothing is at this address: it has the prefix of the site twice.")
                return await send_answer(scope, send, answer, b"")
            if origin:
                others = [(name, value) for name, value in scope["headers"] if name != b"host"]
                scope |= {"scheme": origin[0], "headers": [*others, (b"host", origin[1])]}
                return await app(scope, receive, send)
            scope["scheme"] = SCHEMES.get(scope.get("scheme", "http"), scope.get("scheme", "http"))
            host = header(scope, b"host")
            if host and not HOST.fullmatch(host):
                answer = problem(400, "bad_host", "The Host of this request is not the name or address of a host.")
                return await send_answer(scope, send, answer, b"")
            return await app(scope, receive, says_that_it_varies(scope, send))

        return wrapped

    return wrap


def without_prefix(scope: Scope, prefix: str) -> Scope:
    """Return the members of `scope` that change when the prefix is taken off its path; none where there is none."""
    path, raw = scope["path"], scope.get("raw_path")
    if not prefix or not (path == prefix or path.startswith(prefix + "/")):
        return {}
    changed: Scope = {"path": path[len(prefix) :] or "/"}
    if raw is not None:  # one that writes the prefix in another way leads Datasette nowhere
        changed["raw_path"] = raw.removeprefix(prefix.encode()) or b"/"
    return changed


def around_datasette(prefix: str) -> Wrapper:
    """Return the innermost middleware: what Datasette says in headers of its own is put right.

    Some of its redirects lack the prefix. It says that answers vary by cookie, which they never do here; most do hold
    the Host. With a length it also names a transfer encoding, which is the server's to choose. It takes a key that is
    percent-encoded, `SW1A%201AA.json`, for one that has the format in it: it is given its own encoding.
    """

    def wrap(app: App) -> App:
        async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_right(message: Message) -> None:
                if message["type"] == "http.response.start":
                    dropped = (b"vary", b"transfer-encoding")
                    kept = [(n, with_prefix(n, v)) for n, v in message.get("headers", ()) if n.lower() not in dropped]
                    message = {**message, "headers": kept}
                await send(message)

            if scope["type"] != "http":
                return await app(scope, receive, send)
            uses_host(scope)
            if scope["path"].startswith("/census/") and b"%" in scope.get("raw_path", b""):
                scope = {**scope, "raw_path": in_tildes(scope["raw_path"])}
            return await app(scope, receive, send_right)

        def with_prefix(name: bytes, value: bytes) -> bytes:
            within = name.lower() == b"location" and value.startswith(b"/") and not value.startswith(b"//")
            there = value.startswith(prefix.encode() + b"/")
            return prefix.encode() + value if within and not there else value

        return wrapped

    return wrap


def in_tildes(path: bytes) -> bytes:
    """Return a path in Datasette's encoding of keys (~20 for %20); a comma between two keys is one, however written."""
    return re.sub(rb"%([0-9A-Fa-f]{2})", lambda code: b"," if code[1].upper() == b"2C" else b"~" + code[1], path)


def says_that_it_varies(scope: Scope, send: Send) -> Send:
    """Return `send` for a request without a canonical origin: where its Host was used, the answer says so."""
    used: list[bool] = scope.setdefault(USES_HOST, [])

    async def send_varying(message: Message) -> None:
        if used and message["type"] == "http.response.start":
            message = {**message, "headers": with_vary(message.get("headers", []), b"host")}
        await send(message)

    return send_varying


def with_vary(headers: Headers, what: bytes) -> Headers:
    """Return headers in which `Vary` names `what` too."""
    varies = [value for name, value in headers if name.lower() == b"vary"]
    others = [(name, value) for name, value in headers if name.lower() != b"vary"]
    return [*others, (b"vary", b", ".join([*varies, what]))]


def refuse_websockets(app: App) -> App:
    """Return middleware that refuses a WebSocket: there is none here, and Datasette would answer 500."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await app(scope, receive, send)
        await receive()
        return await send({"type": "websocket.close", "code": 1003})

    return wrapped
