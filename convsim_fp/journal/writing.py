"""Entries to records: each request as the difference to what its session has recorded already.

A transcript only grows and a lane's stable text rarely changes, so a record holds what is new: a
conversation of n turns takes n records of about the same length, and all prompts can be had back.
`Known` is what writer and reader both know after each record; both fold it the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeAlias, assert_never

from attrs import field, frozen

from convsim_fp.core.envelope import Entry
from convsim_fp.core.json_values import JsonObject
from convsim_fp.core.observations import AgentReplied, Observation
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.requests import CallAgent, CallUser, Generate, Lane, Request, RequestId
from convsim_fp.core.state import State, Stopped
from convsim_fp.core.transcript import Message, Transcript
from convsim_fp.journal.digests import NOTHING_HASHED, Hashed, digested
from convsim_fp.journal.records import Asked, Ended, EntryRecord

__all__ = ["Content", "Known", "Stable", "content_of", "ended", "recorded"]

Content: TypeAlias = Prompt | Transcript

NO_LANES: Mapping[Lane, Hashed] = MappingProxyType({})


@frozen
class Stable:
    """The system text and the schema of a lane's last prompt."""

    lane: Lane
    system: str
    schema: JsonObject | None


@frozen
class Known:
    """What of a session can be told by reference: what was said, and each lane's stable text.

    `hashed` saves work and nothing else: what each lane's last request leaves for its next.
    """

    transcript: Transcript = ()
    stable: tuple[Stable, ...] = ()
    hashed: Mapping[Lane, Hashed] = field(default=NO_LANES, eq=False)

    def last(self, lane: Lane) -> Stable | None:
        """The stable text of a lane's last prompt."""
        for one in self.stable:
            if one.lane is lane:
                return one
        return None


def recorded(known: Known, entry: Entry) -> tuple[EntryRecord, Known]:
    """Make the record of an entry, and what is known after it."""
    seen, facts = entry.observed.observation, entry.observed.facts
    request, session = entry.request, entry.session.id
    if request is None:
        return EntryRecord(session, seen, facts=facts), known
    content = content_of(request)
    transcript = content.transcript if isinstance(content, Prompt) else content
    kept = _shared(known.transcript, transcript)
    lane = request.id.lane
    asked = _asked(known, lane, content) if isinstance(content, Prompt) else None
    name, hashed = digested(request, known.hashed.get(lane, NOTHING_HASHED))
    written = EntryRecord(
        session,
        seen,
        name,
        kept,
        transcript[kept:],
        asked,
        facts,
        wasted=entry.wasted,
        rebuilt=entry.rebuilt,
    )
    told = after(known, written, request.id, content)
    lanes = MappingProxyType({**known.hashed, lane: hashed})
    return written, Known(told.transcript, told.stable, lanes)


def read_back(known: Known, written: EntryRecord) -> tuple[Content, Known]:
    """What was asked for a record, and what is known after it; of no interruption."""
    asked_for = written.id
    if asked_for is None:
        raise ValueError("nothing was asked for an interruption")
    transcript = known.transcript[: written.kept] + written.more
    content: Content = transcript
    if written.asked is not None:
        content = _prompt(known, asked_for.lane, written.asked, transcript)
    return content, after(known, written, asked_for, content)


def after(known: Known, written: EntryRecord, asked_for: RequestId, content: Content) -> Known:
    """What is known after a record of this content."""
    if isinstance(content, Prompt):
        if _is_same(known.last(asked_for.lane), content):
            return known
        others = (one for one in known.stable if one.lane is not asked_for.lane)
        stable = Stable(asked_for.lane, content.system, content.schema)
        return Known(known.transcript, (*others, stable))
    if written.rebuilt:
        return known
    return Known(said(content, written.seen, wasted=written.wasted), known.stable)


def said(transcript: Transcript, seen: Observation, *, wasted: bool) -> Transcript:
    """What has been said with the agent's reply, as the machine takes it into the transcript."""
    if wasted or not isinstance(seen, AgentReplied):
        return transcript
    if not seen.text.strip() and not seen.tool_calls:
        return transcript
    return (*transcript, Message("agent", seen.text, seen.tool_calls))


def ended(known: Known, state: State) -> Ended:
    """Make the record of a session's end. Raises `TypeError` for a state that goes on."""
    if not isinstance(state.phase, Stopped):
        raise TypeError(f"the session {state.session.id!r} has not ended")
    kept = _shared(known.transcript, state.transcript)
    more = state.transcript[kept:]
    return Ended(state.session.id, state.phase, state.verdicts, kept, more)


def content_of(request: Request) -> Content:
    """What was asked: the prompt, or the transcript that the agent or the user was shown."""
    match request:
        case Generate():
            return request.prompt
        case CallAgent() | CallUser():
            return request.transcript
        case _:
            assert_never(request)


def _shared(known: Transcript, transcript: Transcript) -> int:
    """How many messages both begin with."""
    most = min(len(known), len(transcript))
    if known[:most] == transcript[:most]:
        return most
    return next(at for at in range(most) if known[at] != transcript[at])


def _asked(known: Known, lane: Lane, prompt: Prompt) -> Asked:
    if _is_same(known.last(lane), prompt):
        return Asked(prompt.speaks_as, prompt.question, same=True)
    return Asked(prompt.speaks_as, prompt.question, prompt.system, prompt.schema)


def _is_same(last: Stable | None, prompt: Prompt) -> bool:
    return last is not None and last.system == prompt.system and last.schema == prompt.schema


def _prompt(known: Known, lane: Lane, asked: Asked, transcript: Transcript) -> Prompt:
    last = known.last(lane) if asked.same else None
    system, schema = (asked.system, asked.schema) if last is None else (last.system, last.schema)
    return Prompt(asked.speaks_as, system, transcript, asked.question, schema)
