"""Behaviours: simulated users and goal checks as pure functions of a view.

A behaviour returns its decision, or is a generator function that yields `Ask`s, is sent the reply
to each, and returns the decision:

    def impatient(view):
        while True:
            reply = yield Ask(prompt(view))
            if reply.strip():
                return Say(reply)

The state keeps the replies, not the generator: `decide` runs the behaviour again from its start
over them. So it must be pure, and the machine, not the behaviour, bounds how often it may ask.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator, Sequence
from inspect import iscoroutine
from types import GeneratorType
from typing import TypeAlias, TypeVar, cast

from attrs import field, frozen

from convsim_fp.core.cases import TestCase
from convsim_fp.core.json_values import Json, freeze
from convsim_fp.core.observations import Failure
from convsim_fp.core.prompts import Prompt
from convsim_fp.core.transcript import Transcript
from convsim_fp.core.typed import of_type
from convsim_fp.errors import PortError

__all__ = [
    "Ask",
    "AskUser",
    "GoalCheck",
    "Leave",
    "Move",
    "Question",
    "Satisfied",
    "Say",
    "SimulatedUser",
    "Verdict",
    "View",
    "consult",
    "decide",
    "failure_of",
]


@frozen
class View:
    """What a behaviour may know: the case, the turn (from 1), what was said, its seed and memo.

    `memo` is what the user's last `Say` left there; goal checks see it too. Nobody sees a verdict.
    `closing` when nothing can be said any more, and only satisfaction or leaving counts.
    """

    case: TestCase
    turn: int
    transcript: Transcript = ()
    seed: int = 0
    memo: Json = None
    closing: bool = False


@frozen
class Ask:
    """Ask a model; `because` says in words why the reply before this one could not be used."""

    prompt: Prompt = field(validator=of_type(Prompt))
    because: str = field(default="", validator=of_type(str))


@frozen
class AskUser:
    """Ask the user port, for users outside of the core."""

    because: str = field(default="", validator=of_type(str))


@frozen
class Say:
    """Say something to the agent. `memo` is kept for the next turn; None leaves nothing there."""

    text: str = field(validator=of_type(str))
    memo: Json = field(default=None, converter=freeze)


@frozen
class Leave:
    """Leave the conversation; what is said with it is answered by the agent and judged."""

    why: str = field(validator=of_type(str))
    say: str = field(default="", validator=of_type(str))


@frozen
class Satisfied:
    """Declare the user's own goal achieved; `why` becomes the verdict's rationale."""

    why: str = field(validator=of_type(str))


@frozen
class Verdict:
    """Whether the goal is reached, and why; `failed` where the check itself could not work."""

    achieved: bool = field(validator=of_type(bool))
    rationale: str = field(default="", validator=of_type(str))
    failed: bool = field(default=False, validator=of_type(bool))


Question: TypeAlias = Ask | AskUser
Move: TypeAlias = Say | Leave | Satisfied

SimulatedUser: TypeAlias = Callable[[View], Move | Generator[Question, str, Move]]
GoalCheck: TypeAlias = Callable[[View], Verdict | Generator[Question, str, Verdict]]

D = TypeVar("D")

QUESTIONS = (Ask, AskUser)
GENERATORS = (GeneratorType, Generator)  # the usual one first: the other is asked its methods

MAX_DETAIL = 2000  # characters of an exception's text that a state keeps
CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")


def consult(
    behaviour: Callable[[View], D | Generator[Question, str, D]], view: View
) -> Generator[Question, str, D]:
    """Let one behaviour use another: ``decision = yield from consult(other, view)``.

    It does not matter whether the other is a plain function or a generator function.
    """
    made = behaviour(view)
    if isinstance(made, Generator):
        return (yield from cast("Generator[Question, str, D]", made))
    return made


def decide(
    behaviour: Callable[[View], D | Generator[Question, str, D]],
    view: View,
    replies: Sequence[str],
    *,
    expects: tuple[type[D], ...],
    max_asks: int,
) -> Question | D | Failure:
    """Run a behaviour over the replies it has: its next question, its decision, or a failure.

    Never raises: what the behaviour raises, yields or returns that is none of these is a `Failure`,
    and so is a question beyond `max_asks`.
    """
    try:
        made = behaviour(view)
        if not isinstance(made, GENERATORS):
            return _decision(made, expects)
        asking = cast("Generator[object, str, object]", made)
        try:
            question = next(asking)
            for reply in replies:
                question = asking.send(reply)
        except StopIteration as end:
            return _decision(end.value, expects)
        finally:
            asking.close()
    except KeyboardInterrupt:
        raise
    except BaseException as error:  # noqa: BLE001  the user's code, which may call exit() too
        return failure_of(error)
    if not isinstance(question, QUESTIONS):
        return Failure("broken_behaviour", f"yielded {type(question).__name__}, expected an Ask")
    if len(replies) >= max_asks:
        because = f"; the last: {question.because}" if question.because else ""
        return Failure("unusable_replies", f"{len(replies)} replies could not be used{because}")
    return question


def failure_of(error: BaseException, kind: str = "raised") -> Failure:
    """Sort an exception into a failure, once: port errors by their class, others as `kind`.

    >>> from convsim_fp.errors import TimedOut
    >>> failure_of(TimedOut("no answer in 30 s"))
    Failure(kind='timed_out', detail='no answer in 30 s')
    """
    name = type(error).__name__
    try:
        words = str(error)[:MAX_DETAIL]
    except Exception:  # noqa: BLE001  an exception of the user's may fail to print
        words = "(cannot be printed)"
    if isinstance(error, PortError):
        return Failure(CAPITAL.sub("_", name).lower(), words)
    return Failure(kind, f"{name}: {words}" if words else name)


def _decision(made: object, expects: tuple[type[D], ...]) -> D | Failure:
    if isinstance(made, expects):
        return made
    if iscoroutine(made):
        made.close()
    allowed = " or ".join(expected.__name__ for expected in expects)
    return Failure("broken_behaviour", f"returned {type(made).__name__}, expected {allowed}")
