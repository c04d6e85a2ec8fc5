"""What one model is sent, and when: all of its limits in one value, without a clock.

Times are seconds of whatever clock the caller has; they only ever go on.
"""

from __future__ import annotations

from math import floor, inf
from typing import Literal

from attrs import evolve, frozen

from convsim_adapters.limits.at_once import AtOnce
from convsim_adapters.limits.minute import Minute

__all__ = ["Limits", "Signal", "Ticket"]

NOTICED = 0.5  # seconds by which a pause has to be longer to be another


@frozen
class Signal:
    """What one process tells the others that ask the same model; its fields are JSON.

    `what` is that the limit was ``lowered``, or that requests are ``held`` back for so many
    `seconds` from now. `model` is the key of the limits.
    """

    model: str
    what: Literal["lowered", "held"]
    seconds: float = 0.0


@frozen
class Ticket:
    """The leave to send one request: of which generation, when, and how many tokens it may be."""

    generation: int
    second: int = 0
    tokens: float = 0.0


@frozen
class Limits:
    """How many requests are under way, how many may be, and until when none may be sent.

    Law: `under_way` is never raised above ``at_once.most``, nor anything sent before `held_until`.

    >>> limits = Limits.of(2).admitted(0.0).admitted(0.0)
    >>> limits.free_at(0.0), limits.lowered(0).held(0.0, 7.0).left().left().free_at(1.0)
    (inf, 7.0)
    """

    at_once: AtOnce
    minute: Minute | None = None
    under_way: int = 0
    held_until: float = -inf

    @classmethod
    def of(
        cls, at_once: int, *, rpm: int | None = None, tpm: int | None = None, parts: int = 1
    ) -> Limits:
        """The limits at first; of `at_once` this process has one of so many parts."""
        rated = rpm is not None or tpm is not None
        return cls(AtOnce.of(at_once, parts), Minute(rpm, tpm) if rated else None)

    def expected(self, guess: float) -> float:
        """The tokens of the next request, as the last ones were; the guess before there are any."""
        return 0.0 if self.minute is None else self.minute.expected(guess)

    def free_at(self, now: float, tokens: float = 0.0) -> float:
        """When another request may be sent; infinity where it takes an answer first."""
        if self.under_way >= self.at_once.most:
            return inf
        at = max(now, self.held_until)
        return at if self.minute is None else self.minute.free_at(at, tokens)

    def admitted(self, now: float, tokens: float = 0.0) -> Limits:
        """A request is sent."""
        minute = None if self.minute is None else self.minute.sent(now, tokens)
        return self._with(minute, self.under_way + 1)

    def ticket(self, now: float, tokens: float = 0.0) -> Ticket:
        """What a request that is sent now has to show when its answer comes."""
        return Ticket(self.at_once.generation, floor(now), tokens)

    def left(self) -> Limits:
        """A request is under way no more, and that tells nothing."""
        return self._with(self.minute, self.under_way - 1)

    def _with(self, minute: Minute | None, under_way: int) -> Limits:
        return Limits(self.at_once, minute, under_way, self.held_until)

    def answered(self, ticket: Ticket, tokens: float | None) -> Limits:
        """A good answer came, of so many tokens where that is known."""
        at_once, minute = self.at_once.answered(ticket.generation), self.minute
        if minute is not None and minute.tpm is not None:
            known = ticket.tokens if tokens is None else tokens
            minute = minute.counted(ticket.second, known, expected=ticket.tokens)
        return Limits(at_once, minute, self.under_way - 1, self.held_until)

    def lowered(self, generation: int) -> Limits:
        """The endpoint has too much to do; itself where that is known of this generation."""
        at_once = self.at_once.lowered(generation, under_way=self.under_way)
        return self if at_once is self.at_once else evolve(self, at_once=at_once)

    def held(self, now: float, seconds: float) -> Limits:
        """Nothing is sent for so long, and then slowly: that once for each pause.

        Another answer that asks for about the same makes the pause that much longer.
        """
        until = max(self.held_until, now + seconds)
        if seconds <= 0 or until == self.held_until:
            return self
        another = until >= max(self.held_until, now) + min(NOTICED, seconds)
        at_once = self.at_once.restarted() if another else self.at_once
        return evolve(self, at_once=at_once, held_until=until)

    def heard(self, signal: Signal, now: float) -> Limits:
        """Another process has lowered its limit, or was told to wait."""
        match signal.what:
            case "lowered":
                return evolve(self, at_once=self.at_once.heard(under_way=self.under_way))
            case "held":
                return self.held(now, signal.seconds)

    def shared(self, parts: int) -> Limits:
        """Share them with another number of processes."""
        return evolve(self, at_once=self.at_once.shared(parts))
