"""Prompts as values, and how they become the messages of a chat model.

A prompt has its stable text first, then the transcript, which only grows, then the short question
of the moment. `render` keeps that order, so the messages at one turn without the question are a
prefix of those at the next, and a provider's prompt cache serves the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain, groupby, pairwise, repeat, starmap
from operator import attrgetter
from typing import Literal, TypeAlias

from attrs import field, frozen
from attrs.validators import in_

from convsim_fp.core.chat import ChatMessage, sendable
from convsim_fp.core.json_values import JsonObject
from convsim_fp.core.transcript import Speaker, Transcript
from convsim_fp.core.typed import of_type

__all__ = ["Prompt", "Voice", "render"]

Voice: TypeAlias = Literal["user", "judge"]

BEGINS = ChatMessage("user", "[The conversation begins.]")
NOTED = ChatMessage("assistant", "Noted.")
KEPT = 1024  # stable texts; each is shown at every turn
KEPT_TURNS, LONG = 4096, 4096  # turns as a judge is shown them; messages of fewer characters
TURN: tuple[Speaker, Speaker] = ("user", "agent")
NEXT_TURN = TURN[::-1]  # who speaks before and after a turn begins


@frozen
class Prompt:
    """What a behaviour asks a model: who speaks, the stable text, the transcript, the question.

    `speaks_as` says whose words the model writes: the simulated user's, for whom the agent's
    messages are what it hears; or a judge's, who reads both sides. `schema` is the JSON schema of
    the reply, for endpoints that can enforce one.
    """

    speaks_as: Voice = field(validator=in_(("user", "judge")))
    system: str = field(validator=of_type(str))
    transcript: Transcript
    question: str = field(validator=of_type(str))
    schema: JsonObject | None = None


def render(prompt: Prompt) -> tuple[ChatMessage, ...]:
    """Write a prompt as messages that any chat model takes.

    A system message for the stable text, then user and assistant in turn, a user's last. A
    simulated user finds its own words as the assistant's. A judge is shown turn by turn, each
    acknowledged. No message is blank, and each is encodable: control characters and lone surrogates
    are shown as U+FFFD.

    Law: without the question, the messages at a turn are a prefix of those at the next.

    >>> [m.role for m in render(Prompt("user", "You want shoes.", (), "Say hello."))]
    ['system', 'user']
    """
    system = _system(prompt.system)
    shown = _to_user if prompt.speaks_as == "user" else _to_judge
    said = shown(prompt.transcript)
    question = sendable(prompt.question)
    if not question.strip():
        return (*system, *said)
    last = said[-1]
    if last.role == "user":
        return (*system, *said[:-1], ChatMessage("user", f"{last.content}\n\n{question}"))
    return (*system, *said, ChatMessage("user", question))


@lru_cache(maxsize=KEPT)
def _system(text: str) -> tuple[ChatMessage, ...]:
    stable = sendable(text)
    return (ChatMessage("system", stable),) if stable.strip() else ()


def _to_user(transcript: Transcript) -> tuple[ChatMessage, ...]:
    said = (BEGINS, *[message.to_user for message in transcript])
    roles = [message.role for message in said]
    if roles[1:2] != roles[:1] and roles[2:] == roles[:-2]:  # in turn already, as nearly all are
        return said
    return tuple(_merged(said))


def _to_judge(transcript: Transcript) -> tuple[ChatMessage, ...]:
    """Turn by turn: a turn is what stands from a user's words after the agent's to the next."""
    said = [*map(attrgetter("to_judge"), transcript)]
    first, *later = _turns(said, [*map(attrgetter("speaker"), transcript)])
    turn = _turn if max(map(len, said), default=0) < LONG else _turn.__wrapped__
    shown = zip(repeat(NOTED), starmap(turn, later), strict=False)
    return (turn(BEGINS.content, *first), *chain.from_iterable(shown))


def _turns(said: list[str], speakers: list[Speaker]) -> Iterable[Iterable[str]]:
    if said and speakers == [*TURN] * (len(said) // 2):  # as nearly all are, and quickly seen
        return zip(said[::2], said[1::2], strict=True)
    begins = [at for at, pair in enumerate(pairwise(speakers), 1) if pair == NEXT_TURN]
    return [said[at:to] for at, to in pairwise((0, *begins, len(said)))]


@lru_cache(maxsize=KEPT_TURNS)
def _turn(*said: str) -> ChatMessage:
    """Written once, and shown at every later turn."""
    return ChatMessage("user", "\n\n".join(said))


def _merged(messages: Iterable[ChatMessage]) -> Iterator[ChatMessage]:
    """Those of one role that follow one another as one, since providers want them in turn."""
    for role, group in groupby(messages, attrgetter("role")):
        yield ChatMessage(role, "\n\n".join([message.content for message in group]))
