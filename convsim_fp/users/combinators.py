"""Simulated users made of others."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias, cast

from attrs import evolve, frozen

from convsim_fp.core.behaviours import (
    AskUser,
    Leave,
    Move,
    Question,
    Say,
    SimulatedUser,
    View,
    consult,
)
from convsim_fp.core.json_values import Json, JsonObject, freeze_object, kind
from convsim_fp.errors import InvalidSpec, MalformedReply, Problem
from convsim_fp.texts import V1, Wording

__all__ = ["First", "Screen", "first", "screened"]

Screen: TypeAlias = Callable[[View, str], str | None]


def first(turns: int, user: SimulatedUser) -> First:
    """Let one user speak for the first turns and another after them: ``first(2, a).then(b)``.

    For each of the two the conversation has only its own turns, counted from 1, and only its own
    memo. Raises `InvalidSpec` for less than one turn.
    """
    if isinstance(turns, bool) or not isinstance(turns, int) or turns < 1:
        raise InvalidSpec([Problem("first", f"is {kind(turns)}, expected at least 1 turn")])
    return First(turns, user)


@frozen
class First:
    """The beginning of ``first(n, a).then(b)``."""

    turns: int
    user: SimulatedUser

    def then(self, user: SimulatedUser) -> SimulatedUser:
        """Complete it with the user of the later turns."""
        return _Then(self.turns, self.user, user)


@frozen
class _Then:
    turns: int
    early: SimulatedUser
    late: SimulatedUser

    def __call__(self, view: View) -> Generator[Question, str, Move]:
        if view.turn <= self.turns:
            return (yield from _in_turn("early", self.early, view))
        later = evolve(view, turn=view.turn - self.turns)
        return (yield from _in_turn("late", self.late, later))


def _in_turn(name: str, user: SimulatedUser, view: View) -> Generator[Question, str, Move]:
    memo = view.memo.get(name) if isinstance(view.memo, JsonObject) else None
    asking: Generator[Question, str, Move] = consult(user, evolve(view, memo=memo))
    move = yield from asking
    return evolve(move, memo=_owned(name, move.memo)) if isinstance(move, Say) else move


def _owned(name: str, memo: Json) -> JsonObject | None:
    return None if memo is None else freeze_object({name: memo})


def screened(user: SimulatedUser, screen: Screen, *, wording: Wording = V1) -> SimulatedUser:
    """Ask again for every message that `screen` objects to.

    `screen(view, text)` gives the objection in words that a model can act on, or None. A model is
    asked again with the objection before its question, within the rules' `max_asks`; a user that
    asks nobody and is objected to has failed.
    """
    return _Screened(user, screen, wording)


@frozen
class _Screened:
    user: SimulatedUser
    screen: Screen
    wording: Wording

    def __call__(self, view: View) -> Generator[Question, str, Move]:
        objection = ""
        while True:
            move, asked = yield from self.again(objection, consult(self.user, view))
            text = _words(move)
            objection = (self.screen(view, text) if text else "") or ""
            if not objection:
                return move
            if not asked:
                raise MalformedReply(f"the message was objected to: {objection}")

    def again(
        self, objection: str, asking: Generator[Question, str, Move]
    ) -> Generator[Question, str, tuple[Move, bool]]:
        """Run the user with an objection before its first question; whether it asked at all."""
        try:
            question = next(asking)
        except StopIteration as end:
            return cast("Move", end.value), False
        question = self.with_objection(question, objection) if objection else question
        while True:
            try:
                question = asking.send((yield question))
            except StopIteration as end:
                return cast("Move", end.value), True

    def with_objection(self, question: Question, objection: str) -> Question:
        if isinstance(question, AskUser):
            return AskUser(because=objection)
        again = self.wording.objected(objection, question.prompt.question)
        return evolve(question, prompt=evolve(question.prompt, question=again), because=objection)


def _words(move: Move) -> str:
    match move:
        case Say():
            return move.text
        case Leave():
            return move.say
        case _:
            return ""
