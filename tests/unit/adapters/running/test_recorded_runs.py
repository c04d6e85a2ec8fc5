"""Recorded runs: read back, gone on with, played again, forked, compared; nothing paid twice."""

import asyncio
import json
from collections import Counter
from pathlib import Path
from typing import ClassVar

import pytest
from attrs import evolve

from convsim_adapters import (
    SimulationInterrupted,
    diff_runs,
    fork_run,
    read_run,
    replay_against,
    replay_run,
    resume_run,
    simulate,
)
from convsim_fp import Reply, Say
from convsim_fp.core import Lane
from convsim_fp.errors import AgentError, InvalidSpec, TimedOut
from convsim_fp.interpreters import Facts
from convsim_fp.testing import fake_model

CASES = [
    {"id": "refund", "goal": "get a refund", "context": {"order": "W7"}},
    {"id": "track", "goal": "find the parcel"},
    {"id": "cancel", "goal": "cancel the order"},
]
NO = '{"rationale": "nothing is done", "result": "no"}'
YES = '{"rationale": "it is done", "result": "yes"}'


@pytest.mark.parametrize(("overlap", "asked", "wasted"), [(True, 2, 1), (False, 1, 0)])
def test_what_the_user_said_ahead_of_a_yes_is_counted_as_wasted(
    tmp_path, overlap, asked, wasted
) -> None:
    """It was answered and paid for, before the judge said that the conversation is over."""
    users = []

    async def judge(request):
        await asyncio.sleep(0.05)
        return YES

    async def user(request):
        users.append(request)
        return "I want my money back."

    run = simulate(
        CASES[:1],
        lambda messages, order="": "It is done.",
        user_model=user,
        goal_model=judge,
        overlap=overlap,
        out=tmp_path / "run",
    )
    assert (len(users), run.usage.wasted) == (asked, wasted)
    assert read_run(tmp_path / "run").usage == run.usage


class World:
    """Models and an agent that count what they are asked, and may break down after some calls."""

    def __init__(self, *, after: int | None = None, seed: int = 0) -> None:
        self.left = after
        self.asked: Counter[str] = Counter()
        self.words = fake_model([f"I say {n}." for n in range(40)], seed=seed)
        self.verdicts = fake_model([NO, NO, NO, YES], seed=seed)

    def model(self, request):
        self._count(request)
        judge = request.id.lane is Lane.GOAL_CHECK
        text = self.verdicts(request) if judge else self.words(request)
        return Reply(text, Facts(input_tokens=10, output_tokens=2, cost=0.25))

    def agent(self, messages, order="", *, session_id, turn):
        self._count_agent(session_id, turn)
        return f"Turn {turn} of {len(messages)} {order}: {messages[-1]['content']}"

    def _count(self, request) -> None:
        self._spend(f"{request.session.id}/{request.id}")

    def _count_agent(self, session_id: str, turn: int) -> None:
        self._spend(f"{session_id}/{turn}/agent/0")

    def _spend(self, name: str) -> None:
        if self.left is not None:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left -= 1
        self.asked[name] += 1


def play(world: World, out: Path, **more):
    told = {"max_turns": 3, "concurrency": 1, "overlap": False, **more}
    return simulate(CASES, world.agent, user_model=world.model, out=out, **told)


def ports(world: World) -> dict:
    return {"agent": world.agent, "user_model": world.model, "accept_changes": False}


def said(run):
    return [(one.id, one.stop_reason, one.transcript, one.verdict) for one in run.sessions]


def texts(path: Path) -> dict[str, str]:
    """The files of a run that people read, less what a clock has put there."""
    results = [json.loads(line) for line in (path / "results.jsonl").read_text().splitlines()]
    for one in results:
        one["seconds"] = 0
    return {"results": json.dumps(results)}


@pytest.mark.parametrize("overlap", [False, True])
def test_a_run_reads_back_equal_from_its_journal(tmp_path: Path, overlap) -> None:
    """Law: what a run gives is a projection of its journal."""
    run = play(World(), tmp_path / "a", overlap=overlap, trials=2)
    again = read_run(tmp_path / "a")
    rounded = [evolve(one, seconds=0.0) for one in run.sessions]
    assert [evolve(one, seconds=0.0) for one in again.sessions] == rounded
    for one, other in zip(run.sessions, again.sessions, strict=True):
        assert other.seconds == pytest.approx(one.seconds)
    assert again.unfinished == 0


