"""The sessions of a run, and how several processes share them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from hashlib import sha256

from convsim_adapters.running.plans import Plan
from convsim_fp.core import Session, TestCase, new_session

__all__ = ["part", "sessions_planned", "shards"]


def sessions_planned(plan: Plan) -> Iterator[tuple[Session, TestCase]]:
    """The sessions of a plan in order, each with its case."""
    settings = plan.settings
    for one in plan.cases:
        for trial in range(1, settings.trials + 1):
            yield new_session(str(one.case.id), trial, settings.seed), one.case


def shards(sessions: Iterable[str], number: int) -> tuple[frozenset[str], ...]:
    """Deal sessions out to a number of processes, by a stable hash of their names.

    The sizes differ by one at most, and cases that stand together in a file, which may be of a
    kind, are spread.

    >>> [len(shard) for shard in shards(["a/1", "a/2", "b/1", "b/2", "c/1"], 2)]
    [3, 2]
    """
    ranked = sorted(set(sessions), key=lambda name: (sha256(name.encode("utf-8")).digest(), name))
    return tuple(frozenset(ranked[at::number]) for at in range(number))


def part(whole: int, at: int, number: int) -> int:
    """What the process `at` (from 0) of a `number` has of a whole; all parts make it up.

    >>> [part(50, at, 3) for at in range(3)]
    [17, 17, 16]
    """
    return whole // number + (at < whole % number)
