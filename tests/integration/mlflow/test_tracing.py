"""What a conversation leaves in an MLflow store: traces, their metadata, their run."""

import functools
import json
import logging
import re
import threading
import time
from typing import Any

import loopback_server
import mlflow
import pytest
from mlflow.entities import SpanStatusCode, SpanType, Trace
from mlflow.exceptions import MlflowException

SESSION, TURN = "mlflow.trace.session", "mlflow.simulation.turn"
LONG = "x" * 300


@pytest.fixture
def model(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user who always goes on, and a judge who always says no, behind a provider's address."""
    loopback.talk = talk
    monkeypatch.setenv("OPENAI_API_BASE", loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    return "openai:/m"


def talk(body: dict[str, Any]) -> str:
    if "response_format" in body:
        return json.dumps({"rationale": "Not yet.", "result": "no"})
    return "Where is my order?"


def agent(input: list[dict[str, str]], **rest: Any) -> str:
    return f"answer {len(input)}"


class Desk:
    def __call__(self, messages: list[dict[str, str]], **rest: Any) -> str:
        return "from an instance"

    def reply(self, messages: list[dict[str, str]], **rest: Any) -> str:
        return "from a method"


def stored() -> list[Trace]:
    """All that stands in the store, as anyone finds it there."""
    return mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"])


def told(traces: list[Trace], name: str) -> list[str | None]:
    return [trace.info.trace_metadata.get(name) for trace in traces]


def ids(traces: list[Trace]) -> set[str]:
    return {trace.info.trace_id for trace in traces}


def test_each_turn_of_an_untraced_agent_is_one_trace_of_one_chain_span(
    simulator_class: Any, store: str, model: str
) -> None:
    """C50, C22, C30, D38: the span has the whole call, and session judges read that."""
    case = {"goal": "find the order", "context": {"order": "W7"}}
    (found,) = simulator_class([case], 2, model).simulate(agent)
    assert ids(found) == ids(stored())
    for turn, trace in enumerate(found):
        (span,) = trace.data.spans
        assert (span.name, span.span_type, span.parent_id) == ("agent", SpanType.CHAIN, None)
        assert span.status.status_code == SpanStatusCode.OK
        assert span.outputs == f"answer {2 * turn + 1}"
        assert span.inputs["order"] == "W7"
        assert span.inputs["mlflow_session_id"] == trace.info.trace_metadata[SESSION]
        roles = [message["role"] for message in span.inputs["input"]]
        assert roles == ["user", "assistant"] * turn + ["user"]
    assert re.fullmatch(r"sim-[0-9a-f]{16}", found[0].data.spans[0].inputs["mlflow_session_id"])


@pytest.mark.parametrize(
    ("predict_fn", "name"),
    [
        (Desk().reply, "reply"),
        (Desk(), "predict"),
        (functools.partial(Desk().reply, tone="kind"), "predict"),
        (lambda messages, **rest: "from a lambda", "<lambda>"),
    ],
    ids=["method", "instance", "partial", "lambda"],
)
def test_the_span_of_an_untraced_agent_has_the_name_of_what_was_called(
    predict_fn: Any, name: str, simulator_class: Any, store: str, model: str
) -> None:
    """C50, C21."""
    ((found,),) = simulator_class([{"goal": "g"}], 1, model).simulate(predict_fn)
    (span,) = found.data.spans
    assert (span.name, span.span_type) == (name, SpanType.CHAIN)
    assert span.inputs["messages"] == [{"role": "user", "content": "Where is my order?"}]


def test_what_is_returned_is_what_is_stored(simulator_class: Any, store: str, model: str) -> None:
    """C30: names, times, texts and metadata."""
    found = simulator_class([{"goal": "g"}, {"goal": "h"}], 2, model).simulate(agent)
    kept = {trace.info.trace_id: trace for trace in stored()}
    for trace in (trace for traces in found for trace in traces):
        twin = kept[trace.info.trace_id]
        assert [span.to_dict() for span in trace.data.spans] == [
            span.to_dict() for span in twin.data.spans
        ]
        assert trace.info.state == twin.info.state
        assert trace.info.request_time == twin.info.request_time
        assert abs(trace.info.execution_duration - twin.info.execution_duration) <= 1  # rounded
        assert trace.info.request_preview == twin.info.request_preview
        assert trace.info.response_preview == twin.info.response_preview
        known = trace.info.trace_metadata
        assert known.items() <= twin.info.trace_metadata.items()
        assert trace.info.tags["mlflow.traceName"] == twin.info.tags["mlflow.traceName"] == "agent"


def test_the_metadata_say_which_conversation_and_turn_a_trace_is_of(
    simulator_class: Any, store: str, model: str
) -> None:
    """C52, C53, C54: at most 250 characters, a list in lines, the persona that was not told too."""
    cases = [
        {"goal": LONG, "persona": LONG, "simulation_guidelines": ["be brief", "be kind"]},
        {"goal": "short", "simulation_guidelines": LONG},
        {"goal": "short"},
    ]
    with mlflow.start_run() as run:
        found = simulator_class(cases, 2, model).simulate(agent)
    assert len(stored()) == 6
    assert len({name for traces in found for name in told(traces, SESSION)}) == 3
    for traces in found:
        assert told(traces, TURN) == ["0", "1"]
        assert len(set(told(traces, SESSION))) == 1
        assert told(traces, "mlflow.sourceRun") == [run.info.run_id] * 2
    goals = [told(traces, "mlflow.simulation.goal")[1] for traces in found]
    assert goals == ["x" * 250, "short", "short"]
    guidelines = [told(traces, "mlflow.simulation.simulation_guidelines")[1] for traces in found]
    assert guidelines == ["be brief\nbe kind", "x" * 250, None]
    personas = [told(traces, "mlflow.simulation.persona")[1] for traces in found]
    assert personas[0] == "x" * 250
    assert personas[1] == personas[2] != ""
    assert personas[1] is not None


def test_the_traces_of_a_run_are_found_by_its_run(
    simulator_class: Any, store: str, model: str
) -> None:
    """C54."""
    with mlflow.start_run() as run:
        (found,) = simulator_class([{"goal": "g"}], 2, model).simulate(agent)
    simulator_class([{"goal": "g"}], 1, model).simulate(agent)
    assert ids(mlflow.search_traces(run_id=run.info.run_id, return_type="list")) == ids(found)


def test_without_a_run_one_is_made_and_ended(simulator_class: Any, store: str, model: str) -> None:
    """C55."""
    ((trace,),) = simulator_class([{"goal": "g"}], 1, model).simulate(agent)
    assert mlflow.active_run() is None
    run = mlflow.get_run(trace.info.trace_metadata["mlflow.sourceRun"])
    assert re.fullmatch(r"simulation-[0-9a-f]{8}", run.info.run_name)
    assert run.info.status == "FINISHED"


def test_a_run_in_which_nothing_went_ends_as_failed(
    simulator_class: Any, store: str, model: str
) -> None:
    """C55, C31."""

    def broken(input: list[dict[str, str]], **rest: Any) -> str:
        raise RuntimeError("out of order")

    with pytest.raises(MlflowException, match="produced no traces"):
        simulator_class([{"goal": "g"}], 1, model).simulate(broken)
    (run,) = mlflow.search_runs(output_format="list")
    assert mlflow.active_run() is None
    assert run.info.status == "FAILED"


def test_a_run_that_is_active_is_used_and_stays_so(
    simulator_class: Any, store: str, model: str
) -> None:
    """C55, C57."""
    with mlflow.start_run(run_name="mine") as run:
        simulator_class([{"goal": "g"}], 1, model).simulate(agent)
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == run.info.run_id
        assert mlflow.get_run(run.info.run_id).info.status == "RUNNING"
    assert len(mlflow.search_runs(output_format="list")) == 1


@pytest.mark.parametrize("asynchronous", ["false", "true"])
def test_expectations_stand_on_the_first_trace_alone(
    asynchronous: str,
    simulator_class: Any,
    store: str,
    model: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C56; D1 with MLflow's asynchronous logging: they end no conversation."""
    monkeypatch.setenv("MLFLOW_ENABLE_ASYNC_TRACE_LOGGING", asynchronous)
    expected = {"tone": "polite", "refunded": True, "order": {"id": "W7"}}
    cases = [{"goal": "g", "expectations": expected}, {"goal": "h"}]
    found = simulator_class(cases, 2, model).simulate(agent)
    assert [len(traces) for traces in found] == [2, 2]
    kept = [mlflow.get_trace(trace.info.trace_id) for traces in found for trace in traces]
    for first, *others in ([trace for traces in found for trace in traces], kept):
        assert {one.name: one.value for one in first.info.assessments} == expected
        session = first.info.trace_metadata[SESSION]
        assert {one.metadata[SESSION] for one in first.info.assessments} == {session}
        assert [one.info.assessments for one in others] == [[], [], []]


def test_the_span_of_an_untraced_agent_lasts_as_long_as_the_call(
    simulator_class: Any, store: str, model: str
) -> None:
    """D7."""
    times: list[tuple[int, int]] = []

    def slow(input: list[dict[str, str]], **rest: Any) -> str:
        began = time.time_ns()
        time.sleep(0.05)
        times.append((began, time.time_ns()))
        return "at last"

    (found,) = simulator_class([{"goal": "g"}], 2, model).simulate(slow)
    slack = 5_000_000  # nanoseconds; two clocks
    for trace, (began, ended) in zip(found, times, strict=True):
        (span,) = trace.data.spans
        assert span.start_time_ns <= began + slack
        assert span.end_time_ns is not None
        assert span.end_time_ns >= ended - slack
        assert trace.info.execution_duration >= 45


def test_every_trace_says_how_its_conversation_ended(
    simulator_class: Any, store: str, model: str
) -> None:
    """D28: on the traces, on the run, and as typed values."""

    def lost(input: list[dict[str, str]], **rest: Any) -> str:
        if rest.get("order") and len(input) > 1:
            raise RuntimeError("no such order")
        return "yes?"

    cases = [{"goal": "g"}, {"goal": "h", "context": {"order": "W7"}}]
    simulator = simulator_class(cases, 2, model)
    found = simulator.simulate(lost)
    assert [one.stop_reason.value for one in simulator.sessions] == ["max_turns", "agent_failed"]
    kept = {trace.info.trace_id: trace for trace in stored()}
    for session, traces in zip(simulator.sessions, found, strict=True):
        for trace in (*traces, *(kept[trace.info.trace_id] for trace in traces)):
            metadata = trace.info.trace_metadata
            assert metadata["convsim.stop_reason"] == session.stop_reason.value
            assert metadata["convsim.session"] == session.id
            assert metadata["convsim.turns"] == str(session.turns)
            assert metadata["convsim.detail"] == session.detail[:250]
    assert "no such order" in simulator.sessions[1].detail
    run_id = found[0][0].info.trace_metadata["mlflow.sourceRun"]
    assert mlflow.get_run(run_id).data.metrics
    table = mlflow.load_table("convsim_sessions.json", run_ids=[run_id])
    assert list(table["stop_reason"]) == ["max_turns", "agent_failed"]


@pytest.mark.parametrize("traced", [False, True], ids=["untraced", "traced"])
def test_an_answer_that_no_store_takes_costs_no_other_conversation_its_result(
    traced: bool,
    simulator_class: Any,
    store: str,
    model: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """D17: the rest is kept; what cannot be stored as it is, is stored escaped, or told."""

    def odd(input: list[dict[str, str]], **rest: Any) -> str:
        return "half \ud800 a letter" if "odd" in rest else "whole"

    cases = [{"goal": "g", "context": {"odd": 1}}, {"goal": "h"}]
    predict_fn = mlflow.trace(odd) if traced else odd
    logging.getLogger("mlflow").addHandler(caplog.handler)
    try:
        simulator = simulator_class(cases, 2, model)
        first, second = simulator.simulate(predict_fn)
    finally:
        logging.getLogger("mlflow").removeHandler(caplog.handler)
    kept = ids(stored())
    assert len(second) == 2
    assert ids(second) <= kept
    assert [one.turns for one in simulator.sessions] == [2, 2]
    assert first
    assert [one for one in ids(first) - kept if one not in caplog.text] == []


def test_a_goal_that_no_store_takes_is_refused(simulator_class: Any, store: str) -> None:
    """D45: by index, before there could be a trace without its session."""
    with pytest.raises(ValueError, match=r"1.*surrogate"):
        simulator_class([{"goal": "g"}, {"goal": "half \ud800 a letter"}], 1, "openai:/m")


def test_equal_goals_are_conversations_apart(simulator_class: Any, store: str, model: str) -> None:
    """C22, and what is no defect of MLflow's: the sessions are new with every run."""
    simulator = simulator_class([{"goal": "g"}] * 3, 1, model)
    found = simulator.simulate(agent) + simulator.simulate(agent)
    assert len({told(traces, SESSION)[0] for traces in found}) == 6
    assert len(stored()) == 6


def test_runs_side_by_side_keep_their_traces_apart(
    simulator_class: Any, store: str, model: str
) -> None:
    """C22, C54: two simulators at once, one of a traced agent, in threads of their own."""
    results: dict[str, Any] = {}

    def simulate(goal: str, predict_fn: Any) -> None:
        results[goal] = simulator_class([{"goal": goal}] * 3, 2, model).simulate(predict_fn)

    with mlflow.start_run():
        sides = [("g", agent), ("h", mlflow.trace(agent))]
        threads = [threading.Thread(target=simulate, args=side) for side in sides]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for goal, found in results.items():
        assert [told(traces, "mlflow.simulation.goal") for traces in found] == [[goal] * 2] * 3
        assert [told(traces, TURN) for traces in found] == [["0", "1"]] * 3
    assert len(stored()) == 12


def test_a_span_around_the_simulation_keeps_to_itself(
    simulator_class: Any, store: str, model: str
) -> None:
    """What is no defect of MLflow's: the conversation's traces are its own."""
    with mlflow.start_span("around") as around:
        found = simulator_class([{"goal": "g"}, {"goal": "h"}], 2, model).simulate(agent)
    mlflow.flush_trace_async_logging()
    kept = {trace.info.trace_id: trace for trace in stored()}
    assert kept.keys() == {around.trace_id} | {one.info.trace_id for t in found for one in t}
    assert [span.name for span in kept[around.trace_id].data.spans] == ["around"]


def test_what_telemetry_counts_is_there(simulator_class: Any, store: str, model: str) -> None:
    """C76, telemetry: the class by its name, turns by the length of each inner list."""
    from mlflow.telemetry.events import SimulateConversationEvent

    assert simulator_class.__qualname__ == "ConversationSimulator"
    found = simulator_class([{"goal": "g"}, {"goal": "h"}], 2, model).simulate(agent)
    assert SimulateConversationEvent.parse_result(found) == {
        "simulated_conversation_info": [{"turn_count": 2}, {"turn_count": 2}]
    }


def test_the_model_is_asked_over_the_wire(
    simulator_class: Any, store: str, model: str, loopback: loopback_server.Loopback
) -> None:
    """C23: two turns are two user messages and two goal checks, whatever is traced."""
    simulator_class([{"goal": "g"}], 2, model).simulate(mlflow.trace(agent))
    assert loopback.count == 4
