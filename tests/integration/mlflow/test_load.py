"""Many conversations at once, with MLflow's environment as it is by default: nothing is lost.

``CONVSIM_LOAD=full`` makes 600 conversations of the 120; 5 turns each.
"""

import json
import os
from collections import Counter
from collections.abc import Callable
from typing import Any

import mlflow
import pytest
from mlflow.entities import Trace

SESSION, TURN = "mlflow.trace.session", "mlflow.simulation.turn"
CONVERSATIONS = 600 if os.environ.get("CONVSIM_LOAD") == "full" else 120
TURNS = 5
Messages = list[dict[str, str]]


def talk(body: dict[str, Any]) -> str:
    if "response_format" in body:
        return json.dumps({"rationale": "Not yet.", "result": "no"})
    return "Where is my order?"


def untraced(messages: Messages, mlflow_session_id: str, order: int) -> str:
    return f"answer {len(messages)} for {order}"


@mlflow.trace(name="own")
def traced(messages: Messages, mlflow_session_id: str, order: int) -> str:
    with mlflow.start_span("look up") as span:
        span.set_inputs({"mlflow_session_id": mlflow_session_id, "order": order})
    return untraced(messages, mlflow_session_id, order)


@pytest.mark.parametrize(("predict_fn", "spans"), [(untraced, 1), (traced, 2)])
def test_all_turns_of_all_conversations_are_stored_each_in_its_session(
    predict_fn: Callable[..., str],
    spans: int,
    simulator_class: Any,
    store: str,
    loopback: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """§4, C30, C35, C52: every one, once, with its own spans, and what is returned is that."""
    loopback.talk, loopback.keep = talk, False
    monkeypatch.setenv("OPENAI_API_BASE", loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("MLFLOW_GENAI_SIMULATOR_MAX_WORKERS", str(CONVERSATIONS))
    cases = [{"goal": f"goal {n}", "context": {"order": n}} for n in range(CONVERSATIONS)]
    found = simulator_class(cases, TURNS, "openai:/m").simulate(predict_fn)
    kept = {trace.info.trace_id: trace for trace in stored()}
    assert len(kept) == CONVERSATIONS * TURNS
    assert {trace.info.trace_id for traces in found for trace in traces} == kept.keys()
    turns = Counter((told(trace, SESSION), told(trace, TURN)) for trace in kept.values())
    assert set(turns.values()) == {1}
    for order, traces in enumerate(found):
        assert [told(trace, TURN) for trace in traces] == [str(turn) for turn in range(TURNS)]
        assert len({told(trace, SESSION) for trace in traces}) == 1
        for turn, trace in enumerate(traces):
            check_turn(trace, order, turn, spans)
            check_turn(kept[trace.info.trace_id], order, turn, spans)


def stored() -> list[Trace]:
    return mlflow.search_traces(return_type="list", max_results=10 * CONVERSATIONS * TURNS)


def told(trace: Trace, name: str) -> str:
    return trace.info.trace_metadata[name]


def check_turn(trace: Trace, order: int, turn: int, spans: int) -> None:
    """Its metadata and all of its spans are of this conversation and this turn."""
    assert told(trace, "mlflow.simulation.goal") == f"goal {order}"
    assert told(trace, TURN) == str(turn)
    assert len(trace.data.spans) == spans
    for span in trace.data.spans:
        assert span.trace_id == trace.info.trace_id
        assert span.inputs["order"] == order
        assert span.inputs["mlflow_session_id"] == told(trace, SESSION)
    (root,) = [span for span in trace.data.spans if span.parent_id is None]
    assert len(root.inputs["messages"]) == 2 * turn + 1
    assert root.outputs == f"answer {2 * turn + 1} for {order}"
