"""What a request cost: numbers that can be written down, or unknown."""

import math

import pytest

from convsim_fp.core import Facts

UNWRITABLE = (math.nan, math.inf, -math.inf, 10**5000, True, "7", [])


@pytest.mark.parametrize("given", UNWRITABLE, ids=range(len(UNWRITABLE)))
@pytest.mark.parametrize("field", ["input_tokens", "output_tokens", "cost", "start", "seconds"])
def test_a_number_that_cannot_be_written_down_is_unknown(field, given) -> None:
    assert getattr(Facts(**{field: given}), field) is None


def test_what_else_there_is_can_be_written_down_too() -> None:
    found = Facts(attempts=None, price_source=7, errors=[ValueError("x")])
    assert (found.attempts, found.price_source, found.errors) == (1, "7", ("x",))


@pytest.mark.parametrize("given", [0, 7, 2**70, -1, 0.5, 1e300])
def test_any_other_number_is_kept_as_it_is(given) -> None:
    found = Facts(cost=given).cost
    assert (found, type(found)) == (given, type(given))


def test_a_sum_that_cannot_be_written_down_is_unknown_too() -> None:
    most = Facts(cost=1.7e308, input_tokens=2**4095)
    assert most.plus(most) == Facts(attempts=2)


def test_a_sum_is_unknown_only_where_both_parts_are() -> None:
    one, other = Facts(cost=0.5, start=9.0, errors=["slow"]), Facts(input_tokens=3, start=10.0)
    both = one.plus(other)
    assert both == Facts(3, None, None, 0.5, 9.0, attempts=2, errors=("slow",))
    assert other.plus(one).start == 10.0


def test_when_and_how_long_is_put_to_what_is_known() -> None:
    known = Facts(7, 2, 3, 0.5, attempts=4, errors=("slow",), price_source="p", trace_id="t")
    assert known.timed(9.0, 1.5) == Facts(7, 2, 3, 0.5, 9.0, 1.5, 4, ("slow",), "p", "t")
