"""What came back from the world: frozen observations that `step` takes."""

from typing import Literal, TypeAlias

from attrs import field, frozen
from attrs.validators import deep_iterable, in_

from convsim_fp.core.requests import RequestId
from convsim_fp.core.transcript import ToolCall
from convsim_fp.core.typed import of_type

__all__ = ["AgentReplied", "Answer", "Failed", "Failure", "Generated", "Interrupted", "Observation"]


@frozen
class Failure:
    """Why there is no answer: a kind to group by, such as ``timed_out``, and words."""

    kind: str = field(validator=of_type(str))
    detail: str = field(default="", validator=of_type(str))

    def __str__(self) -> str:
        return f"{self.kind}: {self.detail}" if self.detail else self.kind


@frozen
class Generated:
    """The raw reply of a model, or of a user outside of the core."""

    id: RequestId
    text: str = field(validator=of_type(str))


@frozen
class AgentReplied:
    """The agent's reply; with `ended` it says that the conversation is over for it."""

    id: RequestId
    text: str = field(validator=of_type(str))
    ended: bool = False
    tool_calls: tuple[ToolCall, ...] = field(
        default=(), converter=tuple[ToolCall, ...], validator=deep_iterable(of_type(ToolCall))
    )


@frozen
class Failed:
    """The final failure of a request, after whatever retries the interpreter made."""

    id: RequestId
    failure: Failure = field(validator=of_type(Failure))


@frozen
class Interrupted:
    """The interpreter's word that the conversation must stop, in whatever phase it is."""

    reason: Literal["budget", "deadline", "cancelled"] = field(
        validator=in_(("budget", "deadline", "cancelled"))
    )
    detail: str = field(default="", validator=of_type(str))


Answer: TypeAlias = Generated | AgentReplied | Failed
Observation: TypeAlias = Answer | Interrupted
