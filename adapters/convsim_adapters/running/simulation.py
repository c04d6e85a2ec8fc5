"""The front door: cases, an agent, and everything that the command can be told."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Literal

from attrs import evolve

from convsim_adapters.case_files.files import Format
from convsim_adapters.running.agents import AgentTarget, ChosenAgent
from convsim_adapters.running.case_lists import Cases
from convsim_adapters.running.models import ChosenModel, Params
from convsim_adapters.running.plans import Plan, Settings, make_plan
from convsim_adapters.running.public import public_settings, secrets_of
from convsim_adapters.running.recording import Recorder
from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.run_files import RunFiles
from convsim_fp.core import GoalCheck, Rules, SimulatedUser, State, TestCase
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import (
    Budget,
    Model,
    OpenedPorts,
    Ports,
    PortsOf,
    RunInterrupted,
    Sink,
    converse_all,
    no_sink,
)

__all__ = ["SimulationInterrupted", "execute", "simulate"]

RUNS = Path("runs")


class SimulationInterrupted(RunInterrupted):
    """Ctrl-C or SIGTERM ended a simulation; `run` holds every session, the unfinished as cancelled.

    What was finished is in the files of the run, too.
    """

    def __init__(self, run: Run, cause: RunInterrupted) -> None:
        self.run = run
        super().__init__(cause.states, cause.signal)
        self.threads = cause.threads


def simulate(
    cases: Cases,
    agent: AgentTarget,
    *,
    user: str | SimulatedUser | None = None,
    user_model: str | Model | None = None,
    user_params: Params | None = None,
    user_leaves: bool = False,
    goal_check: str | GoalCheck | None = None,
    goal_model: str | Model | None = None,
    goal_params: Params | None = None,
    on_goal_check_failure: Literal["stop", "continue"] = "stop",
    agent_params: Params | None = None,
    max_turns: int = 10,
    max_asks: int = 3,
    trials: int = 1,
    concurrency: int = 50,
    overlap: bool | None = None,
    seed: int = 0,
    retries: int = 4,
    timeout: float = 120.0,
    max_cost: float | None = None,
    max_tokens: int | None = None,
    max_seconds: float | None = None,
    format: Format = "auto",
    select: str | Sequence[str] = (),
    out: str | Path | None = None,
    save: bool = True,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
) -> Run:
    """Play every test case against an agent, and say how each conversation ended and why.

    `cases`: a file of them or several, or records (`TestCase`s or dicts). `agent`: a function, an
    object, a class that makes one for each session, ``package.module:attribute``, or the URL of an
    OpenAI-compatible endpoint, for which `agent_params` are fields of the body such as ``model``.

    `user` plays the user: ``model``, ``by-user`` (the same, and the user judges), ``scripted``,
    ``agenda``, or a function; by default what the case carries, else the model. `user_leaves` lets
    a model's user leave by itself. `goal_check`: ``model``, ``when`` (the case's pattern),
    ``never``, or a function; by default what the case carries, else the model. A judge that fails
    ends its session, or with `on_goal_check_failure` ``continue`` counts as not achieved.

    `user_model` and `goal_model`: a name for litellm (``provider/model``), or a model port or the
    ``package.module:attribute`` of one. Without `goal_model` the user's model judges. `user_params`
    and `goal_params` go to litellm as they are; they are separate, but a judge that is the user's
    model is reached at the same place (``api_base`` and its like).

    A session has at most `max_turns` turns, and at most `max_asks` questions for one decision of
    the user or the judge. Each case has `trials` sessions, `concurrency` run at once. `overlap`
    asks for the next user message while the judge is out; by default where both are models.
    `seed` and the case's id give each trial a seed of its own.

    A model's call that fails for a passing reason is tried again up to `retries` times; `timeout`
    in seconds bounds one attempt, and one call of the agent, which is never tried again. When the
    run has used up `max_cost` (US dollars), `max_tokens` or `max_seconds`, nothing new is asked and
    the sessions that go on stop as *budget*.

    `select` chooses cases by id or ``tag:T``. The files of the run are kept in `out`, by default a
    new directory in ``runs``; not with `save` False. `sink` is told every entry, `finished` every
    session as it ends, in the thread of the run.

    Raises `InvalidSpec` with all problems before the first call, and `SimulationInterrupted` with
    the run at Ctrl-C.

    >>> case = {"goal": "greet", "script": ["Hello."], "goal_when": "hi"}
    >>> run = simulate([case], lambda messages: "Hi there.", save=False)
    >>> [(one.id, one.stop_reason.value) for one in run.sessions]
    [('case-0/1', 'goal_achieved')]
    """
    settings = Settings(
        user=user,
        user_model=user_model,
        user_params=user_params,
        user_leaves=user_leaves,
        goal_check=goal_check,
        goal_model=goal_model,
        goal_params=goal_params,
        on_goal_check_failure=on_goal_check_failure,
        agent_params=agent_params,
        max_turns=max_turns,
        max_asks=max_asks,
        trials=trials,
        concurrency=concurrency,
        overlap=overlap,
        seed=seed,
        retries=retries,
        timeout=timeout,
        max_cost=max_cost,
        max_tokens=max_tokens,
        max_seconds=max_seconds,
    )
    plan = make_plan(cases, agent, settings, file_format=format, select=select)
    return execute(plan, out=out, save=save, sink=sink, finished=finished)


def execute(
    plan: Plan,
    *,
    out: str | Path | None = None,
    save: bool = True,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
) -> Run:
    """Carry out a plan; the second half of `simulate`."""
    if plan.agent is None:
        raise InvalidSpec([Problem("agent", "is missing; say whom to talk to")])
    began, begun = datetime.now(UTC), monotonic()
    files = RunFiles(_directory(out, began), _header(plan, began)) if save else None

    def keep(result: SessionResult) -> None:
        if files is not None:
            files.add(result)
        if finished is not None:
            finished(result)

    recorder = Recorder(keep, sink, secrets_of(plan))

    def may_go_on() -> bool:
        return plan.budget.used_up(recorder.spent, monotonic() - begun) is None

    def ended(states: Sequence[State], interrupted: str | None = None) -> Run:
        results = tuple(recorder.result(state) for state in states)
        directory = None if files is None else files.directory
        run = Run(results, directory, monotonic() - begun, interrupted)
        run = evolve(run, doubts=tuple(_blind_budgets(plan.budget, run)))
        return run if files is None else files.end(run, ended=_stamp(datetime.now(UTC)))

    ports = _ports(plan, plan.agent, may_go_on)
    if files is not None:
        files.begin()
    try:
        return ended(_converse(plan, ports, recorder))
    except RunInterrupted as error:
        raise SimulationInterrupted(ended(error.states, error.signal), error) from error
    except BaseException as error:
        if files is not None:
            files.broken(f"{type(error).__name__} stopped it", ended=_stamp(datetime.now(UTC)))
        raise


def _converse(plan: Plan, ports: OpenedPorts, recorder: Recorder) -> tuple[State, ...]:
    rules = {one.case.id: one.rules for one in plan.cases}

    def rules_of(case: TestCase) -> Rules:
        return rules[case.id]

    return converse_all(
        [one.case for one in plan.cases],
        rules_of,
        ports,
        trials=plan.settings.trials,
        seed=plan.settings.seed,
        concurrency=plan.settings.concurrency,
        sink=recorder.sink,
        finished=recorder.finished,
        budget=plan.budget,
    )


def _ports(plan: Plan, agent: ChosenAgent, may_go_on: Callable[[], bool]) -> OpenedPorts:
    """The ports of a run; what is not installed for them is missed here, before it begins."""
    retries = plan.settings.retries
    user_model = _retried(plan.user_model, retries, may_go_on)
    goal_model = _retried(plan.goal_model, retries, may_go_on)
    vendor = any(model and model.vendor for model in (plan.user_model, plan.goal_model))
    return _opened(agent, user_model, goal_model, vendor=vendor)


@asynccontextmanager
async def _opened(
    agent: ChosenAgent, user_model: Model | None, goal_model: Model | None, *, vendor: bool
) -> AsyncGenerator[Ports | PortsOf]:
    async with AsyncExitStack() as stack:
        if vendor:
            from convsim_adapters.litellm import litellm_client  # noqa: PLC0415  heavy

            await stack.enter_async_context(litellm_client())
        yield await stack.enter_async_context(agent.ports(user_model, goal_model))


def _retried(
    model: ChosenModel | None, retries: int, may_go_on: Callable[[], bool]
) -> Model | None:
    if model is None:
        return None
    from convsim_adapters.retries import RetryPolicy, with_retries  # noqa: PLC0415  tenacity

    return with_retries(model.port, RetryPolicy(retries=retries), may_go_on=may_go_on)


def _blind_budgets(budget: Budget, run: Run) -> Iterator[str]:
    """The budgets that did not see all that was spent."""
    usage = run.usage  # what was given up before it came may be unknown, and is told as wasted
    for name, limit, unknown, what in (
        ("max_cost", budget.cost, usage.unpriced, "cost is"),
        ("max_tokens", budget.tokens, usage.uncounted, "tokens are"),
    ):
        blind = unknown - usage.wasted
        if limit is not None and blind > 0:
            yield f"{name} did not see {blind} of the answers of models: their {what} unknown"


def _directory(out: str | Path | None, began: datetime) -> Path:
    if out is not None:
        return Path(out)
    return RUNS / f"{began.astimezone():%Y%m%d-%H%M%S}-{token_hex(2)}"


def _header(plan: Plan, began: datetime) -> dict[str, object]:
    return {
        "format": 1,
        "convsim": version("convsim-fp"),
        "began": _stamp(began),
        "cases": [one.case.id for one in plan.cases],
        "settings": public_settings(plan),
    }


def _stamp(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
