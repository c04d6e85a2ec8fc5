"""A recorded run, read for its report: the journal, what it came to, and when it was."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import cast

from attrs import frozen

from convsim_adapters.journal_files import load_journal
from convsim_adapters.running.recording import result_of
from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.run_files import SETTINGS
from convsim_fp.core import thaw
from convsim_fp.errors import InvalidSpec, JournalError, Problem
from convsim_fp.journal import Journal, SessionLog

__all__ = ["Recording", "read_recording"]

NOTHING: Mapping[str, object] = {}


@frozen
class Recording:
    """One run as it is recorded; `told` is its ``run.json``, empty where there is none."""

    name: str
    journal: Journal
    told: Mapping[str, object] = NOTHING

    @cached_property
    def results(self) -> tuple[SessionResult | None, ...]:
        """What each session came to; None of one without an end."""
        return tuple(result_of(log) for log in self.logs)

    @property
    def logs(self) -> tuple[SessionLog, ...]:
        """The sessions in order, also those without an end."""
        return self.journal.sessions

    @property
    def run(self) -> Run:
        """The sessions that have ended, as `convsim_adapters.read_run` gives them."""
        ended = tuple(one for one in self.results if one is not None)
        return Run(ended, seconds=self.seconds, unfinished=len(self.results) - len(ended))

    @property
    def seconds(self) -> float:
        """How long the run took, as far as that was written down."""
        totals = self.told.get("totals")
        found = cast("dict[str, object]", totals).get("seconds") if isinstance(totals, dict) else 0
        return float(found) if isinstance(found, int | float) else 0.0

    @property
    def status(self) -> str:
        """What is written of how it ended: ``running``, ``finished``, or what stopped it."""
        return str(self.told.get("status", ""))

    @property
    def began(self) -> str:
        """When it began, as it was written down."""
        return self.journal.headers[0].began if self.journal.headers else ""

    @property
    def made_by(self) -> str:
        """The release that recorded it."""
        return self.journal.headers[0].convsim if self.journal.headers else ""

    @property
    def settings(self) -> Mapping[str, object]:
        """What it was made with, by name; secrets were not written down."""
        if not self.journal.headers:
            return NOTHING
        return cast("dict[str, object]", thaw(self.journal.headers[0].settings))


def read_recording(directory: Path) -> Recording:
    """Read a run, also while it goes on or after it was killed.

    Raises `InvalidSpec` where there is no journal, or one that cannot be read.
    """
    try:
        journal = load_journal(directory)
    except JournalError as error:
        raise InvalidSpec([Problem("run", str(error))]) from error
    return Recording(directory.resolve().name, journal, _told(directory))


def _told(directory: Path) -> Mapping[str, object]:
    try:
        found: object = json.loads((directory / SETTINGS).read_text("utf-8"))
    except (OSError, ValueError):
        return NOTHING
    return cast("dict[str, object]", found) if isinstance(found, dict) else NOTHING
