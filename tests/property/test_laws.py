"""The laws of the core as properties, for any users, goal checks and answers."""

import asyncio
import json
from itertools import pairwise

import pytest
from attrs import evolve
from hypothesis import assume, given
from hypothesis import strategies as st

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Checking,
    Generate,
    Generated,
    Lane,
    Observation,
    Prompt,
    Request,
    RequestId,
    Rules,
    Say,
    Speaking,
    State,
    Step,
    Stopped,
    StopReason,
    TestCase,
    freeze,
    render,
    request_bound,
    resume,
    start,
    step,
)
from convsim_fp.core.json_values import dumps
from convsim_fp.errors import UnexpectedObservation
from convsim_fp.interpreters import Ports, aconverse, aperform, converse, perform
from convsim_fp.journal import state_from_json, state_to_json
from convsim_fp.testing import drive, observing
from convsim_fp.testing import strategies as any_of

PLAIN_REPLY = "Let me look at that for you."


def steps_of(rules: Rules, case: TestCase, ports: Ports, schedule: list[int]) -> list[Step]:
    seen: list[Step] = []
    begun = start(rules, case)
    drive(rules, begun, observing(ports), schedule=schedule, watch=seen.append)
    return seen


def asked(steps: list[Step]) -> list[Request]:
    """Every request in the order in which it was first listed."""
    requests: dict[RequestId, Request] = {}
    for one in steps:
        for request in one.requests:
            requests.setdefault(request.id, request)
    return list(requests.values())


@given(any_of.conversations(), any_of.schedules(), any_of.schedules())
def test_law_1_neither_arrival_order_nor_overlap_changes_what_happens(
    setting: any_of.Setting, one: list[int], other: list[int]
) -> None:
    """For answers that are a function of the request, the end state is the same."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    overlapped, plain = evolve(rules, overlap=True), evolve(rules, overlap=False)
    end = drive(plain, start(plain, case), observing(ports))
    assert drive(overlapped, start(overlapped, case), observing(ports), schedule=one) == end
    assert drive(overlapped, start(overlapped, case), observing(ports), schedule=other) == end


@given(any_of.conversations(), any_of.schedules())
def test_law_1_a_straggler_after_the_end_changes_nothing(
    setting: any_of.Setting, schedule: list[int]
) -> None:
    """Answers to anything that was ever asked, and anything else, are ignored after the end."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    steps = steps_of(rules, case, ports, schedule)
    end = steps[-1]
    assert end.requests == ()
    for request in asked(steps):
        assert step(rules, end.state, observing(ports)(request)) == end


@given(any_of.conversations(), any_of.schedules())
def test_law_2_a_conversation_goes_on_from_any_cut_through_json(
    setting: any_of.Setting, schedule: list[int]
) -> None:
    """At every point the state survives JSON, waits for the same, and comes to the same end."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    steps = steps_of(rules, case, ports, schedule)
    for one in steps:
        text = state_to_json(one.state)
        restored = state_from_json(json.dumps(json.loads(text)))
        assert restored == one.state
        assert repr(restored) == repr(one.state)  # a StrEnum equals its text, and is not the same
        assert state_to_json(restored) == text
        assert resume(rules, restored) == one
        end = drive(rules, resume(rules, restored), observing(ports))
        assert end == steps[-1].state


@given(any_of.conversations(), st.data())
def test_law_2_the_interpreters_agree_with_driving_by_hand(
    setting: any_of.Setting, data: st.DataObject
) -> None:
    """Sync = async = by hand, from the start and from a cut."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    steps = steps_of(rules, case, ports, [])
    cut = data.draw(st.sampled_from(steps), label="cut")
    end = steps[-1].state
    assert converse(rules, cut, perform(ports)) == end
    assert asyncio.run(aconverse(rules, cut, aperform(ports))) == end


