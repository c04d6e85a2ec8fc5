"""Reading what a model wrote when it was asked for one JSON object.

Lenient about everything around the object (fences, a preface, line breaks inside a string), strict
about the object: one that is cut or written twice with different content is not guessed at.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, cast

from convsim_fp.core.json_values import JsonObject, NotJson, freeze_object

__all__ = ["find_object", "looks_like_object", "without_reasoning", "yes_or_no"]

REASONING = re.compile(r"\s*<(think|thinking|reasoning)>", re.IGNORECASE)
REASONING_ENDS = re.compile(r"</(think|thinking|reasoning)>", re.IGNORECASE)
OBJECT_BEGINS = re.compile(r'\{\s*["}]')
YES, NO = frozenset({"yes", "true"}), frozenset({"no", "false"})


def without_reasoning(text: str) -> str:
    """Drop the reasoning that a model wrote before its answer; all of it, where it never ends.

    >>> without_reasoning("<think>Which shoes?</think> The red ones.")
    'The red ones.'
    """
    while REASONING.match(text) or _ends_before_it_begins(text):
        end = REASONING_ENDS.search(text)
        if end is None:
            return ""
        text = text[end.end() :]
    return text.strip()


def find_object(text: str, key: str) -> JsonObject | None:
    """Find the JSON object that has `key`; None where there is none, or none that can be trusted.

    An object that does not parse hides what follows it, so that a quotation inside of a broken
    answer is not taken for the answer. Two objects with the key must be equal.

    >>> find_object('Sure: {"result": "yes"} I hope that helps.', "result")
    {'result': 'yes'}
    """
    found: JsonObject | None = None
    begin = OBJECT_BEGINS.search(text)
    while begin is not None:
        try:
            value, end = DECODER.raw_decode(text, begin.start())
            candidate = freeze_object(cast("Mapping[str, object]", value))
        except (ValueError, RecursionError, NotJson):
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


def yes_or_no(value: object) -> bool | None:
    """Read a yes or a no that stands alone; None for anything else.

    >>> yes_or_no("Yes."), yes_or_no("no"), yes_or_no("Yes and no")
    (True, False, None)
    """
    if isinstance(value, bool):
        return value
    word = value.strip(" \t\r\n.!*`\"'").casefold() if isinstance(value, str) else ""
    if word in YES:
        return True
    return False if word in NO else None


def _ends_before_it_begins(text: str) -> bool:
    end = REASONING_ENDS.search(text)
    return end is not None and re.search(f"<{end[1]}>", text[: end.start()], re.IGNORECASE) is None


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({key for key, _ in pairs}) < len(pairs):
        raise ValueError("a key is written twice")
    return dict(pairs)


DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_unique_keys)
