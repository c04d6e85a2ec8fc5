"""Cases as tests: each played by itself, with models that answer from a journal beside the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from shlex import quote
from tempfile import TemporaryDirectory
from typing import Literal, TypeAlias, cast

from attrs import evolve, frozen

from convsim_adapters.journal_files import load_journal
from convsim_adapters.running.agents import AgentTarget
from convsim_adapters.running.beginnings import Beginning
from convsim_adapters.running.execution import execute
from convsim_adapters.running.kept import Kept, keep, read_one
from convsim_adapters.running.marked import Item, without_named_models
from convsim_adapters.running.plans import Plan, make_plan
from convsim_adapters.running.public import public_settings
from convsim_adapters.running.replaying import Against
from convsim_adapters.running.results import SessionResult
from convsim_fp.core import Lane, StopReason, freeze_object, new_session, start
from convsim_fp.core.prompts import Prompt
from convsim_fp.errors import InvalidSpec, JournalError, Problem
from convsim_fp.interpreters import Resumed
from convsim_fp.journal import SessionLog, begun_from, calls_again, canonical_log

__all__ = ["Mode", "Outcome", "Place", "play"]

Mode: TypeAlias = Literal["none", "once", "all"]

# What says how a conversation is played; the rest of the settings is about runs.
KEPT = (
    "agent user goal_check user_model goal_model user_params goal_params agent_params user_leaves "
    "on_goal_check_failure max_turns max_asks seed"
).split()


@frozen
class Place:
    """Where an item's journal is, and what the item is called on pytest's command line."""

    journal: Path
    node: str

    def record(self, mode: Mode) -> str:
        """The line that records it."""
        return f"pytest --convsim-record={mode} {quote(self.node)}"


@frozen
class Outcome:
    """How an item went.

    `failure` is why its conversation is none to hold assertions against, `departs` where the agent
    departs from the record, `recorded` the journal that was written.
    """

    result: SessionResult
    failure: str = ""
    departs: str = ""
    recorded: Path | None = None


def play(item: Item, place: Place, *, mode: Mode, agent: AgentTarget | None = None) -> Outcome:
    """Play an item: from its journal, or live with what is recorded kept, as the mode says.

    `agent` is that of the item's fixture. Raises `InvalidSpec` and `JournalError` where it cannot
    be played at all.
    """
    place = place if item.file is None else evolve(place, journal=item.file)
    item = item if agent is None else evolve(item, agent=agent)
    there = place.journal.exists()
    if mode == "all" or (mode == "once" and not there):
        return _recorded(item, place)
    kept = item.found or (_read(place) if there else None)
    if kept is not None and (changed := tuple(_changed(item, kept))):
        raise InvalidSpec([*changed, Problem("record it anew:", place.record("all"))])
    return _replayed(item, place, kept)


def _read(place: Place) -> Kept:
    try:
        return read_one(place.journal)
    except JournalError as error:
        raise JournalError(f"{error}; record it anew: {place.record('all')}") from error


def _recorded(item: Item, place: Place) -> Outcome:
    """Play live, and keep the journal; of a session that failed nothing is kept."""
    if item.file is not None:
        read_one(item.file)  # of several sessions the others would be lost
    plan = _live(item)
    with TemporaryDirectory() as made:
        directory = Path(made) / "run"
        [result] = execute(plan, out=directory, beginning=_beginning(item, plan)).sessions
        logs = load_journal(directory).sessions
    if failure := _failure(result):
        return Outcome(result, failure)
    [log] = (one for one in logs if one.session.id == result.id)
    told = public_settings(plan)
    settings = freeze_object({name: told[name] for name in KEPT})
    keep(place.journal, canonical_log(_forked(item, log), settings=settings))
    return Outcome(result, recorded=place.journal)


def _replayed(item: Item, place: Place, kept: Kept | None) -> Outcome:
    plan = _offline(item)
    beginning = _beginning(item, plan)
    [step] = (one.step for one in beginning.resumed.values())
    logs = () if kept is None else (evolve(kept.log, session=step.state.session),)
    answers = Against(logs, agent_too=item.replay_agent)
    [result] = execute(plan, save=False, beginning=beginning, around=answers.around).sessions
    departs = "\n".join(map(str, answers.departed.values()))
    if result.stop_reason is not StopReason.CANCELLED or not departs:
        return Outcome(result, _failure(result), departs)
    if kept is None:
        return Outcome(result, f"no journal at {place.journal}; record it: {place.record('once')}")
    again = f"what is asked now has no recorded answer; record it anew: {place.record('all')}"
    return Outcome(result, f"{departs}\n{again}")


def _failure(result: SessionResult) -> str:
    """Why a session came to no end of its own: an assertion that holds of it says nothing."""
    if not (result.failed or result.cut_short):
        return ""
    turns = f"{result.turns} turn{'s' * (result.turns != 1)}"
    return f"{result.id} ended as {result.stop_reason} after {turns}: {result.why}"


def _live(item: Item) -> Plan:
    if item.agent is None:
        what = "is missing, and no journal is there yet that it could answer from; give agent="
        raise InvalidSpec([Problem("agent", what)])
    # Without overlap a conversation asks the same each time, and nothing that goes to waste.
    settings = evolve(item.settings, overlap=False, trials=1)
    return make_plan([item.case], item.agent, settings)


def _offline(item: Item) -> Plan:
    """The plan of an item whose models, and perhaps whose agent, answer from the record."""
    settings = evolve(without_named_models(item.settings), overlap=False, trials=1)
    if not item.replay_agent:
        return make_plan([item.case], item.agent, settings, to_run=False)
    return make_plan([item.case], _nobody, evolve(settings, agent_params=None), to_run=False)


def _nobody(messages: object, **context: object) -> str:
    del context
    raise JournalError(f"the agent answers from the record, and was called with {messages!r:.40}")


def _beginning(item: Item, plan: Plan) -> Beginning:
    """Where its session begins, by the name that the plan has for it: its trial, or its journal."""
    [planned] = plan.cases
    name = new_session(str(planned.case.id)).id
    if item.found is None:
        session = new_session(str(planned.case.id), item.trial, item.settings.seed)
        return Beginning(resumed={name: Resumed(start(planned.rules, planned.case, session))})
    log = item.found.log
    step = begun_from(planned.rules, log)
    remembers = log.snapshot is not None and plan.agent_state != "transcript"
    calls = log.snapshot.calls if log.snapshot is not None and remembers else ()
    again = calls_again(calls, log.case, log.session, step.state.transcript)
    return Beginning(resumed={name: Resumed(step, again)})


def _forked(item: Item, log: SessionLog) -> SessionLog:
    """What was recorded of a session that began where another one's turn did."""
    if item.found is None or item.found.log.snapshot is None:
        return log
    found = item.found.log
    return evolve(log, snapshot=found.snapshot, parent=found.parent)


def _changed(item: Item, kept: Kept) -> Iterator[Problem]:
    """The models whose answers are recorded, where the marker names others now."""
    asked = {one.id.lane for one in kept.log.folded if one.id and isinstance(one.content, Prompt)}
    settings = item.settings
    judge = settings.goal_model or settings.user_model
    for lane, name, now in (
        (Lane.USER, "user_model", settings.user_model),
        (Lane.GOAL_CHECK, "goal_model", judge),
    ):
        then = cast("str | None", kept.settings.get(name))
        if lane in asked and isinstance(now, str) and then is not None and now != then:
            yield Problem(name, f"is {now!r:.80}, and was {then!r:.80} when it was recorded")
