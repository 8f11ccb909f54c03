"""Access to gardens and public green space in Great Britain, April 2020: private outdoor space, and parks (ONS).

https://www.ons.gov.uk/economy/environmentalaccounts/datasets/accesstogardensandpublicgreenspaceingreatbritain
The authorities are those of 2019. What the file calls a percentage is a share (0.97), and is stored as one.
"""

from typing import TYPE_CHECKING

from sources.publication import KnownFile, Publication, SourceFile, Table
from sources.workbook import Column, column

if TYPE_CHECKING:
    from sources.build import Build


GARDENS = SourceFile(
    "green_space",
    ("osprivateoutdoorspacereferencetables.xlsx", "access_to_green_space.csv"),
    "https://www.ons.gov.uk/file?uri=/economy/environmentalaccounts/datasets/accesstogardensandpublicgreenspaceingreatbritain/"
    "accesstogardenspacegreatbritainapril2020/osprivateoutdoorspacereferencetables.xlsx",
    known=(
        KnownFile(
            ("access_to_green_space.csv",),
            "60122123e64124a7b8d729a80c82dc4fbc3245a525f36fcea3b0c21f3e883b8e",
            64_098,
            "rebuilt",
            "The sheet of the official workbook as CSV.",
        ),
    ),
)
SHEET = "LAD gardens"
AUTHORITIES = 371

WITH = "with private outdoor space"
SPACE = "private outdoor space"


def _addresses(type_: type, kind: str, text: str) -> Column:
    """Return a column whose label the publication misspells ("Adress"); the right spelling is accepted too."""
    return column(
        type_, f"Property type: {kind} | {text.replace('ddress', 'dress')}", f"Property type: {kind} | {text}"
    )


def _of(kind: str) -> dict[str, Column]:
    """Return the columns that houses, flats and the total have in common, in the file's order."""
    prefix = kind.lower()
    return {
        f"{prefix}_address_count": column(int, f"Property type: {kind} | Address count"),
        f"{prefix}_addresses_with_private_outdoor_space_count": _addresses(int, kind, f"Address {WITH} count"),
        f"{prefix}_private_outdoor_space_total_area_m2": column(
            float, f"Property type: {kind} | {SPACE} total area (m2)"
        ),
        f"{prefix}_addresses_with_private_outdoor_space_share": _addresses(
            float, kind, f"Percentage of addresses {WITH}"
        ),
        f"{prefix}_average_private_outdoor_space_m2": column(
            float, f"Property type: {kind} | Average size of {SPACE} (m2)"
        ),
    }


KEY = {"local_authority": column(str, "LAD code")}
PLACE = {"nation": column(str, "Country name"), "authority_name": column(str, "LAD name")}
FIGURES = {
    "region": column(str, "Region code"),
    "region_name": column(str, "Region name"),
    **_of("Houses"),
    "houses_median_private_outdoor_space_m2": column(float, f"Property type: Houses | Median size of {SPACE} (m2)"),
    **_of("Flats"),
    "flats_private_outdoor_space_count": column(int, f"Property type: Flats | {SPACE} count"),
    "flats_average_flats_sharing_a_garden": column(
        float, "Property type: Flats | Average number of flats sharing a garden"
    ),
    **_of("Total"),
}

TABLE = Table(
    "green_space",
    {"local_authority": str, **{name: c.type for name, c in FIGURES.items()}},
    primary_key="local_authority",
    references={"local_authority": ("local_authorities", "code")},
    not_null=frozenset({"region", "total_address_count"}),
)


def load(build: "Build") -> None:
    """Fill green_space; add the 2019 authorities of Great Britain."""
    sheet = None if build.file(GARDENS).name.endswith(".csv") else SHEET
    rows = build.rows(GARDENS, KEY | PLACE | FIGURES, sheet=sheet, header_rows=2)
    build.insert(TABLE.name, list(TABLE.columns), rows.select(*TABLE.columns))
    build.authorities("2019", rows.select("local_authority", "authority_name", "nation"))


PARKS = SourceFile(
    "green_space_parks",
    ("ospublicgreenspacereferencetables.xlsx",),
    "https://www.ons.gov.uk/file?uri=/economy/environmentalaccounts/datasets/accesstogardensandpublicgreenspaceingreatbritain/"
    "accesstopublicparksandplayingfieldsgreatbritainapril2020/ospublicgreenspacereferencetables.xlsx",
    optional=True,
)
# ONS has said that this sheet and "LAD Parks and Playing Fields" were once the same by mistake: the labels of this
# one named playing fields too. It is read under either label, and its description warns.
PARKS_SHEET = "LAD Parks only"


def _parks(text: str) -> Column:
    return column(
        float,
        text.format(one="Park, Public Garden, or Playing Field", many="Parks, Public Gardens, or Playing Fields"),
        text.format(one="Park or Public Garden", many="Parks or Public Gardens"),
    )


PARKS_FIGURES = {
    "region": column(str, "Region code"),
    "region_name": column(str, "Region name"),
    "average_distance_to_nearest_m": _parks("Average distance to nearest {one} (m)"),
    "average_size_of_nearest_m2": _parks("Average size of nearest {one} (m2)"),
    "average_number_within_1000_m": _parks("Average number of {many} within 1,000 m radius"),
    "average_combined_size_within_1000_m_m2": _parks("Average combined size of {many} within 1,000 m radius (m2)"),
}
PARKS_TABLE = Table(
    "green_space_parks",
    {"local_authority": str, **{name: c.type for name, c in PARKS_FIGURES.items()}},
    primary_key="local_authority",
    references={"local_authority": ("local_authorities", "code")},
    not_null=frozenset({"average_distance_to_nearest_m"}),
)


def load_parks(build: "Build") -> None:
    """Fill green_space_parks; add the 2019 authorities of Great Britain."""
    rows = build.rows(PARKS, KEY | PLACE | PARKS_FIGURES, sheet=PARKS_SHEET)
    build.insert(PARKS_TABLE.name, list(PARKS_TABLE.columns), rows.select(*PARKS_TABLE.columns))
    build.authorities("2019", rows.select("local_authority", "authority_name", "nation"))


PAGE = "https://www.ons.gov.uk/economy/environmentalaccounts/datasets/accesstogardensandpublicgreenspaceingreatbritain"
ATTRIBUTION = (
    "Contains OS data © Crown copyright and database right 2020."
    " Source: Office for National Statistics licensed under the Open Government Licence v.3.0."
)

PUBLICATIONS = (
    Publication(
        id="green_space",
        title="Access to gardens and public green space in Great Britain: private outdoor space",
        publisher="Office for National Statistics",
        edition="April 2020",
        page=PAGE,
        files=(GARDENS,),
        load=load,
        tables=(TABLE,),
        fills=(TABLE.name, "local_authorities"),
        rows={GARDENS.id: AUTHORITIES},
        attribution=ATTRIBUTION,
    ),
    Publication(
        id="green_space_parks",
        title="Access to gardens and public green space in Great Britain: public parks and playing fields",
        publisher="Office for National Statistics",
        edition="April 2020",
        page=PAGE,
        files=(PARKS,),
        load=load_parks,
        tables=(PARKS_TABLE,),
        fills=(PARKS_TABLE.name, "local_authorities"),
        rows={PARKS.id: AUTHORITIES},
        attribution=ATTRIBUTION,
    ),
)
