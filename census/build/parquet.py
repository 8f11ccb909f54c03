"""Every table as a Parquet file, for work beyond one machine's SQL: DuckDB, Spark, BigQuery, Athena.

Each file has in its metadata the table's title, description, licence, attribution, primary key and the digest of the
database that it was written from, and beside each column what it holds. Texts are strings, whole numbers int64, others
float64; what is null in the table is null there. Rows are in the order of the key, compressed with Zstandard.
"""

import shutil
import sqlite3
from pathlib import Path

from census.domain.types import Record
from census.schema.tables import ATTRIBUTIONS
from sources.publication import SourceError, Table

BATCH = 100_000


def write(connection: sqlite3.Connection, tables: dict[str, Table], described: Record, folder: Path) -> dict[str, int]:
    """Write every table of a database to `folder`/<table>.parquet; gives the rows of each.

    described: the database's entry of metadata.yml. The folder takes its place when all files are whole; one that is
    there already is replaced if it holds nothing but Parquet files. Raises SourceError.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise SourceError("--parquet needs pyarrow: make parquet installs it, or pip install pyarrow.") from None
    if folder.exists() and (not folder.is_dir() or any(file.suffix != ".parquet" for file in folder.iterdir())):
        raise SourceError(f"{folder} is there and holds something other than Parquet files; name another folder.")
    folder.parent.mkdir(parents=True, exist_ok=True)
    making = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(making, ignore_errors=True)
    making.mkdir()
    types = {str: pyarrow.string(), int: pyarrow.int64()}
    [digest] = connection.execute("select digest from edition").fetchone()
    rows = {}
    try:
        for table in tables.values():
            told = described["tables"][table.name]
            attributions = [row[0] for row in connection.execute(ATTRIBUTIONS, {"table": table.name})]
            about = {
                "title": told["title"],
                "description": told["description"],
                "licence": told["license"],
                "licence_url": told["license_url"],
                "attribution": "\n".join(attributions),
                "primary_key": table.key,
                "database_digest": digest,
            }
            fields = [
                pyarrow.field(
                    name, types.get(type_, pyarrow.float64()), metadata={"description": told["columns"][name]}
                )
                for name, type_ in table.columns.items()
            ]
            schema = pyarrow.schema(fields, metadata=about)
            names = ", ".join(f'"{name}"' for name in table.columns)
            cursor = connection.execute(f"select {names} from {table.name} order by {table.key}")
            rows[table.name] = 0
            with pyarrow.parquet.ParquetWriter(making / f"{table.name}.parquet", schema, compression="zstd") as file:
                while batch := cursor.fetchmany(BATCH):
                    columns = []
                    for field, values in zip(schema, zip(*batch, strict=True), strict=True):
                        try:
                            columns.append(pyarrow.array(values, field.type))
                        except pyarrow.ArrowException as error:
                            raise SourceError(f"{table.name}.{field.name} is not {field.type}: {error}") from None
                    file.write_table(pyarrow.Table.from_arrays(columns, schema=schema))
                    rows[table.name] += len(batch)
        shutil.rmtree(folder, ignore_errors=True)
        making.rename(folder)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return rows
