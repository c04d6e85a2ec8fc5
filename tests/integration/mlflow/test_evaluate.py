"""`mlflow.genai.evaluate` takes the simulator for its data, and scores what it returns."""

import asyncio
import json
from typing import Any

import mlflow
import pytest
from mlflow.entities import Feedback, Trace
from mlflow.exceptions import MlflowException
from mlflow.genai import scorer
from mlflow.genai.simulators import ConversationSimulator as MlflowSimulator

SESSION, TURN = "mlflow.trace.session", "mlflow.simulation.turn"
CASES = [{"goal": "find the order"}, {"goal": "send it back"}]
Messages = list[dict[str, str]]
# MLflow's harness calls pandas in a way that pandas 4 will not have.
pytestmark = pytest.mark.filterwarnings("ignore:Starting with pandas version 4")


@pytest.fixture
def model(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> str:
    """A user who always goes on, and a judge who always says no."""
    loopback.talk = talk
    for name in ("OPENAI_API_BASE", "OPENAI_BASE_URL"):
        monkeypatch.setenv(name, loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    return "openai:/m"


def talk(body: dict[str, Any]) -> str:
    if "response_format" in body:
        return json.dumps({"rationale": "Not yet.", "result": "no"})
    return "Where is my order?"


def stored() -> list[Trace]:
    return mlflow.search_traces(return_type="list", order_by=["timestamp_ms ASC"])


def told(traces: list[Trace], name: str) -> list[str | None]:
    return [trace.info.trace_metadata.get(name) for trace in traces]


@scorer
def answered(trace: Trace) -> bool:
    """A scorer of turns."""
    return bool(trace.data.spans[0].outputs)


@scorer
def turns(session: list[Trace]) -> Feedback:
    """A scorer of sessions: how many turns it is shown, of how many sessions."""
    assert len(set(told(session, SESSION))) == 1
    return Feedback(value=len(session), rationale=",".join(map(str, sorted(told(session, TURN)))))


def agent(input: Messages, mlflow_session_id: str, **rest: Any) -> str:
    return f"answer {len(input)}"


async def agent_async(input: Messages, mlflow_session_id: str, **rest: Any) -> str:
    await asyncio.sleep(0)
    return f"answer {len(input)}"


@mlflow.trace(name="own")
def traced(input: Messages, mlflow_session_id: str) -> str:
    return f"answer {len(input)}"


@mlflow.trace(name="own")
async def traced_async(input: Messages, mlflow_session_id: str) -> str:
    await asyncio.sleep(0)
    return f"answer {len(input)}"


def with_openai(input: Messages, mlflow_session_id: str) -> str:
    from openai import OpenAI

    with OpenAI(max_retries=0) as client:
        made = client.chat.completions.create(model="agents", messages=input)
    return made.choices[0].message.content or ""


AGENTS = {  # C60, C61, D8
    "untraced": (agent, "agent"),
    "untraced async": (agent_async, "agent_async"),
    "traced": (traced, "own"),
    "traced async": (traced_async, "own"),
}


@pytest.mark.parametrize("kind", AGENTS)
def test_turns_and_sessions_are_scored(
    kind: str, simulator_class: Any, store: str, model: str
) -> None:
    """C60, C61, C62, C64, C65, C66, D8: a row per turn, whole sessions, one run, no other trace."""
    predict_fn, name = AGENTS[kind]
    simulator = simulator_class(CASES, 2, model)
    assert isinstance(simulator, MlflowSimulator)
    result = mlflow.genai.evaluate(data=simulator, predict_fn=predict_fn, scorers=[answered, turns])
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.run_id == result.run_id
    assert run.info.status == "FINISHED"
    assert len(result.result_df) == 4
    assert list(result.result_df["answered/value"]) == [True] * 4
    assert sorted(result.result_df["turns/value"].dropna()) == [2, 2]
    kept = stored()
    assert [trace.data.spans[0].name for trace in kept] == [name] * 4
    assert {trace.info.trace_id for trace in kept} == set(result.result_df["trace_id"])
    assert told(kept, "mlflow.sourceRun") == [result.run_id] * 4
    assert sorted(map(str, told(kept, TURN))) == ["0", "0", "1", "1"]
    assert result.metrics["answered/mean"] == 1.0


def test_what_an_evaluation_traces_by_itself_is_the_agents_alone(
    simulator_class: Any, store: str, model: str, loopback: Any
) -> None:
    """C57, C51, §4: it switches autologging on; the simulator's calls leave nothing."""
    result = mlflow.genai.evaluate(
        data=simulator_class(CASES, 2, model), predict_fn=with_openai, scorers=[answered, turns]
    )
    kept = stored()
    assert len(kept) == len(result.result_df) == 4
    assert loopback.count == 3 * len(kept)
    assert "with_openai" not in {trace.data.spans[0].name for trace in kept}
    assert sorted(map(str, told(kept, TURN))) == ["0", "0", "1", "1"]


def test_the_scores_of_a_session_stand_on_its_first_turn(
    simulator_class: Any, store: str, model: str
) -> None:
    """C62, C56, D1: with what was expected of the session, which scorers can read."""

    @scorer
    def as_expected(session: list[Trace]) -> bool:
        (tone,) = [one for one in session[0].info.assessments if one.name == "tone"]
        return bool(tone.value == "polite")

    cases = [{**case, "expectations": {"tone": "polite"}} for case in CASES]
    result = mlflow.genai.evaluate(
        data=simulator_class(cases, 2, model), predict_fn=agent, scorers=[turns, as_expected]
    )
    assert result.metrics["as_expected/mean"] == 1.0
    for trace in stored():
        first = trace.info.trace_metadata[TURN] == "0"
        names = sorted(one.name for one in trace.info.assessments)
        assert names == (["as_expected", "tone", "turns"] if first else [])
        for one in trace.info.assessments:
            assert one.metadata[SESSION] == trace.info.trace_metadata[SESSION]


def test_the_test_cases_are_the_runs_dataset(simulator_class: Any, store: str, model: str) -> None:
    """C60, C14, C16: by name and digest, which are independent of the answers."""
    simulator = simulator_class(CASES, 1, model)

    def other(input: Messages, **rest: Any) -> str:
        return "something else"

    digests = []
    for predict_fn in (agent, other):
        result = mlflow.genai.evaluate(data=simulator, predict_fn=predict_fn, scorers=[answered])
        (used,) = mlflow.get_run(result.run_id).inputs.dataset_inputs
        assert used.dataset.name == "conversational_dataset"
        digests.append(used.dataset.digest)
    assert digests == [simulator._compute_test_case_digest()] * 2


def test_the_active_run_is_the_evaluations(simulator_class: Any, store: str, model: str) -> None:
    """C60, C64, C55."""
    with mlflow.start_run() as run:
        result = mlflow.genai.evaluate(
            data=simulator_class(CASES, 1, model), predict_fn=agent, scorers=[answered]
        )
        assert result.run_id == run.info.run_id
        active = mlflow.active_run()
        assert active is not None
        assert active.info.run_id == run.info.run_id
    assert len(mlflow.search_runs(output_format="list")) == 1
    assert told(stored(), "mlflow.sourceRun") == [run.info.run_id] * 2


def test_without_an_agent_nothing_begins(
    simulator_class: Any, store: str, model: str, loopback: Any
) -> None:
    """C59."""
    simulator = simulator_class(CASES, 1, model)
    with pytest.raises(MlflowException, match="predict_fn is required"):
        mlflow.genai.evaluate(data=simulator, scorers=[answered])
    assert loopback.count == 0


def test_the_agent_is_called_once_a_turn(simulator_class: Any, store: str, model: str) -> None:
    """C66."""
    calls: list[int] = []

    def counted(input: Messages, **rest: Any) -> str:
        calls.append(len(input))
        return "noted"

    mlflow.genai.evaluate(
        data=simulator_class(CASES, 3, model), predict_fn=counted, scorers=[answered, turns]
    )
    assert sorted(calls) == [1, 1, 3, 3, 5, 5]


def test_where_no_conversation_had_a_turn_there_is_nothing_to_score(
    simulator_class: Any, store: str, model: str
) -> None:
    """C63."""

    def broken(input: Messages, **rest: Any) -> str:
        raise RuntimeError("out of order")

    with pytest.raises(MlflowException, match="produced no traces"):
        mlflow.genai.evaluate(
            data=simulator_class(CASES, 1, model), predict_fn=broken, scorers=[answered]
        )


def test_one_conversation_that_fails_leaves_the_others_to_be_scored(
    simulator_class: Any, store: str, model: str
) -> None:
    """C63, C32."""

    def fragile(input: Messages, mlflow_session_id: str, broken: bool = False) -> str:
        if broken:
            raise RuntimeError("out of order")
        return "fine"

    cases = [{"goal": "g", "context": {"broken": True}}, {"goal": "h"}]
    result = mlflow.genai.evaluate(
        data=simulator_class(cases, 2, model), predict_fn=fragile, scorers=[answered, turns]
    )
    goals = told(stored(), "mlflow.simulation.goal")
    assert goals.count("h") == 2
    assert 2 in list(result.result_df["turns/value"].dropna())


def test_a_failing_turn_is_scored(simulator_class: Any, store: str, model: str) -> None:
    """D34: a crash at the second turn does not leave a perfect score over the first."""

    @mlflow.trace(name="own")
    def fragile(input: Messages, mlflow_session_id: str) -> str:
        if len(input) > 1:
            raise RuntimeError("out of order")
        return "fine"

    result = mlflow.genai.evaluate(
        data=simulator_class(CASES[:1], 3, model), predict_fn=fragile, scorers=[answered]
    )
    assert len(result.result_df) == 2
    assert result.metrics["answered/mean"] == 0.5


def test_a_stress_test_of_an_agent_can_use_it(simulator_class: Any, store: str, model: str) -> None:
    """C75: as `mlflow.genai.test_agent` makes one, and what that does with the result."""
    simulator = simulator_class(test_cases=CASES, max_turns=2, user_model=model)
    flat = [trace for session in simulator.simulate(agent) for trace in session]
    assert [type(trace) for trace in flat] == [Trace] * 4
    assert told(flat, "mlflow.simulation.goal") == [
        "find the order",
        "find the order",
        "send it back",
        "send it back",
    ]
