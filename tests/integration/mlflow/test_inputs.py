"""What the drop-in takes as test cases and settings, and what it refuses: as MLflow, or better."""

import copy
import math
import re
from collections.abc import Callable, Iterator
from typing import Any

import mlflow
import pandas as pd
import pytest

NAN = math.nan


class Agent:
    """Answers, and keeps what it was given."""

    def __init__(self) -> None:
        self.given: list[dict[str, Any]] = []

    def __call__(self, input: list[dict[str, str]], **rest: Any) -> str:
        self.given.append(rest)
        return "It is on its way."


@pytest.fixture
def agent() -> Agent:
    return Agent()


@pytest.mark.parametrize(
    ("cases", "words"),
    [
        ([], "test_cases cannot be empty"),
        (
            [{"persona": "p"}, {"goal": "g"}, {"goal": ""}, {"goal": None}],
            r"Test cases at indices \[0, 2, 3\] must have 'goal' field",
        ),
        (
            [{"goal": "g", "context": {}}, {"goal": "g", "context": "order 7"}],
            r"indices \[1\] must have 'context' as a dict when provided",
        ),
        ([{"goal": "g", "context": {"input": 1}}], r"indices \[0\].*reserved"),
        ([{"goal": "g"}, {"goal": "g", "context": {"messages": []}}], r"indices \[1\].*reserved"),
        ([{"goal": "g", "context": {"mlflow_session_id": "s"}}], r"indices \[0\].*reserved"),
    ],
)
def test_cases_that_cannot_be_are_refused_by_index(
    simulator_class: Any, cases: list[Any], words: str
) -> None:
    """C5, C6, C7, C9."""
    with pytest.raises(ValueError, match=words):
        simulator_class(cases)


def test_what_is_assigned_is_read_and_checked_like_what_is_given(simulator_class: Any) -> None:
    """C11: a bad value leaves the old one."""
    simulator = simulator_class([{"goal": "old"}])
    simulator.test_cases = pd.DataFrame([{"goal": "new"}])
    assert simulator.test_cases == [{"goal": "new"}]
    for bad in ([], [{"goal": ""}], [{"goal": "g", "context": 1}]):
        with pytest.raises(ValueError, match=r"empty|indices \[0\]"):
            simulator.test_cases = bad
    assert simulator.test_cases == [{"goal": "new"}]


def test_keys_that_nobody_knows_are_told_by_index_and_ignored(
    simulator_class: Any, logs: pytest.LogCaptureFixture, store: str, wire: Any, agent: Agent
) -> None:
    """C10."""
    cases = [{"goal": "g"}, {"goal": "h", "gaol": "i"}]
    found = simulator_class(cases, 1, wire.uri).simulate(agent)
    (warning,) = (one for one in logs.records if "unexpected keys" in one.getMessage())
    assert warning.levelname == "WARNING"
    assert "[1]" in warning.getMessage()
    assert [len(traces) for traces in found] == [1, 1]


def test_what_is_not_there_may_be_said_to_be_none_or_nan(
    simulator_class: Any, store: str, wire: Any, agent: Agent
) -> None:
    """C8."""
    nothing = {"persona": None, "expectations": None, "simulation_guidelines": None}
    cases = [
        {"goal": "with none", "context": None, **nothing},
        {"goal": "with nan", "context": NAN},
    ]
    found = simulator_class(cases, 1, wire.uri).simulate(agent)
    assert [len(traces) for traces in found] == [1, 1]
    assert [set(given) for given in agent.given] == [{"mlflow_session_id"}] * 2


def test_a_frame_with_gaps_is_cases_without_these_fields(
    simulator_class: Any, store: str, wire: Any, agent: Agent
) -> None:
    """D2, D3, D4: a missing persona, guidelines, expectations or context is no text ``nan``."""
    full = {
        "goal": "with all",
        "persona": "You are terse.",
        "context": {"order": "W7"},
        "expectations": {"tone": "kind"},
        "simulation_guidelines": ["be brief"],
    }
    gaps = [
        {"goal": f"with gap {number}", **dict.fromkeys(list(full)[1:], missing)}
        for number, missing in enumerate((NAN, pd.NA, pd.NaT, None))
    ]
    frame = pd.DataFrame([full, *gaps], dtype=object)
    found = simulator_class(frame, 1, wire.uri).simulate(agent)
    assert [len(traces) for traces in found] == [1] * 5
    for opening in wire.prompts_of("with gap"):
        assert not re.search(r"\bnan\b|<NA>|NaT|\bNone\b", opening)
    for (trace,) in found[1:]:
        assert "mlflow.simulation.simulation_guidelines" not in trace.info.trace_metadata
        assert trace.info.assessments == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"goal": NAN},
        {"goal": 7},
        {"goal": ["find it"]},
        {"persona": 7},
        {"persona": ["terse"]},
        {"simulation_guidelines": 7},
        {"simulation_guidelines": ["be brief", 7]},
        {"simulation_guidelines": {"be": "brief"}},
        {"expectations": ["polite"]},
        {"expectations": "polite"},
    ],
    ids=repr,
)
def test_fields_of_another_type_are_refused_by_index(
    simulator_class: Any, wrong: dict[str, Any]
) -> None:
    """D5, D6, D18: before anything is asked of a model."""
    with pytest.raises((ValueError, TypeError), match=r"\b1\b") as refused:
        simulator_class([{"goal": "g"}, {"goal": "g", **wrong}])
    assert next(iter(wrong)) in str(refused.value)


