"""What a run is going to do, refused with all its problems before the first call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeAlias

from attrs import evolve, frozen

from convsim_fp.core.cases import TestCase
from convsim_fp.core.machine import start
from convsim_fp.core.machine import step as next_step
from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Session, new_session
from convsim_fp.core.state import Rules, Speaking, State, Step
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["Only", "Planned", "RulesOf", "plan"]

RulesOf: TypeAlias = Callable[[TestCase], Rules]
Only: TypeAlias = Callable[[Session], bool]


@frozen
class Planned:
    """One session to come: how it goes, about what, and its name."""

    rules: Rules
    case: TestCase
    session: Session

    def begun(self) -> Step:
        """Its first state and what that waits for."""
        return start(self.rules, self.case, self.session)

    def cut(self, why: Interrupted) -> State:
        """How it ends where it never began; no behaviour is asked."""
        unbegun = State(self.case, self.session, Speaking(turn=1), self.case.history)
        return next_step(self.rules, unbegun, why).state


def plan(
    cases: Iterable[TestCase],
    rules: Rules | RulesOf,
    *,
    trials: int,
    seed: int,
    only: Only | None = None,
) -> tuple[Planned, ...]:
    """The sessions of a run, in order: each case `trials` times, with a seed of its own each.

    Those that `only` does not want are left out. Raises `InvalidSpec` with all problems of the
    cases, of their names and of their rules.
    """
    if isinstance(cases, TestCase):
        raise InvalidSpec([Problem("cases", "is one TestCase, expected a list of them")])
    listed = tuple(cases)
    problems = (*_case_problems(listed), *_name_problems(listed))
    if problems:
        raise InvalidSpec(problems)
    each = [_rules(rules, index, case) for index, case in enumerate(listed)]
    if broken := [problem for one in each if not isinstance(one, Rules) for problem in one]:
        raise InvalidSpec(broken)
    planned = (
        Planned(one, case, new_session(_name(index, case), trial, seed))
        for index, (case, one) in enumerate(zip(listed, each, strict=True))
        if isinstance(one, Rules)
        for trial in range(1, trials + 1)
    )
    return tuple(one for one in planned if only is None or only(one.session))


def _rules(rules: Rules | RulesOf, index: int, case: TestCase) -> Rules | tuple[Problem, ...]:
    if isinstance(rules, Rules):
        return rules
    try:
        made: object = rules(case)
    except InvalidSpec as error:
        return tuple(evolve(problem, index=index, id=case.id) for problem in error.problems)
    if isinstance(made, Rules):
        return made
    return (Problem("rules", f"made for it are {made!r:.80}, expected Rules", index, case.id),)


def _case_problems(cases: tuple[object, ...]) -> Iterator[Problem]:
    what = "expected a TestCase; read_cases makes them of plain records"
    for index, case in enumerate(cases):
        if not isinstance(case, TestCase):
            found = "nothing" if case is None else f"a {type(case).__name__}"
            yield Problem("the case", f"is {found}, {what}", index)


def _name_problems(cases: tuple[object, ...]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for index, case in enumerate(cases):
        if isinstance(case, TestCase):
            earlier = first.setdefault(_name(index, case), index)
            if earlier != index:
                what = f"is the name of cases[{earlier}] too; give each its own"
                yield Problem("id", what, index, case.id)


def _name(index: int, case: TestCase) -> str:
    return case.id or f"case-{index}"
