from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from agentmem.checkpoints.dynamodb.values import from_attribute, to_attribute

names = st.text(max_size=4) | st.sampled_from(["$json", "$attribute", "B", "SS"])
plain = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(alphabet=st.characters(), max_size=5)
)
json_values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3), max_leaves=8
)

numbers = st.decimals(-(10**20), 10**20, places=4, allow_nan=False).map(str) | st.integers(-(10**37), 10**37).map(str)
leaves = st.one_of(
    st.just({"NULL": True}),
    st.booleans().map(lambda value: {"BOOL": value}),
    st.text(max_size=5).map(lambda value: {"S": value}),
    numbers.map(lambda value: {"N": value}),
    st.binary(max_size=5).map(lambda value: {"B": value}),
    st.lists(st.binary(max_size=5), min_size=1, max_size=3).map(lambda value: {"BS": value}),
    st.lists(st.text(max_size=5), min_size=1, max_size=3).map(lambda value: {"SS": value}),
    st.lists(numbers, min_size=1, max_size=3).map(lambda value: {"NS": value}),
)
attributes = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3).map(lambda value: {"L": value})
        | st.dictionaries(names, inner, max_size=3).map(lambda value: {"M": value})
    ),
    max_leaves=8,
)


def without_number_forms(value):
    """Return an attribute with its numbers as DynamoDB would write them."""
    if isinstance(value, dict):
        if set(value) == {"N"} and isinstance(value["N"], str):
            return {"N": format(float(value["N"]), ".12g")}
        return {name: without_number_forms(item) for name, item in value.items()}
    return [without_number_forms(item) for item in value] if isinstance(value, list) else value


def as_text(value):
    """Return JSON in which a whole number is written as one: DynamoDB has only one kind of number."""
    whole = json.loads(json.dumps(value), parse_float=lambda text: int(f) if (f := float(text)).is_integer() else f)
    return json.dumps(whole)


@given(json_values)
@example({"$json": "[]"})
@example([{"": 1}, "\ud800", 10**38, 1e300])
@example({"$attribute": {"S": "text"}})
@example({"$attribute": {"B": "AA=="}})
def test_any_json_value_comes_back_from_its_attribute(value):
    assert as_text(from_attribute(to_attribute(value))) == as_text(value)


@pytest.mark.parametrize("value", [1e-131, -1e126, 10**38 + 1, float("inf")])
def test_a_number_dynamodb_refuses_is_stored_as_text(value):
    assert to_attribute(value) == {"M": {"$json": {"S": json.dumps(value)}}}
    assert from_attribute(to_attribute(value)) == value


def test_a_value_deeper_than_dynamodb_takes_comes_back():
    value = "bottom"
    for _ in range(40):
        value = [value]
    assert to_attribute(value) == {"M": {"$json": {"S": json.dumps(value)}}}
    assert from_attribute(to_attribute(value)) == value


@given(attributes)
@example({"M": {"$json": {"S": "not JSON"}}})
@example({"M": {"$json": {"S": "[1 ]"}}})
@example({"M": {"$attribute": {"M": {"SS": {"L": []}}}}})
def test_any_attribute_is_json_and_is_written_back_as_it_was(attribute):
    value = json.loads(json.dumps(from_attribute(attribute)))
    assert without_number_forms(to_attribute(value)) == without_number_forms(attribute)


@pytest.mark.parametrize(
    ("value", "attribute"),
    [
        (None, {"NULL": True}),
        (True, {"BOOL": True}),
        (3, {"N": "3"}),
        (0.5, {"N": "0.5"}),
        ("x", {"S": "x"}),
        ([1, "a"], {"L": [{"N": "1"}, {"S": "a"}]}),
        ({"a": {}}, {"M": {"a": {"M": {}}}}),
    ],
)
def test_plain_values_have_dynamodbs_own_types(value, attribute):
    assert to_attribute(value) == attribute
    assert from_attribute(attribute) == value


def test_what_is_not_json_is_refused():
    with pytest.raises(TypeError, match="object"):
        to_attribute(object())
