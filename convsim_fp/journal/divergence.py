"""Where a conversation departs from its record, in words: the first message that differs."""

from __future__ import annotations

from difflib import ndiff

from attrs import frozen

from convsim_fp.core.json_values import dumps, freeze, readable, thaw
from convsim_fp.core.observations import AgentReplied, Answer, Failed, Observation
from convsim_fp.core.prompts import Prompt, render
from convsim_fp.core.requests import Request, RequestId
from convsim_fp.core.transcript import Transcript
from convsim_fp.journal.logs import Recorded
from convsim_fp.journal.writing import Content, content_of

__all__ = ["Divergence", "of_content", "of_replies"]

MOST = 40  # lines of a difference that are shown


@frozen
class Divergence:
    """The first place where a session departs from its record, and how.

    `message` counts from 1 in what was sent; `recorded` and `found` are that message then and now.
    """

    session: str
    id: RequestId | None
    what: str
    message: int | None = None
    recorded: str = ""
    found: str = ""

    @property
    def difference(self) -> str:
        """The two texts line by line: ``-`` as recorded, ``+`` as found, ``?`` points to where."""
        if self.recorded == self.found:
            return ""
        both = ndiff(self.recorded.splitlines(), self.found.splitlines())
        changed = tuple(line.rstrip("\n") for line in both if not line.startswith("  "))
        more = f"\n  … {len(changed) - MOST} more lines" if len(changed) > MOST else ""
        return "\n".join(changed[:MOST]) + more

    def __str__(self) -> str:
        place = "" if self.id is None else f", turn {self.id.turn}, {self.id.lane}"
        shown = "".join(f"\n    {line}" for line in self.difference.splitlines())
        return f"{self.session}{place}: {self.what}{shown}"


def of_content(recorded: Recorded, request: Request) -> Divergence:
    """What differs between a recorded request and the one that is made in its place."""
    then, now = _shown(recorded.content), _shown(content_of(request))
    session = request.session.id
    at = next((i for i, (a, b) in enumerate(zip(then, now, strict=False)) if a != b), None)
    if at is None and len(then) == len(now):
        what = f"the {_beside(recorded.content)} differs, the messages do not"
        return Divergence(session, request.id, what)
    at = min(len(then), len(now)) if at is None else at
    what = f"message {at + 1} of what is asked differs"
    return Divergence(session, request.id, what, at + 1, _at(then, at), _at(now, at))


def of_replies(session: str, recorded: Observation, found: Answer) -> Divergence:
    """What differs between the agent's reply then and now."""
    then, now = _reply(recorded), _reply(found)
    if then != now:
        return Divergence(session, found.id, "the agent replies differently", None, then, now)
    what = "the agent says the same, but not all around it is"
    return Divergence(session, found.id, what, None, _beside_text(recorded), _beside_text(found))


def _reply(seen: Observation) -> str:
    return seen.text if isinstance(seen, AgentReplied) else f"({_failure(seen)})"


def _failure(seen: Observation) -> str:
    return str(seen.failure) if isinstance(seen, Failed) else type(seen).__name__


def _shown(content: Content | None) -> tuple[str, ...]:
    match content:
        case None:
            return ()
        case Prompt():
            return tuple(f"{one.role}: {one.content}" for one in render(content))
        case _:
            return _spoken(content)


def _spoken(transcript: Transcript) -> tuple[str, ...]:
    return tuple(f"{one.speaker}: {one.text}" for one in transcript)


def _beside(content: Content | None) -> str:
    return "reply's schema" if isinstance(content, Prompt) else "context of the case"


def _beside_text(reply: Observation) -> str:
    if not isinstance(reply, AgentReplied):
        return ""
    calls = (f"{c.name}({readable(thaw(c.arguments))})" for c in reply.tool_calls)
    return "\n".join((f"ended: {dumps(freeze(reply.ended))}", *calls))


def _at(messages: tuple[str, ...], at: int) -> str:
    return messages[at] if at < len(messages) else "(nothing)"
