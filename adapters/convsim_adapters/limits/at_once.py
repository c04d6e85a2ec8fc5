"""How many requests may be under way at once: additive increase, multiplicative decrease.

What is under way is halved where an endpoint has too much to do, and grows by one for each round of
good answers after that. D.-M. Chiu and R. Jain, "Analysis of the Increase and Decrease Algorithms
for Congestion Avoidance in Computer Networks" (1989); generations and the slow start after a pause
are those of V. Jacobson, "Congestion Avoidance and Control" (1988).
"""

from __future__ import annotations

from attrs import evolve, frozen

__all__ = ["AtOnce"]


@frozen
class AtOnce:
    """How many requests may be under way to one model, from 1 to `whole` for all processes.

    Law: only answers to requests of the present `generation`, those sent after the last decrease,
    change it; so a burst of failures with one cause counts once. Below `until` each good answer
    lets one more in, above it as many good answers as the limit do; of `parts` processes that
    share it each grows by its part. `tried` tells that a request of this generation was answered.

    >>> limit = AtOnce.of(400).lowered(0, under_way=64)
    >>> limit.most, limit.lowered(0, under_way=63).most, limit.lowered(1, under_way=32).most
    (32, 32, 16)
    """

    whole: int
    most: int
    until: int
    parts: int = 1
    good: int = 0  # answers since it grew last
    generation: int = 0
    tried: bool = True

    @classmethod
    def of(cls, whole: int, parts: int = 1) -> AtOnce:
        """As much as there is at first, in one of so many processes."""
        top = max(1, whole // parts)
        return cls(whole, top, top, parts)

    @property
    def top(self) -> int:
        """The most that this process ever sends at once."""
        return max(1, self.whole // self.parts)

    def answered(self, generation: int) -> AtOnce:
        """A good answer came to a request of a generation."""
        if generation != self.generation or (self.tried and self.most >= self.top):
            return self
        good = self.good + 1
        needed = self.parts * (1 if self.most < self.until else self.most)
        if good < needed or self.most >= self.top:
            return evolve(self, good=good, tried=True)
        return evolve(self, most=self.most + 1, good=0, tried=True)

    def lowered(self, generation: int, *, under_way: int) -> AtOnce:
        """The endpoint has too much to do, as the answer to a request of a generation tells."""
        return self if generation != self.generation else self._halved(under_way)

    def heard(self, *, under_way: int) -> AtOnce:
        """Another process has lowered its own limit: once for what was sent before that."""
        return self._halved(under_way) if self.tried else self

    def _halved(self, under_way: int) -> AtOnce:
        """Half of what was under way, since half of what nobody used would change nothing."""
        half = max(1, min(self.most, under_way or self.most) // 2)
        return self._anew(most=half, until=half)

    def restarted(self) -> AtOnce:
        """After a pause: one request at first, and soon as many as before."""
        return self._anew(most=1, until=max(self.until, self.most))

    def _anew(self, *, most: int, until: int) -> AtOnce:
        """Another generation: what is under way now tells nothing of it."""
        return AtOnce(
            self.whole, most, until, self.parts, generation=self.generation + 1, tried=False
        )

    def shared(self, parts: int) -> AtOnce:
        """Share it with another number of processes."""
        changed = evolve(self, parts=parts)
        if self.most >= self.top:
            return evolve(changed, most=changed.top, until=changed.top)
        most = min(changed.top, max(1, self.most * self.parts // parts))
        return evolve(changed, most=most, until=max(most, self.until * self.parts // parts))
