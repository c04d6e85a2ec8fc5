"""What a worker process does: its share of a run's sessions, in a segment of its own.

It hears the run on its standard input and answers on its standard output, both of which it first
takes for itself. When nobody speaks to it any more the run is dead, and it ends at once, as if it
had been killed too: what it has written is all that counts.
"""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import traceback
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any, cast

from attrs import Factory, asdict, define, frozen

from convsim_adapters.hiding import secrets_of_environment, without_secrets
from convsim_adapters.journal_files import held, journal_writer
from convsim_adapters.limits import Leave, SharedMinute, Sharing, Signal
from convsim_adapters.running.agents import ChosenAgent
from convsim_adapters.running.conduct import Conduct, Share, list_sessions
from convsim_adapters.running.jobs import Job, read_job, record_of_job
from convsim_adapters.running.opening import ports_of
from convsim_adapters.running.pipes import Message, Pipe, messages
from convsim_adapters.running.public import secrets_of
from convsim_adapters.running.recording import Record, Recorder, Tally
from convsim_fp.core import Interrupted, State
from convsim_fp.errors import InvalidSpec, JournalError
from convsim_fp.interpreters import APerform, Budget, Entry, RunInterrupted, Spent
from convsim_fp.journal import Header, Known, ended, record_from_plain, record_to_plain

__all__ = ["main"]

EVERY = 0.05  # seconds between two words of what was spent
LEAST = 1e-9  # seconds; a budget is above 0


def main() -> None:
    """Work for the run that has started this process, and speaks to it."""
    heard, said = _taken()
    worker = _Worker(Pipe(said))
    Thread(target=worker.listen, args=(heard,), name="convsim listening", daemon=True).start()
    worker.work()


def _taken() -> tuple[int, int]:
    """Standard input and output for ourselves; what agents print goes to standard error."""
    heard, said = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    stdout = sys.stdout
    if isinstance(stdout, TextIOWrapper):
        stdout.reconfigure(line_buffering=True)
    return heard, said


@frozen(kw_only=True)
class _Rest(Budget):
    """What is left of a budget that the processes of a run share.

    Only the run knows what all of them have spent, and says when it is `enough`; its `seconds` had
    begun before.
    """

    whole: Budget
    gone: float
    enough: Callable[[], Interrupted | None]

    def used_up(self, spent: Spent, seconds: float) -> Interrupted | None:
        """As the whole budget says it."""
        del spent  # by one of several
        return self.enough() or self.whole.used_up(Spent(), self.gone + seconds)

    def out_of_time(self) -> Interrupted:
        """As the whole budget says it."""
        return self.whole.out_of_time()


