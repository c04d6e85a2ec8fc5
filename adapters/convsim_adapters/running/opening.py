"""The ports of a run, opened for as long as it goes on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

from convsim_adapters.running.agents import ChosenAgent
from convsim_adapters.running.models import ChosenModel
from convsim_adapters.running.plans import Plan
from convsim_fp.interpreters import Model, OpenedPorts, Ports, PortsOf

__all__ = ["ports_of"]


def ports_of(plan: Plan, agent: ChosenAgent, may_go_on: Callable[[], bool]) -> OpenedPorts:
    """The ports of a run; what is not installed for them is missed here, before it begins."""
    retries = plan.settings.retries
    user_model = _retried(plan.user_model, retries, may_go_on)
    goal_model = _retried(plan.goal_model, retries, may_go_on)
    used = [model for model in (plan.user_model, plan.goal_model) if model is not None]
    return _opened(agent, user_model, goal_model, used)


@asynccontextmanager
async def _opened(
    agent: ChosenAgent,
    user_model: Model | None,
    goal_model: Model | None,
    used: Iterable[ChosenModel],
) -> AsyncGenerator[Ports | PortsOf]:
    async with AsyncExitStack() as stack:
        for model in used:
            await stack.enter_async_context(model.connections())
        yield await stack.enter_async_context(agent.ports(user_model, goal_model))


def _retried(
    model: ChosenModel | None, retries: int, may_go_on: Callable[[], bool]
) -> Model | None:
    if model is None:
        return None
    from convsim_adapters.retries import RetryPolicy, with_retries  # noqa: PLC0415  tenacity

    return with_retries(model.port, RetryPolicy(retries=retries), may_go_on=may_go_on)
