"""The state of a conversation: data only, frozen, equal when its parts are equal."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from inspect import signature
from typing import Literal, TypeAlias, cast

from attrs import field, frozen

from convsim_fp.core.behaviours import GoalCheck, SimulatedUser, Verdict
from convsim_fp.core.cases import TestCase
from convsim_fp.core.json_values import A_COUNT, Json, is_count, kind
from convsim_fp.core.observations import Failure
from convsim_fp.core.requests import Request, Session
from convsim_fp.core.transcript import Transcript
from convsim_fp.errors import InvalidSpec, Problem

__all__ = [
    "Checking",
    "Closing",
    "LaneReplies",
    "Phase",
    "Replying",
    "Rules",
    "Speaking",
    "State",
    "Step",
    "StopReason",
    "Stopped",
    "is_checked_end",
]


class StopReason(StrEnum):
    """Why a conversation ended."""

    GOAL_ACHIEVED = "goal_achieved"
    USER_LEFT = "user_left"
    AGENT_ENDED = "agent_ended"
    MAX_TURNS = "max_turns"
    AGENT_FAILED = "agent_failed"
    USER_FAILED = "user_failed"
    GOAL_CHECK_FAILED = "goal_check_failed"
    BUDGET = "budget"
    DEADLINE = "deadline"
    CANCELLED = "cancelled"


@frozen
class Rules:
    """How conversations go: who plays the user, what checks the goal, and the limits.

    `goal_check` None leaves it to the user's own word (`Satisfied`), for which the user is asked
    once more after the last reply. `max_turns` counts turns, `max_asks` the questions that a
    behaviour may ask for one decision. `overlap` asks for the next user message while the goal
    check is still out: faster, at the price of at most one wasted message per conversation. Raises
    `InvalidSpec` with all problems at once.
    """

    user: SimulatedUser
    goal_check: GoalCheck | None
    max_turns: int = 10
    max_asks: int = 3
    overlap: bool = False
    on_goal_check_failure: Literal["stop", "continue"] = "stop"

    def __attrs_post_init__(self) -> None:
        policy = self.on_goal_check_failure
        checks = (
            ("user", self.user, "a function of a view", callable(self.user)),
            (
                "goal_check",
                self.goal_check,
                "a function of a view, or None",
                self.goal_check is None or callable(self.goal_check),
            ),
            ("max_turns", self.max_turns, A_COUNT, is_count(self.max_turns)),
            ("max_asks", self.max_asks, A_COUNT, is_count(self.max_asks)),
            ("overlap", self.overlap, "true or false", isinstance(self.overlap, bool)),
            ("on_goal_check_failure", policy, "'stop' or 'continue'", policy in POLICIES),
        )
        problems = [
            Problem(f"rules: {name}", f"is {kind(value)}, expected {expected}")
            for name, value, expected, good in checks
            if not good
        ]
        problems += [
            Problem(f"rules: {name}", f"is {_name(value)}, which takes no view; {FORGOTTEN}")
            for name, value, _, good in checks[:2]
            if good and value is not None and not _takes_a_view(value)
        ]
        if problems:
            raise InvalidSpec(problems)


POLICIES = ("stop", "continue")
FORGOTTEN = "call it where it is the function that makes one, as in users.prompted()"


def _name(value: object) -> str:
    named = getattr(value, "__qualname__", None)
    return f"the function {named}" if isinstance(named, str) else f"{value!r:.80}"


def _takes_a_view(behaviour: object) -> bool:
    """Whether it can be called with one thing, as far as its signature tells."""
    try:
        signature(cast("Callable[..., object]", behaviour)).bind(None)
    except TypeError:
        return False
    except ValueError:  # it has no signature that can be read
        return True
    return True


@frozen
class LaneReplies:
    """What came back for one decision: raw replies in the order of the questions, or a failure."""

    replies: tuple[str, ...] = ()
    failure: Failure | None = None


@frozen
class Closing:
    """Why the turn under way is the last one, whatever the verdict."""

    reason: StopReason
    detail: str = ""


@frozen
class Speaking:
    """Waits for the user's move; with `closing`, only for whether it is satisfied or leaves."""

    turn: int
    user: LaneReplies = LaneReplies()
    closing: Closing | None = None

    @property
    def turns(self) -> int:
        """The turns that the user has spoken in."""
        return self.turn - 1


@frozen
class Replying:
    """Waits for the agent; turn 0 is its opening. `closing` when it answers the last words."""

    turn: int
    closing: Closing | None = None

    @property
    def turns(self) -> int:
        """The turns that the user has spoken in."""
        return self.turn


@frozen
class Checking:
    """Waits for the goal check's verdict on a reply, and may hold what the user said ahead."""

    turn: int
    goal_check: LaneReplies = LaneReplies()
    ahead: LaneReplies = LaneReplies()
    closing: Closing | None = None

    @property
    def turns(self) -> int:
        """The turns that the user has spoken in."""
        return self.turn


@frozen
class Stopped:
    """The end: the reason, the number of turns that the user spoke in, and why in words."""

    reason: StopReason
    turns: int
    detail: str = ""
    failure: Failure | None = None


Phase: TypeAlias = Speaking | Replying | Checking | Stopped


@frozen
class State:
    """One conversation at one moment. Nothing in it can change, and nothing in it is code."""

    case: TestCase
    session: Session
    phase: Phase
    transcript: Transcript = ()
    verdicts: tuple[Verdict, ...] = ()
    memo: Json = None

    def at(self, phase: Phase) -> State:
        """The same conversation in another phase."""
        return State(self.case, self.session, phase, self.transcript, self.verdicts, self.memo)

    @property
    def turns(self) -> int:
        """How many turns the user has spoken in, so far or at the end."""
        return self.phase.turns

    @property
    def stop_reason(self) -> StopReason | None:
        """Why it ended; None while it goes on."""
        return self.phase.reason if isinstance(self.phase, Stopped) else None

    @property
    def why(self) -> str:
        """The stop reason's detail in words, and the last verdict's where the goal was missed."""
        detail = self.phase.detail if isinstance(self.phase, Stopped) else ""
        missed = self.verdicts[-1].rationale if self.verdicts else ""
        return "; ".join(filter(None, (detail, missed if missed != detail else "")))


DECIDED_BY_CHECK = (StopReason.GOAL_ACHIEVED, StopReason.GOAL_CHECK_FAILED)


def is_checked_end(end: Phase, verdicts: int, *, checked: bool) -> bool:
    """Whether the goal check decided the end, so that what the user said ahead of it is lost.

    `checked` tells whether the check was asked of the last reply. The user's own word that the goal
    is achieved adds a verdict to those of the check, of which there is at most one a turn.

    >>> is_checked_end(Stopped(StopReason.GOAL_ACHIEVED, turns=2), 2, checked=True)
    True
    """
    decided = isinstance(end, Stopped) and end.reason in DECIDED_BY_CHECK
    return checked and decided and verdicts <= end.turns


@frozen
class Step:
    """A state and everything that it waits for; no requests when it has stopped."""

    state: State
    requests: tuple[Request, ...] = field(default=())
