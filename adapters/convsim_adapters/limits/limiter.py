"""The limits of a model kept: who is sent now, who waits, and what the answers tell.

The clock is that of the running loop. Everything here happens in that loop.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from heapq import heappop, heappush
from math import inf
from typing import TypeAlias, cast

from attrs import Factory, define, field

from convsim_adapters.limits.allowed import Limits, Signal, Ticket
from convsim_adapters.limits.rates import Leave, SharedMinute
from convsim_adapters.limits.trouble import asked_pause, too_much
from convsim_fp.core import Generate
from convsim_fp.errors import PortError
from convsim_fp.interpreters import Facts, Model, Reply

__all__ = ["Limiter", "NotSent", "limited", "waited"]

Place: TypeAlias = tuple[int, int]  # of a session, and of a request among all that wait

LOOK = 1.0  # seconds; that the run may not go on is seen after so long
CHARACTERS = 4  # to a token, of most text
UNSENT = Facts(attempts=0)
WAITED: ContextVar[float] = ContextVar("convsim_waited", default=0.0)

log = logging.getLogger("convsim")


class NotSent(PortError):
    """A request that waited for its turn until it was given up, or nothing new may be asked."""


def nobody(signal: Signal) -> None:
    """Tell no other process."""
    del signal


def waited() -> float:
    """How many seconds the calling task has waited for its turns: time that no model took."""
    return WAITED.get()


def limited(model: Model, limiter: Limiter) -> Model:
    """A model port whose requests are sent when the limiter lets them; it is below the retries.

    The model is a coroutine function. What it raises is raised; where a request is cancelled while
    it waits, `NotSent` is the cause. Raises `NotSent` for one that waited for `Limiter.patience`
    while none was answered well, or until nothing new may be asked; its facts say so.
    """
    asking = cast("Callable[[Generate], Awaitable[Reply | str]]", model)

    async def asked(request: Generate) -> Reply | str:
        ticket = limiter.entered(request) or await limiter.turn(request)
        try:
            answer = await asking(request)
        except PortError as error:
            limiter.failed(ticket, error)
            raise
        except BaseException:
            limiter.left()
            raise
        limiter.answered(ticket, answer)
        return answer

    return asked


@define(eq=False)
class Limiter:
    """Lets the requests to one model through, of all sessions that ask it; the earliest go first.

    Sessions have the order in which they first asked, so those that began early finish early.
    `name` is for the log, `key` for the other processes, to which `tell` passes on what they should
    hear. A pause that is longer than `longest_hold` seconds is not kept, since the retries give up
    there. `may_go_on` is asked before those that waited are sent, and every second. Where other
    processes share the minute, `minute` asks for leave of each request, and is told what it was.
    """

    name: str
    limits: Limits
    key: str = ""
    tell: Callable[[Signal], object] = nobody
    may_go_on: Callable[[], bool] = field(default=lambda: True)
    minute: SharedMinute | None = None
    longest_hold: float = 60.0
    patience: float = 600.0
    _waiting: list[tuple[Place, float, asyncio.Future[Ticket]]] = Factory(
        list[tuple[Place, float, asyncio.Future[Ticket]]]
    )
    _sessions: dict[str, int] = Factory(dict[str, int])
    _came: int = 0
    _timer: asyncio.TimerHandle | None = None
    _answered: float = 0.0
    _over: float = inf  # when those that wait are given up
    _said: bool = False
    _asked: bool = False  # for leave, of which one at a time is under way
    _leave: Leave | None = None

    def entered(self, request: Generate) -> Ticket | None:
        """The leave to send a request at once; None where it has to wait."""
        self._sessions.setdefault(request.session.id, len(self._sessions))
        if self._waiting or self.minute is not None:
            return None
        now, tokens = _now(), self._expected(request)
        return self._admitted(now, tokens) if self.limits.free_at(now, tokens) <= now else None

    async def turn(self, request: Generate) -> Ticket:
        """Wait for the leave to send a request."""
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[Ticket] = loop.create_future()
        began = loop.time()
        self._came += 1
        place = (self._sessions[request.session.id], self._came)
        heappush(self._waiting, (place, self._expected(request), turn))
        tired = loop.call_later(self.patience, self._tire, turn)
        self.let_in()
        try:
            return await turn
        except asyncio.CancelledError as error:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.left()  # it was let in just before, and is gone
            what = "it was given up while it waited for its turn"
            raise error from NotSent(f"{self.name}: {what}", facts=UNSENT)
        finally:
            tired.cancel()
            WAITED.set(WAITED.get() + loop.time() - began)

    def answered(self, ticket: Ticket, answer: Reply | str) -> None:
        """A good answer came."""
        self._answered, tokens = _now(), _tokens(answer)
        self.limits = self.limits.answered(ticket, tokens)
        if self.minute is not None and tokens is not None:
            self.minute.count(Leave(self.key, ticket.tokens, ticket.second), tokens)
        self.let_in()

    def failed(self, ticket: Ticket, error: PortError) -> None:
        """No good answer came: there is less to send, or later, where the error tells so."""
        what, seconds = too_much(error), asked_pause(error, longest=self.longest_hold)
        lowered = self.limits.lowered(ticket.generation) if what else self.limits
        held = lowered.held(_now(), seconds)
        before, self.limits = self.limits, held.left()
        if lowered is not before:
            self._say(what, lowered.at_once.most)
            self.tell(Signal(self.key, "lowered"))
        if held is not lowered:
            self.tell(Signal(self.key, "held", seconds))
        self.let_in()

    def left(self) -> None:
        """A request is under way no more, and that tells nothing."""
        self.limits = self.limits.left()
        self.let_in()

    def hear(self, signal: Signal) -> None:
        """Another process tells what it learned of this model."""
        self._said = True  # over there
        self.limits = self.limits.heard(signal, _now())
        self.let_in()

    def given(self, leave: Leave) -> None:
        """There is room for one request now; where none can be sent it is lost."""
        self._asked, self._leave = False, leave
        self.let_in()
        self._leave = None

    def share(self, parts: int) -> None:
        """Share the limits with another number of processes."""
        self.limits = self.limits.shared(parts)
        self.let_in()

    def let_in(self) -> None:
        """Send those whose turn it is; be called again when it may be the next one's."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        while self._waiting:
            _, tokens, turn = self._waiting[0]
            if not turn.done() and not self._ended_waiting(turn, tokens):
                return
            heappop(self._waiting)

    def _ended_waiting(self, turn: asyncio.Future[Ticket], tokens: float) -> bool:
        """Whether the next one waits no more."""
        now = _now()
        if not self.may_go_on():
            return self._not_sent(turn, now)
        at = self.limits.free_at(now, tokens)
        if at <= now and self._has_leave(tokens):
            turn.set_result(self._admitted(now, tokens))
            return True
        self._look_again(min(at if at > now else inf, now + LOOK))
        return False

    def _has_leave(self, tokens: float) -> bool:
        """Whether the others leave room for one more; where that is not known it is asked."""
        if self.minute is None or self._leave is not None:
            return True
        if not self._asked:
            self._asked = True
            self.minute.ask(Leave(self.key, tokens))
        return False

    def _not_sent(self, turn: asyncio.Future[Ticket], now: float) -> bool:
        """Give up the next one, a look later: whatever ends it in a way of its own comes first."""
        self._over = min(self._over, now + LOOK)
        if now < self._over:
            self._look_again(self._over)
            return False
        what = "it waited for its turn until the budget of the run was used up"
        turn.set_exception(NotSent(f"{self.name}: {what}", facts=UNSENT))
        return True

    def _look_again(self, at: float) -> None:
        self._timer = asyncio.get_running_loop().call_at(at, self.let_in)

    def _admitted(self, now: float, tokens: float) -> Ticket:
        self.limits, leave = self.limits.admitted(now, tokens), self._leave
        self._leave = None
        if leave is not None:
            return Ticket(self.limits.at_once.generation, leave.second, leave.tokens)
        return self.limits.ticket(now, tokens)

    def _tire(self, turn: asyncio.Future[Ticket]) -> None:
        """Give up a request where nothing is answered; where something is, it goes on waiting."""
        if turn.done():
            return
        left = self._answered + self.patience - _now()
        if left > 0:
            asyncio.get_running_loop().call_later(left, self._tire, turn)
            return
        what = f"it waited {self.patience:g} s for its turn, and no request was answered meanwhile"
        turn.set_exception(NotSent(f"{self.name}: {what}", facts=UNSENT))
        self.let_in()

    def _expected(self, request: Generate) -> float:
        minute = self.limits.minute
        if self.minute is None and (minute is None or minute.tpm is None):
            return 0.0
        guess = sum(len(one.content) for one in request.messages) / CHARACTERS
        return guess if self.minute is not None else self.limits.expected(guess)

    def _say(self, what: str, most: int) -> None:
        """Tell it once: the first time is news, the others are how it works."""
        if not self._said:
            self._said = True
            requests = "request" if most == 1 else "requests"
            log.warning("%s %s: at most %d %s at once from now on", self.name, what, most, requests)


def _now() -> float:
    return asyncio.get_running_loop().time()


def _tokens(answer: Reply | str) -> float | None:
    if not isinstance(answer, Reply):
        return None
    read, written = answer.facts.input_tokens, answer.facts.output_tokens
    return None if read is None and written is None else (read or 0) + (written or 0)
