"""What was said: an append-only tuple of messages."""

from typing import Literal, TypeAlias

from attrs import field, frozen
from attrs.validators import instance_of

from convsim_fp.core.json_values import Json, freeze

__all__ = ["Message", "Speaker", "ToolCall", "Transcript"]

Speaker: TypeAlias = Literal["user", "agent"]


@frozen
class ToolCall:
    """A tool that the agent says it called; kept apart from the text, never shown to the user."""

    name: str = field(validator=instance_of(str))
    arguments: Json = field(default=None, converter=freeze)
    id: str = field(default="", validator=instance_of(str))


@frozen
class Message:
    """One message of the conversation.

    >>> Message("user", "My parcel is late.").speaker
    'user'
    """

    speaker: Speaker
    text: str
    tool_calls: tuple[ToolCall, ...] = ()


Transcript: TypeAlias = tuple[Message, ...]
