"""The tables and views of census.db, and whether a file has them."""
