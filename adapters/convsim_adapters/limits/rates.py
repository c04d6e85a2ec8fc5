"""One minute for all processes of a run: each asks for leave before it sends a request.

Parts of a minute would not do: what one process leaves over another could not use, and what it had
sent would be forgotten when it ends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from math import floor, inf
from typing import TypeAlias

from attrs import Factory, define, frozen

from convsim_adapters.limits.minute import Minute

__all__ = ["Leave", "Rates", "SharedMinute"]

Asking: TypeAlias = "tuple[Leave, Callable[[Leave], object]]"


@frozen
class Leave:
    """Room for one request to a model in the minute of a run; its fields are JSON.

    `model` is the key of the limits, `second` when it was given, on the clock of whoever gave it.
    `tokens` are those that the request may be, as a guess or as the last ones were.
    """

    model: str
    tokens: float = 0.0
    second: int = 0


@frozen
class SharedMinute:
    """A minute that somebody else keeps: `ask` it for leave, and `count` what a request came to.

    Neither may wait; the leave is handed to `Limiter.given`, with the tokens that were expected.
    """

    ask: Callable[[Leave], object]
    count: Callable[[Leave, float], object]


@define(eq=False)
class Rates:
    """The minutes of a run's models. Who asks first is let first; times are seconds of one clock.

    Law: what leave was given for, of all processes, is within `empty`, a minute with nothing in it.

    >>> rates, given = Rates(Minute(rpm=1)), []
    >>> rates.ask(Leave("m"), given.append)
    >>> rates.ask(Leave("m"), given.append)
    >>> rates.give(0.5), len(given), rates.give(61.0), len(given)
    (61.0, 1, inf, 2)
    """

    empty: Minute
    _minutes: dict[str, Minute] = Factory(dict[str, Minute])
    _asking: dict[str, deque[Asking]] = Factory(dict[str, "deque[Asking]"])

    def ask(self, wanted: Leave, answer: Callable[[Leave], object]) -> None:
        """Put a request for leave behind those that wait."""
        self._asking.setdefault(wanted.model, deque()).append((wanted, answer))

    def give(self, now: float) -> float:
        """Give the leave that there is; when there will be more, infinity where nobody waits."""
        return min((self._give(model, now) for model in self._asking), default=inf)

    def count(self, leave: Leave, tokens: float) -> None:
        """A request came to so many tokens."""
        minute = self._minutes[leave.model]
        counted = minute.counted(leave.second, tokens, expected=leave.tokens)
        self._minutes[leave.model] = counted

    def _give(self, model: str, now: float) -> float:
        asking = self._asking[model]
        while asking:
            wanted, answer = asking[0]
            minute = self._minutes.get(model, self.empty)
            tokens = minute.expected(wanted.tokens)
            at = minute.free_at(now, tokens)
            if at > now:
                return at
            asking.popleft()
            self._minutes[model] = minute.sent(now, tokens)
            answer(Leave(model, tokens, floor(now)))
        return inf
