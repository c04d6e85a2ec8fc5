"""Sessions played by hand, and the journals that they leave behind: what is in them is known."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import cycle

from attrs import frozen

from convsim_fp.core.envelope import NO_FACTS, Entry, Facts, Observed
from convsim_fp.core.json_values import freeze_object
from convsim_fp.core.machine import start
from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Request, Session
from convsim_fp.core.state import State, Step
from convsim_fp.interpreters.drive import forget, interrupt, take
from convsim_fp.interpreters.perform import Perform, perform
from convsim_fp.journal.codec import record_to_plain
from convsim_fp.journal.lines import write_line
from convsim_fp.journal.records import FORMAT, MACHINE, Begun, Header, Parent, Record, Snapshot
from convsim_fp.journal.writing import Known, ended, recorded
from convsim_fp.testing.strategies import Setting

__all__ = ["HEADER", "SESSION", "Played", "play", "records_of", "segment_of"]

HEADER = Header(FORMAT, "run", "0", MACHINE, "v1", "2026-11-25T00:00:00+00:00", freeze_object({}))
SESSION = Session("case-0/1", 1, 7)


@frozen
class Played:
    """A session that was played: what decided it, its entries in order, where it came to.

    `steps` are the step that it began with and the one after each entry.
    """

    setting: Setting
    steps: tuple[Step, ...]
    entries: tuple[Entry, ...] = ()

    @property
    def end(self) -> State:
        """The state that it came to."""
        return self.steps[-1].state

    @property
    def asked(self) -> tuple[Request, ...]:
        """What was asked and not answered."""
        answered = {entry.request.id for entry in self.entries if entry.request is not None}
        listed = {request.id: request for step in self.steps for request in step.requests}
        return tuple(request for name, request in listed.items() if name not in answered)


def play(
    setting: Setting,
    begun: Step | None = None,
    *,
    session: Session = SESSION,
    schedule: Iterable[int] = (),
    costs: Iterable[Facts] = (NO_FACTS,),
    cut: int | None = None,
    why: Interrupted | None = None,
) -> Played:
    """Play a session by hand, or go on with it from a step; an answer after the end is wasted.

    `schedule` is an order of arrival, as for `drive`; `costs` are the facts of the answers, in
    turn. It stops after `cut` answers: interrupted where `why` is given, else as if killed.
    """
    first = start(setting.rules, setting.case, session) if begun is None else begun
    performed, order = _costing(perform(setting.ports), costs), iter(schedule)
    done = Played(setting, (first,))
    while (waiting := done.steps[-1].requests) and len(done.entries) != cut:
        done = _answered(done, waiting[next(order, 0) % len(waiting)], performed)
    if waiting:
        return done if why is None else _interrupted(done, why)
    for request in done.asked:
        done = _answered(done, request, performed)
    return done


def _costing(performed: Perform, costs: Iterable[Facts]) -> Perform:
    each = cycle(costs)
    return lambda request: Observed(performed(request).observation, next(each))


def _answered(done: Played, request: Request, performed: Perform) -> Played:
    told: list[Entry] = []
    rules, step = done.setting.rules, done.steps[-1]
    after = take(rules, step, request, performed(request), told.append)
    return Played(done.setting, (*done.steps, after), (*done.entries, *told))


def _interrupted(done: Played, why: Interrupted) -> Played:
    told: list[Entry] = []
    after = interrupt(done.setting.rules, done.steps[-1], why, told.append)
    forget(after, done.asked, told.append)
    steps = (*done.steps, *(after for _ in told))
    return Played(done.setting, steps, (*done.entries, *told))


def records_of(
    done: Played, *, snapshot: Snapshot | None = None, parent: Parent | None = None
) -> Iterator[Record]:
    """The records that a writer makes of a session: its beginning, its entries, its end if any."""
    session, case = done.end.session, done.end.case
    yield Begun(session, case, "" if snapshot is None else snapshot.digest, parent)
    known = Known(case.history if snapshot is None else snapshot.state.transcript)
    for entry in done.entries:
        record, known = recorded(known, entry)
        yield record
    if done.end.stop_reason is not None:
        yield ended(known, done.end)


def segment_of(records: Iterable[Record], *, header: Header = HEADER) -> str:
    """Write records as the text of one segment, after its header."""
    numbered = enumerate((header, *records))
    return "".join(write_line(number, record_to_plain(record)) for number, record in numbered)
