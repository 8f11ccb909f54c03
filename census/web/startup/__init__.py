"""Check and describe the database before the first answer."""
