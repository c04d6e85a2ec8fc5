"""The files of a run beside its journal, which people and other programs read: projections of it.

results.jsonl   one object per session in order: case_id, trial, stop_reason, detail, turns,
                transcript, verdict, usage, seconds; written when the run ends
run.json        the settings without secrets, when it began and ended, the totals
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from attrs import Factory, asdict, define, evolve

from convsim_adapters.journal_files import has_journal, load_journal
from convsim_adapters.running.recording import result_of
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import Message, freeze, thaw
from convsim_fp.errors import InvalidSpec, JournalError, Problem

__all__ = ["RunFiles", "read_run", "run_record", "session_record"]

RESULTS, SETTINGS = "results.jsonl", "run.json"
PRIVATE = 0o600


@define
class RunFiles:
    """Writes what a run comes to. What cannot be written does not matter: it is in the journal.

    `directory` is as it was given, `place` where that is, whatever directory an agent changes to.
    """

    directory: Path
    header: Mapping[str, object]
    place: Path = Factory(lambda self: self.directory.absolute(), takes_self=True)

    def make(self, *, new: bool) -> None:
        """Make the directory. Raises `InvalidSpec` where a `new` run finds one there already."""
        shown = repr(str(self.directory))
        try:
            self.place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            what = f"is {shown}, which cannot be written: {error.strerror}"
            raise InvalidSpec([Problem("out", what)]) from error
        if new and (has_journal(self.place) or (self.place / RESULTS).exists()):
            what = f"is {shown}, which holds a run already; choose another, or convsim resume it"
            raise InvalidSpec([Problem("out", what)])

    def begin(self) -> None:
        """Say in the settings that it runs."""
        with suppress(OSError):
            self._write(SETTINGS, [_pretty({**self.header, "status": "running"})])

    def end(self, run: Run, *, ended: str) -> Run:
        """Write the sessions and the totals; `ended` is the time.

        Gives the run, which says where the disk refused something.
        """
        status = "finished" if run.interrupted is None else f"interrupted by {run.interrupted}"
        header = {**self.header, "status": status, "ended": ended, "totals": _totals(run)}
        try:
            self._write(RESULTS, (_line(session_record(one)) for one in run.sessions))
            self._write(SETTINGS, [_pretty(header)])
        except OSError as error:
            return evolve(run, unsaved=f"{self.directory}: {error.strerror or error}")
        return run

    def broken(self, why: str, *, ended: str) -> None:
        """Say in the settings what stopped the run; what was recorded stays as it is."""
        with suppress(OSError):
            self._write(SETTINGS, [_pretty({**self.header, "status": why, "ended": ended})])

    def _write(self, name: str, parts: Iterable[str]) -> None:
        """Write a whole file beside its place, then put it there: it is never half there."""
        written = self.place / f".{name}.new"
        with open(written, "w", encoding="ascii", opener=_private) as file:
            file.writelines(parts)
        written.replace(self.place / name)


def run_record(run: Run) -> dict[str, object]:
    """A run as one plain JSON object: its directory, totals and sessions."""
    return {
        "directory": None if run.directory is None else str(run.directory),
        "interrupted": run.interrupted,
        "totals": _totals(run),
        "sessions": [session_record(one) for one in run.sessions],
    }


def _totals(run: Run) -> dict[str, object]:
    return {
        "sessions": len(run.sessions),
        "goal_achieved": run.achieved,
        "rate": round(run.rate, 4),
        "stop_reasons": dict(run.stop_reasons),
        "seconds": round(run.seconds, 3),
        "usage": asdict(run.usage),
    }


def session_record(result: SessionResult) -> dict[str, object]:
    """A session as a plain JSON object, as it stands in ``results.jsonl``."""
    return {
        "case_id": result.case_id,
        "trial": result.trial,
        "goal": result.goal,
        "stop_reason": str(result.stop_reason),
        "detail": result.detail,
        "why": result.why,
        "turns": result.turns,
        "transcript": [_message_record(message) for message in result.transcript],
        "verdict": None if result.verdict is None else asdict(result.verdict),
        "usage": asdict(result.usage),
        "seconds": round(result.seconds, 3),
    }


def read_run(directory: str | Path) -> Run:
    """The sessions of a recorded run that have ended, also while it goes on or after it was killed.

    Raises `InvalidSpec` where there is no journal, or one that cannot be read.
    """
    directory = Path(directory)
    try:
        journal = load_journal(directory)
    except JournalError as error:
        raise InvalidSpec([Problem("run", str(error))]) from error
    results = [result_of(log) for log in journal.sessions]
    ended = tuple(one for one in results if one is not None)
    header = _header(directory)
    totals = header.get("totals")
    seconds = cast("dict[str, Any]", totals).get("seconds") if isinstance(totals, dict) else 0.0
    status = str(header.get("status", ""))
    signal = status.removeprefix("interrupted by ") if status.startswith("interrupted") else None
    took = float(seconds) if isinstance(seconds, int | float) else 0.0
    return Run(ended, directory, took, signal, unfinished=len(results) - len(ended))


def _message_record(message: Message) -> dict[str, object]:
    record: dict[str, object] = {"speaker": message.speaker, "text": message.text}
    if message.tool_calls:
        record["tool_calls"] = [
            {"name": call.name, "arguments": thaw(freeze(call.arguments)), "id": call.id}
            for call in message.tool_calls
        ]
    return record


def _header(directory: Path) -> dict[str, Any]:
    try:
        found: object = json.loads((directory / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _line(record: Mapping[str, object]) -> str:
    return json.dumps(record, ensure_ascii=True, allow_nan=False, separators=(",", ":")) + "\n"


def _pretty(record: Mapping[str, object]) -> str:
    return json.dumps(record, ensure_ascii=True, allow_nan=False, indent=2) + "\n"


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, PRIVATE)
