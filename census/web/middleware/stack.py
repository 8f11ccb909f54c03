"""List the ASGI middleware in its order: the one place that says what wraps what.

Datasette calls the hook `asgi_wrapper` of each plugin in an order that differs by machine. So one plugin, `site.py`,
has that hook, and everything that wraps Datasette stands here.
"""

from functools import reduce

from datasette.app import Datasette

from census.web import content_length, path_kinds
from census.web.asgi import App, Wrapper
from census.web.concurrency import side_loop
from census.web.graphql import limits as graphql_limits
from census.web.middleware import access_log, addresses, entity_tags, headers, hidden_pages, methods, same_file
from census.web.middleware.gate import Gate
from census.web.state import Site
from census.web.tiles import Tiles


def middleware(datasette: Datasette) -> list[Wrapper]:
    """Return the middleware around `datasette`, the outermost first: each sees what those after it answer."""
    site, prefix = Site.of(datasette), addresses.prefix_of(datasette)
    return [
        access_log.without_access_log,
        content_length.in_pieces,
        addresses.refuse_websockets,
        addresses.canonical(prefix, addresses.origin_of(datasette)),
        headers.security_headers(datasette),  # from here on every answer has them, errors too
        content_length.head_like_get,
        content_length.with_length,
        same_file.same_file(site),
        Tiles(site).in_front,  # before the API, below one of whose addresses the platform's tiles are
        site.api.in_front,
        entity_tags.entity_tags(site),
        hidden_pages.hide,
        methods.read_only(graphql_limits.path_of(datasette)),
        Gate.of(datasette).wrap,
        side_loop.answer_in_side_loop(lambda path: not path_kinds.is_quick(path)),
        graphql_limits.graphql_limits(datasette),
        content_length.with_length,  # so that what is written row by row need not change threads with each
        addresses.around_datasette(prefix),
    ]


def wrap(datasette: Datasette, app: App) -> App:
    """Return the ASGI application `app`, Datasette's own, within all of the middleware."""
    return reduce(lambda inner, wrapper: wrapper(inner), reversed(middleware(datasette)), app)
