"""One `simulate()` of the drop-in: planned, carried out by our machine, on its way into MLflow."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from attrs import define, evolve
from mlflow.entities import Trace, TraceInfo
from mlflow.tracking import MlflowClient

from convsim_adapters.journal_files import has_journal, load_journal
from convsim_adapters.mlflow import cases
from convsim_adapters.mlflow.made import Destination
from convsim_adapters.mlflow.names import session_name
from convsim_adapters.mlflow.predicting import name_of_function, predict_port, unwrapped
from convsim_adapters.mlflow.progress import Progress
from convsim_adapters.mlflow.projecting import Projection, projecting
from convsim_adapters.mlflow.recorded import missing_turns, session_made
from convsim_adapters.mlflow.runs import log_results
from convsim_adapters.mlflow.settings import judge_settings, user_settings
from convsim_adapters.mlflow.stored import StoredTurns, read_traces, stored_turns
from convsim_adapters.mlflow.users import SimulatedUserAgent, UserAgents, user_port
from convsim_adapters.mlflow.vendor import environment
from convsim_adapters.mlflow.writing import Projected
from convsim_adapters.running.agents import OwnPorts
from convsim_adapters.running.beginnings import FRESH, Beginning
from convsim_adapters.running.execution import SimulationInterrupted, execute
from convsim_adapters.running.plans import Plan, Settings, make_plan
from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.resuming import resumption
from convsim_fp import users
from convsim_fp.core import CallAgent
from convsim_fp.journal import Journal

if TYPE_CHECKING:
    from convsim_adapters.mlflow.simulator import ConversationSimulator

__all__ = ["Simulation"]

KEY_BYTES = 8
RETRIES = 3

log = logging.getLogger("convsim")

Call = tuple[object, object]


@define
class Simulation:
    """A simulation that could begin: `go` holds its conversations, `sessions` has the results."""

    key: str
    records: tuple[dict[str, Any], ...]
    plan: Plan
    beginning: Beginning
    journal: Journal
    directory: Path | None
    name: str
    calls: dict[tuple[str, int], Call]
    users_made: UserAgents | None = None
    sessions: tuple[SessionResult, ...] = ()

    @classmethod
    def of(
        cls, simulator: ConversationSimulator, predict_fn: Callable[..., Any], workers: int
    ) -> Simulation:
        """Plan it. Raises `InvalidSpec` for what no run could begin with."""
        records: tuple[dict[str, Any], ...] = simulator.records
        directory = simulator.journal
        resumes = directory is not None and has_journal(directory)
        journal = load_journal(directory) if resumes and directory is not None else Journal()
        calls: dict[tuple[str, int], Call] = {}
        keys: list[str] = []
        users_made = _user_agents(simulator, records)
        agent = _agent(predict_fn, records, calls, lambda: keys[0], users_made)
        plan = make_plan(
            [cases.test_case_of(record, index) for index, record in enumerate(records)],
            agent,
            _settings(simulator, workers),
        )
        beginning = _resumed(plan, directory) if journal.started and directory else FRESH
        keys.append(beginning.key or token_hex(KEY_BYTES))
        if directory is not None:
            _tell_of_live_contexts(records, directory)
        beginning = evolve(beginning, key=keys[0])
        name = name_of_function(predict_fn)
        return cls(keys[0], records, plan, beginning, journal, directory, name, calls, users_made)

    def go(self, run_id: str) -> list[list[Trace]]:
        """Hold the conversations, and give the traces of each test case."""
        where = Destination(run_id=run_id, name=self.name)
        progress = Progress(len(self.records))
        try:
            with projecting(self.key, lambda: where) as (projection, end):
                projection.calls = self.calls
                stored = self._go_on(projection)
                try:
                    # An empty context, as a thread of a pool has: no span of the caller's is open.
                    run = Context().run(self._execute, projection, progress, stored)
                finally:
                    projected = end()
            self._tell(run, run_id, projected)
        finally:
            progress.close()
        return self._traces(projected, stored, run_id)

    def _execute(
        self, projection: Projection, progress: Progress, stored: Mapping[str, StoredTurns]
    ) -> Run:
        def finished(result: SessionResult) -> None:
            there = [info for infos in stored.get(result.id, {}).values() for info in infos]
            projection.finished(result, self._expectations(result.id), there)
            _tell_of_failures(result)
            if self.users_made is not None:
                self.users_made.forget(result.id)
            progress.finished()

        def sink(entry: Any) -> None:
            projection.sink(entry)
            progress.entry(entry)

        try:
            run = execute(
                self.plan,
                out=self.directory,
                save=self.directory is not None,
                sink=sink,
                finished=finished,
                beginning=self.beginning,
                around=projection.around,
            )
        except SimulationInterrupted as error:
            self.sessions = error.run.sessions
            raise
        self.sessions = run.sessions
        return run

    def _go_on(self, projection: Projection) -> Mapping[str, StoredTurns]:
        """What a recorded run has left: stored traces, and turns that have none."""
        if not self.journal.sessions:
            return {}
        stored = stored_turns(self.key)
        for recorded in self.journal.sessions:
            there = stored.get(recorded.session.id, {})
            if recorded.session.id in self.beginning.whole:
                projection.put(session_made(self.key, recorded, there))
            else:
                projection.turns[recorded.session.id] = list(missing_turns(recorded, there))
        return stored

    def _expectations(self, session: str) -> Mapping[str, object]:
        record = self.records[_index(session.rpartition("/")[0])]
        found: Mapping[str, object] | None = record.get("expectations")
        return {} if found is None else found

    def _tell(self, run: Run, run_id: str, projected: Projected) -> None:
        for words in projected.refused:
            log.warning("MLflow would not store the trace %s", words)
        if projected.untraced:
            what = "%d turns left no trace, since tracing is disabled, or only some are sampled"
            log.warning(what, projected.untraced)
        if projected.unwritten:
            later = "" if self.directory is None else f"; convsim export --mlflow {self.directory}"
            what = "%d of %d traces are not in MLflow: %s%s"
            made = projected.written + projected.unwritten
            log.warning(what, projected.unwritten, made, projected.trouble, later)
        try:
            log_results(MlflowClient(), run_id, run, int(time.time() * 1000), joins=True)
        except Exception as error:  # noqa: BLE001  the result is whole, whatever MLflow has
            words = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
            log.warning("MLflow did not take the run's figures and table: %s", words)

    def _traces(
        self, projected: Projected, stored: Mapping[str, StoredTurns], run_id: str
    ) -> list[list[Trace]]:
        found: list[list[Trace]] = []
        for index in range(len(self.records)):
            session = f"case-{index}/1"
            infos = [info for turn in stored.get(session, {}).values() for info in turn]
            before = _linked(infos, run_id)
            both = (*before, *projected.traces.get(session, ()))
            found.append(sorted(both, key=lambda trace: trace.info.request_time))
        return found


def _agent(
    predict_fn: Callable[..., Any],
    records: tuple[dict[str, Any], ...],
    calls: dict[tuple[str, int], Call],
    key: Callable[[], str],
    user: UserAgents | None,
) -> OwnPorts:
    def context(request: CallAgent) -> dict[str, Any]:
        return cases.live_context(records[_index(request.case.id)])

    def session(name: str) -> str:
        return session_name(key(), name)

    def noted(request: CallAgent, inputs: object, outputs: object) -> None:
        calls[request.session.id, request.id.turn] = (inputs, outputs)

    port = predict_port(predict_fn, context=context, session=session, noted=noted)
    timed = unwrapped(predict_fn) is not predict_fn
    timeout = float(environment("MLFLOW_GENAI_EVAL_ASYNC_TIMEOUT")) if timed else None
    return OwnPorts(port, user, _qualified(predict_fn), timeout)


def _user_agents(
    simulator: ConversationSimulator, records: tuple[dict[str, Any], ...]
) -> UserAgents | None:
    """The users of somebody's own class, one for each conversation; None where a model plays."""
    if simulator.user_agent_class is SimulatedUserAgent:
        return None
    params = simulator.user_llm_params
    make = partial(simulator.user_agent_class, model=simulator.user_model, **params)
    return user_port(make, records)


