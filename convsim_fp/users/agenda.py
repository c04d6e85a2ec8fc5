"""A simulated user that follows an agenda and needs no model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from attrs import evolve, frozen

from convsim_fp.core.behaviours import Leave, Move, Say, SimulatedUser, View
from convsim_fp.core.extras import collected
from convsim_fp.core.json_values import Json, JsonObject, NotJson, freeze, freeze_object
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.users.acts import Act, Agenda, Condition, Slot
from convsim_fp.users.agenda_reading import agenda_of, read_agenda, without_opening

__all__ = ["agenda"]

PLACE = "agenda"
MOST_QUOTED = 80  # characters of what the agent said last


def agenda(spec: Sequence[object] | Mapping[str, object] | None = None) -> SimulatedUser:
    """Follow a stack of acts, tell what is asked for, and leave when nothing helps.

    In the line of Schatzmann, Thomson, Weilhammer, Ye and Young, "Agenda-Based User Simulation for
    Bootstrapping a POMDP Dialogue System" (HLT-NAACL 2007). Without `spec`, the form of which is
    that of the field, it is ``case.extra["agenda"]``. A turn:

    1. The agent's last message calls for the first act whose `when` it holds, and for every slot
       whose `asked` it holds. They are said together, the act first.
    2. If it calls for nothing, the first act without `when` is said.
    3. If there is none, the user says that it is `stuck`.

    An act is said once, or with `repeat` whenever it is called for. A turn moves the conversation
    if it says an act or tells a slot for the first time, or repeats an act in reply to words that
    the agent did not use before. At the `patience`-th reply in a row that moves nothing the user
    leaves. An act with `leave` ends it at once, and the slots are not told.

    Raises `InvalidSpec` with all that is wrong with `spec`; the user fails where the case has no
    value for a place such as ``{context.order}``.

    >>> from convsim_fp.core.cases import TestCase
    >>> user = agenda(["My kettle broke.", {"leave": "said it all"}])
    >>> user(View(TestCase(goal="a refund"), turn=1)).text
    'My kettle broke.'
    """
    if spec is None:
        return _FromAgenda(None)
    given = _frozen(spec)
    collected(read_agenda(PLACE, given, None))
    return _FromAgenda(given)


@frozen
class _FromAgenda:
    spec: Json

    def __call__(self, view: View) -> Move:
        case, progress = view.case, _progress(view.memo)
        if self.spec is None:
            return _move(agenda_of(case), view, progress)
        return _move(collected(read_agenda(PLACE, self.spec, case), case.id), view, progress)


@frozen
class _Progress:
    """How far the user is: acts said, by their place; slots told; replies that moved nothing."""

    said: tuple[int, ...] = ()
    told: tuple[str, ...] = ()
    idle: int = 0

    def after(self, popped: _Popped, *, moved: bool) -> _Progress:
        """The progress once what was popped is said."""
        said = () if popped.act is None else (popped.at,)
        return _Progress(
            tuple(dict.fromkeys((*self.said, *said))),
            tuple(dict.fromkeys((*self.told, *(slot.name for slot in popped.slots)))),
            0 if moved else self.idle + 1,
        )

    def as_memo(self) -> JsonObject:
        return freeze_object({"said": self.said, "told": self.told, "idle": self.idle})


@frozen
class _Popped:
    """What a turn takes from the agenda: an act and its place, and the slots that are asked for."""

    act: Act | None = None
    at: int = -1
    slots: tuple[Slot, ...] = ()

    def words(self) -> str:
        act = () if self.act is None else (self.act.say,)
        said = (*act, *(slot.say for slot in self.slots))
        return " ".join(text for text in dict.fromkeys(said) if text)


def _move(agenda: Agenda, view: View, before: _Progress) -> Move:
    popped = _pop(agenda, _heard(view), before)
    act, words = popped.act, popped.words()
    if act is not None and act.leave:
        return Leave(act.leave, act.say)
    if not words and not view.transcript:
        raise InvalidSpec([evolve(without_opening("the agenda"), id=view.case.id)])
    after = before.after(popped, moved=_moves(popped, view, before))
    if after.idle >= agenda.patience:
        return Leave(_why(after.idle, _heard(view)), agenda.goodbye)
    return Say(words or agenda.stuck[(after.idle - 1) % len(agenda.stuck)], after.as_memo())


def _pop(agenda: Agenda, heard: str | None, before: _Progress) -> _Popped:
    slots = tuple(slot for slot in agenda.slots if _holds(slot.asked, heard))
    left = tuple(
        (at, act) for at, act in enumerate(agenda.acts) if act.repeat or at not in before.said
    )
    called = tuple((at, act) for at, act in left if _holds(act.when, heard))
    of_itself = () if slots else tuple((at, act) for at, act in left if act.when is None)
    for at, act in (*called, *of_itself):
        return _Popped(act, at, slots)
    return _Popped(slots=slots)


def _holds(condition: Condition | None, heard: str | None) -> bool:
    return condition is not None and heard is not None and condition.holds(heard)


def _moves(popped: _Popped, view: View, before: _Progress) -> bool:
    if any(slot.name not in before.told for slot in popped.slots):
        return True
    if popped.act is None:
        return False
    return popped.at not in before.said or not _heard_before(view)


def _heard(view: View) -> str | None:
    last = view.transcript[-1] if view.transcript else None
    return last.text if last is not None and last.speaker == "agent" else None


def _heard_before(view: View) -> bool:
    return any(
        message.speaker == "agent" and message.text == view.transcript[-1].text
        for message in view.transcript[:-1]
    )


def _why(idle: int, heard: str | None) -> str:
    replies = "1 reply" if idle == 1 else f"{idle} replies in a row"
    last = " ".join((heard or "").split())
    shown = last if len(last) <= MOST_QUOTED else f"{last[:MOST_QUOTED]}…"
    return f'patience ran out: {replies} moved nothing, the last: "{shown}"'


def _progress(memo: Json) -> _Progress:
    match memo:
        case {"said": tuple(said), "told": tuple(told), "idle": int(idle)}:
            acts = tuple(at for at in said if isinstance(at, int))
            return _Progress(acts, tuple(name for name in told if isinstance(name, str)), idle)
        case _:
            return _Progress()


def _frozen(spec: Sequence[object] | Mapping[str, object]) -> Json:
    try:
        return freeze(spec)
    except NotJson as error:
        raise InvalidSpec([Problem(error.within(PLACE), error.what)]) from None
