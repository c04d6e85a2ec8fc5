"""Which turn a message and a verdict belong to: turns count from 1, and a history has none."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest

from attrs import frozen

from convsim_fp.core import StopReason, TestCase, Transcript
from convsim_fp.journal import SessionLog

__all__ = ["Judged", "Parting", "judged", "parting", "turns_of"]


@frozen
class Judged:
    """A verdict at its turn."""

    turn: int
    achieved: bool
    failed: bool
    why: str


@frozen
class Parting:
    """Where two transcripts first differ: the turn, and the index of the message."""

    turn: int
    message: int


def turns_of(case: TestCase, transcript: Transcript) -> Iterator[int | None]:
    """The turn of each message; None of a history, 0 of the agent's opening.

    A history that ends in a user's message has begun turn 1 with it.

    >>> from convsim_fp.core import Message
    >>> said = [Message("user", "Hello."), Message("agent", "Hello."), Message("user", "Help!")]
    >>> list(turns_of(TestCase(goal="get help", history=said[:2]), tuple(said)))
    [None, None, 1]
    """
    before = len(case.history)
    before -= before > 0 and case.history[-1].speaker == "user"
    turn = 0
    for at, message in enumerate(transcript):
        if at < before:
            yield None
            continue
        turn += message.speaker == "user"
        yield turn


def judged(log: SessionLog) -> Iterator[Judged]:
    """The verdicts of a session that has ended: one for each turn in order.

    One that says yes ends it, so it is of the last turn, whoever gave it.
    """
    if log.ended is None:
        return
    last = log.ended.phase.turns
    reached = log.ended.phase.reason is StopReason.GOAL_ACHIEVED
    for turn, one in enumerate(log.ended.verdicts, start=1):
        at = last if reached and one.achieved else min(turn, last)
        yield Judged(at, one.achieved, one.failed, one.rationale)


def parting(before: SessionLog, after: SessionLog) -> Parting | None:
    """Where something else was said; None where nothing was."""
    longer = max(before, after, key=lambda log: len(log.transcript))
    turns = [turn or 0 for turn in turns_of(longer.case, longer.transcript)]
    said = zip_longest(before.transcript, after.transcript)
    for at, (then, now) in enumerate(said):
        if then != now:
            return Parting(turns[at], at)
    return None
