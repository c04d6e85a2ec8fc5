"""Finding a conversation that should not be, and the shortest that still shows it.

hypothesis draws what the user says, or who the user is; each conversation is driven by the
synchronous interpreter. What is found is shrunk to a script, so that it plays without a model.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import accumulate, chain
from pathlib import Path
from random import Random
from typing import cast

from attrs import evolve, field, frozen
from hypothesis import Phase, Verbosity, find, settings
from hypothesis.errors import NoSuchExample

from convsim_fp import goals, users
from convsim_fp.core.behaviours import SimulatedUser
from convsim_fp.core.cases import TestCase
from convsim_fp.core.envelope import Entry
from convsim_fp.core.json_values import A_COUNT, freeze_object, is_count, kind
from convsim_fp.core.requests import Generate, Request, Session, new_session
from convsim_fp.core.state import Rules, State
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters.perform import is_async
from convsim_fp.interpreters.ports import Model, Ports, PortsOf, Reply
from convsim_fp.journal.canonical import canonical
from convsim_fp.testing.fakes import Fake
from convsim_fp.testing.phrases import phrases_of, with_sentences
from convsim_fp.testing.stages import FlakyConversation, Stage, VainSearch, Violates, shown
from convsim_fp.testing.talks import Space, shrunk

__all__ = [
    "FlakyConversation",
    "FoundConversation",
    "Search",
    "VainSearch",
    "Violates",
    "search_conversations",
]

TEXTS = ("phrases", "personas", "guidelines")
LIMITS = ("max_turns", "max_examples")
SETTINGS = settings(
    database=None,
    deadline=None,
    derandomize=True,
    phases=(Phase.generate, Phase.shrink),
    print_blob=False,
    verbosity=Verbosity.quiet,
)


def _listed(given: Iterable[str]) -> tuple[str, ...]:
    """A tuple of what can be listed; what is wrong stays as it is, for the checks to name it."""
    value = cast("object", given)
    if isinstance(value, str) or not isinstance(value, Iterable):
        return cast("tuple[str, ...]", value)
    return tuple(cast("Iterable[str]", value))


@frozen(kw_only=True)
class Search:
    """What to look for, and with which users beside those of the cases.

    `violates` says whether a conversation that has ended is one of those that should not be. The
    user says `phrases` and what the cases have (see `phrases_of`), in any order. With a `user` that
    decides for itself, its persona, its guidelines, those of the cases and the given ones, and its
    seed are drawn instead. At most `max_examples` conversations of `max_turns` turns are drawn; to
    shrink one takes more of them. Raises `InvalidSpec` with all problems at once.
    """

    violates: Violates
    user: SimulatedUser | None = None
    phrases: tuple[str, ...] = field(default=(), converter=_listed)
    personas: tuple[str, ...] = field(default=(), converter=_listed)
    guidelines: tuple[str, ...] = field(default=(), converter=_listed)
    max_turns: int = 10
    max_examples: int = 1000

    def __attrs_post_init__(self) -> None:
        problems = (*_function_problems(self), *_list_problems(self), *_limit_problems(self))
        if problems:
            raise InvalidSpec(problems)


@frozen
class FoundConversation:
    """A conversation that violates; `str` shows it as it went.

    `case` says the user's messages from its `script`, so that it plays without a model; it carries
    no goal check, which could end it earlier. `state` is how it ended, `entries` all that was asked
    and observed on the way, and `tried` how many conversations it took to find and to shrink it.
    """

    case: TestCase
    state: State
    tried: int
    entries: tuple[Entry, ...] = field(default=(), repr=False)

    def __str__(self) -> str:
        return shown(self.state)

    @property
    def journal(self) -> str:
        """The conversation as the text of a journal, which replays to the same end."""
        settings = {"user": "scripted", "goal_check": "never"}
        turns = self.case.max_turns
        more = {} if turns is None else {"max_turns": turns}
        told = freeze_object({**settings, **more})
        name = new_session(str(self.case.id))
        entries = (evolve(one, session=name, request=_renamed(one, name)) for one in self.entries)
        end = evolve(self.state, session=name)
        return canonical(self.case, entries, end, settings=told)

    def write(self, path: str | Path) -> None:
        """Write the journal to a file, which is a test case by itself for the pytest plugin."""
        Path(path).write_text(self.journal, "ascii")


def _renamed(entry: Entry, session: Session) -> Request | None:
    return None if entry.request is None else evolve(entry.request, session=session)


def search_conversations(
    cases: Iterable[TestCase], ports: Ports | PortsOf, search: Search
) -> FoundConversation | None:
    """Look for a conversation that violates, and shrink it; None where none is found.

    Ports are plain functions. Where a user asks a model and they have none, it answers with the
    phrases. Law: the found one violates, none of its lines can be left out, and none be replaced by
    a shorter phrase; to find that out takes up to as many conversations as it has turns times
    phrases. The same search finds the same. Raises `InvalidSpec`, `FlakyConversation`,
    `VainSearch`, and what `violates` raises, with the shortest conversation that it raises it of.

    >>> ports = Ports(lambda request: "Refunded." if len(request.transcript) > 2 else "Why?")
    >>> case = TestCase(goal="a refund", extra={"script": ["It broke.", "Hm."]})
    >>> search = Search(violates=lambda state: state.transcript[-1].text == "Refunded.")
    >>> search_conversations([case], ports, search).case.extra["script"]
    ('Hm.', 'Hm.')
    """
    space = _space(_checked(tuple(cases)), search)
    rules = Rules(users.scripted(), goals.never, max_turns=search.max_turns)
    own = rules if search.user is None else evolve(rules, user=search.user)
    stage = Stage(_with_model(ports, space.pool), search.violates, own, rules, space.pool[0])
    return _found(space, stage, settings(SETTINGS, max_examples=search.max_examples))


def _found(space: Space, stage: Stage, limits: settings) -> FoundConversation | None:
    try:
        drawn = find(space.talks(), stage.shows, settings=limits, random=Random(0))
    except NoSuchExample:
        stage.check()
        return None
    talk = shrunk(stage.as_script(drawn), stage.shows, space.pool)
    stage.check()
    played = stage.violating[talk]
    if played.error is not None:
        played.error.add_note(f"violates raised it of this conversation:\n{shown(played.state)}")
        raise played.error
    return FoundConversation(talk.as_case, played.state, stage.tried, played.entries)


def _space(cases: tuple[TestCase, ...], search: Search) -> Space:
    personas = (*(case.persona for case in cases), *search.personas)
    guidelines = (*(one for case in cases for one in case.simulation_guidelines),)
    said = tuple(phrases_of(case) for case in cases)
    return Space(
        cases=cases,
        phrases=(*chain(*said), *with_sentences(search.phrases)),
        starts=tuple(accumulate((len(one) for one in said[:-1]), initial=0)),
        personas=tuple(dict.fromkeys(text for text in personas if text)),
        guidelines=tuple(dict.fromkeys((*guidelines, *search.guidelines))),
        own_user=search.user is not None,
        max_turns=search.max_turns,
    )


def _checked(cases: tuple[TestCase, ...]) -> tuple[TestCase, ...]:
    """Each case by a name of its own, as an interpreter of many names them."""
    if not cases:
        raise InvalidSpec([Problem("cases", "are none, expected at least one test case")])
    return tuple(
        case if case.id is not None else evolve(case, id=f"case-{index}")
        for index, case in enumerate(cases)
    )


def _function_problems(search: Search) -> Iterator[Problem]:
    for name, given in (("violates", search.violates), ("user", search.user)):
        if not callable(given) and not (given is None and name == "user"):
            yield Problem(name, f"is {given!r:.80}, expected a function")
        elif is_async(given):
            yield Problem(name, "is async, expected a plain function: it is called, not awaited")


def _list_problems(search: Search) -> Iterator[Problem]:
    for name in TEXTS:
        texts = cast("object", getattr(search, name))
        if not isinstance(texts, tuple):
            yield Problem(name, f"is {kind(texts)}, expected a list of texts")
            continue
        for at, text in enumerate(cast("tuple[object, ...]", texts)):
            if not isinstance(text, str):
                yield Problem(f"{name}[{at}]", f"is {kind(text)}, expected text")


def _limit_problems(search: Search) -> Iterator[Problem]:
    for name in LIMITS:
        value = cast("object", getattr(search, name))
        if not is_count(value):
            yield Problem(name, f"is {kind(value)}, expected {A_COUNT}")


def _with_model(ports: Ports | PortsOf, pool: tuple[str, ...]) -> Ports | PortsOf:
    """The ports with a model that answers with phrases, where they have none."""

    def model(request: Generate) -> str | Reply:
        return Fake[str | Reply](pool, request.session.seed)(request)

    def ports_of(session: Session) -> Ports:
        return _or_model(cast("Callable[[Session], Ports]", ports)(session), model)

    return _or_model(ports, model) if isinstance(ports, Ports) else ports_of


def _or_model(ports: Ports, model: Model) -> Ports:
    return ports if ports.user_model is not None else evolve(ports, user_model=model)
