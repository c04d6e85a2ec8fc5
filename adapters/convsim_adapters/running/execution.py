"""A plan carried out: recorded as it goes, and summed up at its end."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from time import monotonic

from attrs import Factory, asdict, evolve, frozen

from convsim_adapters.journal_files import (
    RunInUse,
    clear_unstarted,
    extent_of,
    journal_writer,
    locked,
)
from convsim_adapters.running.beginnings import FRESH, Beginning
from convsim_adapters.running.conduct import Conduct, list_sessions, unchanged
from convsim_adapters.running.headers import header_of
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.public import public_settings
from convsim_adapters.running.recording import Recorder, Tally
from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.run_files import RunFiles
from convsim_adapters.running.shards import sessions_planned
from convsim_fp.core import State
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Around, Budget, RunInterrupted, Sink, no_sink
from convsim_fp.journal import Header

__all__ = ["SimulationInterrupted", "execute", "run_directory", "sessions_planned"]

RUNS = Path("runs")
KEY_BYTES = 8


class SimulationInterrupted(RunInterrupted):
    """Ctrl-C or SIGTERM ended a simulation; `run` holds every session, the unfinished as cancelled.

    What was finished is in the files of the run, too.
    """

    def __init__(self, run: Run, cause: RunInterrupted) -> None:
        self.run = run
        super().__init__(cause.states, cause.signal)
        self.threads, self.args = cause.threads, cause.args  # also those in other processes


def execute(
    plan: Plan,
    *,
    out: str | Path | None = None,
    save: bool = True,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
    following: Callable[[Tally, int], object] | None = None,
    beginning: Beginning = FRESH,
    around: Around = unchanged,
) -> Run:
    """Carry out a plan; the second half of `simulate`, and of what goes on from a journal.

    `around` is composed around what performs a request, below what hides and records. Where several
    processes share the run there is neither a `sink` nor an `around`; instead `following` is told
    now and then what they did, and how many sessions go on.
    """
    if plan.agent is None:
        raise InvalidSpec([Problem("agent", "is missing; say whom to talk to")])
    told = _Told(plan, Recorder(sink, dict(beginning.records)), finished)
    if not save:
        conduct = Conduct(
            plan, plan.agent, beginning, told.recorder, told.begun, told.ended, around
        )
        return told.run(conduct.converse)
    directory = run_directory(out, told.began)
    settings = _header(plan, told.began, beginning)
    files = RunFiles(directory, settings, plan.home / directory)
    if plan.settings.processes > 1 and around is unchanged:
        if sink is not no_sink:
            raise InvalidSpec([Problem("sink", SINK)])
        return _shared(plan, beginning, told, files, following)
    with _kept(files, plan, beginning, told.began) as header:
        durability = plan.settings.durability
        with journal_writer(files.place, header, durability=durability) as journal:
            files.begin()
            list_sessions(journal, plan, beginning)
            conduct = Conduct(
                plan,
                plan.agent,
                beginning,
                told.recorder,
                told.begun,
                told.ended,
                around,
                journal,
            )
            return told.run(conduct.converse, files)


SINK = (
    "is told every entry in the process of the run, and processes is above 1: read the journal "
    "(load_journal) while it goes on, or run it with one process"
)


def _shared(
    plan: Plan,
    beginning: Beginning,
    told: _Told,
    files: RunFiles,
    following: Callable[[Tally, int], object] | None,
) -> Run:
    """Let worker processes carry it out, which are there before anything is recorded."""
    from convsim_adapters.running.sharing import gathered  # noqa: PLC0415  not for one process

    with (
        gathered(
            plan,
            beginning,
            told.recorder,
            ended=told.ended,
            following=following,
        ) as workers,
        _kept(files, plan, beginning, told.began) as header,
    ):
        durability = plan.settings.durability
        with journal_writer(files.place, header, durability=durability) as journal:
            files.begin()
            list_sessions(journal, plan, beginning)
        return told.run(lambda: workers.converse(files.place, header), files)


@frozen
class _Told:
    """What is said of a run: each session as it ends, and at last the whole."""

    plan: Plan
    recorder: Recorder
    finished: Callable[[SessionResult], object] | None
    began: datetime = Factory(lambda: datetime.now(UTC))
    begun: float = Factory(monotonic)

    def ended(self, state: State) -> None:
        """A session has come to its end."""
        if self.finished is not None:
            self.finished(self.recorder.result(state))

    def run(self, converse: Callable[[], Sequence[State]], files: RunFiles | None = None) -> Run:
        """Converse, and sum up; `SimulationInterrupted` has the run of what a signal ended."""
        try:
            return self._summed_up(converse(), files)
        except RunInterrupted as error:
            run = self._summed_up(error.states, files, error.signal)
            raise SimulationInterrupted(run, error) from error
        except BaseException as error:
            if files is not None:
                why = f"{type(error).__name__} stopped it"
                files.broken(why, ended=_stamp(datetime.now(UTC)))
            raise

    def _summed_up(
        self, states: Sequence[State], files: RunFiles | None, interrupted: str | None = None
    ) -> Run:
        results = tuple(self.recorder.result(state) for state in states)
        directory = None if files is None else files.directory
        run = Run(results, directory, monotonic() - self.begun, interrupted)
        run = evolve(run, doubts=tuple(_blind_budgets(self.plan.budget, run)))
        if files is None:
            return run
        return files.end(run, ended=_stamp(datetime.now(UTC)))


@contextmanager
def _kept(files: RunFiles, plan: Plan, beginning: Beginning, began: datetime) -> Generator[Header]:
    """The files of a run, under its lock: made, or gone on with; the header of what is recorded."""
    files.make(new=not beginning.goes_on)
    key = beginning.key or token_hex(KEY_BYTES)
    with locked(files.place):
        _check_still_so(files, beginning)
        yield header_of(plan, files.place.name, _stamp(began), key)


def _check_still_so(files: RunFiles, beginning: Beginning) -> None:
    """Whether nobody wrote before the lock was held: what is recorded is not asked again."""
    if not beginning.goes_on:
        files.make(new=True)
        clear_unstarted(files.place)
    elif extent_of(files.place) != beginning.extent:
        what = "was gone on with by another process just now; look at it, and start this again"
        raise RunInUse(f"{files.directory} {what}")


def _blind_budgets(budget: Budget, run: Run) -> Iterator[str]:
    """The budgets that did not see all that was spent."""
    usage = run.usage  # what was given up before it came may be unknown, and is told as wasted
    for name, limit, unknown, what in (
        ("max_cost", budget.cost, usage.unpriced, "cost is"),
        ("max_tokens", budget.tokens, usage.uncounted, "tokens are"),
    ):
        blind = unknown - usage.wasted
        if limit is not None and blind > 0:
            told = f"{name} did not see {blind} of the answers of models: their {what} unknown"
            yield f"{told}, so the run may have used more"


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
