"""List what is changed in Datasette, datasette-graphql and uvicorn: the one place that says what is patched, and why.

`tests/site/test_patches.py` runs each library unpatched, and fails with the name of a patch that is no longer needed.
"""

from collections.abc import Callable
from dataclasses import dataclass

from datasette.app import Datasette

from census.web import connections
from census.web.graphql import execution as graphql_execution
from census.web.graphql import tables as graphql_tables
from census.web.patches import (
    accessible_templates,
    csv_errors,
    database_paths,
    execution,
    private_logs,
    table_filters,
    table_order,
    view_parameters,
)

NOT_REPORTED = "not reported"
DATASETTE = "https://github.com/simonw/datasette"


@dataclass(frozen=True, slots=True)
class Patch:
    """A change to a library.

    of: the library, and the version that it was made for. fault: what the library does without it.
    issue: address of the issue or pull request. apply: changes the whole process, before Datasette makes its routes.
    apply_to: changes one Datasette, as it starts.
    """

    name: str
    of: str
    fault: str
    issue: str
    apply: Callable[[], None] | None = None
    apply_to: Callable[[Datasette], None] | None = None


PATCHES = (
    Patch(
        "private_logs",
        "datasette 0.65.5",
        "a statement that fails is written to standard error with its parameters, such as a postcode",
        NOT_REPORTED,
        apply=private_logs.apply,
    ),
    Patch(
        "database_paths",
        "datasette 0.65.5",
        "/-/databases.json gives the whole path of each file",
        NOT_REPORTED,
        apply=database_paths.apply,
    ),
    Patch(
        "time_limit",
        "datasette 0.65.5",
        "the time limit is a progress handler, which needs Python's lock every thousand steps",
        f"{DATASETTE}/issues/1270",
        apply=execution.interrupt_at_time_limit,
    ),
    Patch(
        "csv_errors",
        "datasette 0.65.5",
        "SQL that fails gives an empty CSV with status 200",
        f"{DATASETTE}/issues/2129",
        apply=csv_errors.apply,
    ),
    Patch(
        "view_parameters",
        "datasette 0.65.5",
        "unknown parameters and operators are ignored, and malformed values are answered 500",
        f"{DATASETTE}/pull/2851",
        apply=view_parameters.apply,
    ),
    Patch(
        "table_filters",
        "datasette 0.65.5",
        "a search for the beginning of a word finds nothing, and _where with an `or` is not kept together",
        f"{DATASETTE}/issues/2373",
        apply=table_filters.apply,
    ),
    Patch(
        "table_order",
        "datasette 0.65.5",
        "pages of a sorted table lose and repeat rows that have the same value in the column",
        f"{DATASETTE}/issues/189",  # where the order of the later pages was decided; the first page is not reported
        apply=table_order.apply,
    ),
    Patch(
        "labelled_rows",
        "datasette 0.65.5",
        "a page with labels, sorted by a column that it does not show, is answered 500",
        f"{DATASETTE}/issues/1773",
        apply=table_order.apply_to_labelled_rows,
    ),
    Patch(
        "graphql_tables",
        "datasette-graphql 2.2",
        "values with a comma are two in a filter, `isnull: false` is true, cursors ignore the sort",
        NOT_REPORTED,
        apply=graphql_tables.apply,
    ),
    Patch(
        "graphql_execution",
        "datasette-graphql 2.2",
        "neither the values of an answer nor its bytes have a bound",
        "https://github.com/simonw/datasette-graphql/issues/33",
        apply=graphql_execution.apply,
    ),
    Patch(
        "accessible_templates",
        "datasette 0.65.5",
        "pages name no language, and form fields and landmarks have no label",
        f"{DATASETTE}/issues/2348",
        apply_to=accessible_templates.apply,
    ),
    Patch(
        "connections",
        "uvicorn 0.54.0",
        "a client may take as long as it likes to send a request or to read its answer",
        "https://github.com/Kludex/uvicorn/issues/157",
        apply_to=connections.apply,
    ),
    Patch(
        "sql_processes",
        "datasette 0.65.5",
        "user-supplied SQL runs in the server's own process, whose memory it may take",
        NOT_REPORTED,
        apply_to=execution.run_in_processes,
    ),
    Patch(
        "schemas",
        "datasette 0.65.5",
        "each request asks for the version of every schema, behind a lock that belongs to one event loop",
        f"{DATASETTE}/issues/1231",
        apply_to=execution.keep_schemas,
    ),
    Patch(
        "table_permissions",
        "datasette 0.65.5",
        "all metadata is copied for each permission of a table",
        NOT_REPORTED,
        apply_to=execution.cache_permissions,
    ),
)


def apply() -> None:
    """Change the libraries of this process. A second call changes nothing."""
    for patch in PATCHES:
        if patch.apply:
            patch.apply()


def apply_to(datasette: Datasette) -> None:
    """Change one Datasette, as it starts. Raises StartupError where a patch does not fit this version."""
    for patch in PATCHES:
        if patch.apply_to:
            patch.apply_to(datasette)
