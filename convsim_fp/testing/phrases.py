"""What the user of a case may say, in the order in which it is said."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from convsim_fp import users
from convsim_fp.core.cases import TestCase
from convsim_fp.core.json_values import Json, JsonObject, dumps
from convsim_fp.core.transcript import Transcript

__all__ = ["literal", "phrases_of", "said_by_user", "with_sentences"]

SENTENCE_END = re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+")
PLACE = re.compile(r"\{(\w[\w.-]*+)\}")


def phrases_of(case: TestCase) -> tuple[str, ...]:
    """What the user of a case may say: its script and its agenda, then what it wants and knows.

    The lines come in their order, so that a search can go on with the line after; then the
    sentences of each, the goal, `knows` and the values of the context. Raises `InvalidSpec` for a
    script or an agenda that cannot be followed.

    >>> phrases_of(TestCase(goal="a refund", context={"n": 7}, extra={"script": ["Hi. It broke."]}))
    ('Hi. It broke.', 'Hi.', 'It broke.', 'a refund', '7')
    """
    lines = (*said_by_user(case.history), *_script(case), *_agenda(case))
    known = users.facts_of(case).knows
    return (*with_sentences(lines), *with_sentences((case.goal, *known)), *_values(case.context))


def with_sentences(texts: Iterable[str]) -> tuple[str, ...]:
    """Add the sentences of texts after them; blank texts are left out.

    >>> with_sentences(["No! I mean W8.", "Yes."])
    ('No! I mean W8.', 'Yes.', 'No!', 'I mean W8.')
    """
    whole = tuple(text for text in texts if text.strip())
    parts = (part.strip() for text in whole for part in SENTENCE_END.split(text))
    return whole + tuple(dict.fromkeys(part for part in parts if part and part not in whole))


def said_by_user(transcript: Transcript) -> tuple[str, ...]:
    """The user's messages of a transcript."""
    return tuple(message.text for message in transcript if message.speaker == "user")


def literal(text: str) -> str:
    """Write a text as the line of a script that says just this, whatever braces are in it.

    >>> literal("{goal} or {{goal}}, {"), users.fill("{{goal}}", TestCase(goal="x"))
    ('{{goal}} or {{{goal}}}, {', '{goal}')
    """
    return PLACE.sub(r"{{\1}}", text)


def _script(case: TestCase) -> tuple[str, ...]:
    return users.script_of(case) if "script" in case.extra else ()


def _agenda(case: TestCase) -> tuple[str, ...]:
    if "agenda" not in case.extra:
        return ()
    agenda = users.agenda_of(case)
    said = (*(act.say for act in agenda.acts), *(slot.say for slot in agenda.slots))
    return (*said, *agenda.stuck, agenda.goodbye)


def _values(value: Json) -> Iterator[str]:
    match value:
        case JsonObject():
            for item in value.values():
                yield from _values(item)
        case tuple():
            for item in value:
                yield from _values(item)
        case str():
            yield from with_sentences((value,))
        case None | bool():
            return
        case _:
            yield dumps(value)