@given(any_of.conversations(), any_of.schedules(), st.data())
def test_law_3_what_nobody_waits_for_raises_and_changes_nothing(
    setting: any_of.Setting, schedule: list[int], data: st.DataObject
) -> None:
    """A stray, or an answer of the wrong kind, is refused; `step` raises nothing else."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    steps = steps_of(rules, case, ports, schedule)
    before = data.draw(st.sampled_from(steps[:-1] or steps), label="before")
    assume(before.requests)
    stray = data.draw(any_of.observations(), label="stray")
    assume(not answers(before, stray))
    text = state_to_json(before.state)
    with pytest.raises(UnexpectedObservation):
        step(rules, before.state, stray)
    assert state_to_json(before.state) == text
    assert resume(rules, before.state) == before


def answers(waiting: Step, seen: Observation) -> bool:
    """Whether the observation is one that a listed request may be answered with."""
    wanted = {request.id: request for request in waiting.requests}.get(getattr(seen, "id", None))
    if isinstance(seen, AgentReplied):
        return isinstance(wanted, CallAgent)
    if isinstance(seen, Generated):
        return wanted is not None and not isinstance(wanted, CallAgent)
    return wanted is not None


@given(any_of.conversations(), any_of.schedules())
def test_law_3_whatever_a_behaviour_does_the_session_ends_typed(
    setting: any_of.Setting, schedule: list[int]
) -> None:
    """A behaviour that raises, or returns what is no decision, ends the session with a failure."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    end = steps_of(rules, case, ports, schedule)[-1].state.phase
    assert isinstance(end, Stopped)
    failing = (StopReason.AGENT_FAILED, StopReason.USER_FAILED, StopReason.GOAL_CHECK_FAILED)
    assert (end.failure is not None) == (end.reason in failing)
    if end.failure is not None:
        assert end.failure.kind
        assert str(end.failure) == end.detail


@given(any_of.conversations(), any_of.schedules())
def test_law_4_every_conversation_ends_within_the_bound(
    setting: any_of.Setting, schedule: list[int]
) -> None:
    """Requests are bounded by the limits alone, and turns by `max_turns`."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    steps = steps_of(rules, case, ports, schedule)
    assert len(asked(steps)) <= request_bound(rules, case)
    end = steps[-1].state.phase
    assert isinstance(end, Stopped)
    assert 0 <= end.turns <= (case.max_turns or rules.max_turns)


@given(any_of.conversations(), any_of.schedules())
def test_law_4_no_request_is_sent_twice_and_none_after_the_end(
    setting: any_of.Setting, schedule: list[int]
) -> None:
    """A request is listed, unchanged, until it is answered or dropped, and never again."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    steps = steps_of(rules, case, ports, schedule)
    first = {request.id: request for request in asked(steps)}
    for before, after in pairwise(steps):
        gone = {r.id for r in before.requests} - {r.id for r in after.requests}
        later = steps[steps.index(after) :]
        assert not gone & {r.id for one in later for r in one.requests}
    for one in steps:
        assert all(first[request.id] == request for request in one.requests)
    assert [one for one in steps if not one.requests] == [steps[-1]]


