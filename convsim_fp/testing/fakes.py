"""Fakes: models and agents that are pure functions of the request.

The digest of a request picks its answer, so a fake answers alike in whatever order, thread or
process it is asked, and two runs that ask the same get the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from hashlib import sha256
from typing import Generic, TypeAlias, TypeVar

from attrs import frozen

from convsim_fp.core.machine import step as next_step
from convsim_fp.core.observations import Observation
from convsim_fp.core.requests import Request
from convsim_fp.core.state import Rules, State, Step
from convsim_fp.errors import PortError
from convsim_fp.interpreters.perform import perform
from convsim_fp.interpreters.ports import AgentReply, Ports, Reply
from convsim_fp.journal.digests import digest

__all__ = ["Fake", "Observe", "drive", "fake_agent", "fake_model", "observing"]

Observe: TypeAlias = Callable[[Request], Observation]

A = TypeVar("A")


@frozen
class Fake(Generic[A]):
    """Calling it with a request gives one of the answers, or raises it where it is an error."""

    answers: tuple[A | PortError, ...]
    seed: int = 0

    def __call__(self, request: Request) -> A:
        """The answer that the request's digest picks."""
        key = sha256(f"{self.seed}/{digest(request)}".encode()).digest()
        answer = self.answers[int.from_bytes(key[:8], "big") % len(self.answers)]
        if isinstance(answer, PortError):
            raise answer
        return answer


def fake_model(answers: Iterable[str | Reply | PortError], *, seed: int = 0) -> Fake[str | Reply]:
    """A model that answers each request with one of the answers; an error among them is raised.

    >>> model = fake_model(["Where is my parcel?", "I do not know the number."])
    """
    return Fake(_some(answers), seed)


def fake_agent(
    answers: Iterable[str | AgentReply | PortError], *, seed: int = 0
) -> Fake[str | AgentReply]:
    """An agent that replies to each call with one of the answers; an error among them is raised.

    >>> agent = fake_agent(["It is on its way.", AgentReply("Goodbye.", ended=True)])
    """
    return Fake(_some(answers), seed)


def observing(ports: Ports) -> Observe:
    """What an interpreter without an envelope would observe through these ports."""
    performed = perform(ports)
    return lambda request: performed(request).observation


def drive(
    rules: Rules,
    begun: Step,
    observe: Observe,
    *,
    schedule: Iterable[int] = (),
    watch: Callable[[Step], object] | None = None,
) -> State:
    """Drive a conversation by hand to its end.

    `schedule` picks which of the listed requests is answered next (modulo their number, the first
    when it has run out), and so stands for any order of arrival. `watch` is shown every step.
    """
    order = iter(schedule)
    step = begun
    while True:
        if watch is not None:
            watch(step)
        if not step.requests:
            return step.state
        request = step.requests[next(order, 0) % len(step.requests)]
        step = next_step(rules, step.state, observe(request))


def _some(answers: Iterable[A]) -> tuple[A, ...]:
    some = tuple(answers)
    if not some:
        raise ValueError("a fake needs at least one answer")
    return some
