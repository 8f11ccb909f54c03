"""Postcode, area or place to figures: functions over SQLite that know neither HTTP nor Datasette."""
