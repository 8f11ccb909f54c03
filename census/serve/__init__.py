"""Several workers behind Caddy, and the swap of the database under them."""
