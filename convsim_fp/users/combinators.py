"""Simulated users made of others."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import TypeAlias, cast

from attrs import evolve, frozen

from convsim_fp.core.behaviours import (
    Ask,
    AskUser,
    Leave,
    Move,
    Question,
    Say,
    SimulatedUser,
    View,
    consult,
)
from convsim_fp.core.json_values import Json, JsonObject, freeze_object
from convsim_fp.errors import InvalidSpec, MalformedReply, Problem

__all__ = ["First", "Screen", "first", "screened"]

Screen: TypeAlias = Callable[[View, str], str | None]


def first(turns: int, user: SimulatedUser) -> First:
    """Let one user speak for the first turns and another after them: ``first(2, a).then(b)``.

    Each of the two sees only what itself left in the memo. Raises `InvalidSpec` for less than one
    turn.
    """
    if isinstance(turns, bool) or not isinstance(turns, int) or turns < 1:
        raise InvalidSpec([Problem("first", f"has {turns!r} turns, expected at least 1")])
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
        name = "early" if view.turn <= self.turns else "late"
        user = self.early if name == "early" else self.late
        memo = view.memo.get(name) if isinstance(view.memo, JsonObject) else None
        asking: Generator[Question, str, Move] = consult(user, evolve(view, memo=memo))
        move = yield from asking
        if isinstance(move, Say):
            return evolve(move, memo=_owned(name, move.memo))
        return move


def _owned(name: str, memo: Json) -> JsonObject | None:
    return None if memo is None else freeze_object({name: memo})


def screened(user: SimulatedUser, screen: Screen) -> SimulatedUser:
    """Ask again for every message that `screen` objects to.

    `screen(view, text)` gives the objection in words that a model can act on, or None. A model is
    asked again with the objection before its question, within the rules' `max_asks`; a user that
    asks nobody and is objected to has failed.
    """
    return _Screened(user, screen)


@frozen
class _Screened:
    user: SimulatedUser
    screen: Screen

    def __call__(self, view: View) -> Generator[Question, str, Move]:
        objection: str | None = None
        while True:
            move, asked = yield from _with(objection, consult(self.user, view))
            text = (
                move.text if isinstance(move, Say) else move.say if isinstance(move, Leave) else ""
            )
            objection = self.screen(view, text) if text else None
            if objection is None:
                return move
            if not asked:
                raise MalformedReply(f"the message was objected to: {objection}")


def _with(
    objection: str | None, asking: Generator[Question, str, Move]
) -> Generator[Question, str, tuple[Move, bool]]:
    """Run a behaviour with an objection before its first question; whether it asked at all."""
    reply = ""
    asked = False
    while True:
        try:
            question = asking.send(reply) if asked else next(asking)
        except StopIteration as end:
            return cast("Move", end.value), asked
        reply = yield _objected(question, objection if not asked else None)
        asked = True


def _objected(question: Question, objection: str | None) -> Question:
    match question:
        case _ if objection is None:
            return question
        case AskUser():
            return AskUser(because=objection)
        case Ask(prompt=prompt):
            again = f"Your last message could not be used: {objection}.\n{prompt.question}"
            return Ask(evolve(prompt, question=again), because=objection)
