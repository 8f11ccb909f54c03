"""Postcodes, codes, geographies and bands: pure functions and data, without files, databases or HTTP."""
