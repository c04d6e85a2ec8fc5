"""Items of marked tests played: recorded, from the record, and where they depart from it."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import fork_run, simulate
from convsim_adapters.running.kept import keep, read_one
from convsim_adapters.running.marked import Item, items_of
from convsim_adapters.running.tested import Outcome, Place, play
from convsim_fp import InvalidSpec, Reply, Say, goals
from convsim_fp.core import Lane, StopReason, freeze_object
from convsim_fp.errors import JournalError, Unavailable
from convsim_fp.interpreters import Facts
from convsim_fp.journal import canonical_log
from convsim_fp.testing import fake_model

VAGUE = {"id": "vague", "goal": "a refund", "context": {"order": "W7"}}
SCRIPTED = {"id": "hasty", "goal": "a refund", "script": ["W7.", "Now!"], "goal_when": "refunded"}
WORDS = ("A refund.", "It is W7.", "Please.", "Yes.", "Hurry.")


class World:
    """Models and an agent that count what they are asked."""

    def __init__(self, *, seed: int = 0, words: tuple[str, ...] = WORDS) -> None:
        self.asked: list[str] = []
        self.called = 0
        self.words = fake_model(words, seed=seed)
        self.verdicts = fake_model(("no", "no", "yes"), seed=seed)

    def model(self, request: Any) -> Reply:
        self.asked.append(f"{request.session.id}/{request.id}")
        judge = request.id.lane is Lane.GOAL_CHECK
        text = self.verdicts(request) if judge else self.words(request)
        return Reply(text, Facts(input_tokens=10, cost=0.25, seconds=1.0))

    def agent(self, messages: list[dict[str, str]], order: str = "") -> str:
        self.called += 1
        return f"{len(messages)} {order}: {messages[-1]['content']}"


def item(case: dict[str, Any], **told: Any) -> Item:
    return items_of(Path("test_desk.py"), [case], told).items[0]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "vague.jsonl", "test_desk.py::test_it[vague]")


def text(place: Place) -> str:
    return place.journal.read_text("ascii")


def same(one: Outcome, other: Outcome) -> bool:
    """Whether two sessions went and ended alike."""
    parts: list[Callable[[Outcome], object]] = [
        lambda outcome: outcome.result.transcript,
        lambda outcome: outcome.result.stop_reason,
        lambda outcome: outcome.result.why,
        lambda outcome: outcome.result.verdict,
    ]
    return all(part(one) == part(other) for part in parts)


@given(
    st.integers(0, 99),
    st.integers(1, 4),
    st.sampled_from((None, "by-user")),
    st.sampled_from((1, 2)),
    st.booleans(),
)
def test_what_was_recorded_goes_again_and_no_model_is_asked(
    seed: int, turns: int, user: str | None, trial: int, agent_too: bool
) -> None:
    """Whoever plays and judges, in any trial; with the agent live, or from the record too."""
    world = World(seed=seed)
    told = {"user": user, "max_turns": turns, "trials": 2, "replay_agent": agent_too}
    items = items_of(
        Path("t.py"), [VAGUE], {"agent": world.agent, "user_model": world.model, **told}
    )
    one = items.items[trial - 1]
    with TemporaryDirectory() as made:
        place = Place(Path(made) / "deep" / "one.jsonl", "t.py::test")
        recorded = play(one, place, mode="all")
        assert recorded.recorded == place.journal
        assert recorded.result.id == f"vague/{trial}"
        asked, called, written = len(world.asked), world.called, text(place)
        again = play(one, place, mode="none")
        assert same(recorded, again)
        assert (again.failure, again.departs, again.recorded) == ("", "", None)
        assert same(recorded, play(one, place, mode="once"))
        assert len(world.asked) == asked
        assert world.called == called * (1 if agent_too else 3)
        assert again.result.usage.cost == 0.0
        play(one, place, mode="all")
        assert text(place) == written


def test_a_journal_that_is_missing_is_recorded_once(place: Place) -> None:
    world = World()
    one = item(VAGUE, agent=world.agent, user_model=world.model)
    missing = play(one, place, mode="none")
    assert missing.result.stop_reason is StopReason.CANCELLED
    line = "pytest --convsim-record=once 'test_desk.py::test_it[vague]'"
    assert missing.failure == f"no journal at {place.journal}; record it: {line}"
    assert (world.asked, world.called) == ([], 0)
    assert play(one, place, mode="once").recorded == place.journal
    asked = len(world.asked)
    assert play(one, place, mode="once").recorded is None
    assert len(world.asked) == asked


def test_who_asks_no_model_needs_no_journal(place: Place) -> None:
    outcome = play(item(SCRIPTED, agent=World().agent), place, mode="none")
    assert (outcome.failure, outcome.result.turns) == ("", 2)


def test_a_user_of_ones_own_that_asks_none_needs_none_either(place: Place) -> None:
    one = item(VAGUE, agent=World().agent, user=lambda view: Say("Hm."), goal_check=goals.never)
    assert play(one, place, mode="none").failure == ""


def test_an_agent_that_departs_is_shown_where_and_how(place: Place) -> None:
    world = World()
    one = item(VAGUE, agent=world.agent, user_model=world.model)
    play(one, place, mode="all")
    asked = len(world.asked)
    outcome = play(evolve(one, agent=lambda messages, order: "No."), place, mode="none")
    said = read_one(place.journal).log.transcript[1].text
    assert outcome.failure.splitlines()[:3] == [
        "vague/1, turn 1, agent: the agent replies differently",
        f"    - {said}",
        "    + No.",
    ]
    line = "pytest --convsim-record=all 'test_desk.py::test_it[vague]'"
    assert outcome.failure.endswith(f"no recorded answer; record it anew: {line}")
    assert outcome.result.transcript[-1].text == "No."
    assert len(world.asked) == asked


def test_a_case_that_changed_is_shown_where_and_how(place: Place) -> None:
    world = World()
    one = item(VAGUE, agent=world.agent, user_model=world.model)
    play(one, place, mode="all")
    changed = evolve(one, case=evolve(one.case, goal="a discount"))
    failure = play(changed, place, mode="none").failure
    assert failure.startswith("vague/1, turn 1, user: message 1 of what is asked differs")


def test_where_no_model_is_asked_a_departing_agent_is_only_told_of(place: Place) -> None:
    one = item(SCRIPTED, agent=World().agent)
    play(one, place, mode="all")
    outcome = play(evolve(one, agent=lambda messages: "It is refunded."), place, mode="none")
    assert outcome.result.achieved
    assert outcome.failure == ""
    assert outcome.departs.startswith("hasty/1, turn 1, agent: the agent replies differently")


def test_an_agent_that_answers_from_the_record_is_not_called(place: Place) -> None:
    world = World()
    one = item(VAGUE, agent=world.agent, user_model=world.model, replay_agent=True)
    recorded, called = play(one, place, mode="once"), world.called
    assert same(recorded, play(evolve(one, agent="not_installed:desk"), place, mode="none"))
    assert world.called == called


def test_without_an_agent_nothing_can_be_recorded(place: Place) -> None:
    one = item(VAGUE, user_model=World().model, replay_agent=True)
    with pytest.raises(InvalidSpec, match="agent is missing, and no journal is there yet"):
        play(one, place, mode="once")


def test_the_agent_may_come_from_a_fixture(place: Place) -> None:
    world = World()
    one = item(VAGUE, agent_fixture="desk", user_model=world.model)
    assert one.fixture == "desk"
    recorded = play(one, place, mode="once", agent=world.agent)
    assert same(recorded, play(one, place, mode="none", agent=world.agent))


def test_a_loop_that_runs_already_does_not_matter(place: Place) -> None:
    world = World()
    one = item(VAGUE, agent=world.agent, user_model=world.model)

    async def asynchronous() -> tuple[Outcome, Outcome]:
        return play(one, place, mode="once"), play(one, place, mode="none")

    assert same(*asyncio.run(asynchronous()))


def failing(request: Any) -> str:
    raise Unavailable("down")


def broken(messages: object, order: str = "") -> str:
    raise OSError("no line")


@pytest.mark.parametrize(
    ("told", "why"),
    [
        ({"user_model": failing, "retries": 0}, "ended as user_failed after 0 turns"),
        ({"agent": broken}, "ended as agent_failed after 1 turn: agent_error: OSError: no line"),
        ({"goal_model": failing, "retries": 0}, "ended as goal_check_failed after 1 turn"),
        ({"max_tokens": 5}, "ended as budget after"),
    ],
)
def test_a_session_that_came_to_no_end_of_its_own_fails_and_is_not_recorded(
    place: Place, told: dict[str, Any], why: str
) -> None:
    """However its test asserts; what was recorded before stays."""
    world = World()
    given = {"agent": world.agent, "user_model": world.model} | told
    outcome = play(item(VAGUE, **given), place, mode="once")
    assert why in outcome.failure
    assert not place.journal.exists()
    play(item(VAGUE, agent=world.agent, user_model=world.model), place, mode="once")
    before = text(place)
    assert why in play(item(VAGUE, **given), place, mode="all").failure
    assert text(place) == before


def test_an_agent_that_fails_where_it_did_not_departs(place: Place) -> None:
    world = World()
    one = item(VAGUE, agent=world.agent, user_model=world.model)
    play(one, place, mode="all")
    outcome = play(evolve(one, agent=broken), place, mode="none")
    assert outcome.failure.startswith("vague/1 ended as agent_failed after 1 turn")
    assert "+ (agent_error: OSError: no line)" in outcome.departs


def test_a_journal_that_is_broken_says_so_and_how_to_mend_it(place: Place) -> None:
    one = item(SCRIPTED, agent=World().agent)
    play(one, place, mode="all")
    place.journal.write_text(text(place).replace("W7", "W8"), "ascii")
    with pytest.raises(JournalError, match=r"record 1 \(byte .*record it anew: pytest --convsim"):
        play(one, place, mode="once")
    assert play(one, place, mode="all").failure == ""


NAMED = {"user_model": "openai/one", "goal_model": "openai/judge"}


def recorded_with(place: Place, **models: str) -> Item:
    """An item with a journal of models that could not be made here, for want of a key."""
    world = World()
    one = item(VAGUE, agent=world.agent, user_model=world.model)
    play(one, place, mode="all")
    kept = read_one(place.journal)
    told = freeze_object({**kept.settings, **models})
    keep(place.journal, canonical_log(kept.log, settings=told))
    return one


@pytest.mark.parametrize(
    ("now", "told"),
    [
        (NAMED, ()),
        ({"user_model": "openai/two"}, ("user_model is 'openai/two', and was 'openai/one'",)),
        ({**NAMED, "goal_model": "openai/two"}, ("goal_model is 'openai/two', and was",)),
        ({"user_model": World().model}, ()),
    ],
)
def test_a_model_that_changed_since_is_told(place: Place, now: dict[str, Any], told) -> None:
    """Its answers are those of another; a function stands for whatever it stands for."""
    one = recorded_with(place, **NAMED)
    one = evolve(
        one, settings=evolve(one.settings, **{"user_model": None, "goal_model": None} | now)
    )
    if not told:
        assert play(one, place, mode="none").failure == ""
        return
    with pytest.raises(InvalidSpec) as refused:
        play(one, place, mode="none")
    for words in (*told, "record it anew: pytest --convsim-record=all"):
        assert words in str(refused.value)


def test_who_was_not_asked_may_be_another_model(place: Place) -> None:
    one = item(SCRIPTED, agent=World().agent, user_model=World().model)
    play(one, place, mode="all")
    named = evolve(one, settings=evolve(one.settings, user_model="openai/two"))
    assert play(named, place, mode="none").failure == ""


def test_a_journal_as_a_case_is_its_own_record(place: Place, tmp_path: Path) -> None:
    """Under its own trial and seed; recorded anew it is written where it is."""
    world = World(seed=3)
    told = {"agent": world.agent, "user_model": world.model, "trials": 2, "seed": 5}
    second = items_of(Path("t.py"), [VAGUE], told).items[1]
    recorded = play(second, place, mode="all")
    found = tmp_path / "found.jsonl"
    place.journal.rename(found)
    [one] = items_of(tmp_path / "t.py", ["found.jsonl"], {"agent": world.agent}).items
    asked = len(world.asked)
    again = play(one, place, mode="none")
    assert same(recorded, again)
    assert again.result.id == "vague/2"
    assert len(world.asked) == asked
    before = found.read_text("ascii")
    live = evolve(one, settings=evolve(one.settings, user_model=world.model))
    assert play(live, place, mode="all").recorded == found
    assert found.read_text("ascii") == before
    assert not place.journal.exists()


def test_a_journal_of_several_sessions_is_not_recorded_anew(place: Place, tmp_path: Path) -> None:
    world, run = World(), tmp_path / "run"
    simulate([VAGUE], world.agent, user_model=world.model, trials=2, out=run)
    keep(tmp_path / "both.jsonl", (run / "journal" / "0001.jsonl").read_text("ascii"))
    told = {"agent": world.agent, "user_model": world.model}
    one = items_of(tmp_path / "t.py", ["both.jsonl"], told).items[0]
    with pytest.raises(JournalError, match="holds 2 sessions, expected one"):
        play(one, place, mode="all")


class Remembering:
    """An agent that knows how often it was called in its session."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, messages: list[dict[str, str]], order: str = "") -> str:
        self.times += 1
        return f"This is my reply {self.times}."


@pytest.mark.parametrize("agent", [World().agent, Remembering])
def test_a_fork_is_a_case_too(place: Place, tmp_path: Path, agent: Any) -> None:
    """It begins where its parent's turn did, with an agent that knows what it knew."""
    world, run, fork = World(seed=1), tmp_path / "run", tmp_path / "fork"
    told = {"user_model": world.model, "goal_check": "never", "max_turns": 4}
    simulate([VAGUE], agent, out=run, **told)
    [end] = fork_run(
        run, "vague", at_turn=3, agent=agent, out=fork, user_model=world.model
    ).sessions
    keep(tmp_path / "fork.jsonl", (fork / "journal" / "0001.jsonl").read_text("ascii"))
    [one] = items_of(tmp_path / "t.py", ["fork.jsonl"], {"agent": agent}).items
    asked = len(world.asked)
    outcome = play(one, place, mode="none")
    assert outcome.failure == ""
    assert outcome.result.transcript == end.transcript
    assert len(world.asked) == asked
    live = evolve(one, settings=evolve(one.settings, user_model=world.model))
    assert play(live, place, mode="all").result.transcript == end.transcript
    assert play(one, place, mode="none").result.transcript == end.transcript
