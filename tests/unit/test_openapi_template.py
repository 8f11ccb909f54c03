"""How openapi.yaml is filled: values, columns of tables, members that are left out."""

import pytest

from census.web.api.openapi import ABSENT, fill, filled, template


def columns(table, names):
    return {name: {"description": f"{table}.{name}"} for name in names or ("a", "b")}


def test_a_value_replaces_a_whole_text_or_a_part_of_one():
    assert filled({"a": "${most}", "b": "up to ${most}", "$ref": "#/x"}, most=5) == {
        "a": 5,
        "b": "up to 5",
        "$ref": "#/x",
    }


def test_a_member_whose_value_is_absent_is_left_out():
    assert filled({"a": "${gone}", "b": [{"c": "${gone}"}]}, gone=ABSENT) == {"b": [{}]}


def test_members_are_spread_in_their_place():
    given = {"first": 1, "...table": ["b"], "...other": None, "...x": {"y": "${y}"}, "last": 2}
    made = fill(given, {"y": 3}.__getitem__, columns)
    assert list(made) == ["first", "b", "a", "y", "last"]
    assert made["b"] == {"description": "other.b"}
    assert made["y"] == 3


def test_a_value_that_there_is_not_is_an_error():
    with pytest.raises(KeyError):
        filled({"a": "${typo}"})
    with pytest.raises(KeyError):
        filled({"...table": ["a"]})


def test_the_template_is_read_once_and_left_alone():
    before = repr(template())
    filled(template()["rcpch"]["document"], version="v1")["info"]["title"] = "another"
    assert repr(template()) == before
