"""Notices on every page: that the database is an extract, and on a table's page that its publication was left out."""

from datasette import hookimpl


@hookimpl
def extra_template_vars(datasette, table):
    async def notices():
        return {"notices": await notices_of(datasette, table)}

    return notices


async def notices_of(datasette, table: str | None) -> list[str]:
    """The notices for a page, a sentence each; `table` is the page's table, None elsewhere."""
    census = datasette.databases.get("census")
    if census is None:
        return ["There is no census.db yet: build one with build_db.py."]
    found = []
    for scope, authorities, directory in await census.execute("select scope, authorities, directory from edition"):
        if scope == "extract":
            found.append(f"This is a demonstration extract: postcodes and small areas of {authorities} only.")
        if directory is None:
            found.append("This database was built without the ONS Postcode Directory: no postcode can be looked up.")
    left_out = await census.execute(
        "select title, group_concat(', ' || tables) from publications where status = 'left out' group by publication"
    )
    found += [
        f"{title} was left out of this database."
        for title, tables in left_out.rows
        if table is None or f", {table}," in f"{tables},"
    ]
    return found
