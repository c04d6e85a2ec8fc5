"""What a version of the wording provides: functions from a case to texts."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import frozen

from convsim_fp.core.cases import TestCase

__all__ = ["Facts", "Status", "Wording"]

Status: TypeAlias = Literal["continue", "satisfied", "gave_up", "blocked"]


@frozen
class Facts:
    """What the user can tell when asked, what it cannot, and the language it writes in."""

    knows: tuple[str, ...] = ()
    does_not_know: tuple[str, ...] = ()
    language: str = ""


@frozen
class Wording:
    """One version of all prompts.

    A question is given the reason why the reply before could not be used ("" at first); the user's
    also the turn (from 1) and the statuses it may report (none: its reply is plain speech).
    """

    version: str
    user: Callable[[TestCase, Facts], str]
    user_question: Callable[[int, tuple[Status, ...], str], str]
    judge: Callable[[TestCase], str]
    judge_question: Callable[[str], str]
