"""Distributions: how many sessions had how much of something, in a dozen bars at most."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import floor, log10
from statistics import median

from attrs import field, frozen

__all__ = ["Bin", "Distribution", "distribution_of"]

MOST = 12  # bars
STEPS = (1.0, 2.0, 5.0, 10.0)
TINY = 1e-300


@frozen
class Bin:
    """How many values are from `low` to below `high`."""

    low: float
    high: float
    number: int


@frozen
class Distribution:
    """Values summed up for a reader; `unknown` is how many were not known.

    `bins` are as wide as one another; none where nothing is known.
    """

    name: str
    bins: tuple[Bin, ...]
    least: float
    middle: float
    most: float
    unknown: int
    whole: bool
    shown: Callable[[float], str] = field(eq=False)

    @property
    def words(self) -> str:
        """The distribution in a line."""
        if not self.bins:
            return "not known"
        if self.least == self.most:
            same, unknown = self.shown(self.most), self.unknown
            return f"{same} where it is known; {unknown} not" if unknown else f"all {same}"
        ends = f"{self.shown(self.least)} to {self.shown(self.most)}"
        known = f"median {self.shown(self.middle)}, {ends}"
        return f"{known}; {self.unknown} not known" if self.unknown else known

    @property
    def points(self) -> bool:
        """Whether each bar stands for one number, rather than for those between two."""
        return self.whole and bool(self.bins) and self.bins[0].high - self.bins[0].low == 1

    @property
    def highest(self) -> int:
        """The number of the fullest bar."""
        return max((one.number for one in self.bins), default=0)


def distribution_of(
    name: str,
    values: Sequence[float | None],
    *,
    shown: Callable[[float], str],
    whole: bool = False,
) -> Distribution:
    """Sort values into bars of a round width; `whole` where they are counts.

    >>> [one.number for one in distribution_of("turns", [1, 1, 3], shown=str, whole=True).bins]
    [2, 0, 1]
    """
    known = sorted(value for value in values if value is not None)
    unknown = len(values) - len(known)
    if not known:
        return Distribution(name, (), 0.0, 0.0, 0.0, unknown, whole, shown)
    width = _width(known[0], known[-1], whole=whole)
    first = floor(known[0] / width)
    places = [floor(value / width) - first for value in known]
    bins = tuple(
        Bin((first + at) * width, (first + at + 1) * width, places.count(at))
        for at in range(places[-1] + 1)
    )
    ends = (known[0], float(median(known)), known[-1])
    return Distribution(name, bins, *ends, unknown, whole, shown)


def _width(least: float, most: float, *, whole: bool) -> float:
    """The smallest round width with which the bars are few enough."""
    span = most - least
    if span <= 0:
        return 1.0 if whole or most <= 0 else _power(most)
    rough = span / (MOST - 1)
    size = _power(rough)
    width = next(step * size for step in STEPS if step * size >= rough)
    return max(1.0, width) if whole else width


def _power(value: float) -> float:
    """The power of ten at or below a value; none so small that it could not be divided by."""
    return max(10.0 ** floor(log10(value)), TINY)
