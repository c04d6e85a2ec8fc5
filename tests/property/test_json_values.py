"""Laws of frozen JSON."""

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from convsim_fp.core import NotJson, freeze, thaw
from convsim_fp.core.json_values import dumps, kind, readable
from convsim_fp.testing import strategies as any_of

ODD = st.sampled_from(
    (math.nan, math.inf, 2**4100, b"x", {1, 2}, object(), 1j, range(2), ..., print)
)
PLAIN = any_of.json_values() | ODD
ANYTHING = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(any_of.texts() | st.integers() | st.none(), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(any_of.json_values())
def test_freezing_loses_nothing_and_thawing_gives_it_back(value) -> None:
    """freeze ∘ thaw ∘ freeze = freeze, and equal values have equal hashes."""
    frozen = freeze(value)
    assert thaw(frozen) == value
    assert json.dumps(thaw(frozen)) == json.dumps(value)
    assert freeze(thaw(frozen)) == frozen
    assert hash(freeze(thaw(frozen))) == hash(frozen)


@given(any_of.json_values())
def test_what_is_written_can_be_read(value) -> None:
    """As ASCII for machines, as text for people."""
    assert dumps(freeze(value)).isascii()
    assert freeze(json.loads(dumps(freeze(value)))) == freeze(value)
    assert freeze(json.loads(readable(value))) == freeze(value)


def frozen_or_refused(value: object) -> object:
    try:
        return freeze(value)
    except NotJson as error:
        return error


@given(ANYTHING)
def test_freezing_raises_for_what_is_not_json_and_nothing_else(value) -> None:
    """Any Python value is frozen or named."""
    came = frozen_or_refused(value)
    if isinstance(came, NotJson):
        assert str(came) == f"{came.path} {came.what}".strip()
    else:
        assert freeze(came) == came
        assert dumps(came).isascii()


@given(ANYTHING)
def test_any_value_has_a_name(value) -> None:
    """Short enough for a message."""
    assert 0 < len(kind(value)) < 100
