"""Threads, event loops and how many requests are worked on at once."""
