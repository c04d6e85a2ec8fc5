"""Conversations into MLflow while they go on: the traces of a session are written when it ends.

Nothing of this is on the conversations' way: what was asked and answered is noted as it happens,
traces are made and written by a thread of their own. Where MLflow is slow, down or full, they wait
there; what is left at the end is counted, and can be exported from the run's journal later.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import Thread

from attrs import define, field
from mlflow.entities import TraceInfo

from convsim_adapters.mlflow.catching import Catch, catching
from convsim_adapters.mlflow.made import Destination, SessionMade
from convsim_adapters.mlflow.pacing import Pace
from convsim_adapters.mlflow.turns import TurnMade, end_metadata, turn_metadata
from convsim_adapters.mlflow.vendor import mlflow
from convsim_adapters.mlflow.writing import Projected, Writer
from convsim_adapters.running.results import SessionResult
from convsim_fp.core import AgentReplied, CallAgent, Request
from convsim_fp.core.envelope import Entry, Observed
from convsim_fp.interpreters import APerform

__all__ = ["Projection", "projecting"]

LOOK = 0.1  # seconds between two looks at how far the writing is
STUCK = 60.0  # seconds without any progress, after which the rest is given up

Call = tuple[object, object]


@define
class Projection:
    """One run on its way into MLflow; give `around`, `sink` and `finished` to what carries it out.

    `run` is the run's key. `calls` are what agents were really called with and really returned, by
    session and turn, where somebody notes it; `turns` those of sessions that go on from a journal,
    as far as no trace of them is stored.
    """

    run: str
    catch: Catch
    writer: Writer
    calls: dict[tuple[str, int], Call] = field(factory=dict)
    turns: dict[str, list[TurnMade]] = field(factory=dict)
    _pace: Pace = field(factory=Pace)

    def around(self, perform: APerform) -> APerform:
        """Say of the agent's traces whose turn it is; what the simulator asks leaves none."""

        async def performed(request: Request) -> Observed:
            if not isinstance(request, CallAgent):
                with mlflow.tracing.context(enabled=False):
                    return await perform(request)
            self.catch.renew()
            if not self.catch.works:
                await self._pace.next()
            told = turn_metadata(self.run, request.session, request.case, request.id.turn)
            with mlflow.tracing.context(metadata=told):
                return await perform(request)

        return performed

    def sink(self, entry: Entry) -> None:
        """Note a turn."""
        request, seen = entry.request, entry.observed.observation
        if entry.wasted or entry.rebuilt or not isinstance(request, CallAgent):
            return
        if isinstance(seen, AgentReplied):
            call = self.calls.pop((request.session.id, request.id.turn), None)
            made = TurnMade.of(request, seen, entry.observed.facts, call)
            self.turns.setdefault(request.session.id, []).append(made)

    def finished(
        self,
        result: SessionResult,
        expectations: Mapping[str, object],
        stored: Sequence[TraceInfo] = (),
    ) -> None:
        """A session has ended: its traces are complete, and can be written.

        `stored` are those that are in the store since before it went on.
        """
        turns, told = tuple(self.turns.pop(result.id, ())), end_metadata(result)
        expected: Mapping[str, object] = {} if stored else expectations
        self.put(SessionMade(self.run, result.id, turns, told, expected, tuple(stored)))

    @property
    def unfinished(self) -> int:
        """How many turns are of sessions that have not ended."""
        return sum(len(turns) for turns in self.turns.values())

    def put(self, session: SessionMade) -> None:
        """Have the traces of a session written."""
        self.writer.put(session)


@contextmanager
def projecting(
    run: str, destination: Callable[[], Destination], *, told: Callable[[int, int], object] = max
) -> Generator[tuple[Projection, Callable[[], Projected]]]:
    """A run's way into MLflow, and what waits until all is written, and says what became of it.

    `destination` finds or makes the experiment and the run to write to, in the thread that writes.
    `told` hears how many traces are written of how many, while that is waited for.
    """
    with catching(run) as catch:
        writer = Writer(run, destination, catch, SimpleQueue())
        thread = Thread(target=writer.go, name="convsim mlflow", daemon=True)
        thread.start()

        def end() -> Projected:
            writer.waiting.put(None)
            moved, still = -1, 0.0
            while thread.is_alive() and still < STUCK:
                thread.join(LOOK)
                moved, still = writer.moved, 0.0 if writer.moved != moved else still + LOOK
                told(writer.written, writer.made)
            return writer.projected()

        try:
            yield Projection(run, catch, writer), end
        finally:
            writer.waiting.put(None)
