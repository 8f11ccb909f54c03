"""Bound GraphQL queries, and read tables for them."""
