"""Each sentence is the same in Python and in SQL, by the function and written out for the views."""

import re
import sqlite3
from pathlib import Path

import pytest
import yaml

from census.lookup import messages

ROOT = Path(__file__).parents[2]
LOOKUP = {
    *("bad_quantile_in_api", "unknown_index_anywhere", "unknown_small_area", "unknown_authority_code"),
}
"""Reasons that only Python gives."""

DETAILS = ("M1 1AA", "It's", "50", "4", "5")


@pytest.fixture(scope="module")
def sql() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:")
    connection.create_function("explain", -1, messages.explain_in_sql, deterministic=True)
    return connection


@pytest.mark.parametrize("reason", messages.SENTENCES)
def test_a_sentence_is_the_same_in_python_by_the_function_and_as_sql(sql, reason):
    details = DETAILS[: len(messages.fields(reason))]
    sentence = messages.explain(reason, *details)
    marks = ", ".join("?" * (1 + len(details)))
    assert sql.execute(f"select explain({marks})", (reason, *details)).fetchone() == (sentence,)
    quoted = ["'" + detail.replace("'", "''") + "'" for detail in details]
    assert sql.execute(f"select {messages.as_sql(reason, *quoted)}").fetchone() == (sentence,)
    assert not re.search(r"[][{}]|  ", sentence)
    assert sentence.endswith((".", "?")) or reason == "bad_after"  # which ends in another sentence
    assert all(detail in sentence for detail in details)


@pytest.mark.parametrize("reason", messages.SENTENCES)
def test_a_null_detail_leaves_its_part_out_or_makes_the_sentence_null(sql, reason):
    details = (None,) * len(messages.fields(reason))
    try:
        sentence = messages.explain(reason, *details)
    except ValueError:
        sentence = None
    marks = ", ".join("?" * (1 + len(details)))
    assert sql.execute(f"select explain({marks})", (reason, *details)).fetchone() == (sentence,)
    assert sql.execute(f"select {messages.as_sql(reason, *('null' for _ in details))}").fetchone() == (sentence,)


def test_no_sentence_stands_twice():
    assert len(set(messages.SENTENCES.values())) == len(messages.SENTENCES)


def test_each_reason_that_a_canned_query_gives_is_there_and_each_that_is_there_is_given():
    program = [Path(name) for name in ("metadata.yml", "census/schema/views.py", "census/lookup/messages.py")]
    texts = [(ROOT / path).read_text("utf-8") for path in program]
    queries = yaml.safe_load(texts[0])["databases"]["census"]["queries"].values()
    called = {reason for query in queries for reason in re.findall(r"explain\('(\w+)'", query["sql"])}
    built = {"no_figures_of_"}  # 2011 or 2021
    assert called - messages.COMPOSED.keys() - built <= messages.SENTENCES.keys()
    for reason in messages.SENTENCES.keys() - LOOKUP:
        quoted = [text for text in texts if re.search(rf"""['"]{reason}['"]""", text.replace(f'"{reason}": ', ""))]
        assert quoted or reason.startswith("no_figures_of_"), reason


def test_what_a_visitor_typed_is_cut_to_40_characters(sql):
    for text in ("x" * 41, "x" * 40):
        assert messages.explain("bad_latitude", text).startswith("'" + "x" * 40 + "' is not")
    assert sql.execute("select explain('bad_latitude', ?)", ("a\0b",)).fetchone()[0].startswith("'a' is not")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # where Datasette asks for tracebacks
def test_an_unknown_reason_and_another_number_of_details_are_errors(sql):
    with pytest.raises(KeyError):
        messages.explain("bogus")
    with pytest.raises(TypeError, match="retired needs the details postcode, month, not 1"):
        messages.explain("retired", "M1 1AA")
    with pytest.raises(sqlite3.OperationalError):
        sql.execute("select explain('bogus')").fetchone()
    assert sql.execute("select explain(null, 1)").fetchone() == (None,)


@pytest.mark.parametrize(
    "text, directory, authorities, look_alikes, message",
    [
        ("m11aa", "ONSPD", None, None, "M1 1AA is not in the ONSPD."),
        ("m11aa", "ONSPD", None, "MI 1AA", "M1 1AA is not in the ONSPD. MI 1AA looks alike and is known here: was that"
         " meant?"),
        ("m11aa", "ONSPD", None, "MI 1AA,ML 1AA", "M1 1AA is not in the ONSPD."),
        ("m11aa", "ONSPD", "York", None, "M1 1AA is not in this database, which is an extract of the ONSPD: it has the"
         " postcodes of York only."),
        ("m11aa", None, None, None, "M1 1AA cannot be looked up: this database was built without the ONS Postcode"
         " Directory."),
        ("ZZ993VZ", "ONSPD", "York", "ZZ99 3VZ", "ZZ99 3VZ is not in the ONSPD. ZZ99 postcodes are NHS"
         " pseudo-postcodes (no fixed abode, abroad, not known), not places."),
        ("", "ONSPD", None, None, "No postcode was given."),
        ("CF10 1A1", "ONSPD", None, "CF10 1AL", "'CF10 1A1' is not in a valid postcode format, such as SW1A 1AA or"
         " M1 1AE. CF10 1AL looks alike and is known here: was that meant?"),
        ("CFI0 1AA", "ONSPD", None, "CF10 1AA", "'CFI0 1AA' is not in a valid postcode format, such as SW1A 1AA or"
         " M1 1AE. CF10 1AA would be."),
    ],
)  # fmt: skip
def test_an_unknown_postcode_is_explained(text, directory, authorities, look_alikes, message):
    assert messages.explain("unknown_postcode", text, directory, authorities, look_alikes) == message


def test_an_unknown_code_is_explained_in_an_extract_and_elsewhere():
    assert messages.explain("unknown_area_code", "X1", "extract").endswith(" of this extract.")
    assert messages.explain("unknown_area_code", "X1", "complete").endswith("(2011 or 2021; Northern Ireland 2001).")


def test_sentences_are_joined_by_spaces_and_none_is_null():
    assert messages.sentences("One.", None, "", "Two.") == "One. Two."
    assert messages.sentences(None, "") is None
