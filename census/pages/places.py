"""What the page of a postcode, an area, a local authority or a health geography shows.

A figure on a page is the one that `/api/v1` or a canned query answers. What is computed here says so on the page: a
nation's share of homes with a garden (the sum of its authorities), an authority's place among them, and how many areas
of an authority or board lie in each decile of a domain.

`Places` works over one `V1` and one map, so for one thread at a time. Its methods give a `Page`.
"""

import calendar
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import TypedDict
from urllib.parse import quote, quote_plus

import orjson
from markupsafe import Markup

from census.domain import geographies, map_layers, postcode
from census.domain.types import Record
from census.lookup import map_figures
from census.lookup.lookup import IndexRow, Source
from census.lookup.map_figures import ShownIndex
from census.lookup.maps import Maps
from census.pages import charts, pictures
from census.web.api.v1 import HTTP, V1

HOMES = {
    "total": "All homes",
    "houses": "Houses",
    "flats": "Flats",
}
"""As the columns of green_space begin, and what they are of."""

NO_INDEX = {"Jersey": "Jersey", "Guernsey": "Guernsey", "Isle of Man": "the Isle of Man"}
COLUMNS = (
    *("code", "name", "index_id", "rank", "of", "decile", "decile_basis", "quintile", "quintile_basis"),
    *("idaci_rank", "idaci_decile", "latitude", "longitude"),
)
"""The columns of a list of areas; licence, attribution and edition follow them."""

_SHARE = "_addresses_with_private_outdoor_space_share"
_AREA = "{era}.code, coalesce({era}.name, {era}.publisher_name) as name, {era}.latitude, {era}.longitude"
_IN_2011, _IN_2021 = _AREA.format(era="small_areas"), _AREA.format(era="lsoas_2021")
_THOSE_OF_2011 = f"select {_IN_2011} from small_areas where {{}} = :code"
_THOSE_OF_2021 = f"select {_IN_2021} from lsoas_2021 where {{}} = :code"
_LISTED = f"select {_IN_2011} from {{}} as listed join small_areas on small_areas.code = listed.code where {{}} = :code"
AREAS = {
    "local authority": {
        "lsoa_2011": _THOSE_OF_2011.format("local_authority"),
        "lsoa_2021": _THOSE_OF_2021.format("local_authority"),
    },
    "gone local authority": {
        "lsoa_2011": _THOSE_OF_2011.format("local_authority_2019"),
        "lsoa_2021": _THOSE_OF_2021.format("local_authority_2024"),
    },
    "integrated care board": {
        "lsoa_2011": _LISTED.format("lsoas_2011", "listed.icb_2022"),
        "lsoa_2021": _THOSE_OF_2021.format("icb_2024"),
    },
    "sub-ICB location": {
        "lsoa_2011": _LISTED.format("lsoas_2011", "listed.sub_icb_2022"),
        "lsoa_2021": _THOSE_OF_2021.format("sub_icb_2024"),
    },
    "health board": {"lsoa_2011": _LISTED.format("data_zones_2011", "listed.health_board")},
}
"""The areas of a place, by its kind and their era, as the canned queries count them."""

ZOOMS = {"postcode": 14, "area": 13, "local-authority": 10, "health-geography": 8}
"""How near the map is at a place, by the first part of its page's address."""

LOOKUPS = {
    ("England", "lsoa_2011"): "nhs_geography_2022",
    ("England", "lsoa_2021"): "nhs_geography_2024",
    ("Scotland", "lsoa_2011"): "data_zone_2011_lookup",
}
"""The publication that says which areas a health geography has, by nation and era."""

