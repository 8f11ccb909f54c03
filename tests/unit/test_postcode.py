"""The form of a postcode."""

import json
import re
import string
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from census.domain import postcode

letters = st.sampled_from(string.ascii_uppercase)
digits = st.sampled_from(string.digits)
outward = st.one_of(
    *(
        st.tuples(*({"A": letters, "9": digits}[c] for c in form))
        for form in ("A9", "A99", "A9A", "AA9", "AA99", "AA9A")
    ),
    st.sampled_from(["GIR", "NPT"]),
).map("".join)
postcodes = st.tuples(outward, digits, letters, letters).map(lambda p: f"{p[0]} {p[1]}{p[2]}{p[3]}")
NO_PART = postcode.WHITE_SPACE + postcode.INVISIBLE
spaces = st.text(st.sampled_from(NO_PART), max_size=3)


@given(postcodes)
def test_a_postcode_as_ons_writes_it_is_left_alone(text):
    assert postcode.normalise(text) == text
    assert postcode.problem(text) is None


@given(postcodes, st.data())
def test_case_white_space_and_invisible_marks_anywhere_do_not_matter(text, data):
    typed = "".join(
        data.draw(spaces) + data.draw(st.sampled_from([c, c.lower()])) for c in text.replace(" ", "")
    ) + data.draw(spaces)
    assert postcode.normalise(typed) == text
    assert postcode.problem(typed) is None
    assert postcode.look_alikes(typed) == postcode.look_alikes(text)


@given(st.one_of(st.text(), postcodes, st.text("SW1A IAO-!é٣ſ\x00\u200b", max_size=9), st.none()))
def test_every_text_is_a_postcode_or_has_a_reason_not_to_be(text):
    found, reason = postcode.normalise(text), postcode.problem(text)
    assert (found is None) == (reason is not None)
    if found:
        assert postcode.normalise(found) == found
        assert re.fullmatch(r"[A-Z0-9]{2,4} [0-9][A-Z]{2}", found)
        # Nothing but white space, case and invisible marks was forgiven.
        assert "".join(c for c in text if c not in NO_PART).upper() == found.replace(" ", "")
    else:
        assert reason.endswith(".")
        assert len(reason) < 200


@given(st.one_of(st.text(), postcodes, st.text("SW1A IAO-!é٣ſıﬁ\x00\x1c\u200b\t", max_size=9), st.none()))
def test_a_key_finds_what_normalise_would_find(text):
    key = postcode.key(text)
    assert key == postcode.normalise(text) or (postcode.normalise(key) != key and postcode.normalise(text) is None)


@given(postcodes, st.data())
def test_the_key_of_a_postcode_is_the_postcode(text, data):
    typed = "".join(data.draw(spaces) + data.draw(st.sampled_from([c, c.lower()])) for c in text.replace(" ", ""))
    assert postcode.key(typed) == text


@given(postcodes, st.characters(exclude_characters=NO_PART), st.integers(0, 8))
def test_a_stray_character_is_never_forgiven(text, stray, place):
    found = postcode.normalise(text[:place] + stray + text[place:])
    assert found is None or stray.isascii()
    assert found != text


@pytest.mark.parametrize(
    "text, reason",
    [
        ("SWIA 1AA", "SW1A 1AA would be"),
        ("SW1A-1AA", "'-' is neither"),
        ("SW1!A1AA", "'!' is neither"),
        ("SW1A-1AA\u200b", "'SW1A-1AA' is not a postcode: '-' is neither"),
        ("S\u200bW1\u00adA", "'SW1A' is not a postcode: it has 4 letters and digits"),
        ("SW1A\u200b IAA", "'SW1A IAA' is not in a valid"),
        ("SW1A 1AA\u0301", "is neither"),
        ("LSI 4DY", "such as SW1A 1AA or M1 1AE."),
        ("\u200b\ufeff", "No postcode was given."),
        ("\x00", "U+0000"),
        ("", "No postcode was given."),
        (" \u3000", "No postcode was given."),
        (None, "No postcode was given."),
        ("SW1A", "4 letters and digits"),
        ("--", "'-' is neither"),
        ("x" * 100_000, "100000 letters and digits"),
        ("ſw1a 1aa", "'ſ' is neither"),
        ("SW1A 1ß", "'ß' is neither"),
    ],
)
def test_the_reason_says_what_is_wrong(text, reason):
    assert postcode.normalise(text) is None
    assert reason in postcode.problem(text)


