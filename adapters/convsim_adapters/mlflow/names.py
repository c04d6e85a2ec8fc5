"""The names under which a conversation stands in MLflow: metadata of traces, metrics of runs."""

from __future__ import annotations

from hashlib import sha256

from mlflow.tracing.constant import TraceMetadataKey

__all__ = [
    "DEFAULT_PERSONA",
    "DETAIL",
    "GOAL",
    "GUIDELINES",
    "MAX_METADATA",
    "MLFLOW_SESSION",
    "MLFLOW_TURN",
    "PERSONA",
    "RUN",
    "SESSION",
    "SOURCE_RUN",
    "STOP_REASON",
    "TABLE",
    "TURN",
    "TURNS",
    "session_name",
]

DEFAULT_PERSONA = "Somebody who wants this, and talks as people do."
MAX_METADATA = 250  # characters of a value

MLFLOW_SESSION = TraceMetadataKey.TRACE_SESSION
SOURCE_RUN = TraceMetadataKey.SOURCE_RUN
GOAL = "mlflow.simulation.goal"
PERSONA = "mlflow.simulation.persona"
MLFLOW_TURN = "mlflow.simulation.turn"  # counted from 0, as MLflow does
GUIDELINES = "mlflow.simulation.simulation_guidelines"

RUN = "convsim.run"
SESSION = "convsim.session"
TURN = "convsim.turn"  # counted from 1
STOP_REASON = "convsim.stop_reason"
DETAIL = "convsim.detail"
TURNS = "convsim.turns"

TABLE = "convsim_sessions.json"


def session_name(run: str, session: str) -> str:
    """What MLflow calls a session: the same for all turns, another in each run.

    >>> session_name("5e55", "case-0/1")
    'sim-0f9fe75fdccec93c'
    """
    return f"sim-{sha256(f'{run} {session}'.encode()).hexdigest()[:16]}"
