"""What was asked and what came back, as plain JSON that repeats nothing.

A prompt is told by its parts: its stable text and its question by their places in a table of texts,
and how many messages of the transcript it has. The page puts it together again.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from attrs import Factory, define

from convsim_fp.core import (
    AgentReplied,
    Failed,
    Generated,
    Interrupted,
    Lane,
    Observation,
    Prompt,
    RequestId,
    Transcript,
    thaw,
)
from convsim_fp.core.envelope import Facts
from convsim_fp.core.json_values import Json, readable
from convsim_fp.core.state import is_checked_end
from convsim_fp.core.transcript import Message, ToolCall
from convsim_fp.journal import Recorded, SessionLog
from convsim_fp.texts import V1

__all__ = ["Texts", "calls_record", "laid_out", "message_record", "request_records", "told_ahead"]

Record = dict[str, object]
BEFORE, AFTER = V1.objected("\0", "").split("\0")
OBJECTED = re.compile(f"{re.escape(BEFORE)}(.+?){re.escape(AFTER)}", re.DOTALL)


@define
class Texts:
    """A table of texts, each once; `place` gives where one stands."""

    places: dict[str, int] = Factory(dict[str, int])

    def place(self, text: str) -> int:
        """The place of a text, which is put at the end where it is new.

        >>> table = Texts()
        >>> table.place("a"), table.place("b"), table.place("a")
        (0, 1, 0)
        """
        return self.places.setdefault(text, len(self.places))

    @property
    def listed(self) -> list[str]:
        """The texts by their places."""
        return list(self.places)


def request_records(log: SessionLog, texts: Texts) -> Iterator[Record]:
    """Every entry of a session: where it stands, what it cost, what was asked, what came back."""
    said = {message.text: at for at, message in reversed([*enumerate(log.transcript)])}
    begun = min((one.facts.start for one in log.entries if one.facts.start is not None), default=0)
    beyond = told_ahead(log)
    for one in log.entries:
        yield {
            **_facts(one.facts, begun),
            **_place(one.id, beyond),
            **_state(one, beyond),
            **_asked(one.content, log.transcript, texts),
            **_seen(one.seen, said),
        }


def message_record(message: Message) -> Record:
    """A message for the page."""
    record: Record = {"by": message.speaker, "text": message.text}
    return {**record, "calls": calls_record(message.tool_calls)} if message.tool_calls else record


def calls_record(calls: tuple[ToolCall, ...]) -> list[Record]:
    """Tool calls for the page: the arguments laid out, and the line that a judge is shown."""
    return [
        {
            "name": call.name,
            "arguments": laid_out(call.arguments),
            "id": call.id,
            "judged": readable({"name": call.name, "arguments": thaw(call.arguments)}),
        }
        for call in calls
    ]


def laid_out(value: Json) -> str:
    """A JSON value over several lines, text of every language as it is.

    >>> laid_out((1, 2))
    '[\\n  1,\\n  2\\n]'
    """
    return json.dumps(thaw(value), ensure_ascii=False, allow_nan=False, indent=2)


def _facts(facts: Facts, begun: float) -> Record:
    told: Record = {
        "in": facts.input_tokens,
        "out": facts.output_tokens,
        "cached": facts.cached_tokens,
        "cost": facts.cost,
        "from": None if facts.start is None else round(facts.start - begun, 3),
        "seconds": None if facts.seconds is None else round(facts.seconds, 4),
        "trace": facts.trace_id,
    }
    record = {name: value for name, value in told.items() if value is not None}
    if facts.attempts != 1:
        record["attempts"] = facts.attempts
    return {**record, "errors": list(facts.errors)} if facts.errors else record


def told_ahead(log: SessionLog) -> int | None:
    """The turn for which the user was asked ahead and which never was: a verdict came first.

    Where the answer came before the verdict, nothing else in the journal says so.
    """
    if log.ended is None:
        return None
    end = log.ended.phase
    last = (end.turns, Lane.GOAL_CHECK)
    checked = any(one.id and (one.id.turn, one.id.lane) == last for one in log.folded)
    lost = is_checked_end(end, len(log.ended.verdicts), checked=checked)
    return end.turns + 1 if lost else None


def _place(asked: RequestId | None, beyond: int | None) -> Record:
    """Where a request stands; what was asked ahead, with the turn in which it was."""
    if asked is None:
        return {}
    turn = asked.turn - 1 if asked.turn == beyond else asked.turn
    record: Record = {"turn": turn, "lane": str(asked.lane)}
    return {**record, "nth": asked.nth} if asked.nth else record


def _state(one: Recorded, beyond: int | None) -> Record:
    """Why an entry is not part of the conversation, where it is not."""
    if one.id is not None and one.id.turn == beyond:
        return {"void": "ahead"}
    if one.wasted:
        return {"void": "wasted"}
    if one.rebuilt:
        return {"void": "rebuilt"}
    return {"void": "discarded"} if one.void else {}


def _asked(content: Prompt | Transcript | None, said: Transcript, texts: Texts) -> Record:
    match content:
        case None:
            return {}
        case Prompt():
            schema = content.schema
            record: Record = {
                "voice": content.speaks_as,
                "system": texts.place(content.system),
                "question": texts.place(content.question),
                **_shown(content.transcript, said),
            }
            if schema is not None:
                record["schema"] = texts.place(readable(thaw(schema)))
            because = OBJECTED.match(content.question)
            return record if because is None else {**record, "because": because[1]}
        case _:
            return _shown(content, said)


def _shown(transcript: Transcript, said: Transcript) -> Record:
    """How many messages of the conversation were sent; or which, where they are others."""
    known = len(transcript)
    if transcript == said[:known]:
        return {"said": known}
    return {"messages": [message_record(message) for message in transcript]}


def _seen(seen: Observation, said: dict[str, int]) -> Record:
    """What came back; a text that stands in the transcript by its place there."""
    match seen:
        case Generated() | AgentReplied():
            record: Record = {"text": seen.text}
            if (at := said.get(seen.text)) is not None:
                record = {"at": at}
            if isinstance(seen, AgentReplied):
                record |= {"ended": True} if seen.ended else {}
                record |= {"calls": calls_record(seen.tool_calls)} if seen.tool_calls else {}
            return record
        case Failed():
            return {"kind": seen.failure.kind, "detail": seen.failure.detail}
        case Interrupted():
            return {"interrupted": seen.reason, "detail": seen.detail}
