"""What a marked test stands for: its cases as items, each refused or ready before it is played."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

from attrs import evolve, fields, frozen

from convsim_adapters.running.kept import Kept, is_journal, read_kept
from convsim_adapters.running.plans import Plan, Settings, make_plan
from convsim_fp.core import TestCase, thaw
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["Item", "Marked", "items_of", "without_named_models"]

MODELS = ("user_model", "goal_model")
NOTHING: Mapping[str, Any] = MappingProxyType({})
BESIDE = ("agent", "agent_fixture", "replay_agent", "select", "format")
# How a conversation is played, beside its models and its agent; a journal says it of its own.
PLAYED = "user goal_check user_leaves on_goal_check_failure max_turns max_asks seed".split()


@frozen
class Item:
    """One session of a marked test, and what it is played with.

    `fixture` is what gives the agent where the marker does not. Where the case came as a journal,
    `file` is that, and `found` its session.
    """

    name: str
    case: TestCase
    settings: Settings
    trial: int = 1
    agent: Any = None
    fixture: str = ""
    replay_agent: bool = False
    file: Path | None = None
    found: Kept | None = None


@frozen
class Marked:
    """The items of a marked test; `doubts` keep none of them from being played."""

    items: tuple[Item, ...] = ()
    doubts: tuple[Problem, ...] = ()


@frozen
class _Mark:
    """What a marker says beside its cases."""

    told: Mapping[str, Any]

    def settings(self, played: Mapping[str, Any] = NOTHING) -> Settings:
        """The settings; what it says itself comes before how a journal says that it was played."""
        own = {name: value for name, value in self.told.items() if name not in BESIDE}
        return Settings(**{**played, **own})

    def item(self, name: str, case: TestCase, settings: Settings) -> Item:
        told = self.told
        agent, fixture = told.get("agent"), told.get("agent_fixture", "")
        recorded = bool(told.get("replay_agent"))
        return Item(name, case, settings, 1, agent, fixture, recorded)

    def plan(self, cases: Any, settings: Settings, select: str | Sequence[str] = ()) -> Plan:
        """The plan to look at; an agent that shall answer from the record need not be there."""
        return make_plan(
            cases,
            None if self.told.get("replay_agent") else self.told.get("agent"),
            without_named_models(settings),
            file_format=self.told.get("format", "auto"),
            select=select,
            to_run=False,
        )


def items_of(file: Path, args: Sequence[Any], told: Mapping[str, Any]) -> Marked:
    """The items that a marked test of a file stands for; nothing is called, no key is needed.

    Files of cases are named from where the test is; those that are journals have their case in
    them. Raises `InvalidSpec` with all problems of the marker and of the cases, and `JournalError`
    for a journal that cannot be read.
    """
    found = [*_argument_problems(args), *_name_problems(told), *_agent_problems(told)]
    if found:
        raise InvalidSpec(found)
    mark, given, problems = _Mark(told), _beside(file, args[0]), list[Problem]()
    journals = [one for one in given if isinstance(one, Path) and is_journal(one)]
    others = [one for one in given if one not in journals]
    marked = Marked()
    if others or not journals:
        try:
            marked = _of_cases(mark, others)
        except InvalidSpec as error:
            problems += error.problems
    items = (*marked.items, *_of_journals(mark, journals, problems))
    if problems:
        raise InvalidSpec(dict.fromkeys(problems))
    return Marked(items, marked.doubts)


def without_named_models(settings: Settings) -> Settings:
    """The settings without models that are only named: to make those takes a key and seconds."""
    if not (isinstance(settings.user_model, str) or isinstance(settings.goal_model, str)):
        return settings
    return evolve(settings, user_model=None, user_params=None, goal_model=None, goal_params=None)


def _of_cases(mark: _Mark, cases: list[Any]) -> Marked:
    settings = mark.settings()
    plan = mark.plan(cases, settings, mark.told.get("select", ()))
    doubts = tuple(one for one in plan.warnings if one.field not in MODELS)
    return Marked(tuple(_items(mark, plan, settings)), doubts)


def _items(mark: _Mark, plan: Plan, settings: Settings) -> Iterator[Item]:
    for one in plan.cases:
        name = str(one.case.id)
        item = mark.item(name, one.case, settings)
        yield item
        for trial in range(2, settings.trials + 1):
            yield evolve(item, name=f"{name}/{trial}", trial=trial)


def _of_journals(mark: _Mark, paths: list[Path], problems: list[Problem]) -> Iterator[Item]:
    for path in paths:
        for kept in read_kept(path):
            told = cast("dict[str, Any]", thaw(kept.settings))
            settings = mark.settings({n: told[n] for n in PLAYED if told.get(n) is not None})
            try:
                [planned] = mark.plan([kept.log.case], settings).cases
            except InvalidSpec as error:
                problems += (evolve(one, file=str(path)) for one in error.problems)
                continue
            item = mark.item(str(planned.case.id), kept.log.case, settings)
            yield evolve(item, trial=kept.log.session.trial, file=path, found=kept)


def _beside(file: Path, cases: object) -> list[Any]:
    """What is listed, with files as they are named from where the test is."""
    one = isinstance(cases, str | Path | Mapping | TestCase) or not isinstance(cases, Iterable)
    listed: list[Any] = [cases] if one else list(cast("Iterable[Any]", cases))
    return [file.parent / one if isinstance(one, str | Path) else one for one in listed]


def _argument_problems(args: Sequence[Any]) -> Iterator[Problem]:
    if len(args) != 1:
        yield Problem("the marker", "expects one argument: cases, or a file of them")


def _name_problems(told: Mapping[str, Any]) -> Iterator[Problem]:
    known = sorted({one.name for one in fields(Settings)} | set(BESIDE))
    for name in sorted(set(told) - set(known)):
        close = get_close_matches(name, known, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
        yield Problem(name, f"is no setting of simulate that a test has{meant}")


def _agent_problems(told: Mapping[str, Any]) -> Iterator[Problem]:
    recorded, fixture = told.get("replay_agent", False), told.get("agent_fixture", "")
    if not isinstance(recorded, bool):
        yield Problem("replay_agent", f"is {recorded!r:.80}, expected True or False")
    if not isinstance(fixture, str):
        yield Problem("agent_fixture", f"is {fixture!r:.80}, expected the name of a fixture")
    if told.get("agent") is not None and fixture:
        yield Problem("agent", "is given twice, as agent and agent_fixture; take one away")
    if told.get("agent") is None and not fixture and not recorded:
        what = "is missing; say whom to talk to: agent=, or agent_fixture= and a fixture's name"
        yield Problem("agent", what)
