"""What a worker is told to do, as plain JSON: the plan by its names, and where sessions begin.

Functions go by the name that another process finds them by. What has none is refused.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import cast

from attrs import asdict, fields, frozen

from convsim_adapters.running.agents import ChosenAgent
from convsim_adapters.running.beginnings import Beginning, Origin
from convsim_adapters.running.headers import is_nameless
from convsim_adapters.running.pipes import Message
from convsim_adapters.running.plans import Plan, Settings, make_plan
from convsim_adapters.running.players import name_of
from convsim_adapters.running.public import PARAMS, PLAYED, public_url
from convsim_adapters.running.recording import Record
from convsim_adapters.running.results import Usage
from convsim_adapters.running.shards import sessions_planned
from convsim_adapters.running.targets import is_target, load_target
from convsim_fp.core import resume
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Resumed
from convsim_fp.journal import (
    Begun,
    Call,
    Snapshot,
    calls_again,
    record_from_plain,
    record_to_plain,
)

__all__ = ["Job", "job_of", "read_job", "record_from_job", "record_of_job", "settings_to_hand_on"]

HOW = "put it into a module under a name of its own, and give package.module:attribute"


def settings_to_hand_on(plan: Plan) -> Message:
    """The agent and the settings of a plan, as another process can make it again.

    Raises `InvalidSpec` with everything that cannot go there.
    """
    settings = plan.settings
    problems = [*_agent_problems(plan.agent)]
    told: Message = {one.name: getattr(settings, one.name) for one in fields(Settings)}
    for name in PLAYED:
        value: object = told[name]
        told[name] = value if value is None or isinstance(value, str) else name_of(value)
        if told[name] is not value and not _is_found(told[name], value, name):
            problems.append(_lost(name, told[name]))
    for name in PARAMS:
        told[name] = dict(cast("Mapping[str, object]", told[name] or {})) or None
        problems += _param_problems(name, told[name] or {})
    if problems:
        raise InvalidSpec(problems)
    agent = cast("ChosenAgent", plan.agent)
    return {"agent": agent.address or agent.name, "settings": told}


def _agent_problems(agent: ChosenAgent | None) -> Iterator[Problem]:
    if agent is None or agent.address:
        return
    if agent.own is not None or not _is_found(agent.name, agent.target, "agent"):
        yield _lost("agent", agent.name)


def _is_found(name: str, value: object, field: str) -> bool:
    """Whether the name leads to that very object."""
    if not is_target(name) or is_nameless(name):
        return False
    try:
        return load_target(name, field) is value
    except InvalidSpec:
        return False


def _lost(field: str, name: str) -> Problem:
    what = f"is {public_url(name)!r:.80}, which another process does not find by this name"
    return Problem(field, f"{what}; {HOW}, or run it with one process")


def _param_problems(field: str, params: Mapping[str, object]) -> Iterator[Problem]:
    for key, value in params.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            what = f"is a {type(value).__name__}, which cannot go to another process"
            yield Problem(f"{field}.{key}", f"{what}; give plain JSON, or run it with one process")


@frozen
class Job:
    """What a worker does: its sessions of a plan, from where each of them begins."""

    plan: Plan
    beginning: Beginning
    sessions: frozenset[str]


def job_of(
    plan: Plan, beginning: Beginning, sessions: frozenset[str], handed_on: Message
) -> Message:
    """The plain form of a job, of the sessions with these names."""
    planned = [(one, case) for one, case in sessions_planned(plan) if one.id in sessions]
    origins = {name: beginning.origins[name] for name in sessions & beginning.origins.keys()}
    snapshots = {one.snapshot.digest: one.snapshot for one in origins.values()}
    begun = (
        Begun(session, case, origins[session.id].snapshot.digest, origins[session.id].parent)
        if session.id in origins
        else Begun(session, case)
        for session, case in planned
    )
    return {
        **handed_on,
        "sessions": [record_to_plain(one) for one in begun],
        "snapshots": [record_to_plain(one) for one in snapshots.values()],
        "places": {
            name: record_to_plain(_place(beginning.resumed[name]))
            for name in sessions & beginning.resumed.keys()
        },
        "records": {
            name: record_of_job(beginning.records[name])
            for name in sessions & beginning.records.keys()
        },
    }


def _place(resumed: Resumed) -> Snapshot:
    """A state to go on from, with the calls that are made again before."""
    calls = (Call(one.expected, len(one.request.transcript)) for one in resumed.again)
    return Snapshot("", resumed.step.state, tuple(calls))


def read_job(read: Message) -> Job:
    """Make the plan again. Raises `InvalidSpec` where this process finds less than the other."""
    begun = [cast("Begun", record_from_plain(one)) for one in read["sessions"]]
    cases = {one.case.id: one.case for one in begun}
    plan = make_plan([*cases.values()], read["agent"], Settings(**read["settings"]))
    records = {name: record_from_job(one) for name, one in read["records"].items()}
    snapshots = [cast("Snapshot", record_from_plain(one)) for one in read["snapshots"]]
    beginning = Beginning(
        resumed={
            one.session.id: _resumed(plan, one, read["places"])
            for one in begun
            if one.session.id in read["places"]
        },
        records=records,
        origins={one.session.id: _origin(one, snapshots) for one in begun if one.parent},
    )
    return Job(plan, beginning, frozenset(one.session.id for one in begun))


def _resumed(plan: Plan, begun: Begun, places: Message) -> Resumed:
    place = cast("Snapshot", record_from_plain(places[begun.session.id]))
    [rules] = (one.rules for one in plan.cases if one.case.id == begun.case.id)
    said = place.state.transcript
    again = calls_again(place.calls, begun.case, begun.session, said)
    return Resumed(resume(rules, place.state), again)


def _origin(begun: Begun, snapshots: list[Snapshot]) -> Origin:
    [snapshot] = (one for one in snapshots if one.digest == begun.snapshot)
    assert begun.parent is not None
    return Origin(snapshot, begun.parent)


def record_of_job(record: Record) -> Message:
    """What a session cost, in plain form."""
    return asdict(record)


def record_from_job(read: Message) -> Record:
    """What a session cost, read back."""
    usage = Usage(**read["usage"])
    return Record(usage, read["seconds"], read["until"], read["ahead"], read["checked"])
