"""The search over ports: what it draws, what it shrinks to, and what it refuses."""

from __future__ import annotations

import traceback

import pytest
from attrs import evolve

from convsim_fp import goals, users
from convsim_fp.core import Message, Rules, Satisfied, Say, StopReason, TestCase, ToolCall, start
from convsim_fp.core.behaviours import Leave
from convsim_fp.errors import InvalidSpec, Unavailable
from convsim_fp.interpreters import AgentReply, Ports, RunInterrupted, converse, perform
from convsim_fp.testing import fake_model
from convsim_fp.testing.finding import (
    FlakyConversation,
    Search,
    VainSearch,
    search_conversations,
)
from convsim_fp.testing.phrases import phrases_of
from convsim_fp.testing.talks import Talk

CASE = TestCase(
    goal="a refund", id="refund", extra={"script": ["It broke.", "Refund, please.", "Yes."]}
)


def echo(request):
    """Says after the user; of a conversation it knows what the request tells."""
    return "; ".join(m.text for m in request.transcript if m.speaker == "user")


def says(*texts):
    """Whether users have said these, in this order, whatever they said between them."""

    def holds(state):
        said = iter(m.text for m in state.transcript if m.speaker == "user")
        return all(text in said for text in texts)

    return holds


def never(state):
    return False


def found(cases=CASE, ports=None, **told):
    cases = [cases] if isinstance(cases, TestCase) else cases
    return search_conversations(
        cases, ports or Ports(echo), Search(**{"max_examples": 100, **told})
    )


def script(case=CASE, **told):
    return found(case, **told).case.extra["script"]


# What it finds.


def test_it_finds_the_shortest_script() -> None:
    assert script(violates=says("Yes.", "It broke.")) == ("Yes.", "It broke.")
    assert script(violates=lambda state: len(state.transcript) > 4) == ("Yes.",) * 3
    assert script(violates=lambda state: True) == ("Yes.",)


def test_none_is_found_where_nothing_violates() -> None:
    assert found(violates=never) is None
    assert found(violates=says("never said")) is None


def test_it_says_phrases_and_their_sentences_too() -> None:
    told = {"violates": says("Hm."), "phrases": ["Well? Hm."]}
    assert script(**told) == ("Hm.",)
    assert found(violates=says("Hm.")) is None


def test_what_is_found_plays_again_without_a_model() -> None:
    case = evolve(CASE, extra={"agenda": ["It broke."], "goal_when": "broke", "knows": "W7"})
    one = found(case, violates=says("W7", "It broke."))
    assert one.case.extra == {"knows": "W7", "script": ("W7", "It broke.")}
    assert one.case.id == "refund-found"
    rules = Rules(users.scripted(), goals.never)
    again = converse(rules, start(rules, one.case, one.state.session), perform(Ports(echo)))
    assert again == one.state
    assert [entry.observed.observation.text for entry in one.entries] == ["W7", "W7; It broke."]


def test_it_goes_on_where_the_goal_of_the_case_is_reached() -> None:
    case = TestCase(goal="x", extra={"script": ["It broke.", "Bye."], "goal_when": "broke"})
    assert script(case, violates=says("It broke.", "Bye.")) == ("It broke.", "Bye.")


def test_the_first_case_that_shows_it_is_taken() -> None:
    cases = [TestCase(goal="x", context={"n": n}) for n in range(4)]
    one = found(cases, violates=lambda state: state.case.context["n"] >= 2)
    assert (one.case.context, one.case.id) == ({"n": 2}, "case-2-found")


def test_a_line_says_just_what_was_said_whatever_braces_are_in_it() -> None:
    phrases = ["{goal}", "{{context.n}}", "{nothing.here}"]
    one = found(violates=says(*phrases), phrases=phrases)
    assert [m.text for m in one.state.transcript][::2] == phrases


def test_every_conversation_has_a_session_and_is_counted() -> None:
    seen = []

    def ports_of(session):
        seen.append(session.id)
        return Ports(echo)

    one = found(ports=ports_of, violates=says("Yes.", "Yes."))
    assert len(seen) == len(set(seen)) == one.tried
    assert f"refund-found/{one.state.session.trial}" == one.state.session.id


