"""Fill the tables of census.db from the publications and from the hosted data sets."""

import hashlib
from collections.abc import Collection

from census.build import derive, hosting
from census.build.database import Build
from census.build.fetch import NoAddress, NotInMirror, Obtained
from census.schema.tables import NOT_LOADED
from sources.publication import Publication, SourceError

DIRECTORY = """
    select title || ', ' || edition from publications where id = 'postcode_directory' and status <> 'left out'
"""


def load_publications(build: Build, skip: set[str]) -> None:
    """Load every publication but those in `skip` (ids), derive what follows, and record where each came from.

    Raises SourceError, with a line for each file that cannot be obtained, or for a file that is not as expected.
    """
    skip = skip | {p.id for p in build.publications if p.goes_with in skip}
    official = [p for p in build.publications if not p.hosted]
    selected = [p for p in official if p.id not in skip]
    absent = obtain_files(build, selected)
    for publication in selected:
        if publication.load and publication.id not in absent:
            build.say(f"loading {publication.id}")
            publication.load(build)
    derive.derive(build.db)
    for publication in official:
        build.record_publication(publication, _status(publication, skip, absent))
    directory = build.db.conn.execute(DIRECTORY).fetchone()
    build.record_edition(directory[0] if directory else None, "complete", None, skip)


def obtain_files(build: Build, publications: list[Publication]) -> set[str]:
    """Obtain every file of these publications; return the ids of those whose optional file is not to be had.

    Raises SourceError, a line a file, where others are missing.
    """
    absent: set[str] = set()
    problems = []
    for publication, file in ((p, file) for p in publications for file in p.files):
        try:
            build.say(f"{file.id}: {build.file(file).described}")
        except (NoAddress, NotInMirror) as error:
            if file.optional:
                absent.add(publication.id)
                build.say(f"{error} It is not loaded.")
            else:
                problems.append(str(error))
        except SourceError as error:
            problems.append(f"{file.id}: {str(error).removeprefix(f'{file.id}: ')}")
    if problems:
        raise SourceError("\n".join(problems))
    return absent


def _status(publication: Publication, skipped: Collection[str], absent: Collection[str]) -> str:
    if publication.id in skipped:
        return "left out"
    return NOT_LOADED if publication.id in absent else "complete"


def load_hosted(build: Build) -> None:
    """Load the hosted data sets; after all else, because they refer to it."""
    for publication in build.publications:
        if publication.hosted:
            data = publication.hosted.read_bytes()
            [file] = publication.files
            sha256 = hashlib.sha256(data).hexdigest()
            obtained = Obtained(publication.hosted, file.names[0], len(data), sha256, None)
            build.provenance.files[file.id] = obtained
            build.counted(file, hosting.load(build, publication))
            build.record_publication(publication, "hosted")
