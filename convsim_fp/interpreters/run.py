"""A run under way: its sessions, a bounded number at a time, and how each one ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import TypeAlias, TypeVar

from attrs import Factory, define, evolve

from convsim_fp.core.observations import Interrupted
from convsim_fp.core.state import State
from convsim_fp.interpreters.aio import aconverse
from convsim_fp.interpreters.interruption import (
    CANCELLED,
    ConversationCancelled,
    RunCancelled,
    reason_of,
)
from convsim_fp.interpreters.perform import APerform, aperform, aperform_made
from convsim_fp.interpreters.plan import Planned
from convsim_fp.interpreters.ports import Entry, Ports, PortsOf, Sink, Tracer
from convsim_fp.interpreters.tracing import atraced

__all__ = ["Finished", "Run"]

Finished: TypeAlias = Callable[[State], None]

T = TypeVar("T")


@define
class Run:
    """Everything that changes while a run goes on is in here."""

    planned: tuple[Planned, ...]
    ports: Ports | PortsOf
    concurrency: int
    sink: Sink
    tracer: Tracer | None
    finished: Finished | None
    todo: deque[int] = Factory(lambda self: deque(range(len(self.planned))), takes_self=True)
    ended: dict[int, State] = Factory(dict[int, State])
    why: Interrupted = CANCELLED
    broken: BaseException | None = None

    async def go(self) -> tuple[State, ...]:
        """Work on all sessions; when cancelled, `RunCancelled` is the cause."""
        try:
            while self.todo:  # again where an agent that cancels its own task took a worker along
                await self._work_together(min(self.concurrency, len(self.todo)))
        except asyncio.CancelledError as error:
            raise error from RunCancelled(self.states())
        return self.states()

    def states(self) -> tuple[State, ...]:
        """Every session in order; those that did not begin as interrupted."""
        why = evolve(self.why, detail=f"it had not begun: {self.why.detail}")
        return tuple(
            self.ended.get(index) or planned.cut(why) for index, planned in enumerate(self.planned)
        )

    def give_up(self) -> None:
        """What still goes on stops at its next answer, and tells nobody."""
        self.broken = self.broken or asyncio.CancelledError()

    async def _work_together(self, count: int) -> None:
        workers = [asyncio.create_task(self._work()) for _ in range(count)]
        try:
            await asyncio.wait(workers, return_when=asyncio.FIRST_EXCEPTION)
        except asyncio.CancelledError as error:
            self.why = reason_of(error)
            raise
        finally:
            for worker in workers:
                worker.cancel(self.why)
            await asyncio.gather(*workers, return_exceptions=True)
            self._raise_broken()

    async def _work(self) -> None:
        while self.todo:
            index = self.todo.popleft()
            planned = self.planned[index]
            try:
                state = await aconverse(
                    planned.rules, planned.begun(), self._performing(), sink=self._tell
                )
            except asyncio.CancelledError as error:
                cut = ConversationCancelled.behind(error)
                self.ended[index] = cut.state if cut else planned.cut(reason_of(error))
                raise
            except BaseException as error:
                self.broken = self.broken or error
                raise
            self.ended[index] = state
            if self.finished is not None:
                self._call(self.finished, state)

    def _performing(self) -> APerform:
        ports = self.ports
        perform = aperform(ports) if isinstance(ports, Ports) else aperform_made(ports)
        return perform if self.tracer is None else atraced(perform, self.tracer)

    def _tell(self, entry: Entry) -> None:
        self._call(self.sink, entry)

    def _call(self, callback: Callable[[T], None], told: T) -> None:
        """Call the sink or `finished`; where one raised, everybody stops, and none is told more."""
        if self.broken is not None:
            raise asyncio.CancelledError
        try:
            callback(told)
        except BaseException as error:
            self.broken = error
            raise

    def _raise_broken(self) -> None:
        match self.broken:
            case None:
                return
            case KeyboardInterrupt() | SystemExit():
                raise asyncio.CancelledError from self.broken  # the loop has raised it already
            case error:
                raise error
