"""How a run ends before its time, and what it still hands over."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from signal import Signals
from typing import Self

from convsim_fp.core.envelope import NO_FACTS, Facts
from convsim_fp.core.observations import Interrupted
from convsim_fp.core.state import State
from convsim_fp.errors import PortError
from convsim_fp.interpreters.daemons import left_behind

__all__ = [
    "CANCELLED",
    "ConversationCancelled",
    "RunCancelled",
    "RunInterrupted",
    "Signalled",
    "facts_behind",
    "reason_of",
    "signal_of",
]

SHOWN = 5  # names of threads in a message
CANCELLED = Interrupted("cancelled", "the task was cancelled")


class RunInterrupted(KeyboardInterrupt):
    """Ctrl-C or SIGTERM ended a run; `states` holds every session, the unfinished as cancelled.

    `threads` names those still inside somebody's code; they are daemons and delay nothing. Where
    nobody catches it, Python prints it and exits with 1; ``sys.exit(error.exit_code)`` exits as
    shells expect it: 130 after Ctrl-C, 143 after SIGTERM.
    """

    def __init__(
        self, states: Iterable[State], signal: str = "SIGINT", stuck: Iterable[str] = ()
    ) -> None:
        self.states = tuple(states)
        self.signal = signal
        self.threads = (*stuck, *left_behind(state.session.id for state in self.states))
        super().__init__(f"interrupted by {signal}{_inside(self.threads)}")

    @property
    def exit_code(self) -> int:
        """What a shell reports of a process that the signal ended."""
        return 128 + Signals[self.signal]


class Signalled(KeyboardInterrupt):
    """Raised in the main thread where a signal comes while somebody's code runs there."""

    def __init__(self, signal: str) -> None:
        self.signal = signal
        super().__init__(signal)


def signal_of(error: BaseException) -> str:
    """The signal that was heard; Python itself turns only Ctrl-C into an exception."""
    return error.signal if isinstance(error, Signalled | RunInterrupted) else "SIGINT"


class _Cause(Exception):
    """Never raised by itself: the cause of a CancelledError, with what it interrupted.

    No subclass of CancelledError: `asyncio.timeout` and `TaskGroup` look for the very class.
    """

    @classmethod
    def behind(cls, error: BaseException) -> Self | None:
        """Find it behind a CancelledError, or what became of one: TimeoutError, KeyboardInterrupt.

        None where no conversation was cut.
        """
        return next((each for each in _chain(error) if isinstance(each, cls)), None)


class ConversationCancelled(_Cause):
    """The cause where `aconverse` was cancelled; `state` is where it stopped.

    >>> import asyncio
    >>> ConversationCancelled.behind(asyncio.CancelledError()) is None
    True
    """

    def __init__(self, state: State) -> None:
        self.state = state
        name = f" {state.session.id!r}" if state.session.id else ""
        super().__init__(f"the session{name} was cancelled")


class RunCancelled(_Cause):
    """The cause where `aconverse_all` was cancelled; `states` holds all sessions, in order.

    The unfinished are there as cancelled. `threads` names those still inside somebody's code.
    """

    def __init__(self, states: Iterable[State]) -> None:
        self.states = tuple(states)
        self.threads = left_behind(state.session.id for state in self.states)
        super().__init__(f"the run was cancelled{_inside(self.threads)}")


def reason_of(error: BaseException) -> Interrupted:
    """The `Interrupted` that was given to ``task.cancel`` as its message, or plain cancelled."""
    messages = (message for each in _chain(error) for message in each.args)
    return next((m for m in messages if isinstance(m, Interrupted)), CANCELLED)


def facts_behind(error: BaseException) -> Facts:
    """What a request had cost that was cancelled, where its port told: as a `PortError`, its cause.

    >>> facts_behind(TimeoutError()).attempts
    1
    """
    told = (each.facts for each in _chain(error) if isinstance(each, PortError))
    return next((facts for facts in told if isinstance(facts, Facts)), NO_FACTS)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _inside(threads: tuple[str, ...]) -> str:
    if not threads:
        return ""
    more = f" and {len(threads) - SHOWN} more" if len(threads) > SHOWN else ""
    return f"; still inside the agent or a model: {', '.join(threads[:SHOWN])}{more}"
