"""HTTP around Datasette: the middleware, in one order, and what it is made of."""