def test_the_agent_is_made_anew_for_each_conversation() -> None:
    class Counting:
        def __init__(self):
            self.calls = 0

        def __call__(self, request):
            self.calls += 1
            return f"reply {self.calls}"

    def third(state):
        return any(m.text == "reply 3" for m in state.transcript)

    one = found(ports=lambda session: Ports(Counting()), violates=third)
    assert [m.text for m in one.state.transcript if m.speaker == "agent"] == [
        "reply 1",
        "reply 2",
        "reply 3",
    ]


def test_an_agent_that_fails_ends_its_session_and_no_more() -> None:
    def picky(request):
        if request.transcript[-1].text == "Yes.":
            raise ZeroDivisionError
        return "Go on."

    assert found(ports=Ports(picky), violates=never) is None
    failing = lambda state: state.stop_reason is StopReason.AGENT_FAILED  # noqa: E731
    one = found(ports=Ports(picky), violates=failing)
    assert one.case.extra["script"] == ("Yes.",)
    assert str(one) == "user: Yes.\n(agent_failed: agent_error: ZeroDivisionError)"


def test_lines_that_are_never_said_are_not_in_the_script() -> None:
    ports = Ports(lambda request: AgentReply("Bye.", ended=True))
    assert script(ports=ports, violates=lambda state: True) == ("Yes.",)
    one = found(ports=ports, violates=lambda state: state.stop_reason == "agent_ended")
    assert len(one.state.transcript) == 2


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_no_conversation_has_more_turns_than_the_limit(limit) -> None:
    turns = set()

    def noted(state):
        turns.add(state.turns)
        return False

    assert found(violates=noted, max_turns=limit) is None
    assert found(evolve(CASE, max_turns=limit), violates=noted) is None
    assert turns == set(range(1, limit + 1))


# Cases that have begun already.


def test_an_opening_of_the_agent_is_violated_with_the_shortest_line() -> None:
    case = TestCase(goal="x", agent_opens=True, extra={"script": ["Hello."]})
    ports = Ports(lambda request: "Hi.")
    assert script(case, ports=ports, violates=lambda state: len(state.transcript) > 0) == ("x",)


def test_a_history_may_violate_by_itself_and_its_last_message_is_not_said_twice() -> None:
    said = (Message("user", "Hello {you}."), Message("agent", "Yes?"), Message("user", "Well."))
    case = TestCase(goal="x", history=said)
    one = found(case, violates=lambda state: state.transcript[-1].speaker == "agent")
    assert one.case.extra["script"] == ("Well.",)
    assert [m.text for m in one.state.transcript[3:]] == ["Hello {you}.; Well."]
    one = found(case, violates=says("Well.", "x"))
    assert one.case.extra["script"] == ("Well.", "x")
    assert [m.text for m in one.state.transcript[4:]] == ["x", "Hello {you}.; Well.; x"]
    one = found(evolve(case, max_turns=1), violates=lambda state: len(state.transcript) > 3)
    assert one.state.turns == 1


def test_a_history_that_ends_with_the_agent_goes_on_with_the_first_line() -> None:
    said = (Message("user", "Hello."), Message("agent", "Yes?"))
    one = found(TestCase(goal="x", history=said), violates=says("Hello.", "x"))
    assert one.case.extra["script"] == ("x",)


# Users of your own.


def moody(view):
    return Say("Refund, please." if view.case.persona == "angry" else "It broke.")


def test_a_user_is_searched_by_persona_and_its_words_become_the_script() -> None:
    told = {"user": moody, "violates": says("Refund, please.")}
    assert found(**told) is None
    one = found(**told, personas=["calm", "angry"])
    assert (one.case.persona, one.case.extra["script"]) == ("angry", ("Refund, please.",))
    assert found(evolve(CASE, persona="angry"), **told) is not None


def test_a_user_is_searched_by_guidelines_and_seed() -> None:
    def guided(view):
        return Say(" ".join((*view.case.simulation_guidelines, str(view.seed % 2))))

    case = evolve(CASE, simulation_guidelines=("terse", "rude"))
    one = found(case, user=guided, violates=says("rude kind 1"), guidelines=["kind"])
    assert one.case.simulation_guidelines == ("rude", "kind")
    assert one.case.extra["script"] == ("rude kind 1",)


