"""The ports of a run, opened for as long as it goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from convsim_adapters.limits import Limiter, Limits, Sharing, limited, waited
from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_adapters.running.agents import ChosenAgent
from convsim_adapters.running.models import ChosenModel
from convsim_adapters.running.plans import Plan
from convsim_fp.interpreters import Model, OpenedPorts, Ports, PortsOf

__all__ = ["ports_of"]

OVERLAPPED = 2  # requests of a session at once: its user's and its judge's


def ports_of(
    plan: Plan, agent: ChosenAgent, may_go_on: Callable[[], bool], sharing: Sharing | None = None
) -> OpenedPorts:
    """The ports of a run; what is not installed for them is missed here, before it begins.

    A model that both user and judge ask has its limits once. `sharing` is this process's part of
    all limits, where a run has several.
    """
    policy = RetryPolicy(retries=plan.settings.retries)
    shared = Sharing() if sharing is None else sharing
    used = [model for model in (plan.user_model, plan.goal_model) if model is not None]
    limiters = {
        model.key: Limiter(
            model.shown,
            _limits(plan, shared),
            key=model.key,
            tell=shared.tell,
            may_go_on=may_go_on,
            minute=shared.minute,
            longest_hold=policy.longest_wait,
            patience=policy.deadline,
        )
        for model in used
    }

    def asked(model: ChosenModel | None) -> Model | None:
        if model is None:
            return None
        port = limited(model.port, limiters[model.key])
        return with_retries(port, policy, may_go_on=may_go_on, waited=waited)

    return _opened(agent, asked(plan.user_model), asked(plan.goal_model), used, limiters, shared)


def _limits(plan: Plan, shared: Sharing) -> Limits:
    settings = plan.settings
    at_once = OVERLAPPED * settings.concurrency
    if shared.minute is not None:
        return Limits.of(at_once, parts=shared.parts)
    return Limits.of(at_once, rpm=settings.rpm, tpm=settings.tpm, parts=shared.parts)


@asynccontextmanager
async def _opened(
    agent: ChosenAgent,
    user_model: Model | None,
    goal_model: Model | None,
    used: Iterable[ChosenModel],
    limiters: Mapping[str, Limiter],
    shared: Sharing,
) -> AsyncGenerator[Ports | PortsOf]:
    async with AsyncExitStack() as stack:
        stack.enter_context(shared.among(limiters))
        for model in used:
            await stack.enter_async_context(model.connections())
        yield await stack.enter_async_context(agent.ports(user_model, goal_model))
