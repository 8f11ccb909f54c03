"""The sentences that lookups, views and canned queries give, each once.

A sentence has a name, its reason, and details: `{postcode}`. `explain("retired", "M1 1AA", "2019-04")` fills them in,
in the order in which they first occur; SQL calls it by the same name. `as_sql` writes the sentence as an SQL expression
for the views, which must work in any SQLite shell, also one without our functions.

    {text:.40}      its first 40 characters: for what a visitor typed
    {name:or one}   "one" where the detail is null
    [: {areas}]     left out where a detail in it is null
"""

import re
from collections.abc import Callable
from functools import cache

from census.domain import postcode

Detail = str | float | None

_NO_LSOA = "The directory, as it was loaded here, does not give {postcode} an LSOA of {year}"
_OF_2019 = "ONS gives these figures by the authorities of 2019"
_AREA_CODE = "the code of an LSOA (E01…, W01…), data zone (S01…) or super output area (95…)"
_NOT_AN_AREA = "'{text:.40}' is not the code of an LSOA, data zone or super output area"
_A_QUANTILE = "a whole number from 2 to 100, such as 5"

SENTENCES = {
    # A postcode
    "retired": "{postcode} was retired in {month}; any figures are those of the area it lay in.",
    "retired_too": "It was retired in {month}.",
    "island": "{postcode} is in {island}, which no index of deprivation covers, nor the figures of green space.",
    "no_small_area": "{postcode} is a real postcode, but the {directory}, as it was loaded here, gives it no small area"
    "[ (the newest postcode with one in {postcode_area} is of {month})],"
    " so it has no index and no figures of green space.",
    "name_missing": "A name is missing: {publications} was left out of this database.",
    "no_directory": "{postcode} cannot be looked up: this database was built without the ONS Postcode Directory.",
    "not_in_directory": "{postcode} is not in the {directory}.",
    "not_in_extract": "{postcode} is not in this database, which is an extract of the {directory}: it has the postcodes"
    " of {authorities} only.",
    "pseudo_postcode": "ZZ99 postcodes are NHS pseudo-postcodes (no fixed abode, abroad, not known), not places.",
    "look_alike": "{postcode} looks alike and is known here: was that meant?",
    # An index
    "left_out": "{title} was left out of this database.",
    "no_lsoa": f"{_NO_LSOA}, so it has no figures of {{index}}.",
    "no_figures": "There are no figures of the {title} for {area}.",
    "no_figures_of_2011": "There are no figures of the {title} for {area}, an LSOA of 2011, but for those of 2021"
    "[: {areas}].",
    "no_figures_of_2021": "There are no figures of the {title} for {area}, an LSOA of 2021, but for those of 2011"
    "[: {areas}].",
    "older_index": "These figures are those of {index_id}.",
    "unknown_index": "'{text:.40}' is not an index of {nation}, which has {index_ids}.",
    "unknown_index_anywhere": "'{text:.40}' is not an index: give {index_ids}, a year, latest or nothing.",
    # A quantile
    "no_quantile": f"No quantile was given: {_A_QUANTILE} for quintiles.",
    "bad_quantile": f"'{{text:.40}}' is not a quantile: it must be {_A_QUANTILE} for quintiles.",
    "bad_quantile_in_api": f"'{{text:.40}}' is not a quantile: it must be {_A_QUANTILE}.",
    # Green space
    "great_britain_only": "ONS gives these figures for Great Britain only, not for Northern Ireland.",
    "green_space_left_out": "The figures of green space were left out of this database.",
    "no_lsoa_of_green_space": f"{_NO_LSOA}, by which it would have its authority of 2019 and these figures.",
    "no_green_space": "There are no figures for {area} in this database.",
    "authority_of_2019": f"{_OF_2019}: they are those of {{old_name:or one}} ({{old_code}}), in which this small area"
    " lay; the postcode is in {name:or an authority without a name here} ({code:or no code}) today.",
    "authority_followed": f"{_OF_2019}: {{old_name:or one}} ({{old_code}}) became part of {{name:or it}} ({{code}}).",
    "authority_has_it": "No authority is named '{text}'; {name} ({code}) has it in its name.",
    "no_green_space_authority": "'{text}' is no name or code of a local authority with figures of green space here.",
    "parks_left_out": "The figures of public parks were left out of this database.",
    "parks_not_loaded": "The figures of public parks were not loaded into this database.",
    # A small area
    "no_name": "Give a name, part of one, or a code in q: Motherwell South, Gabalfa, E01004736.",
    "no_text": "q has a character that is no text.",
    "long_name": "q is too long: it has {length} characters, 100 are allowed.",
    "unknown_nation": "'{text:.40}' is not a nation: use England, Wales, Scotland or Northern Ireland, or leave it"
    " empty.",
    "no_area_named": "No small area of {nation:or the UK} has the words '{text}' in its name.",
    "an_extract": "This database is an extract.",
    "no_area_code": f"Give {_AREA_CODE} in code.",
    "unknown_area_code": f"{_NOT_AN_AREA} (2011 or 2021; Northern Ireland 2001).",
    "unknown_area_code_in_extract": f"{_NOT_AN_AREA} of this extract.",
    "bad_after": "after is not a postcode: {problem}",
    "no_postcodes": "No postcode of this database lies in {area}.",
    "not_every_lsoa": _NO_LSOA.format(postcode="every postcode", year="2021") + ".",
    "no_more_postcodes": "No postcode of {area} comes after {postcode}.",
    "unknown_small_area": "'{text:.40}' is not the code of a small area here.",
    # A local authority
    "no_authority": "Give the code or the name of a local authority in authority: Middlesbrough, or E06000002.",
    "long_authority": "That is no name or code of a local authority: it has {length} characters.",
    "unknown_authority": "'{text}' is no name or code of a local authority here.",
    "several_authorities": "No authority has the code or name '{text}'; it may be {authorities}. Give its code.",
    "authority_in_part": "This database is an extract of {authorities}: it does not hold every area of {name}.",
    "no_figures_of_authority": "No figures of {index_id} for the areas of {name} are in this database.",
    "unknown_authority_code": "'{text:.40}' is not the code of a local authority here.",
    # A health geography
    "no_health_code": "Give the code of an integrated care board, sub-ICB location or health board in code: S08000028,"
    " QMF.",
    "welsh_health_board": "The health boards of Wales are not among these; health_boards_2022 has their local"
    " authorities.",
    "unknown_health_code": "'{text:.40}' is not the code of an integrated care board or sub-ICB location of England or"
    " of a health board of Scotland that is known here.",
    "no_areas_of_year": "{name} ({code}) has no areas of {year}, which {index_id} is about; it existed in {vintages}.",
    "health_geography_in_part": "This database does not hold every area of {name} ({code}): {areas} of {all_areas}.",
    "no_people": "The figures that were loaded have no populations of these areas.",
    "people_of_scotland": "People as in SIMD 2020v2 (mid-2017); no count of children.",
    "people_of_2025": "People and children aged 0 to 15, mid-2022, English indices 2025.",
    "people_of_2019": "People and children aged 0 to 15, mid-2015, without prisoners, English indices 2019.",
    # Two editions
    "postcode_and_code": "Give a postcode or a code, not both.",
    "no_postcode_or_code": f"Give a postcode, or {_AREA_CODE}.",
    "one_edition": "{nation} has one edition here, {index_id}.",
    "areas_differ": "The areas of the two differ: {older} and {newer}, which it was made part of or divided into.",
    "figures_of_other_lsoas": "{area} has no figures of {index_id}, which has them for the LSOAs of {year}[: {areas}].",
    "no_measure_of_change": "Ranks, deciles and scores of two editions do not measure change: indicators, methods and"
    " areas differ, and a rank says only where an area stands among the others of its edition.",
    # A point
    "no_point": "Give a point in latitude and longitude, in degrees: 51.501 and -0.1416.",
    "bad_latitude": "'{text:.40}' is not a latitude: a number from 49 to 61.5, such as 51.501.",
    "bad_longitude": "'{text:.40}' is not a longitude: a number from -9 to 2.5, such as -0.1416.",
    "no_postcode_near": "No live postcode of this database is within some 8 km of that point.",
}
"""Reason to sentence."""

