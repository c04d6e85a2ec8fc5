"""A run whose sessions are shared by processes: started, supervised, replaced where one is killed.

The run itself asks nothing. It lists the sessions, and then hears from its workers, each of which
writes a segment of its own; what one of them was killed over goes on in another from the journal.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from time import monotonic
from typing import TypeAlias, cast

from attrs import Factory, define

from convsim_adapters.journal_files import as_seen, load_journal
from convsim_adapters.limits import Leave, Minute, Rates
from convsim_adapters.running.beginnings import Beginning
from convsim_adapters.running.jobs import job_of, record_from_job
from convsim_adapters.running.pipes import Message
from convsim_adapters.running.places import going_on
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.processes import Gone, Heard, Process, Worker, WorkerLost, started
from convsim_adapters.running.recording import Record, Recorder, Tally
from convsim_adapters.running.results import Usage
from convsim_adapters.running.shards import part, sessions_planned, shards
from convsim_fp.core import Interrupted, Session, State, TestCase
from convsim_fp.errors import InvalidSpec, JournalError, Problem
from convsim_fp.interpreters import RunInterrupted
from convsim_fp.interpreters.interruption import Signalled, signal_of
from convsim_fp.interpreters.plan import Planned
from convsim_fp.interpreters.signals import first_signal
from convsim_fp.journal import Ended, Header, record_from_plain, record_to_plain

__all__ = ["Following", "Workers"]

MOST_LOST = 3  # in a row, without a session that ended in between
WAKING = 0.2  # seconds between looks for a signal and at the clock
STOPPING = 3.0  # seconds that workers have to end in order after a signal

Following: TypeAlias = Callable[[Tally, int], object]


@define(eq=False)
class Workers:
    """Everything that changes while a run's workers work is in here.

    `ended` is told each session that came to its end, `following` what happens in all of them and
    how many go on; `begun` is on the monotonic clock, in seconds.
    """

    plan: Plan
    beginning: Beginning
    recorder: Recorder
    ended: Callable[[State], object]
    handed_on: Message
    following: Following | None
    planned: Mapping[str, tuple[Session, TestCase]] = Factory(
        lambda self: {one.id: (one, case) for one, case in sessions_planned(self.plan)},
        takes_self=True,
    )
    rates: Rates = Factory(lambda self: _rates(self.plan), takes_self=True)
    begun: float = 0.0
    held: dict[str, float] = Factory(dict[str, float])  # models, until when
    directory: Path = Path()
    header: Message = Factory(Message)
    queue: SimpleQueue[Heard | Signalled] = Factory(SimpleQueue["Heard | Signalled"])
    workers: list[Worker] = Factory(list[Worker])
    states: dict[str, State] = Factory(dict[str, State])
    enough: str = ""
    signal: str | None = None
    until: float = 0.0  # when those that were told to stop are killed
    stuck: tuple[str, ...] = ()

    def gather(self) -> None:
        """Start the processes, and wait until each of them could begin."""
        todo = [one for one in self.planned if one not in self.beginning.whole]
        settings = self.plan.settings
        number = min(settings.processes, settings.concurrency, len(todo))
        for at, sessions in enumerate(shards(todo, number)):
            at_once = part(settings.concurrency, at, number)
            self.workers.append(
                Worker(set(sessions), at_once, started(self.queue.put, self.plan.home))
            )
        for worker in self.workers:
            self._hand_on(worker, self.beginning)
        while not all(worker.ready for worker in self.workers):
            self._take(self._next())

    def converse(self, directory: Path, header: Header) -> tuple[State, ...]:
        """Let them work in the run's directory, until all sessions have ended; states in order.

        Raises `RunInterrupted` with all of them where a signal came, and what one of them raised.
        """
        self.directory, self.header = directory, record_to_plain(header)
        self.begun = monotonic()
        self.states = {
            name: self.beginning.resumed[name].step.state for name in self.beginning.whole
        }
        try:
            with first_signal(lambda name: self.queue.put(Signalled(name))):
                for worker in self.workers:
                    self._begin(worker)
                while not all(worker.done for worker in self.workers):
                    self._take(self._next())
        except KeyboardInterrupt as error:  # the second
            self.kill()
            raise RunInterrupted(self._all(), signal_of(error), self.stuck) from error
        if self.signal is not None:
            raise RunInterrupted(self._all(), self.signal, self.stuck)
        return self._all()

    def kill(self) -> None:
        """Give nobody any more time."""
        for worker in self.workers:
            worker.process.kill()

    def close(self) -> None:
        """Wait until all of them have ended."""
        for worker in self.workers:
            worker.process.close()

    def _next(self) -> Heard | Signalled:
        """Wait for what comes, and for signals; who does not stop in time is killed."""
        while True:
            more = self.rates.give(monotonic()) - monotonic()
            with suppress(Empty):
                return self.queue.get(timeout=max(0.0, min(WAKING, more)))
            if self.signal is not None and monotonic() > self.until:
                self.kill()

    def _take(self, heard: Heard | Signalled) -> None:
        if isinstance(heard, Signalled):
            self._stop(heard.signal)
            return
        for worker in self.workers:
            if worker.process is heard.process:
                self._from(worker, heard.said)

    def _from(self, worker: Worker, said: Message | Gone) -> None:
        if isinstance(said, Gone):
            self._gone(worker, said)
            return
        match said:
            case {"kind": "ready"}:
                worker.ready = True
                if self.header:
                    self._begin(worker)
            case {"kind": "ended", "ended": ended, "record": record, "cut": cut}:
                worker.lost = 0
                told = cast("Ended", record_from_plain(ended))
                worker.sessions.discard(told.session)
                self._end(self._state(told), record_from_job(record), cut=cut)
            case {"kind": "tally", "usage": usage, "turns": turns}:
                self._spend(Tally(Usage(**usage), turns))
            case {"kind": "limit"}:
                self._pass_on(said, worker)
            case {"kind": "ask", "leave": leave}:
                self.rates.ask(Leave(**leave), worker.process.give)
            case {"kind": "count", "leave": leave, "tokens": tokens}:
                self.rates.count(Leave(**leave), tokens)
            case {"kind": "done", "signal": signal, "threads": threads}:
                self._done(worker)
                self.stuck += tuple(threads)
                if signal is not None and self.signal is None:
                    self._stop(signal)  # somebody has sent it to the worker alone
            case {"kind": "refused", "problems": problems}:
                raise InvalidSpec([Problem(**one) for one in problems])
            case {"kind": "broke", "journal": journal, "words": words, "trace": trace}:
                error = JournalError(words) if journal else WorkerLost(words)
                error.add_note(f"in a worker process: {trace}")
                raise error
            case _:
                raise WorkerLost(f"a worker process says what nobody knows: {said!r:.80}")

    def _started(self) -> Process:
        return started(self.queue.put, self.plan.home)

    def _hand_on(self, worker: Worker, beginning: Beginning) -> None:
        worker.say(
            "job", **job_of(self.plan, beginning, frozenset(worker.sessions), self.handed_on)
        )

    def _begin(self, worker: Worker) -> None:
        worker.say(
            "go",
            directory=str(self.directory),
            header=self.header,
            seconds=monotonic() - self.begun,
            concurrency=worker.concurrency,
            parts=self._at_work(),
        )
        if self.enough:
            worker.say("enough", detail=self.enough)
        for model, until in self.held.items():
            if until > monotonic():
                worker.say("limit", model=model, what="held", seconds=until - monotonic())

    def _state(self, told: Ended) -> State:
        session, case = self.planned[told.session]
        return State(case, session, told.phase, told.more, told.verdicts)

    def _end(self, state: State, record: Record, *, cut: bool = False) -> None:
        name = state.session.id
        if name in self.states:
            return
        self.states[name], self.recorder.records[name] = state, record
        if not cut:
            self.ended(state)

    def _spend(self, tally: Tally) -> None:
        self.recorder.add(tally)
        if self.following is not None:
            self.following(tally, sum(one.running for one in self.workers))
        why = self.plan.budget.used_up(self.recorder.spent, 0.0)  # the seconds they know themselves
        if why is not None and not self.enough:
            self.enough = why.detail
            for worker in self.workers:
                worker.say("enough", detail=self.enough)

    def _pass_on(self, said: Message, from_: Worker) -> None:
        until = monotonic() + said["seconds"]
        self.held[said["model"]] = max(until, self.held.get(said["model"], until))
        for worker in self.workers:
            if worker is not from_:
                worker.say(**said)

    def _stop(self, signal: str) -> None:
        self.signal, self.until = signal, monotonic() + STOPPING
        for worker in self.workers:
            worker.say("stop", signal=signal)

    def _gone(self, worker: Worker, gone: Gone) -> None:
        if self.signal is not None:
            worker.done = True
        if worker.done:
            return
        worker.lost += 1
        if not self.header:
            raise WorkerLost(f"a worker process ended before it could begin: {gone}")
        if worker.lost == MOST_LOST:
            what = f"a worker process ended {MOST_LOST} times before any of its sessions: {gone}"
            run = as_seen(self.directory)
            raise WorkerLost(f"{what}; what is recorded is kept: convsim resume {run}")
        self._replace(worker)

    def _replace(self, worker: Worker) -> None:
        """Have another process go on, with what is not recorded as ended."""
        worker.process.close()
        journal = load_journal(self.directory)
        check = self.beginning.check
        beginning = going_on(self.plan, journal, check=check, only=worker.sessions)
        for name in beginning.whole:
            self._end(beginning.resumed[name].step.state, beginning.records[name])
        worker.sessions -= self.states.keys()
        if not worker.sessions:
            self._done(worker)
            return
        worker.process = self._started()
        self._hand_on(worker, beginning)

    def _done(self, worker: Worker) -> None:
        """What it had of the limits is for the others."""
        worker.done = True
        for each in self.workers:
            each.say("parts", parts=self._at_work())

    def _at_work(self) -> int:
        return max(1, sum(not worker.done for worker in self.workers))

    def _all(self) -> tuple[State, ...]:
        """Every session in order; those of a process that did not stop in time as cancelled."""
        rules = {one.case.id: one.rules for one in self.plan.cases}
        why = Interrupted("cancelled", self.signal or "SIGINT")
        return tuple(
            self.states.get(name) or Planned(rules[case.id], case, session).cut(why)
            for name, (session, case) in self.planned.items()
        )


def _rates(plan: Plan) -> Rates:
    return Rates(Minute(plan.settings.rpm, plan.settings.tpm))
