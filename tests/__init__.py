"""The tests, in layers: each folder is one, and a marker of the same name selects it."""

LAYERS = {
    "unit": "functions and files, without a server",
    "site": "census.db of the extract and of made-up publications, and Datasette over it",
    "browser": "pages in Chromium, and whether their HTML is valid",
    "stack": "Caddy and several workers, loaded and broken",
    "full": "the whole UK, from the publications in CENSUS_SOURCES",
}
