"""The figures of a report: intervals and distributions."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.report.figures import distribution_of
from convsim_adapters.report.rates import interval_of

counts = st.integers(0, 2000)
parts = st.tuples(counts, counts).map(sorted)
values = st.lists(st.none() | st.floats(0, 1e9) | st.integers(0, 50), max_size=40)


def shown(value: float) -> str:
    return f"{value:g}"


@given(parts)
def test_an_interval_holds_the_share(both: list[int]) -> None:
    part, whole = both
    found = interval_of(part, whole)
    assert 0 <= found.low <= found.high <= 1
    if whole:
        assert found.low <= part / whole <= found.high


@given(parts)
def test_the_interval_of_the_misses_is_its_mirror(both: list[int]) -> None:
    part, whole = both
    found, mirrored = interval_of(part, whole), interval_of(whole - part, whole)
    assert found.low == pytest.approx(1 - mirrored.high)
    assert found.high == pytest.approx(1 - mirrored.low)


@given(parts, st.integers(2, 9))
def test_more_sessions_make_it_narrower(both: list[int], times: int) -> None:
    part, whole = both
    few, many = interval_of(part, whole), interval_of(part * times, whole * times)
    assert many.high - many.low <= few.high - few.low


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        # Newcombe, Statistics in Medicine 17 (1998), table I, method 3.
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0.0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_intervals_are_those_of_the_literature(part, whole, low, high) -> None:
    found = interval_of(part, whole)
    assert (found.low, found.high) == (pytest.approx(low, abs=1e-4), pytest.approx(high, abs=1e-4))


@given(values, st.booleans())
def test_every_value_is_in_one_bar_or_not_known(some: list[float | None], whole: bool) -> None:
    found = distribution_of("x", some, shown=shown, whole=whole)
    assert sum(one.number for one in found.bins) + found.unknown == len(some)
    assert len(found.bins) <= 13
    assert found.words


@given(values)
def test_bars_stand_side_by_side(some: list[float | None]) -> None:
    bins = distribution_of("x", some, shown=shown).bins
    for one, after in pairwise(bins):
        assert after.low == pytest.approx(one.high)


def test_bars_of_counts_are_of_one_number_each_where_they_are_few() -> None:
    found = distribution_of("turns", [1, 2, 2, 10], shown=shown, whole=True)
    assert [one.number for one in found.bins] == [1, 2, 0, 0, 0, 0, 0, 0, 0, 1]
    assert found.points
    assert found.words == "median 2, 1 to 10"


@pytest.mark.parametrize(
    ("some", "words"),
    [
        ([], "not known"),
        ([None], "not known"),
        ([3, 3], "all 3"),
        ([3, None, 3], "3 where it is known; 1 not"),
        ([1, None, 2], "median 1.5, 1 to 2; 1 not known"),
    ],
)
def test_a_distribution_is_said_in_words(some, words) -> None:
    assert distribution_of("x", some, shown=shown).words == words
