"""Asking models outside of any run, from code that waits: any thread, several at once.

All who ask at the same time share one event loop in a thread of its own, because clients of models
are bound to loops, and some cannot serve two. It ends with the last of them, with its connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Iterable, Mapping
from concurrent.futures import Future
from contextlib import asynccontextmanager, contextmanager
from functools import cached_property
from queue import SimpleQueue
from threading import Lock
from typing import Any, Literal, TypeVar, cast

from attrs import define, field, frozen

from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_adapters.running.models import ChosenModel
from convsim_fp.core import ChatMessage, Generate, JsonObject, Lane, Prompt, RequestId, Session
from convsim_fp.core import TestCase as Case  # pytest would collect it
from convsim_fp.interpreters import Reply
from convsim_fp.interpreters.daemons import THREAD_PREFIX, DaemonExecutor, start_daemon
from convsim_fp.interpreters.signals import heard

__all__ = ["ALONE", "Question", "opened_model", "waited_for"]

T = TypeVar("T")

ALONE = RetryPolicy(retries=3)


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


@asynccontextmanager
async def opened_model(
    chosen: ChosenModel,
) -> AsyncGenerator[Callable[[Question], Awaitable[str]]]:
    """A model with up to 3 retries, for as long as its connections are kept in the loop."""
    asking = cast("Callable[[Generate], Awaitable[Reply | str]]", with_retries(chosen.port, ALONE))

    async def ask(question: Question) -> str:
        reply = await asking(question)
        return reply.text if isinstance(reply, Reply) else reply

    async with chosen.connections():
        yield ask


def waited_for(work: Callable[[], Awaitable[T]]) -> T:
    """Wait for async work in the loop of all who ask; Ctrl-C cancels it.

    >>> async def work():
    ...     return "done"
    >>> waited_for(work)
    'done'
    """
    done: SimpleQueue[Future[T]] = SimpleQueue()
    with HOME.open() as loop:
        future = asyncio.run_coroutine_threadsafe(_awaited(work), loop)
        future.add_done_callback(done.put)
        try:
            return heard(done).result()
        except BaseException:
            future.cancel()
            raise


@define
class _Home:
    """The loop of all who ask, and how many these are."""

    loop: asyncio.AbstractEventLoop | None = None
    asking: int = 0
    lock: Any = field(factory=Lock, repr=False)

    @contextmanager
    def open(self) -> Generator[asyncio.AbstractEventLoop]:
        """The loop, for as long as one of them asks."""
        with self.lock:
            loop = self.loop = self.loop or _started()
            self.asking += 1
        try:
            yield loop
        finally:
            with self.lock:
                self.asking -= 1
                if not self.asking:
                    self.loop = None
                    loop.call_soon_threadsafe(loop.stop)


HOME = _Home()


def _started() -> asyncio.AbstractEventLoop:
    loop = asyncio.new_event_loop()
    loop.set_default_executor(DaemonExecutor())

    def served() -> None:
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop().run_forever()

    start_daemon(f"{THREAD_PREFIX} questions", served, lambda _: None)
    return loop


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
