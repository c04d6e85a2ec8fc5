"""Another attempt where it is worth one: the only layer of retries around a model's calls.

What is worth another attempt is a `RetryableError`: the adapter sorts the errors, this module only
counts and waits. The waits grow exponentially with full jitter, as in Marc Brooker's "Exponential
Backoff And Jitter" (AWS Architecture Blog, 2015).
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from attrs import define, evolve, field, frozen
from attrs.validators import ge

from convsim_adapters.vendors import import_vendor
from convsim_fp.core import Generate
from convsim_fp.core.behaviours import failure_of
from convsim_fp.errors import PortError, RetryableError
from convsim_fp.interpreters import Facts, Model, Reply, is_async

if TYPE_CHECKING:
    from tenacity import RetryCallState

__all__ = ["RetryPolicy", "with_retries"]

MAX_ERROR = 300  # characters that the facts keep of an error


@frozen
class RetryPolicy:
    """How often, and how long, to try again. All times in seconds.

    `retries` are the attempts after the first. The nth wait is drawn from 0 to `first_wait` × 2ⁿ⁻¹,
    at most `longest_wait`, and never shorter than the endpoint's Retry-After. An endpoint that asks
    for a longer wait than that has failed at once. `deadline` bounds a call with all its attempts:
    none begins after it.
    """

    retries: int = field(default=4, validator=ge(0))
    first_wait: float = field(default=0.5, validator=ge(0))
    longest_wait: float = field(default=60.0, validator=ge(0))
    deadline: float = field(default=600.0, validator=ge(0))

    def wait(self, attempt: int, retry_after: float | None, chance: float) -> float:
        """The seconds to wait after so many attempts; `chance` is a number from 0 to 1.

        >>> RetryPolicy().wait(3, None, 0.5), RetryPolicy().wait(1, 7.0, 0.5)
        (1.0, 7.25)
        """
        grown = self.first_wait * 2.0 ** min(attempt - 1, 60)
        drawn = chance * min(grown, self.longest_wait)
        if retry_after is None:
            return drawn
        return max(drawn, retry_after + chance * self.first_wait)


def with_retries(
    model: Model,
    policy: RetryPolicy | None = None,
    *,
    may_go_on: Callable[[], bool] = lambda: True,
    waited: Callable[[], float] = lambda: 0.0,
    sleep: Callable[[float], Any] | None = None,
    chance: Callable[[], float] = random.random,
) -> Model:
    """A model port that tries again what is worth it, and whose facts are those of all attempts.

    The last error is raised as it came, with what all attempts cost. `may_go_on` is asked before
    each wait for another attempt and after it. `waited` tells how many seconds the calling task has
    waited for its turns so far, which count to no deadline. `sleep` and `chance` are for tests; a
    coroutine function needs a `sleep` that is one.

    >>> from convsim_fp.errors import Unavailable
    >>> answers = iter([Unavailable("down"), "Hello."])
    >>> def flaky(request):
    ...     answer = next(answers)
    ...     if isinstance(answer, str):
    ...         return answer
    ...     raise answer
    >>> with_retries(flaky, sleep=lambda seconds: None)(None).facts.attempts
    2
    """
    tenacity = import_vendor("tenacity", extra="cli")
    rules = _Rules(policy or RetryPolicy(), may_go_on, chance, waited)
    if is_async(model):
        asking = cast("Callable[[Generate], Awaitable[Reply | str]]", model)

        async def aasked(request: Generate) -> Reply | str:
            begun = rules.busy()
            try:
                return await asking(request)
            except PortError as error:
                first = error
            call = _Call(rules, begun)

            async def slept(seconds: float) -> None:
                await (sleep or asyncio.sleep)(seconds)
                call.go_on()

            async def after_the_first(request: Generate) -> Reply | str:
                call.begin(first)
                call.under_way = True
                return await asking(request)

            retrying = tenacity.AsyncRetrying(**call.settings(), sleep=slept)
            try:
                return call.reply(await retrying(after_the_first, request))
            except asyncio.CancelledError as error:
                raise error from call.given_up(error.__cause__)
            except PortError as error:
                raise call.last(error) from error.__cause__

        return aasked
    plain = cast("Callable[[Generate], Reply | str]", model)

    def asked(request: Generate) -> Reply | str:
        begun = rules.busy()
        try:
            return plain(request)
        except PortError as error:
            first = error
        call = _Call(rules, begun)

        def slept(seconds: float) -> None:
            (sleep or time.sleep)(seconds)
            call.go_on()

        def after_the_first(request: Generate) -> Reply | str:
            call.begin(first)
            return plain(request)

        retrying = tenacity.Retrying(**call.settings(), sleep=slept)
        try:
            return call.reply(retrying(after_the_first, request))
        except PortError as error:
            raise call.last(error) from error.__cause__

    return asked


@frozen
class _Rules:
    policy: RetryPolicy
    may_go_on: Callable[[], bool]
    chance: Callable[[], float]
    waited: Callable[[], float]

    def busy(self) -> float:
        """A clock, in seconds, that stands still while the task waits for its turn."""
        return time.monotonic() - self.waited()


@define
class _Call:
    """One call with its attempts: when to go on, and what they cost together.

    Tenacity, which costs more than a step of the machine, comes in after the first has failed;
    `started` is when the first began.
    """

    rules: _Rules
    started: float
    begun: bool = False
    failed: Facts | None = None
    noted: RetryableError | None = None
    cut_short: bool = False
    given_up_for: str = ""
    under_way: bool = False

    def begin(self, first: PortError) -> None:
        """Raise, once, what the first attempt has raised already."""
        if not self.begun:
            self.begun = True
            raise first

    def settings(self) -> dict[str, Any]:
        """How tenacity is to go about it. The one seam to its types."""
        return {
            "retry": _is_worth_it,
            "wait": self.wait,
            "stop": self.stop,
            "before_sleep": self.note,
            "reraise": True,
        }

    def wait(self, state: RetryCallState) -> float:
        """The seconds before the next attempt."""
        asked_for = _error_of(state).retry_after
        return self.rules.policy.wait(state.attempt_number, asked_for, self.rules.chance())

    def stop(self, state: RetryCallState) -> bool:
        """Whether there is no next attempt."""
        policy, asked_for = self.rules.policy, _error_of(state).retry_after
        if asked_for is not None and asked_for > policy.longest_wait:
            self.given_up_for = (
                f"; it asks to wait {asked_for:g} s, longer than {policy.longest_wait:g} s"
            )
            return True
        # Slept time counts too, where a test's sleep lets none pass.
        passed = max(self.rules.busy() - self.started, state.idle_for)
        return (
            state.attempt_number > policy.retries
            or passed + state.upcoming_sleep > policy.deadline
            or not self.rules.may_go_on()
        )

    def note(self, state: RetryCallState) -> None:
        """Add what a failed attempt cost."""
        self.noted, self.under_way = _error_of(state), False
        self.failed = self._with(_facts_of_error(self.noted))

    def go_on(self) -> None:
        """Raise the last error where no other attempt may follow: the wait may have been long."""
        if self.noted is not None and not self.rules.may_go_on():
            self.cut_short = True
            raise self.noted

    def reply(self, answer: Reply | str) -> Reply | str:
        """The answer with the facts of all attempts."""
        if self.failed is None:
            return answer
        reply = answer if isinstance(answer, Reply) else Reply(answer)
        return evolve(reply, facts=self._with(reply.facts))

    def last(self, error: PortError) -> PortError:
        """The error with the facts of all attempts, and how many those were."""
        told = self.failed if self.cut_short else None
        facts = told or self._with(_facts_of_error(error))
        often = f" (after {facts.attempts} attempts)" if facts.attempts > 1 else ""
        error.facts = facts
        error.args = (f"{error}{self.given_up_for}{often}",)
        return error

    def given_up(self, cause: BaseException | None) -> PortError:
        """Why a call came to nothing that was cancelled, with what its attempts cost by then."""
        told = cause.facts if isinstance(cause, PortError) else None
        last = told if isinstance(told, Facts) else Facts(attempts=int(self.under_way))
        return PortError("it was given up while it was tried again", facts=self._with(last))

    def _with(self, facts: Facts) -> Facts:
        return facts if self.failed is None else self.failed.plus(facts)


def _is_worth_it(state: RetryCallState) -> bool:
    return state.outcome is not None and isinstance(state.outcome.exception(), RetryableError)


def _error_of(state: RetryCallState) -> RetryableError:
    outcome = state.outcome
    return cast("RetryableError", None if outcome is None else outcome.exception())


def _facts_of_error(error: PortError) -> Facts:
    known = error.facts if isinstance(error.facts, Facts) else Facts()
    return known if known.errors else evolve(known, errors=(str(failure_of(error))[:MAX_ERROR],))
