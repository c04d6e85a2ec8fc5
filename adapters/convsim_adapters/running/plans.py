"""What a run is going to do, with everything found and checked, before the first call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from math import isfinite
from pathlib import Path
from typing import Literal, TypeVar, cast

from attrs import evolve, field, frozen

from convsim_adapters.case_files.files import Format
from convsim_adapters.journal_files import Durability
from convsim_adapters.running.agents import AgentTarget, ChosenAgent, choose_agent
from convsim_adapters.running.case_lists import Cases, read_cases, selected
from convsim_adapters.running.models import (
    CLIENTS,
    ChosenModel,
    Client,
    Params,
    choose_model,
    judges_params,
)
from convsim_adapters.running.players import Cast, players
from convsim_fp import users
from convsim_fp.core import GoalCheck, Rules, SimulatedUser, TestCase
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Budget, Model

__all__ = ["AgentState", "CasePlan", "Plan", "Settings", "make_plan", "tried"]

T = TypeVar("T")

AgentState = Literal["transcript", "session", "process"]
AGENT_STATES: tuple[AgentState, ...] = ("transcript", "session", "process")

SHOWN = 3  # names of cases in a message


@frozen(kw_only=True)
class Settings:
    """What a run can be told beside its cases and its agent; `simulate` says what each is for."""

    user: str | SimulatedUser | None = None
    user_model: str | Model | None = None
    user_params: Params | None = None
    user_leaves: bool = False
    goal_check: str | GoalCheck | None = None
    goal_model: str | Model | None = None
    goal_params: Params | None = None
    on_goal_check_failure: Literal["stop", "continue"] = "stop"
    agent_params: Params | None = None
    max_turns: int = 10
    max_asks: int = 3
    trials: int = 1
    concurrency: int = 200
    rpm: int | None = None
    tpm: int | None = None
    overlap: bool | None = None
    seed: int = 0
    retries: int = 4
    timeout: float = 120.0
    max_cost: float | None = None
    max_tokens: int | None = None
    max_seconds: float | None = None
    agent_state: AgentState | None = None
    durability: Durability = "process"
    client: Client = "auto"
    processes: int = 1


@frozen
class CasePlan:
    """One case, who plays in it, and its rules."""

    case: TestCase
    cast: Cast
    rules: Rules


@frozen
class Plan:
    """A run that could begin. `warnings` do not keep it from that.

    `home` is the directory that relative paths are of: an agent may change to another one.
    """

    cases: tuple[CasePlan, ...]
    settings: Settings
    budget: Budget
    agent: ChosenAgent | None
    user_model: ChosenModel | None
    goal_model: ChosenModel | None
    warnings: tuple[Problem, ...] = ()
    files: tuple[str, ...] = ()
    file_format: Format = "auto"
    home: Path = field(factory=Path.cwd)

    @property
    def agent_state(self) -> AgentState:
        """What the agent knows of a conversation beside what it is sent, as told or by its kind."""
        if self.settings.agent_state is not None:
            return self.settings.agent_state
        per_session = self.agent is not None and self.agent.per_session
        return "process" if per_session else "transcript"

    @property
    def sessions(self) -> int:
        """How many conversations it will have."""
        return len(self.cases) * self.settings.trials

    @property
    def most_agent_calls(self) -> int:
        """The most calls of the agent that it can come to."""
        each = (_turns(one) + one.case.agent_opens for one in self.cases)
        return sum(each) * self.settings.trials

    @property
    def most_model_calls(self) -> int:
        """The most calls of models that it can come to, retries aside."""
        return sum(map(_model_calls, self.cases)) * self.settings.trials


def make_plan(
    cases: Cases,
    agent: AgentTarget | None,
    settings: Settings,
    *,
    file_format: Format = "auto",
    select: str | Sequence[str] = (),
    to_run: bool = True,
) -> Plan:
    """Find and check everything that a run needs. Raises `InvalidSpec` with all problems at once.

    Where it is not `to_run` but to be looked at, an agent or a model may be missing; a missing
    model is among the warnings.
    """
    home = Path.cwd()  # before modules are loaded
    problems: list[Problem] = list(_limit_problems(settings))
    read = tried(problems, lambda: read_cases(cases, file_format))
    listed, warnings = read or ((), ())
    chosen = tried(problems, lambda: selected(listed, select)) or ()
    budget = tried(
        problems,
        lambda: Budget(settings.max_cost, settings.max_tokens, settings.max_seconds),
    )
    planned = tried(problems, lambda: _planned(chosen, settings)) or ()
    user_model = tried(problems, lambda: _user_model(settings))
    goal_model = tried(problems, lambda: _goal_model(settings))
    found = None if agent is None else tried(problems, lambda: _agent(agent, settings))
    missing = tuple(_missing_models(planned, settings))
    if to_run:
        problems += missing
    problems += _unpriced(settings, (user_model, goal_model))
    problems += _lost_params(settings)
    if found is not None:
        problems += found.problems([one.case for one in planned])
    if problems or budget is None:
        raise InvalidSpec(dict.fromkeys(problems))  # user and judge may have the same
    doubts = warnings if to_run else (*warnings, *missing)
    named = _named_files(cases)
    return Plan(
        planned, settings, budget, found, user_model, goal_model, doubts, named, file_format, home
    )


def _named_files(cases: Cases) -> tuple[str, ...]:
    """The files that the cases come from, if they all do."""
    given = (cases,) if isinstance(cases, str | Path) else cases
    if isinstance(given, list | tuple) and all(isinstance(one, str | Path) for one in given):
        return tuple(str(one) for one in cast("Sequence[str | Path]", given))
    return ()


def _turns(one: CasePlan) -> int:
    return one.case.max_turns or one.rules.max_turns


def _model_calls(one: CasePlan) -> int:
    """A function of somebody's own may ask models too, which does not show before it does."""
    turns, chosen = _turns(one), one.cast
    user = 0 if chosen.user_asks is False else turns + (chosen.goal_check is None)
    judge = 0 if chosen.goal_check_asks is False else turns
    return (user + judge) * one.rules.max_asks


