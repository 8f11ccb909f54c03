"""Start the server: apply the patches of this Datasette, check its database, and read what answers need."""

from datasette.app import Datasette

from census.web import tiles
from census.web.graphql import limits as graphql
from census.web.handlers import health
from census.web.middleware import entity_tags, gate, same_file
from census.web.patches import order as patches
from census.web.startup import database_guard, site_metadata, version_guard
from census.web.state import Site


async def start(datasette: Datasette) -> None:
    """Start the site of `datasette`. Raises ClickException or StartupError for a database or setting that is wrong."""
    site = Site.of(datasette)
    same_file.remember(site)
    database_guard.ignore_other_counts(datasette)
    graphql.switch_off(datasette)
    patches.apply_to(datasette)
    await version_guard.check(datasette)
    await database_guard.check(datasette)
    await site_metadata.describe(datasette)
    await health.remember(site)
    tiles.open_map(site)
    await entity_tags.read_tag(site)
    await gate.count_rows(site)
    site.api.open()
    site.started = True
