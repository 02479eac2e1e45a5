"""The comparer itself: it sees what it must see."""

import pytest

from tests.conformity.shape import compare, form_of, judge, xml_to_tree


def kinds(ours: object, recorded: object) -> list[str]:
    return [str(each).split(" ours")[0] for each in compare(ours, recorded)]


def test_equal_shapes_with_other_values_are_equal() -> None:
    assert compare({"id": "001dM0000000001QAA", "n": 3}, {"id": "0015500001QdQWfAAN", "n": 1.5}) == []


@pytest.mark.parametrize(
    ("ours", "recorded", "expected"),
    [
        ({"a": 1}, {"a": 1, "b": 2}, ["missing b"]),
        ({"a": 1, "b": 2}, {"a": 1}, ["extra b"]),
        ({"a": "x"}, {"a": 1}, ["type a"]),
        ({"b": 1, "a": 1}, {"a": 1, "b": 1}, ["order $"]),
        ({"a": [{"x": 1}, {"y": 1}]}, {"a": [{"x": 1}]}, ["missing a[].x", "extra a[].y"]),
        ({"a": []}, {"a": [1]}, ["missing a[] our list is empty"]),
        ({"a": "2026-01-01"}, {"a": "2026-01-01T00:00:00.000+0000"}, ["form a"]),
        ({"a": "/x"}, {"a": "/services/data/v60.0/query/1"}, ["form a"]),
        ({"a": True}, {"a": 1}, ["type a"]),
    ],
)
def test_each_kind_of_difference_is_found(ours: object, recorded: object, expected: list[str]) -> None:
    assert kinds(ours, recorded) == expected


def test_null_fits_every_type() -> None:
    assert compare({"a": None}, {"a": {"b": 1}}) == []
    assert compare({"a": 5}, {"a": None}) == []


def test_a_list_element_may_fit_any_recorded_one() -> None:
    assert compare([{"x": 1}, {"y": 1}], [{"y": 2}, {"x": 2}]) == []


def test_exceptions_are_named_and_may_not_be_needless() -> None:
    found = compare({"a": 1, "records": [{"n": 1, "New__c": 2}]}, {"a": 1, "records": [{"n": 1}]})
    assert judge(found, {"extra records[].*__c": "custom"}) == []
    assert judge(found, {}) == ["extra records[].New__c"]
    assert judge([], {"extra x": "why"}) == ["needless exception: extra x (why)"]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("2021-12-03T17:59:20.000+0000", "instant"), ("2024-09-05T21:57:31Z", "instant Z"), ("2021-10-03", "date"),
        ("https://na1.salesforce.com", "address"), ("/services/data/v60.0", "path"), ("services/data/v60.0/jobs", "relative path"),
        ("0015500001QdQWfAAN", "id"), ("Smith", "text"),
    ],
)  # fmt: skip
def test_forms(text: str, form: str) -> None:
    assert form_of(text) == form


def test_xml_becomes_a_tree_of_local_names() -> None:
    assert xml_to_tree('<a:x xmlns:a="u"><a:y>1</a:y><z/></a:x>') == {"x": {"y": "1", "z": None}}