@pytest.mark.parametrize("text", ["GIR 0AA", "NPT 1AA", "ZZ99 3VZ", "ZZ99 9ZZ"])
def test_historic_and_pseudo_postcodes_have_the_form_of_one(text):
    assert postcode.normalise(text) == text


@pytest.mark.parametrize(
    "text, forms",
    [
        ("B7O 9LG", ["B70 9LG", "B7O 9IG"]),
        ("b7o9rx", ["B70 9RX"]),
        ("SWIA 1AA", ["SW1A 1AA"]),
        ("E1 1A1", ["E1 1AI", "E1 1AL"]),
        ("LSI 4DY", ["L5I 4DY", "LS1 4DY"]),
        ("M13 9PL", ["M13 9PI", "MI3 9PL", "ML3 9PL"]),
        ("CH4Z 9DJ", ["CH42 9DJ"]),
        ("NE1 GRB", ["NE1 6RB"]),
        ("SWIA IAA", []),
        ("ſWIA 1AA", []),
        ("I" * 100_000, []),
        ("", []),
        (None, []),
    ],
)
def test_look_alikes_are_one_swap_away(text, forms):
    assert postcode.look_alikes(text) == forms
    assert json.loads(postcode.FUNCTIONS["postcode_look_alikes"](text)) == forms


@given(st.one_of(st.text(), postcodes, st.text("SWIAO0158BLZG26", min_size=5, max_size=7)))
def test_a_look_alike_is_another_postcode_form_that_differs_in_one_letter_or_digit(text):
    found = postcode.look_alikes(text)
    assert found == sorted(set(found))
    assert (postcode.near_miss(text) is not None) == (len(found) == 1)
    for form in found:
        assert postcode.normalise(form) == form
        typed = postcode.pack(text).upper()
        assert sum(a != b for a, b in zip(typed, form.replace(" ", ""), strict=True)) == 1


@given(postcodes, st.data())
def test_a_slip_of_look_alikes_can_be_found_back(text, data):
    packed = text.replace(" ", "")
    places = [n for n, c in enumerate(packed) if c in "015826OILSBZG"]
    if places:
        at = data.draw(st.sampled_from(places))
        slip = {"0": "O", "1": "IL", "5": "S", "8": "B", "2": "Z", "6": "G"}
        slip |= {"O": "0", "I": "1L", "L": "1I", "S": "5", "B": "8", "Z": "2", "G": "6"}
        typed = packed[:at] + data.draw(st.sampled_from(slip[packed[at]])) + packed[at + 1 :]
        assert text in postcode.look_alikes(typed)


@pytest.mark.parametrize(
    "text, begin",
    [
        ("SW1A", ["SW1A "]),
        (" sw1a\u200b ", ["SW1A "]),
        ("M13", ["M13 ", "M1 3"]),
        ("M1 3", ["M1 3"]),
        ("m1\u00a03", ["M1 3"]),
        ("SW1A1", ["SW1A 1"]),
        ("SW1A 1", ["SW1A 1"]),
        ("EH1", ["EH1 "]),
        ("GIR", ["GIR "]),
        ("CF14", ["CF14 ", "CF1 4"]),
        *((text, []) for text in ("SW1A 1A", "SW1A 1AA", "SW", "1", "", "Cardiff", "M1 13", "M1 ٣", None)),
    ],
)
def test_outward_codes_and_sectors_are_told_apart(text, begin):
    assert postcode.beginnings(text) == begin


def test_python_and_javascript_judge_by_the_same_characters():
    script = (Path(__file__).parents[2] / "static" / "spreadsheet.js").read_text("utf-8")
    [characters] = re.findall(r"^const SPACES = /\[(.+)\]\+/gu;$", script, re.MULTILINE)
    in_python = re.sub(r"\\u\{(\w+)\}", lambda match: f"\\U{int(match[1], 16):08x}", characters)
    theirs = re.compile(f"[{in_python}]")
    assert {c for c in map(chr, range(sys.maxunicode + 1)) if theirs.match(c)} == set(NO_PART)
    [form] = re.findall(r"^const FORM = /\^(.+)\$/;$", script, re.MULTILINE)
    assert form == postcode.FORM.pattern
