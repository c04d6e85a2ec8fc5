"""JSON values that nobody can change."""

import enum
import json
import math
from collections import OrderedDict, UserDict
from types import MappingProxyType
from typing import NamedTuple

import pytest
from attrs.exceptions import FrozenInstanceError

from convsim_fp.core import JsonObject, NotJson, freeze, freeze_object, thaw
from convsim_fp.core.json_values import dumps, kind, readable


class Text(str):
    __slots__ = ()


class Real(float):
    """Such as NumPy's `float64`."""


class Whole:
    """Such as NumPy's `int64`: a number that is no `int`."""

    def __index__(self) -> int:
        return 7


class Colour(enum.IntEnum):
    RED = 1


class Pair(NamedTuple):
    left: int
    right: int


@pytest.mark.parametrize(
    ("value", "frozen"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (-(2**4095), -(2**4095)),
        (1.5, 1.5),
        ("ü\ud800\x00", "ü\ud800\x00"),
        ([1, (2, [])], (1, (2, ()))),
        (Pair(1, 2), (1, 2)),
        ({"a": {"b": [{}]}}, {"a": {"b": ({},)}}),
        (MappingProxyType({"a": 1}), {"a": 1}),
        (UserDict({"a": 1}), {"a": 1}),
        (OrderedDict(b=1, a=2), {"b": 1, "a": 2}),
        (JsonObject({"a": 1}), {"a": 1}),
    ],
    ids=kind,
)
def test_json_values_freeze(value: object, frozen: object) -> None:
    assert freeze(value) == frozen
    assert freeze(freeze(value)) == frozen


def test_subclasses_of_plain_types_become_the_plain_types() -> None:
    frozen = freeze({Text("key"): [Text("a"), Real(1.5), Colour.RED]})
    assert isinstance(frozen, JsonObject)
    ((key, values),) = frozen.items()
    assert isinstance(values, tuple)
    assert [type(part) for part in (key, *values)] == [str, str, float, int]


def nested(depth: int) -> object:
    return [] if depth == 1 else {"a": nested(depth - 1)} if depth % 2 else [nested(depth - 1)]


def cycle() -> object:
    ring: dict[str, object] = {}
    ring["again"] = ring
    return ring


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (math.nan, "is NaN, which JSON cannot hold"),
        (math.inf, "is a number (inf), which JSON cannot hold"),
        ({"a": [1, -math.inf]}, "a[1] is a number (-inf), which JSON cannot hold"),
        ({"a": {"b": Real("nan")}}, "a.b is NaN, which JSON cannot hold"),
        ({"a": {1, 2}}, "a is a set, which JSON cannot hold"),
        ([b"a"], "[0] is a bytes, which JSON cannot hold"),
        ([[], [Whole()]], "[1][0] is a Whole, which JSON cannot hold"),
        ({"a": 2**4096}, "a is a number of more than 4096 bits, which JSON cannot hold"),
        ({"a": {7: 1}}, "a has a key that is a number (7), expected text"),
        ({None: 1}, "has a key that is nothing (null), expected text"),
        ({"a": {10**5000: 1}}, "a has a key that is a number of more than 4096 bits"),
        (object(), "is an object, which JSON cannot hold"),
        (nested(102), "is nested deeper than 100 levels"),
        (cycle(), "again.again"),
    ],
    ids=lambda value: None if isinstance(value, str) else kind(value),
)
def test_what_is_not_json_is_named_with_its_path(value: object, problem: str) -> None:
    with pytest.raises(NotJson) as error:
        freeze(value)
    assert problem in str(error.value)
    assert len(str(error.value)) < 200


def test_a_hundred_levels_are_allowed() -> None:
    assert thaw(freeze(nested(100))) == nested(100)
    with pytest.raises(NotJson) as error:
        freeze(cycle())
    assert str(error.value) == f"{('again.' * 10)}… is nested deeper than 100 levels"


def test_the_top_may_have_to_be_an_object() -> None:
    assert freeze_object({"a": 1})["a"] == 1
    for value, name in ((None, "nothing (null)"), ([math.nan], "a list"), ("a", "text")):
        with pytest.raises(NotJson) as error:
            freeze_object(value)  # type: ignore[arg-type]
        assert str(error.value) == f"is {name}, expected an object"


def test_a_later_change_of_what_was_frozen_changes_nothing() -> None:
    inner = [1]
    given = {"a": inner}
    frozen = freeze_object(given)
    inner.append(2)
    given["b"] = []
    assert frozen == {"a": (1,)}


def test_an_object_cannot_be_changed() -> None:
    frozen = freeze_object({"a": 1})
    with pytest.raises(FrozenInstanceError):
        frozen._items = {}  # type: ignore[misc]
    with pytest.raises(TypeError):
        frozen["a"] = 2  # type: ignore[index]


def test_objects_are_equal_and_hash_alike_in_any_order() -> None:
    one, other = freeze_object({"a": 1, "b": [{}]}), freeze_object({"b": [{}], "a": 1})
    assert one == other == {"b": ({},), "a": 1}
    assert hash(one) == hash(other)
    assert one != freeze_object({"a": 1})
    assert len({one, other}) == 1
    assert len(one) == 2


def test_what_is_thawed_is_the_receivers_own() -> None:
    frozen = freeze_object({"a": [{"b": 1}]})
    thawed = thaw(frozen)
    assert thawed == {"a": [{"b": 1}]}
    thawed["a"][0]["b"] = 2  # type: ignore[index]
    assert thaw(frozen) == {"a": [{"b": 1}]}
    assert repr(frozen) == "{'a': [{'b': 1}]}"


def test_json_text_survives_every_reader_or_reads_well() -> None:
    value = freeze({"a": ["ü\ud800", 1.0, True, None]})
    assert dumps(value) == '{"a":["\\u00fc\\ud800",1.0,true,null]}'
    assert json.loads(dumps(value)) == thaw(value)
    assert readable(thaw(freeze({"a": "ü"}))) == '{"a": "ü"}'
    for write in (dumps, readable):
        with pytest.raises(ValueError, match="not JSON compliant"):
            write(math.nan)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "nothing (null)"),
        (True, "a boolean (true)"),
        (math.nan, "NaN"),
        (3, "a number (3)"),
        (-1.5, "a number (-1.5)"),
        (10**60, "a number (1000000000000000000000000000000000000000)"),
        (-(10**5000), "a number of more than 4096 bits"),
        (2**4096 - 1, f"a number ({str(2**4096 - 1)[:40]})"),
        (Colour.RED, "a number (1)"),
        ("a", "text"),
        ({}, "an object"),
        ((), "a list"),
        ({1}, "a set"),
        (object(), "an object"),
        (iter([]), "a list_iterator"),
        (Ellipsis, "an ellipsis"),
        (Whole(), "a Whole"),
    ],
    ids=range(17),
)
def test_a_value_is_named_as_its_reader_would(value: object, name: str) -> None:
    assert kind(value) == name


def test_the_canonical_text_of_an_object_knows_no_order_of_keys() -> None:
    one, other = (
        freeze_object({"a": [1, None], "b": "é"}),
        freeze_object({"b": "é", "a": [1, None]}),
    )
    assert one.canonical == other.canonical == '{"a":[1,null],"b":"\\u00e9"}'
