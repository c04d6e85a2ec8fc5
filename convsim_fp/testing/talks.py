"""Candidates of a search: which conversations it draws, and how it makes one of them smaller."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
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

NOT_KEPT = ("agenda", "goal_when", "script")  # fields that would have another say in it
SEEDS = 256


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

    `phrases` are in the order in which users say them: often one is followed by the next. With
    `own_user` there are no lines, and the persona, the guidelines and the seed are drawn instead.
    """

    cases: tuple[TestCase, ...]
    phrases: Lines
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
        case = _one_of(self.cases)
        return case.flatmap(self._told if self.own_user else self._scripted)

    def _scripted(self, case: TestCase) -> st.SearchStrategy[Talk]:
        given = len(_given(case))
        most = max(1 - given, (case.max_turns or self.max_turns) - given)
        place = st.tuples(st.booleans(), _below(len(self.phrases)))
        lines = st.lists(place, min_size=1 - given, max_size=most)
        return lines.map(lambda places: Talk(case, tuple(self._along(places))))

    def _along(self, places: Iterable[tuple[bool, int]]) -> Iterator[str]:
        at = -1
        for goes_on, place in places:
            at = (at + 1) % len(self.phrases) if goes_on else place
            yield self.phrases[at]

    def _told(self, case: TestCase) -> st.SearchStrategy[Talk]:
        persona = _one_of((None, *self.personas))
        chosen = st.tuples(*(st.booleans() for _ in self.guidelines))
        return st.builds(partial(self._talk, case), persona, chosen, _below(SEEDS))

    def _talk(
        self, case: TestCase, persona: str | None, chosen: tuple[bool, ...], seed: int
    ) -> Talk:
        picked = zip(self.guidelines, chosen, strict=True)
        guidelines = tuple(text for text, is_in in picked if is_in)
        told = evolve(case, persona=persona, simulation_guidelines=guidelines)
        return Talk(told, seed=seed)


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


def _one_of(items: tuple[TestCase | str | None, ...]) -> st.SearchStrategy:
    return _below(len(items)).map(items.__getitem__)


def _below(limit: int) -> st.SearchStrategy[int]:
    """Draw a number from 0 to `limit` - 1, small ones a little more often.

    Of booleans, since hypothesis takes some of its integers from the constants of whatever modules
    are loaded, and the same search should find the same in any company.
    """
    bits = st.tuples(*(st.booleans() for _ in range((limit - 1).bit_length())))
    return bits.map(lambda drawn: _number(drawn) % limit)


def _number(bits: tuple[bool, ...]) -> int:
    return int("".join(map(str, map(int, bits))) or "0", 2)
