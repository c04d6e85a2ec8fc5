"""Many conversations at once, a bounded number at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType

from convsim_fp.core.cases import TestCase
from convsim_fp.core.state import Rules, State
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters.budget import Budget
from convsim_fp.interpreters.own_loop import in_own_loop
from convsim_fp.interpreters.perform import is_async
from convsim_fp.interpreters.plan import Only, Planned, RulesOf, plan
from convsim_fp.interpreters.ports import OpenedPorts, Ports, PortsOf, Sink, Tracer, no_sink
from convsim_fp.interpreters.rebuilding import Resumed
from convsim_fp.interpreters.run import NO_LIMITS, Around, Finished, Run

__all__ = ["aconverse_all", "converse_all"]

CONCURRENCY = 100
NOTHING_RESUMED: Mapping[str, Resumed] = MappingProxyType({})


async def aconverse_all(
    cases: Iterable[TestCase],
    rules: Rules | RulesOf,
    ports: Ports | PortsOf | OpenedPorts,
    *,
    trials: int = 1,
    seed: int = 0,
    concurrency: int = CONCURRENCY,
    sink: Sink = no_sink,
    tracer: Tracer | None = None,
    finished: Finished | None = None,
    budget: Budget = NO_LIMITS,
    resumed: Mapping[str, Resumed] = NOTHING_RESUMED,
    around: Around | None = None,
    only: Only | None = None,
) -> tuple[State, ...]:
    """Run every case `trials` times, at most `concurrency` sessions at once; states in order.

    `rules` and `ports` serve all sessions, or are functions of the case and of the session; an
    async context manager that gives the ports is open as long as the run goes on, in its loop.
    `finished` is called once with each session that came to its end, as it does. A session that
    fails does not touch the others; what the sink or `finished` raises stops them all, and is
    raised. When the `budget` is used up, nothing new is asked, and the sessions that go on stop as
    *budget*. A session whose id is in `resumed` goes on from there. `around` is composed around
    what performs a request, for each session. `only` says which sessions are run here, for a runner
    that spreads them over processes or machines. Raises `InvalidSpec` before the first call.

    When its task is cancelled, the states are with the cause: ``RunCancelled.behind(error)``.
    Signals are the business of whoever runs the loop; `asyncio.run` makes Ctrl-C a cancellation.
    """
    planned = _prepared(
        cases, rules, ports, trials, seed, concurrency, sink, tracer, finished, only
    )
    run = Run(planned, ports, concurrency, sink, tracer, finished, budget, resumed, around)
    return await run.go()


def converse_all(
    cases: Iterable[TestCase],
    rules: Rules | RulesOf,
    ports: Ports | PortsOf | OpenedPorts,
    *,
    trials: int = 1,
    seed: int = 0,
    concurrency: int = CONCURRENCY,
    sink: Sink = no_sink,
    tracer: Tracer | None = None,
    finished: Finished | None = None,
    budget: Budget = NO_LIMITS,
    resumed: Mapping[str, Resumed] = NOTHING_RESUMED,
    around: Around | None = None,
    only: Only | None = None,
) -> tuple[State, ...]:
    """`aconverse_all` for synchronous code, also where a loop already runs (a notebook).

    The sessions, the sink and `finished` run in a thread with a loop of its own. Ctrl-C and SIGTERM
    stop new work at once and raise `RunInterrupted` with all the states, within a second whatever
    the agents do; after a second one nothing is waited for.

    >>> from convsim_fp import users
    >>> rules = Rules(users.scripted(["Hello."]), None)
    >>> states = converse_all([TestCase(goal="greet")], rules, Ports(agent=lambda request: "Hi."))
    >>> [(state.session.id, state.phase.reason.value) for state in states]
    [('case-0/1', 'user_left')]
    """
    planned = _prepared(
        cases, rules, ports, trials, seed, concurrency, sink, tracer, finished, only
    )
    run = Run(planned, ports, concurrency, sink, tracer, finished, budget, resumed, around)
    return in_own_loop(run)


def _prepared(
    cases: Iterable[TestCase],
    rules: Rules | RulesOf,
    ports: Ports | PortsOf | OpenedPorts,
    trials: int,
    seed: int,
    concurrency: int,
    sink: Sink,
    tracer: Tracer | None,
    finished: Finished | None,
    only: Only | None,
) -> tuple[Planned, ...]:
    functions = {"sink": sink, "tracer": tracer, "finished": finished, "only": only}
    problems = (
        *_count_problems(trials=trials, concurrency=concurrency),
        *(() if isinstance(rules, Rules) else _function_problems(rules=rules)),
        *(() if _gives_ports(ports) else _function_problems(ports=ports)),
        *_function_problems(**{n: given for n, given in functions.items() if given is not None}),
    )
    if problems:
        raise InvalidSpec(problems)
    return plan(cases, rules, trials=trials, seed=seed, only=only)


def _gives_ports(ports: object) -> bool:
    return isinstance(ports, Ports | AbstractAsyncContextManager)


def _count_problems(**counts: object) -> Iterator[Problem]:
    for name, value in counts.items():
        if isinstance(value, bool) or not isinstance(value, int) or value < 1:
            yield Problem(name, f"is {value!r:.80}, expected a whole number of at least 1")


def _function_problems(**given: object) -> Iterator[Problem]:
    for name, value in given.items():
        if not callable(value):
            yield Problem(name, f"is {value!r:.80}, expected a function")
        elif name in ("sink", "finished") and is_async(value):
            yield Problem(name, "is async, expected a plain function: it is called, not awaited")
