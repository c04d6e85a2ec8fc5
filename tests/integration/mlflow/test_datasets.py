"""Test cases from lists, frames and datasets, and how MLflow is told which they were."""

import copy
import json
import re
from types import ModuleType
from typing import Any

import mlflow
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from mlflow.genai.datasets import create_dataset

WORDS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
TEXTS = WORDS.filter(str.strip)
VALUES = st.none() | st.booleans() | st.integers(-9, 9) | WORDS | st.lists(st.integers(-9, 9))
FIELDS = {
    "persona": TEXTS,
    "context": st.dictionaries(st.sampled_from(["order", "goal", "turn"]), VALUES, min_size=1),
    "expectations": st.dictionaries(st.sampled_from(["tone", "refund"]), VALUES, min_size=1),
    "simulation_guidelines": TEXTS | st.lists(TEXTS, min_size=1, max_size=3),
}
RECORDS = st.fixed_dictionaries({"goal": TEXTS}, optional=FIELDS)
CHANGES = st.sampled_from(sorted(FIELDS)).flatmap(
    lambda name: st.fixed_dictionaries({}, optional={name: FIELDS[name]})
)


def agent(input: list[dict[str, str]], **rest: Any) -> str:
    return "It is on its way."


@pytest.fixture(scope="module")
def face() -> ModuleType:
    import convsim_adapters.mlflow

    return convsim_adapters.mlflow


@given(records=st.lists(RECORDS, min_size=1, max_size=3))
def test_whatever_cases_there_are_read_back_equal_and_have_a_digest(
    face: ModuleType, records: list[dict[str, Any]]
) -> None:
    """C1, C14: of 8 characters. D25: of which the order of keys is no part. D26: and are copies."""
    simulator = face.ConversationSimulator(records)
    assert simulator.test_cases == records
    digest = simulator._compute_test_case_digest()
    assert re.fullmatch(r"\w{8}", digest)
    turned = [dict(reversed(copy.deepcopy(record).items())) for record in records]
    assert face.ConversationSimulator(turned)._compute_test_case_digest() == digest
    for record in records:
        record["goal"] = ""
    assert all(record["goal"] for record in simulator.test_cases)


@given(one=RECORDS, change=CHANGES)
def test_digests_are_equal_where_the_cases_are(
    face: ModuleType, one: dict[str, Any], change: dict[str, Any]
) -> None:
    """C14, C15, D25: whatever differs between two cases differs between their digests."""
    first, second = digests(face.ConversationSimulator, [one], [one | change])
    changed = any(json.dumps(value) != json.dumps(one.get(name)) for name, value in change.items())
    assert (first != second) == changed


def test_cases_are_dicts_rows_of_a_frame_or_of_a_dataset(simulator_class: Any, store: str) -> None:
    """C1, C2, C3, C16: the order of a dataset's cases is the store's, and its name is kept."""
    cases = [
        {"goal": "find the order", "persona": "You are terse."},
        {"goal": "return it", "persona": "You are kind.", "context": {"order": "W7"}},
    ]
    assert simulator_class(cases).test_cases == cases
    assert simulator_class(tuple(cases)).test_cases[1] == cases[1]
    frame = pd.DataFrame([{"goal": "a", "persona": "b"}, {"goal": "c", "persona": "d"}])
    assert simulator_class(frame).test_cases == frame.to_dict("records")
    dataset = create_dataset(name="returns").merge_records([{"inputs": case} for case in cases])
    simulator = simulator_class(dataset)
    assert sorted(simulator.test_cases, key=lambda case: case["goal"]) == cases
    assert simulator._get_dataset_name() == "returns"
    assert simulator_class(cases)._get_dataset_name() == "conversational_dataset"


def test_a_dataset_without_conversations_is_refused(simulator_class: Any, store: str) -> None:
    """C4."""
    words = "conversational test cases with a 'goal' field"
    empty = create_dataset(name="empty")
    with pytest.raises(ValueError, match=words):
        simulator_class(empty)
    others = create_dataset(name="others").merge_records([{"inputs": {"question": "What?"}}])
    with pytest.raises(ValueError, match=words):
        simulator_class(others)


def digests(simulator_class: Any, *lists: list[dict[str, Any]]) -> list[str]:
    return [simulator_class(cases)._compute_test_case_digest() for cases in lists]


def test_the_digest_of_the_cases_is_theirs_alone(simulator_class: Any) -> None:
    """C14, C15: equal for equal ones; another goal, persona or order is another digest."""
    first, again, *others = digests(
        simulator_class,
        [{"goal": "g"}, {"goal": "h"}],
        [{"goal": "g"}, {"goal": "h"}],
        [{"goal": "g"}, {"goal": "i"}],
        [{"goal": "g", "persona": "You are terse."}, {"goal": "h"}],
        [{"goal": "h"}, {"goal": "g"}],
    )
    assert first == again
    assert len({first, *others}) == 4
    assert {len(digest) for digest in (first, *others)} == {8}


def test_the_digest_counts_all_of_a_case(simulator_class: Any) -> None:
    """D25: context, guidelines, expectations; rows beyond 10,000; but not the order of keys."""
    many = [{"goal": "g"}] * 10_001
    found = digests(
        simulator_class,
        [{"goal": "g"}],
        [{"goal": "g", "context": {"order": "W7"}}],
        [{"goal": "g", "context": {"order": "W8"}}],
        [{"goal": "g", "simulation_guidelines": ["be brief"]}],
        [{"goal": "g", "simulation_guidelines": ["be kind"]}],
        [{"goal": "g", "expectations": {"tone": "kind"}}],
        many,
        [*many, {"goal": "h"}],
    )
    assert len(set(found)) == len(found)
    first, turned = digests(
        simulator_class, [{"goal": "g", "persona": "p"}], [{"persona": "p", "goal": "g"}]
    )
    assert first == turned


def test_the_name_of_a_dataset_goes_with_it(simulator_class: Any, store: str) -> None:
    """D24: other test cases are not the dataset's."""
    dataset = create_dataset(name="returns").merge_records([{"inputs": {"goal": "g"}}])
    simulator = simulator_class(dataset)
    simulator.test_cases = [{"goal": "h"}]
    assert simulator._get_dataset_name() == "conversational_dataset"
    simulator.test_cases = dataset
    assert simulator._get_dataset_name() == "returns"


def test_what_a_dataset_expects_stands_on_the_first_trace(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """D23: the column of that name, case by case."""
    expected = {"g": {"tone": "kind"}, "h": {"tone": "terse", "refund": True}}
    rows = [{"inputs": {"goal": goal}, "expectations": told} for goal, told in expected.items()]
    dataset = create_dataset(name="returns").merge_records(rows)
    simulator = simulator_class(dataset, 1, wire.uri)
    goals = [case["goal"] for case in simulator.test_cases]
    found = dict(zip(goals, simulator.simulate(agent), strict=True))
    for goal, (trace,) in found.items():
        kept = mlflow.get_trace(trace.info.trace_id)
        assert {one.name: one.value for one in kept.info.assessments} == expected[goal]
