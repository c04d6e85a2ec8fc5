"""The phase diagram of the docs is the one that the machine walks."""

import runpy
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

import pytest
from attrs import frozen
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Failed,
    Failure,
    Generated,
    Interrupted,
    Observation,
    Request,
    Rules,
    Step,
    Stopped,
    TestCase,
    start,
    step,
)
from convsim_fp.interpreters import Ports
from convsim_fp.testing import Observe, observing
from convsim_fp.testing import strategies as any_of

ROOT = Path(__file__).parents[2]
DIAGRAM = runpy.run_path(str(ROOT / "docs" / "phase_diagram.py"))
DRAWN = frozenset(DIAGRAM["LINES"])
TRANSITIONS: frozenset[CodeType] = frozenset(it.__code__ for it in DIAGRAM["TRANSITIONS"])

Arrow = tuple[str, str]


def test_the_committed_picture_is_the_generated_one() -> None:
    committed = (ROOT / "docs" / "explanation" / "phases.svg").read_text("utf-8")
    assert committed == DIAGRAM["svg"](), "run python docs/phase_diagram.py"


def test_a_transition_that_is_not_drawn_is_named() -> None:
    drawing = runpy.run_path(str(ROOT / "docs" / "phase_diagram.py"))
    del drawing["LINES"]["Checking", "Speaking"]
    with pytest.raises(SystemExit, match="Checking to Speaking is only in one of the two"):
        drawing["svg"]()


@contextmanager
def watching() -> Iterator[list[Arrow]]:
    """The transitions that the machine makes meanwhile in this thread, in order."""
    made: list[Arrow] = []

    def watch(frame: FrameType, event: str, returned: object) -> None:
        if event == "return" and frame.f_code in TRANSITIONS:
            made.append((type(frame.f_locals["phase"]).__name__, type(returned).__name__))

    before = sys.getprofile()
    sys.setprofile(watch)
    try:
        yield made
    finally:
        sys.setprofile(before)


def phase_of(waiting: Step) -> str:
    return type(waiting.state.phase).__name__


def walk(rules: Rules, waiting: Step, seen: Observation) -> tuple[Step, list[Arrow]]:
    """One step and its transitions, which lead from the phase before it to the one after it."""
    with watching() as made:
        after = step(rules, waiting.state, seen)
    if isinstance(seen, Interrupted):
        return after, [*made, ("any phase", phase_of(after))]
    here = phase_of(waiting)
    for origin, goal in made:
        assert origin == here
        here = goal
    assert here == phase_of(after)
    return after, made


def walked(
    rules: Rules, case: TestCase, observe: Observe, schedule: list[int], stop_at: int | None
) -> set[Arrow]:
    """All transitions of a conversation; `stop_at` is the observation that interrupts it."""
    order = iter(schedule)
    waiting = start(rules, case)
    taken: set[Arrow] = set()
    count = 0
    while waiting.requests:
        request = waiting.requests[next(order, 0) % len(waiting.requests)]
        seen = Interrupted("budget") if count == stop_at else observe(request)
        waiting, made = walk(rules, waiting, seen)
        taken |= set(made)
        count += 1
    assert isinstance(waiting.state.phase, Stopped)
    return taken


@given(
    any_of.rules(),
    any_of.cases(),
    any_of.ports(),
    any_of.schedules(),
    st.none() | st.integers(0, 9),
)
def test_real_conversations_make_only_transitions_that_are_drawn(
    rules: Rules, case: TestCase, ports: Ports, schedule: list[int], stop_at: int | None
) -> None:
    """And they enter no phase but along them."""
    assert walked(rules, case, observing(ports), schedule, stop_at) <= DRAWN


@given(any_of.rules(st.just(users.prompted())), any_of.cases())
def test_real_conversations_begin_only_where_it_is_drawn(rules: Rules, case: TestCase) -> None:
    """A user that has to ask before it speaks lets the first phase be seen."""
    assert ("start", phase_of(start(rules, case))) in DRAWN


@frozen
class Example:
    """A conversation: the case, how the user, agent and judge answer, and when it is cut short."""

    user: str | None = "Where is my order?"
    agent: str | None = "On its way."
    goal_check: str | None = "yes"
    agent_opens: bool = False
    stop_at: int | None = None

    def transitions(self) -> set[Arrow]:
        rules = Rules(users.prompted(), goals.prompted(), max_turns=2, max_asks=1)
        case = TestCase(goal="return the red shoes", agent_opens=self.agent_opens)
        begun = ("start", phase_of(start(rules, case)))
        return {begun, *walked(rules, case, self.observe, [], self.stop_at)}

    def observe(self, request: Request) -> Observation:
        answer: str | None = getattr(self, request.id.lane)
        if answer is None:
            return Failed(request.id, Failure("unavailable"))
        if isinstance(request, CallAgent):
            return AgentReplied(request.id, answer)
        return Generated(request.id, answer)


TAKEN = {
    ("start", "Speaking"): Example(),
    ("start", "Replying"): Example(agent_opens=True),
    ("Speaking", "Replying"): Example(),
    ("Speaking", "Stopped"): Example(user=None),
    ("Replying", "Checking"): Example(),
    ("Replying", "Speaking"): Example(agent_opens=True),
    ("Replying", "Stopped"): Example(agent=None),
    ("Checking", "Speaking"): Example(goal_check="no"),
    ("Checking", "Stopped"): Example(goal_check="yes"),
    ("any phase", "Stopped"): Example(stop_at=1),
}


def test_every_arrow_has_an_example() -> None:
    assert TAKEN.keys() == DRAWN


@pytest.mark.parametrize("arrow", sorted(DRAWN), ids=" to ".join)
def test_an_arrow_that_is_drawn_is_taken(arrow: Arrow) -> None:
    assert arrow in TAKEN[arrow].transitions()
