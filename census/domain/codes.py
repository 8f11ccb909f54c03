"""Define the codes of the UK's small areas, by nation."""

import re

AREA_CODE = re.compile(r"[EW]01[0-9]{6}|S01[0-9]{6}|95[A-Z]{2}[0-9]{2}[A-Z][0-9]")

NATION_OF_CODE = {"E": "England", "W": "Wales", "S": "Scotland", "N": "Northern Ireland", "9": "Northern Ireland"}

KIND_OF_CODE = {"E": "LSOA", "W": "LSOA", "S": "data zone", "9": "SOA"}
