"""Where each recorded session goes on: with its answers folded, after what is said again."""

from __future__ import annotations

from collections.abc import Container, Iterable
from typing import Literal, TypeAlias, cast

from attrs import evolve, frozen

from convsim_adapters.running.beginnings import Beginning, Origin
from convsim_adapters.running.plans import CasePlan, Plan
from convsim_adapters.running.recording import Record
from convsim_adapters.running.shards import sessions_planned
from convsim_fp.core import JsonObject, Rules, Step, resume
from convsim_fp.errors import InvalidSpec, Problem, ReplayMismatch
from convsim_fp.interpreters import Resumed
from convsim_fp.journal import (
    Again,
    Check,
    Discarded,
    Header,
    Journal,
    SessionLog,
    begun_from,
    calls_again,
    calls_of,
    discarding,
    resumed,
)

__all__ = ["Retry", "going_on"]

Retry: TypeAlias = Literal["nothing", "failed"]


def going_on(
    plan: Plan,
    journal: Journal,
    *,
    retry: Retry = "nothing",
    restart: bool = False,
    check: Check = "content",
    only: Container[str] | None = None,
) -> Beginning:
    """Where the recorded sessions of a plan go on, or those of them in `only`, by their names.

    With `retry` ``failed`` what failed for good is discarded, with `restart` what an agent was told
    that remembers in its process. Raises `InvalidSpec` with all sessions that do not go again as
    they were recorded, as far as `check` looks.
    """
    logs = {log.session.id: log for log in journal.sessions}
    rules = {one.case.id: one.rules for one in plan.cases}
    process = plan.agent_state == "process"
    places: list[_Place] = []
    problems: list[Problem] = []
    for session, case in sessions_planned(plan):
        if session.id not in logs or (only is not None and session.id not in only):
            continue
        log = evolve(logs[session.id], case=case)
        try:
            place = _place(rules[case.id], log, check=check, retry=retry)
        except ReplayMismatch as error:
            problems.append(Problem("", f"it does not go again as it was recorded: {error}"))
        else:
            places.append(_with_its_agent(place, restart=restart) if process else place)
    if problems:
        raise InvalidSpec(problems)
    beginning = _beginning(places, _in_flight(places, plan, journal.headers))
    return evolve(beginning, check=check)


@frozen
class _Place:
    """Where one session goes on."""

    rules: Rules
    log: SessionLog
    step: Step
    discarded: Discarded | None = None
    again: tuple[Again, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether it has ended, and that is recorded."""
        return not self.step.requests and self.log.ended is not None

    def in_flight(self, *, overlap: bool) -> int:
        """How many of its requests may have been under way when its process was killed."""
        if self.log.ended is not None or self.discarded is not None:
            return 0
        return len(resume(evolve(self.rules, overlap=overlap), self.step.state).requests)


def _place(rules: Rules, log: SessionLog, *, check: Check, retry: Retry) -> _Place:
    step = resumed(rules, log, check=check)
    discarded = discarding(step.state) if retry == "failed" else None
    if discarded is None:
        return _Place(rules, log, step)
    log = log.without(discarded)
    return _Place(rules, log, resumed(rules, log, check=check), discarded)


def _with_its_agent(place: _Place, *, restart: bool) -> _Place:
    """What its agent needs, which remembers in a process that is gone."""
    calls = calls_of(place.log)
    if not place.step.requests or not calls:
        return place
    log, state = place.log, place.step.state
    if not restart:
        again = calls_again(calls, log.case, log.session, state.transcript)
        return evolve(place, again=again)
    discarded = Discarded(log.session.id)
    log = log.without(discarded)
    return _Place(place.rules, log, begun_from(place.rules, log), discarded)


def _in_flight(places: list[_Place], plan: Plan, headers: Iterable[Header]) -> int:
    """How many requests may have been under way, by the settings of those that were killed."""
    told = [header.settings for header in headers]
    two = {one.case.id for one in plan.cases if any(_overlapped(one, then) for then in told)}
    at_once = max(cast("int", then.get("concurrency", 1)) for then in told)
    asked = sum(one.in_flight(overlap=one.log.case.id in two) for one in places)
    return min(at_once * (2 if two else 1), asked)


def _overlapped(one: CasePlan, then: JsonObject) -> bool:
    told = then.get("overlap")
    return bool(one.cast.user_asks and one.cast.goal_check_asks if told is None else told)


def _beginning(places: list[_Place], in_flight: int) -> Beginning:
    return Beginning(
        resumed={one.log.session.id: Resumed(one.step, one.again) for one in places},
        records={one.log.session.id: Record.of(one.log.entries) for one in places},
        whole=frozenset(one.log.session.id for one in places if one.whole),
        origins={
            one.log.session.id: Origin(one.log.snapshot, one.log.parent)
            for one in places
            if one.log.snapshot is not None and one.log.parent is not None
        },
        discarded=tuple(one.discarded for one in places if one.discarded is not None),
        in_flight=in_flight,
        goes_on=True,
    )
