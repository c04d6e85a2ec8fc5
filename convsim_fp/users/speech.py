"""Taking a model's reply as the user's speech: clean what is plainly not speech, refuse the rest.

Nothing is repaired by guessing: a reply in the wrong role or with a second speaker is asked for
again, since whatever part of it would be sent was written for another conversation.
"""

from __future__ import annotations

import re

from attrs import frozen

from convsim_fp.core.behaviours import View
from convsim_fp.core.reading import shows_reasoning, without_reasoning
from convsim_fp.texts import is_opening
from convsim_fp.users.slips import (
    END_TOKEN,
    first_label,
    has_template,
    speaks_as_agent,
    speaks_for_agent,
)

__all__ = ["Unusable", "read_speech"]

OWN_TAG = re.compile(r"<(user|message)>((?:(?!</?\1>).)*+)</\1>", re.IGNORECASE | re.DOTALL)
QUOTES = frozenset("\"\" '' `` “” „“ „” ”” «» »« ‹› ›‹ ‘’ ‚‘ ’’ 「」 『』 ＂＂".split())
WORD, NO_WORD = re.compile(r"\w+"), re.compile(r"\W+")
APOSTROPHE = re.compile(r"(?<=\w)['’](?=\w)")
LEAST_ECHO = 40  # characters; people do repeat short things
LEAST_GOAL = 40  # a shorter goal may be said as a natural first request


@frozen
class Unusable:
    """Why a reply cannot be sent as the user's message, in words that the model can act on."""

    because: str


def read_speech(reply: str, view: View) -> str | Unusable:
    """The words to send, or why there are none.

    Cleaned are a reasoning block, a leading label of the user's own role, quotes or a tag around
    the whole, and the token by which some models end a message. Reading what was cleaned again
    changes nothing.
    """
    text, labelled = _cleaned(reply)
    if not text:
        return Unusable("it has no words to send")
    if shows_reasoning(text):
        return Unusable("it shows how you think; write only the user's words")
    if has_template(text) or speaks_for_agent(text):
        return Unusable("it speaks for the agent too; write only the user's words")
    if labelled and any(map(first_label, text.splitlines())):
        return Unusable("it holds more than one message; write only the next one")
    if speaks_as_agent(text) or _repeats_the_agent(text, view):
        return Unusable("it speaks as the agent; you are the user")
    if _recites_the_goal(text, view):
        return Unusable("it recites the goal; begin with a natural first step instead")
    return text


def _cleaned(reply: str) -> tuple[str, bool]:
    """The text without its wrappings, and whether one of them was a label; cleaned to the end."""
    text, labelled = END_TOKEN.sub("", reply), False
    while True:
        before = text
        text = without_reasoning(text)
        if tagged := OWN_TAG.fullmatch(text):
            text = tagged[2].strip()
        if not labelled and (label := first_label(text)):
            text, labelled = text[len(label) :].strip(), True
        text = _unquoted(text)
        if text == before:
            return text, labelled


def _unquoted(text: str) -> str:
    if len(text) < 2 or text[0] + text[-1] not in QUOTES:
        return text
    marks = APOSTROPHE.sub("", text[1:-1])
    return text if text[0] in marks or text[-1] in marks else text[1:-1].strip()


def _repeats_the_agent(text: str, view: View) -> bool:
    if len(text) < LEAST_ECHO or not view.transcript:
        return False
    last = view.transcript[-1]
    return (
        last.speaker == "agent"
        and _begins(text) == _begins(last.text)
        and _plain(text) == _plain(last.text)
    )


def _recites_the_goal(text: str, view: View) -> bool:
    # Guidelines take precedence, and may well ask for it.
    if view.case.simulation_guidelines or not is_opening(view):
        return False
    goal = _plain(view.case.goal)
    return len(goal) >= LEAST_GOAL and goal in _plain(text)


def _begins(text: str) -> str:
    """The first word, by which most texts differ already."""
    first = WORD.search(text)
    return "" if first is None else first[0].casefold()


def _plain(text: str) -> str:
    return NO_WORD.sub(" ", text).casefold().strip()
