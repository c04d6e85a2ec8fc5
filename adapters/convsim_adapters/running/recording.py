"""What a run leaves behind while it goes on: entries folded into what each session cost."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from attrs import Factory, define, evolve, frozen

from convsim_adapters.running.results import SessionResult, Usage, asked_for, facts_of
from convsim_fp.core import CallAgent, Lane, State
from convsim_fp.core.state import is_checked_end
from convsim_fp.interpreters import Entry, Sink, Spent, no_sink
from convsim_fp.journal import Recorded, SessionLog

__all__ = ["Record", "Recorder", "Tally", "Watch", "result_of"]


@frozen
class Tally:
    """What so many entries come to, for whoever follows a run; `turns` counts the agent's replies.

    >>> Tally(turns=2).plus(Tally(turns=1)).turns
    3
    """

    usage: Usage = Factory(Usage)
    turns: int = 0

    def after(self, entry: Entry) -> Tally:
        """Add one entry."""
        turn = isinstance(entry.request, CallAgent) and not entry.wasted
        return Tally(self.usage.after(entry), self.turns + turn)

    def plus(self, other: Tally) -> Tally:
        """Add what others come to."""
        return Tally(self.usage.plus(other.usage), self.turns + other.turns)


class Watch(Protocol):
    """Is told of every entry and every session that ends."""

    def entry(self, entry: Entry) -> None:
        """Take in an entry."""
        ...

    def finished(self, result: SessionResult) -> None:
        """Take in a session that came to its end."""
        ...


@frozen
class Record:
    """What a session cost so far; `until` is when its last answer came, in seconds since 1970.

    `ahead` counts what the user has been asked since the agent's last reply, `checked` tells
    whether the goal check has.
    """

    usage: Usage = Factory(Usage)
    seconds: float = 0.0
    until: float = 0.0
    ahead: int = 0
    checked: bool = False

    def after(self, entry: Entry | Recorded) -> Record:
        """Add one entry; of two requests at once the common time counts once."""
        facts, usage = facts_of(entry), self.usage.after(entry)
        ahead, checked = self._since_reply(entry)
        if facts.start is None:
            return Record(usage, self.seconds, self.until, ahead, checked)
        end = facts.start + (facts.seconds or 0.0)
        seconds = self.seconds + max(0.0, end - max(facts.start, self.until))
        return Record(usage, seconds, max(end, self.until), ahead, checked)

    def _since_reply(self, entry: Entry | Recorded) -> tuple[int, bool]:
        asked = None if entry.wasted or entry.rebuilt else asked_for(entry)
        match None if asked is None else asked.lane:
            case Lane.AGENT:
                return 0, False
            case Lane.USER:
                return self.ahead + 1, self.checked
            case Lane.GOAL_CHECK:
                return self.ahead, True
            case None:
                return self.ahead, self.checked

    def usage_at(self, end: State) -> Usage:
        """What a session came to: what its user said ahead of the last verdict is wasted, too."""
        if not is_checked_end(end.phase, len(end.verdicts), checked=self.checked):
            return self.usage
        return evolve(self.usage, wasted=self.usage.wasted + self.ahead)

    @classmethod
    def of(cls, entries: Iterable[Recorded]) -> Record:
        """What recorded entries come to, also those that are not folded."""
        record = cls()
        for entry in entries:
            record = record.after(entry)
        return record


NOTHING = Record()


@define
class Recorder:
    """Keeps what every session cost, and gives its result when it has ended."""

    tell: Sink = no_sink
    records: dict[str, Record] = Factory(dict[str, Record])
    spent: Spent = Factory(Spent)

    def sink(self, entry: Entry) -> None:
        """Take in an entry."""
        name = entry.session.id
        self.records[name] = self.records.get(name, NOTHING).after(entry)
        self.spent = self.spent.after(entry)
        self.tell(entry)

    def add(self, tally: Tally) -> None:
        """Take in what other processes have spent."""
        cost, tokens = tally.usage.cost or 0.0, tally.usage.tokens or 0
        self.spent = Spent(self.spent.cost + cost, self.spent.tokens + tokens)

    def result(self, state: State) -> SessionResult:
        """The result of a session that has ended."""
        record = self.records.get(state.session.id, NOTHING)
        return SessionResult.of(state, record.usage_at(state), record.seconds)


def result_of(log: SessionLog) -> SessionResult | None:
    """The result of a recorded session; None where no end of it is recorded."""
    if log.ended is None:
        return None
    record = Record.of(log.entries)
    phase, verdicts = log.ended.phase, log.ended.verdicts
    state = State(log.case, log.session, phase, log.transcript, verdicts)
    return SessionResult.of(state, record.usage_at(state), record.seconds)