@define(eq=False)
class _Worker:
    """Everything that changes while a worker works is in here."""

    pipe: Pipe
    words: SimpleQueue[Message] = Factory(SimpleQueue[Message])
    conversing: Event = Factory(Event)
    enough: Interrupted | None = None
    sharing: Sharing = Factory(
        lambda self: Sharing(tell=lambda signal: self.say("limit", **asdict(signal))),
        takes_self=True,
    )
    recorder: Recorder = Factory(Recorder)
    tally: Tally = Factory(Tally)
    due: bool = False
    counting: bool = False  # what is spent, so that all stop in time
    told: set[str] = Factory(set[str])
    secrets: tuple[str, ...] = Factory(lambda: (*secrets_of_environment(os.environ),))

    def listen(self, file: int) -> None:
        """Take in what the run says; when it says no more, it is dead."""
        for message in messages(file):
            match message:
                case {"kind": "enough", "detail": detail}:
                    self.enough = Interrupted("budget", detail)
                case {"kind": "limit", "model": model, "what": what, "seconds": seconds}:
                    self.sharing.hear(Signal(model, what, seconds))
                case {"kind": "leave", "leave": leave}:
                    self.sharing.given(Leave(**leave))
                case {"kind": "parts", "parts": parts}:
                    self.sharing.share(parts)
                case {"kind": "stop", "signal": name}:
                    Thread(target=self._stop, args=(name,), daemon=True).start()
                case _:
                    self.words.put(message)
        os._exit(1)

    def work(self) -> None:
        """Make the plan again, and carry out what is ours of it."""
        try:
            job = self._prepared()
            if job is not None:
                self.say("ready")
                self._carry_out(job, self.words.get())
        except BaseException as error:  # noqa: BLE001  the run raises it
            self._broke(error)

    def say(self, kind: str, **told: Any) -> None:
        """Tell the run something; may be called by any thread."""
        try:
            self.pipe.say(kind, **told)
        except OSError:  # nobody reads it: the run is dead
            os._exit(1)

    def _prepared(self) -> Job | None:
        try:
            job = read_job(self.words.get())
            self.secrets = secrets_of(job.plan)
            ports_of(job.plan, cast("ChosenAgent", job.plan.agent), bool)  # is all installed?
        except InvalidSpec as error:
            self.say("refused", problems=[asdict(one) for one in error.problems])
            return None
        return job

    def _carry_out(self, job: Job, go: Message) -> None:
        plan, header = job.plan, cast("Header", record_from_plain(go["header"]))
        budget = self._budget(plan.budget, go["seconds"])
        self.counting = (plan.budget.cost, plan.budget.tokens) != (None, None)
        self.sharing.share(go["parts"])
        if plan.settings.rpm is not None or plan.settings.tpm is not None:
            self.sharing.minute = self._minute()
        share = Share(job.sessions, go["concurrency"], budget, self.sharing)
        self.recorder = Recorder(self._take, dict(job.beginning.records))
        durability = plan.settings.durability
        with (
            journal_writer(Path(go["directory"]), header, durability=durability) as journal,
            held(journal.path),
        ):
            list_sessions(journal, plan, job.beginning, share)
            conduct = Conduct(
                plan,
                cast("ChosenAgent", plan.agent),
                job.beginning,
                self.recorder,
                monotonic(),
                self._ended,
                self._around,
                journal,
                share,
            )
            self._converse(conduct)

    def _converse(self, conduct: Conduct) -> None:
        try:
            conduct.converse()
        except RunInterrupted as error:
            for state in error.states:
                if state.session.id not in self.told:
                    self._ended(state, cut=True)
            self._flush()
            self.say("done", signal=error.signal, threads=error.threads)
        else:
            self._flush()
            self.say("done", signal=None, threads=())

    def _minute(self) -> SharedMinute:
        return SharedMinute(
            ask=lambda leave: self.say("ask", leave=asdict(leave)),
            count=lambda leave, tokens: self.say("count", leave=asdict(leave), tokens=tokens),
        )

    def _budget(self, whole: Budget, gone: float) -> Budget:
        if whole == Budget():
            return whole
        left = None if whole.seconds is None else max(LEAST, whole.seconds - gone)
        return _Rest(seconds=left, whole=whole, gone=gone, enough=lambda: self.enough)

    def _around(self, perform: APerform) -> APerform:
        self.conversing.set()
        return perform

    def _take(self, entry: Entry) -> None:
        self.tally = self.tally.after(entry)
        if not self.due:
            self.due = True
            asyncio.get_running_loop().call_later(0 if self.counting else EVERY, self._flush)

    def _flush(self) -> None:
        tally, self.tally, self.due = self.tally, Tally(), False
        if tally != Tally():
            self.say("tally", usage=asdict(tally.usage), turns=tally.turns)

    def _ended(self, state: State, *, cut: bool = False) -> None:
        """Tell how a session ended; the transcript stands in the record of its end."""
        self.told.add(state.session.id)
        written = record_to_plain(ended(Known(), state))
        record = record_of_job(self.recorder.records.get(state.session.id, Record()))
        self.say("ended", ended=written, record=record, cut=cut)

    def _stop(self, name: str) -> None:
        """A signal to ourselves, once somebody is there who hears it."""
        self.conversing.wait()
        signal.raise_signal(signal.Signals[name])

    def _broke(self, error: BaseException) -> None:
        words = (
            str(error) if isinstance(error, JournalError) else f"{type(error).__name__}: {error}"
        )
        self.say(
            "broke",
            journal=isinstance(error, JournalError),
            words=without_secrets(words, self.secrets),
            trace=without_secrets(traceback.format_exc(), self.secrets),
        )
