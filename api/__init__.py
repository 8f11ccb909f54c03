"""The API: looking postcodes up without Datasette's SQL threads, and the HTTP around it.

`lookup` finds the figures, `web` speaks HTTP, `v1` has the routes, `openapi` describes them, and `plugins/api.py` puts
them in front of Datasette.
"""
