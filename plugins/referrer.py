"""The Referrer-Policy `strict-origin` on every page, so that map tiles come and no postcode leaves with the request.

Datasette says `no-referrer`, under which OpenStreetMap refuses its tiles (its tile usage policy asks for a valid
Referer, https://operations.osmfoundation.org/policies/tiles/). With `strict-origin` other hosts see this site's origin,
never a path or query.
"""

from datasette import hookimpl


@hookimpl
def asgi_wrapper():
    return with_origin_only


def with_origin_only(app):
    """The ASGI application `app` with `Referrer-Policy: strict-origin` on every answer."""

    async def wrapped(scope, receive, send):
        async def send_with_policy(message):
            if message["type"] == "http.response.start":
                kept = [(n, v) for n, v in message.get("headers", ()) if n.lower() != b"referrer-policy"]
                message = {**message, "headers": [*kept, (b"referrer-policy", b"strict-origin")]}
            await send(message)

        await app(scope, receive, send_with_policy)

    return wrapped
