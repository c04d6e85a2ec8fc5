"""A simulated user that lives outside of the core: a human, an object with state."""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from typing import cast

from attrs import field, frozen

from convsim_fp.core.behaviours import AskUser, Leave, Move, Question, Say, SimulatedUser, View
from convsim_fp.core.json_values import dumps, freeze
from convsim_fp.core.typed import of_type

__all__ = ["UserReply", "delegated"]


@frozen
class UserReply:
    """What a user port answers: the words, and why the user leaves, if it does.

    >>> UserReply("Bye.", leaves="had enough").as_text()
    '{"say":"Bye.","leaves":"had enough"}'
    """

    say: str = field(validator=of_type(str))
    leaves: str = field(default="", validator=of_type(str))

    def as_text(self) -> str:
        """The form in which it is observed and recorded, as the raw reply of its lane."""
        return dumps(freeze({"say": self.say, "leaves": self.leaves}))


def delegated() -> SimulatedUser:
    """The user port answers every turn; its replies are recorded like a model's, and replay.

    It is asked again for a reply that has no words and does not leave, within the rules'
    `max_asks`. A `Generated` whose text is not a `UserReply` is taken as the plain words.
    """
    return _delegated


def _delegated(view: View) -> Generator[Question, str, Move]:  # noqa: ARG001  asks, knows nothing
    because = ""
    while True:
        reply = _read((yield AskUser(because)))
        if reply.leaves:
            return Leave(reply.leaves, say=reply.say)
        if reply.say.strip():
            return Say(reply.say)
        because = "it has no words to send"


def _read(text: str) -> UserReply:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return UserReply(text)
    if not isinstance(value, Mapping):
        return UserReply(text)
    item = cast("Mapping[str, object]", value)
    say, leaves = item.get("say"), item.get("leaves")
    if set(item) != {"say", "leaves"} or not isinstance(say, str) or not isinstance(leaves, str):
        return UserReply(text)
    return UserReply(say, leaves)
