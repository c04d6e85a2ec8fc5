"""Reading test cases where somebody listens: problems are raised, doubts are warned of."""

from __future__ import annotations

import warnings
from collections.abc import Iterable

from convsim_fp.core.cases import TestCase, parse_cases

__all__ = ["UnknownFieldWarning", "read_cases"]


class UnknownFieldWarning(UserWarning):
    """A case has a field that nothing reads."""


def read_cases(records: Iterable[object]) -> tuple[TestCase, ...]:
    """Read test cases from plain dicts; the everyday form of `parse_cases`.

    Raises `InvalidSpec` with every problem of every case; warns of fields that nothing reads.

    >>> read_cases([{"goal": "return the red shoes", "tags": ["returns"]}])[0].tags
    ('returns',)
    """
    parsed = parse_cases(records)
    for doubt in parsed.warnings:
        warnings.warn(str(doubt), UnknownFieldWarning, stacklevel=2)
    return parsed.or_raise()