@pytest.mark.parametrize("cases", [["g"], {"goal": "g"}, [None], [{"goal": "g"}, 7], 7, "goal"])
def test_what_is_no_list_of_dicts_is_refused(simulator_class: Any, cases: Any) -> None:
    """D40."""
    with pytest.raises((ValueError, TypeError)) as refused:
        simulator_class(cases)
    assert "no attribute" not in str(refused.value)
    assert "not iterable" not in str(refused.value)


def test_guidelines_in_a_tuple_are_guidelines(
    simulator_class: Any, store: str, wire: Any, agent: Agent
) -> None:
    """D18: or they are refused, but no trace is stored without its metadata."""
    case = {"goal": "g", "simulation_guidelines": ("be brief", "be kind")}
    try:
        simulator = simulator_class([case], 1, wire.uri)
    except (ValueError, TypeError):
        return
    ((trace,),) = simulator.simulate(agent)
    metadata = mlflow.get_trace(trace.info.trace_id).info.trace_metadata
    assert metadata["mlflow.simulation.simulation_guidelines"] == "be brief\nbe kind"


def test_a_generator_is_read_once_and_kept(
    simulator_class: Any, store: str, wire: Any, agent: Agent
) -> None:
    """D19."""
    simulator = simulator_class(({"goal": goal} for goal in ("g", "h")), 1, wire.uri)
    assert simulator.test_cases == [{"goal": "g"}, {"goal": "h"}]
    assert [len(traces) for traces in simulator.simulate(agent)] == [1, 1]
    with pytest.raises(ValueError, match="empty"):
        simulator_class(iter(()))


@pytest.mark.parametrize("turns", [0, -1, 1.5, "3", None, True], ids=repr)
def test_a_number_of_turns_that_cannot_be_is_refused(simulator_class: Any, turns: Any) -> None:
    """D20."""
    with pytest.raises((ValueError, TypeError), match="max_turns"):
        simulator_class([{"goal": "g"}], turns)


def test_the_defaults_are_those_of_mlflow(simulator_class: Any, house: Any, store: str) -> None:
    """C13."""
    cases = [{"goal": "g"}]
    simulator = simulator_class(cases)
    assert simulator.max_turns == 10
    assert simulator.user_agent_class is house.SimulatedUserAgent
    assert simulator.user_model == "openai:/gpt-5"
    mlflow.set_tracking_uri("databricks")
    assert simulator_class(cases).user_model == "gpt-oss-120b"
    given = simulator_class(cases, 3, "openai:/m", house.SimulatedUserAgent, temperature=0.5)
    assert (given.max_turns, given.user_model) == (3, "openai:/m")
    assert given.user_llm_params == {"temperature": 0.5}


@pytest.mark.parametrize("wrong", [dict, Agent])
def test_a_user_of_another_class_is_refused(simulator_class: Any, wrong: Any) -> None:
    """C12."""
    with pytest.raises(TypeError, match="must be a subclass of BaseSimulatedUserAgent"):
        simulator_class([{"goal": "g"}], user_agent_class=wrong)


def growing(cases: list[dict[str, Any]]) -> Iterator[Callable[[], object]]:
    yield lambda: cases.append({"persona": "You came later."})
    yield lambda: cases[0].update(goal="")
    yield lambda: cases[0]["context"].update(order="W8")
    yield lambda: cases[0]["simulation_guidelines"].append(7)


def test_what_is_done_to_the_callers_list_later_is_not_seen(
    simulator_class: Any, store: str, wire: Any, agent: Agent
) -> None:
    """D26."""
    case = {"goal": "g", "context": {"order": "W7"}, "simulation_guidelines": ["be brief"]}
    cases = [case]
    simulator = simulator_class(cases, 1, wire.uri)
    kept = copy.deepcopy(cases)
    for change in growing(cases):
        change()
    assert simulator.test_cases == kept
    assert [len(traces) for traces in simulator.simulate(agent)] == [1]
    assert agent.given[0]["order"] == "W7"


def test_any_other_key_of_a_context_is_free(
    simulator_class: Any, store: str, wire: Any, agent: Agent
) -> None:
    """C9: also the names of fields."""
    context = {"goal": "their own", "turn": 7, "persona": "theirs", "expectations": [1]}
    simulator_class([{"goal": "g", "context": context}], 1, wire.uri).simulate(agent)
    (given,) = agent.given
    assert given.pop("mlflow_session_id")
    assert given == context
