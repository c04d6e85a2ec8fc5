"""Simulated users whose words a model writes."""

from __future__ import annotations

from collections.abc import Generator

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
from convsim_fp.core.extras import Reading, collected, read_text, read_texts
from convsim_fp.core.json_values import Json, JsonObject, freeze_object
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.reading import (
    beside_objects,
    find_object,
    looks_like_object,
    without_reasoning,
)
from convsim_fp.texts import V1, Facts, Status, Wording, is_opening
from convsim_fp.users.speech import Unusable, read_speech

__all__ = ["by_user", "facts_of", "prompted"]

LEAVING: tuple[Status, ...] = ("satisfied", "gave_up", "blocked")
TEXTS = "text or a list of texts"
ABOUT_FACTS = ("knows", "does_not_know", "language")
NO_FACTS = Facts()


def prompted(*, may_leave: bool = False, wording: Wording = V1) -> SimulatedUser:
    """A model plays the case's persona and pursues its goal.

    With `may_leave` the user may end the conversation itself, satisfied, out of patience or
    blocked, once it has begun it; its last words are still answered. A reply that cannot be the
    user's speech is asked for again with the reason, as often as the rules' `max_asks` allows; then
    the user has failed. Reads from ``case.extra``: `knows`, `does_not_know` (text or a list of
    texts), `language`.
    """
    statuses: tuple[Status, ...] = ("continue", *LEAVING) if may_leave else ()
    return _Prompted(statuses, wording, _schema(statuses))


def by_user(*, may_leave: bool = False, wording: Wording = V1) -> SimulatedUser:
    """Like `prompted`, but the user itself says when its goal is achieved: one call a turn.

    Goes with ``Rules(by_user(), goal_check=None)``: its word ends the session as goal achieved,
    with its reason as the rationale; it is asked once more after the last reply. With `may_leave`
    it may give up, too.
    """
    own: tuple[Status, ...] = ("gave_up", "blocked") if may_leave else ()
    statuses: tuple[Status, ...] = ("continue", "satisfied", *own)
    return _Prompted(statuses, wording, _schema(statuses), satisfied_is_achieved=True)


@frozen
class _Prompted:
    statuses: tuple[Status, ...]
    wording: Wording
    schema: JsonObject | None
    satisfied_is_achieved: bool = False

    def __call__(self, view: View) -> Generator[Question, str, Move]:
        if view.closing and not self.statuses:
            return Say("")  # nothing that it could say would count
        system = self.wording.user(view.case, facts_of(view.case))
        # Nobody is satisfied or out of patience before the first word. The schema stays as it is
        # at every turn: providers keep it in their prompt caches, ahead of the messages.
        offered = self.statuses[:1] if is_opening(view) else self.statuses
        because = ""
        while True:
            question = self.wording.user_question(view, offered, because)
            prompt = Prompt("user", system, view.transcript, question, self.schema)
            move = self.read((yield Ask(prompt, because)), view, offered)
            if not isinstance(move, Unusable):
                return move
            because = move.because

    def read(self, reply: str, view: View, offered: tuple[Status, ...]) -> Move | Unusable:
        text = without_reasoning(reply)
        if not self.statuses or not looks_like_object(text):
            return _said(read_speech(text, view))
        answer = find_object(text, "message")
        if answer is None:
            return Unusable('it is not one whole JSON object with a "message"')
        words = "" if answer["message"] is None else answer["message"]
        if not isinstance(words, str):
            return Unusable('its "message" is not text')
        # An object in the middle of prose may be something that the user quotes.
        if beside_objects(text):
            return Unusable("it is not one JSON object and nothing else")
        status = _word(answer.get("status", "continue")).casefold()
        if status not in offered:
            return Unusable(f'its "status" is not one of: {", ".join(offered)}')
        if status == "continue":
            return Say("") if view.closing else _said(read_speech(words, view))
        why = _word(answer.get("reason")) or words.strip() or status
        if status == "satisfied" and self.satisfied_is_achieved:
            return Satisfied(why)
        last = read_speech(words, view) if words.strip() else ""
        return last if isinstance(last, Unusable) else Leave(f"{status}: {why}", last)


def facts_of(case: TestCase) -> Facts:
    """What the case says that its user knows, does not know, and speaks; checks their types.

    Raises `InvalidSpec` with all problems at once.
    """
    if not case.extra or all(case.extra.get(key) is None for key in ABOUT_FACTS):
        return NO_FACTS
    return collected(_facts(case.extra), case.id)


def _facts(extra: JsonObject) -> Reading[Facts]:
    knows, does_not_know = (_listed(extra.get(key)) for key in ("knows", "does_not_know"))
    known = yield from read_texts("extra.knows", knows, expected=TEXTS)
    unknown = yield from read_texts("extra.does_not_know", does_not_know, expected=TEXTS)
    found = extra.get("language")
    language = "" if found is None else (yield from read_text("extra.language", found))
    return Facts(known, unknown, language)


def _listed(value: Json) -> Json:
    match value:
        case None:
            return ()
        case str():
            return (value,)
        case _:
            return value


def _word(value: Json) -> str:
    return value.strip() if isinstance(value, str) else ""


def _said(words: str | Unusable) -> Say | Unusable:
    return words if isinstance(words, Unusable) else Say(words)


def _schema(statuses: tuple[Status, ...]) -> JsonObject | None:
    if not statuses:
        return None
    return freeze_object(
        {
            "type": "object",
            "properties": {
                "reason": {"type": "string"},
                "status": {"type": "string", "enum": statuses},
                "message": {"type": "string"},
            },
            "required": ["reason", "status", "message"],
            "additionalProperties": False,
        }
    )
