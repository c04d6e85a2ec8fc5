"""Taking a model's reply as the user's speech: clean what is plainly not speech, refuse the rest.

Nothing is repaired by guessing: a reply in the wrong role or with a second speaker is asked for
again, since whatever part of it would be sent was written for another conversation.
"""

from __future__ import annotations

import re

from attrs import frozen

from convsim_fp.core.behaviours import View
from convsim_fp.core.reading import without_reasoning

__all__ = ["Unusable", "read_speech"]

LABEL = r"[ \t]*(?:\*\*|__|<|\[)?\s*(?:{names})\s*(?:\*\*|__|>|\])?[ \t]*:(?:\*\*|__)?[ \t]*"
USER_LABEL = re.compile(
    LABEL.format(names="the user|simulated user|user|customer|client|human"), re.IGNORECASE
)
AGENT_LABEL = re.compile(
    "^" + LABEL.format(names="the agent|support agent|agent|assistant|ai assistant|ai|system"),
    re.IGNORECASE | re.MULTILINE,
)
OWN_TAG = re.compile(r"<(user|message)>(.*)</\1>", re.IGNORECASE | re.DOTALL)
TEMPLATE = re.compile(r"<\|[a-z_]+\|>|\[/?INST\]|</?(?:agent|user)>", re.IGNORECASE)
AGENT_PHRASE = re.compile(
    r"\bas an? (?:ai|artificial intelligence)\b"
    r"|\bi(?:'m|’m| am) an? (?:ai|artificial intelligence|language model)\b"
    r"|\bhow (?:can|may) i (?:help|assist) you\b"
    r"|\banything else i can (?:help|assist) you with\b",
    re.IGNORECASE,
)
QUOTES = tuple(tuple(pair) for pair in ('""', "“”", "«»", "„“", "»«", "「」", "''", "``"))
LEAST_ECHO = 40  # characters; people do repeat short things
LEAST_GOAL = 20


@frozen
class Unusable:
    """Why a reply cannot be sent as the user's message, in words that the model can act on."""

    because: str


def read_speech(reply: str, view: View) -> str | Unusable:
    """The words to send, or why there are none.

    Cleaned are a reasoning block, a leading label of the user's own role, and quotes or a tag
    around the whole.
    """
    text = without_reasoning(reply)
    if tagged := OWN_TAG.fullmatch(text):
        text = tagged[2].strip()
    label = USER_LABEL.match(text)
    if label:
        text = text[label.end() :].strip()
    text = _unquoted(text)
    if not text:
        return Unusable("it has no words to send")
    if AGENT_LABEL.search(text) or TEMPLATE.search(text):
        return Unusable("it speaks for the agent too; write only the user's words")
    if label and any(USER_LABEL.match(line) for line in text.splitlines()):
        return Unusable("it holds more than one message; write only the next one")
    if AGENT_PHRASE.search(text) or _repeats_the_agent(text, view):
        return Unusable("it speaks as the agent; you are the user")
    if view.turn == 1 and _recites_the_goal(text, view):
        return Unusable("it recites the goal; begin with a natural first step instead")
    return text


def _unquoted(text: str) -> str:
    for left, right in QUOTES:
        inner = text[1:-1]
        if len(text) > 1 and text[0] == left and text[-1] == right:
            return text if left in inner or right in inner else inner.strip()
    return text


def _repeats_the_agent(text: str, view: View) -> bool:
    if len(text) < LEAST_ECHO or not view.transcript:
        return False
    last = view.transcript[-1]
    return last.speaker == "agent" and _plain(text) == _plain(last.text)


def _recites_the_goal(text: str, view: View) -> bool:
    goal = _plain(view.case.goal)
    return len(goal) >= LEAST_GOAL and goal in _plain(text)


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", text).casefold().strip()
