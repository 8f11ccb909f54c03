"""The least that can answer what the API answers, to measure the API against.

It is an ASGI callable on the same server, with the same requests, the same SQLite statements and the same bytes, which
lie ready. `benchmarks.api` starts it with the database and a file of postcodes.
"""

import json
import os
import sys
from pathlib import Path
from urllib.parse import quote

import uvicorn

from census.lookup.database import Lookup
from census.lookup.postcodes import PostcodeFigures, one_sql
from census.schema.indices import indices
from census.web import responses as web
from census.web.api.v1 import V1
from census.web.asgi import Receive, Scope, Send


def main() -> None:
    """Serve the answers to the postcodes asked for, each looked up and then sent as made before."""
    database, asked, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    lookup = Lookup(database, indices(), immutable=True)
    v1 = V1(lookup)
    ready = {}
    for postcode in json.loads(asked.read_text("utf-8")):
        body = v1.get(f"postcodes/{postcode}", b"index=latest").body
        length = (b"content-length", b"%d" % len(body))
        headers = [*web.ALWAYS, (b"cache-control", web.MAX_AGE), (b"content-type", web.JSON), length]
        ready[f"/api/v1/postcodes/{quote(postcode)}".encode()] = postcode, headers, body
    execute, meant = lookup.connection.execute, lookup.indices.ids["latest"]
    one, older = one_sql(PostcodeFigures._fields), one_sql(PostcodeFigures._fields, older=True)

    async def bare(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001
        postcode, headers, body = ready[scope["raw_path"]]
        asked = (postcode, *meant)
        execute(one, asked).fetchone() or execute(older, asked).fetchone()
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    os.environ.pop("WEB_CONCURRENCY", None)
    uvicorn.run(bare, host="127.0.0.1", port=port, log_level="warning", access_log=False, lifespan="off")


if __name__ == "__main__":
    main()
