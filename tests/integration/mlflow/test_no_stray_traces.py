"""With autologging on: an agent's calls of a model are traced, the simulator's own never."""

import gc
import json
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
import pytest
from mlflow.entities import Trace
from mlflow.genai.simulators import BaseSimulatedUserAgent, SimulatorContext

SESSION, TURN = "mlflow.trace.session", "mlflow.simulation.turn"
CASES = [{"goal": "find the order"}, {"goal": "send it back"}]
# Where litellm leaves who is told of its calls, even when autologging has been switched off.
CALLBACKS = (
    "callbacks",
    "success_callback",
    "failure_callback",
    "_async_success_callback",
    "_async_failure_callback",
)
Messages = list[dict[str, str]]
# Handles that clients keep in the background when the loop of a conversation ends are not ours.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Items? .* on TypedDict"),  # of litellm's, at its first call
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def model(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A user who always goes on, a judge who always says no, a model for agents; two ways there."""
    loopback.talk = talk
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL", "HOSTED_VLLM_API_BASE"):
        monkeypatch.setenv(name, loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("HOSTED_VLLM_API_KEY", "k")


@pytest.fixture
def autologging() -> Iterator[None]:
    """Whatever calls a model by the clients of openai or litellm is traced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # litellm warns while it is imported
        litellm = pytest.importorskip("litellm", reason="needs convsim-fp[litellm]")
    before = {name: list(getattr(litellm, name)) for name in CALLBACKS}
    mlflow.openai.autolog()
    mlflow.litellm.autolog()
    yield
    mlflow.openai.autolog(disable=True)
    mlflow.litellm.autolog(disable=True)
    for name, kept in before.items():
        setattr(litellm, name, kept)
    gc.collect()  # here, where a handle that litellm has left open is nobody's fault


def talk(body: dict[str, Any]) -> str:
    if "response_format" in body:
        return json.dumps({"rationale": "Not yet.", "result": "no"})
    if body["model"] == "agents":
        return f"answer {len(body['messages'])}"
    return "Where is my order?"


def stored() -> list[Trace]:
    mlflow.flush_trace_async_logging()  # also what came after the end
    return mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"])


def told(traces: list[Trace], name: str) -> list[str | None]:
    return [trace.info.trace_metadata.get(name) for trace in traces]


def ids(traces: list[Trace]) -> list[str]:
    return sorted(trace.info.trace_id for trace in traces)


def untraced(messages: Messages, mlflow_session_id: str) -> str:
    return f"answer {len(messages)}"


async def untraced_async(messages: Messages, mlflow_session_id: str) -> str:
    return f"answer {len(messages)}"


@pytest.mark.parametrize("uri", ["openai:/m", "hosted_vllm:/m"])
@pytest.mark.usefixtures("model", "autologging", "store")
def test_the_simulators_own_calls_leave_no_trace(uri: str, simulator_class: Any) -> None:
    """C57, C58, D15: natively and through litellm, which logs from other threads."""
    found = simulator_class(CASES, 2, uri).simulate(untraced)
    kept = stored()
    assert ids([trace for traces in found for trace in traces]) == ids(kept)
    assert [trace.data.spans[0].name for trace in kept] == ["untraced"] * 4
    assert [len(trace.data.spans) for trace in kept] == [1] * 4


@pytest.mark.usefixtures("model", "autologging", "store")
def test_nor_with_an_agent_that_is_awaited(simulator_class: Any) -> None:
    """C57, D15, D9."""
    simulator_class(CASES, 2, "hosted_vllm:/m").simulate(untraced_async)
    assert [trace.data.spans[0].name for trace in stored()] == ["untraced_async"] * 4


@pytest.mark.usefixtures("model", "autologging", "store")
def test_the_callers_last_trace_and_run_are_untouched(simulator_class: Any) -> None:
    """C57: not deleted, not changed, and still the last one of its thread."""
    with mlflow.start_run() as run:
        with mlflow.start_span("mine") as mine:
            mine.set_outputs("kept")
        simulator_class(CASES, 1, "openai:/m").simulate(untraced)
        assert mlflow.get_last_active_trace_id(thread_local=True) == mine.trace_id
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == run.info.run_id
    kept = {trace.info.trace_id: trace for trace in stored()}
    assert len(kept) == 3
    (span,) = kept[mine.trace_id].data.spans
    assert (span.name, span.outputs) == ("mine", "kept")
    assert SESSION not in kept[mine.trace_id].info.trace_metadata


class Impatient(BaseSimulatedUserAgent):
    """A user of the caller's own, who traces what it does, and asks a model."""

    @mlflow.trace(name="users own")
    def generate_message(self, context: SimulatorContext) -> str:
        with mlflow.start_span("ponder"):
            return self.invoke_llm(f"Ask at once for: {context.goal}")


@pytest.mark.usefixtures("model", "autologging", "store")
def test_a_user_who_traces_leaves_nothing_in_the_run(simulator_class: Any) -> None:
    """D44."""
    simulator = simulator_class(CASES, 2, "openai:/m", user_agent_class=Impatient)
    simulator.simulate(untraced)
    assert [trace.data.spans[0].name for trace in stored()] == ["untraced"] * 4


def with_openai(messages: Messages, **rest: Any) -> str:
    from openai import OpenAI

    with OpenAI(max_retries=0) as client:
        made = client.chat.completions.create(model="agents", messages=messages)
    return made.choices[0].message.content or ""


async def with_openai_async(messages: Messages, **rest: Any) -> str:
    from openai import AsyncOpenAI

    async with AsyncOpenAI(max_retries=0) as client:
        made = await client.chat.completions.create(model="agents", messages=messages)
    return made.choices[0].message.content or ""


def with_litellm(messages: Messages, **rest: Any) -> str:
    import litellm

    made = litellm.completion("openai/agents", messages, max_retries=0)
    return made.choices[0].message.content or ""


async def with_litellm_async(messages: Messages, **rest: Any) -> str:
    import litellm

    made = await litellm.acompletion("openai/agents", messages, max_retries=0)
    return made.choices[0].message.content or ""


@pytest.mark.parametrize(
    "predict_fn", [with_openai, with_openai_async, with_litellm, with_litellm_async]
)
@pytest.mark.usefixtures("model", "autologging", "store")
def test_what_autologging_traced_of_an_agent_is_its_turn(
    predict_fn: Callable[..., Any], simulator_class: Any
) -> None:
    """C51, C57, D8, D15: the call of the model is the trace; no wrapper, no other trace."""
    found = simulator_class(CASES, 2, "openai:/m").simulate(predict_fn)
    kept = stored()
    assert ids([trace for traces in found for trace in traces]) == ids(kept)
    assert predict_fn.__name__ not in {trace.data.spans[0].name for trace in kept}
    for traces in found:
        assert told(traces, TURN) == ["0", "1"]
        assert len(set(told(traces, SESSION))) == 1
        for turn, trace in enumerate(traces):
            assert f"answer {2 * turn + 1}" in json.dumps(trace.data.spans[0].to_dict())


@mlflow.trace(name="own")
def asks_twice(messages: Messages, **rest: Any) -> str:
    return " ".join(with_openai(messages, **rest) for _ in range(2))


@pytest.mark.usefixtures("model", "autologging", "store")
def test_calls_below_a_traced_agent_are_spans_of_its_trace(simulator_class: Any) -> None:
    """C51: both calls of the model stand below the agent's own span."""
    found = simulator_class(CASES, 2, "openai:/m").simulate(asks_twice)
    kept = stored()
    assert ids([trace for traces in found for trace in traces]) == ids(kept)
    for trace in kept:
        root, *below = sorted(trace.data.spans, key=lambda span: span.parent_id is not None)
        assert root.name == "own"
        assert [span.parent_id for span in below] == [root.span_id] * 2