_OF_A_LIST = ", ".join(
    f"{'area' if name in ('code', 'name', 'latitude', 'longitude') else 'deprivation'}.{name}" for name in COLUMNS
)
_RANKED = f"""
    select {_OF_A_LIST} from ({{areas}}) as area
    cross join deprivation on deprivation.area_code = area.code and deprivation.index_id = :index
    order by deprivation.rank, area.code
"""
_COUNTED = ("", *geographies.SUPPLEMENTARY, *geographies.DOMAINS)
_SPREAD = (
    "select count(*) as areas, "
    + ", ".join(
        f"sum({name}{'_' if name else ''}decile = {n}) as {name}_{n}" for name in _COUNTED for n in charts.DECILES
    )
    + """, min(decile_basis) as basis from ({areas}) as area
    cross join deprivation on deprivation.area_code = area.code and deprivation.index_id = :index
    """
)
_ENDS = """
    select area.code, area.name, deprivation.rank, deprivation.decile from ({areas}) as area
    cross join deprivation on deprivation.area_code = area.code and deprivation.index_id = :index
    order by deprivation.rank {way}, area.code limit 5
"""
_AROUND = f"""
    select
      {_OF_A_LIST},
      -- In degrees of latitude, squared; a degree of longitude is some 0.62 of one in Britain and Northern Ireland.
      (latitude - :latitude) * (latitude - :latitude)
        + 0.38 * (longitude - :longitude) * (longitude - :longitude) as far
    from (
      select {{columns}} from {{parent}}
      where latitude between :latitude - :reach and :latitude + :reach
      and longitude between :longitude - 2 * :reach and :longitude + 2 * :reach
    ) as area
    cross join deprivation on deprivation.area_code = area.code and deprivation.index_id = :index
    order by far, area.code
"""
_NAMED = """
    select area.code, coalesce(area.name, area.publisher_name) as name, deprivation.decile
    from json_each(:codes)
    cross join deprivation on deprivation.area_code = json_each.value and deprivation.index_id = :index
    join {parent} as area on area.code = deprivation.area_code
"""
_MOST_DEPRIVED = """
    select
      local_authorities.code,
      local_authorities.name,
      count(*) as areas,
      sum(deprivation.decile = 1) as most,
      1.0 * sum(deprivation.decile = 1) / count(*) as share
    from deprivation join {parent} as area on area.code = deprivation.area_code
    join local_authorities on local_authorities.code = area.local_authority
    where deprivation.index_id = :index
    group by local_authorities.code order by local_authorities.name, local_authorities.code
"""
_POSITIONS = {
    "area": """
        select latitude, longitude, nation, 2011 as era from small_areas where code = :code
        union all select latitude, longitude, nation, 2021 from lsoas_2021 where code = :code
    """,
    "local-authority": "select latitude, longitude from local_authorities where code = :code",
    "health-geography": """
        select avg(latitude) as latitude, avg(longitude) as longitude from (
            select latitude, longitude from lsoas_2021 where :code in (icb_2024, sub_icb_2024)
            union all
            select small_areas.latitude, small_areas.longitude from lsoas_2011 join small_areas using (code)
            where :code in (icb_2022, sub_icb_2022)
            union all
            select small_areas.latitude, small_areas.longitude from data_zones_2011 join small_areas using (code)
            where health_board = :code
        )
    """,
}
Credits = dict[str, Source]
"""The publications whose figures or boundaries a page shows, by id."""

_REACH = (0.02, 0.1, 0.5)  # degrees of latitude in which neighbours are looked for: 2, 11 and 55 km
NEIGHBOURS = 60
_PARENTS = {"lsoa_2011": ("small_areas", _IN_2011), "lsoa_2021": ("lsoas_2021", _IN_2021)}
_SECTOR = """
    select postcode from postcodes
    where postcode >= :sector and postcode < :sector || '~' and terminated is null order by postcode limit 12
"""


@dataclass
class Page:
    """A page: its template, what the template shows, and its HTTP status; or, with `moved`, the address it has."""

    template: str = ""
    shown: Record = field(default_factory=dict)
    status: int = 200
    moved: str | None = None


@dataclass(frozen=True)
class Position:
    """A place on the map: degrees, zoom, the layer that shows it, and the code of the area to outline, if any."""

    latitude: float
    longitude: float
    zoom: int
    layer: str
    area: str | None


class AreaList(TypedDict):
    """The areas of a place in one index, each with COLUMNS, and the terms of their figures."""

    index: IndexRow
    licence: str
    attribution: str
    edition: str
    areas: list[Record]


class Unknown(LookupError):
    """There is no such place, or no such index of it. The message says so."""


