"""Candidates of a search: which conversations it draws, and how it makes one of them smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import TypeAlias

from attrs import evolve, frozen
from hypothesis import strategies as st

from convsim_fp.core.cases import TestCase
from convsim_fp.core.json_values import JsonObject
from convsim_fp.core.transcript import Transcript
from convsim_fp.testing.phrases import literal, said_by_user

__all__ = ["Space", "Talk", "shrunk"]

Lines: TypeAlias = tuple[str, ...]

NOTHING: Lines = ()
NOT_KEPT = ("agenda", "goal_when", "script")  # fields that would have another say in it
SEEDS = 256
COIN = st.booleans()


@frozen
class Talk:
    """One candidate: a case, and what its user says; None where the user decides for itself."""

    case: TestCase
    lines: Lines | None = None
    seed: int = 0

    @property
    def as_case(self) -> TestCase:
        """The case that plays it, without a model where it has lines."""
        if self.lines is None:
            return self.case
        kept = {key: value for key, value in self.case.extra.items() if key not in NOT_KEPT}
        script = tuple(map(literal, (*_given(self.case), *self.lines)))
        extra = JsonObject({**kept, "script": script})
        return evolve(self.case, id=f"{self.case.id}-found", extra=extra)

    @property
    def least(self) -> int:
        """The fewest lines that a script can have beside what the case's history gives it."""
        return 0 if _given(self.case) else 1

    def as_said(self, transcript: Transcript, opening: str) -> Talk:
        """The same as a script of what was said; `opening` where nothing was."""
        lines = said_by_user(transcript[len(self.case.history) :])
        return Talk(self.case, lines if len(lines) >= self.least else (opening,))


@frozen(kw_only=True)
class Space:
    """Everything that candidates are drawn from.

    `phrases` are in the order in which users say them, those of each case from its place in
    `starts`: often a conversation begins there, and often a phrase is followed by the next. With
    `own_user` there are no lines, and the persona, the guidelines and the seed are drawn instead.
    """

    cases: tuple[TestCase, ...]
    phrases: Lines
    starts: tuple[int, ...]
    personas: Lines = ()
    guidelines: Lines = ()
    own_user: bool = False
    max_turns: int = 10

    @property
    def pool(self) -> Lines:
        """The phrases, each once, the simplest first."""
        return tuple(sorted(set(self.phrases), key=_size))

    def talks(self) -> st.SearchStrategy[Talk]:
        """Draw candidates; they shrink to fewer lines, earlier phrases and the first case."""
        return _talks(self)

    def spoken(self, places: Iterable[int | None], start: int) -> Lines:
        """The phrases at these places; at None the one after the last, the first from `start`."""
        at, lines = start - 1, NOTHING
        for place in places:
            at = (at + 1) % len(self.phrases) if place is None else place
            lines = (*lines, self.phrases[at])
        return lines


@st.composite
def _talks(draw: st.DrawFn, space: Space) -> Talk:
    index = _below(draw, len(space.cases))
    case = space.cases[index]
    if space.own_user:
        persona = (None, *space.personas)[_below(draw, len(space.personas) + 1)]
        guidelines = tuple(text for text in space.guidelines if draw(COIN))
        told = evolve(case, persona=persona, simulation_guidelines=guidelines)
        return Talk(told, seed=_below(draw, SEEDS))
    given = len(_given(case))
    most = max(1, case.max_turns or space.max_turns) - given
    places = st.lists(_places(len(space.phrases)), min_size=1 - given, max_size=most)
    return Talk(case, space.spoken(draw(places), space.starts[index]))


@st.composite
def _places(draw: st.DrawFn, limit: int) -> int | None:
    return None if draw(COIN) else _below(draw, limit)


def _below(draw: st.DrawFn, limit: int) -> int:
    """Draw a number from 0 to `limit` - 1, small ones a little more often.

    Of booleans, since hypothesis takes some of its integers from the constants of whatever modules
    are loaded, and the same search should find the same in any company.
    """
    number = 0
    for _ in range((limit - 1).bit_length()):
        number = 2 * number + draw(COIN)
    return number % limit


def shrunk(talk: Talk, holds: Callable[[Talk], bool], pool: Lines) -> Talk:
    """Make a script smaller until no step is left: take a line out, or put a simpler phrase in.

    Law: what it gives holds, and none of its neighbours does: it without one of its lines, or with
    one of them replaced by a phrase of the pool that is shorter, or as long and earlier by the
    alphabet.

    >>> found = shrunk(Talk(TestCase(goal="x"), ("no", "yes")), lambda it: "yes" in it.lines, ())
    >>> found.lines
    ('yes',)
    """
    before = None
    while talk != before:
        before = talk
        talk = _simplified(_shortened(talk, holds), holds, pool)
    return talk


def _shortened(talk: Talk, holds: Callable[[Talk], bool]) -> Talk:
    while fewer := next(filter(holds, _without_a_line(talk)), None):
        talk = fewer
    return talk


def _without_a_line(talk: Talk) -> Iterator[Talk]:
    lines = talk.lines or ()
    for at in range(len(lines)) if len(lines) > talk.least else ():
        yield evolve(talk, lines=lines[:at] + lines[at + 1 :])


def _simplified(talk: Talk, holds: Callable[[Talk], bool], pool: Lines) -> Talk:
    for at in range(len(talk.lines or ())):
        talk = next(filter(holds, _with_simpler(talk, at, pool)), talk)
    return talk


def _with_simpler(talk: Talk, at: int, pool: Lines) -> Iterator[Talk]:
    lines = talk.lines or ()
    for phrase in takewhile(lambda phrase: _size(phrase) < _size(lines[at]), pool):
        yield evolve(talk, lines=(*lines[:at], phrase, *lines[at + 1 :]))


def _size(phrase: str) -> tuple[int, str]:
    return len(phrase), phrase


def _given(case: TestCase) -> Lines:
    """The first line of a script where the history says it already: the machine skips that one."""
    last = case.history[-1:]
    return said_by_user(last)
