"""The machinery of the site."""
