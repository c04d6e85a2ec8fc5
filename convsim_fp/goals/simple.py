"""Goal checks that need no model, and goal checks made of others."""

from __future__ import annotations

import re
from collections.abc import Generator

from attrs import frozen

from convsim_fp.core.behaviours import GoalCheck, Question, Verdict, View, consult
from convsim_fp.core.json_values import kind
from convsim_fp.core.transcript import Speaker
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["all_of", "any_of", "never", "when"]

UNREADABLE = (re.error, OverflowError, RecursionError)


def never(view: View) -> Verdict:  # noqa: ARG001  whatever the view
    """Never reached: the conversation goes on to its other ends."""
    return Verdict(achieved=False)


def when(pattern: str, *, speaker: Speaker = "agent") -> GoalCheck:
    """Reached when a message of that speaker, after the case's history, matches the pattern.

    The pattern is a regular expression, searched for without regard to case. Raises `InvalidSpec`
    for one that is none.

    >>> from convsim_fp.core.cases import TestCase
    >>> from convsim_fp.core.transcript import Message
    >>> said = (Message("user", "Refund, please."), Message("agent", "Refunded: 12 EUR."))
    >>> when(r"refunded: \\d+")(View(TestCase(goal="a refund"), 1, said)).achieved
    True
    """
    if speaker not in ("user", "agent"):
        raise InvalidSpec([Problem("speaker", f"is {speaker!r:.80}, expected 'user' or 'agent'")])
    if not isinstance(pattern, str):
        raise InvalidSpec([Problem("pattern", f"is {kind(pattern)}, expected text")])
    try:
        compiled = re.compile(pattern, re.IGNORECASE)
    except UNREADABLE as error:
        what = f"is {pattern!r:.80}, which is no regular expression: {error}"
        raise InvalidSpec([Problem("pattern", what)]) from None
    return _When(compiled, speaker)


@frozen
class _When:
    pattern: re.Pattern[str]
    speaker: Speaker

    def __call__(self, view: View) -> Verdict:
        for message in view.transcript[len(view.case.history) :]:
            found = self.pattern.search(message.text) if message.speaker == self.speaker else None
            if found is not None:
                return Verdict(
                    achieved=True, rationale=f"the {self.speaker} wrote {found[0]!r:.200}"
                )
        what = f"no message of the {self.speaker} matches {self.pattern.pattern!r:.200}"
        return Verdict(achieved=False, rationale=what)


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
