"""What was said: an append-only tuple of messages."""

from functools import cached_property
from typing import Literal, TypeAlias

from attrs import field, frozen

from convsim_fp.core.chat import ChatMessage, quoted, sendable
from convsim_fp.core.json_values import Json, freeze, readable, thaw
from convsim_fp.core.typed import of_type

__all__ = ["Message", "Speaker", "ToolCall", "Transcript"]

Speaker: TypeAlias = Literal["user", "agent"]

SILENCE = "(says nothing)"  # several providers refuse a message without text


@frozen
class ToolCall:
    """A tool that the agent says it called; kept apart from the text, never shown to the user."""

    name: str = field(validator=of_type(str))
    arguments: Json = field(default=None, converter=freeze)
    id: str = field(default="", validator=of_type(str))


@frozen
class Message:
    """One message of the conversation.

    >>> Message("user", "My parcel is late.").speaker
    'user'
    """

    speaker: Speaker
    text: str
    tool_calls: tuple[ToolCall, ...] = ()

    @cached_property
    def to_user(self) -> ChatMessage:
        """As a model is shown it that plays the user; written once, shown at every later turn."""
        if self.speaker == "user":
            return ChatMessage("assistant", sendable(self.text).strip() or SILENCE)
        return ChatMessage("user", quoted("agent", self.text))

    @cached_property
    def to_judge(self) -> str:
        """As a judge is shown it, with the tools that were called."""
        called = (
            quoted("tool_call", readable({"name": call.name, "arguments": thaw(call.arguments)}))
            for call in self.tool_calls
        )
        return "\n".join((quoted(self.speaker, self.text), *called))

    @cached_property
    def canonical(self) -> str:
        """As the digest of a request takes it, with its length before it."""
        return f"{self.speaker} {len(self.text)} {self.text}"


Transcript: TypeAlias = tuple[Message, ...]
