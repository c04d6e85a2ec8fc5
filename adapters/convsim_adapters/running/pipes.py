"""Words between a run and its workers: JSON objects, a line each, over the pipes of a process.

Nothing that is read runs code, and what an agent prints cannot be taken for one of them: a worker
keeps its pipes for itself.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from threading import Lock
from typing import Any, TypeAlias, cast

from attrs import Factory, frozen

__all__ = ["Message", "Pipe", "messages"]

Message: TypeAlias = dict[str, Any]

CHUNK = 1 << 16  # bytes


@frozen
class Pipe:
    """The end that is written to; `say` may be called by any thread."""

    file: int
    lock: Lock = Factory(Lock)

    def say(self, kind: str, **told: Any) -> None:
        """Send one message. Raises `OSError` where nobody reads any more."""
        line = json.dumps({"kind": kind, **told}, separators=(",", ":")).encode("ascii") + b"\n"
        with self.lock:
            while line:
                line = line[os.write(self.file, line) :]


def messages(file: int) -> Iterator[Message]:
    """The messages that come, until the other side closes its end; a torn last one is left out."""
    parts: list[bytes] = []
    while chunk := os.read(file, CHUNK):
        *whole, rest = chunk.split(b"\n")
        for line in whole:
            yield cast("Message", json.loads(b"".join((*parts, line))))
            parts.clear()
        parts.append(rest)
