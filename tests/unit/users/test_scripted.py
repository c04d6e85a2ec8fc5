"""A user that speaks fixed lines."""

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Leave,
    Observation,
    Request,
    Rules,
    Say,
    Stopped,
    StopReason,
    TestCase,
    View,
    start,
)
from convsim_fp.errors import InvalidSpec
from convsim_fp.testing import drive

CASE = TestCase(
    goal="track {it}",
    id="c1",
    context={"order": {"id": "W7", "sizes": [38, "ü"]}, "open": False, "none": None, "n": 0},
    extra={"script": ["One.", "Two {context.order.id}."], "name": "Jo\ud800", "a-b": {"c_d": 1.5}},
)


def observe(request: Request) -> Observation:
    return AgentReplied(request.id, "Well?")


def test_it_says_its_lines_in_order_and_leaves() -> None:
    for lines in (["Hi.", "So?"], ("Hi.", "So?"), (line for line in ["Hi.", "So?"])):
        rules = Rules(users.scripted(lines), goals.never)
        end = drive(rules, start(rules, CASE), observe)
        assert end.phase == Stopped(StopReason.USER_LEFT, 2, "the script ended")
        assert [m.text for m in end.transcript] == ["Hi.", "Well?", "So?", "Well?"]


def test_without_lines_it_says_those_of_the_case() -> None:
    user = users.scripted()
    assert [user(View(CASE, turn)) for turn in (1, 2, 3)] == [
        Say("One."),
        Say("Two W7."),
        Leave("the script ended"),
    ]


@pytest.mark.parametrize(
    ("line", "filled"),
    [
        ("no places", "no places"),
        ("{goal}", "track {it}"),
        ("{id}: {context.order.id}", "c1: W7"),
        ("{extra.name}", "Jo\ud800"),
        ("{extra.a-b.c_d}", "1.5"),
        ("{context.open} {context.n}", "false 0"),
        ("{context.order}", '{"id": "W7", "sizes": [38, "ü"]}'),
        ("{context.order.sizes}", '[38, "ü"]'),
        ("{{goal}} {{anything}}", "{goal} {anything}"),
        ("{} { } {!} {0.x", "{} { } {!} {0.x"),
        ("{goal!r} {goal:>9} %s {a b}", "{goal!r} {goal:>9} %s {a b}"),
        ("{{goal}", "{track {it}"),
        ("{goal}}", "track {it}}"),
        ("{goal.__class__.__mro__", "{goal.__class__.__mro__"),
    ],
)
def test_places_are_filled_and_other_braces_are_braces(line: str, filled: str) -> None:
    assert users.fill(line, CASE) == filled


@pytest.mark.parametrize(
    "place",
    [
        "persona",
        "context.nothing",
        "context.none",
        "context.order.id.deeper",
        "goal.upper",
        "goal.__class__",
        "context.order.sizes.0",
    ],
)
def test_a_place_without_a_value_is_named(place: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        users.fill(f"x {{{place}}}", CASE)
    assert str(error.value) == (
        f'case ("c1"): the text has {{{place}}}, for which the case has no value; '
        "give it one, or double the braces for the text"
    )


def test_all_places_without_a_value_are_named_at_once() -> None:
    with pytest.raises(InvalidSpec) as error:
        users.fill("{history} {goal} {persona} {name}", CASE)
    assert [problem.what.partition(";")[0] for problem in error.value.problems] == [
        "has {history}",
        "has {persona}, for which the case has no value",
        "has {name}",
    ]


def test_a_missing_value_ends_the_session_typed_before_the_first_line() -> None:
    rules = Rules(users.scripted(["Hello.", "{context.nothing}"]), goals.never)
    end = drive(rules, start(rules, CASE), observe).phase
    assert isinstance(end, Stopped)
    assert (end.reason, end.turns) == (StopReason.USER_FAILED, 0)
    assert 'case ("c1"): lines[1] has {context.nothing}' in end.detail


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("Hi.", "lines is text, expected a list of texts"),
        (7, "lines is a number (7), expected a list of texts"),
        ([], "lines is empty; write what the user says"),
        (
            ["Hi.", None, 3],
            (
                "lines[1] is nothing (null), expected text\nlines[2] is a number (3), "
                "expected text; put it in quotes"
            ),
        ),
    ],
)
def test_lines_that_are_no_texts_are_refused(lines: object, problem: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        users.scripted(lines)  # type: ignore[arg-type]
    assert str(error.value) == problem


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (None, "extra.script is missing, expected a list of texts"),
        ([], "extra.script is empty; write what the user says"),
        ("Hi.", "extra.script is text, expected a list of texts"),
        (["a", 1], "extra.script[1] is a number (1), expected text; put it in quotes"),
        ({"a": 1}, "extra.script is an object, expected a list of texts"),
    ],
)
def test_a_case_without_a_good_script_is_refused(script: object, problem: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        users.scripted()(View(TestCase(goal="x", id="c1", extra={"script": script}), 1))
    assert str(error.value) == f'case ("c1"): {problem}'


def test_a_megabyte_of_braces_is_only_long() -> None:
    for part in ("{", "}", "{{", "{a", "{a.", "{}", "{{a}}", "{{a"):
        assert users.fill(part * (1_000_000 // len(part)), CASE)


@pytest.mark.parametrize("place", ["0", "name", "contxt.order"])
def test_a_place_that_no_case_has_is_refused_when_the_user_is_made(place: str) -> None:
    with pytest.raises(InvalidSpec) as refused:
        users.scripted(["Hello.", f"It is {{{place}}}."])
    assert str(refused.value) == (
        f"lines[1] has {{{place}}}; known are goal, persona, id, context, extra; "
        "for the text, double the braces"
    )
    assert users.scripted([f"It is {{{{{place}}}}}."])


def test_the_script_of_a_case_is_its_lines_with_their_places_filled() -> None:
    assert users.script_of(CASE) == ("One.", "Two W7.")
    bare = TestCase(goal="x", extra={"script": ["", "{{goal}}"]})
    assert users.script_of(bare) == ("", "{goal}")


def test_all_that_is_wrong_with_a_script_is_said_at_once() -> None:
    lines = ["{context.nothing}", False, "{nmae} {context.none}"]
    case = TestCase(goal="x", id="c1", extra={"script": lines})
    with pytest.raises(InvalidSpec) as error:
        users.script_of(case)
    assert [problem.field for problem in error.value.problems] == [
        "extra.script[0]",
        "extra.script[1]",
        "extra.script[2]",
        "extra.script[2]",
    ]
    assert {problem.id for problem in error.value.problems} == {"c1"}
