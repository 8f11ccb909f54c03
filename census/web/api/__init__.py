"""The JSON APIs: version 1, and the routes of the RCPCH Census Platform."""