def test_the_persona_that_does_not_matter_is_left_out() -> None:
    case = evolve(CASE, persona="calm", simulation_guidelines=("terse",))
    one = found(case, user=moody, violates=says("It broke."))
    assert (one.case.persona, one.case.simulation_guidelines) == (None, ())
    assert found(case, violates=says("It broke.")).case.persona == "calm"


def test_what_a_user_said_is_shrunk_like_a_script() -> None:
    def chatty(view):
        return Say(("Hello.", "Refund, please?", "Bye.", "Refund, please?")[view.turn % 4])

    def greedy(state):
        return any("Refund" in m.text for m in state.transcript[2:] if m.speaker == "user")

    assert script(user=chatty, violates=greedy) == ("Yes.", "Refund, please.")


def test_a_user_that_asks_a_model_is_answered_with_phrases() -> None:
    one = found(user=users.prompted(), violates=says("Yes.", "It broke."))
    assert one.case.extra["script"] == ("Yes.", "It broke.")


def test_a_model_of_your_own_answers_instead() -> None:
    ports = Ports(echo, user_model=fake_model(["Hm.", "Where is it?"]))
    told = {"user": users.prompted(), "violates": says("Where is it?", "Hm.")}
    assert found(ports=ports, **told).case.extra["script"] == ("Where is it?", "Hm.")
    assert found(ports=lambda session: ports, **told) is not None
    assert found(**told) is None


def test_a_user_that_leaves_before_its_first_word() -> None:
    case = TestCase(goal="x", agent_opens=True)
    ports = Ports(lambda request: "Hi.")
    opened = lambda state: state.transcript[0].text == "Hi."  # noqa: E731
    one = found(case, ports, user=lambda view: Leave("no time"), violates=opened)
    assert one.case.extra["script"] == ("x",)


def test_a_user_that_is_satisfied_ends_it() -> None:
    def content(view):
        return Satisfied("well") if view.transcript else Say("Hello.")

    one = found(user=content, violates=lambda state: True)
    assert one.case.extra["script"] == ("Yes.",)


# What makes a search worthless.


def test_an_agent_that_violates_once_and_then_not_is_called_flaky() -> None:
    calls = iter(range(10_000))

    def changing(request):
        return "seventh" if next(calls) == 7 else "other"

    with pytest.raises(
        FlakyConversation, match='is "agent: seventh", and then "agent: other"'
    ) as it:
        found(
            ports=Ports(changing), violates=lambda s: any(m.text == "seventh" for m in s.transcript)
        )
    assert "seventh" in str(it.value.violating)
    assert it.value.other.session != it.value.violating.session


def test_an_agent_that_remembers_across_conversations_is_called_flaky() -> None:
    heard = []

    def remembering(request):
        heard.append(request.transcript[-1].text)
        return "Refunded." if {"It broke.", "Yes."} <= set(heard) else "Go on."

    with pytest.raises(FlakyConversation, match="Give an agent that remembers as a class"):
        found(ports=Ports(remembering), violates=lambda s: s.transcript[-1].text == "Refunded.")


def test_a_violation_that_only_this_user_shows_is_called_flaky() -> None:
    def leaving(view):
        return Leave("had enough", say="Bye.")

    with pytest.raises(FlakyConversation, match="end as user_left: had enough, and then as user_l"):
        found(user=leaving, violates=lambda state: "enough" in state.why)


def test_a_violates_that_changes_its_mind_is_called_flaky() -> None:
    answers = iter([True, *[False] * 10_000])
    with pytest.raises(FlakyConversation, match="it is `violates` that says one thing and then"):
        found(violates=lambda state: next(answers))


def test_a_conversation_that_breaks_off_the_second_time_is_called_flaky() -> None:
    calls = iter(range(10_000))

    def dying(request):
        if next(calls) > 0:
            raise Unavailable("gone")
        return "Hi."

    with pytest.raises(FlakyConversation, match=r'2 is "agent: Hi\.", and then missing'):
        found(ports=Ports(dying), max_turns=1, violates=lambda state: len(state.transcript) == 2)


