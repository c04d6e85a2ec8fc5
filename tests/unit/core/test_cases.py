"""Test cases: what they hold, and everything that is wrong with them at once."""

import enum
import math

import pytest
from attrs.exceptions import FrozenInstanceError

from convsim_fp.core import JsonObject, Message, TestCase, ToolCall, parse_cases
from convsim_fp.errors import InvalidSpec


class Text(str):
    __slots__ = ()


class Name(enum.StrEnum):
    JO = "jo"


class Whole:
    """Such as NumPy's `int64`: a number that is no `int`."""

    def __index__(self) -> int:
        return 3


class Ambiguous:
    """Such as an array: it can be compared, and is neither true nor false."""

    def __bool__(self) -> bool:
        raise ValueError("ambiguous")

    __eq__ = None  # type: ignore[assignment]
    __hash__ = None  # type: ignore[assignment]


def problems(**fields: object) -> list[str]:
    """What is wrong with a case of these fields, by field."""
    with pytest.raises(InvalidSpec) as error:
        TestCase(**{"goal": "x", **fields})  # type: ignore[arg-type]
    return [f"{problem.field} {problem.what}" for problem in error.value.problems]


FULL = {
    "goal": "return the shoes",
    "persona": "Jo, 34",
    "context": {"order": "W7"},
    "expectations": {"refund": 12.5},
    "simulation_guidelines": ["be brief"],
    "id": "shoes",
    "tags": ["returns"],
    "history": [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}],
    "max_turns": 3,
    "extra": {"knows": ["the size"]},
}


def test_a_case_needs_no_more_than_a_goal() -> None:
    case = TestCase(goal="pay")
    assert (case.persona, case.id, case.max_turns, case.agent_opens) == (None, None, None, False)
    assert case.context == case.expectations == case.extra == {}
    assert case.simulation_guidelines == case.tags == case.history == ()


def test_a_case_is_read_from_a_plain_dict() -> None:
    (case,) = parse_cases([FULL]).or_raise()
    assert case.context == {"order": "W7"}
    assert case.simulation_guidelines == ("be brief",)
    assert case.history == (Message("user", "Hi."), Message("agent", "Hello."))
    assert case == TestCase(**FULL)  # type: ignore[arg-type]
    assert hash(case) == hash(TestCase(**FULL))  # type: ignore[arg-type]


def test_absent_and_none_are_the_same() -> None:
    nothing = dict.fromkeys((*FULL, "agent_opens")) | {"goal": "pay"}
    assert parse_cases([nothing]).or_raise() == (TestCase(goal="pay"),)
    assert TestCase(**{**nothing, "agent_opens": False}) == TestCase(goal="pay")  # type: ignore[arg-type]


def test_a_text_is_a_list_of_one_and_blank_is_none() -> None:
    case = TestCase(goal="x", simulation_guidelines="be brief", tags=" ")
    assert (case.simulation_guidelines, case.tags) == (("be brief",), ())


def test_subclasses_of_text_become_plain_text() -> None:
    case = TestCase(
        goal=Text("a"),
        persona=Name.JO,
        id=Text("b"),
        tags=[Name.JO],
        simulation_guidelines=Text("c"),
        history=[{"role": Text("user"), "content": Text("d")}],
        context={Text("e"): Name.JO},
    )
    texts = (case.goal, case.persona, case.id, *case.tags, *case.simulation_guidelines)
    assert texts == ("a", "jo", "b", "jo", "c")
    more = (case.history[0].text, *case.context, *case.context.values())
    assert {type(text) for text in (*texts, *more)} == {str}


