"""What the pages for people show: what was asked for (`search`), the figures (`places`), drawn as SVG (`charts`).

No Datasette: `plugins/pages.py` gives the pages their addresses, `templates/` their words.
"""
