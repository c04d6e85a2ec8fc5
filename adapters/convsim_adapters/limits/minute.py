"""What a rolling minute has room for: so many requests, so many tokens."""

from __future__ import annotations

from math import floor

from attrs import evolve, frozen

__all__ = ["Minute", "Slot"]

LENGTH = 60  # seconds
LATEST = 8  # answers that the mean is mostly made of


@frozen
class Slot:
    """What was sent within one whole second."""

    second: int
    requests: int
    tokens: float

    @property
    def gone(self) -> int:
        """When the last of it is out of every minute: a slot leaves whole, never too early."""
        return self.second + 1 + LENGTH


@frozen
class Minute:
    """Room for so many requests and tokens in any 60 seconds; None is no limit.

    Tokens are known when the answer comes, and counted for the second in which its request was
    sent. Until then what the last answers came to stands for them. A request that alone has more
    tokens than a minute is sent when the minute is empty.

    >>> minute = Minute(rpm=2).sent(0.5, 0.0).sent(7.0, 0.0)
    >>> minute.free_at(8.0, 0.0), minute.free_at(61.0, 0.0)
    (61.0, 61.0)
    """

    rpm: int | None = None
    tpm: int | None = None
    slots: tuple[Slot, ...] = ()
    mean: float | None = None
    requests: int = 0  # of all slots
    tokens: float = 0.0

    def expected(self, guess: float) -> float:
        """The tokens of the next request, as the last ones were; the guess before there are any."""
        if self.tpm is None:
            return 0.0
        return guess if self.mean is None else self.mean

    def free_at(self, now: float, tokens: float) -> float:
        """When there is room for another request of so many tokens; `now`, or later."""
        at, requests, used = now, self.requests, self.tokens
        for slot in self.slots:
            if slot.gone > now:
                if self._has_room(requests, used + tokens):
                    break
                at = float(slot.gone)
            requests, used = requests - slot.requests, used - slot.tokens
        return at

    def _has_room(self, requests: int, tokens: float) -> bool:
        return (self.rpm is None or requests < self.rpm) and (
            self.tpm is None or tokens <= self.tpm
        )

    def sent(self, now: float, tokens: float) -> Minute:
        """A request was sent, of about so many tokens."""
        second, slots = floor(now), self.slots
        if slots and slots[0].gone <= now:
            return self._without_first().sent(now, tokens)
        slot = Slot(second, 1, tokens)
        if slots and slots[-1].second == second:
            slots, last = slots[:-1], slots[-1]
            slot = Slot(second, last.requests + 1, last.tokens + tokens)
        return self._with((*slots, slot), self.requests + 1, self.tokens + tokens)

    def _without_first(self) -> Minute:
        first = self.slots[0]
        requests, tokens = self.requests - first.requests, self.tokens - first.tokens
        return self._with(self.slots[1:], requests, tokens)

    def _with(self, slots: tuple[Slot, ...], requests: int, tokens: float) -> Minute:
        return Minute(self.rpm, self.tpm, slots, self.mean, requests, tokens)

    def counted(self, second: int, tokens: float, *, expected: float) -> Minute:
        """An answer came: what it came to, in place of what was expected of it."""
        mean = tokens if self.mean is None else self.mean + (tokens - self.mean) / LATEST
        more = tokens - expected
        for place in reversed(range(len(self.slots))):
            slot = self.slots[place]
            if slot.second == second:
                changed = Slot(second, slot.requests, slot.tokens + more)
                slots = (*self.slots[:place], changed, *self.slots[place + 1 :])
                return evolve(self, slots=slots, mean=mean, tokens=self.tokens + more)
        return evolve(self, mean=mean)  # it is out of the minute already
