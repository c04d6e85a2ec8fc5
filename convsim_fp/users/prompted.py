"""Simulated users whose words a model writes."""

from __future__ import annotations

from collections.abc import Generator
from typing import cast

from attrs import frozen

from convsim_fp.core.behaviours import (
    Ask,
    Leave,
    Move,
    Question,
    Satisfied,
    Say,
    SimulatedUser,
    View,
)
from convsim_fp.core.cases import TestCase
from convsim_fp.core.json_values import JsonObject, freeze_object, kind
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.reading import find_object, looks_like_object, without_reasoning
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.texts import V1, Facts, Wording
from convsim_fp.texts.wording import Status
from convsim_fp.users.speech import Unusable, read_speech

__all__ = ["by_user", "facts_of", "prompted"]

LEAVING: tuple[Status, ...] = ("satisfied", "gave_up", "blocked")


def prompted(*, may_leave: bool = False, wording: Wording = V1) -> SimulatedUser:
    """A model plays the case's persona and pursues its goal.

    With `may_leave` the user may end the conversation itself, satisfied, out of patience or
    blocked; its last words are still answered. A reply that cannot be the user's speech is asked
    for again with the reason, as often as the rules' `max_asks` allows; then the user has failed.
    Reads from ``case.extra``: `knows`, `does_not_know` (text or a list of texts), `language`.
    """
    statuses: tuple[Status, ...] = ("continue", *LEAVING) if may_leave else ()
    return _Prompted(statuses, wording)


def by_user(*, may_leave: bool = False, wording: Wording = V1) -> SimulatedUser:
    """Like `prompted`, but the user itself says when its goal is achieved: one call a turn.

    Goes with ``Rules(by_user(), goal_check=None)``: its word ends the session as goal achieved,
    with its reason as the rationale; it is asked once more after the last reply. With `may_leave`
    it may give up, too.
    """
    own: tuple[Status, ...] = ("gave_up", "blocked") if may_leave else ()
    return _Prompted(("continue", "satisfied", *own), wording, satisfied_is_achieved=True)


@frozen
class _Prompted:
    statuses: tuple[Status, ...]
    wording: Wording
    satisfied_is_achieved: bool = False

    def __call__(self, view: View) -> Generator[Question, str, Move]:
        system = self.wording.user(view.case, facts_of(view.case))
        because = ""
        while True:
            question = self.wording.user_question(view.turn, self.statuses, because)
            prompt = Prompt("user", system, view.transcript, question, _schema(self.statuses))
            move = self.read((yield Ask(prompt, because)), view)
            if not isinstance(move, Unusable):
                return move
            because = move.because

    def read(self, reply: str, view: View) -> Move | Unusable:
        text = without_reasoning(reply)
        if not self.statuses or not looks_like_object(text):
            return _said(read_speech(text, view))
        answer = find_object(text, "message")
        if answer is None:
            return Unusable("it is not one whole JSON object with a message")
        words, status = answer["message"], answer.get("status", "continue")
        if status not in self.statuses or not isinstance(words, str):
            return Unusable(f"its status has to be one of {', '.join(self.statuses)}")
        if status == "continue":
            return _said(read_speech(words, view))
        reason = answer.get("reason")
        why = reason.strip() if isinstance(reason, str) and reason.strip() else words.strip()
        if status == "satisfied" and self.satisfied_is_achieved:
            return Satisfied(why)
        last = read_speech(words, view)
        return Leave(
            f"{status}: {why}" if why else str(status), last if isinstance(last, str) else ""
        )


def facts_of(case: TestCase) -> Facts:
    """What the case says that its user knows, does not know, and speaks; checks their types.

    Raises `InvalidSpec` with all problems at once.
    """
    found: dict[str, tuple[str, ...]] = {}
    problems: list[Problem] = []
    for name in ("knows", "does_not_know"):
        value = case.extra.get(name)
        items = (value,) if isinstance(value, str) else value or ()
        if isinstance(items, tuple) and all(isinstance(item, str) for item in items):
            found = {**found, name: cast("tuple[str, ...]", items)}
        else:
            what = f"is {kind(value)}, expected text or a list of texts"
            problems = [*problems, Problem(f"extra.{name}", what, id=case.id)]
    language = case.extra.get("language", "")
    if not isinstance(language, str):
        what = f"is {kind(language)}, expected text"
        problems = [*problems, Problem("extra.language", what, id=case.id)]
    if problems:
        raise InvalidSpec(problems)
    return Facts(found["knows"], found["does_not_know"], cast("str", language))


def _said(words: str | Unusable) -> Say | Unusable:
    return words if isinstance(words, Unusable) else Say(words)


def _schema(statuses: tuple[Status, ...]) -> JsonObject | None:
    if not statuses:
        return None
    return freeze_object(
        {
            "type": "object",
            "properties": {
                "message": {"type": "string"},
                "status": {"type": "string", "enum": statuses},
                "reason": {"type": "string"},
            },
            "required": ["message", "status", "reason"],
            "additionalProperties": False,
        }
    )
