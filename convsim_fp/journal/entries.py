"""Entries from plain JSON and to it, quickly: of a journal's records they are by far the most.

Only the usual ones are read and written here: answers without a failure. For any other, and for
what is wrong with one, the careful way in `codec` has to look; what is done here it does alike.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from convsim_fp.core.envelope import NO_FACTS, Facts
from convsim_fp.core.json_values import freeze_object, thaw
from convsim_fp.core.observations import AgentReplied, Generated, Observation
from convsim_fp.core.prompts import Voice
from convsim_fp.core.requests import Lane, RequestId
from convsim_fp.core.transcript import Message, Speaker, ToolCall
from convsim_fp.journal.records import Asked, EntryRecord

__all__ = ["plain_entry", "request_id", "usual_entry"]

REQUEST_ID = re.compile(r"(0|[1-9]\d{0,8})/(user|agent|goal_check)/(0|[1-9]\d{0,8})", re.ASCII)
VOICES: Mapping[str, Voice] = MappingProxyType({"user": "user", "judge": "judge"})
SPEAKERS: Mapping[str, Speaker] = MappingProxyType({"user": "user", "agent": "agent"})
LANES = MappingProxyType({lane.value: lane for lane in Lane})


def request_id(value: object) -> RequestId:
    """Read the place of a request from its text. Raises `TypeError` for what is none.

    >>> request_id("3/user/1")
    RequestId(turn=3, lane=<Lane.USER: 'user'>, nth=1)
    """
    if not isinstance(value, str):
        raise TypeError(f"is {value!r:.60}, expected turn/lane/nth")
    return _request_id(value)


@lru_cache(maxsize=1024)  # a run has the same few places in every session
def _request_id(text: str) -> RequestId:
    found = REQUEST_ID.fullmatch(text)
    if found is None:
        raise TypeError(f"is {text!r:.60}, expected turn/lane/nth")
    return RequestId(int(found[1]), LANES[found[2]], int(found[3]))


def usual_entry(read: dict[str, Any]) -> EntryRecord:
    """Read the record of a usual entry. Raises KeyError, TypeError or ValueError for any other."""
    _check(read, ENTRY)
    asked, facts = read.get("asked"), read.get("facts")
    return EntryRecord(
        read["session"],
        _seen(read["seen"]),
        read["digest"],
        read.get("kept", 0),
        tuple(map(_message, read.get("more", ()))),
        None if asked is None else _asked(asked),
        NO_FACTS if facts is None else _facts(facts),
    )


def plain_entry(written: EntryRecord) -> dict[str, Any] | None:
    """Write the record of a usual entry as a plain object; None for any other."""
    seen = _plain_seen(written.seen)
    if seen is None or any(said.tool_calls for said in written.more):
        return None
    return _given(
        ("session", written.session),
        ("seen", seen),
        ("digest", written.digest or None),
        ("kept", written.kept or None),
        ("more", [{"speaker": one.speaker, "text": one.text} for one in written.more] or None),
        ("asked", None if written.asked is None else _plain_asked(written.asked)),
        ("facts", _plain_facts(written.facts) or None),
        ("wasted", written.wasted or None),
        ("rebuilt", written.rebuilt or None),
        ("kind", "entry"),
    )


def _given(*named: tuple[str, object]) -> dict[str, Any]:
    return {name: value for name, value in named if value is not None}


def _plain_seen(seen: Observation) -> dict[str, str] | None:
    match seen:
        case Generated():
            return {"id": str(seen.id), "text": seen.text, "kind": "generated"}
        case AgentReplied(ended=False, tool_calls=()):
            return {"id": str(seen.id), "text": seen.text, "kind": "agentreplied"}
        case _:
            return None


def _plain_asked(asked: Asked) -> dict[str, Any]:
    if asked.same and not asked.system and asked.schema is None:
        return {"speaks_as": asked.speaks_as, "question": asked.question, "same": True}
    return _given(
        ("speaks_as", asked.speaks_as),
        ("question", asked.question),
        ("system", asked.system or None),
        ("schema", None if asked.schema is None else thaw(asked.schema)),
        ("same", asked.same or None),
    )


def _plain_facts(facts: Facts) -> dict[str, Any]:
    return _given(
        ("input_tokens", facts.input_tokens),
        ("output_tokens", facts.output_tokens),
        ("cached_tokens", facts.cached_tokens),
        ("cost", facts.cost),
        ("start", facts.start),
        ("seconds", facts.seconds),
        ("attempts", None if facts.attempts == 1 else facts.attempts),
        ("errors", list(facts.errors) or None),
        ("price_source", facts.price_source),
        ("trace_id", facts.trace_id),
    )


def _check(read: dict[str, Any], types: Mapping[str, type]) -> None:
    for name, value in read.items():
        if type(value) is not types[name]:
            raise TypeError(name)


def _seen(read: dict[str, Any]) -> Generated | AgentReplied:
    asked, text = request_id(read["id"]), read["text"]
    match read["kind"], len(read):
        case "generated", 3:
            return Generated(asked, text)
        case "agentreplied", 3:
            return AgentReplied(asked, text)
        case "agentreplied", 4:
            return AgentReplied(asked, text, tool_calls=_calls(read["tool_calls"]))
        case kind, _:
            raise ValueError(kind)


def _message(read: dict[str, Any]) -> Message:
    _check(read, MESSAGE)
    calls = read.get("tool_calls")
    return Message(SPEAKERS[read["speaker"]], read["text"], () if calls is None else _calls(calls))


def _calls(read: list[dict[str, Any]]) -> tuple[ToolCall, ...]:
    if type(read) is not list:
        raise TypeError(read)
    return tuple(ToolCall(**call) for call in read)


def _asked(read: dict[str, Any]) -> Asked:
    _check(read, ASKED)
    voice, question = read["speaks_as"], read["question"]
    if len(read) == 3 and read.get("same"):
        return _asked_again(voice, question)
    schema = read.get("schema")
    return Asked(
        VOICES[voice],
        question,
        read.get("system", ""),
        None if schema is None else freeze_object(schema),
        same=read.get("same", False),
    )


@lru_cache(maxsize=1024)  # nearly all prompts of a run end in one of a few questions
def _asked_again(voice: str, question: str) -> Asked:
    return Asked(VOICES[voice], question, same=True)


def _facts(read: dict[str, Any]) -> Facts:
    _check(read, FACTS)
    return Facts(**read)


ENTRY = MappingProxyType(
    {
        "kind": str,
        "session": str,
        "seen": dict,
        "digest": str,
        "kept": int,
        "more": list,
        "asked": dict,
        "facts": dict,
    }
)
MESSAGE = MappingProxyType({"speaker": str, "text": str, "tool_calls": list})
ASKED = MappingProxyType(
    {"speaks_as": str, "question": str, "system": str, "schema": dict, "same": bool}
)
FACTS = MappingProxyType(
    {
        "input_tokens": int,
        "output_tokens": int,
        "cached_tokens": int,
        "cost": float,
        "start": float,
        "seconds": float,
        "price_source": str,
        "trace_id": str,
    }
)
