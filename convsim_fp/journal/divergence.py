"""Where a conversation departs from its record, in words: the first message that differs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import ndiff

from attrs import frozen

from convsim_fp.core.json_values import dumps, freeze, readable, thaw
from convsim_fp.core.observations import AgentReplied, Answer, Failed, Observation
from convsim_fp.core.prompts import Prompt, render
from convsim_fp.core.requests import Request, RequestId
from convsim_fp.core.transcript import Message, Transcript
from convsim_fp.journal.logs import Recorded
from convsim_fp.journal.writing import Content, content_of

__all__ = ["Divergence", "of_content", "of_replies"]

MOST = 40  # lines of each text that are compared, from the first that differs


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
        then, now = self.recorded.splitlines(), self.found.splitlines()
        alike = _alike(then, now)
        both = ndiff(then[alike : alike + MOST], now[alike : alike + MOST])
        changed = tuple(line.rstrip("\n") for line in both if not line.startswith("  "))
        if not changed:  # in how their lines end
            return f"- {self.recorded!r}\n+ {self.found!r}"
        more = max(len(then), len(now)) - alike - MOST
        return "\n".join(changed) + (f"\n  … {more} more lines" if more > 0 else "")

    def __str__(self) -> str:
        place = None if self.id is None else f"turn {self.id.turn}, {self.id.lane}"
        where = ", ".join(part for part in (self.session, place) if part)
        shown = "".join(f"\n    {line}" for line in self.difference.splitlines())
        return f"{where}: {self.what}{shown}" if where else f"{self.what}{shown}"


def of_content(recorded: Recorded, request: Request) -> Divergence:
    """What differs between a recorded request and the one that is made in its place."""
    then, now = _shown(recorded.content), _shown(content_of(request))
    session = request.session.id
    if then == now:
        what = f"the {_beside(recorded.content)} differs, the messages do not"
        return Divergence(session, request.id, what)
    at = _alike(then, now)
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


def _alike(then: Sequence[str], now: Sequence[str]) -> int:
    """How many of them are alike before the first that differs."""
    shorter = min(len(then), len(now))
    return next((at for at in range(shorter) if then[at] != now[at]), shorter)


def _shown(content: Content | None) -> tuple[str, ...]:
    match content:
        case None:
            return ()
        case Prompt():
            return tuple(f"{one.role}: {one.content}" for one in render(content))
        case _:
            return _spoken(content)


def _spoken(transcript: Transcript) -> tuple[str, ...]:
    return tuple("\n".join((f"{m.speaker}: {m.text}", *_called(m))) for m in transcript)


def _beside(content: Content | None) -> str:
    return "reply's schema" if isinstance(content, Prompt) else "context of the case"


def _beside_text(reply: Observation) -> str:
    if not isinstance(reply, AgentReplied):
        return ""
    return "\n".join((f"ended: {dumps(freeze(reply.ended))}", *_called(reply)))


def _called(said: Message | AgentReplied) -> Iterator[str]:
    return (f"{c.name}({readable(thaw(c.arguments))})" for c in said.tool_calls)


def _at(messages: tuple[str, ...], at: int) -> str:
    return messages[at] if at < len(messages) else "(nothing)"