def test_a_search_in_which_no_agent_replied_is_vain() -> None:
    with pytest.raises(VainSearch, match=r"in none of \d+ conv.*agent_failed: unavailable: gone"):
        found(ports=Ports(_gone), violates=never)
    with pytest.raises(VainSearch, match="user_failed"):
        found(user=users.delegated(), violates=never)


def _gone(request):
    raise Unavailable("gone")


def test_what_violates_raises_is_raised_with_the_shortest_conversation() -> None:
    def careless(state):
        return says("It broke.")(state) and 1 // 0

    with pytest.raises(ZeroDivisionError) as raised:
        found(violates=careless)
    [note] = raised.value.__notes__
    assert note == (
        "violates raised it of this conversation:\n"
        "user: It broke.\nagent: It broke.\n(user_left: the script ended)"
    )
    assert "careless" in "".join(traceback.format_exception(raised.value))


def test_what_is_true_whatever_is_in_it_is_refused() -> None:
    with pytest.raises(TypeError, match=r"returned a generator, .*any\(…\) around a generator"):
        found(violates=lambda state: (m for m in state.transcript))

    async def late(state):
        return True

    with pytest.raises(TypeError, match="violates returned a coroutine"):
        found(violates=lambda state: late(state) if state.turns else False)


def test_ctrl_c_ends_the_search() -> None:
    def interrupted(request):
        raise KeyboardInterrupt

    with pytest.raises(RunInterrupted):
        found(ports=Ports(interrupted), violates=never)


# What is refused.


def test_all_problems_are_told_at_once() -> None:
    async def late(state):
        return True

    with pytest.raises(InvalidSpec) as refused:
        Search(
            violates=late,
            user=7,
            phrases="Hello.",
            personas=["calm", 7],
            guidelines=None,
            max_turns=0,
            max_examples=True,
        )
    assert [problem.field for problem in refused.value.problems] == [
        "violates",
        "user",
        "phrases",
        "personas[1]",
        "guidelines",
        "max_turns",
        "max_examples",
    ]
    with pytest.raises(InvalidSpec, match="violates is None, expected a function"):
        Search(violates=None)


def test_there_must_be_a_case_that_can_be_read() -> None:
    with pytest.raises(InvalidSpec, match="cases are none"):
        found([], violates=never)
    with pytest.raises(InvalidSpec, match=r"extra\.script is a number"):
        found(TestCase(goal="x", extra={"script": 7}), violates=never)


# Where the words come from.


def test_the_phrases_of_a_case_are_lines_then_sentences_then_what_it_knows() -> None:
    agenda = {
        "acts": [
            "My kettle broke. Twice!",
            {"when": "sorry", "leave": "rude", "say": "Bye {goal}."},
        ],
        "slots": {"order": {"asked": "which", "say": "It is {context.order}."}},
        "stuck": "Hm?",
        "goodbye": "Never mind.",
    }
    case = TestCase(
        goal="a refund",
        context={"order": "W7", "price": 59.9, "gift": True, "parts": [{"n": 2}, None, " "]},
        history=[{"role": "user", "content": "Hello."}, {"role": "assistant", "content": "Yes?"}],
        extra={"agenda": agenda, "knows": ["the price"]},
    )
    assert phrases_of(case) == (
        *("Hello.", "My kettle broke. Twice!", "Bye a refund.", "It is W7.", "Hm?", "Never mind."),
        *("My kettle broke.", "Twice!"),
        *("a refund", "the price"),
        *("W7", "59.9", "2"),
    )


def test_a_conversation_is_shown_line_by_line_with_the_tools_that_were_called() -> None:
    calls = [ToolCall("refund", {"order": "W7"})]
    ports = Ports(lambda request: AgentReply("Done.\n\nBye.", tool_calls=calls))
    one = found(ports=ports, violates=lambda state: True)
    assert str(one).splitlines() == [
        "user: Yes.",
        'agent: Done. Bye. [refund {"order":"W7"}]',
        "(user_left: the script ended)",
    ]


def test_a_candidate_of_a_user_of_its_own_is_played_as_its_case() -> None:
    assert Talk(CASE).as_case is CASE
