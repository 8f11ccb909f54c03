"""Answers requests with the plugins loaded in a given order, as a process of its own: plugins are loaded once.

python -m tests.site.in_order FOLDER DATABASE SEED    prints {request: record} as JSON; SEED "reversed", "sorted" or any
"""

import glob
import json
import random
import sys
from pathlib import Path
from types import SimpleNamespace

import datasette.app

from tests import conftest
from tests.golden.normal import Known
from tests.golden.site import Site, requests

EVERY = 6  # each sixth request of every group, and all of those about headers


def chosen():
    """The requests: some of every group of the golden ones."""
    return [request for number, request in enumerate(requests()) if number % EVERY == 0 or request.group == "datasette"]


def main(folder: str, database: str, seed: str) -> None:
    def in_order(pattern: str, **options) -> list[str]:
        found = sorted(glob.glob(pattern, **options), reverse=seed == "reversed")
        if seed not in ("sorted", "reversed"):
            random.Random(seed).shuffle(found)
        return found

    datasette.app.glob = SimpleNamespace(glob=in_order)
    site = Site(conftest.datasette_of(Path(folder)), Known.of(Path(database)))
    # The names of the sets of headers are the headers themselves: nothing is numbered across requests.
    print(json.dumps({str(one): site.record(one, site.answer(one), lambda headers: headers) for one in chosen()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
