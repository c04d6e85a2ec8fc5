"""Tasks of tau2-bench load as they are, and no word of a scenario is lost."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from convsim_adapters.case_files import load_cases
from convsim_fp.core import Message, TestCase, ToolCall, thaw
from convsim_fp.users import facts_of

TASKS = Path(__file__).parents[4].parent / "shared" / "data" / "tau2"
FILES = {"retail_tasks.json": 114, "mock_tasks.json": 10}

TASK = {
    "id": "parcel",
    "description": {"purpose": "Tests patience", "notes": None},
    "user_scenario": {
        "persona": "A florist in a hurry",
        "instructions": {
            "domain": "parcels",
            "reason_for_call": "You want to know where parcel P1 is.",
            "known_info": "You are Ada. The parcel is P1.",
            "unknown_info": "You do not know your customer number.",
            "task_instructions": "Do not wait for more than two replies.",
            "mood": "sour",
        },
        "weather": "rain",
    },
    "ticket": "Ada asks for P1",
    "initial_state": {
        "initialization_data": {"parcels": ["P1"]},
        "message_history": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello?", "tool_calls": None},
            {"role": "user", "tool_calls": [{"name": "open_app", "requestor": "user"}]},
            {"role": "assistant", "content": None, "tool_calls": [{"id": "c1", "name": "look_up"}]},
            {"role": "tool", "id": "c1", "content": "P1: on its way"},
            {
                "role": "assistant",
                "content": "One moment.",
                "tool_calls": [{"name": "wait", "arguments": {"seconds": 3}}],
            },
            {"role": "assistant", "content": "", "tool_calls": [{"name": "look_up"}]},
            {"role": "user", "content": "Well?"},
        ],
    },
    "evaluation_criteria": {
        "actions": [{"name": "look_up", "arguments": {"parcel": "P1"}, "info": None}],
        "nl_assertions": ["The agent says where P1 is"],
        "communicate_info": [],
        "env_assertions": None,
    },
    "annotations": None,
}


def load(write, *tasks: object, name: str = "tasks.json") -> tuple[TestCase, ...]:
    return load_cases(write(name, json.dumps(tasks))).cases


def words(value: object) -> Iterator[str]:
    """Every text of a value, and every key of its objects that says something."""
    match value:
        case str():
            yield value
        case dict():
            for key, item in value.items():
                if item is not None:
                    yield key
                    yield from words(item)
        case list() | tuple():
            for item in value:
                yield from words(item)


# What the names of a case's own fields, and the structure of messages, stand for.
STRUCTURE = {
    "id",
    "user_scenario",
    "instructions",
    "evaluation_criteria",
    "persona",
    "domain",
    "reason_for_call",
    "task_instructions",
    "known_info",
    "unknown_info",
}


def words_of_case(case: TestCase) -> set[str]:
    objects = (thaw(case.expectations), thaw(case.extra))
    texts = (case.id, case.goal, case.persona, *case.tags, *case.simulation_guidelines)
    return set(words([*objects, *texts]))


@pytest.mark.parametrize(("name", "count"), FILES.items())
def test_every_task_of_the_benchmark_loads_without_losing_a_word(name, count) -> None:
    file = TASKS / name
    if not file.exists():
        pytest.skip(f"the tasks of tau2-bench ({name}) are not beside the checkout")
    loaded = load_cases(file)
    tasks = json.loads(file.read_text("utf-8"))
    assert len(loaded.cases) == len(tasks) == count
    assert not loaded.warnings
    for task, case in zip(tasks, loaded.cases, strict=True):
        lost = set(words(task)) - words_of_case(case) - STRUCTURE
        assert not {text for text in lost if text}, case.id
        assert case.id == task["id"]


def test_a_task_is_a_case_with_all_of_its_scenario(write) -> None:
    [case] = load(write, TASK)
    assert (case.id, case.persona, case.tags) == ("parcel", "A florist in a hurry", ("parcels",))
    assert case.goal == "You want to know where parcel P1 is."
    assert case.simulation_guidelines == ("Do not wait for more than two replies.",)
    assert facts_of(case).knows == ("You are Ada. The parcel is P1.",)
    assert facts_of(case).does_not_know == ("You do not know your customer number.",)
    assert thaw(case.expectations) == {
        key: value for key, value in TASK["evaluation_criteria"].items() if value is not None
    }
    assert thaw(case.extra["tau2"]) == {
        "description": TASK["description"],
        "ticket": TASK["ticket"],
        "initial_state": TASK["initial_state"],
        "user_scenario": {"weather": "rain", "instructions": {"mood": "sour"}},
    }
    assert not set(words(TASK)) - words_of_case(case) - STRUCTURE


def test_the_history_is_what_user_and_agent_said_with_the_tools_called(write) -> None:
    [case] = load(write, TASK)
    calls = (ToolCall("look_up", id="c1"), ToolCall("wait", {"seconds": 3}))
    assert case.history == (
        Message("user", "Hello?"),
        Message("agent", "One moment.", calls),
        Message("agent", "", (ToolCall("look_up"),)),
        Message("user", "Well?"),
    )


def test_tools_called_at_the_end_are_a_message_without_words(write) -> None:
    history = [{"role": "assistant", "tool_calls": [{"name": "look_up"}]}]
    [case] = load(write, {**TASK, "initial_state": {"message_history": history}})
    assert case.history == (Message("agent", "", (ToolCall("look_up"),)),)


def test_instructions_of_one_text_are_the_goal(write) -> None:
    [case] = load(write, {"user_scenario": {"instructions": "Ask for a refund."}})
    assert case == TestCase(goal="Ask for a refund.")


def test_blank_and_absent_information_is_none(write) -> None:
    told = {"reason_for_call": "Pay.", "known_info": "", "unknown_info": None}
    [case] = load(write, {"user_scenario": {"instructions": told}})
    assert case == TestCase(goal="Pay.")


def test_tasks_are_known_by_their_scenario_or_by_the_format(write, refused) -> None:
    file = write("tasks.data", json.dumps([TASK]))
    assert load_cases(file, format="tau2").cases == load(write, TASK)
    [told] = refused("tasks.json", json.dumps([TASK]), format="json")
    assert told.endswith("goal is missing; write what the user wants to achieve")


def test_problems_name_the_fields_of_the_task(refused) -> None:
    task = json.dumps(
        [
            {
                "id": 7,
                "user_scenario": {
                    "persona": 8,
                    "instructions": {
                        "reason_for_call": "",
                        "task_instructions": [9],
                        "known_info": {},
                        "unknown_info": [10],
                        "domain": 11,
                    },
                },
                "evaluation_criteria": {"actions": [float("nan")]},
            },
            {"ticket": float("inf"), "user_scenario": {"instructions": " "}},
        ],
        indent=1,
    )
    told = refused("t.json", task)
    lines = {line.split(" is ")[0].split(": ")[-1]: int(line.split(":")[1]) for line in told}
    inside = "user_scenario.instructions"
    assert lines == {
        "id": 3,
        "user_scenario.persona": 5,
        f"{inside}.reason_for_call": 7,
        f"{inside}.task_instructions[0]": 9,
        f"{inside}.known_info": 11,
        f"{inside}.unknown_info[0]": 13,
        f"{inside}.domain": 15,
        "evaluation_criteria.actions[0]": 20,
        "ticket": 25,
        inside: 27,
    }


@pytest.mark.parametrize(
    ("task", "problem"),
    [
        ({}, "user_scenario is missing, expected an object with instructions"),
        ({"user_scenario": "x"}, "user_scenario is text, expected an object with instructions"),
        (
            {"user_scenario": {"persona": "p"}},
            "user_scenario.instructions is missing, expected text or an object",
        ),
        (
            {"user_scenario": {"instructions": ["x"]}},
            "user_scenario.instructions is a list, expected text or an object",
        ),
        ({**TASK, "initial_state": 7}, "initial_state is a number (7), expected an object"),
        (
            {**TASK, "evaluation_criteria": []},
            "evaluation_criteria is a list, expected an object",
        ),
    ],
)
def test_a_part_of_another_kind_is_refused_once(refused, task, problem) -> None:
    [told] = refused("t.json", json.dumps([task, {**TASK, "id": "another"}]))
    assert told.startswith("t.json:1: cases[0]")
    assert told.endswith(problem)


@pytest.mark.parametrize(
    ("history", "field"),
    [
        ("Hello?", " is text, expected a list of messages"),
        (["Hello?"], "[0] is text, expected an object with a role"),
        ([{"role": "clerk"}], "[0] has the role 'clerk', expected an object with a role"),
        ([{"role": "user", "content": 7}], "[0].content is a number (7), expected text"),
        ([{"role": "assistant", "tool_calls": {}}], "[0].tool_calls is an object, expected a list"),
        ([{"role": "assistant", "tool_calls": [{}]}], "[0].tool_calls[0] is an object, expected"),
        (
            [
                {
                    "role": "assistant",
                    "tool_calls": [{"name": "a", "arguments": {"n": float("inf")}}],
                }
            ],
            "[0].tool_calls[0].arguments.n is a number (inf), which JSON cannot hold",
        ),
    ],
)
def test_a_message_of_another_kind_is_refused(refused, history, field) -> None:
    told = refused("t.json", json.dumps([{**TASK, "initial_state": {"message_history": history}}]))
    assert f": initial_state.message_history{field}" in told[0]


def test_what_is_no_object_among_the_tasks_is_refused(refused) -> None:
    told = refused("t.json", json.dumps([TASK, "x"]))
    assert told == ["t.json:1: cases[1]: the case is text, expected an object with a goal"]