@pytest.mark.parametrize("after", [0, 1, 2, 3, 4, 5, 8, 13])
def test_a_cut_run_goes_on_and_asks_nothing_twice(tmp_path: Path, after) -> None:
    """Law: cut and resumed, a run gives the same as undisturbed, by the same requests."""
    whole, first = World(), World(after=after)
    undisturbed = play(whole, tmp_path / "whole")
    with pytest.raises(SimulationInterrupted):
        play(first, tmp_path / "cut")
    second = World()
    run = resume_run(tmp_path / "cut", **ports(second))
    assert said(run) == said(undisturbed)
    assert first.asked + second.asked == whole.asked
    assert run.usage.cost == undisturbed.usage.cost
    assert texts(tmp_path / "cut") == texts(tmp_path / "whole")
    assert all(one.divergence is None for one in replay_run(tmp_path / "cut"))


def test_a_whole_run_goes_on_to_itself(tmp_path: Path) -> None:
    run = play(World(), tmp_path / "a")
    idle = World()
    assert said(resume_run(tmp_path / "a", **ports(idle))) == said(run)
    assert not idle.asked


def test_a_budget_that_was_used_up_is_no_end(tmp_path: Path) -> None:
    world = World()
    cut = play(world, tmp_path / "a", max_tokens=60)
    assert any(one.cut_short for one in cut.sessions)
    run = resume_run(tmp_path / "a", **ports(world), max_tokens=1_000_000)
    assert not any(one.cut_short for one in run.sessions)
    assert max(world.asked.values()) == 1


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("max_turns", {"max_turns": 4}),
        ("seed", {"seed": 1}),
        ("user_leaves", {"user_leaves": True}),
        ("goal_check", {"goal_check": "never"}),
    ],
)
def test_what_was_changed_since_is_refused_by_name(tmp_path: Path, field, given) -> None:
    world = World()
    play(world, tmp_path / "a")
    with pytest.raises(InvalidSpec, match=f"{field} is .*, and was .*") as refused:
        resume_run(tmp_path / "a", **ports(world), **given)
    assert "--accept-changes" in str(refused.value)


def test_changes_can_be_accepted(tmp_path: Path) -> None:
    world = World(after=5)
    with pytest.raises(SimulationInterrupted):
        play(world, tmp_path / "a")
    run = resume_run(tmp_path / "a", **{**ports(World()), "accept_changes": True}, max_turns=2)
    assert all(one.turns <= 2 for one in run.sessions)


def test_a_changed_case_is_refused_with_its_field(tmp_path: Path) -> None:
    cases = tmp_path / "cases.json"
    cases.write_text(json.dumps(CASES))
    world = World()
    simulate(str(cases), world.agent, user_model=world.model, out=tmp_path / "a", max_turns=1)
    cases.write_text(json.dumps([{**CASES[0], "goal": "get the money"}, *CASES[1:]]))
    with pytest.raises(InvalidSpec) as refused:
        resume_run(tmp_path / "a", **ports(world))
    assert "refund" in str(refused.value)
    assert "goal is 'get the money', and was 'get a refund'" in str(refused.value)


def test_a_parameter_that_was_not_written_down_has_to_be_given_again(tmp_path: Path) -> None:
    case = {"id": "c", "goal": "x", "script": ["Hi."], "goal_when": "hi"}
    agent = "http://127.0.0.1:9/v1"
    simulate([case], agent, agent_params={"key": "sk-1"}, out=tmp_path / "a", max_seconds=5)
    with pytest.raises(InvalidSpec, match=r"agent_params\.key was not written down"):
        resume_run(tmp_path / "a", retry="failed")
    run = resume_run(tmp_path / "a", retry="failed", agent_params={"key": "sk-1"})
    assert run.sessions[0].usage.requests == 2


def test_final_failures_are_tried_again_when_asked(tmp_path: Path) -> None:
    world = World()
    healthy = play(World(), tmp_path / "well")
    broken = {"refund/1/1/goal_check/0", "track/1/1/user/0"}

    def failing(request):
        if f"{request.session.id}/{request.id}" in broken:
            raise TimedOut("no answer")
        return world.model(request)

    def agent(messages, order="", *, session_id, turn):
        if (session_id, turn) == ("cancel/1", 1):
            raise AgentError("out of order")
        return world.agent(messages, order, session_id=session_id, turn=turn)

    told = {"max_turns": 3, "overlap": False, "retries": 0}
    cut = simulate(CASES, agent, user_model=failing, out=tmp_path / "a", **told)
    assert sum(one.failed for one in cut.sessions) == 3
    given = {"agent": world.agent, "user_model": world.model, "accept_changes": True}
    same = resume_run(tmp_path / "a", **given)
    assert sum(one.failed for one in same.sessions) == 3
    run = resume_run(tmp_path / "a", retry="failed", **given)
    assert said(run) == said(healthy)
    assert max(world.asked.values()) == 1
    assert all(one.divergence is None for one in replay_run(tmp_path / "a"))


