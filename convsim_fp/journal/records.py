"""The records of a journal, as values. What each looks like as text is in `codec` and `lines`.

Header        the first of each segment: versions, settings without secrets
Snapshot      a state that forked sessions start from, once for all of them
Begun         a session: its case, and where it comes from
EntryRecord   what was asked, as a difference to what is known already, and what came back
Discarded     earlier entries that shall not be folded: a failure that is tried again
Ended         how a session ended
"""

from __future__ import annotations

from typing import TypeAlias

from attrs import frozen

from convsim_fp.core.behaviours import Verdict
from convsim_fp.core.cases import TestCase
from convsim_fp.core.envelope import NO_FACTS, Facts
from convsim_fp.core.json_values import JsonObject
from convsim_fp.core.observations import Answer, Interrupted, Observation
from convsim_fp.core.prompts import Voice
from convsim_fp.core.requests import Lane, RequestId, Session
from convsim_fp.core.state import State, Stopped
from convsim_fp.core.transcript import Transcript

__all__ = [
    "FORMAT",
    "MACHINE",
    "Asked",
    "Begun",
    "Call",
    "Discarded",
    "Ended",
    "EntryRecord",
    "Header",
    "Parent",
    "Record",
    "Snapshot",
]

FORMAT = 1
MACHINE = 1  # a change of what the machine does with the same observations


@frozen
class Header:
    """What a segment's records were made with; models, parameters and agents by name.

    `sessions` is how many are listed behind it before the first of them asks anything. `key` is
    drawn by chance when a run begins, and stays with it: no other run has it.
    """

    format: int
    run: str
    convsim: str
    machine: int
    texts: str
    began: str
    settings: JsonObject
    sessions: int = 0
    key: str = ""


@frozen
class Parent:
    """Where a forked session comes from: it shares the turns before `turn` (from 1)."""

    run: str
    session: str
    turn: int


@frozen
class Call:
    """What came back from a call, and how many messages of the transcript had been said."""

    seen: Answer
    said: int


@frozen
class Snapshot:
    """A state by its digest, which sessions that start from it name.

    `calls` are what was asked on the way there of an agent, or of a user outside of the core, that
    remembers: the observations, each with how many messages of the transcript were said before it.
    """

    digest: str
    state: State
    calls: tuple[Call, ...] = ()


@frozen
class Begun:
    """A session that has begun: from the start of its case, or from the snapshot it names."""

    session: Session
    case: TestCase
    snapshot: str = ""
    parent: Parent | None = None


@frozen
class Asked:
    """The prompt of a request without its transcript.

    With `same` its system text and schema are those of the last prompt of its lane.
    """

    speaks_as: Voice
    question: str
    system: str = ""
    schema: JsonObject | None = None
    same: bool = False


@frozen
class EntryRecord:
    """An entry as it is written down.

    Its transcript is `kept` messages of what the session has said so far, and `more`. `seen` is the
    observation; of an interruption there is no digest.
    """

    session: str
    seen: Observation
    digest: str = ""
    kept: int = 0
    more: Transcript = ()
    asked: Asked | None = None
    facts: Facts = NO_FACTS
    wasted: bool = False
    rebuilt: bool = False

    @property
    def id(self) -> RequestId | None:
        """The place of the request; None of an interruption."""
        return None if isinstance(self.seen, Interrupted) else self.seen.id


@frozen
class Discarded:
    """Earlier entries of a session are not folded any more: all, or those of one decision."""

    session: str
    turn: int | None = None
    lane: Lane | None = None


@frozen
class Ended:
    """How a session ended: the last phase, the verdicts, and the transcript as in `EntryRecord`."""

    session: str
    phase: Stopped
    verdicts: tuple[Verdict, ...] = ()
    kept: int = 0
    more: Transcript = ()


Record: TypeAlias = Header | Snapshot | Begun | EntryRecord | Discarded | Ended
