"""A recorded run into MLflow: exactly what is not there yet, from its journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import frozen
from mlflow.tracking import MlflowClient

from convsim_adapters.journal_files import load_journal, locked
from convsim_adapters.mlflow.names import STOP_REASON
from convsim_adapters.mlflow.projecting import projecting
from convsim_adapters.mlflow.recorded import session_made
from convsim_adapters.mlflow.runs import log_results, run_of
from convsim_adapters.mlflow.stored import StoredTurns, add_metadata, stored_turns
from convsim_adapters.mlflow.turns import end_metadata
from convsim_adapters.mlflow.vendor import mlflow
from convsim_adapters.running.recording import result_of
from convsim_adapters.running.resuming import header_among, key_of
from convsim_adapters.running.run_files import read_run
from convsim_fp.core import thaw
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.journal import Journal

__all__ = ["Exported", "export_run"]


@frozen
class Exported:
    """What an export came to: traces written, traces that were there, and what is still missing."""

    run_id: str
    written: int
    there: int
    missing: int
    trouble: str | None = None


def export_run(
    directory: str | Path,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    told: Callable[[int, int], object] = max,
) -> Exported:
    """Write the traces of a recorded run that MLflow does not have; twice writes nothing twice.

    Into the MLflow run that the recorded one has, or one that is made for it in `experiment`. A run
    that is still going on is refused, since it writes its own. Raises `InvalidSpec` where there is
    no run, or MLflow cannot be reached.
    """
    path = Path(directory)
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    journal = load_journal(path)
    with locked(path):
        return _exported(path, journal, key_of(journal), experiment, told)


def _exported(
    path: Path,
    journal: Journal,
    key: str,
    experiment: str | None,
    told: Callable[[int, int], object],
) -> Exported:
    try:
        where = run_of(key, path, _settings(journal), experiment)
        stored = stored_turns(key, where.experiment_id)
    except Exception as error:
        words = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        what = f"at {mlflow.get_tracking_uri()} cannot be reached: {words}"
        raise InvalidSpec([Problem("MLflow", what)]) from error
    there = sum(len(infos) for turns in stored.values() for infos in turns.values())
    with projecting(key, lambda: where, told=told) as (projection, end):
        for log in journal.sessions:
            made = session_made(key, log, stored.get(log.session.id, {}))
            if made.turns:
                projection.put(made)
        projected = end()
    _complete(journal, stored)
    run = read_run(path)
    run_id = str(where.run_id)
    if not run.unfinished:
        log_results(MlflowClient(), run_id, run, int(time.time() * 1000))
    MlflowClient().set_terminated(run_id, "FINISHED" if not run.unfinished else "KILLED")
    return Exported(run_id, projected.written, there, projected.unwritten, projected.trouble)


def _complete(journal: Journal, stored: Mapping[str, StoredTurns]) -> None:
    """Say on traces that were stored before their session ended how it did."""
    for log in journal.sessions:
        result = result_of(log)
        for infos in stored.get(log.session.id, {}).values() if result is not None else ():
            for info in infos:
                if result is not None and STOP_REASON not in info.trace_metadata:
                    add_metadata(info, end_metadata(result))


def _settings(journal: Journal) -> dict[str, Any]:
    return cast("dict[str, Any]", thaw(header_among(journal).settings))
