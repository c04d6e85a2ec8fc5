"""A run in a thread and a loop of its own, for callers that wait for it.

In a script as in a notebook. The calling thread does nothing but wait, so it hears a signal at once
whatever the agents do to the loop, and need not wait for what cannot be stopped.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import suppress
from queue import SimpleQueue
from threading import Event, Thread
from typing import TypeAlias

from convsim_fp.core.observations import Interrupted
from convsim_fp.core.state import State
from convsim_fp.interpreters.daemons import RUN_THREAD, DaemonExecutor
from convsim_fp.interpreters.interruption import RunInterrupted, Signalled, signal_of
from convsim_fp.interpreters.run import Run
from convsim_fp.interpreters.signals import first_signal, heard

__all__ = ["in_own_loop"]

PATIENCE = 1.0  # seconds that a loop has to close

States: TypeAlias = tuple[State, ...]
Outcomes: TypeAlias = SimpleQueue[States | BaseException]

log = logging.getLogger("convsim_fp")


def in_own_loop(run: Run) -> States:
    """Wait for a run. Raises `RunInterrupted` on Ctrl-C and SIGTERM, and what the run raises."""
    loop = asyncio.new_event_loop()
    loop.set_default_executor(DaemonExecutor())
    task = loop.create_task(run.go())
    outcomes: Outcomes = SimpleQueue()
    closed = Event()
    serving = Thread(
        target=_serve, args=(loop, task, outcomes, closed), name=RUN_THREAD, daemon=True
    )
    try:
        try:
            with first_signal(lambda name: outcomes.put(Signalled(name))):
                serving.start()
                states = _first(outcomes)
        except BaseException as error:
            with suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(task.cancel, Interrupted("cancelled", signal_of(error)))
            raise
        finally:
            closed.wait(PATIENCE)
    except KeyboardInterrupt as error:
        broken, stuck = run.broken, () if closed.is_set() else (RUN_THREAD,)
        run.give_up()
        raise RunInterrupted(run.states(), signal_of(error), stuck) from broken
    if not closed.is_set():
        log.warning("the run has ended, but something that an agent started does not stop")
    return states


def _serve(
    loop: asyncio.AbstractEventLoop, task: asyncio.Task[States], outcomes: Outcomes, closed: Event
) -> None:
    try:
        with asyncio.Runner(loop_factory=lambda: loop):
            try:
                outcomes.put(loop.run_until_complete(task))
            except BaseException as error:  # noqa: BLE001  it is raised again in the calling thread
                outcomes.put(error)
    finally:
        closed.set()


def _first(outcomes: Outcomes) -> States:
    outcome = heard(outcomes)
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome
