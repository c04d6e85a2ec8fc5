"""Users made of others: one after the other, and one that is screened."""

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Ask,
    AskUser,
    CallAgent,
    Generate,
    Generated,
    Leave,
    Move,
    Observation,
    Prompt,
    Request,
    Rules,
    Satisfied,
    Say,
    State,
    Stopped,
    StopReason,
    TestCase,
    View,
    start,
)
from convsim_fp.core.json_values import kind
from convsim_fp.errors import InvalidSpec
from convsim_fp.testing import drive

CASE = TestCase(goal="x")


def talk(user, *replies: str, max_turns: int = 6, max_asks: int = 3):
    """A conversation in which models and user ports give these replies; the state and the asked."""
    left = iter(replies)
    asked: list[Request] = []

    def observe(request: Request) -> Observation:
        if isinstance(request, CallAgent):
            return AgentReplied(request.id, "Well?")
        asked.append(request)
        return Generated(request.id, next(left))

    rules = Rules(user, goals.never, max_turns=max_turns, max_asks=max_asks)
    return drive(rules, start(rules, CASE), observe), asked


def said(state: State) -> list[str]:
    return [message.text for message in state.transcript if message.speaker == "user"]


def counts(view: View) -> Say:
    memo = view.memo if isinstance(view.memo, int) else 0
    return Say(f"turn {view.turn}, memo {view.memo}", memo=memo + 1)


# first(n, a).then(b)


def test_each_speaks_for_its_own_turns() -> None:
    user = users.first(2, users.scripted(["a1", "a2", "a3"])).then(users.scripted(["b1", "b2"]))
    state, _ = talk(user)
    assert said(state) == ["a1", "a2", "b1", "b2"]
    assert state.phase == Stopped(StopReason.USER_LEFT, 4, "the script ended")


def test_each_counts_its_own_turns_and_sees_its_own_memo() -> None:
    state, _ = talk(users.first(2, counts).then(counts), max_turns=4)
    own = ["turn 1, memo None", "turn 2, memo 1"]
    assert said(state) == own * 2
    assert state.memo == {"late": 2}
    state, _ = talk(users.first(2, counts).then(counts), max_turns=2)
    assert state.memo == {"early": 2}


def test_it_nests() -> None:
    one, two, three = (users.scripted([c] * 9) for c in "abc")
    inner = users.first(2, two).then(three)
    assert said(talk(users.first(1, one).then(inner))[0]) == list("abbccc")
    outer = users.first(3, users.first(1, one).then(two)).then(three)
    assert said(talk(outer)[0]) == list("abbccc")


def test_a_memo_of_nothing_leaves_nothing() -> None:
    state, _ = talk(users.first(9, lambda view: Say(str(view.memo))).then(counts), max_turns=2)
    assert said(state) == ["None", "None"]
    assert state.memo is None


def test_models_and_plain_functions_mix_and_the_early_one_may_leave() -> None:
    user = users.first(1, users.scripted(["Hi."])).then(users.prompted())
    state, asked = talk(user, "The red ones.", "Yes.", max_turns=3)
    assert said(state) == ["Hi.", "The red ones.", "Yes."]
    assert [str(request.id) for request in asked] == ["2/user/0", "3/user/0"]
    assert "next message" in asked[0].prompt.question
    state, _ = talk(users.first(3, lambda _: Leave("no")).then(counts))
    assert state.phase == Stopped(StopReason.USER_LEFT, 0, "no")


@pytest.mark.parametrize("turns", [0, -1, True, 1.0, "2", None, -(10**5000)], ids=type)
def test_less_than_one_turn_is_refused(turns: object) -> None:
    with pytest.raises(InvalidSpec) as error:
        users.first(turns, counts)  # type: ignore[arg-type]
    assert str(error.value) == f"first is {kind(turns)}, expected at least 1 turn"


# screened


def no_shouting(view: View, text: str) -> str | None:
    return "it shouts; calm down" if text.isupper() else None


def test_a_message_without_objection_passes() -> None:
    state, asked = talk(users.screened(users.prompted(), no_shouting), "Hi.", "So?", max_turns=2)
    assert said(state) == ["Hi.", "So?"]
    assert len(asked) == 2


