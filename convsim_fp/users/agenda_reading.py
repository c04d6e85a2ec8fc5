"""Reading an agenda from plain data, such as a case's `extra`: every problem of it at once."""

from __future__ import annotations

import re
from functools import partial
from typing import cast

from attrs import frozen

from convsim_fp.core.cases import TestCase
from convsim_fp.core.extras import Reading, collected, read_list, read_object, read_pattern
from convsim_fp.core.json_values import A_COUNT, Json, JsonObject, is_count, kind
from convsim_fp.errors import Problem
from convsim_fp.users.acts import PATIENCE, STUCK, Act, Agenda, Condition, Slot
from convsim_fp.users.places import read_words

__all__ = ["agenda_of", "read_agenda", "without_opening"]

PLACE = "extra.agenda"
AGENDA = ("acts", "slots", "patience", "stuck", "goodbye")
ACT = ("say", "when", "leave", "repeat")
SLOT = ("asked", "say")
SCALAR = str | bool | int | float  # YAML reads an unquoted no or 7 as one of the others
ANYTHING = Condition(re.compile(""))


def agenda_of(case: TestCase) -> Agenda:
    """The case's `agenda`, its places filled: what `agenda` follows, and at load whether it can.

    Raises `InvalidSpec` with all problems at once.

    >>> case = TestCase(goal="x", context={"n": 7}, extra={"agenda": ["It is {context.n}."]})
    >>> agenda_of(case).acts
    (Act(say='It is 7.', when=None, leave='', repeat=False),)
    """
    return collected(_agenda(case), case.id)


def _agenda(case: TestCase) -> Reading[Agenda]:
    agenda = yield from read_agenda(PLACE, case.extra.get("agenda"), case)
    opens = case.agent_opens or case.history or any(act.when is None for act in agenda.acts)
    if not opens and (agenda.acts or agenda.slots):
        yield without_opening(PLACE)
    return agenda


def without_opening(field: str) -> Problem:
    """What to do about an agenda whose user has nothing to begin the conversation with."""
    what = "has no act without `when` to open with; add one, or let the agent open (agent_opens)"
    return Problem(field, what)


def read_agenda(field: str, value: Json, case: TestCase | None) -> Reading[Agenda]:
    """Read a list of acts, or an object that has one, and fill its places from the case.

    Without a case the places are left as they are.
    """
    read = _Reader(case)
    if isinstance(value, tuple):
        if not value:
            yield Problem(field, "is empty; write what the user says")
        return Agenda(acts=(yield from read.acts(field, value)))
    form = "a list of acts, or an object that has them"
    if value is None:
        yield Problem(field, f"is missing, expected {form}")
        return Agenda()
    item = yield from read_object(field, value, known=AGENDA, expected=form)
    if item is None:
        return Agenda()
    acts = yield from read.acts(f"{field}.acts", item.get("acts"))
    slots = yield from read.slots(f"{field}.slots", item.get("slots"))
    if not (item.get("acts") or item.get("slots")):
        yield Problem(field, "has neither acts nor slots; write what the user says")
    patience = yield from _count(f"{field}.patience", item.get("patience"))
    stuck = yield from read.stuck(f"{field}.stuck", item.get("stuck"))
    goodbye = yield from read.words(f"{field}.goodbye", item.get("goodbye"))
    return Agenda(acts, slots, patience, stuck, goodbye)


@frozen
class _Reader:
    """Reads the parts of an agenda; the case, where there is one, fills their places."""

    case: TestCase | None

    def acts(self, field: str, value: Json) -> Reading[tuple[Act, ...]]:
        if value is None:
            return ()
        return (yield from read_list(field, value, read=self.act, expected="a list of acts"))

    def act(self, field: str, value: Json) -> Reading[Act]:
        if isinstance(value, SCALAR):
            return Act((yield from self.words(field, value)))
        form = "text, or an object that has say or leave"
        item = yield from read_object(field, value, known=ACT, expected=form)
        if item is None:
            return Act()
        say = yield from self.words(f"{field}.say", item.get("say"))
        leave = yield from self.words(f"{field}.leave", item.get("leave"))
        if item.get("say") is None and item.get("leave") is None:
            yield Problem(field, "has neither say nor leave; write what the user says")
        given = item.get("when")
        when = None if given is None else (yield from self.condition(f"{field}.when", given))
        repeat = yield from _flag(f"{field}.repeat", item.get("repeat"))
        if repeat and when is None:
            what = "needs a `when`; without one, nothing below would ever be said"
            yield Problem(f"{field}.repeat", what)
        return Act(say, when, leave, repeat)

    def slots(self, field: str, value: Json) -> Reading[tuple[Slot, ...]]:
        if not isinstance(value, JsonObject):
            if value is not None:
                yield Problem(field, f"is {kind(value)}, expected an object of slots by name")
            return ()
        slots: list[Slot] = []
        for name, item in value.items():
            slots.append((yield from self.slot(f"{field}.{name[:40]}", name, item)))
        return tuple(slots)

    def slot(self, field: str, name: str, value: Json) -> Reading[Slot]:
        form = "an object with asked and say"
        item = yield from read_object(field, value, known=SLOT, expected=form)
        if item is None:
            return Slot(name, ANYTHING, "")
        for key in SLOT:
            if item.get(key) is None:
                yield Problem(f"{field}.{key}", f"is missing; a slot is {form}")
        given = item.get("asked")
        condition = self.condition(f"{field}.asked", given)
        asked = ANYTHING if given is None else (yield from condition)
        return Slot(name, asked, (yield from self.words(f"{field}.say", item.get("say"))))

    def condition(self, field: str, value: Json) -> Reading[Condition]:
        if isinstance(value, SCALAR):
            return Condition((yield from self.words(field, value)))
        form = "text, or an object with a pattern"
        item = yield from read_object(field, value, known=("pattern",), expected=form)
        if item is None:
            return ANYTHING
        return Condition((yield from read_pattern(f"{field}.pattern", item.get("pattern"))))

    def stuck(self, field: str, value: Json) -> Reading[tuple[str, ...]]:
        if value is None:
            return STUCK
        if not isinstance(value, tuple):
            return ((yield from self.words(field, value)),)
        if not value:
            yield Problem(field, "is empty; write what the user says, or leave it out")
        read = partial(read_words, case=self.case)
        return (yield from read_list(field, value, read=read, expected="texts"))

    def words(self, field: str, value: Json) -> Reading[str]:
        return "" if value is None else (yield from read_words(field, value, self.case))


def _flag(field: str, value: Json) -> Reading[bool]:
    if value is not None and not isinstance(value, bool):
        yield Problem(field, f"is {kind(value)}, expected true or false")
    return value is True


def _count(field: str, value: Json) -> Reading[int]:
    if value is None:
        return PATIENCE
    if not is_count(value):
        yield Problem(field, f"is {kind(value)}, expected {A_COUNT}")
    return cast("int", value)
