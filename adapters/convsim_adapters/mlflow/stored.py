"""What MLflow's store has of a run already, so that nothing is written twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, TypeAlias

from mlflow.entities import Trace, TraceInfo
from mlflow.tracking import MlflowClient

from convsim_adapters.mlflow.names import RUN, SESSION, TURN
from convsim_adapters.mlflow.vendor import client_of_traces, mlflow

__all__ = [
    "StoredTurns",
    "add_metadata",
    "current_experiment",
    "experiment_with",
    "read_traces",
    "stored_turns",
]

PAGE = 500
StoredTurns: TypeAlias = dict[int, list[TraceInfo]]


def stored_turns(run: str) -> dict[str, StoredTurns]:
    """The traces of a run that are stored, by session and turn. Raises what MLflow raises.

    In whatever experiment: an agent may choose another one in the middle of a run.
    """
    found: dict[str, StoredTurns] = {}
    client: Any = MlflowClient()
    experiments = [one.experiment_id for one in client.search_experiments()]
    token: str | None = None
    while True:
        page = client.search_traces(
            locations=experiments,
            filter_string=f"metadata.`{RUN}` = '{run}'",
            max_results=PAGE,
            order_by=["timestamp_ms ASC"],
            page_token=token,
            include_spans=False,
        )
        for trace in page:
            told = trace.info.trace_metadata
            turns = found.setdefault(told[SESSION], {})
            turns.setdefault(int(told[TURN]), []).append(trace.info)
        token = page.token
        if not token:
            return found


def read_traces(infos: Sequence[TraceInfo]) -> tuple[Trace, ...]:
    """Read stored traces with their spans, in the order given."""
    ids = [info.trace_id for info in infos]
    if not ids:
        return ()
    read = {trace.info.trace_id: trace for trace in client_of_traces().batch_get_traces(ids)}
    return tuple(read[one] for one in ids if one in read)


def add_metadata(info: TraceInfo, told: Mapping[str, str]) -> None:
    """Add metadata to a stored trace; MLflow merges what is started anew with what is there."""
    info.trace_metadata.update(told)
    client_of_traces().start_trace(info)


def experiment_with(run: str) -> str | None:
    """The name of the experiment that has a run of ours, or traces of it; None where none has."""
    client: Any = MlflowClient()
    names = {one.experiment_id: one.name for one in client.search_experiments()}
    runs = client.search_runs([*names], f"tags.`{RUN}` = '{run}'", max_results=1)
    if runs:
        return str(names[runs[0].info.experiment_id])
    traces = client.search_traces(
        locations=[*names],
        filter_string=f"metadata.`{RUN}` = '{run}'",
        max_results=1,
        include_spans=False,
    )
    return str(names[traces[0].info.experiment_id]) if traces else None


def current_experiment() -> str:
    """The experiment that MLflow writes to: the active run's, else the one that was chosen."""
    run = mlflow.active_run()
    if run is not None:
        found: str = run.info.experiment_id
        return found
    # There is no public way to ask which experiment `set_experiment` or the environment chose.
    chosen: str | None = import_module("mlflow.tracking.fluent")._get_experiment_id()  # noqa: SLF001
    return "0" if chosen is None else chosen
