"""What a conversation waits for: frozen requests that an interpreter performs."""

from __future__ import annotations

from enum import StrEnum
from functools import cached_property
from typing import TypeAlias

from attrs import field, frozen

from convsim_fp.core.cases import TestCase
from convsim_fp.core.chat import ChatMessage
from convsim_fp.core.prompts import Prompt, render
from convsim_fp.core.transcript import Transcript
from convsim_fp.core.typed import of_type

__all__ = [
    "CallAgent",
    "CallUser",
    "Generate",
    "Lane",
    "Request",
    "RequestId",
    "Session",
    "new_session",
]


class Lane(StrEnum):
    """Whose answer a request is for."""

    USER = "user"
    AGENT = "agent"
    GOAL_CHECK = "goal_check"


@frozen
class RequestId:
    """The place of a request in its conversation: the nth question (from 0) of a turn and lane.

    It is positional: a retry has the same id, another question never has.

    >>> str(RequestId(3, Lane.USER, 1))
    '3/user/1'
    """

    turn: int
    lane: Lane
    nth: int = 0

    def __str__(self) -> str:
        return f"{self.turn}/{self.lane!s}/{self.nth}"  # an enum formats itself slowly

    @property
    def words(self) -> str:
        """The place in words, for a message.

        >>> RequestId(2, Lane.GOAL_CHECK, 1).words
        'turn 2, goal check, question 2'
        """
        lane = str(self.lane).replace("_", " ")
        again = f", question {self.nth + 1}" if self.nth else ""
        return f"turn {self.turn}, {lane}{again}"


@frozen
class Session:
    """One run of one case: its name, its trial (from 1) and the seed of its chance."""

    id: str = field(default="", validator=of_type(str))
    trial: int = field(default=1, validator=of_type(int))
    seed: int = field(default=0, validator=of_type(int))


def new_session(name: str, trial: int = 1, run_seed: int = 0) -> Session:
    """Name a session and derive its seed, so that trials differ and a run repeats.

    >>> new_session("refund", trial=2).id
    'refund/2'
    """
    from hashlib import sha256  # noqa: PLC0415  loads OpenSSL, which only a seed needs

    digest = sha256(f"{run_seed}/{trial}/{name}".encode("utf-8", "surrogatepass")).digest()
    return Session(f"{name}/{trial}", trial, int.from_bytes(digest[:6], "big"))


@frozen
class Generate:
    """Ask a model for the reply to a prompt."""

    id: RequestId
    session: Session
    case: TestCase
    prompt: Prompt

    @cached_property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The rendered prompt; port and journal look at it, and it is rendered once."""
        return render(self.prompt)


@frozen
class CallUser:
    """Ask a user outside of the core (a human, an object with state) for the next message."""

    id: RequestId
    session: Session
    case: TestCase
    transcript: Transcript


@frozen
class CallAgent:
    """Call the agent under test with what was said so far."""

    id: RequestId
    session: Session
    case: TestCase
    transcript: Transcript


Request: TypeAlias = Generate | CallUser | CallAgent
