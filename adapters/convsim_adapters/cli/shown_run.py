"""A run as a list: how each session ended, what all came to, what stands out."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from pathlib import Path

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from convsim_adapters.cli.carrying import called
from convsim_adapters.cli.family import family
from convsim_adapters.cli.figures import count
from convsim_adapters.cli.plain import one_line
from convsim_adapters.cli.tables import MISSED, rated, run_summary, run_table, urgency
from convsim_adapters.journal_files.following import is_written
from convsim_adapters.report.overview import Failures, Listed, Overview, overview_of
from convsim_adapters.report.reading import Recording

__all__ = ["run_shown"]

FEW = 4  # sessions that a failure names


def run_shown(recording: Recording, directory: Path, *, width: int) -> Iterator[RenderableType]:
    """The list, the summary, what stands out, the tree of forks, and where to look next."""
    overview = overview_of(recording)
    yield _heading(overview, directory)
    yield ""
    yield run_table(recording.run, width=width, unfinished=_unfinished(recording))
    yield ""
    yield run_summary(recording.run)
    yield _facts(overview)
    yield from _failures("what failed", overview.failures, "session")
    yield from _failures("what was sent again", overview.attempts, "attempt")
    yield from family(directory)
    yield from _next(recording, directory)


def _heading(overview: Overview, directory: Path) -> Text:
    killed = overview.status == "running" and is_written(directory) is False
    title = Text(one_line(overview.name), style="bold")
    began = overview.began.replace("T", " ").replace("+00:00", " UTC")
    told = ["killed" if killed else overview.status]
    told += [f"began {began}" if began else "", f"convsim {overview.made_by}"]
    title.append(f"  {one_line(' · '.join(filter(None, told)))}", style="dim not bold")
    return title


def _unfinished(recording: Recording) -> Iterator[str]:
    for log, result in zip(recording.logs, recording.results, strict=True):
        if result is None:
            yield log.session.id


def _facts(overview: Overview) -> Table:
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(style="dim", no_wrap=True)
    grid.add_column(overflow="fold")
    sure = rated(overview.achieved, overview.sessions, trials=overview.trials)
    if overview.sessions:
        grid.add_row("rate", sure.partition(", ")[2])
    for one in overview.distributions:
        if one.bins:
            grid.add_row(one.name.lower(), one.words)
    for name, some in (("slowest", overview.slowest), ("dearest", overview.dearest)):
        if some:
            grid.add_row(name, Text(_listed(some)))
    if overview.settings:
        told = " · ".join(f"{name} {value}" for name, value in overview.settings)
        grid.add_row("settings", Text(one_line(told, 2000), style="dim"))
    return grid


def _listed(some: Iterable[Listed]) -> str:
    return ", ".join(f"{one_line(one.id)} {one.figure}" for one in some)


def _failures(title: str, found: Iterable[Failures], noun: str) -> Iterator[Text]:
    for at, one in enumerate(found):
        if not at:
            yield Text(f"\n{title}", style="bold")
        text = Text(f"  {one_line(one.what)}: {one_line(one.kind)}", style=MISSED)
        text.append(f"  {count(one.number, noun)}", style="default")
        yield text
        if one.example:
            yield Text(f"    {one_line(one.example)}")
        yield Text(f"    {_some(one.sessions)}", style="dim")


def _some(sessions: tuple[str, ...]) -> str:
    named = ", ".join(map(one_line, sessions[:FEW]))
    left = len(sessions) - FEW
    return f"{named} and {left} more" if left > 0 else named


def _next(recording: Recording, directory: Path) -> Iterator[Text]:
    """The session to look at first."""
    run = recording.run
    first = next(iter(sorted(run.sessions, key=urgency)), None)
    if first is not None:
        words = shlex.join((called(), "show", str(directory), first.id))
        yield Text(f"\nnext:  {one_line(words)}", style="dim")
