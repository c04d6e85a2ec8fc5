"""A goal check by a judge model."""

from __future__ import annotations

import re
from collections.abc import Generator

from attrs import frozen

from convsim_fp.core.behaviours import Ask, GoalCheck, Question, Verdict, View
from convsim_fp.core.json_values import JsonObject, freeze_object, readable, thaw
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.reading import (
    beside_objects,
    find_object,
    looks_like_object,
    shows_reasoning,
    without_reasoning,
    yes_or_no,
)
from convsim_fp.core.transcript import Transcript
from convsim_fp.texts import V1, Wording

__all__ = ["prompted", "read_verdict"]

SCHEMA = freeze_object(
    {
        "type": "object",
        "properties": {
            "rationale": {"type": "string"},
            "result": {"type": "string", "enum": ["yes", "no"]},
        },
        "required": ["rationale", "result"],
        "additionalProperties": False,
    }
)
DOUBT = re.compile(
    r"n['’]t\b|\b(?:no|not|never|none|false|wait|but|however|(?:al)?though|unless|if|would|should"
    r"|instead|reflection|example|format|quot\w*|wrote|writes?|printed?|said|says?|answer(?:ed|s)?"
    r"|claim(?:ed|s)?|demand(?:ed|s)?|ask(?:ed|s)?|agent|user)\b",
    re.IGNORECASE,
)
SPACE = re.compile(r"\s+")


def prompted(*, wording: Wording = V1) -> GoalCheck:
    """A model reads the record and says whether the goal is reached.

    An answer that is not clearly a yes or a no is asked for again with the reason, as often as the
    rules' `max_asks` allows; then the goal check has failed.
    """
    return _Prompted(wording)


@frozen
class _Prompted:
    wording: Wording

    def __call__(self, view: View) -> Generator[Question, str, Verdict]:
        system = self.wording.judge(view.case)
        because = ""
        while True:
            question = self.wording.judge_question(because)
            prompt = Prompt("judge", system, view.transcript, question, SCHEMA)
            verdict = read_verdict((yield Ask(prompt, because)), view.transcript)
            if verdict is not None:
                return verdict
            because = 'it is not one JSON object with a "result" of "yes" or "no"'


def read_verdict(reply: str, transcript: Transcript = ()) -> Verdict | None:
    """Read a judge's answer; None where it is not clearly one or the other.

    An object may stand in prose. Not if the transcript has it too, for then it may be a quotation;
    and a yes only with its rationale, and if nothing around it casts a doubt on it.

    >>> read_verdict('```json\\n{"rationale": "It is refunded.", "result": "yes"}\\n```').achieved
    True
    """
    text = without_reasoning(reply)
    if not looks_like_object(text):
        achieved = yes_or_no(text)
        return None if achieved is None else Verdict(achieved)
    answer = find_object(text, "result")
    achieved = yes_or_no(answer["result"]) if answer is not None else None
    if answer is None or achieved is None:
        return None
    rationale = answer.get("rationale")
    if beside := beside_objects(text):
        doubtful = rationale is None or DOUBT.search(beside) is not None
        if shows_reasoning(text) or _is_quoted(answer, transcript) or (achieved and doubtful):
            return None
    return Verdict(achieved, rationale.strip() if isinstance(rationale, str) else "")


def _is_quoted(answer: JsonObject, transcript: Transcript) -> bool:
    words = SPACE.sub("", readable(thaw(answer)))
    return any(words in SPACE.sub("", message.text) for message in transcript)