def test_a_later_change_of_what_was_passed_changes_nothing() -> None:
    context, tags, order = {"order": {"sizes": [38]}}, ["returns"], [38]
    message = {"role": "user", "content": "Hi."}
    history, guidelines = [message], ["be brief"]
    case = TestCase(
        "x", None, context, context, guidelines, "c1", tags, history, extra={"a": order}
    )
    before = repr(case)
    context["order"]["sizes"].append(39)
    context["more"] = {}
    message["content"] = "Bye."
    for given in (tags, history, guidelines, order):
        given.append("more")  # type: ignore[attr-defined]
    assert repr(case) == before
    with pytest.raises(FrozenInstanceError):
        case.goal = "y"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("goal", "problem"),
    [
        (None, "goal is missing; write what the user wants to achieve"),
        ("", "goal is empty; write what the user wants to achieve"),
        (" \n", "goal is empty; write what the user wants to achieve"),
        (math.nan, "goal is NaN, expected text"),
        (7, "goal is a number (7), expected text"),
        (["a"], "goal is a list, expected text"),
        (b"a", "goal is a bytes, expected text"),
    ],
)
def test_a_goal_is_text(goal: object, problem: str) -> None:
    assert problems(goal=goal) == [problem]


@pytest.mark.parametrize("field", ["persona", "id"])
def test_other_texts_are_text_or_nothing(field: str) -> None:
    assert problems(**{field: math.nan}) == [f"{field} is NaN, expected text"]
    assert problems(**{field: {"a": 1}}) == [f"{field} is an object, expected text"]
    assert problems(id=" ") == ["id is empty; leave it out or name the case"]
    assert TestCase(goal="x", persona="").persona == ""


@pytest.mark.parametrize("field", ["context", "expectations", "extra"])
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (math.nan, " is NaN, expected an object"),
        ([1], " is a list, expected an object"),
        ("a", " is text, expected an object"),
        ({"a": [1, {"b": math.nan}]}, ".a[1].b is NaN, which JSON cannot hold"),
        ({"a": {1}}, ".a is a set, which JSON cannot hold"),
        ({"a": b"b"}, ".a is a bytes, which JSON cannot hold"),
        ({"a": Whole()}, ".a is a Whole, which JSON cannot hold"),
        ({7: 1}, " has a key that is a number (7), expected text"),
        ({"a": {None: 1}}, ".a has a key that is nothing (null), expected text"),
        (JsonObject({"a": math.inf}), ".a is a number (inf), which JSON cannot hold"),
    ],
)
def test_objects_are_json(field: str, value: object, problem: str) -> None:
    assert problems(**{field: value}) == [field + problem]


def test_cycles_and_deep_nesting_are_refused() -> None:
    ring: list[object] = []
    ring.append(ring)
    (problem,) = problems(context={"a": ring})
    assert problem.startswith("context.a[0][0]")
    assert problem.endswith("is nested deeper than 100 levels")


@pytest.mark.parametrize("key", ["input", "messages", "mlflow_session_id"])
def test_keys_that_the_agents_call_needs_are_reserved(key: str) -> None:
    assert problems(context={key: 1, "goal": 2}) == [f"context.{key} is a reserved key; rename it"]
    assert TestCase(goal="x", extra={key: 1}).extra[key] == 1


@pytest.mark.parametrize("field", ["simulation_guidelines", "tags"])
def test_lists_of_texts_hold_texts(field: str) -> None:
    for value, name in (
        (7, "a number (7)"),
        ({"a"}, "a set"),
        (math.nan, "NaN"),
        ({}, "an object"),
    ):
        assert problems(**{field: value}) == [
            f"{field} is {name}, expected text or a list of texts"
        ]
    assert problems(**{field: ["a", None, 3]}) == [
        f"{field}[1] is nothing (null), expected text",
        f"{field}[2] is a number (3), expected text",
    ]


EXPECTED = "expected a role (user or assistant) and a content (text)"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ({"role": "system", "content": "a"}, "{role: system, content: a}"),
        ({"role": ["user"], "content": "a"}, "{role: a list, content: a}"),
        ({"role": "user", "content": None}, "{role: user, content: nothing (null)}"),
        ({"role": "user"}, "{role: user}"),
        (
            {"role": "user", "content": "a", "name": 10**5000},
            "{role: user, content: a, name: a num",
        ),
        ({"role": "user", "content": 1, 7: 1}, "a number (7): a number (1)}"),
        ({"role": "x" * 50, "content": "y" * 40}, f"{{role: {'x' * 40}…, content: {'y' * 40}}}"),
        ({}, "{}"),
        ("Hi.", "text"),
        (None, "nothing (null)"),
    ],
    ids=range(10),
)
def test_a_history_holds_messages(message: object, shown: str) -> None:
    (problem,) = problems(history=[{"role": "user", "content": "Hi."}, message])
    assert problem.startswith("history[1] is ")
    assert shown in problem
    assert problem.endswith(EXPECTED)
    assert len(problem) < 400


