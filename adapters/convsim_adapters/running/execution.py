"""A plan carried out: recorded as it goes, and summed up at its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from time import monotonic

from attrs import Factory, asdict, evolve, field, frozen

from convsim_adapters.hiding import hiding_logs
from convsim_adapters.journal_files import (
    JournalWriter,
    RunInUse,
    clear_unstarted,
    extent_of,
    journal_writer,
    locked,
)
from convsim_adapters.running.agents import ChosenAgent
from convsim_adapters.running.beginnings import FRESH, Beginning
from convsim_adapters.running.headers import header_of
from convsim_adapters.running.hidden import hidden, hiding
from convsim_adapters.running.opening import ports_of
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.public import public_settings, secrets_of
from convsim_adapters.running.recording import Recorder
from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.run_files import RunFiles
from convsim_fp.core import Rules, Session, State, TestCase, new_session
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import (
    APerform,
    Around,
    Budget,
    Entry,
    RunInterrupted,
    Sink,
    converse_all,
    no_sink,
)

__all__ = ["SimulationInterrupted", "execute", "run_directory", "sessions_planned"]

RUNS = Path("runs")
KEY_BYTES = 8


def unchanged(perform: APerform) -> APerform:
    """Nothing around it."""
    return perform


class SimulationInterrupted(RunInterrupted):
    """Ctrl-C or SIGTERM ended a simulation; `run` holds every session, the unfinished as cancelled.

    What was finished is in the files of the run, too.
    """

    def __init__(self, run: Run, cause: RunInterrupted) -> None:
        self.run = run
        super().__init__(cause.states, cause.signal)
        self.threads = cause.threads


def execute(
    plan: Plan,
    *,
    out: str | Path | None = None,
    save: bool = True,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
    beginning: Beginning = FRESH,
    around: Around = unchanged,
) -> Run:
    """Carry out a plan; the second half of `simulate`, and of what goes on from a journal.

    `around` is composed around what performs a request, below what hides and records.
    """
    if plan.agent is None:
        raise InvalidSpec([Problem("agent", "is missing; say whom to talk to")])
    began, begun = datetime.now(UTC), monotonic()
    recorder = Recorder(sink, dict(beginning.records))
    if not save:
        return _Conduct(plan, plan.agent, beginning, recorder, begun, finished, around).run()
    files = RunFiles(run_directory(out, began), _header(plan, began, beginning))
    with _kept(files, plan, beginning, began) as journal:
        conduct = _Conduct(
            plan, plan.agent, beginning, recorder, begun, finished, around, files, journal
        )
        try:
            return conduct.run()
        except RunInterrupted:
            raise
        except BaseException as error:
            files.broken(f"{type(error).__name__} stopped it", ended=_stamp(datetime.now(UTC)))
            raise


@frozen
class _Conduct:
    """One run from its first request to its result."""

    plan: Plan
    agent: ChosenAgent
    beginning: Beginning
    recorder: Recorder
    begun: float
    tell: Callable[[SessionResult], object] | None
    inner: Around
    files: RunFiles | None = None
    journal: JournalWriter | None = None
    secrets: tuple[str, ...] = field(
        default=Factory(lambda self: secrets_of(self.plan), takes_self=True), repr=False
    )

    def run(self) -> Run:
        """Converse, and sum up; `SimulationInterrupted` has the run of what a signal ended."""
        try:
            with hiding_logs(self.secrets):
                states = self.converse()
            return self.ended(states)
        except RunInterrupted as error:
            raise SimulationInterrupted(self.ended(error.states, error.signal), error) from error

    def converse(self) -> tuple[State, ...]:
        """All sessions, from where they begin."""
        settings = self.plan.settings
        rules = {one.case.id: one.rules for one in self.plan.cases}

        def rules_of(case: TestCase) -> Rules:
            return rules[case.id]

        return converse_all(
            [one.case for one in self.plan.cases],
            rules_of,
            ports_of(self.plan, self.agent, self.may_go_on),
            trials=settings.trials,
            seed=settings.seed,
            concurrency=settings.concurrency,
            sink=self.take,
            finished=self.finish,
            budget=self.plan.budget,
            resumed=self.beginning.resumed,
            around=self.around,
        )

    def around(self, perform: APerform) -> APerform:
        """What every request goes through."""
        performed = hiding(self.inner(perform), self.secrets)
        return performed if self.journal is None else self.journal.durable(performed)

    def may_go_on(self) -> bool:
        """Whether a call that failed may be tried again."""
        seconds = monotonic() - self.begun
        return self.plan.budget.used_up(self.recorder.spent, seconds) is None

    def take(self, entry: Entry) -> None:
        """Record an entry before it is acted on."""
        if self.journal is not None:
            self.journal.entry(entry)
        self.recorder.sink(entry)

    def finish(self, state: State) -> None:
        """Record how a session ended, unless it had before."""
        if state.session.id in self.beginning.whole:
            return
        state = hidden(state, self.secrets)
        if self.journal is not None:
            self.journal.ended(state)
        if self.tell is not None:
            self.tell(self.recorder.result(state))

    def ended(self, states: Sequence[State], interrupted: str | None = None) -> Run:
        """The result; what was cut short is recorded as such."""
        told = tuple(hidden(state, self.secrets) for state in states)
        if self.journal is not None:
            self.journal.cut(told)
        results = tuple(self.recorder.result(state) for state in told)
        directory = None if self.files is None else self.files.directory
        run = Run(results, directory, monotonic() - self.begun, interrupted)
        run = evolve(run, doubts=tuple(_blind_budgets(self.plan.budget, run)))
        if self.files is None:
            return run
        return self.files.end(run, ended=_stamp(datetime.now(UTC)))


@contextmanager
def _kept(
    files: RunFiles, plan: Plan, beginning: Beginning, began: datetime
) -> Generator[JournalWriter]:
    """The files of a run, under its lock: made, or gone on with."""
    files.make(new=not beginning.goes_on)
    header = header_of(
        plan, files.directory.name, _stamp(began), beginning.key or token_hex(KEY_BYTES)
    )
    with locked(files.directory):
        _check_still_so(files, beginning)
        durability = plan.settings.durability
        with journal_writer(files.directory, header, durability=durability) as journal:
            files.begin()
            _list_sessions(journal, plan, beginning)
            yield journal


def _check_still_so(files: RunFiles, beginning: Beginning) -> None:
    """Whether nobody wrote before the lock was held: what is recorded is not asked again."""
    if not beginning.goes_on:
        files.make(new=True)
        clear_unstarted(files.directory)
    elif extent_of(files.directory) != beginning.extent:
        what = "was gone on with by another process just now; look at it, and start this again"
        raise RunInUse(f"{files.directory} {what}")


def _list_sessions(journal: JournalWriter, plan: Plan, beginning: Beginning) -> None:
    """Record every session that is not whole, before the first of them begins."""
    snapshots = {one.snapshot.digest: one.snapshot for one in beginning.origins.values()}
    for snapshot in snapshots.values():
        journal.write(snapshot)
    for discarded in beginning.discarded:
        journal.write(discarded)
    for session, case in sessions_planned(plan):
        if session.id not in beginning.whole:
            origin = beginning.origins.get(session.id)
            if origin is None:
                journal.begin(session, case)
            else:
                journal.begin(session, case, origin.snapshot, origin.parent)


def sessions_planned(plan: Plan) -> Iterator[tuple[Session, TestCase]]:
    """The sessions of a plan in order, each with its case."""
    settings = plan.settings
    for one in plan.cases:
        for trial in range(1, settings.trials + 1):
            yield new_session(str(one.case.id), trial, settings.seed), one.case


def _blind_budgets(budget: Budget, run: Run) -> Iterator[str]:
    """The budgets that did not see all that was spent."""
    usage = run.usage  # what was given up before it came may be unknown, and is told as wasted
    for name, limit, unknown, what in (
        ("max_cost", budget.cost, usage.unpriced, "cost is"),
        ("max_tokens", budget.tokens, usage.uncounted, "tokens are"),
    ):
        blind = unknown - usage.wasted
        if limit is not None and blind > 0:
            yield f"{name} did not see {blind} of the answers of models: their {what} unknown"


def run_directory(out: str | Path | None, began: datetime | None = None) -> Path:
    """Where a run is recorded: `out`, or a directory of its own named for when it began."""
    began = datetime.now(UTC) if began is None else began
    if out is not None:
        return Path(out)
    return RUNS / f"{began.astimezone():%Y%m%d-%H%M%S}-{token_hex(2)}"


def _header(plan: Plan, began: datetime, beginning: Beginning) -> dict[str, object]:
    parent = next(iter(beginning.origins.values()), None)
    return {
        "format": 1,
        "convsim": version("convsim-fp"),
        "began": _stamp(began),
        "cases": [one.case.id for one in plan.cases],
        "settings": public_settings(plan),
        "parent": None if parent is None else asdict(parent.parent),
    }


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
