"""What identifies a request beyond its place: everything that its answer may depend on."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import assert_never

from convsim_fp.core.json_values import dumps
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Request

__all__ = ["digest"]


def digest(request: Request) -> str:
    """The SHA-256 of a request as the core knows it, in hex: equal requests, equal digests.

    Covers its id, and the rendered messages and reply schema, or the transcript and context.
    """
    content = "\n".join((*_messages(request), _beside(request), str(request.id)))
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _messages(request: Request) -> Iterable[str]:
    """Each with its length before it, so that no text passes for the beginning of another."""
    match request:
        case Generate():
            return [f"{m.role} {len(m.content)} {m.content}" for m in request.messages]
        case CallAgent() | CallUser():
            return [f"{m.speaker} {len(m.text)} {m.text}" for m in request.transcript]
        case _:
            assert_never(request)


def _beside(request: Request) -> str:
    if isinstance(request, Generate):
        schema = request.prompt.schema
        return "" if schema is None else dumps(schema)
    return dumps(request.case.context)
