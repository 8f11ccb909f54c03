"""Register routes: pages of the API, downloads, guide, `/-/health`, `/-/ready`, `/robots.txt`, the map's program."""

from datasette import hookimpl
from datasette.app import Datasette

from census.web.asgi import Routes
from census.web.handlers import api_pages, downloads, guide, health, map_program


@hookimpl
def register_routes(datasette: Datasette) -> Routes:
    return [
        (r"^/api/v1/?$", api_pages.v1),
        (rf"^(?P<base>{api_pages.rcpch_pattern(datasette)})/swagger-ui/?$", api_pages.rcpch),
        (r"^/download$", downloads.page),
        (r"^/download\.json$", downloads.listing),
        (r"^/download/(?P<file>[a-z0-9_]+\.(?:csv|json)\.gz)$", downloads.download),
        (r"^/guide$", guide.redirect),
        (r"^/guide/(?P<path>.*)$", guide.page),
        (r"^/-/health$", health.health),
        (r"^/-/ready$", health.ready),
        (r"^/robots\.txt$", health.robots),
        (r"^/map/(?P<file>maplibre-gl\.(?:js|css))$", map_program.script),
    ]
