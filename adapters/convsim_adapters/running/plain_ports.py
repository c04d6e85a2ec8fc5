"""An agent of any kind as plain functions, for a search that plays one conversation at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AsyncExitStack, contextmanager
from contextvars import copy_context
from inspect import isawaitable
from queue import SimpleQueue
from threading import Event
from typing import Any, TypeVar

from attrs import evolve, field, frozen

from convsim_adapters.callables import as_agent, ports_per_session
from convsim_adapters.running.agents import ChosenAgent
from convsim_fp.core import Session
from convsim_fp.errors import TimedOut
from convsim_fp.interpreters import Model, Ports, PortsOf
from convsim_fp.interpreters.signals import first_signal, heard

__all__ = ["open_plainly", "outside_of_loops"]

T = TypeVar("T")

RUN_THREAD = "convsim search"


@contextmanager
def open_plainly(
    agent: ChosenAgent, user_model: Model | None, stop: Event
) -> Generator[Ports | PortsOf]:
    """Open the ports of an agent and a model, as functions that wait for what is async.

    All of it shares one event loop, which is made when it is first needed, and closed at the end;
    the caller's thread must have none that runs. Once `stop` is set, a call is a Ctrl-C.
    """
    waiting, stack = _Waiting(agent.timeout, stop), AsyncExitStack()
    try:
        if agent.address:
            opened = waiting.runner.run(stack.enter_async_context(agent.ports(user_model, None)))
        elif agent.per_session:
            opened = ports_per_session(agent.target, user_model=user_model)
        else:
            opened = Ports(as_agent(agent.target), user_model)
        yield waiting.all_plain(opened) if isinstance(opened, Ports) else waiting.each(opened)
    finally:
        if agent.address:
            waiting.runner.run(stack.aclose())
        waiting.runner.close()


def outside_of_loops(work: Callable[[Event], T]) -> T:
    """Work in this thread, or beside it where an event loop runs here, as in a notebook.

    >>> outside_of_loops(lambda stop: stop.is_set())
    False
    """
    stop = Event()
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return work(stop)
    with first_signal(lambda _: stop.set()), ThreadPoolExecutor(1, RUN_THREAD) as thread:
        done: SimpleQueue[Future[T]] = SimpleQueue()
        try:
            thread.submit(copy_context().run, work, stop).add_done_callback(done.put)
            return heard(done).result()
        finally:
            stop.set()  # whatever ends the waiting, the call under way is the last


@frozen
class _Waiting:
    """Makes plain functions of ports; an answer that is awaited has `seconds` to come."""

    seconds: float
    stop: Event
    runner: asyncio.Runner = field(factory=asyncio.Runner)

    def each(self, made: Callable[[Session], Any]) -> Callable[[Session], Ports]:
        make = self.plain(made)
        return lambda session: self.all_plain(make(session))

    def all_plain(self, ports: Ports) -> Ports:
        model = None if ports.user_model is None else self.plain(ports.user_model)
        return evolve(ports, agent=self.plain(ports.agent), user_model=model)

    def plain(self, port: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def called(asked: object) -> Any:
            if self.stop.is_set():
                raise KeyboardInterrupt
            answer = port(asked)
            return self.runner.run(self.within(answer)) if isawaitable(answer) else answer

        return called

    async def within(self, answer: Awaitable[T]) -> T:
        bound = asyncio.timeout(self.seconds)
        try:
            async with bound:
                return await answer
        except TimeoutError as error:
            if not bound.expired():
                raise
            raise TimedOut(f"no answer in {self.seconds:g} s") from error
