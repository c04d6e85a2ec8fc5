"""A user that follows an agenda: what it says to which message, and when it leaves."""

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Json,
    Leave,
    Message,
    Observation,
    Request,
    Rules,
    Say,
    Stopped,
    StopReason,
    TestCase,
    View,
    freeze,
    start,
)
from convsim_fp.errors import InvalidSpec
from convsim_fp.testing import drive

AGENDA = {
    "acts": [
        "I want my money back.",
        {"when": "refund order W7", "say": "No, sorry, I mean order {context.order}."},
        {"when": {"pattern": r"shall i refund .*\?"}, "say": "Yes, please.", "repeat": True},
        {"say": "And my coat is late."},
        {"when": "cannot", "leave": "refused", "say": "Then I will go elsewhere."},
    ],
    "slots": {
        "order": {"asked": "which order", "say": "It is {context.order}."},
        "name": {"asked": {"pattern": r"your name\b"}, "say": "I am Jo."},
    },
    "stuck": ["Sorry?", "I do not follow."],
    "goodbye": "Never mind, bye.",
}
CASE = TestCase(goal="a refund", id="c1", context={"order": "W8"}, extra={"agenda": AGENDA})


def talk(replies: list[str], *, spec=None, case: TestCase = CASE) -> tuple[list[str], Stopped]:
    """What the user says to these replies, the last of them again and again, and the end."""

    def observe(request: Request) -> Observation:
        at = request.id.turn - (not case.agent_opens)
        return AgentReplied(request.id, replies[min(at, len(replies) - 1)])

    rules = Rules(users.agenda(spec), goals.never, max_turns=12)
    end = drive(rules, start(rules, case), observe)
    assert isinstance(end.phase, Stopped)
    said = [m.text for m in end.transcript[len(case.history) :] if m.speaker == "user"]
    return said, end.phase


def said(replies: list[str], spec, **fields) -> list[str]:
    return talk([*replies, "(nothing)"], spec=spec, case=TestCase(goal="x", **fields))[0]


def test_a_whole_conversation() -> None:
    heard = [
        "Hello! Which order, and what is your name?",
        "Shall I refund order W7?",
        "Sorry. Shall I refund order W8?",
        "Refunded.",
        "It comes tomorrow.",
        "I cannot do more.",
    ]
    words, end = talk(heard)
    assert words == [
        "I want my money back.",
        "It is W8. I am Jo.",
        "No, sorry, I mean order W8.",
        "Yes, please.",
        "And my coat is late.",
        "Sorry?",
        "Then I will go elsewhere.",
    ]
    assert (end.reason, end.detail) == (StopReason.USER_LEFT, "refused")


def test_what_a_case_holds_and_what_is_given_are_followed_alike() -> None:
    heard = ["Which order?", "Shall I refund W8?", "Done."]
    assert talk(heard) == talk(heard, spec=AGENDA, case=TestCase(goal="x", context={"order": "W8"}))


def test_the_reaction_comes_first_then_the_slots_in_the_order_of_the_case() -> None:
    spec = {
        "acts": ["Hi.", {"when": "sure", "say": "Yes."}],
        "slots": {
            "b": {"asked": "bee", "say": "B."},
            "a": {"asked": "ay", "say": "A."},
        },
    }
    assert said(["Ay, bee, sure?"], spec)[:2] == ["Hi.", "Yes. B. A."]


def test_the_same_words_are_not_said_twice_in_a_message() -> None:
    order = {"asked": "order", "say": "W7."}
    spec = {"acts": ["Hi."], "slots": {"order": order, "number": {"asked": "number", "say": "W7."}}}
    assert said(["Order number?"], spec)[1] == "W7."


def test_what_is_called_for_goes_before_what_the_user_brings_up() -> None:
    spec = ["One.", "Two.", {"when": "why", "say": "Because."}]
    assert said(["Why?", "I see."], spec)[:3] == ["One.", "Because.", "Two."]


def test_only_the_first_act_that_is_called_for_is_raised_and_only_once() -> None:
    spec = ["Hi.", {"when": "why", "say": "First."}, {"when": "why", "say": "Second."}]
    assert said(["Why?", "Why?", "Why?"], spec)[:4] == [
        "Hi.",
        "First.",
        "Second.",
        "Sorry, that does not help me.",
    ]


def test_a_text_is_found_whatever_its_case_line_breaks_and_quotation_marks() -> None:
    for heard in ("I DON'T have it", "Well, I don’t\n  have\tit.", "**i don‘t have it**"):
        spec = ["Hi.", {"when": " don't have", "say": "Look again."}]
        assert said([heard], spec)[1] == "Look again."