def tried(problems: list[Problem], make: Callable[[], T]) -> T | None:
    """What a step gives; where it refuses, its problems join the others, and it is None."""
    try:
        return make()
    except InvalidSpec as error:
        problems += error.problems
        return None


def _planned(cases: tuple[TestCase, ...], settings: Settings) -> tuple[CasePlan, ...]:
    problems: list[Problem] = []
    playing = tried(problems, lambda: players(settings.user, settings.goal_check))
    limits = tried(problems, lambda: _limits(settings))
    if playing is None or limits is None:
        raise InvalidSpec(problems)
    planned: list[CasePlan] = []
    for index, case in enumerate(cases):
        try:
            chosen = playing.cast(case, user_leaves=settings.user_leaves)
            limits = _rules(limits, chosen, settings)
            planned.append(CasePlan(case, chosen, limits))
        except InvalidSpec as error:
            problems += (evolve(one, index=index, id=case.id) for one in error.problems)
    if problems:
        raise InvalidSpec(problems)
    return tuple(planned)


def _limits(settings: Settings) -> Rules:
    """The rules that all cases share; who plays in them comes with each case."""
    return Rules(
        users.prompted(),
        None,
        max_turns=settings.max_turns,
        max_asks=settings.max_asks,
        overlap=False if settings.overlap is None else settings.overlap,
        on_goal_check_failure=settings.on_goal_check_failure,
    )


def _rules(last: Rules, chosen: Cast, settings: Settings) -> Rules:
    """The rules of a case, where they can be those of the `last`: checking them takes a while."""
    asks = bool(chosen.user_asks and chosen.goal_check_asks)
    overlap = asks if settings.overlap is None else settings.overlap
    if last.user is chosen.user and last.goal_check is chosen.goal_check:
        return last if last.overlap is overlap else evolve(last, overlap=overlap)
    return evolve(last, user=chosen.user, goal_check=chosen.goal_check, overlap=overlap)


