"""The ASGI middleware around Datasette; `stack.py` lists it in its order."""
