"""What identifies a request beyond its place: everything that its answer may depend on."""

from __future__ import annotations

import json
from collections.abc import Iterable
from hashlib import sha256
from itertools import chain

from convsim_fp.core.json_values import thaw
from convsim_fp.core.requests import Generate, Request
from convsim_fp.core.transcript import Message

__all__ = ["digest"]

# Sorted, since the order of keys makes no other request: a case may come from another file.
ENCODER = json.JSONEncoder(allow_nan=False, separators=(",", ":"), sort_keys=True)


def digest(request: Request) -> str:
    """The SHA-256 of a request as the core knows it, in hex: equal requests, equal digests.

    Covers its id, and the rendered messages and reply schema, or the transcript and context.
    """
    content = "\n".join([*_messages(request), _beside(request), str(request.id)])
    return sha256(content.encode("utf-8", "surrogatepass")).hexdigest()


def _messages(request: Request) -> Iterable[str]:
    """Each with its length before it, so that no text passes for the beginning of another."""
    if isinstance(request, Generate):
        return [f"{one.role} {len(one.content)} {one.content}" for one in request.messages]
    if not any(said.tool_calls for said in request.transcript):
        return [said.canonical for said in request.transcript]
    return chain.from_iterable(map(_said, request.transcript))


def _said(message: Message) -> tuple[str, ...]:
    said = message.canonical
    return (said, _tools(message)) if message.tool_calls else (said,)


def _tools(said: Message) -> str:
    return ENCODER.encode([[call.name, thaw(call.arguments), call.id] for call in said.tool_calls])


def _beside(request: Request) -> str:
    beside = request.prompt.schema if isinstance(request, Generate) else request.case.context
    return "" if beside is None else beside.canonical
