"""The commands build_db.py and append.py."""
