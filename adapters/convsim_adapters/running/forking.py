"""Other sessions from a turn of a recorded one: they share what was said before it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from convsim_adapters.journal_files import load_journal
from convsim_adapters.running.beginnings import Beginning, Origin
from convsim_adapters.running.execution import execute, sessions_planned
from convsim_adapters.running.headers import is_nameless, recorded_settings
from convsim_adapters.running.plans import Plan, Settings, make_plan
from convsim_adapters.running.replaying import logs_of, rules_again
from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.resuming import header_among
from convsim_fp.core import resume as go_on
from convsim_fp.errors import InvalidSpec, JournalError, Problem
from convsim_fp.interpreters import Resumed, Sink, no_sink
from convsim_fp.journal import Journal, Parent, SessionLog, calls_again, snapshot_before

__all__ = ["fork_plan", "fork_run"]


def fork_run(
    directory: str | Path,
    case: str,
    *,
    at_turn: int,
    samples: int = 1,
    persona: str | None = None,
    out: str | Path | None = None,
    sink: Sink = no_sink,
    finished: Callable[[SessionResult], object] | None = None,
    **given: Any,
) -> Run:
    """Play on from the turn `at_turn` (from 1) of a recorded session, `samples` times.

    The new sessions share the turns before it and may differ after: by `persona`, by another
    ``agent`` or ``user_model`` or any other setting of `simulate` that is `given`, or by chance
    alone. Without a ``seed`` theirs is the next after the run's, so that they do not repeat it.
    They are a run of their own, recorded in `out`, that knows its parent. Each has an id of its
    own, so an agent that remembers is first brought to where it was: by the same calls.

    Raises `InvalidSpec` for a session or a turn that is not there.
    """
    plan, beginning = fork_plan(
        directory, case, at_turn=at_turn, samples=samples, persona=persona, given=given
    )
    return execute(plan, out=out, sink=sink, finished=finished, beginning=beginning)


def fork_plan(
    directory: str | Path,
    case: str,
    *,
    at_turn: int,
    samples: int,
    persona: str | None,
    given: Mapping[str, Any],
) -> tuple[Plan, Beginning]:
    """What `fork_run` carries out."""
    path = Path(directory)
    journal = load_journal(path)
    log = _only(logs_of(journal, case))
    try:
        snapshot = snapshot_before(
            rules_again(journal, _unnamed(journal, given))(log), log, at_turn
        )
    except JournalError as error:
        raise InvalidSpec([Problem("", str(error))]) from error
    told = recorded_settings(header_among(journal), given)
    agent = told.pop("agent", None)
    changed: dict[str, Any] = {"trials": samples, "seed": given.get("seed", told["seed"] + 1)}
    settings = Settings(**(told | changed))
    played = log.case if persona is None else evolve(log.case, persona=persona)
    plan = make_plan([played], agent, settings)
    parent = Parent(path.resolve().name, log.session.id, at_turn)
    return plan, _forked(plan, Origin(snapshot, parent))


def _unnamed(journal: Journal, given: Mapping[str, Any]) -> dict[str, Any]:
    """What stands in for a recorded function that no name leads to: what is given for it now."""
    recorded = header_among(journal).settings
    return {
        name: given[name]
        for name in ("user", "goal_check")
        if name in given and is_nameless(recorded.get(name))
    }


def _only(logs: tuple[SessionLog, ...]) -> SessionLog:
    if len(logs) == 1:
        return logs[0]
    names = ", ".join(log.session.id for log in logs[:5])
    what = f"has {len(logs)} sessions; name one of them: {names}"
    raise InvalidSpec([Problem("case", what)])


def _forked(plan: Plan, origin: Origin) -> Beginning:
    state, calls = origin.snapshot.state, origin.snapshot.calls
    remembers = plan.agent_state != "transcript"
    resumed: dict[str, Resumed] = {}
    for session, case in sessions_planned(plan):
        rules = plan.cases[0].rules
        step = go_on(rules, evolve(state, session=session, case=case))
        again = calls_again(calls, case, session, state.transcript) if remembers else ()
        resumed[session.id] = Resumed(step, again)
    return Beginning(resumed=resumed, origins=dict.fromkeys(resumed, origin))