_PART = re.compile(r"\[(?P<optional>[^]]*)\]|(?P<needed>[^[]+)")
_FIELD = re.compile(r"\{(?P<name>\w+)(?::(?:\.(?P<most>\d+)|or (?P<default>[^}]*)))?\}")


def explain(reason: str, *details: Detail) -> str:
    """Return the sentence of `reason` with its `details`, in the order in which they first occur in it.

    Raises KeyError for an unknown reason, TypeError for another number of details, and ValueError for a null detail
    that the sentence needs.
    """
    if compose := COMPOSED.get(reason):
        return compose(*details)
    names = fields(reason)
    if len(names) != len(details):
        raise TypeError(f"{reason} needs {len(names)} details ({', '.join(names)}), not {len(details)}")
    values = dict(zip(names, details, strict=True))
    return "".join(_filled(part, values) for part in _PART.finditer(SENTENCES[reason]))


def explain_in_sql(reason: str | None, *details: Detail) -> str | None:
    """Return as `explain`; null where the reason or a detail that the sentence needs is null, as SQL's || would be."""
    try:
        return None if reason is None else explain(reason, *details)
    except ValueError:
        return None


def as_sql(reason: str, *details: str) -> str:
    """Return the sentence of `reason` as an SQL expression; `details` are SQL expressions, in the order of `explain`.

    It is null where a detail is that the sentence needs.
    """
    values = dict(zip(fields(reason), details, strict=True))
    parts = []
    for part in _PART.finditer(SENTENCES[reason]):
        joined = " || ".join(_pieces_as_sql(part[0].strip("[]"), values))
        parts.append(joined if part["needed"] else f"coalesce({joined}, '')")
    return " || ".join(parts)


