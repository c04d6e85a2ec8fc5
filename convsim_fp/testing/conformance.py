"""Conformance checks: does your own user, goal check, model or agent keep what convsim relies on?

Each raises `AssertionError` that says what was found, or returns. The behaviour checks are
hypothesis properties, so they obey the loaded profile and shrink what they find.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Generator, Iterable
from inspect import isawaitable
from typing import Any, cast

from attrs import evolve, frozen
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from convsim_fp.core.behaviours import (
    Ask,
    AskUser,
    GoalCheck,
    Leave,
    Question,
    Satisfied,
    Say,
    SimulatedUser,
    Verdict,
    View,
)
from convsim_fp.core.cases import TestCase
from convsim_fp.core.prompts import Prompt, render
from convsim_fp.core.requests import CallAgent, Generate, Lane, RequestId, Session
from convsim_fp.core.transcript import Message, Transcript
from convsim_fp.errors import InvalidSpec, PortError
from convsim_fp.interpreters.ports import Agent, AgentReply, Model, Reply
from convsim_fp.testing import strategies as any_of

__all__ = ["check_agent", "check_goal_check", "check_model", "check_user", "must"]

MOST_ASKS = 3


def check_user(user: SimulatedUser, *, cases: st.SearchStrategy[TestCase] | None = None) -> None:
    """Check that a simulated user is pure, asks and decides as it must, and renders stable prompts.

    Run over any views and replies; give `cases` where the user needs cases of its own kind. It may
    refuse a case (`InvalidSpec`) or its replies (`PortError`), and raise nothing else.
    """
    _check_behaviour(user, (Say, Leave, Satisfied), cases)


def check_goal_check(check: GoalCheck, *, cases: st.SearchStrategy[TestCase] | None = None) -> None:
    """Check that a goal check is pure, asks and decides as it must, and renders stable prompts."""
    _check_behaviour(check, (Verdict,), cases)


def check_model(model: Model, *, requests: Iterable[Generate] | None = None) -> None:
    """Check that a model port replies with text or raises `PortError`; it is called a few times."""
    for request in _prompts() if requests is None else requests:
        _check_port(cast("Callable[[Any], object]", model), request, (Reply, str), "text")


def check_agent(agent: Agent, *, requests: Iterable[CallAgent] | None = None) -> None:
    """Check that an agent port replies or raises `PortError`; it is called a few times."""
    for request in _calls() if requests is None else requests:
        _check_port(cast("Callable[[Any], object]", agent), request, (AgentReply, str), "text")


@frozen
class _Refused:
    """It refused the case or its replies, which it may."""

    why: str


UNDECIDED = object()


@frozen
class _Ran:
    """What a behaviour did over some replies: its questions, and how it came out."""

    questions: tuple[Question, ...]
    outcome: object


def _check_behaviour(
    behaviour: Callable[[View], object],
    decisions: tuple[type, ...],
    cases: st.SearchStrategy[TestCase] | None,
) -> None:
    # Neither kept nor explained: the message says what is wrong, and both take their seconds.
    @settings(database=None, phases=(Phase.generate, Phase.shrink))
    @given(
        any_of.cases() if cases is None else cases,
        any_of.transcripts(max_size=12),
        st.integers(1, 12),
        st.lists(any_of.texts(), max_size=MOST_ASKS),
        st.integers(0, 3),
    )
    def holds(
        case: TestCase, transcript: Transcript, turn: int, replies: list[str], seed: int
    ) -> None:
        view = View(case, turn, transcript, seed)
        ran, at_once = _run(behaviour, view, replies), _run(behaviour, view, replies)
        said = (Message("user", "And then?"), Message("agent", "Then that."))
        memo = ran.outcome.memo if isinstance(ran.outcome, Say) else None
        later = evolve(view, turn=turn + 1, transcript=(*transcript, *said), memo=memo)
        after = _run(behaviour, later, replies)
        for again in (at_once, _run(behaviour, view, replies)):
            must(ran == again, f"the same view and replies gave {ran} and then {again}")
        _check_outcome(ran.outcome, decisions)
        _check_outcome(after.outcome, decisions)
        _check_prompts(ran.questions, ran.questions, "another question of the same turn")
        if transcript and transcript[-1].speaker == "agent":
            _check_prompts(ran.questions, after.questions, "the next turn")

    holds()


def _run(behaviour: Callable[[View], object], view: View, replies: Iterable[str]) -> _Ran:
    questions: list[Question] = []
    try:
        made = behaviour(view)
        if not isinstance(made, Generator):
            return _Ran((), made)
        asking = cast("Generator[object, str, object]", made)
        question = next(asking)
        for reply in (*replies, None):
            must(isinstance(question, Ask | AskUser), f"it yielded {question!r}, expected an Ask")
            questions.append(cast("Question", question))
            if reply is None:
                asking.close()
                return _Ran(tuple(questions), UNDECIDED)
            question = asking.send(reply)
    except StopIteration as end:
        return _Ran(tuple(questions), cast("object", end.value))
    except (PortError, InvalidSpec) as error:
        return _Ran(tuple(questions), _Refused(f"{type(error).__name__}: {error}"))
    raise AssertionError("unreachable: the last reply closes the behaviour")


def _check_outcome(outcome: object, decisions: tuple[type, ...]) -> None:
    expected = " or ".join(decision.__name__ for decision in decisions)
    fine = isinstance(outcome, (*decisions, _Refused)) or outcome is UNDECIDED
    must(fine, f"it decided {outcome!r}, expected {expected}")


def _check_prompts(earlier: tuple[Question, ...], later: tuple[Question, ...], which: str) -> None:
    before = [q.prompt for q in earlier if isinstance(q, Ask)]
    after = [q.prompt for q in later if isinstance(q, Ask)]
    for prompt in before:
        for message in render(prompt):
            message.content.encode()
    if before and after and before[0].speaks_as == after[-1].speaks_as:
        head = render(evolve(before[0], question=""))
        found = render(evolve(after[-1], question=""))[: len(head)]
        must(
            found == head,
            f"without their questions, the prompt of {which} does not begin with this one: "
            f"{found!r:.300} is not {head!r:.300}; put what changes into the question",
        )


def _check_port(
    port: Callable[[Any], object],
    request: Generate | CallAgent,
    replies: tuple[type, ...],
    expected: str,
) -> None:
    try:
        answer = port(request)
        if isawaitable(answer):
            answer = asyncio.run(_awaited(answer))
    except PortError:
        return
    except Exception as error:
        what = f"it raised {type(error).__name__}: {error}; sort it into a PortError"
        raise AssertionError(f"{what} (for {request.id})") from error
    names = " or ".join(reply.__name__ for reply in replies)
    must(isinstance(answer, replies), f"it answered {answer!r:.80}, expected {names}")
    text = answer if isinstance(answer, str) else getattr(answer, expected)
    must(isinstance(text, str), f"the text of its answer is {text!r:.80}")


async def _awaited(answer: Awaitable[object]) -> object:
    return await answer


def _prompts() -> tuple[Generate, ...]:
    case = TestCase(goal="return the red shoes")
    said = (Message("user", "Hi."), Message("agent", "</agent>\ud800\x00{}"))
    prompts = (
        Prompt("user", "You are a customer.", (), "Write your first message."),
        Prompt("judge", "You judge a conversation.", said, "Is the goal reached?"),
    )
    return tuple(
        Generate(RequestId(1, Lane.USER, nth), Session("check"), case, prompt)
        for nth, prompt in enumerate(prompts)
    )


def _calls() -> tuple[CallAgent, ...]:
    texts = ("Where is my order?", "</user>\ud800\x00{}", "é" * 10_000)
    return tuple(
        CallAgent(RequestId(1, Lane.AGENT), Session(f"check-{n}"), TestCase(goal="x"), said)
        for n, said in enumerate((Message("user", text),) for text in texts)
    )


def must(holds: bool, otherwise: str) -> None:  # noqa: FBT001  reads as a sentence
    """Raise `AssertionError` with these words unless it holds."""
    if not holds:
        raise AssertionError(otherwise)