@given(any_of.conversations(), any_of.schedules())
def test_law_4_nothing_is_asked_ahead_on_a_last_turn(
    setting: any_of.Setting, schedule: list[int]
) -> None:
    """Only the user's own word (no goal check) is asked for after the last turn, and not ahead."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    rules = evolve(rules, overlap=True)
    limit = case.max_turns or rules.max_turns
    for one in steps_of(rules, case, ports, schedule):
        phase = one.state.phase
        if isinstance(phase, Checking) and (phase.closing or phase.turn >= limit):
            assert [request.id.lane for request in one.requests] == [Lane.GOAL_CHECK]
        if any(request.id.turn > limit for request in one.requests):
            assert isinstance(phase, Speaking)
            assert phase.closing is not None
            assert rules.goal_check is None


@given(any_of.conversations(), any_of.schedules())
def test_law_5_the_messages_of_a_prompt_are_a_prefix_of_the_next(
    setting: any_of.Setting, schedule: list[int]
) -> None:
    """Without the question, at turn n of those at n + 1, for the user and for the judge."""
    rules, case, ports = setting.rules, setting.case, setting.ports
    for lane in (Lane.USER, Lane.GOAL_CHECK):
        generated = sorted(
            (r for r in asked(steps_of(rules, case, ports, schedule)) if r.id.lane is lane),
            key=lambda r: (r.id.turn, r.id.nth),
        )
        prompts = [r.prompt for r in generated if isinstance(r, Generate)]
        by_voice = [p for p in prompts if p.system == (prompts or [p])[0].system]
        for earlier, later in pairwise(evolve(p, question="") for p in by_voice):
            before = render(earlier)
            assert render(later)[: len(before)] == before


@given(any_of.cases(), st.lists(any_of.texts(), min_size=1, max_size=4), any_of.hostile_texts())
def test_law_7_hostile_text_changes_no_path(case: TestCase, plain: list[str], hostile: str) -> None:
    """Whatever the agent and the user write, the same is asked of the same in the same order."""
    rules = Rules(users.prompted(), goals.prompted(), max_turns=3, overlap=True)
    case = evolve(case, history=(), agent_opens=False, max_turns=None)
    paths = [
        [request.id for request in asked(steps_of(rules, case, ports, [1]))]
        for ports in (saying(PLAIN_REPLY), saying(hostile), saying("x" + "".join(plain)))
    ]
    assert paths[0] == paths[1] == paths[2]


def saying(text: str) -> Ports:
    return Ports(
        agent=lambda _: text,
        user_model=lambda _: "My parcel is late.",
        goal_model=lambda _: '{"rationale": "not yet", "result": "no"}',
    )


@given(any_of.hostile_texts() | any_of.texts(), any_of.hostile_texts())
def test_law_7_hostile_words_of_user_and_judge_change_no_path(plain: str, hostile: str) -> None:
    """What a user says, and why a judge decides, is only ever passed on."""

    def path(words: str) -> list[RequestId]:
        rules = Rules(lambda _: Say(words), goals.prompted(), max_turns=3, overlap=True)
        verdict = dumps(freeze({"rationale": words, "result": "no"}))
        ports = Ports(agent=lambda _: PLAIN_REPLY, goal_model=lambda _: verdict)
        steps = steps_of(rules, TestCase(goal="track a parcel"), ports, [])
        assert [verdict.rationale for verdict in steps[-1].state.verdicts] == [words.strip()] * 3
        return [request.id for request in asked(steps)]

    assert path(plain) == path(hostile)


@given(any_of.transcripts(), st.sampled_from(("user", "judge")))
def test_law_7_text_never_leaves_its_quotation(transcript, voice) -> None:
    """What is outside of the tags is ours, however much the text looks like a tag or a role."""
    prompt = Prompt(voice, "system", transcript, "Question?")
    for message in render(prompt)[1:]:
        message.content.encode()
        own = voice == "user" and message.role == "assistant"
        assert own or outside(message.content) <= OURS


OURS = frozenset({"[The conversation begins.]", "Question?", "Noted.", ""})


def outside(content: str) -> set[str]:
    """The lines that stand in no tag; fails where a tag is not closed in its turn."""
    lines: set[str] = set()
    inside = ""
    for line in content.split("\n"):
        if inside:
            assert "<" not in line or line == f"</{inside}>"
            inside = "" if line == f"</{inside}>" else inside
        elif line in ("<agent>", "<user>", "<tool_call>"):
            inside = line[1:-1]
        else:
            lines.add(line)
    assert not inside
    return lines


@pytest.mark.parametrize("text", ["<" * 1_000_000, "</agent>\n" * 120_000, "\ud800{" * 500_000])
def test_law_7_a_megabyte_of_it_is_only_long(text: str) -> None:
    """Size alone never raises and changes no path."""
    rules = Rules(users.prompted(), goals.prompted(), max_turns=2)
    end = drive(rules, start(rules, TestCase(goal="track a parcel")), observing(saying(text)))
    assert isinstance(end, State)
    assert end.phase == Stopped(StopReason.MAX_TURNS, 2, "the limit of 2 turns")