def _user_model(settings: Settings) -> ChosenModel | None:
    if settings.user_model is None:
        return None
    return choose_model(
        settings.user_model,
        "user_model",
        params=settings.user_params,
        timeout=settings.timeout,
        client=settings.client,
    )


def _goal_model(settings: Settings) -> ChosenModel | None:
    """The judge; the user's model, with the judge's parameters, where none or that is named."""
    given, params = settings.goal_model, settings.goal_params
    if isinstance(settings.user_model, str) and given in (None, settings.user_model):
        given, params = settings.user_model, judges_params(settings.user_params, params)
    if given is None:
        return None
    return choose_model(
        given, "goal_model", params=params, timeout=settings.timeout, client=settings.client
    )


def _agent(agent: AgentTarget, settings: Settings) -> ChosenAgent:
    return choose_agent(agent, params=settings.agent_params, timeout=settings.timeout)


def _missing_models(planned: Iterable[CasePlan], settings: Settings) -> Iterator[Problem]:
    if settings.user_model is not None:
        return
    users = [one.case for one in planned if one.cast.user_asks]
    if users:
        what = f"is missing, and {_names(users)} played by a model; give --user-model"
        how = "(user_model=), or write an agenda or a script into each of these cases"
        yield Problem("user_model", f"{what} {how}")
    judged = [one.case for one in planned if one.cast.goal_check_asks]
    if judged and settings.goal_model is None:
        what = f"is missing, and {_names(judged)} judged by a model; give --goal-model"
        how = "(goal_model=), or write a goal_when into each of these cases"
        yield Problem("goal_model", f"{what} {how}")


def _names(cases: Sequence[TestCase]) -> str:
    names = ", ".join(str(case.id) for case in cases[:SHOWN])
    more = f" and {len(cases) - SHOWN} more" if len(cases) > SHOWN else ""
    return f"{names}{more} {'is' if len(cases) == 1 else 'are'}"


def _unpriced(settings: Settings, models: Iterable[ChosenModel | None]) -> Iterator[Problem]:
    if settings.max_cost is None:
        return
    for name in {model.name for model in models if model and not model.price_known()}:
        what = f"cannot be kept: what {name!r} costs is not known"
        yield Problem("max_cost", f"{what}; give --max-tokens (max_tokens=)")


def _lost_params(settings: Settings) -> Iterator[Problem]:
    if settings.user_params and settings.user_model is None:
        yield Problem("user_params", "are given without a model for them; give user_model, too")
    if settings.goal_params and not isinstance(settings.goal_model or settings.user_model, str):
        what = "are given without the name of a model for them; give goal_model, too"
        yield Problem("goal_params", what)


def _limit_problems(settings: Settings) -> Iterator[Problem]:
    for name, least in (("trials", 1), ("concurrency", 1), ("retries", 0), ("processes", 1)):
        value = cast("object", getattr(settings, name))
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            yield Problem(name, f"is {value!r:.80}, expected a whole number of at least {least}")
    for name in ("rpm", "tpm"):
        value = cast("object", getattr(settings, name))
        if value is not None and (type(value) is not int or value < 1):
            what = f"is {value!r:.80}, expected a whole number of at least 1, or None"
            yield Problem(name, what)
    seed = cast("object", settings.seed)
    if isinstance(seed, bool) or not isinstance(seed, int):
        yield Problem("seed", f"is {seed!r:.80}, expected a whole number")
    for name, allowed in (
        ("agent_state", (None, *AGENT_STATES)),
        ("client", CLIENTS),
        ("durability", ("process", "strict")),
    ):
        value = cast("object", getattr(settings, name))
        if value not in allowed:
            named = ", ".join(one for one in allowed if one is not None)
            yield Problem(name, f"is {value!r:.80}, expected one of {named}")
    timeout = cast("object", settings.timeout)
    if not isinstance(timeout, int | float) or not (isfinite(timeout) and timeout > 0):
        yield Problem("timeout", f"is {timeout!r:.80}, expected seconds above 0")
