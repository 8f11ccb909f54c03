"""Write every table as a Parquet file, for DuckDB, Spark, BigQuery or Athena.

Each file has in its metadata the table's title, description, licence, attribution, primary key and the digest of the
database that it was written from, and the description of each column. Texts are strings, whole numbers int64, others
float64; what is null in the table is null there. Rows are in the order of the key, compressed with Zstandard.
"""

import shutil
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING

from census.domain.types import Record
from census.schema.tables import ATTRIBUTIONS
from sources.publication import SourceError, Table

if TYPE_CHECKING:
    import pyarrow

BATCH = 100_000  # rows


def write(connection: sqlite3.Connection, tables: dict[str, Table], described: Record, folder: Path) -> dict[str, int]:
    """Write every table of a database to `folder`/<table>.parquet; return the rows of each.

    described: the database's entry of metadata.yml. The folder takes its place when all files are complete; an older
    one is replaced if it holds nothing but Parquet files. Raises SourceError.
    """
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise SourceError("--parquet needs pyarrow: make parquet installs it, or pip install pyarrow.") from None
    if folder.exists() and (not folder.is_dir() or any(file.suffix != ".parquet" for file in folder.iterdir())):
        raise SourceError(f"{folder} is there and holds something other than Parquet files; name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    [digest] = connection.execute("select digest from edition").fetchone()
    try:
        rows = {}
        for table in tables.values():
            schema = _schema(connection, table, described["tables"][table.name], digest)
            rows[table.name] = _write_table(connection, table, schema, making / f"{table.name}.parquet")
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return rows


def _schema(connection: sqlite3.Connection, table: Table, described: Record, digest: str) -> "pyarrow.Schema":
    """Return the columns of a table with their types and descriptions, and what is known about the table."""
    import pyarrow

    types = {str: pyarrow.string(), int: pyarrow.int64()}
    fields = [
        pyarrow.field(name, types.get(type_, pyarrow.float64()), metadata={"description": described["columns"][name]})
        for name, type_ in table.columns.items()
    ]
    attributions = [row[0] for row in connection.execute(ATTRIBUTIONS, {"table": table.name})]
    about = {
        "title": described["title"],
        "description": described["description"],
        "licence": described["license"],
        "licence_url": described["license_url"],
        "attribution": "\n".join(attributions),
        "primary_key": table.key,
        "database_digest": digest,
    }
    return pyarrow.schema(fields, metadata=about)


def _write_table(connection: sqlite3.Connection, table: Table, schema: "pyarrow.Schema", path: Path) -> int:
    """Write the rows of a table in the order of its key; return how many they are."""
    import pyarrow.parquet

    names = ", ".join(f'"{name}"' for name in table.columns)
    cursor = connection.execute(f"select {names} from {table.name} order by {table.key}")
    rows = 0
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as file:
        while batch := cursor.fetchmany(BATCH):
            columns = []
            for field, values in zip(schema, zip(*batch, strict=True), strict=True):
                try:
                    columns.append(pyarrow.array(values, field.type))
                except pyarrow.ArrowException as error:
                    raise SourceError(f"{table.name}.{field.name} is not {field.type}: {error}") from None
            file.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
            rows += len(batch)
    return rows