def _settings(simulator: ConversationSimulator, workers: int) -> Settings:
    own_user = simulator.user_agent_class is not SimulatedUserAgent
    uri, params = simulator.user_model, simulator.user_llm_params
    models = {} if own_user else user_settings(uri, params)
    if simulator.goal_check is None:
        models |= judge_settings(simulator.goal_model or uri, params)
    return Settings(
        user=users.delegated() if own_user else None,
        goal_check=simulator.goal_check,
        on_goal_check_failure=simulator.on_goal_check_failure,
        max_turns=simulator.max_turns,
        concurrency=workers,
        overlap=simulator.overlap,
        retries=RETRIES,
        **models,
    )


def _index(case_id: str | None) -> int:
    return int(str(case_id).removeprefix("case-"))


def _qualified(predict_fn: Callable[..., Any]) -> str:
    name = getattr(predict_fn, "__qualname__", None) or type(predict_fn).__qualname__
    return f"{getattr(predict_fn, '__module__', '')}:{name}"


def _resumed(plan: Plan, directory: Path) -> Beginning:
    how = "give the test cases and settings as they were, or another directory as journal"
    return resumption(plan, directory, how=how)


def _linked(infos: Sequence[TraceInfo], run_id: str) -> tuple[Trace, ...]:
    """Traces of an earlier part of a run, as the new run of MLflow has them, too."""
    if not infos:
        return ()
    try:
        MlflowClient().link_traces_to_run([info.trace_id for info in infos], run_id)
        return read_traces(infos)
    except Exception as error:  # noqa: BLE001  as above
        log.warning("traces of before cannot be read back: %s", str(error).partition("\n")[0][:300])
        return ()


def _tell_of_failures(result: SessionResult) -> None:
    """Log what broke a conversation, and a judge that did not work, as MLflow's users expect it."""
    for turn, verdict in enumerate(result.verdicts, start=1):
        if verdict.failed:
            what = "%s, turn %d: the goal check failed, which counts as not achieved: %s"
            log.warning(what, result.id, turn, verdict.rationale)
    if result.failed:
        log.error("%s (%.80s) ended: %s", result.id, result.goal, result.why)


def _tell_of_live_contexts(records: tuple[dict[str, Any], ...], directory: Path) -> None:
    live = [index for index, record in enumerate(records) if not cases.resumable(record)]
    if live:
        what = (
            "test cases %s have a context that is not JSON: it is not recorded, so %s goes on only "
            "with a simulator that is given these test cases again"
        )
        log.warning(what, live, directory)
