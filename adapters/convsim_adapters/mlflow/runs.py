"""What a run comes to, written on a run of MLflow: parameters, metrics, a table of its sessions."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from getpass import getuser
from pathlib import Path
from typing import Any

from mlflow.entities import Metric, Param
from mlflow.tracking import MlflowClient
from mlflow.utils.mlflow_tags import MLFLOW_SOURCE_NAME, MLFLOW_USER

from convsim_adapters.mlflow.made import Destination
from convsim_adapters.mlflow.names import TABLE
from convsim_adapters.mlflow.stored import current_experiment
from convsim_adapters.running.results import Run, SessionResult

__all__ = ["COLUMNS", "log_results", "metrics_of", "parameters_of", "run_of"]

MAX_PARAM = 500  # characters
DIGITS = 6  # after the point
RATE = "convsim.rate."
KEY_TAG, DIRECTORY_TAG = "convsim.run", "convsim.directory"

COLUMNS: Mapping[str, Callable[[SessionResult], object]] = {
    "session": lambda one: one.id,
    "stop_reason": lambda one: one.stop_reason.value,
    "turns": lambda one: one.turns,
    "why": lambda one: one.why,
    "goal": lambda one: one.goal,
    "seconds": lambda one: round(one.seconds, DIGITS),
    "cost": lambda one: one.usage.cost,
    "input_tokens": lambda one: one.usage.input_tokens,
    "output_tokens": lambda one: one.usage.output_tokens,
    "attempts": lambda one: one.usage.attempts,
    "detail": lambda one: one.detail,
}


def metrics_of(run: Run) -> dict[str, float]:
    """The figures of a run: rates from 0 to 1, seconds, tokens, US dollars; the unknown are absent.

    >>> metrics_of(Run(()))["convsim.sessions"]
    0.0
    """
    count = len(run.sessions)
    usage = run.usage
    reasons = {"goal_achieved": 0, **run.stop_reasons}
    told: dict[str, float | None] = {
        "convsim.sessions": count,
        "convsim.turns": sum(one.turns for one in run.sessions),
        "convsim.seconds": run.seconds,
        "convsim.input_tokens": usage.input_tokens,
        "convsim.output_tokens": usage.output_tokens,
        "convsim.cost": usage.cost,
        "convsim.attempts": usage.attempts,
    }
    if count:
        told["convsim.turns_per_session"] = sum(one.turns for one in run.sessions) / count
        told |= {f"{RATE}{reason}": found / count for reason, found in reasons.items()}
    return {name: round(float(value), DIGITS) for name, value in told.items() if value is not None}


def parameters_of(settings: Mapping[str, object]) -> dict[str, str]:
    """The settings of a run, as they may be written down, in the form of parameters."""
    return {
        f"convsim.{name}": text[:MAX_PARAM]
        for name, value in settings.items()
        if value not in (None, {}, [], "")
        and (text := value if isinstance(value, str) else json.dumps(value, default=str))
    }


def log_results(client: Any, run_id: str, run: Run, now: int, *, joins: bool = False) -> None:
    """Write metrics and table on a run of MLflow; `now` in milliseconds since 1970.

    A rate that it had, of a reason for which no session stops any more, is 0. The table takes the
    place of an earlier one, or `joins` it: a run of MLflow may hold several simulations.
    """
    told = metrics_of(run)
    before = client.get_run(run_id).data.metrics
    gone = dict.fromkeys((name for name in before if name.startswith(RATE)), 0.0)
    metrics = [Metric(name, value, now, 0) for name, value in {**gone, **told}.items()]
    client.log_batch(run_id, metrics=metrics)
    there = TABLE in [file.path for file in client.list_artifacts(run_id)]
    if there and not joins:
        rows = [[read(one) for read in COLUMNS.values()] for one in run.sessions]
        client.log_dict(run_id, {"columns": [*COLUMNS], "data": rows}, TABLE)
    else:
        table = {name: [read(one) for one in run.sessions] for name, read in COLUMNS.items()}
        client.log_table(run_id, table, TABLE)


def run_of(
    key: str, directory: Path | None, settings: Mapping[str, object], experiment: str | None
) -> Destination:
    """The run of MLflow that a run of ours has, found by its key; made where there is none."""
    client = MlflowClient()
    experiment_id = _experiment(client, experiment)
    found = client.search_runs([experiment_id], f"tags.`{KEY_TAG}` = '{key}'", max_results=1)
    if found:
        return Destination(experiment_id, found[0].info.run_id)
    tags = {KEY_TAG: key, MLFLOW_SOURCE_NAME: "convsim", **_user()}
    if directory is not None:
        tags[DIRECTORY_TAG] = str(directory.resolve())
    name = f"simulation-{key[:8]}" if directory is None else directory.name
    run = client.create_run(experiment_id, tags=tags, run_name=name)
    params = [Param(name, value) for name, value in parameters_of(settings).items()]
    client.log_batch(run.info.run_id, params=params)
    return Destination(experiment_id, run.info.run_id)


def _user() -> dict[str, str]:
    """Whose run it is; in a container nobody may be known by the number that runs it."""
    try:
        return {MLFLOW_USER: getuser()}
    except (KeyError, OSError):
        return {}


def _experiment(client: MlflowClient, name: str | None) -> str:
    """The experiment of a name, made where there is none; without one, MLflow's own choice."""
    if name is None:
        return current_experiment()
    found = client.get_experiment_by_name(name)
    return client.create_experiment(name) if found is None else found.experiment_id
