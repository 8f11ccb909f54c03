"""Read the official publications: one module each, the vintage in its name, and what they share."""