def test_a_history_may_call_the_agent_by_either_name() -> None:
    named = [{"role": "assistant", "content": "Hi."}, {"role": "agent", "content": "Hi."}]
    assert TestCase(goal="x", history=named).history == (Message("agent", "Hi."),) * 2


def test_a_history_keeps_the_tool_calls_of_messages_and_refuses_what_are_none() -> None:
    called = Message("agent", "Hi.", (ToolCall("find", {"id": 7}),))
    assert TestCase(goal="x", history=[called]).history == (called,)
    for odd, shown in (
        (Message("assistant", "a"), "{speaker: assistant, text: a}"),  # type: ignore[arg-type]
        (Message("user", 7), "{speaker: user, text: a number (7)}"),  # type: ignore[arg-type]
        (Message(["user"], "a"), "{speaker: a list, text: a}"),  # type: ignore[arg-type]
        (Message("agent", "a", ("b",)), "{speaker: agent, text: a}"),  # type: ignore[arg-type]
        (Message("agent", "a", None), "{speaker: agent, text: a}"),  # type: ignore[arg-type]
    ):
        expected = "expected a speaker (user or agent), a text and tool calls"
        assert problems(history=[odd]) == [f"history[0] is {shown}, {expected}"]


def test_a_history_is_a_list() -> None:
    for value, name in (("Hi.", "text"), ({"role": "user"}, "an object"), (Ambiguous(), "an Amb")):
        (problem,) = problems(history=value, agent_opens=True)
        assert problem.startswith(f"history is {name}")


def test_the_agent_opens_only_without_a_history() -> None:
    both = problems(agent_opens=True, history=(Message("user", "Hi."),))
    assert both == ["agent_opens is set together with history; keep one of them"]
    assert problems(agent_opens=1) == ["agent_opens is a number (1), expected true or false"]
    assert problems(agent_opens="yes") == ["agent_opens is text, expected true or false"]


@pytest.mark.parametrize(
    ("limit", "name"),
    [
        (0, "a number (0)"),
        (-1, "a number (-1)"),
        (True, "a boolean (true)"),
        (1.5, "a number (1.5)"),
        (3.0, "a number (3.0)"),
        (math.nan, "NaN"),
        ("3", "text"),
        (Whole(), "a Whole"),
        (-(10**5000), "a number of more than 4096 bits"),
    ],
    ids=range(9),
)
def test_max_turns_is_a_whole_number_of_at_least_one(limit: object, name: str) -> None:
    assert problems(max_turns=limit) == [
        f"max_turns is {name}, expected a whole number from 1 to 1,000,000"
    ]


def test_one_turn_is_a_limit() -> None:
    assert TestCase(goal="x", max_turns=1).max_turns == 1
    assert TestCase(goal="x", max_turns=10**6).max_turns == 10**6
    assert len(problems(max_turns=10**6 + 1)) == 1


def test_a_problem_names_its_case_where_it_has_a_name() -> None:
    for name, told in (("c1", 'case ("c1"): goal is empty'), (None, "goal is empty"), (7, "goal")):
        with pytest.raises(InvalidSpec) as error:
            TestCase(goal="", id=name)  # type: ignore[arg-type]
        assert str(error.value).startswith(told)


def test_all_problems_of_a_case_are_said_at_once() -> None:
    found = problems(goal=" ", persona=1, context=[], tags=5, history=5, agent_opens=5, max_turns=0)
    assert [problem.partition(" ")[0] for problem in found] == [
        "goal",
        "persona",
        "context",
        "tags",
        "history",
        "agent_opens",
        "max_turns",
    ]
