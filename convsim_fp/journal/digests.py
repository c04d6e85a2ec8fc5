"""What identifies a request beyond its place: everything that its answer may depend on."""

from __future__ import annotations

from hashlib import sha256
from typing import assert_never

from convsim_fp.core.json_values import dumps, freeze
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Request

__all__ = ["digest"]


def digest(request: Request) -> str:
    """The SHA-256 of a request as the core knows it, in hex: equal requests, equal digests.

    Covers its id, and the rendered messages and reply schema, or the transcript and context.
    """
    return sha256(dumps(freeze([str(request.id), *_content(request)])).encode("ascii")).hexdigest()


def _content(request: Request) -> tuple[object, ...]:
    match request:
        case Generate():
            return [(m.role, m.content) for m in request.messages], request.prompt.schema
        case CallAgent() | CallUser():
            return [(m.speaker, m.text) for m in request.transcript], request.case.context
        case _:
            assert_never(request)
