"""Say what the lookups of ONS's Open Geography portal have in common.

https://geoportal.statistics.gov.uk/
"""

from sources.publication import KnownFile, SourceFile

ONS = "Office for National Statistics"
OPEN_GEOGRAPHY = "https://geoportal.statistics.gov.uk/"
SERVICES = "https://services1.arcgis.com/ESMARspQHYMw9BZ9/arcgis/rest/services/"
ATTRIBUTION = (
    "Contains OS data © Crown copyright and database right 2024."
    " Source: Office for National Statistics licensed under the Open Government Licence v.3.0."
)
AS_CSV = "The publisher's table in its own columns, saved as CSV; its address serves it as a feature layer."


def layer(id_: str, name: str, service: str, sha256: str, size: int) -> SourceFile:
    """Return a lookup that ONS publishes as a file `name` and as the feature layer `service`.

    sha256 (hexadecimal), size (bytes): those of the known copy as CSV.
    """
    served_as = f"{service}.geojson"
    names = (name, f"{service}.csv")
    known = (KnownFile(names, sha256, size, "rebuilt", AS_CSV),)
    address = f"{SERVICES}{service}/FeatureServer/0"
    return SourceFile(id_, (*names, served_as), address, page_size=1000, served_as=served_as, known=known)
