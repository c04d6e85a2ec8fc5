"""The models of the drop-in: MLflow's default, its own routes, everything else as in any run.

All of them share one policy of retries and one deadline, and their calls leave no trace.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cached_property
from queue import SimpleQueue
from typing import Literal, TypeVar, cast

from attrs import evolve, frozen

from convsim_adapters.mlflow.managed import MANAGED, managed_model
from convsim_adapters.mlflow.routes import ROUTES, route_model
from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_adapters.running.models import ChosenModel, Params, choose_model
from convsim_adapters.vendors import import_vendor
from convsim_fp.core import ChatMessage, Generate, JsonObject, Lane, Prompt, RequestId, Session
from convsim_fp.core import TestCase as Case  # pytest would collect it
from convsim_fp.interpreters import Model, Reply
from convsim_fp.interpreters.daemons import THREAD_PREFIX, DaemonExecutor, Outcome, start_daemon
from convsim_fp.interpreters.signals import heard

__all__ = [
    "Question",
    "asked",
    "chosen_model",
    "default_model",
    "is_route",
    "opened_model",
    "waited_for",
]

T = TypeVar("T")

OPENAI, DATABRICKS = "openai:/gpt-5", "gpt-oss-120b"
# What MLflow calls a provider, and what litellm calls it.
ALIASES = {"amazon-bedrock": "bedrock", "togetherai": "together_ai"}
ALONE = RetryPolicy(retries=3)
TIMEOUT = 120.0  # seconds of an attempt


def default_model() -> str:
    """The model where none is given: MLflow's own choice by the tracking URI.

    Its function says which where this MLflow has one; else it is what that says in 3.17.2.
    """
    mlflow = import_vendor("mlflow", extra="mlflow")
    try:
        from mlflow.genai.simulators.utils import (  # noqa: PLC0415  heavy
            get_default_simulation_model,
        )
    except ImportError:
        on_databricks = str(mlflow.get_tracking_uri()).partition(":")[0] == "databricks"
        return DATABRICKS if on_databricks else OPENAI
    return get_default_simulation_model()


def is_route(uri: str) -> bool:
    """Whether MLflow has a way of its own to this model; others are reached as in any run.

    >>> is_route("databricks"), is_route("gateway:/chat"), is_route("openai:/gpt-5")
    (True, True, False)
    """
    scheme, colon, _ = uri.partition(":/")
    return uri in MANAGED or (bool(colon) and scheme in ROUTES)


def chosen_model(
    uri: str | Model, field: str, *, params: Params | None, timeout: float
) -> ChosenModel:
    """Make the model that MLflow's users name: ``provider:/model``, or one of MLflow's own routes.

    Those are ``databricks``, ``databricks:/…``, ``endpoints:/…`` and ``gateway:/…``; `routes` and
    `managed` say what each needs. `timeout` in seconds bounds an attempt, and an attempt is one
    request. Its calls leave no trace, whatever is traced automatically. Raises `InvalidSpec` before
    the first call, whose problem is about `field`.
    """
    found = _found(uri, field, params, timeout)
    return evolve(found, port=_without_traces(found.port))


def _found(uri: str | Model, field: str, params: Params | None, timeout: float) -> ChosenModel:
    if not isinstance(uri, str):
        return choose_model(uri, field, params=params, timeout=timeout)
    if uri in MANAGED:
        return ChosenModel(uri, managed_model(uri, field, params=params, timeout=timeout))
    if is_route(uri):
        return ChosenModel(uri, route_model(uri, field, params=params, timeout=timeout))
    provider, colon, name = uri.partition(":/")
    known = f"{ALIASES.get(provider, provider)}{colon}{name}"
    return choose_model(known, field, params=params, timeout=timeout)


def _without_traces(port: Model) -> Model:
    mlflow = import_vendor("mlflow", extra="mlflow")
    asking = cast("Callable[[Generate], Awaitable[Reply | str]]", port)

    async def asked_untraced(request: Generate) -> Reply | str:
        with mlflow.tracing.context(enabled=False):
            return await asking(request)

    return asked_untraced


def asked(
    uri: str | Model,
    messages: Iterable[Mapping[str, str]],
    params: Params | None = None,
    *,
    response_schema: JsonObject | None = None,
) -> str:
    """Ask a model one question outside of any run, and wait for the text of its answer.

    In any thread, also in one whose event loop runs: the call has a loop of its own, and its
    connections end with it. Up to 3 retries, 120 s for an attempt. Raises `InvalidSpec` and
    `PortError`.
    """
    chosen = chosen_model(uri, "model", params=params, timeout=TIMEOUT)
    question = Question.of(messages, schema=response_schema)

    async def answered() -> str:
        async with opened_model(chosen) as ask:
            return await ask(question)

    return waited_for(answered)


@asynccontextmanager
async def opened_model(
    chosen: ChosenModel,
) -> AsyncGenerator[Callable[[Question], Awaitable[str]]]:
    """A model with our retries, for as long as its connections are kept open in this loop."""
    asking = cast("Callable[[Generate], Awaitable[Reply | str]]", with_retries(chosen.port, ALONE))

    async def ask(question: Question) -> str:
        reply = await asking(question)
        return reply.text if isinstance(reply, Reply) else reply

    async with AsyncExitStack() as stack:
        match chosen.client:
            case "direct":
                from convsim_adapters.openai_http import openai_client  # noqa: PLC0415  aiohttp

                await stack.enter_async_context(openai_client())
            case "litellm":
                from convsim_adapters.litellm import litellm_client  # noqa: PLC0415  heavy

                await stack.enter_async_context(litellm_client())
            case None:
                pass
        yield ask


@frozen
class Question(Generate):
    """A request outside of any conversation, whose messages are as somebody wrote them."""

    said: tuple[ChatMessage, ...] = ()

    @classmethod
    def of(
        cls, messages: Iterable[Mapping[str, str]], *, schema: JsonObject | None = None
    ) -> Question:
        """From messages as chat models take them.

        >>> Question.of([{"role": "user", "content": "Hi"}]).messages[0].content
        'Hi'
        """
        said = tuple(
            ChatMessage(_role(one["role"]), _encodable(one["content"])) for one in messages
        )
        prompt = Prompt("user", "", (), "", schema)
        return cls(RequestId(0, Lane.USER), Session("alone"), Case(goal="none"), prompt, said)

    @cached_property
    def messages(self) -> tuple[ChatMessage, ...]:
        """The messages as they are; nothing is rendered."""
        return self.said


def waited_for(work: Callable[[], Awaitable[T]]) -> T:
    """Wait for async work in a loop and a thread of its own; Ctrl-C cancels it.

    >>> async def work():
    ...     return "done"
    >>> waited_for(work)
    'done'
    """
    outcomes: SimpleQueue[Outcome[T]] = SimpleQueue()
    loop = asyncio.new_event_loop()
    loop.set_default_executor(DaemonExecutor())
    task = loop.create_task(_awaited(work))

    def served() -> T:
        with asyncio.Runner(loop_factory=lambda: loop):
            return loop.run_until_complete(task)

    start_daemon(f"{THREAD_PREFIX} alone", served, outcomes.put)
    try:
        outcome = heard(outcomes)
    except BaseException:
        with suppress(RuntimeError):  # the loop is closed
            loop.call_soon_threadsafe(task.cancel)
        raise
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome.value


async def _awaited(work: Callable[[], Awaitable[T]]) -> T:
    return await work()


def _role(given: str) -> Literal["system", "user", "assistant"]:
    match given:
        case "system" | "assistant":
            return given
        case _:
            return "user"


def _encodable(text: str) -> str:
    """Text that every client can send: a lone surrogate is shown as U+FFFD, as in any prompt."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
