"""Check a built census.db against its publications and against itself."""
