"""The agent of a run: an object of Python, a name that stands for one, or the URL of one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import cast

from attrs import frozen

from convsim_adapters.callables import as_agent, ports_per_session
from convsim_adapters.running.targets import is_url, load_target
from convsim_adapters.signatures import read_agent_signature
from convsim_adapters.vendors import import_vendor
from convsim_fp.core import CallAgent, TestCase
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Agent, Model, Ports, PortsOf, UserPort

__all__ = ["AgentTarget", "ChosenAgent", "OwnPorts", "choose_agent"]

FIELD = "agent"


@frozen
class OwnPorts:
    """An agent port, and a user port beside it, for `simulate` to use as they are.

    For a runner that calls its agent in a way of its own. `timeout` in seconds bounds one call of
    the agent; None leaves it its time.
    """

    agent: Agent
    user: UserPort | None = None
    name: str = "agent"
    timeout: float | None = None


AgentTarget = str | Callable[..., object] | OwnPorts


@frozen
class ChosenAgent:
    """The agent with the name to call it by: an `address`, or a `target` that Python calls.

    With `per_session` the target makes an agent for each session; `own` ports are used as they are.
    `timeout` in seconds bounds one call; `headers_of` gives what each request has beside.
    """

    name: str
    timeout: float
    address: str = ""
    target: Callable[..., object] = print
    per_session: bool = False
    params: Mapping[str, object] | None = None
    own: OwnPorts | None = None
    headers_of: Callable[[CallAgent], Mapping[str, str]] | None = None

    def problems(self, cases: Iterable[TestCase]) -> Iterator[Problem]:
        """The cases whose context this agent could not be called with, as far as that shows."""
        if self.address or self.per_session or self.own:
            return
        signature = read_agent_signature(self.target)
        for index, case in enumerate(cases):
            if trouble := signature.context_trouble(case):
                yield Problem("", trouble, index, case.id)

    @asynccontextmanager
    async def ports(
        self, user_model: Model | None, goal_model: Model | None
    ) -> AsyncGenerator[Ports | PortsOf]:
        """The ports with this agent, open as long as a run needs them."""
        if self.own is not None:
            own = self.own
            yield Ports(own.agent, user_model, goal_model, own.user, own.timeout)
        elif self.address:
            from convsim_adapters.agent_http import agent_http  # noqa: PLC0415  loads aiohttp

            opened = agent_http(
                self.address,
                params=self.params,
                headers_of=self.headers_of,
                timeout=self.timeout,
            )
            async with opened as agent:
                yield Ports(agent, user_model, goal_model)
        elif self.per_session:
            yield ports_per_session(
                self.target,
                user_model=user_model,
                goal_model=goal_model,
                agent_timeout=self.timeout,
            )
        else:
            agent = as_agent(self.target)
            yield Ports(agent, user_model, goal_model, agent_timeout=self.timeout)


def choose_agent(
    given: AgentTarget, *, params: Mapping[str, object] | None = None, timeout: float
) -> ChosenAgent:
    """Find the agent that a name, a URL or an object stands for, and how it is called.

    A class, or a function that needs nothing but `session_id`, makes an agent for each session;
    everything else is the agent. Raises `InvalidSpec` for what no conversation could call.
    """
    if isinstance(given, OwnPorts):
        return ChosenAgent(given.name, timeout, own=given)
    if isinstance(given, str) and is_url(given):
        from convsim_adapters.agent_http import checked_endpoint  # noqa: PLC0415  loads aiohttp

        checked_endpoint(given, params)
        import_vendor("aiohttp", extra="cli")
        return ChosenAgent(given, timeout, address=given, params=params)
    if params:
        raise InvalidSpec([Problem("agent_params", "are for an agent behind a URL only")])
    found = load_target(given, FIELD) if isinstance(given, str) else given
    name = given if isinstance(given, str) else _name_of(found)
    target = cast("Callable[..., object]", found)
    return ChosenAgent(name, timeout, target=target, per_session=_is_factory(target))


def _is_factory(target: Callable[..., object]) -> bool:
    if isinstance(target, type):
        ports_per_session(target)  # refuses what it could not make
        if not any("__call__" in vars(base) for base in target.__mro__):
            what = f"is the class {target.__name__}, whose instances cannot be called"
            how = "give it a __call__ that takes the messages, or a function that makes the agent"
            raise InvalidSpec([Problem(FIELD, f"{what}; {how}")])
        return True
    try:
        as_agent(target)
    except InvalidSpec as no_agent:
        try:
            ports_per_session(target)
        except InvalidSpec:
            raise no_agent from None
        return True
    return False


def _name_of(target: object) -> str:
    named = getattr(target, "__qualname__", None) or type(target).__qualname__
    return f"{getattr(target, '__module__', None) or type(target).__module__}:{named}"
