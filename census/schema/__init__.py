"""Declare the tables and views of census.db, and verify that a file has them."""
