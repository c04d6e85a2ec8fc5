"""Places in what a user says, such as ``{context.order_id}``, and the case's values for them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from convsim_fp.core.cases import TestCase
from convsim_fp.core.extras import Reading, collected, read_text
from convsim_fp.core.json_values import Json, JsonObject, readable, thaw
from convsim_fp.errors import Problem

__all__ = ["fill", "read_filled", "read_words"]

PLACEHOLDER = re.compile(r"\{\{(\w[\w.-]*+)\}\}|\{(\w[\w.-]*+)\}")
SOURCES = ("goal", "persona", "id", "context", "extra")


def fill(line: str, case: TestCase) -> str:
    """Put values of the case in the places of ``{goal}``, ``{context.order.id}`` and their like.

    ``{{word}}`` becomes ``{word}``. Raises `InvalidSpec` with all places that the case has no value
    for.
    """
    return collected(read_filled("the text", line, case), case.id)


def read_filled(field: str, value: object, case: TestCase | None) -> Reading[str]:
    """Read a text and fill its places; without a case, only look for places that no case has."""
    text = yield from read_text(field, value)
    problems = tuple(_problems(field, text, case))
    yield from problems
    return text if problems or case is None else _filled(text, case)


def read_words(field: str, value: object, case: TestCase | None) -> Reading[str]:
    """Like `read_filled`, for a text that must have words."""
    text = yield from read_filled(field, value, case)
    if isinstance(value, str) and not text.strip():
        because = f", since all of {value!r:.80} is" if value.strip() else ""
        yield Problem(field, f"is empty{because}; write some words")
    return text


def _problems(field: str, text: str, case: TestCase | None) -> Iterator[Problem]:
    for path in (found[2] for found in PLACEHOLDER.finditer(text) if found[2]):
        if path.split(".")[0] not in SOURCES:
            known = f"known are {', '.join(SOURCES)}"
            yield Problem(field, f"has {{{path}}}; {known}; for the text, double the braces")
        elif case is not None and _value(path, case) is None:
            what = f"has {{{path}}}, for which the case has no value; give it one"
            yield Problem(field, f"{what}, or double the braces for the text")


def _filled(text: str, case: TestCase) -> str:
    return PLACEHOLDER.sub(
        lambda found: f"{{{found[1]}}}" if found[1] else _told(_value(found[2], case)), text
    )


def _value(path: str, case: TestCase) -> Json:
    first, *rest = path.split(".")
    value: Json = getattr(case, first)
    for key in rest:
        value = value.get(key) if isinstance(value, JsonObject) else None
    return value


def _told(value: Json) -> str:
    return value if isinstance(value, str) else readable(thaw(value))
