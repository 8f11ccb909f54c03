"""The pages for people: figures to template context, one module for each kind of page."""
