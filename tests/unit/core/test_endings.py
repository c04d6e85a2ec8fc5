"""How a conversation ends: one example for each row of the table in docs/explanation/machine.md."""

from collections.abc import Callable, Sequence

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Failed,
    Failure,
    Generate,
    Generated,
    Interrupted,
    Lane,
    Leave,
    Message,
    Observation,
    Request,
    Rules,
    Satisfied,
    Say,
    State,
    Stopped,
    StopReason,
    TestCase,
    ToolCall,
    Verdict,
    View,
    start,
    step,
)
from convsim_fp.core.state import Checking, is_checked_end
from convsim_fp.testing import drive

CASE = TestCase(goal="return the red shoes")
LATE = ("Where is my order?", "And my money?", "Hello?", "Really?")


def never_leaves(view: View) -> Say:
    return Say(LATE[(view.turn - 1) % len(LATE)])


def agent(*replies: AgentReplied | str | Failure) -> Callable[[Request], Observation]:
    """Answer as an agent with the replies in turn; models say yes at their second question."""

    def observe(request: Request) -> Observation:
        if not isinstance(request, CallAgent):
            return Generated(request.id, "yes" if request.id.turn == 2 else "no")
        reply = replies[(request.id.turn - 1) % len(replies)]
        match reply:
            case str():
                return AgentReplied(request.id, reply)
            case Failure():
                return Failed(request.id, reply)
            case AgentReplied():
                return AgentReplied(request.id, reply.text, reply.ended, reply.tool_calls)

    return observe


def ended(text: str = "Goodbye.") -> AgentReplied:
    return AgentReplied(NOWHERE, text, ended=True)


NOWHERE = start(Rules(never_leaves, goals.never), CASE).requests[0].id


def stopped(
    rules: Rules, observe: Callable[[Request], Observation], case: TestCase = CASE
) -> tuple[Stopped, State]:
    end = drive(rules, start(rules, case), observe)
    assert isinstance(end.phase, Stopped)
    return end.phase, end


def said(state: State) -> Sequence[str]:
    return [message.text for message in state.transcript]


def test_goal_achieved_at_a_yes() -> None:
    rules = Rules(never_leaves, goals.prompted(), max_turns=3)
    end, state = stopped(rules, agent("Soon."))
    assert (end.reason, end.turns) == (StopReason.GOAL_ACHIEVED, 2)
    assert [verdict.achieved for verdict in state.verdicts] == [False, True]
    assert said(state) == ["Where is my order?", "Soon.", "And my money?", "Soon."]


def test_a_yes_keeps_its_rationale() -> None:
    end, state = stopped(Rules(never_leaves, goals.when("soon")), agent("Soon."))
    assert end == Stopped(StopReason.GOAL_ACHIEVED, 1, "the agent wrote 'Soon'")
    assert state.verdicts == (Verdict(achieved=True, rationale="the agent wrote 'Soon'"),)


def test_a_yes_on_the_last_turn_beats_the_limit() -> None:
    rules = Rules(never_leaves, goals.prompted(), max_turns=2)
    assert stopped(rules, agent("Soon."))[0].reason is StopReason.GOAL_ACHIEVED


def test_goal_achieved_by_the_users_own_word() -> None:
    def content(view: View) -> Say | Satisfied:
        return Satisfied("I have my money") if view.turn == 3 else Say("And?")

    end, state = stopped(Rules(content, None, max_turns=2), agent("Soon."))
    assert end == Stopped(StopReason.GOAL_ACHIEVED, 2, "I have my money")
    assert state.verdicts == (Verdict(achieved=True, rationale="I have my money"),)
    assert state.why == "I have my money"
    assert len(state.transcript) == 4


def test_goal_check_failed_where_it_must_work() -> None:
    rules = Rules(never_leaves, lambda view: 1 / 0)  # type: ignore[arg-type, return-value]
    end, state = stopped(rules, agent("Soon."))
    assert (end.reason, end.turns) == (StopReason.GOAL_CHECK_FAILED, 1)
    assert end.failure == Failure("raised", "ZeroDivisionError: division by zero")
    assert state.verdicts == ()


