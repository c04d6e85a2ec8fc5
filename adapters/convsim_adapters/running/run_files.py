"""The files of a run: one line for each session as it ends, and the settings with the totals.

results.jsonl   one object per session: case_id, trial, stop_reason, detail, turns, transcript,
                verdict, usage, seconds; written as sessions end, in order at the end
run.json        the settings without secrets, when it began and ended, the totals
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, cast

from attrs import asdict, define, evolve

from convsim_adapters.running.results import Run, SessionResult, Usage
from convsim_fp.core import (
    Message,
    Speaker,
    StopReason,
    ToolCall,
    Transcript,
    Verdict,
    freeze,
    thaw,
)
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["RunFiles", "read_run", "run_record", "session_record", "sessions_of"]

RESULTS, SETTINGS = "results.jsonl", "run.json"
PRIVATE = 0o600
SPEAKERS: Mapping[str, Speaker] = {"user": "user", "agent": "agent"}
TYPES: Mapping[str, type | tuple[type, ...]] = {
    "case_id": str,
    "trial": int,
    "goal": str,
    "detail": str,
    "why": str,
    "turns": int,
    "transcript": list,
    "usage": dict,
    "seconds": (int, float),
}


@define
class RunFiles:
    """Writes the files of one run. `trouble` is what the disk refused, if it did.

    What cannot be written does not stop the run: its sessions are still in memory.
    """

    directory: Path
    header: Mapping[str, object]
    trouble: OSError | None = None

    def begin(self) -> None:
        """Make the directory and the files. Raises `InvalidSpec` where there is a run already."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            if (self.directory / RESULTS).exists() or (self.directory / SETTINGS).exists():
                what = f"is {str(self.directory)!r}, which holds a run already; choose another"
                raise InvalidSpec([Problem("out", what)])
            self._write(SETTINGS, [_pretty({**self.header, "status": "running"})])
            self._append("")
        except OSError as error:
            what = f"is {str(self.directory)!r}, which cannot be written: {error.strerror}"
            raise InvalidSpec([Problem("out", what)]) from error

    def add(self, result: SessionResult) -> None:
        """Write a session down as it ends, so that nothing is lost with the process."""
        if self.trouble is not None:
            return
        try:
            self._append(_line(session_record(result)))
        except OSError as error:
            self.trouble = error

    def end(self, run: Run, *, ended: str) -> Run:
        """Put the sessions in order and the totals beside the settings; `ended` is the time.

        Gives the run, which says where the disk refused something.
        """
        status = "finished" if run.interrupted is None else f"interrupted by {run.interrupted}"
        header = {**self.header, "status": status, "ended": ended, "totals": _totals(run)}
        try:
            self._write(RESULTS, (_line(session_record(one)) for one in run.sessions))
            self._write(SETTINGS, [_pretty(header)])
        except OSError as error:
            self.trouble = self.trouble or error
        if self.trouble is None:
            return run
        what = self.trouble.strerror or str(self.trouble)
        return evolve(run, unsaved=f"{self.directory}: {what}")

    def broken(self, why: str, *, ended: str) -> None:
        """Say in the settings what stopped the run; the sessions that ended stay as they are."""
        with suppress(OSError):
            self._write(SETTINGS, [_pretty({**self.header, "status": why, "ended": ended})])

    def _append(self, line: str) -> None:
        with open(self.directory / RESULTS, "a", encoding="ascii", opener=_private) as file:
            file.write(line)

    def _write(self, name: str, parts: Iterable[str]) -> None:
        """Write a whole file beside its place, then put it there: it is never half there."""
        written = self.directory / f".{name}.new"
        with open(written, "w", encoding="ascii", opener=_private) as file:
            file.writelines(parts)
        written.replace(self.directory / name)


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


def read_run(directory: Path) -> Run:
    """Read the sessions of a run, one that was killed too. Raises `InvalidSpec` that says where."""
    path = directory / RESULTS
    try:
        lines = path.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        here = "is no directory" if not directory.is_dir() else f"has no {RESULTS} to read"
        what = f"is {str(directory)!r}, which {here}; give the directory of a run"
        raise InvalidSpec([Problem("run", what)]) from error
    whole = lines if lines[-1] == "" else lines[:-1]  # a killed process may leave half a line
    sessions = [_session(line, path, at) for at, line in enumerate(whole, start=1) if line]
    header = _header(directory)
    totals = header.get("totals")
    seconds = cast("dict[str, Any]", totals).get("seconds") if isinstance(totals, dict) else 0.0
    status = str(header.get("status", ""))
    signal = status.removeprefix("interrupted by ") if status.startswith("interrupted") else None
    took = float(seconds) if isinstance(seconds, int | float) else 0.0
    return Run(tuple(sessions), directory, took, signal)


def sessions_of(run: Run, name: str | None) -> tuple[SessionResult, ...]:
    """The sessions of one case, or of one ``case/trial``; all where no name is given."""
    if name is None:
        return run.sessions
    found = tuple(one for one in run.sessions if name in (one.case_id, one.id))
    if not found:
        known = {one.case_id for one in run.sessions} | {one.id for one in run.sessions}
        close = get_close_matches(name, known, n=1)
        meant = f"; did you mean {close[0]!r}?" if close else ""
        what = f"is {name!r:.80}, which is no case of this run{meant}"
        raise InvalidSpec([Problem("case", what)])
    return found


def _session(line: str, path: Path, at: int) -> SessionResult:
    try:
        record: dict[str, Any] = json.loads(line)
        _check_types(record)
        verdict = record["verdict"]
        return SessionResult(
            case_id=record["case_id"],
            trial=record["trial"],
            goal=record["goal"],
            stop_reason=StopReason(record["stop_reason"]),
            detail=record["detail"],
            why=record["why"],
            turns=record["turns"],
            transcript=_transcript(record["transcript"]),
            verdict=None if verdict is None else Verdict(**verdict),
            usage=Usage(**record["usage"]),
            seconds=record["seconds"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        what = f"is no session of a run: {type(error).__name__}: {error}"
        problem = Problem("the line", what, file=str(path), line=at)
        raise InvalidSpec([problem]) from error


def _check_types(record: dict[str, Any]) -> None:
    for name, kind in TYPES.items():
        if not isinstance(record[name], kind):
            raise TypeError(f"{name} is {record[name]!r:.40}")


def _transcript(records: list[dict[str, Any]]) -> Transcript:
    return tuple(
        Message(
            SPEAKERS[record["speaker"]],
            str.__str__(record["text"]),
            tuple(ToolCall(**call) for call in record.get("tool_calls", ())),
        )
        for record in records
    )


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
