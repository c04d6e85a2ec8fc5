"""Cases as tests: each played by itself, with models that answer from a journal beside the test."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from attrs import evolve, fields, frozen

from convsim_adapters.journal_files import load_journal
from convsim_adapters.running.case_lists import read_cases, selected
from convsim_adapters.running.execution import execute
from convsim_adapters.running.plans import Plan, Settings, make_plan
from convsim_adapters.running.public import public_settings
from convsim_adapters.running.replaying import Against
from convsim_adapters.running.results import SessionResult
from convsim_fp.core import StopReason, TestCase, freeze_object
from convsim_fp.errors import InvalidSpec, JournalError, Problem
from convsim_fp.journal import Journal, SessionLog, canonical_log, read_journal, read_segment

__all__ = ["Item", "Outcome", "file_name", "items_of", "play"]

UNSAFE = re.compile(r"[^\w.-]+")
LONGEST = 80  # characters of a name that become part of a file's
BESIDE = ("agent", "replay_agent", "select", "format")
# What says how a conversation is played; the rest of the settings is about runs.
KEPT = (
    "agent user goal_check user_model goal_model user_params goal_params agent_params user_leaves "
    "on_goal_check_failure max_turns max_asks seed"
).split()

PLAYED = "user goal_check user_leaves on_goal_check_failure max_turns max_asks seed".split()


@frozen
class Item:
    """One case of a marked test, and what it is played with; `found` where it came as a journal."""

    case: TestCase
    agent: Any
    settings: Settings
    replay_agent: bool = False
    found: SessionLog | None = None

    @property
    def name(self) -> str:
        """What it is called among the items of its test."""
        return str(self.case.id)


@frozen
class Outcome:
    """How an item went. `failure` is why it could not be played from what is recorded."""

    result: SessionResult
    failure: str = ""
    departs: str = ""

    @property
    def shown(self) -> str:
        """The conversation, and where it departs from its record."""
        one = self.result
        lines = [f"{one.id}: {one.stop_reason} after {one.turns} turns; {one.why}"]
        for message in one.transcript:
            lines.append(f"{message.speaker}: {message.text}")
            lines += [f"    called {call.name} {call.arguments}" for call in message.tool_calls]
        if self.departs:
            lines += ["", "departs from its record:", self.departs]
        return "\n".join(lines)


def items_of(file: Path, args: tuple[Any, ...], told: Mapping[str, Any]) -> tuple[Item, ...]:
    """The items that a marked test of a file stands for.

    Raises `InvalidSpec` with all problems of the marker and of the cases.
    """
    if len(args) != 1:
        raise InvalidSpec([Problem("the marker", "expects one argument: cases, or a file of them")])
    known = {one.name for one in fields(Settings)} | set(BESIDE)
    if unknown := sorted(set(told) - known):
        raise InvalidSpec(Problem(name, "is no setting of simulate") for name in unknown)
    if "agent" not in told and not told.get("replay_agent"):
        raise InvalidSpec([Problem("agent", "is missing; say whom to talk to")])
    given = _beside(file, args[0])
    agent, recorded = told.get("agent"), bool(told.get("replay_agent"))
    wanted = {key: value for key, value in told.items() if key not in BESIDE}
    if isinstance(given, Path) and (found := _journal_at(given)).sessions:
        settings = Settings(**{**_played(found), **wanted})
        return tuple(Item(log.case, agent, settings, recorded, log) for log in found.sessions)
    settings = Settings(**wanted)
    cases, _ = read_cases(given, told.get("format", "auto"))
    chosen = selected(cases, told.get("select", ()))
    items = tuple(Item(case, agent, settings, recorded) for case in chosen)
    for item in items:
        _plan(item, live=False)  # refused when it is collected, not when it is played
    return items


def play(item: Item, journal: Path, *, mode: str) -> Outcome:
    """Play an item: from its journal, or live with what is recorded kept, as the mode says."""
    there = item.found is not None or journal.exists()
    if (mode == "all" and item.found is None) or (mode == "once" and not there):
        return _recorded(item, journal)
    log = item.found if item.found is not None else _only_log(journal) if there else None
    answers = Against(() if log is None else (log,), agent_too=item.replay_agent)
    run = execute(_plan(item, live=False), save=False, around=answers.around)
    [result] = run.sessions
    departs = "\n".join(str(one) for one in answers.departed.values())
    if result.stop_reason is not StopReason.CANCELLED:
        return Outcome(result, departs=departs)
    return Outcome(result, _why(journal, log, departs), departs)


def file_name(name: str) -> str:
    """A file's name for an item, its own for each.

    >>> file_name("refund"), file_name("a/b")
    ('refund.jsonl', 'a_b-c14cddc0.jsonl')
    """
    safe = UNSAFE.sub("_", name)[:LONGEST]
    if safe != name:
        safe = f"{safe}-{sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"
    return f"{safe}.jsonl"


def _recorded(item: Item, journal: Path) -> Outcome:
    """Play live, and keep the journal; of a session that failed nothing is kept."""
    plan = _plan(item, live=True)
    with TemporaryDirectory() as made:
        [result] = execute(plan, out=Path(made) / "run").sessions
        [log] = load_journal(Path(made) / "run").sessions
    if not (result.failed or result.cut_short):
        told = public_settings(plan)
        settings = freeze_object({name: told[name] for name in KEPT})
        _write(journal, canonical_log(log, settings=settings))
    return Outcome(result)


def _write(path: Path, text: str) -> None:
    """Write a whole file beside its place, then put it there: other workers see all or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix=".") as made:
        new = Path(made) / path.name
        new.write_text(text, "ascii")
        new.replace(path)


def _plan(item: Item, *, live: bool) -> Plan:
    """The plan of an item; models are only there where it is played live."""
    # Without overlap a conversation asks the same each time, and nothing that goes to waste.
    settings = evolve(item.settings, overlap=False)
    if not live:
        settings = evolve(
            settings, user_model=None, goal_model=None, user_params=None, goal_params=None
        )
    agent = _nobody if item.agent is None else item.agent
    return make_plan([item.case], agent, settings, to_run=live)


def _nobody(messages: object) -> str:
    raise JournalError(f"the agent answers from the record, and was called with {messages!r:.40}")


def _why(journal: Path, log: SessionLog | None, departs: str) -> str:
    if log is None:
        return f"no journal at {journal}; record it: pytest --convsim-record=once"
    again = "record it anew: pytest --convsim-record=all"
    return f"{departs}\nwhat is asked now has no recorded answer; {again}"


def _only_log(journal: Path) -> SessionLog:
    logs = _journal_at(journal).sessions
    if len(logs) != 1:
        raise JournalError(f"{journal} holds {len(logs)} sessions, expected one; record it anew")
    return logs[0]


def _journal_at(path: Path) -> Journal:
    """What a file holds that is a journal; nothing of any other file."""
    text = path.read_bytes().decode("latin-1") if path.is_file() else ""
    if not text.startswith('{"crc":"'):
        return Journal()
    return read_journal([read_segment(text, file=str(path))])


def _played(journal: Journal) -> dict[str, Any]:
    """How the conversation of a journal was played, but for its models and its agent."""
    recorded = journal.headers[0].settings
    return {name: recorded[name] for name in PLAYED if recorded.get(name) is not None}


def _beside(file: Path, cases: Any) -> Any:
    """Files of cases are named from where the test is."""
    if isinstance(cases, str | Path):
        return file.parent / cases
    if not isinstance(cases, list | tuple):
        return cases
    listed = cast("list[Any]", cases)
    named = all(isinstance(one, str | Path) for one in listed)
    return [file.parent / one for one in listed] if named else listed
