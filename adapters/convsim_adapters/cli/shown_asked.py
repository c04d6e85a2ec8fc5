"""What was asked of whom in which turn, and what did not go as it should: as the report has it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

from attrs import frozen

from convsim_adapters.cli.figures import cost, tokens
from convsim_adapters.report.requests import Texts, request_records
from convsim_adapters.report.turns import turns_of
from convsim_adapters.running.results import Usage
from convsim_fp.core import AgentReplied, Failed, Generated, Lane, RequestId
from convsim_fp.journal import Recorded, SessionLog

__all__ = [
    "WHO",
    "Put",
    "Trouble",
    "asked_in",
    "spent_words",
    "troubles",
    "turns_in",
    "usage_words",
]

WHO = {
    Lane.USER: "The simulated user",
    Lane.AGENT: "The agent",
    Lane.GOAL_CHECK: "The goal check",
}
VOID = {
    "ahead": "was asked ahead for its next message, and the verdict made it needless",
    "wasted": "was asked for nothing: nobody waited for the answer any more",
    "rebuilt": "was called again, so that it knows what was said before",
    "discarded": "was asked, and not counted, since it was tried again later",
}


@frozen
class Put:
    """A request that was put to somebody in a turn, with what came back.

    `void` says why it is not part of the conversation, where it is not; `because` why the reply
    before it could not be used; `begun` is in seconds since the session's first request.
    """

    entry: Recorded
    place: RequestId
    turn: int
    void: str = ""
    because: str = ""
    begun: float | None = None

    @property
    def void_words(self) -> str:
        """Why it is not part of the conversation, in words."""
        return VOID.get(self.void, "")

    @property
    def reply(self) -> str | None:
        """What came back; None where that was a failure."""
        seen = self.entry.seen
        return seen.text if isinstance(seen, Generated | AgentReplied) else None


@frozen
class Trouble:
    """Something that did not go as it should: what, and the words that it is about."""

    what: str
    quotes: tuple[str, ...] = ()


def asked_in(log: SessionLog) -> tuple[Put, ...]:
    """What was asked in a session, in the order of the answers."""
    records = zip(log.entries, request_records(log, Texts()), strict=True)
    return tuple(
        Put(
            entry,
            entry.id,
            cast("int", told["turn"]),
            str(told.get("void", "")),
            str(told.get("because", "")),
            cast("float | None", told.get("from")),
        )
        for entry, told in records
        if entry.id is not None
    )


def turns_in(log: SessionLog, asked: Iterable[Put]) -> tuple[int, ...]:
    """The turns of which something is recorded, in order; 0 is the agent's opening."""
    said = {turn for turn in turns_of(log.case, log.transcript) if turn is not None}
    return tuple(sorted(said | {one.turn for one in asked}))


def troubles(asked: Iterable[Put], lane: Lane) -> Iterator[Trouble]:
    """What was asked again, sent again, failed, or was asked for nothing, of one turn and lane."""
    some = tuple(one for one in asked if one.place.lane is lane)
    for one in some:
        who, facts = WHO[lane], one.entry.facts
        if one.place.nth and not one.void:
            yield _again(one, some)
        if facts.errors:
            times = f"was asked {facts.attempts} times" if facts.attempts > 1 else "failed at first"
            yield Trouble(f"{who} {times}", facts.errors)
        if one.void:
            words = spent_words([one])
            yield Trouble(f"{who} {one.void_words}" + (f" ({words})" if words else ""))
        elif isinstance(one.entry.seen, Failed):
            failure = one.entry.seen.failure
            yield Trouble(f"{who} failed: {failure.kind}", (failure.detail,))


def spent_words(asked: Iterable[Put]) -> str:
    """What requests took: seconds, tokens, cost, as far as they are known."""
    usage, seconds = Usage(), 0.0
    for one in asked:
        usage = usage.after(one.entry)
        seconds += one.entry.facts.seconds or 0.0
    told = f"{seconds:.1f} s"
    return " · ".join((*([told] if told != "0.0 s" else []), *usage_words(usage)))


def usage_words(usage: Usage) -> Iterator[str]:
    """Tokens and cost, as far as they are known.

    >>> list(usage_words(Usage(input_tokens=90, output_tokens=10, cost=0.5)))
    ['100 tokens (90 in, 10 out)', '$0.5000']
    """
    if usage.tokens is not None:
        cached = f", {usage.cached_tokens:,} cached" if usage.cached_tokens else ""
        parts = f"{usage.input_tokens or 0:,} in, {usage.output_tokens or 0:,} out{cached}"
        yield f"{tokens(usage.tokens)} ({parts})"
    if usage.cost is not None:
        yield cost(usage)


def _again(one: Put, asked: Iterable[Put]) -> Trouble:
    nth = one.place.nth - 1
    before = next((it for it in asked if not it.void and it.place.nth == nth), None)
    why = f": {one.because}" if one.because else ""
    reply = None if before is None else before.reply
    quotes = () if reply is None else (reply or "(an empty reply)",)
    return Trouble(
        f"{WHO[one.place.lane]} was asked again: its reply could not be used{why}", quotes
    )
