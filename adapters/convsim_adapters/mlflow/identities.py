"""Trace ids that are known before a trace is: an agent elsewhere is told them, and its spans join.

The header is W3C Trace Context's ``traceparent`` (https://www.w3.org/TR/trace-context/).
"""

from __future__ import annotations

from base64 import b64encode
from hashlib import sha256
from typing import Any

from attrs import frozen
from mlflow.entities import Span, Trace, TraceData
from mlflow.tracing.constant import SpanAttributeKey

__all__ = ["Identity", "identified", "identity_of"]


@frozen
class Identity:
    """The ids of a turn's trace and of its span, as lowercase hex."""

    trace: str
    span: str

    @property
    def traceparent(self) -> str:
        """The value of the header."""
        return f"00-{self.trace}-{self.span}-01"


def identity_of(run: str, session: str, turn: int) -> Identity:
    """The ids of a turn, which no other turn of any run has.

    >>> identity_of("5e55", "case-0/1", 1).traceparent
    '00-7a9a088dc36bdb7706a3fa5f48f5aec8-399dae9ddddd8029-01'
    """
    digest = sha256(f"{run} {session} {turn}".encode()).hexdigest()
    return Identity(digest[:32], digest[32:48])


def identified(trace: Trace, identity: Identity) -> Trace:
    """A trace of one span, under the ids that were told before."""
    trace_id = f"tr-{identity.trace}"
    told: dict[str, Any] = trace.data.spans[0].to_dict()
    told["trace_id"] = b64encode(bytes.fromhex(identity.trace)).decode("ascii")
    told["span_id"] = b64encode(bytes.fromhex(identity.span)).decode("ascii")
    told["attributes"] = {
        **told["attributes"],
        SpanAttributeKey.REQUEST_ID: f'"{trace_id}"',
    }
    trace.info.trace_id = trace_id
    return Trace(trace.info, TraceData(spans=[Span.from_dict(told)]))