@pytest.mark.parametrize("error", [SystemExit(1), GeneratorExit(), BaseException("?")])
def test_a_behaviour_that_would_end_the_program_ends_its_session(error: BaseException) -> None:
    def exits(view: View) -> Say:
        raise error

    end, _ = stopped(Rules(exits, goals.never), agent("Soon."))
    assert end.reason is StopReason.USER_FAILED
    assert end.failure is not None
    assert end.failure.kind == "raised"


def test_ctrl_c_inside_of_a_behaviour_is_the_users_of_the_program() -> None:
    def pressed(view: View) -> Say:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        start(Rules(pressed, goals.never), CASE)


def test_a_failed_goal_check_counts_as_a_no_by_choice() -> None:
    def broken(view: View) -> Verdict:
        raise ValueError(f"turn {view.turn}")

    rules = Rules(never_leaves, broken, max_turns=2, on_goal_check_failure="continue")
    end, state = stopped(rules, agent("Soon."))
    assert end.reason is StopReason.MAX_TURNS
    first = Verdict(achieved=False, rationale="raised: ValueError: turn 1", failed=True)
    assert state.verdicts[0] == first
    assert len(state.verdicts) == 2


def test_user_left_without_words_ends_at_once() -> None:
    def goes(view: View) -> Say | Leave:
        return Leave("no answer") if view.turn == 2 else Say("Hello?")

    end, state = stopped(Rules(goes, goals.never), agent("Soon."))
    assert end == Stopped(StopReason.USER_LEFT, 1, "no answer")
    assert said(state) == ["Hello?", "Soon."]


def test_user_left_with_last_words_that_are_answered_and_judged() -> None:
    rules = Rules(lambda _: Leave("no answer", say="Goodbye."), goals.when("sorry"))
    end, state = stopped(rules, agent("Wait!"))
    assert end == Stopped(StopReason.USER_LEFT, 1, "no answer")
    assert said(state) == ["Goodbye.", "Wait!"]
    assert stopped(rules, agent("Sorry!"))[0].reason is StopReason.GOAL_ACHIEVED


def test_silence_after_the_last_words_is_still_the_users_leaving() -> None:
    rules = Rules(lambda _: Leave("satisfied", say="Goodbye."), goals.prompted())
    end, state = stopped(rules, agent(""))
    assert end == Stopped(StopReason.USER_LEFT, 1, "satisfied")
    assert said(state) == ["Goodbye."]


def test_last_words_on_the_last_turn_and_a_final_reply_are_still_the_users_leaving() -> None:
    rules = Rules(lambda _: Leave("no answer", say="Goodbye."), None, max_turns=1)
    assert stopped(rules, agent(ended()))[0] == Stopped(StopReason.USER_LEFT, 1, "no answer")


def test_agent_ended_by_its_word_is_judged_first() -> None:
    rules = Rules(never_leaves, goals.when("refunded"))
    end, state = stopped(rules, agent(ended("Goodbye.")))
    assert (end.reason, end.turns) == (StopReason.AGENT_ENDED, 1)
    assert said(state)[-1] == "Goodbye."
    assert stopped(rules, agent(ended("Refunded.")))[0].reason is StopReason.GOAL_ACHIEVED


def test_agent_ended_before_the_limit_is_the_agents_word() -> None:
    rules = Rules(never_leaves, goals.never, max_turns=1)
    assert stopped(rules, agent(ended()))[0].reason is StopReason.AGENT_ENDED


@pytest.mark.parametrize("blank", ["", " \n", ended(" ")])
def test_agent_ended_by_a_blank_reply_without_a_check(blank: str | AgentReplied) -> None:
    rules = Rules(never_leaves, goals.prompted())
    end, state = stopped(rules, agent("Soon.", blank))
    assert end == Stopped(StopReason.AGENT_ENDED, 2, "the agent's reply was empty")
    assert said(state)[-1] == "And my money?"
    assert len(state.verdicts) == 1


