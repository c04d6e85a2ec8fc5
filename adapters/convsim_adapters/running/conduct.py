"""Conversations carried out in this process, each entry recorded before it is acted on."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from time import monotonic

from attrs import Factory, field, frozen

from convsim_adapters.hiding import hiding_logs
from convsim_adapters.journal_files import JournalWriter
from convsim_adapters.limits import Sharing
from convsim_adapters.running.agents import ChosenAgent
from convsim_adapters.running.beginnings import Beginning
from convsim_adapters.running.collecting import rarely_collected
from convsim_adapters.running.hidden import hidden, hiding
from convsim_adapters.running.opening import ports_of
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.public import secrets_of
from convsim_adapters.running.recording import Recorder
from convsim_adapters.running.shards import sessions_planned
from convsim_fp.core import Rules, Session, State, TestCase
from convsim_fp.interpreters import APerform, Around, Budget, Entry, RunInterrupted, converse_all

__all__ = ["Conduct", "Share", "list_sessions", "unchanged"]


def unchanged(perform: APerform) -> APerform:
    """Nothing around it."""
    return perform


@frozen
class Share:
    """What one process does of a run: which `sessions`, and how many of them at once.

    `budget` and `sharing` are its part of what all of them may spend and ask.
    """

    sessions: frozenset[str]
    concurrency: int
    budget: Budget
    sharing: Sharing

    def has(self, session: Session) -> bool:
        """Whether a session is run in this process."""
        return session.id in self.sessions


@frozen
class Conduct:
    """One run, or a `share` of it, from its first request to its last.

    `begun` is on the monotonic clock, in seconds; `ended` is told each session that came to its
    end. `inner` is composed around what performs a request, below what hides and records.
    """

    plan: Plan
    agent: ChosenAgent
    beginning: Beginning
    recorder: Recorder
    begun: float
    ended: Callable[[State], object]
    inner: Around = unchanged
    journal: JournalWriter | None = None
    share: Share | None = None
    secrets: tuple[str, ...] = field(
        default=Factory(lambda self: secrets_of(self.plan), takes_self=True), repr=False
    )

    def converse(self) -> tuple[State, ...]:
        """How each session ended, in order; those that a signal cut are recorded as such.

        Raises `RunInterrupted` with all of them where a signal came.
        """
        try:
            with hiding_logs(self.secrets), rarely_collected():
                return self._cut(self._converse())
        except RunInterrupted as error:
            error.states = self._cut(error.states)
            raise

    def _converse(self) -> tuple[State, ...]:
        settings, share = self.plan.settings, self.share
        rules = {one.case.id: one.rules for one in self.plan.cases}

        def rules_of(case: TestCase) -> Rules:
            return rules[case.id]

        return converse_all(
            [one.case for one in self.plan.cases],
            rules_of,
            ports_of(self.plan, self.agent, self._may_go_on, self._sharing),
            trials=settings.trials,
            seed=settings.seed,
            concurrency=settings.concurrency if share is None else share.concurrency,
            sink=self._take,
            finished=self._finish,
            budget=self.budget,
            resumed=self.beginning.resumed,
            around=self._around,
            only=None if share is None else share.has,
        )

    @property
    def budget(self) -> Budget:
        """What may be spent."""
        return self.plan.budget if self.share is None else self.share.budget

    @property
    def _sharing(self) -> Sharing | None:
        return None if self.share is None else self.share.sharing

    def _around(self, perform: APerform) -> APerform:
        """What every request goes through."""
        performed = hiding(self.inner(perform), self.secrets)
        return performed if self.journal is None else self.journal.durable(performed)

    def _may_go_on(self) -> bool:
        """Whether a call that failed may be tried again."""
        seconds = monotonic() - self.begun
        return self.budget.used_up(self.recorder.spent, seconds) is None

    def _take(self, entry: Entry) -> None:
        """Record an entry before it is acted on."""
        if self.journal is not None:
            self.journal.entry(entry)
        self.recorder.sink(entry)

    def _finish(self, state: State) -> None:
        """Record how a session ended, unless it had before."""
        if state.session.id in self.beginning.whole:
            return
        state = hidden(state, self.secrets)
        if self.journal is not None:
            self.journal.ended(state)
        self.ended(state)

    def _cut(self, states: Iterable[State]) -> tuple[State, ...]:
        told = tuple(hidden(state, self.secrets) for state in states)
        if self.journal is not None:
            self.journal.cut(told)
        return told


def list_sessions(
    journal: JournalWriter, plan: Plan, beginning: Beginning, share: Share | None = None
) -> None:
    """Record every session that is to be run and is not whole, before the first of them begins.

    What all of them share is recorded by the run, not by a process that has a `share` of it.
    """
    if share is None:
        _list_shared(journal, beginning)
    for session, case in sessions_planned(plan):
        if session.id in beginning.whole or (share is not None and not share.has(session)):
            continue
        origin = beginning.origins.get(session.id)
        if origin is None:
            journal.begin(session, case)
        else:
            journal.begin(session, case, origin.snapshot, origin.parent)


def _list_shared(journal: JournalWriter, beginning: Beginning) -> None:
    """Record what sessions start from, and which answers shall not count any more."""
    snapshots = {one.snapshot.digest: one.snapshot for one in beginning.origins.values()}
    for snapshot in snapshots.values():
        journal.write(snapshot)
    for discarded in beginning.discarded:
        journal.write(discarded)
