"""Whether what is asked now is what was recorded, compared no further than there is need."""

from __future__ import annotations

from attrs import frozen

from convsim_fp.core.prompts import Prompt
from convsim_fp.core.requests import Generate, Request
from convsim_fp.core.transcript import Transcript
from convsim_fp.journal.digests import digest
from convsim_fp.journal.logs import Recorded
from convsim_fp.journal.writing import content_of

__all__ = ["Alike", "compared", "is_answer_to"]


@frozen
class Alike:
    """What of a session is known to be as it was: two equal transcripts, then and now.

    Of longer ones only the rest is compared. Of the case's context only a digest tells; once is
    enough, for it never changes.
    """

    then: Transcript = ()
    now: Transcript = ()
    same_context: bool = False

    def goes_on(self, then: Transcript, now: Transcript) -> bool:
        """Whether two transcripts are equal."""
        known = len(self.then)
        if then[:known] == self.then and now[:known] == self.now:
            return then[known:] == now[known:]
        return then == now


def compared(known: Alike, recorded: Recorded, request: Request) -> Alike | None:
    """What is known after an answer to this very request; None where it was asked another."""
    then, now = recorded.content, content_of(request)
    if isinstance(now, Prompt):
        same = isinstance(then, Prompt) and _same_prompt(known, then, now)
        return known if same or is_answer_to(recorded, request) else None
    if known.same_context and isinstance(then, tuple) and known.goes_on(then, now):
        return Alike(then, now, same_context=True)
    return Alike(now, now, same_context=True) if is_answer_to(recorded, request) else None


def is_answer_to(recorded: Recorded, request: Request) -> bool:
    """Whether what was recorded answers this very request; equal digests decide.

    Equal prompts have equal digests, which saves rendering them.
    """
    if isinstance(request, Generate) and recorded.content == request.prompt:
        return recorded.id == request.id
    return recorded.digest == digest(request)


def _same_prompt(known: Alike, then: Prompt, now: Prompt) -> bool:
    return (
        then.speaks_as == now.speaks_as
        and then.question == now.question
        and then.system == now.system
        and then.schema == now.schema
        and known.goes_on(then.transcript, now.transcript)
    )