def test_a_blank_reply_with_a_tool_call_is_a_reply() -> None:
    call = AgentReplied(NOWHERE, "", tool_calls=(ToolCall("refund", {"order": "W7"}),))
    end, state = stopped(Rules(never_leaves, goals.never, max_turns=1), agent(call))
    assert end.reason is StopReason.MAX_TURNS
    assert state.transcript[-1] == Message("agent", "", (ToolCall("refund", {"order": "W7"}),))


def test_max_turns_after_a_no() -> None:
    rules = Rules(never_leaves, goals.never, max_turns=2)
    end, state = stopped(rules, agent("Soon."))
    assert end == Stopped(StopReason.MAX_TURNS, 2, "the limit of 2 turns")
    assert len(state.verdicts) == 2
    assert (state.turns, state.stop_reason) == (2, StopReason.MAX_TURNS)
    assert state.why == "the limit of 2 turns"


def test_a_missed_goal_keeps_the_last_verdicts_words() -> None:
    rules = Rules(never_leaves, goals.when("done"), max_turns=1)
    state = stopped(rules, agent("Soon."))[1]
    assert state.why == "the limit of 1 turn; no message of the agent matches 'done'"


def test_the_cases_own_limit_wins() -> None:
    case = TestCase(goal="return", max_turns=1)
    assert stopped(Rules(never_leaves, goals.never), agent("Soon."), case)[0].turns == 1


def test_without_a_goal_check_the_user_is_asked_once_more_and_only_its_leaving_counts() -> None:
    turns: list[int] = []

    def talks(view: View) -> Say:
        turns.append(view.turn)
        return Say("And?")

    end, state = stopped(Rules(talks, None, max_turns=2), agent("Soon."))
    assert end == Stopped(StopReason.MAX_TURNS, 2, "the limit of 2 turns")
    assert len(state.transcript) == 4
    assert turns == [1, 2, 3]

    def leaves(view: View) -> Say | Leave:
        return Leave("gave up", say="Bye.") if view.turn == 3 else Say("And?")

    end, state = stopped(Rules(leaves, None, max_turns=2), agent("Soon."))
    assert end == Stopped(StopReason.USER_LEFT, 2, "gave up")
    assert len(state.transcript) == 4


def test_after_the_agents_final_reply_the_user_is_asked_once_more_too() -> None:
    end, _ = stopped(
        Rules(lambda view: Satisfied("fine") if view.turn == 2 else Say("And?"), None),
        agent(ended()),
    )
    assert end == Stopped(StopReason.GOAL_ACHIEVED, 1, "fine")


def test_agent_failed() -> None:
    rules = Rules(never_leaves, goals.never)
    end, state = stopped(rules, agent("Soon.", Failure("agent_error", "KeyError: 7")))
    failure = Failure("agent_error", "KeyError: 7")
    assert end == Stopped(StopReason.AGENT_FAILED, 2, "agent_error: KeyError: 7", failure)
    assert said(state)[-1] == "And my money?"


def test_user_failed_after_as_many_questions_as_allowed() -> None:
    def wordless(request: Request) -> Observation:
        return Generated(request.id, " ")

    rules = Rules(users.prompted(), goals.never, max_asks=2)
    end, state = stopped(rules, wordless)
    assert (end.reason, end.turns) == (StopReason.USER_FAILED, 0)
    assert end.detail == (
        "unusable_replies: 2 replies could not be used; the last: it has no words to send"
    )
    assert state.transcript == ()


def test_user_failed_when_its_model_does() -> None:
    failure = Failure("timed_out", "30 s")
    end, _ = stopped(Rules(users.prompted(), goals.never), lambda r: Failed(r.id, failure))
    assert end == Stopped(StopReason.USER_FAILED, 0, "timed_out: 30 s", failure)


