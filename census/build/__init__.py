"""Build census.db: the steps from the publications to census.db: fetch, load, derive, check, draw the map, export."""
