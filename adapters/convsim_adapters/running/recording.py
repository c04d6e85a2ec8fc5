"""What a run leaves behind while it goes on: entries folded into usage, sessions written down."""

from __future__ import annotations

from collections.abc import Callable

from attrs import Factory, define, evolve, field, frozen

from convsim_adapters.hiding import without_secrets
from convsim_adapters.running.results import SessionResult, Usage
from convsim_fp.core import State
from convsim_fp.interpreters import Entry, Sink, Spent, no_sink

__all__ = ["Recorder"]


@frozen
class Record:
    """What is known of a session so far; seconds since 1970."""

    usage: Usage = Factory(Usage)
    start: float | None = None
    end: float | None = None

    def after(self, entry: Entry) -> Record:
        """Add one entry."""
        facts = entry.observed.facts
        if facts.start is None:
            return Record(self.usage.after(entry), self.start, self.end)
        end = facts.start + (facts.seconds or 0.0)
        return Record(
            self.usage.after(entry),
            facts.start if self.start is None else min(self.start, facts.start),
            end if self.end is None else max(self.end, end),
        )

    @property
    def seconds(self) -> float:
        """From the first request to the last answer."""
        return 0.0 if self.start is None or self.end is None else self.end - self.start


@define
class Recorder:
    """Keeps what every session cost, and hands its result on when it ends."""

    keep: Callable[[SessionResult], object]
    tell: Sink = no_sink
    secrets: tuple[str, ...] = field(default=(), repr=False)
    records: dict[str, Record] = Factory(dict[str, Record])
    spent: Spent = Factory(Spent)

    def sink(self, entry: Entry) -> None:
        """Take in an entry."""
        name = entry.session.id
        self.records[name] = self.records.get(name, Record()).after(entry)
        self.spent = self.spent.after(entry)
        self.tell(entry)

    def finished(self, state: State) -> None:
        """Take in a session that came to its end."""
        self.keep(self.result(state))

    def result(self, state: State) -> SessionResult:
        """The result of a session that has ended."""
        record = self.records.get(state.session.id, Record())
        result = SessionResult.of(state, record.usage, record.seconds)
        return evolve(
            result,
            detail=without_secrets(result.detail, self.secrets),
            why=without_secrets(result.why, self.secrets),
        )
