"""Alterations of published figures that leave every cell plausible, and the check that refuses each.

docs/security.md shows the list: `python -m tests.alterations` prints it, and a test compares the two. An alteration is
SQL on the database of the extract, as if the publisher's file had come so. `refused_by` names the check; where it is
empty, no check refuses it, and only the file's SHA-256 tells (`file`: which, by its row in `publications`).
"""

from dataclasses import dataclass

CHECKS = {
    "ranks": ("Ranks without a gap, each the place of its areas", ": ranks that are not the "),
    "published": ("Number of ranks and most deprived area of each column, as published", ": number of ranks and most"),
    "bands": ("Published bands by the rule of the rank", ": published bands that are not "),
    "scores": ("Scores in the order of the ranks, one score within a tie", ": scores that rise with the rank"),
    "domains": ("Domain scores computed again from the ranks", ": domain scores that do not follow"),
    "weights": ("Overall scores and ranks computed again from the weighted domains", ": overall scores and ranks that"),
    "composite": ("The composite against the four indices and its own model", "figures that are not those of the four"),
    "composite order": ("The composite's scores and deciles in the order of its ranks", "that do not follow the rank"),
    "composite deciles": ("How many areas each decile of the composite has", ": areas in each decile"),
    "editions": ("Unchanged areas from one edition to the next", ": unchanged areas whose rank moved"),
    "positions": ("Postcodes against the others of their area, sector and authority", "postcodes far from the others"),
    "pairs": ("Postcodes against their LSOA of 2021", "postcodes far from their LSOA of 2021"),
    "lookup": ("The lookup from 2011 to 2021 against the postcodes", "LSOAs of 2011 many of whose postcodes"),
    "dates": ("Dates of postcodes against each other and the edition", "postcodes that end before they begin"),
    "nested": ("What lies in what: wards, zones, boards, authorities", "that lie in two of what they lie in"),
    "green space": ("Green space: totals, shares and averages against counts", "totals, shares and averages that"),
    "populations": ("Populations by age add up", "populations that do not add up"),
    "terms": ("Licences, attributions and indices as declared", "licences, attributions and indices"),
}
"""Check to what docs/security.md says that it compares, and a part of its name in the report of a build."""


@dataclass(frozen=True)
class Alteration:
    """An alteration: what it is, its SQL, and the key in `CHECKS` of what refuses it (whole_uk: only of all areas)."""

    title: str
    sql: str
    refused_by: str = ""
    file: str = ""
    whole_uk: bool = False


def swap(table: str, first: str, second: str, *columns: str, key: str = "area_code") -> str:
    """SQL that swaps `columns` of two rows of `table`."""
    return f"""
        create temp table swapped as select * from {table} where {key} in ('{first}', '{second}');
        update {table} set ({", ".join(columns)}) = (
            select {", ".join(columns)} from swapped where swapped.{key} <> {table}.{key}
        )
        where {key} in ('{first}', '{second}');
        drop table swapped;
    """


def swap_rows(table: str, first: str, second: str) -> str:
    """SQL that gives two areas each other's row of `table`, all of it."""
    return f"""
        update {table} set area_code = 'neither' where area_code = '{first}';
        update {table} set area_code = '{first}' where area_code = '{second}';
        update {table} set area_code = '{second}' where area_code = 'neither';
    """


def of_postcode(change: str, postcode: str = "SW1A 1AA") -> str:
    """SQL that changes the row of a postcode."""
    return f"update postcodes set {change} where postcode = '{postcode}'"


E19, E25, S20, W19, COMPOSITE = (
    "imd_england_2019",
    "imd_england_2025",
    "imd_scotland_2020",
    "imd_wales_2019",
    "imd_uk_composite",
)

