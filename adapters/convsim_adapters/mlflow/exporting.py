"""A recorded run into MLflow: exactly what is not there yet, from its journal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

from attrs import evolve, frozen
from mlflow.tracking import MlflowClient

from convsim_adapters.journal_files import load_journal, locked
from convsim_adapters.mlflow.made import Destination
from convsim_adapters.mlflow.names import STOP_REASON
from convsim_adapters.mlflow.projecting import projecting
from convsim_adapters.mlflow.recorded import session_made
from convsim_adapters.mlflow.runs import log_results, run_of
from convsim_adapters.mlflow.stored import (
    StoredTurns,
    add_metadata,
    experiment_with,
    stored_turns,
)
from convsim_adapters.mlflow.turns import end_metadata
from convsim_adapters.mlflow.vendor import mlflow, use_store
from convsim_adapters.running.recording import result_of
from convsim_adapters.running.resuming import header_among, key_of
from convsim_adapters.running.run_files import read_run
from convsim_adapters.running.targets import is_url
from convsim_fp.core import thaw
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.journal import Journal

__all__ = ["Exported", "export_run", "with_spans_of"]


@frozen
class Exported:
    """What an export came to: traces written, traces that were there, and what is still missing.

    `trouble` says why something is; `refused` which traces the store would not take, and why.
    """

    run_id: str
    written: int
    there: int
    missing: int
    trouble: str | None = None
    refused: tuple[str, ...] = ()


def export_run(
    directory: str | Path,
    *,
    tracking_uri: str | None = None,
    experiment: str | None = None,
    told: Callable[[int, int], object] = max,
) -> Exported:
    """Write the traces of a recorded run that MLflow does not have; twice writes nothing twice.

    Into the MLflow run that the recorded one has, wherever that is, or one that is made for it in
    `experiment`. A run that is still going on is refused, since it writes its own. Raises
    `InvalidSpec` where there is no run, or MLflow cannot be reached.
    """
    path = Path(directory)
    if tracking_uri is not None:
        use_store(tracking_uri)
    journal = load_journal(path)
    with locked(path):
        return _exported(path, journal, key_of(journal), experiment, told)


def with_spans_of(agent: str, where: Destination) -> Destination:
    """A destination that calls the spans of an agent by the last part of its name.

    >>> with_spans_of("shop.desk:Desk.reply", Destination()).name
    'reply'
    """
    name = "agent" if is_url(agent) else agent.rpartition(":")[2].rpartition(".")[2]
    return evolve(where, name=name or "agent")


def _exported(
    path: Path,
    journal: Journal,
    key: str,
    experiment: str | None,
    told: Callable[[int, int], object],
) -> Exported:
    try:
        settings = _settings(journal)
        where = run_of(key, path, settings, experiment_with(key) or experiment)
        where = with_spans_of(str(settings.get("agent") or ""), where)
        stored = stored_turns(key)
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
    run_id = str(where.run_id)
    done = Exported(
        run_id, projected.written, there, projected.unwritten, projected.trouble, projected.refused
    )
    try:
        _complete(journal, stored)
        _end(run_id, path, journal)
    except Exception as error:  # noqa: BLE001  what is written is written; told, and tried again
        return evolve(done, trouble=f"{type(error).__name__}: {error}".partition("\n")[0][:300])
    return done


def _end(run_id: str, path: Path, journal: Journal) -> None:
    """Write what the run came to, if it is whole; at the same time whenever it is exported."""
    run = read_run(path)
    client = MlflowClient()
    if not run.unfinished:
        log_results(client, run_id, run, _last(journal))
    client.set_terminated(run_id, "KILLED" if run.unfinished else "FINISHED")


def _last(journal: Journal) -> int:
    """When the last answer came, in milliseconds since 1970; now, where nothing says when."""
    facts = [one.facts for log in journal.sessions for one in log.entries]
    ended = max((one.start + (one.seconds or 0.0) for one in facts if one.start), default=None)
    return int((time.time() if ended is None else ended) * 1000)


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