class Places:
    """The pages over one V1, with pictures where there is a map."""

    def __init__(self, v1: V1, maps: Maps | None = None) -> None:
        self.v1, self.lookup, self.maps = v1, v1.lookup, maps
        self.indices = {row["id"]: row for row in self.lookup.indices}
        self.weights: dict[str, dict[str, Record]] = defaultdict(dict)
        for row in self.lookup.rows("select * from domain_weights"):
            self.weights[row["index_id"]][row["domain"]] = row
        self.authorities = {row["code"]: row for row in self.lookup.rows("select * from local_authorities")}
        self.months = {
            row["postcode_area"]: row["small_areas_of"] for row in self.lookup.rows("select * from postcode_areas")
        }
        self._overviews: dict[str, Page] = {}
        self.gardens = Gardens(self.lookup.green_space.values(), self.authorities)
        self.composite_of = self.lookup.publications["uk_composite"]["rows"]  # of the file: an extract has fewer

    # A postcode

    def postcode(self, text: str) -> Page:
        """Return the page of a postcode, with the status that the API gives it. Raises nothing for any text."""
        normal = postcode.normalise(text)
        if normal and text != normal.replace(" ", ""):
            return Page(moved=f"/postcode/{normal.replace(' ', '')}", status=301)
        told = self.lookup.one(text)
        if told["status"] not in ("found", "terminated"):
            near = self.lookup.rows(_SECTOR, {"sector": normal[:-2]}) if normal else ()
            shown = {
                "told": told,
                "asked": text[:20],
                "near": [row["postcode"] for row in near],
                "would_be": self.would_be(text),
                "island": NO_INDEX.get(told["nation"]),
                "directory": self.lookup.directory,
                "extract": self.lookup.extract,
                "dated": self.dated(normal),
            }
            return Page("no_postcode.html", shown, HTTP[told["status"]])
        normal = told["postcode"]
        editions: list[Record] = []
        sources: Credits = {}
        for index in self.of_nation(told["nation"]):
            answer = self.lookup.one(text, index["id"])
            if answer["rank"] is None:
                editions.append({"index": index, "message": answer["message"]})
                continue
            editions.append(self.edition(index, answer) | {"area": answer["area_code"], "name": answer["area_name"]})
            self.credit(sources, told["nation"], index["id"])
        green = self.gardens.of(told["local_authority_2019_code"])
        composite = self.composite(told)
        self.credit(
            sources, told["nation"], None, "uk_composite" if composite else None, "green_space" if green else None
        )
        drawn = [edition for edition in editions if "figures" in edition]
        picture = None
        if drawn:
            at = told["latitude"], told["longitude"]
            picture = self.surroundings(drawn[0]["index"], drawn[0]["area"], at, normal, sources)
        compact = normal.replace(" ", "")
        shown = {
            "told": told,
            "dated": self.dated(normal),
            "scale": charts.scale(),
            "editions": editions,
            "area_on_map": drawn[0]["area"] if drawn else None,
            "picture": picture,
            "green": green,
            "composite": composite,
            "sources": list(sources.values()),
            "compact": compact,
            "embed": [
                (edition["index"], addresses("imd_by_postcode", postcode=normal, index=edition["index"]["id"]))
                for edition in drawn
            ],
            "green_addresses": addresses("green_space_by_postcode", postcode=normal),
        }
        return Page("postcode.html", shown)

    def would_be(self, text: str) -> str | None:
        """Return the postcode that may have been meant: the only one here that looks like `text`, or the only form."""
        found = self.lookup.look_alikes(text)
        return found[0] if len(found) == 1 else None if postcode.normalise(text) else postcode.near_miss(text)

    def dated(self, normal: str | None) -> Record | None:
        """Return the postcode area of a postcode, and the month up to which its postcodes have small areas."""
        area = (normal or "")[:2].rstrip("0123456789")
        month = self.months.get(area)
        return {"area": area, "month": f"{calendar.month_name[month % 100]} {month // 100}"} if month else None

    def of_nation(self, nation: str | None) -> list[IndexRow]:
        """Return the indices of `nation`, newest first."""
        return [index for index in self.lookup.indices if index["nation"] == nation]

    def edition(self, index: IndexRow, row: Record) -> Record:
        """Return the figures of one area in one index, drawn.

        row: rank, of, decile and the domains, as an answer has them.
        """
        of, weights = index["areas"], self.weights[index["id"]]
        domains = []
        for name in geographies.DOMAINS:
            if row[f"{name}_rank"] is None:
                continue
            weight = weights[name]["weight_percent"] if name in weights else None
            domains.append(figure(self.label(index, name), row, name, of) | {"weight": weight})
        share = 100 * (row["rank"] - 1) / of
        return {
            "index": index,
            "figures": figure("Overall", row, "", of, large=True),
            "more_deprived": "fewer than 1" if share < 1 else "more than 99" if share > 99 else f"about {share:.0f}",
            "quintile": row["quintile"],
            "quintile_basis": row["quintile_basis"],
            "children": figure("IDACI", row, "idaci", of, large=True) if row["idaci_rank"] is not None else None,
            "older": figure("IDAOPI", row, "idaopi", of) if row["idaopi_rank"] is not None else None,
            "domains": domains,
            "domain_basis": row["domain_decile_basis"],
        }

    def composite(self, row: Record) -> Record | None:
        """Return the composite UK index of an answer, drawn."""
        if row["uk_composite_rank"] is None:
            return None
        return {
            "rank": row["uk_composite_rank"],
            "of": self.composite_of,
            "decile": row["uk_composite_decile"],
            "chart": charts.strip(
                row["uk_composite_decile"],
                f"Composite UK index: decile {row['uk_composite_decile']} of 10, where 1 is the most deprived.",
                large=True,
            ),
        }

    def credit(self, sources: Credits, nation: str, index: str | None, *more: str | None) -> None:
        """Add to `sources` whose the figures are, by publication: of an index, of the publications `more`."""
        for source in self.lookup.sources([index], nation == "Northern Ireland", filter(None, more)):
            sources.setdefault(source["id"], source)

    # An area

    def area(self, code: str) -> Page:
        """Return the page of a small area of 2011 or 2021. Raises Unknown."""
        if code != code.strip(" ").upper():
            return Page(moved=f"/area/{quote(code.strip(' ').upper())}", status=301)
        self.nation_of(code)
        area = orjson.loads(self.v1.area(code, b"").body)
        authority = self.authorities.get(area["local_authority_code"])
        before = self.lookup.rows("select local_authority_2019 as code from small_areas where code = ?", (code,))
        editions = [
            self.edition(self.indices[row["index_id"]], row)
            | {"embed": addresses("deprivation_by_small_area", code=code, index=row["index_id"])}
            for row in area["deprivation"]
        ]
        table = next(iter(area["lists"]), None)
        sources: Credits = {source["id"]: source for source in area["sources"]}
        picture = None
        if editions:
            name = area["name"] or area["publisher_name"] or code
            picture = self.surroundings(editions[0]["index"], code, None, name, sources)
        return Page(
            "area.html",
            {
                "area": area,
                "picture": picture,
                "scale": charts.scale(),
                "authority": authority,
                "editions": editions,
                "composite": self.composite(area),
                "green": self.gardens.of(before[0]["code"]) if before else None,
                "sources": list(sources.values()),
                "lists": {
                    "Its postcodes": addresses("postcodes_in_small_area", code=code),
                    "Its row in the list of areas": table and f"/census/{table}/{code}",
                },
                "changes": [row for row in area["changes"] if row["lsoa_2011"] != row["lsoa_2021"]],
                "api": f"/api/v1/areas/{code}",
            },
        )

    def nation_of(self, code: str) -> str:
        """Return the nation of a small area of 2011 or 2021. Raises Unknown."""
        sql = "select nation from small_areas where code = :code union select nation from lsoas_2021 where code = :code"
        found = self.lookup.rows(sql, {"code": code})
        if not found:
            raise Unknown(f"'{code[:40]}' is not the code of a small area here.")
        nation: str = found[0]["nation"]
        return nation

    # A local authority, a health geography

    def local_authority(self, code: str) -> Page:
        """Return the page of a local authority of any vintage. Raises Unknown."""
        if code != code.strip(" ").upper():
            return Page(moved=f"/local-authority/{quote(code.strip(' ').upper())}", status=301)
        if code not in self.authorities:
            raise Unknown(f"'{code[:40]}' is not the code of a local authority here.")
        told = orjson.loads(self.v1.local_authority(code, b"").body)
        editions: list[Record] = []
        sources: Credits = {source["id"]: source for source in told["sources"]}
        for given in told["deprivation"]:
            index = self.indices[given["index_id"]]
            if given["message"]:
                editions.append({"index": index, "message": given["message"]})
                continue
            editions.append(
                self.spread(self.kind_of(code), code, index)
                | {"picture": self.picture(code, index, told["name"] or code, sources)}
                | {"embed": addresses("deprivation_in_local_authority", authority=code, index=index["id"])}
            )
        return Page(
            "local_authority.html",
            {
                "place": told,
                "scale": charts.scale(),
                "address": f"/local-authority/{code}",
                "successor": self.authorities.get(told["successor"]),
                "editions": editions,
                "greens": [self.gardens.of(row["local_authority_2019_code"]) for row in told["green_space"]],
                "green_message": told["green_space_message"],
                "green_addresses": addresses("green_space_by_local_authority", authority=code),
                "sources": list(sources.values()),
                "api": f"/api/v1/local-authorities/{code}",
            },
        )

    def picture(self, code: str, index: IndexRow, name: str, sources: Credits) -> Markup | None:
        """Draw the areas of a local authority in an index; None without a map. Adds its publishers to `sources`."""
        if self.maps is None:
            return None
        sources |= {source["id"]: source for source in self.maps.publications(index["geography"], index["nation"])}
        return pictures.of_areas(self.maps, index, self.areas(self.kind_of(code), code, index), name)

    def surroundings(
        self, index: IndexRow, code: str, at: tuple[float, float] | None, name: str, sources: Credits
    ) -> Markup | None:
        """Draw an area and those around it in an index; None without a map. Adds its publishers to `sources`."""
        if self.maps is None:
            return None
        sources |= {source["id"]: source for source in self.maps.publications(index["geography"], index["nation"])}
        sql = _NAMED.format(parent=_PARENTS[index["geography"]][0])

        def deciles_of(codes: list[str]) -> list[Record]:
            return self.lookup.rows(sql, {"codes": orjson.dumps(codes).decode(), "index": index["id"]})

        return pictures.around(self.maps, index, code, deciles_of, at, name)

    def overview(self, layer: str) -> Page:
        """Return the page of the map: the local authorities in the indices of a layer, as a picture and a list."""
        if layer not in self._overviews:
            self._overviews[layer] = self._overview(layer)
        return self._overviews[layer]

    def _overview(self, layer: str) -> Page:
        indices = map_figures.editions(self.lookup.connection, layer)
        rows: list[Record] = []
        for index in indices:
            sql = _MOST_DEPRIVED.format(parent=_PARENTS[index["geography"]][0])
            rows += [
                row | {"nation": index["nation"]}
                for row in self.lookup.rows(sql, {"index": index["id"]})
                if not self.lookup.extract or self.whole(row["code"], index)
            ]
        outlines: dict[str, str] = {}
        sources: Credits = {}
        for row in self.lookup.rows("select code, successor from local_authorities order by code"):
            outlines[row["code"]] = row["successor"] or row["code"]
        for index in indices:
            self.credit(sources, index["nation"], index["id"])
            if self.maps:
                for geography in (index["geography"], map_layers.OUTLINES):
                    sources |= {source["id"]: source for source in self.maps.publications(geography, index["nation"])}
        return Page(
            "map.html",
            {
                "layer": layer,
                "scale": charts.scale(),
                "indices": [self.indices[index["id"]] for index in indices],
                "tiled": self.maps is not None and {*map_layers.LAYERS} <= {*self.maps.layers},
                "measures": {name: name.replace("_", " ").capitalize() for name in geographies.DOMAINS},
                "rows": rows,
                "extract": self.lookup.extract,
                "picture": pictures.of_authorities(self.maps, rows, outlines) if self.maps else None,
                "sources": list(sources.values()),
            },
        )

    def whole(self, code: str, index: ShownIndex) -> bool:
        """Return whether the database has every area of a local authority: an extract has some of many."""
        asked = {"authority": code, "index": index["id"]}
        return self.lookup.canned("deprivation_in_local_authority", **asked)[0]["message"] is None

    def position(self, address: str, layer: str) -> "Position | None":
        """Return where the place of a page's `address` is on the map; None where that is not known.

        layer: the one that is looked at; an area that it has not is shown on the other one.
        """
        room, code = address.strip("/").split("/")
        area = None
        if room == "postcode":
            told = self.lookup.one(code)
            found = [told] if told["status"] in ("found", "terminated") else []
            newest = layer == "uk_latest" and told["nation"] in ("England", "Wales")
            area = told["lsoa_2021"] if newest else told["lsoa_2011"]
        else:
            found = self.lookup.rows(_POSITIONS[room], {"code": code})
        if room == "area":
            area = code
            eras = {row["era"] for row in found if row["nation"] in ("England", "Wales")}
            layer = {(2011,): "uk_2011", (2021,): "uk_latest"}.get(tuple(eras), layer)
        if not found or found[0]["latitude"] is None:
            return None
        return Position(found[0]["latitude"], found[0]["longitude"], ZOOMS[room], layer, area)

    def kind_of(self, code: str) -> str:
        """Return which of AREAS has the areas of the local authority `code`."""
        return "local authority" if self.authorities[code]["successor"] is None else "gone local authority"

    def health_geography(self, code: str) -> Page:
        """Return the page of an integrated care board, a sub-ICB location or a health board. Raises Unknown."""
        place = self.health_place(code)
        if place["code"] != code:
            return Page(moved=f"/health-geography/{place['code']}", status=301)
        editions: list[Record] = []
        sources: Credits = {}
        for index in self.of_nation(place["nation"]):
            given = self.lookup.canned("deprivation_in_health_geography", code=code, index=index["id"])
            if given[0]["message"]:
                editions.append({"index": index, "message": given[0]["message"]})
                continue
            editions.append(
                self.spread(place["kind"], code, index)
                | {"people": given if given[0]["people"] is not None else None, "people_note": given[0]["people_note"]}
                | {"embed": addresses("deprivation_in_health_geography", code=code, index=index["id"])}
            )
            self.credit(sources, place["nation"], index["id"], LOOKUPS[place["nation"], index["geography"]])
        greens = [green for code in self.within(place) if (green := self.gardens.of(code))]
        self.credit(sources, place["nation"], None, "green_space" if greens else None)
        return Page(
            "health_geography.html",
            {
                "place": place,
                "address": f"/health-geography/{code}",
                "editions": editions,
                "greens": greens,
                "sources": list(sources.values()),
            },
        )

    def health_place(self, code: str) -> Record:
        """Return the row of health_geographies with ONS's code or the NHS's own. Raises Unknown."""
        asked = code.strip(" ").upper()
        found = self.lookup.rows(
            "select * from health_geographies where code = :asked or ods_code = :asked order by vintages desc, code",
            {"asked": asked},
        )
        if not found:
            raise Unknown(
                f"'{asked[:40]}' is not the code of an integrated care board, sub-ICB location or health board."
            )
        return next((row for row in found if row["code"] == asked), found[0])

    def within(self, place: Record) -> list[str]:
        """Return the codes of the local authorities of 2019 in which the areas of a health geography are, by name."""
        areas = AREAS[place["kind"]]["lsoa_2011"]
        found = self.lookup.rows(
            f"select distinct local_authority_2019 as code from ({areas}) as area join small_areas using (code)",
            {"code": place["code"]},
        )
        codes = {row["code"] for row in found} & self.authorities.keys()
        return sorted(codes, key=lambda code: self.authorities[code]["name"] or code)

    def areas(self, kind: str, code: str, index: IndexRow) -> list[Record]:
        """Return the areas of a place (of a kind of AREAS) with their rows of `deprivation`, most deprived first."""
        areas = AREAS[kind][index["geography"]]
        return self.lookup.rows(_RANKED.format(areas=areas), {"code": code, "index": index["id"]})

    def spread(self, kind: str, code: str, index: IndexRow) -> Record:
        """Return how the areas of a place (of a kind of AREAS) spread over the deciles of `index`, drawn."""
        areas, asked = AREAS[kind][index["geography"]], {"code": code, "index": index["id"]}
        [told] = self.lookup.rows(_SPREAD.format(areas=areas), asked)
        names = {"": "Overall", "idaci": "IDACI, children", "idaopi": "IDAOPI, older people"}
        domains: list[Record] = []
        for name in _COUNTED:
            counts = [told[f"{name}_{n}"] for n in charts.DECILES]
            if None not in counts and sum(counts) == told["areas"]:
                label = names.get(name) or self.label(index, name)
                domains.append({"label": label, "counts": counts, "name": name or "imd"})
        counts = domains[0]["counts"]
        text = ", ".join(f"decile {n}: {count}" for n, count in zip(charts.DECILES, counts, strict=True))
        return {
            "index": index,
            "areas": told["areas"],
            "counts": counts,
            "chart": charts.bars(
                counts, f"{index['title']}: of {told['areas']} areas, {text}. 1 is the most deprived."
            ),
            "domains": domains,
            "highest": max(max(row["counts"]) for row in domains),
            "most": self.lookup.rows(_ENDS.format(areas=areas, way=""), asked),
            "least": self.lookup.rows(_ENDS.format(areas=areas, way="desc"), asked),
            "basis": told["basis"],
        }

    def label(self, index: IndexRow, domain: str) -> str:
        """Return the name of a domain of `index`.

        It is the publisher's where the weights were hosted, otherwise the common one.
        """
        told = self.weights[index["id"]].get(domain)
        return told["publisher_domain"] if told else domain.replace("_", " ").capitalize()

    # Lists of areas, for a map and to download

    def list_of(self, room: str, code: str, wanted: str) -> AreaList:
        """Return the areas of a place, or those around one, in the index `wanted`; by default the newest with figures.

        room: the first part of the page's address. Gives `areas` (each with COLUMNS), `index` (its row), and licence,
        attribution and edition. Raises Unknown where there is no such place, or no figures of that index for all of it.
        """
        nation, read, query, asked = self.room_of(room, code)
        problem = None
        for index in self.of_nation(nation):
            if wanted not in ("", "latest", index["id"]):
                continue
            [told, *_] = self.lookup.canned(query, **asked, index=index["id"])
            if told["message"] is not None:
                problem = problem or told["message"]
                continue
            directory = self.lookup.publications["postcode_directory"]["attribution"]
            return {
                "index": index,
                "licence": told["licence"],
                "attribution": told["attribution"] + ("" if directory in told["attribution"] else f" {directory}"),
                "edition": told["edition"],
                "areas": read(index),
            }
        raise Unknown(problem or f"'{wanted[:40]}' is not the id of an index of {nation}.")

    def room_of(self, room: str, code: str) -> tuple[str, Callable[[IndexRow], list[Record]], str, dict[str, str]]:
        """Return what makes a list of areas.

        That is the nation, what reads it for an index, and the canned query that has the same.

        Raises Unknown where there is no such place.
        """
        if room == "area":
            return self.nation_of(code), partial(self.around, code), "deprivation_by_small_area", {"code": code}
        if room == "local-authority":
            if code not in self.authorities:
                raise Unknown(f"'{code[:40]}' is not the code of a local authority here.")
            read = partial(self.areas, self.kind_of(code), code)
            return self.authorities[code]["nation"], read, "deprivation_in_local_authority", {"authority": code}
        place = self.health_place(code)
        read = partial(self.areas, place["kind"], place["code"])
        return place["nation"], read, "deprivation_in_health_geography", {"code": place["code"]}

    def around(self, code: str, index: IndexRow) -> list[Record]:
        """Return the NEIGHBOURS areas whose centroids are nearest to that of the area `code`, itself the first."""
        parent, columns = _PARENTS[index["geography"]]
        [area] = self.lookup.rows(f"select latitude, longitude from {parent} where code = ?", (code,))
        rows: list[Record] = []
        for reach in _REACH if area["latitude"] is not None else ():
            sql = _AROUND.format(columns=columns, parent=parent)
            rows = self.lookup.rows(sql, area | {"reach": reach, "index": index["id"]})
            if len(rows) >= NEIGHBOURS and rows[NEIGHBOURS - 1]["far"] <= reach * reach:
                break
        return [{name: row[name] for name in COLUMNS} for row in rows[:NEIGHBOURS]]


