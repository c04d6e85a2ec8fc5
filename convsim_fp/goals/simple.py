"""Goal checks that need no model, and goal checks made of others."""

from __future__ import annotations

from collections.abc import Generator

from attrs import frozen

from convsim_fp.core.behaviours import GoalCheck, Question, Verdict, View, consult
from convsim_fp.core.json_values import kind
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["all_of", "any_of", "never"]


def never(view: View) -> Verdict:  # noqa: ARG001  whatever the view
    """Never reached: the conversation goes on to its other ends."""
    return Verdict(achieved=False)


def all_of(*checks: GoalCheck) -> GoalCheck:
    """Reached when each of the checks says so, asked in order up to the first no.

    The rules' `max_asks` bounds the questions of all of them together. Raises `InvalidSpec` for no
    check, or one that cannot be called.
    """
    return _Joined(_checked("all_of", checks), until=False)


def any_of(*checks: GoalCheck) -> GoalCheck:
    """Reached when one of the checks says so, asked in order up to the first yes.

    The rules' `max_asks` bounds the questions of all of them together. Raises `InvalidSpec` for no
    check, or one that cannot be called.
    """
    return _Joined(_checked("any_of", checks), until=True)


@frozen
class _Joined:
    checks: tuple[GoalCheck, ...]
    until: bool

    def __call__(self, view: View) -> Generator[Question, str, Verdict]:
        rationales: tuple[str, ...] = ()
        for check in self.checks:
            verdict = yield from consult(check, view)
            if verdict.achieved is self.until:
                return verdict
            rationales = (*rationales, verdict.rationale)
        return Verdict(achieved=not self.until, rationale=" · ".join(filter(None, rationales)))


def _checked(name: str, checks: tuple[GoalCheck, ...]) -> tuple[GoalCheck, ...]:
    problems = [
        Problem(f"{name}[{i}]", f"is {kind(check)}, expected a function of a view")
        for i, check in enumerate(checks)
        if not callable(check)
    ]
    if not checks:
        problems = [Problem(name, "has no goal check, expected at least one")]
    if problems:
        raise InvalidSpec(problems)
    return checks
