"""What identifies a request beyond its place: everything that its answer may depend on.

The requests of a lane begin alike, for a transcript only grows and a prompt shows it first. So what
of one comes back is hashed once: `digested` goes on from where the one before it got to.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from operator import is_
from typing import Protocol, TypeAlias

from attrs import frozen

from convsim_fp.core.chat import ChatMessage
from convsim_fp.core.json_values import thaw
from convsim_fp.core.requests import Generate, Request
from convsim_fp.core.transcript import Message

__all__ = ["NOTHING_HASHED", "Hashed", "digest", "digested"]

Said: TypeAlias = tuple[Message, ...] | tuple[ChatMessage, ...]

# Sorted, since the order of keys makes no other request: a case may come from another file.
ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), sort_keys=True)


class Sha256(Protocol):
    """What `hashlib` makes, whose own type has no public name."""

    def copy(self) -> Sha256: ...
    def update(self, data: bytes, /) -> object: ...
    def hexdigest(self) -> str: ...


@frozen(eq=False)
class Hashed:
    """The messages that a request begins with, hashed; `state` is copied, never added to.

    Equal messages may be written differently where tools were called, for ``1 == True``; where none
    were they are `plain`.
    """

    said: Said
    state: Sha256
    plain: bool = True

    def upto(self, said: Said) -> Hashed:
        """Of these messages; goes on from here where they begin with those that are hashed."""
        new = said[len(self.said) :]
        if not self.begins(said):
            return NOTHING_HASHED.upto(said)
        if not new:
            return self
        plain = self.plain and not any(map(_has_tools, new))
        return Hashed(said, _and(self.state, "\n".join([*_texts(new), ""])), plain)

    def begins(self, said: Said) -> bool:
        """Whether these messages begin with those that are hashed."""
        if self.plain:
            return said[: len(self.said)] == self.said
        return len(said) >= len(self.said) and all(map(is_, said, self.said))


NOTHING_HASHED = Hashed((), sha256())


def digest(request: Request) -> str:
    """The SHA-256 of a request as the core knows it, in hex: equal requests, equal digests.

    Covers its id, and the rendered messages and reply schema, or the transcript and context.
    """
    return digested(request)[0]


def digested(request: Request, before: Hashed = NOTHING_HASHED) -> tuple[str, Hashed]:
    """The digest of a request, and what of it the next one of its lane begins with.

    Law: the digest does not depend on what was hashed `before`.
    """
    lasting, last = _parts(request)
    hashed = before.upto(lasting)
    rest = "\n".join([*_texts(last), _beside(request), str(request.id)])
    return _and(hashed.state, rest).hexdigest(), hashed


def _parts(request: Request) -> tuple[Said, Said]:
    """What comes back in the next request, and what does not: the question of the moment."""
    if isinstance(request, Generate):
        return request.messages[:-1], request.messages[-1:]
    return request.transcript, ()


def _and(state: Sha256, text: str) -> Sha256:
    more = state.copy()
    more.update(text.encode("utf-8", "surrogatepass"))
    return more


def _texts(said: Said) -> Iterable[str]:
    """Each with its length before it, so that no text passes for the beginning of another."""
    return [
        f"{one.role} {len(one.content)} {one.content}"
        if isinstance(one, ChatMessage)
        else one.canonical + ("" if not one.tool_calls else _tools(one))
        for one in said
    ]


def _has_tools(one: Message | ChatMessage) -> bool:
    return isinstance(one, Message) and bool(one.tool_calls)


def _tools(said: Message) -> str:
    calls = [[call.name, thaw(call.arguments), call.id] for call in said.tool_calls]
    return f"\n{ENCODER.encode(calls)}"


def _beside(request: Request) -> str:
    beside = request.prompt.schema if isinstance(request, Generate) else request.case.context
    return "" if beside is None else beside.canonical
