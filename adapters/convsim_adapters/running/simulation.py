"""The front door: cases, an agent, and everything that the command can be told."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

from attrs import evolve

from convsim_adapters.case_files.files import Format
from convsim_adapters.journal_files import Durability
from convsim_adapters.running.agents import AgentTarget
from convsim_adapters.running.arguments import as_called, fitting, misgiven, swapped
from convsim_adapters.running.case_lists import Cases
from convsim_adapters.running.execution import SimulationInterrupted, execute
from convsim_adapters.running.models import Client, Params
from convsim_adapters.running.plans import AgentState, Plan, Settings, make_plan, tried
from convsim_adapters.running.progress import showing
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import GoalCheck, SimulatedUser
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Model, Sink, UnknownFieldWarning, no_sink

__all__ = ["SimulationInterrupted", "simulate"]

T = TypeVar("T")

PARAMS = ("user_params", "goal_params", "agent_params")


@fitting
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
    concurrency: int = 200,
    rpm: int | None = None,
    tpm: int | None = None,
    overlap: bool | None = None,
    seed: int = 0,
    retries: int = 4,
    timeout: float = 120.0,
    max_cost: float | None = None,
    max_tokens: int | None = None,
    max_seconds: float | None = None,
    agent_state: AgentState | None = None,
    durability: Durability = "process",
    client: Client = "auto",
    processes: int = 1,
    format: Format = "auto",
    select: str | Sequence[str] = (),
    out: str | Path | None = None,
    save: bool = True,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
    progress: bool | None = None,
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

    `user_model` and `goal_model`: a name (``provider/model``), the address of an endpoint that
    speaks the OpenAI protocol (with the parameter ``model``), or a model port or the
    ``package.module:attribute`` of one. Without `goal_model` the user's model judges. `user_params`
    and `goal_params` go to the client as they are; they are separate, but a judge that is the
    user's model is reached at the same place (``api_base`` and its like). `client`: addresses and
    ``openai/MODEL`` are asked ``direct``, which is quick, all else through ``litellm``; or say so.

    A session has at most `max_turns` turns, and at most `max_asks` questions for one decision of
    the user or the judge. Each case has `trials` sessions, `concurrency` run at once. `overlap`
    asks for the next user message while the judge is out; by default where both are models.
    `seed` and the case's id give each trial a seed of its own.

    A model that answers 429, or not in time, is sent fewer requests at once, and none for as long
    as it asks to wait. `rpm` and `tpm` are the requests, and the tokens in and out, that each model
    gets in a minute; by default as many as there are.

    A model's call that fails for a passing reason is tried again up to `retries` times; `timeout`
    in seconds bounds one attempt, and one call of the agent, which is never tried again. When the
    run has used up `max_cost` (US dollars), `max_tokens` or `max_seconds`, nothing new is asked and
    the sessions that go on stop as *budget*.

    `select` chooses cases by id or ``tag:T``. The run is recorded in `out`, by default a new
    directory in ``runs``; not with `save` False. An entry survives a killed process before anything
    that follows from it is sent, with `durability` ``strict`` a power loss too. `agent_state` says
    what the agent knows of a conversation beside what it is sent, which decides how one goes on
    later: nothing (``transcript``), what it keeps under the session's id (``session``), or what is
    in this process (``process``, the default where each session has an agent of its own). `sink` is
    told every entry, `finished` every session as it ends, in the thread of the run.

    `processes` share the sessions, for agents that need the processor; they find the agent, and
    functions of your own, by their names in their modules, and there is no `sink`.

    `progress` shows a bar on standard error, or a widget in a notebook: sessions, goals reached,
    what was spent. By default where somebody looks, a terminal or a notebook, and tqdm is there.

    Warns of fields of cases that nothing reads. Raises `InvalidSpec` with all problems before the
    first call, `SimulationInterrupted` with the run at Ctrl-C, and `JournalError` where the disk
    refuses a record: nothing is paid for that cannot be kept.

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
        rpm=rpm,
        tpm=tpm,
        overlap=overlap,
        seed=seed,
        retries=retries,
        timeout=timeout,
        max_cost=max_cost,
        max_tokens=max_tokens,
        max_seconds=max_seconds,
        agent_state=agent_state,
        durability=durability,
        client=client,
        processes=processes,
    )
    wrong = swapped(cases, agent) or misgiven(
        flags={"user_leaves": user_leaves, "save": save},
        params={name: getattr(settings, name) for name in PARAMS},
        told={"sink": sink, "finished": finished or no_sink},
        progress=progress,
        format=format,
        select=select,
        out=out,
    )
    plan = _plan(cases, agent, settings, format=format, select=select, save=save, wrong=wrong)
    for doubt in plan.warnings:
        warnings.warn(str(doubt), UnknownFieldWarning, stacklevel=3)
    with showing(progress, plan.sessions) as bar:
        if bar is None:
            return execute(plan, out=out, save=save, sink=sink, finished=finished)
        return execute(
            plan,
            out=out,
            save=save,
            sink=_both(bar.entry, sink) if processes == 1 else sink,
            finished=bar.finished if finished is None else _both(bar.finished, finished),
            following=bar.following,
        )


def _plan(
    cases: Cases,
    agent: AgentTarget,
    settings: Settings,
    *,
    format: Format,
    select: str | Sequence[str],
    save: bool,
    wrong: Sequence[Problem],
) -> Plan:
    """The plan; or everything that is wrong with it and the other arguments, each by its name."""
    if wrong and wrong[0].field == "cases":
        raise InvalidSpec(wrong)
    problems, names = list(wrong), {one.field for one in wrong}
    unusable = cast("dict[str, Any]", {name: None for name in PARAMS if name in names})
    plan = tried(
        problems,
        lambda: make_plan(
            cases,
            agent,
            evolve(settings, **unusable),
            file_format="auto" if "format" in names else format,
            select=() if "select" in names else select,
        ),
    )
    if plan is not None and settings.processes > 1 and not save:
        what = f"is {settings.processes}, which takes the files of a run; leave save as it is"
        problems.append(Problem("processes", f"{what}, or give 1"))
    if problems or plan is None:
        raise InvalidSpec(as_called(problem) for problem in problems)
    return plan


def _both(first: Callable[[T], object], second: Callable[[T], object]) -> Callable[[T], None]:
    def told(what: T) -> None:
        first(what)
        second(what)

    return told