def unknown_postcode(text: str | None, look_alike: str | None, directory: str | None, authorities: str | None) -> str:
    """Return why `text` is not a postcode of this database.

    look_alike: the only postcode here that one swap of letters and digits that look alike makes of it. directory: the
    postcode directory's edition, None for a database without it. authorities: those of an extract.
    """
    if (problem := postcode.problem(text)) is None:
        shown = postcode.normalise(text)
        sentences = [
            explain("no_directory", shown)
            if directory is None
            else explain("not_in_extract", shown, directory, authorities)
            if authorities is not None and not is_pseudo_postcode(shown)
            else explain("not_in_directory", shown, directory)
        ]
        if is_pseudo_postcode(shown):
            return " ".join([*sentences, explain("pseudo_postcode")])
    else:
        sentences = [problem]
        if postcode.near_miss(text):  # which the problem names
            look_alike = None
    return " ".join([*sentences, explain("look_alike", look_alike)] if look_alike else sentences)


def is_pseudo_postcode(text: str | None) -> bool:
    """Return whether a postcode is one of the NHS's that stand for no place."""
    return text is not None and text.startswith("ZZ99 ")


COMPOSED: dict[str, Callable[..., str]] = {"unknown_postcode": unknown_postcode}
"""What `explain` gives for the reasons of which one sentence does not answer."""


@cache
def fields(reason: str) -> tuple[str, ...]:
    """Return the names of the details of a sentence, in the order in which they first occur."""
    return tuple(dict.fromkeys(field["name"] for field in _FIELD.finditer(SENTENCES[reason])))


def _filled(part: re.Match[str], values: dict[str, Detail]) -> str:
    names = [field["name"] for field in _FIELD.finditer(part[0]) if field["default"] is None]
    if lacking := [name for name in names if values[name] is None]:
        if part["optional"] is not None:
            return ""
        raise ValueError(f"the detail {lacking[0]} is null")

    def shown(field: re.Match[str]) -> str:
        value = values[field["name"]]
        if value is None:
            return field["default"]
        # SQLite's substr ends at a NUL, too.
        return str(value).partition("\0")[0][: int(field["most"])] if field["most"] else str(value)

    return _FIELD.sub(shown, part[0].strip("[]"))


def _pieces_as_sql(text: str, values: dict[str, str]) -> list[str]:
    pieces = []
    at = 0
    for field in _FIELD.finditer(text):
        pieces.append(_quoted(text[at : field.start()]))
        value = values[field["name"]]
        if field["most"]:
            value = f"substr({value}, 1, {field['most']})"
        elif field["default"] is not None:
            value = f"coalesce({value}, {_quoted(field['default'])})"
        pieces.append(value)
        at = field.end()
    pieces.append(_quoted(text[at:]))
    return [piece for piece in pieces if piece != "''"]


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
