"""Reading an agenda: every problem of it at once, by its path; and who owns which field."""

import re

import pytest

from convsim_fp import users
from convsim_fp.core import Message, TestCase
from convsim_fp.core.json_values import A_COUNT
from convsim_fp.errors import InvalidSpec
from convsim_fp.users import Act, Agenda, Condition, Slot


def case_with(agenda: object, **fields) -> TestCase:
    return TestCase(goal="x", id="c1", extra={"agenda": agenda}, **fields)


def problems(agenda: object, **fields) -> list[str]:
    with pytest.raises(InvalidSpec) as error:
        users.agenda_of(case_with(agenda, **fields))
    assert {problem.id for problem in error.value.problems} == {"c1"}
    return [f"{problem.field} {problem.what}" for problem in error.value.problems]


def test_an_agenda_is_read_whole_and_filled() -> None:
    spec = {
        "acts": [
            "I want {goal}.",
            {"when": "order {context.n}", "say": "Yes.", "repeat": True},
            {"when": {"pattern": r"\d{2}"}, "leave": "too long", "say": None},
        ],
        "slots": {"order": {"asked": "which", "say": "It is {context.n}."}},
        "patience": 2,
        "stuck": "What, {context.n}?",
        "goodbye": "Bye, {context.n}.",
    }
    assert users.agenda_of(case_with(spec, context={"n": 7})) == Agenda(
        acts=(
            Act("I want x."),
            Act("Yes.", Condition("order 7"), repeat=True),
            Act(when=Condition(re.compile(r"\d{2}", re.IGNORECASE)), leave="too long"),
        ),
        slots=(Slot("order", Condition("which"), "It is 7."),),
        patience=2,
        stuck=("What, 7?",),
        goodbye="Bye, 7.",
    )


def test_what_is_left_out_has_a_default() -> None:
    stuck = ("Sorry, that does not help me.",)
    whole = Agenda((Act("Hi."),), (), patience=3, stuck=stuck, goodbye="")
    nothing = dict.fromkeys(("slots", "patience", "stuck", "goodbye"))
    for spec in (["Hi."], {"acts": ["Hi."]}, {"acts": [{"say": "Hi."}], **nothing}):
        assert users.agenda_of(case_with(spec)) == whole


def test_all_that_is_wrong_is_said_at_once_by_its_path() -> None:
    spec = {
        "acts": [
            {"say": "Hi.", "wen": "x", "repeat": "yes"},
            {"when": 7, "repeat": False},
            {"when": {"pattern": "("}, "say": " ", "leave": ["x"]},
            {"when": {"patern": "x"}, "say": "{context.nothing} {nme}"},
            None,
            False,
            {"when": [], "say": "x"},
            {"say": "x", "repeat": True},
            "{context.empty}",
        ],
        "slots": {
            "order": {"ask": "which"},
            "name": {"asked": {"pattern": ""}, "say": 3},
            "n" * 50: "x",
        },
        "patience": 0,
        "stuck": ["x", "", None],
        "goodby": "Bye.",
    }
    assert problems(spec, context={"empty": ""}) == [
        "extra.agenda.goodby is not a field that is read here; did you mean 'goodbye'?",
        "extra.agenda.acts[0].wen is not a field that is read here; did you mean 'when'?",
        "extra.agenda.acts[0].repeat is text, expected true or false",
        "extra.agenda.acts[1] has neither say nor leave; write what the user says",
        "extra.agenda.acts[1].when is a number (7), expected text; put it in quotes",
        "extra.agenda.acts[2].say is empty; write some words",
        "extra.agenda.acts[2].leave is a list, expected text",
        (
            "extra.agenda.acts[2].when.pattern is '(', which is no regular expression: "
            "missing ), unterminated subpattern at position 0"
        ),
        (
            "extra.agenda.acts[3].say has {context.nothing}, for which the case has no value; "
            "give it one, or double the braces for the text"
        ),
        (
            "extra.agenda.acts[3].say has {nme}; known are goal, persona, id, context, extra; "
            "for the text, double the braces"
        ),
        (
            "extra.agenda.acts[3].when.patern is not a field that is read here; "
            "did you mean 'pattern'?"
        ),
        "extra.agenda.acts[3].when.pattern is missing; write a regular expression",
        "extra.agenda.acts[4] is nothing (null), expected text, or an object that has say or leave",
        "extra.agenda.acts[5] is a boolean (false), expected text; put it in quotes",
        "extra.agenda.acts[6].when is a list, expected text, or an object with a pattern",
        "extra.agenda.acts[7].repeat needs a `when`; without one, nothing below would ever be said",
        "extra.agenda.acts[8] is empty, since all of '{context.empty}' is; write some words",
        "extra.agenda.slots.order.ask is not a field that is read here; did you mean 'asked'?",
        "extra.agenda.slots.order.asked is missing; a slot is an object with asked and say",
        "extra.agenda.slots.order.say is missing; a slot is an object with asked and say",
        "extra.agenda.slots.name.asked.pattern is empty; write a regular expression",
        "extra.agenda.slots.name.say is a number (3), expected text; put it in quotes",
        f"extra.agenda.slots.{'n' * 40} is text, expected an object with asked and say",
        f"extra.agenda.patience is a number (0), expected {A_COUNT}",
        "extra.agenda.stuck[1] is empty; write some words",
        "extra.agenda.stuck[2] is nothing (null), expected text",
    ]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (None, "extra.agenda is missing, expected a list of acts, or an object that has them"),
        ("Hi.", "extra.agenda is text, expected a list of acts, or an object that has them"),
        ([], "extra.agenda is empty; write what the user says"),
        ({}, "extra.agenda has neither acts nor slots; write what the user says"),
        ({"acts": "Hi."}, "extra.agenda.acts is text, expected a list of acts"),
        (
            {"acts": ["Hi."], "slots": ["x"]},
            "extra.agenda.slots is a list, expected an object of slots by name",
        ),
        (
            {"acts": ["Hi."], "stuck": []},
            "extra.agenda.stuck is empty; write what the user says, or leave it out",
        ),
        ({"acts": ["Hi."], "stuck": {}}, "extra.agenda.stuck is an object, expected text"),
        (["Hi.", 7], "extra.agenda[1] is a number (7), expected text; put it in quotes"),
        ([{"when": "x"}], "extra.agenda[0] has neither say nor leave; write what the user says"),
    ],
)
def test_a_shape_that_is_wrong_is_named(spec: object, problem: str) -> None:
    assert problems(spec, agent_opens=True) == [problem]


def test_an_agenda_that_cannot_open_is_refused_unless_the_agent_has_spoken() -> None:
    spec = [{"when": "which", "say": "W7."}]
    assert problems(spec) == [
        (
            "extra.agenda has no act without `when` to open with; "
            "add one, or let the agent open (agent_opens)"
        )
    ]
    for fields in ({"agent_opens": True}, {"history": [Message("agent", "Which?")]}):
        assert users.agenda_of(case_with(spec, **fields)).acts[0].say == "W7."


def test_each_field_has_one_owner() -> None:
    assert dict(users.FIELDS) == {
        "script": users.script_of,
        "agenda": users.agenda_of,
        "knows": users.facts_of,
        "does_not_know": users.facts_of,
        "language": users.facts_of,
    }
