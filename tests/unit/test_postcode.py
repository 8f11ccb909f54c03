"""The form of a postcode."""

import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sources import postcode

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
spaces = st.text(st.sampled_from(" \t\n\r\xa0\u2003\u2009\u202f\u3000"), max_size=3)


@given(postcodes)
def test_a_postcode_as_ons_writes_it_is_left_alone(text):
    assert postcode.normalise(text) == text
    assert postcode.problem(text) is None


@given(postcodes, st.data())
def test_case_and_white_space_anywhere_do_not_matter(text, data):
    typed = "".join(
        data.draw(spaces) + data.draw(st.sampled_from([c, c.lower()])) for c in text.replace(" ", "")
    ) + data.draw(spaces)
    assert postcode.normalise(typed) == text


@given(st.one_of(st.text(), postcodes, st.text("SW1A IAO-!é٣ſ\x00\u200b", max_size=9), st.none()))
def test_every_text_is_a_postcode_or_has_a_reason_not_to_be(text):
    found, reason = postcode.normalise(text), postcode.problem(text)
    assert (found is None) == (reason is not None)
    if found:
        assert postcode.normalise(found) == found
        assert re.fullmatch(r"[A-Z0-9]{2,4} [0-9][A-Z]{2}", found)
        # Nothing but white space and case was forgiven.
        assert "".join(c for c in text if c not in postcode.WHITE_SPACE).upper() == found.replace(" ", "")
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


@given(postcodes, st.characters(exclude_characters=postcode.WHITE_SPACE), st.integers(0, 8))
def test_a_stray_character_is_never_forgiven(text, stray, place):
    found = postcode.normalise(text[:place] + stray + text[place:])
    assert found is None or stray.isascii()
    assert found != text


@pytest.mark.parametrize(
    "text, reason",
    [
        ("SWIA 1AA", "SW1A 1AA would have"),
        ("SW1A-1AA", "'-' is neither"),
        ("SW1!A1AA", "'!' is neither"),
        ("SW1A 1AA\u200b", "U+200B"),
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