class Gardens:
    """Green space of the authorities of 2019: their nations' figures, computed, and each one's place in its nation."""

    def __init__(self, rows: Iterable[Record], authorities: dict[str, Record]) -> None:
        self.rows = {row["local_authority_2019_code"]: row for row in rows}
        self.nation_of = {code: authorities[code]["nation"] for code in self.rows}
        self.ranked = defaultdict(list)
        for code in sorted(self.rows, key=lambda code: (-self.rows[code][f"total{_SHARE}"], code)):
            self.ranked[self.nation_of[code]].append(code)
        self.nations = {nation: self._sums(codes) for nation, codes in self.ranked.items()}
        self._drawn: dict[str, Record] = {}

    def _sums(self, codes: list[str]) -> dict[str, float]:
        """Return the share of a nation's homes with private outdoor space: of all its authorities' addresses."""
        having, of = "addresses_with_private_outdoor_space_count", "address_count"
        return {
            homes: sum(self.rows[code][f"{homes}_{having}"] for code in codes)
            / sum(self.rows[code][f"{homes}_{of}"] for code in codes)
            for homes in HOMES
        }

    def of(self, code: str | None) -> Record | None:
        """Return the panel of the authority of 2019 with `code`, drawn once; None where there are no figures."""
        if code is None or code not in self.rows:
            return None
        if code not in self._drawn:
            self._drawn[code] = self._panel(code)
        return self._drawn[code]

    def _panel(self, code: str) -> Record:
        row = self.rows[code]
        nation = self.nation_of[code]
        order = self.ranked[nation]
        place = order.index(code)
        first = max(0, min(place - 2, len(order) - 5))
        name = row["local_authority_2019_name"] or code
        homes = []
        for kind, label in HOMES.items():
            share, in_nation = row[f"{kind}{_SHARE}"], self.nations[nation][kind]
            text = f"{label} with private outdoor space: {charts.percent(share)} in {name}, "
            homes.append(
                {
                    "label": label,
                    "share": share,
                    "in_nation": in_nation,
                    "average": row[f"{kind}_average_private_outdoor_space_m2"],
                    "chart": charts.shares(
                        [(name, share, True), (nation, in_nation, False)],
                        f"{text}{charts.percent(in_nation)} in {nation}.",
                    ),
                }
            )
        return {
            "code": code,
            "name": name,
            "nation": nation,
            "row": row,
            "homes": homes,
            "place": self.place(code),
            "of": len(order),
            "neighbours": [
                {
                    "code": other,
                    "name": self.rows[other]["local_authority_2019_name"] or other,
                    "share": self.rows[other][f"total{_SHARE}"],
                    "place": self.place(other),
                    "own": other == code,
                }
                for other in order[first : first + 5]
            ],
        }

    def place(self, code: str) -> int:
        """Return one more than the authorities of its nation with a higher share: those with the same share tie."""
        share = self.rows[code][f"total{_SHARE}"]
        ahead = sum(self.rows[other][f"total{_SHARE}"] > share for other in self.ranked[self.nation_of[code]])
        return 1 + int(ahead)


def figure(label: str, row: Record, name: str, of: int, large: bool = False) -> Record:
    """Return a rank and a decile of `row`, whose names begin with `name`, drawn as a strip."""
    prefix = f"{name}_" if name else ""
    rank, decile = row[f"{prefix}rank"], row[f"{prefix}decile"]
    text = f"{label}: decile {decile} of 10, rank {charts.number(rank)} of {charts.number(of)}"
    text += "; 1 is the most deprived." if large else "."
    return {
        "label": label,
        "rank": rank,
        "of": of,
        "decile": decile,
        "basis": row["decile_basis"] if not name else row["domain_decile_basis"],
        "chart": charts.strip(decile, text, large),
    }


def addresses(query: str, **parameters: str) -> dict[str, str]:
    """Return the addresses of a canned query: its page, its JSON and its CSV."""
    asked = "&".join(f"{name}={quote_plus(value)}" for name, value in parameters.items())
    return {
        "page": f"/census/{query}?{asked}",
        "json": f"/census/{query}.json?{asked}&_shape=array",
        "csv": f"/census/{query}.csv?{asked}",
    }
