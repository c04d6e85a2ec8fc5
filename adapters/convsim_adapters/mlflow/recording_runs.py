"""A run of the command in MLflow: an MLflow run with traces, parameters, metrics and a table."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, cast

from attrs import define, evolve, field, frozen
from mlflow.tracking import MlflowClient

from convsim_adapters.mlflow.exporting import with_spans_of
from convsim_adapters.mlflow.identities import identity_of
from convsim_adapters.mlflow.made import Destination
from convsim_adapters.mlflow.projecting import Projection, projecting
from convsim_adapters.mlflow.runs import log_results, run_of
from convsim_adapters.mlflow.scoring import score, scorers_of
from convsim_adapters.mlflow.vendor import use_store
from convsim_adapters.mlflow.writing import Projected
from convsim_adapters.running.beginnings import FRESH, Beginning
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.public import public_settings
from convsim_adapters.running.recording import Watch
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import CallAgent, thaw
from convsim_fp.core.envelope import Entry

__all__ = ["MlflowRun", "recording"]

KEY_BYTES = 8


@define
class MlflowRun:
    """What the command carries out a plan with, so that MLflow has it too."""

    uri: str
    experiment: str | None
    plan: Plan
    beginning: Beginning
    projection: Projection
    scorers: tuple[Any, ...]
    _end: Callable[[], Projected]
    _where: list[Destination]
    projected: Projected | None = None
    trouble: str | None = None
    unscored: str | None = None
    scores: dict[str, float] = field(factory=dict[str, float])

    def more(self) -> dict[str, Any]:
        """What `execute` is told beside."""
        return {"beginning": self.beginning, "around": self.projection.around}

    def beside(self, watch: Watch) -> Watch:
        """A watch that tells MLflow, and then another."""
        return _Both(self, watch)

    def finished(self, result: SessionResult) -> None:
        """Take in a session that has ended."""
        case = next(one.case for one in self.plan.cases if one.case.id == result.case_id)
        expected = cast("Mapping[str, object]", thaw(case.expectations))
        self.projection.finished(result, expected)

    def end(self, run: Run) -> None:
        """Wait until it is written, and write what the run came to; never raises."""
        self.projected = projected = self._end()
        self.trouble = projected.trouble
        if projected.unwritten or not self._where:
            return
        run_id, now = str(self._where[0].run_id), int(time.time() * 1000)
        status = "FINISHED" if run.interrupted is None else "KILLED"
        logged = _trouble_of(lambda: log_results(MlflowClient(), run_id, run, now))
        self.unscored = _trouble_of(lambda: self._score(projected, run_id))
        ended = _trouble_of(lambda: MlflowClient().set_terminated(run_id, status))
        self.trouble = projected.trouble or logged or ended

    def _score(self, projected: Projected, run_id: str) -> None:
        if self.scorers:
            self.scores = score(projected.traces.values(), self.scorers, run_id)

    @property
    def run_id(self) -> str | None:
        """The MLflow run, where one could be made."""
        return self._where[0].run_id if self._where else None


def _trouble_of(write: Callable[[], object]) -> str | None:
    """Why something could not be written; the run is whole, whatever MLflow has."""
    try:
        write()
    except Exception as error:  # noqa: BLE001  see above
        return f"{type(error).__name__}: {error}".partition("\n")[0][:300]
    return None


@frozen
class _Both:
    first: MlflowRun
    then: Watch

    def entry(self, entry: Entry) -> None:
        self.first.projection.sink(entry)
        self.then.entry(entry)

    def finished(self, result: SessionResult) -> None:
        self.first.finished(result)
        self.then.finished(result)


@contextmanager
def recording(
    uri: str, experiment: str | None, scorers: Sequence[str], plan: Plan, out: Path | None
) -> Generator[MlflowRun]:
    """A plan on its way into MLflow. Raises `InvalidSpec` for a scorer that there is none of.

    MLflow itself may be down: what it does not take waits, and is counted at the end.
    """
    found = scorers_of(scorers)
    use_store(uri)
    key = token_hex(KEY_BYTES)
    where: list[Destination] = []
    told = public_settings(plan)
    agent = "" if plan.agent is None else plan.agent.name

    def destination() -> Destination:
        where.append(with_spans_of(agent, run_of(key, out, told, experiment)))
        return where[0]

    with projecting(key, destination) as (projection, end):
        beginning = evolve(FRESH, key=key)
        yield MlflowRun(
            uri, experiment, _telling(plan, key), beginning, projection, found, end, where
        )


def _telling(plan: Plan, key: str) -> Plan:
    """The plan whose agent, where it is elsewhere, is told the trace that its spans belong to."""
    agent = plan.agent
    if agent is None or not agent.address:
        return plan

    def headers_of(request: CallAgent) -> Mapping[str, str]:
        told = identity_of(key, request.session.id, request.id.turn)
        return {"traceparent": told.traceparent}

    return evolve(plan, agent=evolve(agent, headers_of=headers_of))