class Desk:
    """An agent that remembers in its process; `made` counts what all of them were asked."""

    made: ClassVar[Counter[str]] = Counter()
    stop_at: int | None = None
    mood = "gladly"

    def __init__(self, session_id: str) -> None:
        self.session = session_id
        self.heard: list[str] = []

    def __call__(self, messages):
        if Desk.stop_at is not None and sum(Desk.made.values()) >= Desk.stop_at:
            raise KeyboardInterrupt
        self.heard.append(messages[-1]["content"])
        Desk.made[f"{self.session}/{len(self.heard)}"] += 1
        return f"{Desk.mood}, {len(self.heard)}: {self.heard[0]}"


@pytest.fixture
def desk():
    Desk.made, Desk.stop_at, Desk.mood = Counter(), None, "gladly"
    return Desk


SCRIPT = [{"id": "a", "goal": "x", "script": ["one", "two", "three", "four"], "goal_when": "never"}]


def cut_desk(desk, out: Path) -> None:
    desk.stop_at = 2
    with pytest.raises(SimulationInterrupted):
        simulate(SCRIPT, desk, out=out)
    desk.stop_at = None


def test_an_agent_that_remembers_is_told_again_what_was_said(tmp_path: Path, desk) -> None:
    whole = simulate(SCRIPT, desk, out=tmp_path / "whole")
    desk.made.clear()
    cut_desk(desk, tmp_path / "cut")
    run = resume_run(tmp_path / "cut", agent=desk)
    assert said(run) == said(whole)
    assert run.usage.rebuilt == 2
    assert desk.made == {"a/1/1": 2, "a/1/2": 2, "a/1/3": 1, "a/1/4": 1}
    assert all(one.divergence is None for one in replay_run(tmp_path / "cut"))


def test_an_agent_that_answers_otherwise_now_is_not_gone_on_with(tmp_path: Path, desk) -> None:
    cut_desk(desk, tmp_path / "cut")
    desk.mood = "no"
    run = resume_run(tmp_path / "cut", agent=desk)
    assert run.sessions[0].cut_short
    assert "did not answer turn 1 as it did before" in run.sessions[0].detail
    assert "'gladly, 1: one' became 'no, 1: one'" in run.sessions[0].detail
    anew = resume_run(tmp_path / "cut", agent=desk, restart=True)
    assert [m.text for m in anew.sessions[0].transcript[1::2]] == [
        f"no, {n}: one" for n in (1, 2, 3, 4)
    ]
    assert all(one.divergence is None for one in replay_run(tmp_path / "cut"))


def test_a_fork_shares_what_was_said_before_its_turn(tmp_path: Path) -> None:
    parent = play(World(), tmp_path / "a")
    other = World(seed=7)
    run = fork_run(
        tmp_path / "a",
        "track",
        at_turn=2,
        samples=3,
        out=tmp_path / "b",
        agent=other.agent,
        user_model=other.model,
    )
    shared = parent.sessions[1].transcript[:2]
    assert [one.id for one in run.sessions] == ["track/1", "track/2", "track/3"]
    assert all(one.transcript[:2] == shared for one in run.sessions)
    assert all(not name.split("/")[2].startswith("1") for name in other.asked)
    assert all(one.divergence is None for one in replay_run(tmp_path / "b"))
    assert said(read_run(tmp_path / "b")) == said(run)
    parentage = json.loads((tmp_path / "b" / "run.json").read_text())["parent"]
    assert parentage == {"run": "a", "session": "track/1", "turn": 2}


def test_a_fork_of_an_agent_that_remembers_is_rebuilt(tmp_path: Path, desk) -> None:
    simulate(SCRIPT, desk, out=tmp_path / "a")
    desk.made.clear()
    run = fork_run(tmp_path / "a", "a", at_turn=3, samples=2, out=tmp_path / "b", agent=desk)
    assert [one.transcript[-1].text for one in run.sessions] == ["gladly, 4: one"] * 2
    assert run.usage.rebuilt == 4
    again = fork_run(tmp_path / "b", "a/2", at_turn=4, out=tmp_path / "c", agent=desk)
    assert again.sessions[0].transcript == run.sessions[1].transcript
    assert again.usage.rebuilt == 3
    assert all(one.divergence is None for one in replay_run(tmp_path / "c"))


def test_a_fork_that_was_cut_goes_on(tmp_path: Path, desk) -> None:
    simulate(SCRIPT, desk, out=tmp_path / "a")
    desk.made.clear()
    desk.stop_at = 3  # two to rebuild, one of its own
    with pytest.raises(SimulationInterrupted):
        fork_run(tmp_path / "a", "a", at_turn=3, out=tmp_path / "b", agent=desk)
    desk.stop_at = None
    run = resume_run(tmp_path / "b", agent=desk)
    assert run.sessions[0].transcript[-1].text == "gladly, 4: one"
    assert all(one.divergence is None for one in replay_run(tmp_path / "b"))


