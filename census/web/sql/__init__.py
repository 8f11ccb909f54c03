"""Sandbox user-supplied SQL."""
