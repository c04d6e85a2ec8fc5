"""A run as somebody sees it who looks on from elsewhere: its records, folded as they come."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import assert_never

from attrs import Factory, evolve, frozen

from convsim_adapters.running.recording import NOTHING, Tally
from convsim_adapters.running.recording import Record as Spent
from convsim_adapters.running.results import CUT_SHORT, FAILURES
from convsim_fp.core import AgentReplied, Generated, Lane, Stopped, StopReason
from convsim_fp.journal import (
    Begun,
    Discarded,
    Ended,
    EntryRecord,
    Header,
    Record,
    Recorded,
    Snapshot,
)

__all__ = ["Followed", "Seen"]


@frozen
class Followed:
    """One session as far as it was read: what it cost, who spoke last, how it ended.

    `turns` are those that the agent has replied in. `said` is the last message, of turn `at`: the
    agent's, or what came back for the simulated user's next.
    """

    id: str
    spent: Spent = NOTHING
    turns: int = 0
    at: int = 0
    speaker: str = ""
    said: str = ""
    ended: Stopped | None = None

    def after(self, record: Begun | EntryRecord | Discarded | Ended) -> Followed:
        """Take in its next record."""
        match record:
            case Begun():
                return evolve(self, ended=None)
            case EntryRecord():
                return self._heard(record)
            case Discarded():
                again = Followed(self.id, self.spent)
                return again if record.turn is None else evolve(self, ended=None)
            case Ended():
                return evolve(self, ended=record.phase, turns=record.phase.turns)
            case _:
                assert_never(record)

    @property
    def achieved(self) -> bool:
        """Whether it reached its goal."""
        return self.ended is not None and self.ended.reason is StopReason.GOAL_ACHIEVED

    @property
    def under_way(self) -> bool:
        """Whether something has been answered in it, and it has not ended."""
        return self.ended is None and self.spent.usage.requests > 0

    def _heard(self, record: EntryRecord) -> Followed:
        told = Recorded(
            record.seen, facts=record.facts, wasted=record.wasted, rebuilt=record.rebuilt
        )
        spent = self.spent.after(told)
        asked = record.id
        if asked is None or record.wasted or record.rebuilt:
            return evolve(self, spent=spent)
        turn = asked.turn
        match record.seen:
            case AgentReplied(text=text):
                return Followed(self.id, spent, turn, turn, "agent", text)
            case Generated(text=text) if asked.lane is Lane.USER:
                return Followed(self.id, spent, self.turns, turn, "user", text)
            case _:
                return evolve(self, spent=spent)


@frozen
class Seen:
    """What is known of a run at one look; `planned` is how many sessions it shall have."""

    sessions: Mapping[str, Followed] = Factory(dict[str, Followed])
    planned: int = 0
    at_once: int = 1

    def after(self, records: Iterator[Record]) -> Seen:
        """Take in what was written since the last look."""
        sessions, planned, at_once = dict(self.sessions), self.planned, self.at_once
        for record in records:
            match record:
                case Header():
                    planned = planned or record.sessions
                    told = record.settings.get("concurrency")
                    at_once = told if isinstance(told, int) else at_once
                case Snapshot():
                    pass
                case _:
                    name = record.session.id if isinstance(record, Begun) else record.session
                    sessions[name] = sessions.get(name, Followed(name)).after(record)
        return Seen(sessions, planned, at_once)

    @property
    def total(self) -> int:
        """How many sessions it has, as far as that is known."""
        return max(self.planned, len(self.sessions))

    @property
    def ended(self) -> tuple[Followed, ...]:
        """The sessions that have ended."""
        return tuple(one for one in self.sessions.values() if one.ended is not None)

    @property
    def under_way(self) -> tuple[Followed, ...]:
        """The sessions in which something has been answered and that have not ended."""
        return tuple(one for one in self.sessions.values() if one.under_way)

    @property
    def achieved(self) -> int:
        """How many reached their goal."""
        return sum(one.achieved for one in self.ended)

    @property
    def failed(self) -> int:
        """How many ended since agent, user or judge failed."""
        return sum(one.ended is not None and one.ended.reason in FAILURES for one in self.ended)

    @property
    def cut_short(self) -> int:
        """How many budget, deadline or a signal ended."""
        return sum(one.ended is not None and one.ended.reason in CUT_SHORT for one in self.ended)

    @property
    def stop_reasons(self) -> Mapping[str, int]:
        """How many ended for which reason, the most frequent first."""
        reasons = [str(one.ended.reason) for one in self.ended if one.ended is not None]
        return dict(Counter(reasons).most_common())

    @property
    def tally(self) -> Tally:
        """What all sessions took together, also those that go on."""
        tally = Tally()
        for one in self.sessions.values():
            tally = tally.plus(Tally(one.spent.usage, one.turns))
        return tally
