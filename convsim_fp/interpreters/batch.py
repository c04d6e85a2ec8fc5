"""Many conversations at once, a bounded number at a time."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeAlias

from attrs import frozen

from convsim_fp.core.behaviours import failure_of
from convsim_fp.core.cases import TestCase
from convsim_fp.core.machine import start
from convsim_fp.core.observations import Interrupted
from convsim_fp.core.requests import Session, new_session
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters.aio import ConversationCancelled, aconverse
from convsim_fp.interpreters.daemons import THREAD_PREFIX, in_daemon
from convsim_fp.interpreters.drive import RunInterrupted, interrupt, no_sink
from convsim_fp.interpreters.perform import aperform, atraced
from convsim_fp.interpreters.ports import Ports, PortsOf, Sink, Tracer

__all__ = ["Finished", "RulesOf", "RunCancelled", "aconverse_all", "converse_all"]

RulesOf: TypeAlias = Callable[[TestCase], Rules]
Finished: TypeAlias = Callable[[State], None]

CONCURRENCY = 100
PATIENCE = 2.0  # seconds that an interrupted run waits for its loop in another thread


class RunCancelled(asyncio.CancelledError):
    """The task of a run was cancelled; `states` holds all sessions, the unfinished as cancelled."""

    def __init__(self, states: Iterable[State]) -> None:
        self.states = tuple(states)
        super().__init__()


@frozen
class _Planned:
    rules: Rules
    case: TestCase
    session: Session

    def begun(self) -> Step:
        return start(self.rules, self.case, self.session)

    def cancelled(self, why: Interrupted) -> State:
        return interrupt(self.rules, self.begun(), why, no_sink).state


async def aconverse_all(
    cases: Iterable[TestCase],
    rules: Rules | RulesOf,
    ports: Ports | PortsOf,
    *,
    trials: int = 1,
    seed: int = 0,
    concurrency: int = CONCURRENCY,
    sink: Sink = no_sink,
    tracer: Tracer | None = None,
    finished: Finished | None = None,
) -> tuple[State, ...]:
    """Run every case `trials` times, at most `concurrency` sessions at once; states in order.

    `rules` and `ports` serve all sessions, or are functions of the case and of the session.
    `finished` is called with each final state as it comes. A session that fails does not touch the
    others. Raises `InvalidSpec` before the first call, `RunCancelled` with the states when its task
    is cancelled, and whatever the sink raises, after stopping what runs.
    """
    planned = _plan(cases, rules, trials, seed, concurrency)
    states: dict[int, State] = {}
    todo = iter(enumerate(planned))

    async def work() -> None:
        for index, plan in todo:
            try:
                states[index] = await _converse(plan, ports, sink, tracer)
            except ConversationCancelled as error:
                states[index] = error.state
                raise
            finally:
                if finished is not None and index in states:
                    finished(states[index])

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(min(concurrency, len(planned))):
                workers.create_task(work())
    except asyncio.CancelledError:
        why = Interrupted("cancelled", "the run was interrupted before this session")
        rest = (states.get(index) or plan.cancelled(why) for index, plan in enumerate(planned))
        raise RunCancelled(rest) from None
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
    return tuple(states[index] for index in range(len(planned)))


def converse_all(
    cases: Iterable[TestCase],
    rules: Rules | RulesOf,
    ports: Ports | PortsOf,
    *,
    trials: int = 1,
    seed: int = 0,
    concurrency: int = CONCURRENCY,
    sink: Sink = no_sink,
    tracer: Tracer | None = None,
    finished: Finished | None = None,
) -> tuple[State, ...]:
    """`aconverse_all` for synchronous code, also where a loop already runs (a notebook).

    Ctrl-C and SIGTERM stop new work at once and raise `RunInterrupted` with all the states; a
    second one ends the process.
    """
    kept: list[State] = []

    async def run() -> tuple[State, ...]:
        try:
            return await aconverse_all(
                cases,
                rules,
                ports,
                trials=trials,
                seed=seed,
                concurrency=concurrency,
                sink=sink,
                tracer=tracer,
                finished=finished,
            )
        except RunCancelled as error:
            kept.extend(error.states)
            raise

    try:
        return _in_a_loop(run)
    except KeyboardInterrupt:
        raise RunInterrupted(kept) from None
    except asyncio.CancelledError:
        raise RunInterrupted(kept, "SIGTERM") from None


def _plan(
    cases: Iterable[TestCase], rules: Rules | RulesOf, trials: int, seed: int, concurrency: int
) -> Sequence[_Planned]:
    for name, value in (("trials", trials), ("concurrency", concurrency)):
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            raise InvalidSpec([Problem(name, f"is {value!r}, expected at least 1")])
    planned = [
        _Planned(
            rules if isinstance(rules, Rules) else rules(case),
            case,
            new_session(case.id or f"case-{index}", trial, seed),
        )
        for index, case in enumerate(cases)
        for trial in range(1, trials + 1)
    ]
    first: dict[str, int] = {}
    for number, plan in enumerate(planned):
        index = number // trials
        if first.setdefault(plan.session.id, index) != index:
            what = f"is the name of cases[{first[plan.session.id]}] too; give each its own"
            raise InvalidSpec([Problem("id", what, index, plan.case.id)])
    return planned


async def _converse(
    plan: _Planned, ports: Ports | PortsOf, sink: Sink, tracer: Tracer | None
) -> State:
    if not isinstance(ports, Ports):
        try:
            ports = await _made(ports, plan.session)
        except Exception as error:  # noqa: BLE001  the user's code; one session's trouble
            detail = f"its ports could not be made: {failure_of(error)}"
            return plan.cancelled(Interrupted("cancelled", detail))
    perform = aperform(ports)
    if tracer is not None:
        perform = atraced(perform, tracer)
    return await aconverse(plan.rules, plan.begun(), perform, sink=sink)


async def _made(ports_of: PortsOf, session: Session) -> Ports:
    made = await in_daemon(f"{THREAD_PREFIX} {session.id} ports", lambda: ports_of(session))
    if not isinstance(made, Ports):
        raise InvalidSpec([Problem("ports", f"is {made!r:.80}, expected Ports")])
    return made


def _in_a_loop(run: Callable[[], Coroutine[Any, Any, tuple[State, ...]]]) -> tuple[State, ...]:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_until_sigterm(run))
    return _in_another_thread(run)


async def _until_sigterm(
    run: Callable[[], Coroutine[Any, Any, tuple[State, ...]]],
) -> tuple[State, ...]:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        loop.remove_signal_handler(signal.SIGTERM)  # the second one is the system's again
        if task is not None:
            task.cancel()

    in_main = threading.current_thread() is threading.main_thread()
    if in_main and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL:
        loop.add_signal_handler(signal.SIGTERM, stop)
    return await run()


def _in_another_thread(
    run: Callable[[], Coroutine[Any, Any, tuple[State, ...]]],
) -> tuple[State, ...]:
    results: list[tuple[State, ...] | BaseException] = []
    stops: list[Callable[[], object]] = []

    async def main() -> None:
        task = asyncio.current_task()
        loop = asyncio.get_running_loop()
        if task is not None:
            stops.append(lambda: loop.call_soon_threadsafe(task.cancel))
        results.append(await run())

    def called() -> None:
        try:
            asyncio.run(main())
        except BaseException as error:  # noqa: BLE001  it is raised again in the calling thread
            results.append(error)

    thread = threading.Thread(target=called, name=f"{THREAD_PREFIX} run", daemon=True)
    thread.start()
    try:
        thread.join()
    except KeyboardInterrupt:
        for stop in stops:
            stop()
        thread.join(PATIENCE)
        raise
    result = results[0]
    if isinstance(result, BaseException):
        raise result
    return result
