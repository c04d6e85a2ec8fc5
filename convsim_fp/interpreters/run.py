"""A run under way: its sessions, a bounded number at a time, and how each one ended."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import MappingProxyType
from typing import TypeAlias, TypeVar, cast

from attrs import Factory, define, evolve

from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Request
from convsim_fp.core.state import State
from convsim_fp.interpreters.aio import aconverse
from convsim_fp.interpreters.budget import Budget, Spent
from convsim_fp.interpreters.drive import interrupt
from convsim_fp.interpreters.interruption import (
    CANCELLED,
    ConversationCancelled,
    RunCancelled,
    facts_behind,
    reason_of,
)
from convsim_fp.interpreters.perform import APerform, aperform, aperform_made
from convsim_fp.interpreters.plan import Planned
from convsim_fp.interpreters.ports import (
    Entry,
    Facts,
    Observed,
    OpenedPorts,
    Ports,
    PortsOf,
    Sink,
    Tracer,
)
from convsim_fp.interpreters.rebuilding import Resumed, rebuild
from convsim_fp.interpreters.timing import aclocked
from convsim_fp.interpreters.tracing import atraced

__all__ = ["Around", "Finished", "Run"]

Finished: TypeAlias = Callable[[State], None]
Around: TypeAlias = Callable[[APerform], APerform]

T = TypeVar("T")

NO_LIMITS = Budget()
NOTHING = Spent()


@define
class Run:
    """Everything that changes while a run goes on is in here."""

    planned: tuple[Planned, ...]
    ports: Ports | PortsOf | OpenedPorts
    concurrency: int
    sink: Sink
    tracer: Tracer | None
    finished: Finished | None
    budget: Budget = NO_LIMITS
    resumed: Mapping[str, Resumed] = MappingProxyType({})
    around: Around | None = None
    spent: Spent = NOTHING
    begun: float = 0.0  # seconds of the loop's clock
    todo: deque[int] = Factory(lambda self: deque(range(len(self.planned))), takes_self=True)
    ended: dict[int, State] = Factory(dict[int, State])
    why: Interrupted = CANCELLED
    broken: BaseException | None = None

    async def go(self) -> tuple[State, ...]:
        """Work on all sessions; when cancelled, `RunCancelled` is the cause."""
        self.begun = asyncio.get_running_loop().time()
        try:
            async with _opened(self.ports) as ports:
                while self.todo:  # again where an agent that cancels its task took a worker along
                    await self._work_together(ports, min(self.concurrency, len(self.todo)))
        except asyncio.CancelledError as error:
            raise error from RunCancelled(self.states())
        return self.states()

    def states(self) -> tuple[State, ...]:
        """Every session in order; those that did not begin as interrupted."""
        why = _unbegun(self.why)
        return tuple(
            self.ended.get(index) or planned.cut(why) for index, planned in enumerate(self.planned)
        )

    def used_up(self) -> Interrupted | None:
        """Whether nothing new may be asked, and why."""
        seconds = asyncio.get_running_loop().time() - self.begun
        return self.budget.used_up(self.spent, seconds)

    def give_up(self) -> None:
        """What still goes on stops at its next answer, and tells nobody."""
        self.broken = self.broken or asyncio.CancelledError()

    async def _work_together(self, ports: Ports | PortsOf, count: int) -> None:
        workers = [asyncio.create_task(self._work(ports)) for _ in range(count)]
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

    async def _work(self, ports: Ports | PortsOf) -> None:
        while self.todo:
            index = self.todo.popleft()
            planned = self.planned[index]
            try:
                state = await self._conversation(planned, ports)
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

    async def _conversation(self, planned: Planned, ports: Ports | PortsOf) -> State:
        if why := self.used_up():
            return planned.cut(_unbegun(why))
        perform = self._performing(ports)
        resumed = self.resumed.get(planned.session.id)
        begun = planned.begun() if resumed is None else resumed.step
        if resumed is not None and begun.requests:
            trouble = await rebuild(resumed.again, perform, self._tell)
            if trouble is not None:
                return interrupt(planned.rules, begun, trouble, self._tell).state
        return await aconverse(planned.rules, begun, perform, sink=self._tell)

    def _performing(self, ports: Ports | PortsOf) -> APerform:
        perform = aperform(ports) if isinstance(ports, Ports) else aperform_made(ports)
        perform = aclocked(perform)
        perform = perform if self.around is None else self.around(perform)
        perform = perform if self.tracer is None else atraced(perform, self.tracer)
        return perform if self.budget == NO_LIMITS else self._within_budget(perform)

    def _within_budget(self, perform: APerform) -> APerform:
        limit = self.budget.seconds
        until = None if limit is None else self.begun + limit

        async def performed(request: Request) -> Observed:
            if why := self.used_up():
                return Observed(why, Facts(attempts=0))
            try:
                async with asyncio.timeout_at(until):
                    observed = await perform(request)
            except TimeoutError as error:  # ours: what is performed raises none
                return Observed(self.budget.out_of_time(), facts_behind(error))
            why = None if observed.facts.attempts else self.used_up()  # it waited for its turn
            return observed if why is None else Observed(why, observed.facts)

        return performed

    def _tell(self, entry: Entry) -> None:
        self.spent = self.spent.after(entry)
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


@asynccontextmanager
async def _opened(ports: Ports | PortsOf | OpenedPorts) -> AsyncGenerator[Ports | PortsOf]:
    if isinstance(ports, AbstractAsyncContextManager):
        async with cast("OpenedPorts", ports) as opened:  # type: ignore[redundant-cast]  # pyright needs it
            yield opened
    else:
        yield ports


def _unbegun(why: Interrupted) -> Interrupted:
    return evolve(why, detail=f"it had not begun: {why.detail}")
