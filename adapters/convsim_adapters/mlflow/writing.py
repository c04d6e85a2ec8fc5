"""The thread that makes traces of sessions and writes them, together and at its own pace."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from queue import Empty, SimpleQueue
from threading import Lock
from typing import Any

from attrs import define, evolve, field, frozen
from mlflow.entities import Trace

from convsim_adapters.mlflow.catching import Catch
from convsim_adapters.mlflow.made import Destination, SessionMade, expect, start_and_end, traces_of
from convsim_adapters.mlflow.names import RUN, STOP_REASON, TURN
from convsim_adapters.mlflow.stored import StoredTurns, add_metadata, read_traces, stored_turns
from convsim_adapters.mlflow.storing import Store
from convsim_adapters.mlflow.turns import turn_metadata
from convsim_adapters.mlflow.vendor import mlflow

__all__ = ["Projected", "Writer"]

BATCH = 100  # traces that are written together
TOGETHER = 0.1  # seconds to wait for more of them
NO_ANSWER = "it has not answered yet"

log = logging.getLogger("convsim")


@frozen
class Projected:
    """What became of the traces: by session what was made, and how many are in the store.

    `untraced` counts turns of which MLflow made no trace: tracing is off, or only some are sampled.
    `trouble` says why some are not written; `refused` which the store would not take, and why.
    """

    traces: Mapping[str, tuple[Trace, ...]]
    written: int = 0
    unwritten: int = 0
    untraced: int = 0
    trouble: str | None = None
    refused: tuple[str, ...] = ()


@define
class Writer:
    """Makes and writes traces until None comes; `moved` changes with every step that it gets on."""

    run: str
    find: Callable[[], Destination]
    catch: Catch
    waiting: SimpleQueue[SessionMade | None]
    moved: int = 0
    made: int = 0
    written: int = 0
    untraced: int = 0
    trouble: str | None = None
    _destination: Destination | None = None
    _store: Store = field(factory=Store)
    _traces: dict[str, tuple[Trace, ...]] = field(factory=dict)
    _given: dict[str, int] = field(factory=dict)
    _unmade: list[SessionMade] = field(factory=list)
    _unwritten: list[Trace] = field(factory=list)
    _lock: Any = field(factory=Lock)

    def put(self, session: SessionMade) -> None:
        """Have the traces of a session written; its turns count as unwritten until they are."""
        with self._lock:
            self._given[session.id] = len(session.turns)
        self.waiting.put(session)

    def go(self) -> None:
        """Write until nothing more comes; then once more what could not be written."""
        more = True
        while more:
            sessions, more = self._next()
            self._take(sessions)
        if self._unmade or self._unwritten:
            self.trouble = None
            unmade, self._unmade = self._unmade, []
            self._take(unmade)

    def projected(self) -> Projected:
        """How far it came."""
        refused = tuple(
            f"{trace.info.trace_id}: {error}"[:300] for trace, error in self._store.refused
        )
        with self._lock:
            unmade = (turns for name, turns in self._given.items() if name not in self._traces)
            unwritten = len(self._unwritten) + sum(unmade)
            trouble = self.trouble or (NO_ANSWER if unwritten else None)
            done = self.written - len(refused)
            return Projected(dict(self._traces), done, unwritten, self.untraced, trouble, refused)

    def _next(self) -> tuple[list[SessionMade], bool]:
        """The sessions that ended, as many as are written together; whether more may come."""
        found: list[SessionMade] = []
        turns = 0
        while turns < BATCH:
            try:
                one = self.waiting.get(timeout=TOGETHER if found else None)
            except Empty:
                break
            if one is None:
                return found, False
            found.append(one)
            turns += len(one.turns)
        return found, True

    def _take(self, sessions: list[SessionMade]) -> None:
        try:
            if self._destination is None and sessions:
                self._destination = self.find()
            if self.catch.works:
                self._make(sessions)
                self._write()
            else:
                self._leave_it_to_mlflow(sessions)
        except Exception as error:  # noqa: BLE001  whatever MLflow has, conversations go on
            self._fail(error)
            self._unmade += [one for one in sessions if one.id not in self._traces]
        self.moved += 1

    def _make(self, sessions: Sequence[SessionMade]) -> None:
        """Make what is not in MLflow's hands, and look for what got there all the same."""
        self.catch.renew()
        self._adopt(sessions)
        known = self._in_mlflows_hands() if self.catch.replaced else {}
        made = {
            one.id: traces_of(_without(one, known), self.catch, self._known()) for one in sessions
        }
        if any(_lacking(one, made[one.id], known) for one in sessions):
            known = self._in_mlflows_hands()
        for one in sessions:
            elsewhere = self._completed(one, known)
            lacking = _lacking(one, made[one.id], known)
            with self._lock:
                self._traces[one.id] = (*elsewhere, *made[one.id])
                self._unwritten += made[one.id]
                self.made += len(made[one.id]) + len(elsewhere)
                self.written += len(elsewhere)
                self.untraced += len(lacking)

    def _in_mlflows_hands(self) -> dict[str, StoredTurns]:
        mlflow.flush_trace_async_logging()
        return stored_turns(self.run)

    def _completed(
        self, session: SessionMade, known: Mapping[str, StoredTurns]
    ) -> tuple[Trace, ...]:
        """The traces that MLflow wrote by itself, with what they lack of the session's end."""
        before = {info.trace_id for info in session.stored}
        there = known.get(session.id, {})
        found = [info for turn in sorted(there) for info in there[turn]]
        infos = [info for info in found if info.trace_id not in before]
        for info in (*infos, *session.stored):
            if session.told and STOP_REASON not in info.trace_metadata:
                add_metadata(info, session.told)
        return read_traces(infos)

    def _adopt(self, sessions: Sequence[SessionMade]) -> None:
        """Take the traces that agents have named themselves; MLflow has written them meanwhile."""
        named = {
            turn.trace_id: turn
            for session in sessions
            for turn in session.turns
            if turn.trace_id and not self.catch.has(session.id, turn.turn)
        }
        if not named:
            return
        read = self._store.client.batch_get_traces
        found = read(list(named))
        if len(found) < len(named):
            mlflow.flush_trace_async_logging()
            found = read(list(named))
        for trace in found:
            turn = named[trace.info.trace_id]
            told = turn_metadata(self.run, turn.session, turn.case, turn.turn)
            if trace.info.trace_metadata.get(RUN) in (None, self.run):
                del named[trace.info.trace_id]
                trace.info.trace_metadata.update(told)
                self.catch.add(told, trace)
        for trace_id, turn in named.items():
            what = "%s, turn %d: the trace %s that the agent named is not there, or of another run"
            log.warning(what, turn.session.id, turn.turn, trace_id)

    def _write(self) -> None:
        while self._unwritten:
            some = self._unwritten[:BATCH]
            self._store.write(some)
            with self._lock:
                self._unwritten = self._unwritten[BATCH:]
                self.written += len(some)
                self.moved += 1

    def _leave_it_to_mlflow(self, sessions: list[SessionMade]) -> None:
        """The public way: what agents left is looked up, and the rest goes as theirs went."""
        if not sessions:
            return
        self._adopt(sessions)
        for one in sessions:
            for named in self.catch.take(one.id).values():
                for trace in named:
                    add_metadata(trace.info, one.told)
        before = self._in_mlflows_hands()
        unmade = {
            one.id: sum(
                not start_and_end(turn, one, self._known()) for turn in _without(one, before).turns
            )
            for one in sessions
        }
        after = self._in_mlflows_hands()
        for one in sessions:
            self._count(one, after, unmade[one.id])

    def _count(self, session: SessionMade, known: Mapping[str, StoredTurns], unmade: int) -> None:
        there = known.get(session.id, {})
        infos = [info for turn in sorted(there) for info in there[turn]]
        for assessment in expect(session, infos[0].trace_id) if infos else ():
            mlflow.log_assessment(infos[0].trace_id, assessment)
        traces = self._completed(session, known)
        lost = len(_lacking(session, traces, known)) - unmade
        if lost > 0:
            log.warning("MLflow has lost %d traces of %s", lost, session.id)
        with self._lock:
            self._traces[session.id] = traces
            self.made += len(traces) + lost
            self.written += len(traces)
            self.untraced += unmade

    def _known(self) -> Destination:
        return Destination() if self._destination is None else self._destination

    def _fail(self, error: Exception) -> None:
        words = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        if self.trouble is None:
            log.warning("traces wait, since MLflow does not take them: %s", words)
        self.trouble = words


def _without(session: SessionMade, known: Mapping[str, StoredTurns]) -> SessionMade:
    """A session with those of its turns of which no trace is known."""
    there = known.get(session.id, {})
    return evolve(session, turns=tuple(one for one in session.turns if one.turn not in there))


def _lacking(
    session: SessionMade, traces: Sequence[Trace], known: Mapping[str, StoredTurns]
) -> set[int]:
    """The turns of a session that have no trace."""
    made = {int(trace.info.trace_metadata.get(TURN, -1)) for trace in traces}
    return {one.turn for one in session.turns} - made - known.get(session.id, {}).keys()