def test_places_are_filled_in_text_conditions_and_not_in_patterns() -> None:
    spec = ["Hi.", {"when": "order {context.n}", "say": "Right."}, {"when": "{{x}}", "say": "X."}]
    assert said(["Order 7?", "{X}"], spec, context={"n": 7})[:3] == ["Hi.", "Right.", "X."]
    four = ["Hi.", {"when": {"pattern": r"\b\d{4}\b"}, "say": "Four digits."}]
    assert said(["12345", "1234"], four)[:3] == [
        "Hi.",
        "Sorry, that does not help me.",
        "Four digits.",
    ]


# The opening.


def test_an_agent_that_opens_can_call_for_an_act() -> None:
    spec = [{"when": "help", "say": "Yes."}, "Hi."]
    assert said(["Can I help?"], spec, agent_opens=True)[:2] == ["Yes.", "Hi."]
    assert said(["Hello."], spec, agent_opens=True)[0] == "Hi."


def test_the_end_of_a_history_can_call_for_an_act() -> None:
    spec = [{"when": "help", "say": "Yes."}, "Hi."]
    for last, first in (("agent", "Yes."), ("user", "Hi.")):
        view = View(TestCase(goal="x"), 1, (Message(last, "Can I help?"),))
        assert users.agenda(spec)(view) == Say(first, _memo(said=[0 if last == "agent" else 1]))


def _memo(said=(), told=(), idle: int = 0) -> Json:
    return freeze({"said": said, "told": told, "idle": idle})


def test_a_user_without_an_opening_fails_before_anything_is_asked() -> None:
    spec = {"slots": {"order": {"asked": "which", "say": "W7."}}}
    said, end = talk(["?"], spec=spec)
    assert (said, end.reason, end.turns) == ([], StopReason.USER_FAILED, 0)
    what = 'case ("c1"): the agenda has no act without `when` to open with; add one, or let'
    assert what in end.detail
    assert talk(["Which?"], spec=spec, case=TestCase(goal="x", agent_opens=True))[0][0] == "W7."


# Patience.


def test_replies_that_move_nothing_use_up_the_patience() -> None:
    heard = "We value your call.\n" + "x" * 100
    words, end = talk(["Hm.", heard], spec={"acts": ["Hi."], "goodbye": "Bye."})
    stuck = "Sorry, that does not help me."
    assert words == ["Hi.", stuck, stuck, "Bye."]
    quoted = f"We value your call. {'x' * 60}…"
    assert end.detail == (
        f'patience ran out: 3 replies in a row moved nothing, the last: "{quoted}"'
    )


def test_without_a_goodbye_it_leaves_without_a_word() -> None:
    words, end = talk(["Hm."], spec={"acts": ["Hi."], "patience": 1})
    assert (words, end.turns) == (["Hi."], 1)
    assert end.detail == 'patience ran out: 1 reply moved nothing, the last: "Hm."'


def test_what_it_says_when_stuck_is_used_in_turn() -> None:
    words, _ = talk(["Hm."], spec={"acts": ["Hi."], "stuck": ["A?", "B?"], "patience": 4})
    assert words == ["Hi.", "A?", "B?", "A?"]
    words, _ = talk(["Hm."], spec={"acts": ["Hi."], "stuck": "What?", "patience": 2})
    assert words == ["Hi.", "What?"]


def test_whatever_moves_resets_the_patience() -> None:
    spec = {
        "acts": ["Hi.", {"when": "act", "say": "Acted."}],
        "slots": {"n": {"asked": "slot", "say": "Told."}},
        "stuck": ["1", "2"],
    }
    heard = ["a", "b", "act", "c", "d", "slot", "e", "f", "g"]
    assert talk(heard, spec=spec)[0] == ["Hi.", "1", "2", "Acted.", "1", "2", "Told.", "1", "2"]


def test_a_slot_is_told_again_at_the_price_of_patience() -> None:
    spec = {"acts": ["Hi."], "slots": {"order": {"asked": "order", "say": "W7."}}}
    words, end = talk(["Your order?"], spec=spec)
    assert words == ["Hi.", "W7.", "W7.", "W7."]
    assert end.detail.startswith("patience ran out: 3 replies in a row")


def test_an_act_repeats_for_nothing_but_the_very_same_words_cost_patience() -> None:
    spec = ["Hi.", {"when": "shall i", "say": "Yes.", "repeat": True}]
    words, end = talk([f"Shall I do {n}?" for n in range(20)], spec=spec)
    assert (words, end.reason) == (["Hi.", *["Yes."] * 11], StopReason.MAX_TURNS)
    words, end = talk(["Shall I?"], spec=spec)
    assert words == ["Hi.", "Yes.", "Yes.", "Yes."]
    assert end.detail.startswith("patience ran out: 3 replies in a row")


