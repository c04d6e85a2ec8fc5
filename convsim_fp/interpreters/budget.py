"""What a run may spend: pure folds over the facts of its entries.

The machine never sees a cost. When a budget is used up, the interpreter asks nothing new and hands
an `Interrupted` to every conversation that would; answers that were on their way are still taken.
"""

from __future__ import annotations

from math import isfinite
from typing import cast

from attrs import frozen

from convsim_fp.core.json_values import kind
from convsim_fp.core.observations import Interrupted
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters.ports import Entry, Facts

__all__ = ["Budget", "Spent"]


@frozen
class Spent:
    """What a run has spent so far, of which the facts tell: US dollars and tokens, in and out.

    >>> Spent().plus(Facts(input_tokens=900, output_tokens=12, cost=0.002))
    Spent(cost=0.002, tokens=912)
    """

    cost: float = 0.0
    tokens: int = 0

    def plus(self, facts: Facts) -> Spent:
        """Add the facts of one request; what is unknown adds nothing."""
        tokens = (facts.input_tokens or 0) + (facts.output_tokens or 0)
        if not tokens and not facts.cost:
            return self
        return Spent(self.cost + (facts.cost or 0.0), self.tokens + tokens)

    def after(self, entry: Entry) -> Spent:
        """Add an entry; a wasted answer costs as much as another."""
        return self.plus(entry.observed.facts)


@frozen
class Budget:
    """The most that a run may spend; None is no limit. Raises `InvalidSpec` with all problems.

    `cost` in US dollars and `tokens` (in and out) count what models and agents report; `seconds` is
    the time of the whole run. It is looked at before each request, so calls under way may exceed
    cost and tokens by what they cost themselves; at its last second they are given up.

    >>> Budget(tokens=900).used_up(Spent(tokens=912), seconds=3.0).detail
    'the budget of 900 tokens is used up: 912 tokens'
    """

    cost: float | None = None
    tokens: int | None = None
    seconds: float | None = None

    def __attrs_post_init__(self) -> None:
        given = (("cost", self.cost), ("tokens", self.tokens), ("seconds", self.seconds))
        problems = [
            Problem(f"budget: {name}", f"is {kind(value)}, expected a number above 0")
            for name, value in given
            if value is not None and not _is_positive(value)
        ]
        if problems:
            raise InvalidSpec(problems)

    def used_up(self, spent: Spent, seconds: float) -> Interrupted | None:
        """The word to every conversation that would ask something new; None while there is room."""
        if self.cost is not None and spent.cost >= self.cost:
            limit = f"{self.cost:g} US dollar{_s(self.cost)}"
            return _used_up(limit, f"{spent.cost:.6g} US dollars")
        if self.tokens is not None and spent.tokens >= self.tokens:
            return _used_up(_counted(self.tokens, "token"), _counted(spent.tokens, "token"))
        if self.seconds is not None and seconds >= self.seconds:
            return self.out_of_time()
        return None

    def out_of_time(self) -> Interrupted:
        """The word to a conversation whose request was under way when the time was over."""
        return _used_up(f"{cast('float', self.seconds):g} seconds", "the time is over")


def _counted(number: int, what: str) -> str:
    return f"{number:,} {what}{_s(number)}"


def _s(number: float) -> str:
    return "" if number == 1 else "s"


def _used_up(limit: str, found: str) -> Interrupted:
    return Interrupted("budget", f"the budget of {limit} is used up: {found}")


def _is_positive(value: object) -> bool:
    return (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and isfinite(value)
        and value > 0
    )
