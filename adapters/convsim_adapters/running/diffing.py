"""Two runs of the same cases side by side."""

from __future__ import annotations

from itertools import zip_longest

from attrs import frozen

from convsim_adapters.running.results import Run, SessionResult

__all__ = ["Pair", "diff_runs"]


@frozen
class Pair:
    """The same session in two runs; None where a run does not have it."""

    id: str
    before: SessionResult | None
    after: SessionResult | None

    @property
    def changed(self) -> bool:
        """Whether it ended for another reason, or is in one run only."""
        if self.before is None or self.after is None:
            return True
        return self.before.stop_reason is not self.after.stop_reason

    @property
    def departs(self) -> int | None:
        """The first turn (from 1; 0 is the agent's opening) in which something else was said."""
        if self.before is None or self.after is None:
            return None
        return _first_difference(self.before, self.after)


def diff_runs(before: Run, after: Run) -> tuple[Pair, ...]:
    """Each session of two runs beside its like: changed stop reasons first, else as they were."""
    then = {one.id: one for one in before.sessions}
    now = {one.id: one for one in after.sessions}
    names = dict.fromkeys([*then, *now])
    pairs = [Pair(name, then.get(name), now.get(name)) for name in names]
    return tuple(sorted(pairs, key=_urgency))


def _urgency(pair: Pair) -> int:
    return 0 if pair.changed else 1 if pair.departs is not None else 2


def _first_difference(before: SessionResult, after: SessionResult) -> int | None:
    turn = -min(_in_history(before), _in_history(after))
    for then, now in zip_longest(before.transcript, after.transcript):
        either = then if then is not None else now
        turn += either is not None and either.speaker == "user"
        if then != now:
            return max(turn, 0)
    return None


def _in_history(result: SessionResult) -> int:
    """How many messages the user had written before the first turn."""
    return sum(said.speaker == "user" for said in result.transcript) - result.turns