ALTERATIONS = (
    Alteration(
        "Two LSOAs have each other's row in England 2019", swap_rows(E19, "E01021988", "E01017682"), "composite"
    ),
    Alteration("Two LSOAs have each other's row in Wales 2019", swap_rows(W19, "W01001874", "W01001770"), "composite"),
    Alteration("Two data zones have each other's row", swap_rows(S20, "S01011598", "S01008123"), "composite"),
    Alteration(
        "Two LSOAs from either end have each other's row in England 2025",
        swap_rows(E25, "E01021988", "E01017639"),
        "editions",
    ),
    Alteration(
        "Two LSOAs of like rank have each other's row in England 2025",
        swap_rows(E25, "E01022037", "E01000933"),
        file="england_2025",
    ),
    Alteration(
        "The headers of income and employment are swapped for all of Scotland",
        f"update {S20} set income_rank = employment_rank, employment_rank = income_rank",
        "composite",
    ),
    Alteration(
        "The headers of crime and housing are swapped for all of Scotland",
        f"update {S20} set crime_rank = housing_rank, housing_rank = crime_rank",
        "weights",
    ),
    Alteration(
        "The headers of health and education, which weigh the same, are swapped for all of Scotland",
        f"update {S20} set health_rank = education_rank, education_rank = health_rank",
        "published",
        whole_uk=True,
    ),
    Alteration(
        "The headers of two scores are swapped for all of England 2025",
        f"update {E25} set income_score = employment_score, employment_score = income_score",
        "scores",
    ),
    Alteration(
        "Two overall ranks are swapped, with their deciles",
        swap(E19, "E01021988", "E01012041", "imd_rank", "imd_decile"),
        "scores",
    ),
    Alteration(
        "One overall rank is one more",
        f"update {E19} set imd_rank = imd_rank + 1 where area_code = 'E01000907'",
        "ranks",
        whole_uk=True,
    ),
    Alteration(
        "One rank of a domain is one more",
        f"update {E19} set crime_rank = crime_rank + 1 where area_code = 'E01021988'",
        "domains",
    ),
    Alteration(
        "One data zone has another's rank of a domain, which is there twice then",
        f"update {S20} set education_rank = (select education_rank from {S20} where area_code = 'S01011377')"
        " where area_code = 'S01011598'",
        "weights",
    ),
    Alteration(
        "Two IDACI ranks of different deciles are swapped", swap(E19, "E01000956", "E01000947", "idaci_rank"), "bands"
    ),
    Alteration(
        "Two IDACI ranks of one decile are swapped, where IDACI scores are blank",
        swap(E19, "E01000956", "E01004679", "idaci_rank"),
        file="england_2019",
    ),
    Alteration(
        "The ranks of two SOAs for income affecting children are swapped",
        swap("imd_northern_ireland_2017", "95GG47S2", "95GG35S3", "idaci_rank"),
        "scores",
    ),
    Alteration(
        "Two ranks of the composite are swapped",
        swap(COMPOSITE, "95GG47S2", "95SS06S2", "uk_imd_e_rank"),
        "composite order",
    ),
    Alteration(
        "One score of the composite is a tenth more",
        f"update {COMPOSITE} set uk_imd_e_score = uk_imd_e_score + 0.1 where area_code = '95GG47S2'",
        "composite",
    ),
    Alteration(
        "An area on the boundary of a decile of the composite goes to the next",
        f"update {COMPOSITE} set uk_imd_e_pop_decile = 2 where area_code = 'E01010410'",
        "composite deciles",
        whole_uk=True,
    ),
    Alteration(
        "One decile of a domain is one more",
        f"update {E25} set crime_decile = crime_decile % 10 + 1 where area_code = 'E01021988'",
        "bands",
    ),
    Alteration(
        "An area on the boundary of a decile goes to the next",
        f"update {W19} set imd_decile = 4 where area_code = 'W01001748'",
        "bands",
    ),
    Alteration(
        "The sign of one score is turned round",
        f"update {E25} set crime_score = -crime_score where area_code = 'E01021988'",
        "scores",
    ),
    Alteration(
        "Two LSOAs have each other's score, rank and decile of a domain",
        swap(E19, "E01021988", "E01017682", "income_score", "income_rank", "income_decile"),
        "domains",
    ),
    Alteration(
        "One transformed score is 0.01 more",
        f"update {E19} set crime_score_exponentially_transformed = crime_score_exponentially_transformed + 0.01"
        " where area_code = 'E01017682'",
        "domains",
    ),
    Alteration(
        "One income score is 0.001 more, and still between its neighbours",
        f"update {E25} set income_score = income_score + 0.001 where area_code = 'E01012019'",
        file="england_2025",
    ),
    Alteration(
        "SW1A 1AA lies in a neighbouring LSOA",
        of_postcode("lsoa_2011 = 'E01004761', lsoa_2021 = 'E01004761'"),
        file="postcode_directory",
    ),
    Alteration(
        "SW1A 1AA lies in an LSOA of Middlesbrough",
        of_postcode("lsoa_2011 = 'E01012007', lsoa_2021 = 'E01012007'"),
        "positions",
    ),
    Alteration(
        "SW1A 1AA lies in a data zone of Scotland",
        of_postcode("lsoa_2011 = 'S01011598', lsoa_2021 = null"),
        "positions",
    ),
    Alteration(
        "SW1A 1AA lies in another LSOA of 2021 alone, in Middlesbrough", of_postcode("lsoa_2021 = 'E01012007'"), "pairs"
    ),
    Alteration(
        "The latitude of SW1A 1AA is 0.01 degrees more",
        of_postcode("latitude = latitude + 0.01"),
        file="postcode_directory",
    ),
    Alteration("The latitude of SW1A 1AA is 0.5 degrees more", of_postcode("latitude = latitude + 0.5"), "positions"),
    Alteration(
        "A live postcode is retired",
        of_postcode("terminated = 202001"),
        file="postcode_directory",
    ),
    Alteration("A postcode ends before it begins", of_postcode("terminated = 197901"), "dates"),
    Alteration(
        "An LSOA lies in another local authority",
        "update small_areas set local_authority_2019 = 'E09000007' where code = 'E01004736';"
        " update lsoas_2011 set local_authority_2019 = 'E09000007' where code = 'E01004736'",
        "nested",
    ),
    Alteration(
        "Two LSOAs have each other's name",
        swap("small_areas", "E01004736", "E01021988", "name", key="code")
        + swap("lsoas_2011", "E01004736", "E01021988", "name", key="code"),
        "nested",
    ),
    Alteration(
        "A row of the lookup from 2011 to 2021 leads to another LSOA",
        "update lsoa_changes set lsoa_2021 = 'E01004761' where lsoa_2011 = 'E01004736'",
        "lookup",
    ),
    Alteration(
        "Two local authorities have each other's share of homes with a garden",
        swap(
            "green_space",
            "E09000033",
            "E06000002",
            "total_addresses_with_private_outdoor_space_share",
            key="local_authority",
        ),
        "green space",
    ),
    Alteration(
        "A population is ten more",
        "update lsoas_2011 set total_population_mid_2015 = total_population_mid_2015 + 10 where code = 'E01004736'",
        "populations",
    ),
    Alteration(
        "A licence has other words",
        "update publications set licence = 'Public domain' where id = 'england_2019'",
        "terms",
    ),
)


def table() -> str:
    """The lists for docs/security.md: each check with what it refuses, and what only a checksum refuses."""
    numbered = list(enumerate(ALTERATIONS, 1))
    lines = ["| check | alterations that it refuses |", "| --- | --- |"]
    for key, (told, _) in CHECKS.items():
        own = [f"{n}{'*' if a.whole_uk else ''}" for n, a in numbered if a.refused_by == key]
        if own:
            lines.append(f"| {told} | {', '.join(own)} |")
    lines.append(f"| No check: only a known SHA-256 | {', '.join(str(n) for n, a in numbered if not a.refused_by)} |")
    return "\n".join([*lines, "", *(f"{n}. {a.title}" for n, a in numbered)]) + "\n"


if __name__ == "__main__":
    print(table(), end="")
