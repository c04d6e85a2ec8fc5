"""Find a conversation that your agent should not have, and the shortest that still shows it.

Needs the extra `testing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from math import isfinite
from threading import Event
from typing import cast

from attrs import evolve

from convsim_adapters.running.agents import AgentTarget, ChosenAgent, choose_agent
from convsim_adapters.running.case_lists import Cases, read_cases, selected
from convsim_adapters.running.models import Params
from convsim_adapters.running.plain_ports import open_plainly, outside_of_loops
from convsim_adapters.running.plans import tried
from convsim_adapters.running.players import players
from convsim_fp.core import Message, SimulatedUser, TestCase, Transcript
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Model
from convsim_fp.testing.finding import (
    FlakyConversation,
    FoundConversation,
    Search,
    VainSearch,
    Violates,
    search_conversations,
)
from convsim_fp.testing.phrases import said_by_user

__all__ = ["FlakyConversation", "FoundConversation", "VainSearch", "find_conversation"]


TRANSCRIPTS = "a list of transcripts: [state.transcript for state in …]"


def find_conversation(
    agent: AgentTarget,
    cases: Cases,
    *,
    violates: Violates,
    phrases: Iterable[str] = (),
    recorded: Iterable[Transcript] = (),
    user: str | SimulatedUser | None = None,
    user_model: Model | None = None,
    personas: Iterable[str] = (),
    guidelines: Iterable[str] = (),
    agent_params: Params | None = None,
    max_turns: int = 10,
    max_examples: int = 1000,
    timeout: float = 120.0,
    select: str | Sequence[str] = (),
) -> FoundConversation | None:
    """Look for a conversation that should not be, and shrink it; None where none is found.

    `agent`, `cases` and `select` as for `simulate`; the cases give context and history, and their
    users the words: scripts, agendas, goals, what they know, and the sentences of all these.
    `violates` is shown each conversation once it has ended, and says whether it should not be; see
    `State` for what it is shown.

    hypothesis draws what the user says from these words, from more `phrases`, and from what users
    said in `recorded` transcripts. With a `user` of your own (a function of a view, or a name as
    for `simulate`) it draws who that is: the `personas` and `guidelines` of the cases and the given
    ones, and the seed. Give the `user_model` that it asks, such as `fake_model`; by default one
    answers with the words. What was said is then said again from a script, and has to violate too.

    None is what a test asserts, and no failure. A session in which the agent or the user fails is
    one that ended so. At most `max_examples` conversations of at most `max_turns` turns are drawn;
    to shrink the first that violates takes more. The same search finds the same. `timeout` in
    seconds bounds a call of an agent that is async or behind a URL.

    Raises `InvalidSpec` with all problems before the first call; `FlakyConversation` where the same
    words violate once and then not; `VainSearch` where no agent replied; what `violates` raises.

    >>> def agent(messages):
    ...     return "Refunded." if "order" in messages[-1]["content"] else "Which one?"
    >>> case = {"goal": "a refund", "script": ["Hello! I want a refund.", "My order."]}
    >>> found = find_conversation(
    ...     agent, [case], violates=lambda state: state.transcript[-1].text == "Refunded."
    ... )
    >>> found.case.extra["script"]
    ('My order.',)
    """
    problems = [*_timeout_problems(timeout), *_model_problems(user_model)]
    listed = tried(problems, lambda: selected(read_cases(cases, "auto")[0], select)) or ()
    found = tried(problems, lambda: choose_agent(agent, params=agent_params, timeout=timeout))
    said = tried(problems, lambda: _said(recorded)) or ()
    own = tried(problems, lambda: _own_user(user, listed))
    search = tried(
        problems,
        lambda: Search(
            violates=violates,
            user=own,
            phrases=phrases,
            personas=personas,
            guidelines=guidelines,
            max_turns=max_turns,
            max_examples=max_examples,
        ),
    )
    if found is not None:
        problems += found.problems(listed)
    if problems or found is None or search is None:
        raise InvalidSpec(problems)
    search = evolve(search, phrases=(*search.phrases, *said))
    return outside_of_loops(partial(_searched, listed, found, user_model, search))


def _searched(
    cases: tuple[TestCase, ...],
    agent: ChosenAgent,
    user_model: Model | None,
    search: Search,
    stop: Event,
) -> FoundConversation | None:
    with open_plainly(agent, user_model, stop) as ports:
        return search_conversations(cases, ports, search)


def _own_user(
    given: str | SimulatedUser | None, cases: tuple[TestCase, ...]
) -> SimulatedUser | None:
    """The user that decides for itself, tried on each case; None where its words are drawn."""
    if given is None:
        return None
    playing, made, problems = players(given, "never"), None, list[Problem]()
    for index, case in enumerate(cases):
        try:
            made = playing.cast(case).user
        except InvalidSpec as error:
            problems += (evolve(one, index=index, id=case.id) for one in error.problems)
    if problems:
        raise InvalidSpec(problems)
    return made


def _said(recorded: Iterable[Transcript]) -> tuple[str, ...]:
    """What users said in transcripts, in order."""
    given = cast("object", recorded)
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise InvalidSpec([Problem("recorded", f"is {given!r:.80}, expected {TRANSCRIPTS}")])
    transcripts = tuple(cast("Iterable[object]", given))
    problems = [
        Problem(f"recorded[{at}]", f"is {one!r:.80}, expected the messages of one transcript")
        for at, one in enumerate(transcripts)
        if not _is_transcript(one)
    ]
    if problems:
        raise InvalidSpec(problems)
    return tuple(text for one in transcripts for text in said_by_user(cast("Transcript", one)))


def _is_transcript(value: object) -> bool:
    if not isinstance(value, Sequence):
        return False
    return all(isinstance(one, Message) for one in cast("Sequence[object]", value))


def _model_problems(given: object) -> Iterator[Problem]:
    if given is not None and (not callable(given) or isinstance(given, type)):
        what = f"is {given!r:.80}, expected a function, such as fake_model([…])"
        yield Problem("user_model", f"{what}: a search asks it thousands of times")


def _timeout_problems(given: object) -> Iterator[Problem]:
    if not isinstance(given, int | float) or not (isfinite(given) and given > 0):
        yield Problem("timeout", f"is {given!r:.80}, expected seconds above 0")
