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
from dataclasses import dataclass
from functools import cache
from typing import cast

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
    "not_an_index_of": "'{text:.40}' is not the id of an index of {nation}.",
    "unknown_index_anywhere": "'{text:.40}' is not an index: give {index_ids}, a year, latest or nothing.",
    # A quantile
    "no_quantile": f"No quantile was given: {_A_QUANTILE} for quintiles.",
    "bad_quantile": f"'{{text:.40}}' is not a quantile: it must be {_A_QUANTILE} for quintiles.",
    "bad_quantile_in_api": f"'{{text:.40}}' is not a quantile: it must be {_A_QUANTILE}.",
    # Green space
    "great_britain_only": "ONS gives these figures for Great Britain only, not for Northern Ireland.",
    "green_space_left_out": "The figures of green space were left out of this database.",
    "no_lsoa_of_green_space": f"{_NO_LSOA.replace('{year}', '2011')},"
    " by which it would have its authority of 2019 and these figures.",
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
    "not_an_area_code": f"{_NOT_AN_AREA} (2011 or 2021; Northern Ireland 2001).",
    "not_an_area_code_in_extract": f"{_NOT_AN_AREA} of this extract.",
    "bad_after": "after is not a postcode: {problem}",
    "no_postcodes": "No postcode of this database lies in {area}.",
    "not_every_lsoa": _NO_LSOA.format(postcode="every postcode", year=2021) + ".",
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
    "not_a_health_geography": "'{text:.40}' is not the code of an integrated care board, sub-ICB location or health"
    " board.",
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


@dataclass(frozen=True)
class _Field:
    """A detail in a sentence: the n-th, as text of at most `most` characters, or `default` where it is null."""

    n: int
    most: int | None
    default: str | None


@dataclass(frozen=True)
class _Part:
    """A part of a sentence: texts and details in turn. optional: left out where a detail is null."""

    optional: bool
    pieces: tuple[str | _Field, ...]


@dataclass(frozen=True)
class _Sentence:
    """A sentence, read once. plain: for %, where every detail stands once and as it is."""

    details: int
    parts: tuple[_Part, ...]
    plain: str


def explain(reason: str, *details: Detail) -> str:
    """Return the sentence of `reason` with its `details`, in the order in which they first occur in it.

    Raises KeyError for an unknown reason, TypeError for another number of details, and ValueError for a null detail
    that the sentence needs.
    """
    if compose := COMPOSED.get(reason):
        return compose(*details)
    sentence = _compiled(reason)
    if len(details) != sentence.details:
        raise TypeError(f"{reason} needs the details {', '.join(fields(reason))}, not {len(details)}")
    if sentence.plain and None not in details:
        return sentence.plain % details
    filled: list[str] = []
    for part in sentence.parts:
        pieces = [piece if isinstance(piece, str) else _filled(piece, details) for piece in part.pieces]
        if None not in pieces:
            filled += cast(list[str], pieces)
        elif not part.optional:
            raise ValueError(f"a detail of {reason} is null")
    return "".join(filled)


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
    joined = []
    for part in _compiled(reason).parts:
        pieces = [_quoted(piece) if isinstance(piece, str) else _as_sql(piece, details) for piece in part.pieces]
        pieces = [piece for piece in pieces if piece != "''"]
        joined.append(f"coalesce({' || '.join(pieces)}, '')" if part.optional else " || ".join(pieces))
    return " || ".join(joined)


def unknown_postcode(text: str | None, directory: str | None, authorities: str | None, look_alikes: str | None) -> str:
    """Return why `text` is not a postcode of this database.

    directory: the postcode directory's edition, None for a database without it. authorities: those of an extract.
    look_alikes: the postcodes here that one swap of letters and digits that look alike makes of it, with commas
    between; only a single one is named.
    """
    hint = explain("look_alike", look_alikes) if look_alikes and "," not in look_alikes else None
    shown = postcode.normalise(text)
    if shown is None:
        problem = postcode.problem(text) or ""
        return f"{problem} {hint}" if hint and not postcode.near_miss(text) else problem  # which names a near miss
    pseudo = shown.startswith("ZZ99 ")
    if directory is None:
        reason = explain("no_directory", shown)
    elif authorities is None or pseudo:
        reason = explain("not_in_directory", shown, directory)
    else:
        reason = explain("not_in_extract", shown, directory, authorities)
    more = explain("pseudo_postcode") if pseudo else hint
    return f"{reason} {more}" if more else reason


def unknown_area_code(text: str | None, scope: str | None) -> str:
    """Return that `text` is not the code of a small area; scope: of the database, "complete" or "extract"."""
    return explain("not_an_area_code_in_extract" if scope == "extract" else "not_an_area_code", text)


COMPOSED: dict[str, Callable[..., str]] = {
    "unknown_postcode": unknown_postcode,
    "unknown_area_code": unknown_area_code,
}
"""What `explain` calls for reasons that have more than one sentence."""


def sentences(*parts: str | None) -> str | None:
    """Return `parts` as one text, with spaces between; None where all of them are null or empty."""
    return " ".join(filter(None, parts)) or None


FUNCTIONS: dict[str, Callable[..., str | None]] = {"explain": explain_in_sql, "sentences": sentences}
"""What SQL may call, by name, with any number of arguments."""


@cache
def fields(reason: str) -> tuple[str, ...]:
    """Return the names of the details of a sentence, in the order in which they first occur."""
    return tuple(dict.fromkeys(field["name"] for field in _FIELD.finditer(SENTENCES[reason])))


@cache
def _compiled(reason: str) -> _Sentence:
    names = fields(reason)
    parts = []
    for part in _PART.finditer(SENTENCES[reason]):
        text, at = part["optional"] or part["needed"], 0
        pieces: list[str | _Field] = []
        for field in _FIELD.finditer(text):
            most = int(field["most"]) if field["most"] else None
            pieces += [text[at : field.start()], _Field(names.index(field["name"]), most, field["default"])]
            at = field.end()
        pieces.append(text[at:])
        parts.append(_Part(part["optional"] is not None, tuple(piece for piece in pieces if piece != "")))
    pieces = [piece for part in parts for piece in part.pieces]
    used = [piece for piece in pieces if isinstance(piece, _Field)]
    in_order = [piece.n for piece in used] == list(range(len(names))) and not any(piece.most for piece in used)
    plain = "".join(piece.replace("%", "%%") if isinstance(piece, str) else "%s" for piece in pieces)
    return _Sentence(len(names), tuple(parts), plain if in_order else "")


def _filled(field: _Field, details: tuple[Detail, ...]) -> str | None:
    value = details[field.n]
    if value is None:
        return field.default
    return str(value).partition("\0")[0][: field.most] if field.most else str(value)  # SQLite's substr ends at a NUL


def _as_sql(field: _Field, details: tuple[str, ...]) -> str:
    value = details[field.n]
    if field.most:
        return f"substr({value}, 1, {field.most})"
    return value if field.default is None else f"coalesce({value}, {_quoted(field.default)})"


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
