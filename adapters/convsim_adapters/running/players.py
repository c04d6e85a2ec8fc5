"""Who plays the user of each case, and what checks its goal: as told, or as the case carries it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import cache
from typing import cast

from attrs import evolve, frozen

from convsim_adapters.running.targets import is_target, load_target
from convsim_fp import goals, users
from convsim_fp.core import GoalCheck, SimulatedUser, TestCase
from convsim_fp.errors import InvalidSpec, Problem

__all__ = [
    "GOAL_CHECKS",
    "OWNERS",
    "USERS",
    "Cast",
    "Players",
    "check_fields",
    "name_of",
    "players",
]

USERS = ("model", "by-user", "scripted", "agenda")
GOAL_CHECKS = ("model", "when", "never")
CARRIED = {"agenda": "agenda", "script": "scripted"}  # a field of the case: who reads it
OWNERS = {**users.FIELDS, **goals.FIELDS}


@frozen
class Cast:
    """The user and the goal check of one case, with their names; which of them asks a model.

    None where that does not show before it runs: for a function of somebody's own.
    """

    user: SimulatedUser
    user_name: str
    user_asks: bool | None
    goal_check: GoalCheck | None
    goal_check_name: str
    goal_check_asks: bool | None


@frozen
class Players:
    """Chooses the cast of a case; None leaves it to what the case carries."""

    user: str | SimulatedUser | None = None
    goal_check: str | GoalCheck | None = None

    def cast(self, case: TestCase, *, user_leaves: bool = False) -> Cast:
        """The cast of one case. Raises `InvalidSpec` where what it needs is missing or doubtful."""
        user = self.user if self.user is not None else _carried_user(case)
        check = self.goal_check
        if check is None:
            carried = "when" if "goal_when" in case.extra else "model"
            check = "by-user" if user == "by-user" else carried
        user_made, user_asks = _user(user, case, may_leave=user_leaves)
        check_made, check_asks = _goal_check(check, case)
        return Cast(user_made, name_of(user), user_asks, check_made, name_of(check), check_asks)


def players(
    user: str | SimulatedUser | None = None, goal_check: str | GoalCheck | None = None
) -> Players:
    """Resolve the names that stand for somebody's own functions; `InvalidSpec` names both.

    `user` is one of ``model``, ``by-user``, ``scripted``, ``agenda``, `goal_check` of ``model``,
    ``when``, ``never``; or each is ``package.module:attribute``, or the function itself.
    """
    found: dict[str, object] = {}
    problems: list[Problem] = []
    for field, given, names in (("user", user, USERS), ("goal_check", goal_check, GOAL_CHECKS)):
        try:
            found[field] = _resolved(field, given, names)
        except InvalidSpec as error:
            problems += error.problems
    if problems:
        raise InvalidSpec(problems)
    chosen = cast("SimulatedUser | None", found["user"])
    check = cast("GoalCheck | None", found["goal_check"])
    return Players(chosen, check)


def check_fields(case: TestCase) -> Iterator[Problem]:
    """What the users and goal checks that own the fields of a case's `extra` find wrong in them."""
    asked: list[Callable[[TestCase], object]] = []
    for name in case.extra:
        owner = OWNERS.get(name)
        if owner is None or owner in asked:
            continue
        asked.append(owner)
        try:
            owner(case)
        except InvalidSpec as error:
            yield from (evolve(problem, id=case.id) for problem in error.problems)


def _resolved(field: str, given: object, names: tuple[str, ...]) -> object:
    if given is None or (isinstance(given, str) and given in names):
        return given
    if not isinstance(given, str):
        found, shown = given, repr(given)
    elif is_target(given):
        found, shown = load_target(given, field), given
    else:
        close = get_close_matches(given, names, n=1)
        meant = f"did you mean {close[0]!r}? Known" if close else "known"
        what = f"is {given!r:.80}; {meant} are {', '.join(names)}, and package.module:attribute"
        raise InvalidSpec([Problem(field, what)])
    if not callable(found) or isinstance(found, type):
        raise InvalidSpec([Problem(field, f"is {shown:.80}, expected a function of a view")])
    return found


def _carried_user(case: TestCase) -> str:
    carried = [user for field, user in CARRIED.items() if field in case.extra]
    if len(carried) > 1:
        what = "has an agenda and a script; take one away, or choose with --user (user=)"
        raise InvalidSpec([Problem("the case", what, id=case.id)])
    return carried[0] if carried else "model"


def _user(
    chosen: str | SimulatedUser, case: TestCase, *, may_leave: bool
) -> tuple[SimulatedUser, bool | None]:
    match chosen:
        case "model":
            return _prompted(may_leave), True
        case "by-user":
            return _by_user(may_leave), True
        case "scripted":
            users.script_of(case)
            return users.scripted(), False
        case "agenda":
            users.agenda_of(case)
            return users.agenda(), False
        case _:
            return cast("SimulatedUser", chosen), None


def _goal_check(chosen: str | GoalCheck, case: TestCase) -> tuple[GoalCheck | None, bool | None]:
    match chosen:
        case "by-user":
            return None, False
        case "model":
            return _judge(), True
        case "when":
            goals.patterns_of(case)
            return goals.when(), False
        case "never":
            return goals.never, False
        case _:
            return cast("GoalCheck", chosen), None


# One for all cases, so that they can have the same rules.
_judge = cache(goals.prompted)


@cache
def _prompted(may_leave: bool) -> SimulatedUser:  # noqa: FBT001  a key of the cache
    return users.prompted(may_leave=may_leave)


@cache
def _by_user(may_leave: bool) -> SimulatedUser:  # noqa: FBT001  as above
    return users.by_user(may_leave=may_leave)


def name_of(chosen: object) -> str:
    """The name of a user or a goal check: as it was given, or where the function stands.

    >>> name_of("scripted"), name_of(users.scripted)
    ('scripted', 'convsim_fp.users.scripted:scripted')
    """
    if isinstance(chosen, str):
        return chosen
    named = getattr(chosen, "__qualname__", None) or type(chosen).__name__
    return f"{getattr(chosen, '__module__', '')}:{named}".lstrip(":")
