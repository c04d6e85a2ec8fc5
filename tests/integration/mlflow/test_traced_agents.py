"""Agents that leave traces of their own: those are used, whichever way they were made."""

import asyncio
import contextvars
import json
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import mlflow
import pytest
from attrs import frozen
from mlflow.entities import Trace, TraceState

SESSION, TURN = "mlflow.trace.session", "mlflow.simulation.turn"
CASES = [{"goal": "find the order"}, {"goal": "send it back"}]
Messages = list[dict[str, str]]


@pytest.fixture
def model(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user who always goes on, a judge who always says no, and a model for agents."""
    loopback.talk = talk
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    return "openai:/m"


def talk(body: dict[str, Any]) -> str:
    if "response_format" in body:
        return json.dumps({"rationale": "Not yet.", "result": "no"})
    return "Which number has it?" if body["model"] == "agents" else "Where is my order?"


def stored() -> list[Trace]:
    return mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"])


def told(traces: list[Trace], name: str) -> list[str | None]:
    return [trace.info.trace_metadata.get(name) for trace in traces]


def ids(traces: list[Trace]) -> list[str]:
    return sorted(trace.info.trace_id for trace in traces)


def answer(messages: Messages) -> str:
    return f"answer {len(messages)}"


@mlflow.trace(name="own")
def decorated(messages: Messages, mlflow_session_id: str) -> str:
    return answer(messages)


@mlflow.trace(name="own")
async def decorated_async(messages: Messages, mlflow_session_id: str) -> str:
    await asyncio.sleep(0)
    return answer(messages)


async def traced_inside_async(messages: Messages, **rest: Any) -> str:
    return await decorated_async(messages, **rest)


def with_block(messages: Messages, mlflow_session_id: str) -> str:
    with mlflow.start_span("own") as span:
        span.set_inputs({"messages": messages, "mlflow_session_id": mlflow_session_id})
        span.set_outputs(answer(messages))
    return answer(messages)


def runs_a_loop(messages: Messages, **rest: Any) -> str:
    return asyncio.run(decorated_async(messages, **rest))


async def makes_tasks(messages: Messages, **rest: Any) -> str:
    return await asyncio.create_task(decorated_async(messages, **rest))


async def goes_to_a_thread(messages: Messages, **rest: Any) -> str:
    return await asyncio.to_thread(decorated, messages, **rest)


def runs_a_loop_that_goes_to_a_thread(messages: Messages, **rest: Any) -> str:
    return asyncio.run(goes_to_a_thread(messages, **rest))


def copies_its_context(messages: Messages, **rest: Any) -> str:
    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(context.run, decorated, messages, **rest).result()


@mlflow.trace(name="own", span_type="AGENT")
def graph(messages: Messages, mlflow_session_id: str) -> dict[str, Any]:
    """Nodes that open spans below one another; two of them side by side, in threads."""
    with mlflow.start_span("plan", span_type="CHAIN"):
        tools = [contextvars.copy_context() for _ in range(2)]
        with ThreadPoolExecutor(2) as pool:
            found = list(pool.map(lambda context: context.run(tool, messages), tools))
    return {"messages": [*messages, {"role": "assistant", "content": " ".join(found)}]}


@mlflow.trace(name="tool", span_type="TOOL")
def tool(messages: Messages) -> str:
    with mlflow.start_span("look up"):
        return answer(messages)


@mlflow.trace(name="own")
def names_its_session(messages: Messages, mlflow_session_id: str) -> str:
    mlflow.update_current_trace(metadata={SESSION: mlflow_session_id}, tags={"team": "refunds"})
    return answer(messages)


WAYS = {
    "decorator": decorated,  # C51
    "block": with_block,  # C51
    "graph": graph,  # C51, C29
    "session": names_its_session,  # C51, §4
    "async": decorated_async,  # D8, D9
    "inside async": traced_inside_async,  # D8
    "asyncio.run": runs_a_loop,  # D32
    "task": makes_tasks,  # D32
    "to_thread": goes_to_a_thread,  # D32b
    "to_thread in asyncio.run": runs_a_loop_that_goes_to_a_thread,  # D32b
    "copy_context": copies_its_context,  # D32b
}


def test_a_session_that_the_agent_names_itself_stays(
    simulator_class: Any, store: str, model: str
) -> None:
    """§4: what the agent says of its trace wins; it is the turn's trace none the less."""

    @mlflow.trace(name="own")
    def headstrong(messages: Messages, mlflow_session_id: str) -> str:
        mlflow.update_current_trace(metadata={SESSION: "of the agent's own"})
        return answer(messages)

    (found,) = simulator_class(CASES[:1], 2, model).simulate(headstrong)
    assert ids(found) == ids(stored())
    assert told(found, SESSION) == ["of the agent's own"] * 2
    assert told(found, TURN) == ["0", "1"]


@pytest.mark.parametrize("way", WAYS)
def test_the_agents_own_trace_is_that_of_the_turn(
    way: str, simulator_class: Any, store: str, model: str
) -> None:
    """C51, C52, C54, D8, D32, D32b: no wrapper around it, no empty one beside it."""
    with mlflow.start_run() as run:
        found = simulator_class(CASES, 2, model).simulate(WAYS[way])
    both = [trace for traces in found for trace in traces]
    assert ids(both) == ids(stored())
    assert [told(traces, TURN) for traces in found] == [["0", "1"], ["0", "1"]]
    assert [told(traces, "mlflow.simulation.goal")[0] for traces in found] == [
        case["goal"] for case in CASES
    ]
    kept = {trace.info.trace_id: trace for trace in stored()}
    for traces in found:
        for turn, trace in enumerate(traces):
            assert (
                told([trace, kept[trace.info.trace_id]], "mlflow.sourceRun")
                == [run.info.run_id] * 2
            )
            check_own_trace(trace, turn)
            check_own_trace(kept[trace.info.trace_id], turn)
            assert spans_of(trace) == spans_of(kept[trace.info.trace_id])


def check_own_trace(trace: Trace, turn: int) -> None:
    """It is whole, and its span was given what its metadata say."""
    (root,) = [span for span in trace.data.spans if span.parent_id is None]
    assert root.name == "own"
    assert root.inputs["mlflow_session_id"] == trace.info.trace_metadata[SESSION]
    assert len(root.inputs["messages"]) == 2 * turn + 1
    assert trace.info.state == TraceState.OK
    assert {span.trace_id for span in trace.data.spans} == {trace.info.trace_id}


def spans_of(trace: Trace) -> list[tuple[str, str | None]]:
    return sorted((span.span_id, span.parent_id) for span in trace.data.spans)


def test_the_spans_of_an_agent_stay_below_one_another(
    simulator_class: Any, store: str, model: str
) -> None:
    """C51, as of a graph of nodes: nested, in threads, none of them elsewhere."""
    (found, _) = simulator_class(CASES, 1, model).simulate(graph)
    for trace in (*found, mlflow.get_trace(found[0].info.trace_id)):
        named = {span.span_id: span.name for span in trace.data.spans}
        pairs = sorted((span.name, named.get(str(span.parent_id))) for span in trace.data.spans)
        assert pairs == [
            ("look up", "tool"),
            ("look up", "tool"),
            ("own", None),
            ("plan", "own"),
            ("tool", "plan"),
            ("tool", "plan"),
        ]


@frozen
class Reply:
    """An agent's answer as an object that says which trace is its."""

    content: str
    trace_id: str

    def model_dump(self) -> dict[str, str]:
        return {"role": "assistant", "content": self.content}


def in_a_bare_thread(messages: Messages) -> tuple[str, str]:
    """A trace made where no context variable reaches; what it said, and its id."""
    found: list[tuple[str, str]] = []

    def work() -> None:
        with mlflow.start_span("own") as span:
            span.set_inputs({"messages": messages})
            found.append((answer(messages), span.trace_id))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found[0]


def says_which_in_a_dict(messages: Messages, **rest: Any) -> dict[str, str]:
    said, trace_id = in_a_bare_thread(messages)
    return {"role": "assistant", "content": said, "trace_id": trace_id}


def says_which_as_an_attribute(messages: Messages, **rest: Any) -> Reply:
    said, trace_id = in_a_bare_thread(messages)
    return Reply(said, trace_id)


@pytest.mark.parametrize("predict_fn", [says_which_in_a_dict, says_which_as_an_attribute])
def test_a_trace_that_the_answer_names_is_that_of_the_turn(
    predict_fn: Callable[..., Any], simulator_class: Any, store: str, model: str
) -> None:
    """D32b: made in a thread that knows nothing of the conversation, it gets its metadata."""
    found = simulator_class(CASES, 2, model).simulate(predict_fn)
    kept = stored()
    assert ids([trace for traces in found for trace in traces]) == ids(kept)
    assert {trace.data.spans[0].name for trace in kept} == {"own"}
    for traces in found:
        assert told(traces, TURN) == ["0", "1"]
        assert [len(trace.data.spans[0].inputs["messages"]) for trace in traces] == [1, 3]
        assert len(set(told(traces, SESSION))) == 1
    turns = sorted(zip(told(kept, SESSION), told(kept, TURN), strict=True))
    assert len(set(turns)) == 4
    assert None not in told(kept, SESSION)
    assert None not in told(kept, "convsim.stop_reason")


def test_all_traces_of_a_turn_are_returned(simulator_class: Any, store: str, model: str) -> None:
    """D33: an agent that makes two has both; none stays behind in the session."""

    def twice(messages: Messages, **rest: Any) -> str:
        with mlflow.start_span("retrieve"):
            pass
        with mlflow.start_span("reply"):
            return answer(messages)

    found = simulator_class(CASES, 2, model).simulate(twice)
    assert ids([trace for traces in found for trace in traces]) == ids(stored())
    for traces in found:
        assert [trace.data.spans[0].name for trace in traces] == ["retrieve", "reply"] * 2
        assert told(traces, TURN) == ["0", "0", "1", "1"]


def test_the_turn_at_which_a_traced_agent_fails_is_returned(
    simulator_class: Any, store: str, model: str
) -> None:
    """D34, C32: with its error; the turns before it stay, the other conversation goes on."""

    @mlflow.trace(name="own")
    def fragile(messages: Messages, mlflow_session_id: str, broken: bool = False) -> str:
        if broken and len(messages) > 1:
            raise RuntimeError("out of order")
        return answer(messages)

    cases = [{"goal": "g", "context": {"broken": True}}, {"goal": "h"}]
    first, second = simulator_class(cases, 3, model).simulate(fragile)
    assert [trace.info.state for trace in first] == [TraceState.OK, TraceState.ERROR]
    assert told(first, TURN) == ["0", "1"]
    assert len(set(told(first, SESSION))) == 1
    assert [trace.info.state for trace in second] == [TraceState.OK] * 3
    assert ids([*first, *second]) == ids(stored())
    (event,) = first[1].data.spans[0].events
    assert event.attributes["exception.message"] == "out of order"


def test_an_agent_that_is_traced_now_and_then_has_one_trace_a_turn(
    simulator_class: Any, store: str, model: str
) -> None:
    """C50, C51: turn by turn, whatever it made the turn before."""

    def sometimes(messages: Messages, mlflow_session_id: str) -> str:
        if len(messages) == 3:
            return decorated(messages, mlflow_session_id)
        return answer(messages)

    found = simulator_class(CASES, 3, model).simulate(sometimes)
    assert ids([trace for traces in found for trace in traces]) == ids(stored())
    for traces in found:
        names = [trace.data.spans[0].name for trace in traces]
        assert names == ["sometimes", "own", "sometimes"]
        assert told(traces, TURN) == ["0", "1", "2"]


def test_what_goes_on_elsewhere_is_nobodys_turn(
    simulator_class: Any, store: str, model: str
) -> None:
    """§4: another thread of the program traces its own work all the while, and keeps it."""
    over = threading.Event()
    strangers: list[str] = []

    def work() -> None:
        while not over.wait(0.002) and len(strangers) < 20:
            with mlflow.start_span("stranger") as span:
                strangers.append(span.trace_id)

    thread = threading.Thread(target=work)
    thread.start()
    found = simulator_class(CASES, 3, model).simulate(decorated)
    over.set()
    thread.join()
    mlflow.flush_trace_async_logging()
    kept = stored()
    own = [trace for trace in kept if trace.info.trace_id not in set(strangers)]
    assert ids(own) == ids([trace for traces in found for trace in traces])
    assert len(kept) == len(own) + len(strangers)
    others = [trace for trace in kept if trace.info.trace_id in set(strangers)]
    assert set(told(others, SESSION)) == {None}
    assert {span.name for trace in own for span in trace.data.spans} == {"own"}


def test_a_span_that_ends_after_the_answer_is_still_in_its_trace(
    simulator_class: Any, store: str, model: str
) -> None:
    """C51: work that an agent leaves behind in a thread of its own ends when it ends."""
    threads: list[threading.Thread] = []
    go_on = threading.Event()

    @mlflow.trace(name="own")
    def hasty(messages: Messages, mlflow_session_id: str) -> str:
        context = contextvars.copy_context()

        def later() -> None:
            with mlflow.start_span("afterwards"):
                go_on.wait(30)

        thread = threading.Thread(target=context.run, args=[later])
        thread.start()
        threads.append(thread)
        if len(messages) == 3:
            go_on.set()
            for one in threads:
                one.join()
        return answer(messages)

    (found,) = simulator_class([{"goal": "g"}], 2, model).simulate(hasty)
    mlflow.flush_trace_async_logging()
    kept = stored()
    assert ids(found) == ids(kept)
    assert [sorted(span.name for span in trace.data.spans) for trace in kept] == [
        ["afterwards", "own"]
    ] * 2