def test_an_objection_is_put_before_the_question_and_the_model_is_asked_again() -> None:
    user = users.screened(users.prompted(), no_shouting)
    state, asked = talk(user, "HEY", "HEY!", "Hi.", max_turns=1)
    assert said(state) == ["Hi."]
    first, second, third = (request.prompt for request in asked if isinstance(request, Generate))
    assert second.question == (
        "Your last reply could not be used: it shouts; calm down. Try again.\n" + first.question
    )
    assert second == third
    assert (first.system, first.transcript) == (second.system, second.transcript)


def test_the_users_own_reasons_come_after_the_objection() -> None:
    user = users.screened(users.prompted(), no_shouting)
    state, asked = talk(user, "HEY", "", "Hi.", max_turns=1)
    assert said(state) == ["Hi."]
    assert "it has no words to send" in asked[2].prompt.question
    assert "it shouts" not in asked[2].prompt.question


def test_objections_are_bounded_by_the_rules_and_the_last_is_named() -> None:
    state, asked = talk(users.screened(users.prompted(), no_shouting), *["HEY"] * 2, max_asks=2)
    assert len(asked) == 2
    assert isinstance(state.phase, Stopped)
    assert state.phase.reason is StopReason.USER_FAILED
    assert state.phase.detail.endswith("the last: it shouts; calm down")


def test_a_user_that_asks_nobody_fails_at_an_objection() -> None:
    for user in (users.scripted(["HEY"]), lambda _: Leave("no", say="HEY")):
        state, asked = talk(users.screened(user, no_shouting))
        assert asked == []
        assert isinstance(state.phase, Stopped)
        assert state.phase.reason is StopReason.USER_FAILED
        assert state.phase.detail == (
            "malformed_reply: the message was objected to: it shouts; calm down"
        )


def test_last_words_are_screened_and_leaving_without_words_is_not() -> None:
    def goes(view: View):
        reply = yield Ask(Prompt("user", "s", view.transcript, "q"))
        return Leave("gone", say=reply)

    state, asked = talk(users.screened(goes, no_shouting), "HEY", "Bye.")
    assert said(state) == ["Bye."]
    assert len(asked) == 2
    silent = users.screened(lambda _: Leave("gone"), lambda *_: "never")
    assert talk(silent)[0].phase == Stopped(StopReason.USER_LEFT, 0, "gone")
    content = users.screened(lambda _: Satisfied("fine"), lambda *_: "never")
    assert talk(content)[0].phase == Stopped(StopReason.GOAL_ACHIEVED, 0, "fine")


def test_a_delegated_user_is_asked_again_too() -> None:
    user = users.screened(users.delegated(), no_shouting)
    state, asked = talk(user, "HEY", "Hi.", max_turns=1)
    assert said(state) == ["Hi."]
    assert [str(request.id) for request in asked] == ["1/user/0", "1/user/1"]
    asking = user(View(CASE, 1))
    assert next(asking) == AskUser()
    assert asking.send("HEY") == AskUser(because="it shouts; calm down")


@pytest.mark.parametrize("nothing", [None, "", False])
def test_an_empty_objection_is_none(nothing: object) -> None:
    user = users.screened(users.scripted(["HEY"]), lambda *_: nothing)  # type: ignore[arg-type, return-value]
    assert said(talk(user)[0]) == ["HEY"]


def test_a_screen_that_raises_ends_the_session_typed() -> None:
    state, _ = talk(users.screened(counts, lambda *_: 1 / 0))  # type: ignore[arg-type, return-value]
    assert isinstance(state.phase, Stopped)
    assert state.phase.detail == "raised: ZeroDivisionError: division by zero"


def test_a_screened_user_that_returns_no_move_is_still_broken() -> None:
    def returns_nothing(view: View) -> Move:
        return None  # type: ignore[return-value]

    state, _ = talk(users.screened(returns_nothing, no_shouting))
    assert isinstance(state.phase, Stopped)
    assert state.phase.detail.startswith("broken_behaviour: returned NoneType")
