"""What is recorded of a run in its journal, as turns that can be written to MLflow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from convsim_adapters.mlflow.made import SessionMade
from convsim_adapters.mlflow.stored import StoredTurns
from convsim_adapters.mlflow.turns import TurnMade, end_metadata
from convsim_adapters.running.recording import result_of
from convsim_fp.core import AgentReplied, CallAgent, Lane, thaw
from convsim_fp.journal import SessionLog

__all__ = ["missing_turns", "session_made", "turns_of"]


def turns_of(log: SessionLog) -> tuple[TurnMade, ...]:
    """The calls of the agent that a session was made of, first to last."""
    turns: list[TurnMade] = []
    for one in log.folded:
        if (
            one.id is None
            or one.id.lane is not Lane.AGENT
            or not isinstance(one.seen, AgentReplied)
        ):
            continue
        if isinstance(one.content, tuple):
            request = CallAgent(one.id, log.session, log.case, one.content)
            turns.append(TurnMade.of(request, one.seen, one.facts, None))
    return tuple(turns)


def missing_turns(log: SessionLog, there: StoredTurns) -> tuple[TurnMade, ...]:
    """Those of which no trace is stored."""
    return tuple(turn for turn in turns_of(log) if turn.turn not in there)


def session_made(run: str, log: SessionLog, there: StoredTurns) -> SessionMade:
    """What is to be written of a recorded session, beside the traces that are there."""
    result = result_of(log)
    told = {} if result is None else end_metadata(result)
    expectations = cast("Mapping[str, object]", thaw(log.case.expectations))
    turns, stored = (
        missing_turns(log, there),
        tuple(info for infos in there.values() for info in infos),
    )
    expected: Mapping[str, object] = {} if there else expectations
    return SessionMade(run, log.session.id, turns, told, expected, stored)
