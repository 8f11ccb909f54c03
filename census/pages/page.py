"""What a page is: a template and what it shows; and the addresses that pages link to."""

from dataclasses import dataclass, field
from urllib.parse import quote, quote_plus

from census.domain.types import Record


@dataclass(frozen=True)
class Page:
    """A page: its template and what that shows; or, with `moved`, the address that it has moved to.

    status: of the postcode, one of `census.lookup.postcodes.STATUSES`; found for every other page.
    """

    template: str = ""
    shown: Record = field(default_factory=dict)
    status: str = "found"
    moved: str | None = None


@dataclass(frozen=True)
class Addresses:
    """The addresses of a canned query: its page, its JSON and its CSV."""

    page: str
    json: str
    csv: str


def query_addresses(query: str, **parameters: str) -> Addresses:
    """Return the addresses of a canned query with its parameters."""
    values = "&".join(f"{name}={quote_plus(value)}" for name, value in parameters.items())
    return Addresses(
        page=f"/census/{query}?{values}",
        json=f"/census/{query}.json?{values}&_shape=array",
        csv=f"/census/{query}.csv?{values}",
    )


def place_address(place: str, code: str) -> str:
    """Return the address of the page of a place (postcode, area, local authority, health geography), or of a search."""
    return f"/search?q={quote(code)}" if place == "search" else f"/{place.replace(' ', '-')}/{code}"


def moved(place: str, code: str) -> Page:
    """Return the page that leads to the page of a place with another spelling of its code."""
    return Page(moved=quote(place_address(place, code)))
