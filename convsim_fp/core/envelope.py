"""What happened in a session, as an interpreter tells it: what was asked, what came back, its cost.

The machine reads nothing of this; seconds, tokens and US dollars are facts of the envelope.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import TypeVar

from attrs import field, frozen

from convsim_fp.core.json_values import MAX_INTEGER_BITS
from convsim_fp.core.observations import Observation
from convsim_fp.core.requests import Request, Session

__all__ = ["NO_FACTS", "Entry", "Facts", "Observed"]

N = TypeVar("N", int, float)


def _whole(given: int | None) -> int | None:
    """A number that can be written down; anything else is unknown, and no reason to fail."""
    if not isinstance(given, int) or isinstance(given, bool):
        return None
    return int(given) if given.bit_length() <= MAX_INTEGER_BITS else None


def _finite(given: float | None) -> float | None:
    if isinstance(given, float):
        return given if isfinite(given) else None
    return _whole(given)


def _attempts(given: int) -> int:
    known = _whole(given)
    return 1 if known is None else known


def _name(given: str | None) -> str | None:
    return None if given is None else str(given)


def _texts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(map(str, given)) if given else ()


@frozen
class Facts:
    """What a request cost; the machine never reads it. None is unknown, not nothing.

    Tokens and US dollars, of all attempts together; `start` in seconds since 1970 and `seconds`
    cover them all too, waiting included. `attempts` counts the requests made, `errors` says of each
    that failed why. `price_source` names the list of prices that the cost was taken from,
    `trace_id` the trace that an agent says it has made of the call.
    """

    input_tokens: int | None = field(default=None, converter=_whole)
    output_tokens: int | None = field(default=None, converter=_whole)
    cached_tokens: int | None = field(default=None, converter=_whole)
    cost: float | None = field(default=None, converter=_finite)
    start: float | None = field(default=None, converter=_finite)
    seconds: float | None = field(default=None, converter=_finite)
    attempts: int = field(default=1, converter=_attempts)
    errors: tuple[str, ...] = field(default=(), converter=_texts)
    price_source: str | None = field(default=None, converter=_name)
    trace_id: str | None = field(default=None, converter=_name)

    def timed(self, start: float, seconds: float) -> Facts:
        """The same facts with when the request began, and how long it took, in seconds.

        >>> Facts(input_tokens=7).timed(0.0, 1.5).seconds
        1.5
        """
        return Facts(
            self.input_tokens,
            self.output_tokens,
            self.cached_tokens,
            self.cost,
            start,
            seconds,
            self.attempts,
            self.errors,
            self.price_source,
            self.trace_id,
        )

    def plus(self, later: Facts) -> Facts:
        """The facts of both together; a sum is unknown only where both parts are.

        >>> Facts(cost=0.5).plus(Facts(input_tokens=7)).attempts
        2
        """
        return Facts(
            _sum(self.input_tokens, later.input_tokens),
            _sum(self.output_tokens, later.output_tokens),
            _sum(self.cached_tokens, later.cached_tokens),
            _sum(self.cost, later.cost),
            later.start if self.start is None else self.start,
            _sum(self.seconds, later.seconds),
            self.attempts + later.attempts,
            self.errors + later.errors,
            later.price_source if self.price_source is None else self.price_source,
            self.trace_id if later.trace_id is None else later.trace_id,
        )


def _sum(a: N | None, b: N | None) -> N | None:
    if a is None or b is None:
        return a if b is None else b
    return a + b


NO_FACTS = Facts()


@frozen
class Observed:
    """An observation for the machine and the facts for the envelope."""

    observation: Observation
    facts: Facts = NO_FACTS


@frozen
class Entry:
    """One thing that happened in a session: what was asked, what came back, what it cost.

    `request` is None for an interruption; `wasted` marks what came after nobody waited for it, and
    `rebuilt` a call that was made again to bring an agent to where it was.
    """

    session: Session
    request: Request | None
    observed: Observed
    wasted: bool = False
    rebuilt: bool = False