def test_an_act_that_repeats_moves_at_first_even_if_the_words_are_old() -> None:
    old = (Message("agent", "Shall I?"), Message("user", "Hm."), Message("agent", "Shall I?"))
    spec = {"acts": ["Hi.", {"when": "shall i", "say": "Yes.", "repeat": True}], "patience": 1}
    user, case = users.agenda(spec), TestCase(goal="x", history=old)
    move = user(View(case, 1, old))
    assert move == Say("Yes.", _memo(said=[1]))
    assert isinstance(user(View(case, 2, (*old, *old[1:]), memo=move.memo)), Leave)


# Leaving.


def test_an_act_that_leaves_leaves_with_its_own_words_alone() -> None:
    spec = {
        "acts": ["Hi.", {"when": "no", "leave": "told no"}, {"when": "never", "leave": "b"}],
        "slots": {"order": {"asked": "order", "say": "W7."}},
    }
    words, end = talk(["No. Which order?"], spec=spec)
    assert (words, end.detail) == (["Hi."], "told no")
    last = [*spec["acts"][:1], {"when": "no", "leave": "told no", "say": "Bye."}]
    words, end = talk(["No."], spec=last)
    assert (words, end.turns, end.detail) == (["Hi.", "Bye."], 2, "told no")


def test_it_can_leave_when_all_is_said() -> None:
    words, end = talk(["Fine."], spec=["One.", "Two.", {"leave": "said it all"}])
    assert (words, end.detail) == (["One.", "Two."], "said it all")


# What it remembers.


def test_what_was_said_is_kept_in_the_memo() -> None:
    user = users.agenda(AGENDA)
    transcript = (Message("agent", "Which order? Shall I refund it?"),)
    move = user(View(CASE, 2, transcript, memo=_memo(said=[0, 3], told=["name"], idle=2)))
    assert move == Say("Yes, please. It is W8.", _memo(said=[0, 3, 2], told=["name", "order"]))


@pytest.mark.parametrize("memo", [7, "said", [], {}, {"said": 1}, {"said": [0], "told": []}])
def test_a_memo_that_is_not_its_own_is_none(memo: object) -> None:
    view = View(CASE, 2, (Message("agent", "Go on."),), memo=freeze(memo))
    assert users.agenda()(view) == Say("I want my money back.", _memo(said=[0]))


def test_the_parts_of_a_memo_that_are_not_its_own_are_left_out() -> None:
    view = View(CASE, 2, (Message("agent", "Hm."),), memo=_memo(said=["0", 0, 3], told=[7]))
    assert users.agenda()(view) == Say("Sorry?", _memo(said=[0, 3], idle=1))


def test_after_its_own_last_word_it_is_stuck() -> None:
    view = View(CASE, 2, (Message("user", "I said all."),), memo=_memo(said=[0, 3]))
    assert users.agenda()(view) == Say("Sorry?", _memo(said=[0, 3], idle=1))


def test_a_missing_value_fails_the_user_before_anything_is_asked() -> None:
    words, end = talk(["Hm."], spec=["Hi.", "{context.nothing}"])
    assert (words, end.reason) == ([], StopReason.USER_FAILED)
    assert 'case ("c1"): agenda[1] has {context.nothing}, for which' in end.detail


def test_a_spec_that_is_wrong_is_refused_at_once() -> None:
    with pytest.raises(InvalidSpec) as error:
        users.agenda({"acts": [{"say": "{nme}"}], "patience": 0})
    assert [problem.field for problem in error.value.problems] == [
        "agenda.acts[0].say",
        "agenda.patience",
    ]


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({1}, "agenda is a set, which JSON cannot hold"),
        ([{1}], "agenda[0] is a set, which JSON cannot hold"),
        ({"acts": [{"say": b"x"}]}, "agenda.acts[0].say is a bytes, which JSON cannot hold"),
        ({1: "x"}, "agenda has a key that is a number (1), expected text"),
    ],
)
def test_a_spec_that_is_no_plain_data_is_refused(spec: object, problem: str) -> None:
    with pytest.raises(InvalidSpec) as error:
        users.agenda(spec)  # type: ignore[arg-type]
    assert str(error.value) == problem


def test_a_spec_that_changes_later_changes_nothing() -> None:
    spec = ["Hi."]
    user = users.agenda(spec)
    spec.append("Bye.")
    assert [user(View(CASE, 1)), user] == [Say("Hi.", _memo(said=[0])), users.agenda(["Hi."])]
