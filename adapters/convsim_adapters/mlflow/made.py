"""What a session left, made into traces: its agent's own, and one for each turn without any."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from attrs import frozen
from mlflow.entities import Expectation, Trace, TraceInfo
from mlflow.entities.span import NO_OP_SPAN_TRACE_ID

from convsim_adapters.mlflow.catching import Catch
from convsim_adapters.mlflow.identities import identified, identity_of
from convsim_adapters.mlflow.names import MLFLOW_SESSION, SOURCE_RUN, STOP_REASON, session_name
from convsim_adapters.mlflow.turns import TurnMade, storable, storable_value, turn_metadata
from convsim_adapters.mlflow.vendor import mlflow

__all__ = ["Destination", "SessionMade", "expect", "start_and_end", "traces_of"]


@frozen
class Destination:
    """Where traces go: an experiment, and the run that they belong to. `name` is that of spans.

    Without an experiment they go where MLflow would put them.
    """

    experiment_id: str | None = None
    run_id: str | None = None
    name: str = "predict"


@frozen
class SessionMade:
    """The turns of a session that have no trace in the store yet; `told` is metadata of its end.

    `stored` are the traces of its other turns, which lack that metadata.
    """

    run: str
    id: str
    turns: tuple[TurnMade, ...]
    told: Mapping[str, str]
    expectations: Mapping[str, object]
    stored: tuple[TraceInfo, ...] = ()


def traces_of(session: SessionMade, catch: Catch, destination: Destination) -> tuple[Trace, ...]:
    """All traces of a session in the order of its turns, complete and not yet written.

    Those that are not the agent's own have ids that follow from the turn: they cannot be written
    twice, an agent elsewhere has been told them, and no seed of `random`, from which MLflow draws
    ids, makes two of them alike.
    """
    caught = catch.take(session.id)
    made = {turn.turn: turn for turn in session.turns}
    for turn in made.keys() - caught.keys():
        start_and_end(made[turn], session, destination)
    caught |= {
        turn: [identified(one, identity_of(session.run, session.id, turn)) for one in traces]
        for turn, traces in catch.take(session.id).items()
    }
    traces = [trace for turn in sorted(caught) for trace in caught[turn]]
    for trace in traces:
        trace.info.trace_metadata.update(session.told)
        if destination.run_id is not None:  # an agent may have, or see, another run
            trace.info.trace_metadata[SOURCE_RUN] = destination.run_id
        trace.info.tags.update(_shown(session.told))
    if traces:
        traces[0].info.assessments.extend(expect(session, traces[0].info.trace_id))
    return tuple(traces)


def _shown(told: Mapping[str, str]) -> dict[str, str]:
    """What of a session's end MLflow shows in its lists: they have tags, but no metadata."""
    return {STOP_REASON: told[STOP_REASON]} if STOP_REASON in told else {}


def start_and_end(turn: TurnMade, session: SessionMade, destination: Destination) -> bool:
    """Make the trace of a turn at the time at which it was; whether MLflow made one."""
    metadata = turn_metadata(session.run, turn.session, turn.case, turn.turn)
    if destination.run_id is not None:
        metadata[SOURCE_RUN] = destination.run_id
    span = mlflow.start_span_no_context(
        destination.name,
        span_type="CHAIN",
        inputs=storable_value(turn.inputs),
        metadata={**metadata, **session.told},
        tags=_shown(session.told),
        experiment_id=destination.experiment_id,
        start_time_ns=int(turn.start * 1e9) or None,
    )
    end = int((turn.start + turn.seconds) * 1e9) or None
    span.end(outputs=storable_value(turn.outputs), end_time_ns=end)
    return bool(span.trace_id != NO_OP_SPAN_TRACE_ID)


def expect(session: SessionMade, trace_id: str) -> Sequence[Expectation]:
    """What is expected of a session, as it stands on its first trace."""
    name = session_name(session.run, session.id)
    return [
        Expectation(
            name=key, value=_json(value), trace_id=trace_id, metadata={MLFLOW_SESSION: name}
        )
        for key, value in session.expectations.items()
    ]


def _json(value: object) -> object:
    """What is no JSON as text; MLflow would not store the trace that it stands on."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return storable(str(value))
    return storable_value(value)
