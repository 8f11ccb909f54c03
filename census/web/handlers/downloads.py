"""Serve whole tables as compressed files: `/download` lists them.

The build makes them (`census.build.downloads`) in a folder named after the database's digest: files of another build
are never sent. /download.json lists them with size, SHA-256 and licence.
"""

from pathlib import Path

from datasette.app import Datasette
from datasette.utils.asgi import NotFound, Request, Response, asgi_send_file

from census.domain.types import Record
from census.schema import manifest
from census.schema.tables import ATTRIBUTIONS
from census.web.asgi import Send
from census.web.parameters import takes
from census.web.sql.process import own_rows

NONE = (
    "There are no downloads next to this database: build_db.py makes them with a census.db."
    " After a new build, restart the server."
)


async def read_manifest(datasette: Datasette) -> tuple[Path | None, manifest.Manifest]:
    """Return the folder of this database's files, and its manifest, as `census.schema.manifest.listed` gives it."""
    census = datasette.databases.get("census")
    if census is None or census.path is None:
        return None, {}
    [[digest]] = await own_rows(census, "select digest from edition")
    path = Path(census.path)
    return manifest.folder_of(path, digest), manifest.listed(path, digest)


async def described(datasette: Datasette) -> list[Record]:
    """Return for each table: name, title, rows, licence, attributions, files."""
    tables = []
    _, listed = await read_manifest(datasette)
    for name, table in listed.items():
        metadata = datasette.table_metadata("census", name)
        attributions = await own_rows(datasette.get_database("census"), ATTRIBUTIONS, {"table": name})
        tables.append(
            {
                "table": name,
                "title": metadata.get("title") or name,
                "rows": table["rows"],
                "licence": metadata.get("license"),
                "licence_url": metadata.get("license_url"),
                "attributions": [row[0] for row in attributions],
                "files": [{"name": file, **facts} for file, facts in table["files"].items()],
            }
        )
    return tables


@takes()
async def page(datasette: Datasette, request: Request) -> Response:
    """Show the downloads."""
    tables = await described(datasette)
    census = datasette.databases.get("census")
    context = {"tables": tables, "no_downloads": NONE, "whole": census and not census.is_mutable and census.size}
    return Response.html(await datasette.render_template("downloads.html", context, request=request))


@takes()
async def listing(datasette: Datasette, request: Request) -> Response:
    """List the downloads as JSON."""
    tables = await described(datasette)
    for table in tables:
        for file in table["files"]:
            file["url"] = datasette.absolute_url(request, datasette.urls.path(f"/download/{file['name']}"))
    return Response.json(tables if tables else {"error": NONE}, status=200 if tables else 404)


async def download(datasette: Datasette, request: Request, send: Send) -> None:
    """Send a file."""
    folder, listed = await read_manifest(datasette)
    name = request.url_vars["file"]
    table = name.split(".")[0]
    file = listed[table]["files"].get(name) if table in listed else None
    if file is None or folder is None:
        raise NotFound(f"There is no download {name}; /download lists them." if listed else NONE)
    etag = f'"{file["sha256"]}"'
    licence_url = datasette.table_metadata("census", table).get("license_url")
    headers = {
        "etag": etag,
        "cache-control": "public, max-age=3600",
        "link": f'<{licence_url}>; rel="license"',
    }
    if etag in request.headers.get("if-none-match", ""):
        await Response("", status=304, headers=headers).asgi_send(send)
    elif request.method == "HEAD":
        headers |= {"content-length": str(file["bytes"])}
        await Response("", headers=headers, content_type="application/gzip").asgi_send(send)
    else:
        await asgi_send_file(
            send, folder / name, filename=name, content_type="application/gzip", chunk_size=1 << 16, headers=headers
        )