@pytest.mark.parametrize(
    ("case", "turn", "told"),
    [
        ("track", 9, "the session 'track/1' has no turn 9 to fork at: it came to"),
        ("trak", 1, "did you mean 'track'?"),
    ],
)
def test_a_fork_of_what_is_not_there_says_so(tmp_path: Path, case, turn, told) -> None:
    world = World()
    play(world, tmp_path / "a")
    with pytest.raises(InvalidSpec, match=told.replace("?", r"\?")):
        fork_run(tmp_path / "a", case, at_turn=turn, out=tmp_path / "b", agent=world.agent)


@pytest.mark.parametrize("overlap", [False, True])
def test_recorded_users_talk_to_an_agent_for_as_long_as_it_replies_alike(
    tmp_path: Path, overlap
) -> None:
    play(World(), tmp_path / "a", overlap=overlap)
    same, departed = replay_against(tmp_path / "a", World().agent)
    assert departed == ()
    assert said(same) == said(read_run(tmp_path / "a"))
    assert (same.usage.cost, same.directory) == (0.0, None)

    def other(messages, order="", *, session_id, turn):
        reply = World().agent(messages, order, session_id=session_id, turn=turn)
        return reply if (session_id, turn) != ("track/1", 2) else f"{reply} And so on."

    cut, departed = replay_against(tmp_path / "a", other)
    assert [(one.session, str(one.id)) for one in departed] == [("track/1", "2/agent/0")]
    assert "And so on." in str(departed[0])
    assert [one.cut_short for one in cut.sessions] == [False, True, False]


def test_messages_of_a_history_are_no_turns_in_a_comparison() -> None:
    said = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello."}]
    case = {"goal": "x", "script": ["One.", "Two."], "goal_when": "never", "history": said}

    def answering(second):
        return lambda messages: second if messages[-1]["content"] == "Two." else "First."

    before, after = (simulate([case], answering(word), save=False) for word in "ab")
    [pair] = diff_runs(before, after)
    assert pair.departs == 2


def test_one_case_of_a_run_is_played_against_another_agent(tmp_path: Path) -> None:
    play(World(), tmp_path / "a")

    def other(messages, order=""):
        return "Something else."

    run, departed = replay_against(tmp_path / "a", other, case="track")
    assert [one.case_id for one in run.sessions] == ["track"]
    assert len(departed) == 1


def test_where_an_agent_departs_it_can_go_on_live(tmp_path: Path) -> None:
    play(World(), tmp_path / "a")
    live = World()

    def other(messages, order="", *, session_id, turn):
        reply = World().agent(messages, order, session_id=session_id, turn=turn)
        return f"{reply} And so on." if session_id == "track/1" else reply

    run, departed = replay_against(
        tmp_path / "a", other, go_on=True, out=tmp_path / "b", user_model=live.model
    )
    assert len(departed) == 1
    assert not any(one.cut_short for one in run.sessions)
    assert {name.split("/")[0] for name in live.asked} == {"track"}
    assert all(one.divergence is None for one in replay_run(tmp_path / "b"))


def test_two_runs_are_compared_session_by_session(tmp_path: Path) -> None:
    before, after = play(World(), tmp_path / "a"), play(World(seed=3), tmp_path / "b")
    pairs = diff_runs(before, after)
    assert {pair.id for pair in pairs} == {"refund/1", "track/1", "cancel/1"}
    assert [pair.changed for pair in pairs] == sorted((p.changed for p in pairs), reverse=True)
    assert all(pair.departs == 1 for pair in pairs)
    assert all(pair.departs is None and not pair.changed for pair in diff_runs(before, before))
    (gone, *_) = diff_runs(before, evolve(after, sessions=after.sessions[1:]))
    assert (gone.id, gone.after, gone.changed) == ("refund/1", None, True)


def test_functions_that_no_name_leads_to_have_to_be_given_again(tmp_path: Path) -> None:
    def user(view):
        return Say(f"hello {view.turn}")

    case = [{"id": "a/b c", "goal": "x"}]
    told = {"user": user, "goal_check": "never"}
    simulate(case, lambda messages: "hi", max_turns=2, out=tmp_path / "a", **told)
    for again in (resume_run, replay_run):
        with pytest.raises(InvalidSpec, match=r"user was '.*<locals>.*'; give it again|which no"):
            again(tmp_path / "a")
    assert [one.divergence for one in replay_run(tmp_path / "a", user=user)] == [None]
    given = {"agent": lambda messages: "hi", "user": user}
    assert fork_run(tmp_path / "a", "a/b c", at_turn=2, out=tmp_path / "b", **given).sessions
