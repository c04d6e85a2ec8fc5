"""Reading what a model wrote when it was asked for one JSON object.

Lenient about everything around the object (fences, a preface, line breaks inside a string), strict
about the object: one that is cut or written twice with different content is not guessed at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from convsim_fp.core.json_values import JsonObject, freeze_object

__all__ = [
    "beside_objects",
    "find_object",
    "looks_like_object",
    "shows_reasoning",
    "without_reasoning",
    "yes_or_no",
]

# Possessive quantifiers throughout: a megabyte of one character must not cost its square.
THOUGHTS = "think|thinking|thoughts?|reasoning|analysis|scratchpad"
OPENS = re.compile(rf"<(?:{THOUGHTS})>|\[think\]", re.IGNORECASE)
BEGINS_WITH_OPENS = re.compile(rf"\s*+(?:{OPENS.pattern})", re.IGNORECASE)
CLOSES = re.compile(rf"</(?:{THOUGHTS})>|\[/think\]", re.IGNORECASE)
LINE_ENDS = re.compile(r"[ \t\r]*+(?:\n|\Z)")
FENCE = re.compile(r"```\w*+")
OBJECT_BEGINS = re.compile(r'\{\s*+"')
BEGINS_WITH_OBJECT = re.compile(r'\s*+(?:```\w*+\s*+)?\{\s*+"')
AROUND_A_WORD = " \t\r\n.!。！*_`\"'“”"
YES, NO = frozenset({"yes", "true"}), frozenset({"no", "false"})


def without_reasoning(text: str) -> str:
    """Drop the reasoning that a model wrote before its answer; all of it, where it never ends.

    A closing tag without its opening one (which some endpoints swallow) counts where it begins or
    ends a line, and not inside of a JSON object. Dropping again changes nothing.

    >>> without_reasoning("<think>Which shoes?</think> The red ones.")
    'The red ones.'
    """
    if not _may_have_tags(text):
        return text.strip()
    at = 0
    while (end := _end_of_reasoning(text, at)) is not None:
        at = end
    return text[at:].strip()


def shows_reasoning(text: str) -> bool:
    """Whether a text has a tag of reasoning anywhere."""
    if not _may_have_tags(text):
        return False
    return OPENS.search(text) is not None or CLOSES.search(text) is not None


def find_object(text: str, key: str) -> JsonObject | None:
    """Find the JSON object that has `key`; None where there is none, or none that can be trusted.

    The key has to be at the top of the object. An object that does not parse hides what follows
    it, so that a quotation inside of a broken answer is not taken for the answer. Two objects with
    the key must be equal.

    >>> find_object('Sure: {"result": "yes"} I hope that helps.', "result")
    {'result': 'yes'}
    """
    found: JsonObject | None = None
    begin = OBJECT_BEGINS.search(text)
    while begin is not None:
        try:
            value, end = DECODER.raw_decode(text, begin.start())
            candidate = freeze_object(cast("Mapping[str, object]", value))
        except (ValueError, RecursionError):
            return None
        if key in candidate:
            if found is not None and found != candidate:
                return None
            found = candidate
        begin = OBJECT_BEGINS.search(text, end)
    return found


def looks_like_object(text: str) -> bool:
    """Whether a text holds the beginning of a JSON object."""
    return OBJECT_BEGINS.search(text) is not None


def beside_objects(text: str) -> str:
    """What a text says around its JSON objects and their fences; "" where it is only objects.

    >>> beside_objects('```json\\n{"result": "yes"}\\n```'), beside_objects('He wrote {"a": 1}')
    ('', 'He wrote')
    """
    said, at = "", 0
    while (begin := OBJECT_BEGINS.search(text, at)) is not None:
        said += text[at : begin.start()]
        try:
            _, at = DECODER.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            at = begin.start()
            break
    return FENCE.sub("", said + text[at:]).strip()


def yes_or_no(value: object) -> bool | None:
    """Read a yes or a no that stands alone; None for anything else.

    >>> yes_or_no("Yes."), yes_or_no("no"), yes_or_no("Yes and no")
    (True, False, None)
    """
    if isinstance(value, bool):
        return value
    word = value.strip(AROUND_A_WORD).casefold() if isinstance(value, str) else ""
    if word in YES:
        return True
    return False if word in NO else None


def _may_have_tags(text: str) -> bool:
    """Whether it is worth looking for tags, which most texts have none of."""
    return "<" in text or "[" in text


def _end_of_reasoning(text: str, at: int) -> int | None:
    """Where reasoning that begins at a place is over; None where none begins there."""
    closed = CLOSES.search(text, at)
    if BEGINS_WITH_OPENS.match(text, at):
        return len(text) if closed is None else closed.end()
    if closed is None or OPENS.search(text, at, closed.start()):
        return None
    line = max(at, text.rfind("\n", at, closed.start()) + 1)
    alone = not text[line : closed.start()].strip() or LINE_ENDS.match(text, closed.end())
    return closed.end() if alone and not BEGINS_WITH_OBJECT.match(text, at) else None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    read = dict(pairs)
    if len(read) < len(pairs):
        raise ValueError("a key is written twice")
    return read


DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_unique_keys)
