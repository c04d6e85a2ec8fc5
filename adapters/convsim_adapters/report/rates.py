"""How sure a share is: what could lie behind so many of so many."""

from __future__ import annotations

from math import sqrt

from attrs import frozen

__all__ = ["Interval", "interval_of"]

Z = 1.959963984540054  # the normal deviate of 95 %


@frozen
class Interval:
    """What the true share may be, from 0 to 1, with 95 % confidence."""

    low: float
    high: float


def interval_of(part: int, whole: int) -> Interval:
    """The 95 % interval of a share by Wilson's score (Wilson 1927): sound for few and for extremes.

    Each session counts as drawn by itself. Of no sessions nothing is known, so it is all from 0
    to 1.

    >>> found = interval_of(10, 12)
    >>> round(found.low, 3), round(found.high, 3)
    (0.552, 0.953)
    """
    if not whole:
        return Interval(0.0, 1.0)
    share, square = part / whole, Z * Z
    middle = share + square / (2 * whole)
    wide = Z * sqrt(share * (1 - share) / whole + square / (4 * whole * whole))
    scale = 1 + square / whole
    low = (middle - wide) / scale if part else 0.0  # exactly, whatever the rounding
    high = (middle + wide) / scale if part < whole else 1.0
    return Interval(low, high)