def test_goal_check_failed_when_its_model_does() -> None:
    def observe(request: Request) -> Observation:
        if isinstance(request, Generate):
            return Failed(request.id, Failure("rate_limited"))
        return AgentReplied(request.id, "Soon.")

    end, _ = stopped(Rules(never_leaves, goals.prompted()), observe)
    reason = StopReason.GOAL_CHECK_FAILED
    assert end == Stopped(reason, 1, "rate_limited", Failure("rate_limited"))


@pytest.mark.parametrize("reason", ["budget", "deadline", "cancelled"])
def test_interrupted_in_any_phase(reason: str) -> None:
    rules = Rules(users.prompted(), goals.prompted(), overlap=True)
    why = Interrupted(reason, "0.50 $ spent")  # type: ignore[arg-type]
    speaking = start(rules, CASE)
    replying = step(rules, speaking.state, Generated(speaking.requests[0].id, "Hello."))
    checking = step(rules, replying.state, AgentReplied(replying.requests[0].id, "Hi."))
    assert [len(each.requests) for each in (speaking, replying, checking)] == [1, 1, 2]
    for turns, waiting in enumerate((speaking, replying, checking)):
        over = step(rules, waiting.state, why)
        end = Stopped(StopReason(reason), min(turns, 1), "0.50 $ spent")
        assert (over.state.phase, over.requests) == (end, ())
        assert step(rules, over.state, why) == over


def test_the_agents_opening_is_turn_zero_neither_judged_nor_counted() -> None:
    case = TestCase(goal="return", agent_opens=True)
    rules = Rules(never_leaves, goals.prompted(), max_turns=1)
    end, state = stopped(rules, agent("Good day!"), case)
    assert end.turns == 1
    assert said(state) == ["Good day!", "Where is my order?", "Good day!"]
    assert len(state.verdicts) == 1


@pytest.mark.parametrize(
    ("opening", "detail"),
    [("", "the agent's reply was empty"), (ended(), "the agent ended the conversation")],
)
def test_an_opening_may_be_the_end(opening: str | AgentReplied, detail: str) -> None:
    case = TestCase(goal="return", agent_opens=True)
    end, _ = stopped(Rules(never_leaves, goals.never), agent(opening), case)
    assert end == Stopped(StopReason.AGENT_ENDED, 0, detail)


def test_a_history_that_ends_with_the_user_is_turn_one() -> None:
    history = [{"role": "assistant", "content": "Hi."}, {"role": "user", "content": "Shoes!"}]
    case = TestCase(goal="return", history=history)  # type: ignore[arg-type]
    rules = Rules(never_leaves, goals.never, max_turns=1)
    assert [request.id.lane for request in start(rules, case).requests] == [Lane.AGENT]
    end, state = stopped(rules, agent("Which?"), case)
    assert end.turns == 1
    assert said(state) == ["Hi.", "Shoes!", "Which?"]


def test_other_history_turns_do_not_count() -> None:
    history = (Message("user", "Shoes!"), Message("agent", "Which?"))
    case = TestCase(goal="return", history=history)
    end, state = stopped(Rules(never_leaves, goals.never, max_turns=1), agent("Sure."), case)
    assert end.turns == 1
    assert said(state) == ["Shoes!", "Which?", "Where is my order?", "Sure."]


@pytest.mark.parametrize(
    ("reason", "verdicts", "checked", "by_the_check"),
    [
        (StopReason.GOAL_ACHIEVED, 2, True, True),
        (StopReason.GOAL_CHECK_FAILED, 1, True, True),
        (StopReason.GOAL_ACHIEVED, 3, True, False),  # the user's own word, after two of the check
        (StopReason.GOAL_ACHIEVED, 1, False, False),  # by a user that judges for itself
        (StopReason.MAX_TURNS, 2, True, False),
    ],
)
def test_whose_word_was_the_last_is_told(reason, verdicts, checked, by_the_check) -> None:
    end = Stopped(reason, turns=2)
    assert is_checked_end(end, verdicts, checked=checked) is by_the_check


def test_what_goes_on_was_ended_by_nobody() -> None:
    assert not is_checked_end(Checking(2), 1, checked=True)
