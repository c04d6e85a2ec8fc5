"""Goal checks that look for a regular expression, given in code or by the case."""

from __future__ import annotations

import re
from functools import partial
from typing import Literal, cast

from attrs import frozen

from convsim_fp.core.behaviours import GoalCheck, Verdict, View
from convsim_fp.core.cases import TestCase
from convsim_fp.core.extras import (
    Reading,
    collected,
    read_list,
    read_object,
    read_pattern,
    read_regex,
)
from convsim_fp.core.json_values import Json
from convsim_fp.core.transcript import Speaker
from convsim_fp.errors import Problem

__all__ = ["When", "patterns_of", "when"]

PLACE = "extra.goal_when"
FORM = "a regular expression, an object with a pattern, or a list of these"
KEYS = ("pattern", "speaker")


@frozen
class When:
    """Reached once a message of that speaker, after the case's history, matches the pattern."""

    pattern: re.Pattern[str]
    speaker: Speaker = "agent"

    def __call__(self, view: View) -> Verdict:
        """The verdict, with what matched or what did not as its rationale."""
        for message in view.transcript[len(view.case.history) :]:
            found = self.pattern.search(message.text) if message.speaker == self.speaker else None
            if found is not None:
                return Verdict(
                    achieved=True, rationale=f"the {self.speaker} wrote {found[0]!r:.200}"
                )
        what = f"no message of the {self.speaker} matches {self.pattern.pattern!r:.200}"
        return Verdict(achieved=False, rationale=what)


def when(pattern: str | None = None, *, speaker: Speaker = "agent") -> GoalCheck:
    """Reached when a message of that speaker, after the case's history, matches the pattern.

    The pattern is a regular expression, searched for without regard to case. Without one, those of
    the case are: all that `patterns_of` finds must have matched, whichever the messages; `speaker`
    is then for those that name none. Raises `InvalidSpec` for a pattern that is none.

    >>> from convsim_fp.core.cases import TestCase
    >>> from convsim_fp.core.transcript import Message
    >>> said = (Message("user", "Refund, please."), Message("agent", "Refunded: 12 EUR."))
    >>> when(r"refunded: \\d+")(View(TestCase(goal="a refund"), 1, said)).achieved
    True
    """
    speaker = collected(_speaker("speaker", speaker))
    if pattern is None:
        return _FromCase(speaker)
    return When(collected(read_regex("pattern", pattern)), speaker)


@frozen
class _FromCase:
    speaker: Speaker

    def __call__(self, view: View) -> Verdict:
        verdicts = tuple(check(view) for check in patterns_of(view.case, speaker=self.speaker))
        missing = tuple(verdict for verdict in verdicts if not verdict.achieved)
        told = " · ".join(verdict.rationale for verdict in missing or verdicts)
        return Verdict(achieved=not missing, rationale=told)


def patterns_of(case: TestCase, *, speaker: Speaker = "agent") -> tuple[When, ...]:
    """What the case's `goal_when` waits for: a pattern, ``{pattern, speaker}``, or a list of these.

    `speaker` is for those that name none. Raises `InvalidSpec` with all problems at once.

    >>> case = TestCase(goal="x", extra={"goal_when": ["refunded", {"pattern": "bye"}]})
    >>> [check.pattern.pattern for check in patterns_of(case)]
    ['refunded', 'bye']
    """
    return collected(_patterns(case.extra.get("goal_when"), speaker), case.id)


def _patterns(value: Json, speaker: Speaker) -> Reading[tuple[When, ...]]:
    if value is None:
        yield Problem(PLACE, f"is missing, expected {FORM}")
        return ()
    read = partial(_when, speaker=speaker)
    if not isinstance(value, tuple):
        return ((yield from read(PLACE, value)),)
    if not value:
        yield Problem(PLACE, f"is empty, expected {FORM}")
    return (yield from read_list(PLACE, value, read=read, expected=FORM))


def _when(field: str, value: object, *, speaker: Speaker) -> Reading[When]:
    if isinstance(value, str):
        return When((yield from read_pattern(field, value)), speaker)
    item = yield from read_object(field, value, known=KEYS, expected=FORM)
    if item is None:
        return When(re.compile(""), speaker)
    pattern = yield from read_pattern(f"{field}.pattern", item.get("pattern"))
    named = item.get("speaker")
    own = speaker if named is None else (yield from _speaker(f"{field}.speaker", named))
    return When(pattern, own)


def _speaker(field: str, value: object) -> Reading[Speaker]:
    if value not in ("user", "agent"):
        yield Problem(field, f"is {value!r:.80}, expected 'user' or 'agent'")
    return cast("Literal['user', 'agent']", value)
