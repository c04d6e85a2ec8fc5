"""What a version of the wording provides: functions from a case or a view to texts."""

from collections.abc import Callable
from typing import Literal, TypeAlias

from attrs import frozen

from convsim_fp.core.behaviours import View
from convsim_fp.core.cases import TestCase

__all__ = ["Facts", "Status", "Wording", "is_opening"]

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

    `user` and `judge` give the stable text of a prompt, the others the question of the moment. A
    question is given the reason why the reply before could not be used ("" at first); the user's
    also the statuses that it may report (none: its reply is plain speech). `objected` puts an
    objection before a question of any wording.
    """

    version: str
    user: Callable[[TestCase, Facts], str]
    user_question: Callable[[View, tuple[Status, ...], str], str]
    judge: Callable[[TestCase], str]
    judge_question: Callable[[str], str]
    objected: Callable[[str, str], str]


def is_opening(view: View) -> bool:
    """Whether the user has said nothing yet, in the history neither."""
    for message in view.transcript:  # noqa: SIM110  a generator takes thrice as long, many a turn
        if message.speaker == "user":
            return False
    return True
