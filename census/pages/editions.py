"""Draw the figures of one index: of an area, or how the areas of a place spread over its deciles."""

from dataclasses import dataclass

from markupsafe import Markup

from census.domain import geographies
from census.lookup import places
from census.lookup.areas import Area, AreaFigures
from census.lookup.health import People, Population
from census.lookup.indices import Index
from census.lookup.places import Place, Ranked
from census.lookup.postcodes import PostcodeFigures
from census.pages import charts
from census.pages.page import Addresses
from census.pages.reader import Reader

_LABELS = {places.OVERALL: "Overall", "idaci": "IDACI, children", "idaopi": "IDAOPI, older people"}


@dataclass(frozen=True)
class Figure:
    """A rank and a decile, drawn as a strip. basis: of the decile. weight: of a domain, in per cent."""

    label: str
    rank: float
    of: int
    decile: int
    basis: str
    chart: Markup
    weight: float | None = None


@dataclass(frozen=True)
class Edition:
    """The figures of one area in one index; only a message where it has none.

    more_deprived: how many in a hundred areas of the nation are. area, name: the area, where the page is not its own.
    """

    index: Index
    message: str | None = None
    figures: Figure | None = None
    more_deprived: str = ""
    quintile: int | None = None
    quintile_basis: str | None = None
    children: Figure | None = None
    older: Figure | None = None
    domains: tuple[Figure, ...] = ()
    domain_basis: str | None = None
    area: str | None = None
    name: str | None = None
    embed: Addresses | None = None


@dataclass(frozen=True)
class Composite:
    """An area's figures in the composite UK index, drawn."""

    rank: int
    of: int | None
    decile: int
    chart: Markup


@dataclass(frozen=True)
class DomainSpread:
    """How many areas are in each decile of a domain, or of the whole index."""

    label: str
    counts: list[int]
    name: str


@dataclass(frozen=True)
class SpreadEdition:
    """How the areas of a place spread over the deciles of one index, drawn; only a message where there are no figures.

    highest: the largest count of all domains. people: by decile, None where nobody counts them.
    """

    index: Index
    message: str | None = None
    areas: int = 0
    counts: tuple[int, ...] = ()
    chart: Markup | None = None
    domains: tuple[DomainSpread, ...] = ()
    highest: int = 0
    most: tuple[Ranked, ...] = ()
    least: tuple[Ranked, ...] = ()
    basis: str = ""
    picture: Markup | None = None
    people: tuple[People, ...] = ()
    people_note: str | None = None
    embed: Addresses | None = None


def edition(
    reader: Reader,
    index: Index,
    figures: AreaFigures | PostcodeFigures,
    embed: Addresses | None = None,
    area: tuple[str | None, str | None] = (None, None),
) -> Edition:
    """Return the figures of one area in one index, drawn. embed: where they are as JSON. area: its code and name."""
    of, weights = index.areas, reader.weights[index.id]
    share = 100 * (float(figures.rank or 0) - 1) / of
    return Edition(
        index=index,
        figures=_figure("Overall", figures, "", of, large=True),
        more_deprived="fewer than 1" if share < 1 else "more than 99" if share > 99 else f"about {share:.0f}",
        quintile=figures.quintile,
        quintile_basis=figures.quintile_basis,
        children=_figure("IDACI", figures, "idaci", of, large=True) if figures.idaci_rank is not None else None,
        older=_figure("IDAOPI", figures, "idaopi", of) if figures.idaopi_rank is not None else None,
        domains=tuple(
            _figure(
                label(reader, index, name),
                figures,
                name,
                of,
                weight=weights[name].weight_percent if name in weights else None,
            )
            for name in geographies.DOMAINS
            if getattr(figures, f"{name}_rank") is not None
        ),
        domain_basis=figures.domain_decile_basis,
        area=area[0],
        name=area[1],
        embed=embed,
    )


def composite(reader: Reader, place: Area | PostcodeFigures) -> Composite | None:
    """Return the figures of the composite UK index, drawn; None where there are none."""
    rank, decile = place.uk_composite_rank, place.uk_composite_decile
    if rank is None or decile is None:
        return None
    text = f"Composite UK index: decile {decile} of 10, where 1 is the most deprived."
    return Composite(rank, reader.composite_of, decile, charts.strip(decile, text, large=True))


def spread(
    reader: Reader,
    place: Place,
    index: Index,
    embed: Addresses,
    picture: Markup | None = None,
    population: Population | None = None,
) -> SpreadEdition:
    """Return how the areas of a place spread over the deciles of `index`, drawn."""
    of_place = places.spread(reader.lookup, place, index)
    domains = [
        DomainSpread(_LABELS.get(name) or label(reader, index, name), counts, name)
        for name, counts in of_place.counts.items()
    ]
    counts = domains[0].counts
    text = ", ".join(f"decile {n}: {count}" for n, count in zip(charts.DECILES, counts, strict=True))
    return SpreadEdition(
        index=index,
        areas=of_place.areas,
        counts=tuple(counts),
        chart=charts.bars(counts, f"{index.title}: of {of_place.areas} areas, {text}. 1 is the most deprived."),
        domains=tuple(domains),
        highest=max(max(domain.counts) for domain in domains),
        most=tuple(of_place.most),
        least=tuple(of_place.least),
        basis=of_place.basis,
        picture=picture,
        people=tuple(population.deciles) if population else (),
        people_note=population.note if population else None,
        embed=embed,
    )


def label(reader: Reader, index: Index, domain: str) -> str:
    """Return the name of a domain: its publisher's where the weights were hosted, otherwise the common one."""
    weight = reader.weights[index.id].get(domain)
    return weight.publisher_domain if weight else domain.replace("_", " ").capitalize()


def _figure(
    title: str,
    figures: AreaFigures | PostcodeFigures,
    name: str,
    of: int,
    large: bool = False,
    weight: float | None = None,
) -> Figure:
    """Return a rank and a decile of `figures`, whose names begin with `name`, drawn as a strip."""
    prefix = f"{name}_" if name else ""
    rank, decile = getattr(figures, f"{prefix}rank"), getattr(figures, f"{prefix}decile")
    text = f"{title}: decile {decile} of 10, rank {charts.number(rank)} of {charts.number(of)}"
    text += "; 1 is the most deprived." if large else "."
    basis = str(figures.domain_decile_basis if name else figures.decile_basis)
    return Figure(title, rank, of, decile, basis, charts.strip(decile, text, large), weight)
