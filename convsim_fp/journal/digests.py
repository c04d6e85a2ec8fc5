"""What identifies a request beyond its place: everything that its answer may depend on."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import assert_never

from convsim_fp.core.json_values import thaw
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Request

__all__ = ["digest"]


def digest(request: Request) -> str:
    """The SHA-256 of a request as the core knows it, in hex: equal requests, equal digests.

    Covers its id, and the rendered messages and reply schema, or the transcript and context.
    """
    content = json.dumps([str(request.id), *_content(request)], separators=(",", ":"))
    return sha256(content.encode("ascii")).hexdigest()


def _content(request: Request) -> tuple[object, ...]:
    match request:
        case Generate():
            sent = [(m.role, m.content) for m in request.messages]
            return sent, thaw(request.prompt.schema)
        case CallAgent() | CallUser():
            said = [(m.speaker, m.text) for m in request.transcript]
            return said, thaw(request.case.context)
        case _:
            assert_never(request)
