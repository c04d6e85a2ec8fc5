"""Progress on standard error: one line that moves on a terminal, a line now and then elsewhere."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from attrs import Factory, define
from rich.console import Console
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from convsim_adapters.cli.figures import cost, count, tokens
from convsim_adapters.running.recording import Tally
from convsim_adapters.running.results import SessionResult
from convsim_fp.interpreters import Entry

__all__ = ["Progress", "Quiet", "watching"]

BAR = 24  # columns


@define
class Quiet:
    """Shows nothing."""

    def entry(self, entry: Entry) -> None:
        """Pass over an entry."""

    def following(self, tally: Tally, running: int) -> None:
        """Pass over what other processes did."""

    def finished(self, result: SessionResult) -> None:
        """Pass over a session."""


@define
class Progress:
    """How far a run is. It changes in the thread of the run and is read in that of the terminal.

    `running` is how many sessions go on, where somebody else knows it better.
    """

    total: int
    at_once: int
    done: int = 0
    achieved: int = 0
    failed: int = 0
    tally: Tally = Factory(Tally)
    running: int | None = None
    lines: Console | None = None
    told: int = 0

    def entry(self, entry: Entry) -> None:
        """Count what an entry tells."""
        self.tally = self.tally.after(entry)

    def following(self, tally: Tally, running: int) -> None:
        """Count what other processes did."""
        self.tally, self.running = self.tally.plus(tally), running

    def finished(self, result: SessionResult) -> None:
        """Count a session that ended; without a terminal, a line for every tenth of them."""
        self.done += 1
        self.achieved += result.achieved
        self.failed += result.failed
        tenth = self.done * 10 // max(self.total, 1)
        if self.lines is not None and tenth > self.told:
            self.told = tenth
            self.lines.print(Text(self.words()), soft_wrap=True)

    def words(self) -> str:
        """The state of the run in one line."""
        left, usage = self.total - self.done, self.tally.usage
        running = self.at_once if self.running is None else self.running
        parts = [
            f"{self.done}/{count(self.total, 'session')}",
            f"{min(running, left)} running",
            count(self.tally.turns, "turn"),
        ]
        if usage.tokens is not None or usage.unpriced:
            parts += [tokens(usage.tokens), cost(usage)]
        parts.append(f"{self.achieved} achieved")
        if self.failed:
            parts.append(f"{self.failed} failed")
        return " · ".join(parts)

    def __rich__(self) -> Table:
        """The line with a bar."""
        grid = Table.grid(padding=(0, 1))
        grid.add_row(ProgressBar(self.total, self.done, width=BAR), Text(self.words()))
        return grid


@contextmanager
def watching(console: Console, sessions: int, at_once: int) -> Generator[Progress]:
    """Show the progress of a run on a console as long as the block goes on."""
    if not console.is_terminal:
        yield Progress(sessions, at_once, lines=console)
        return
    progress = Progress(sessions, at_once)
    with Live(progress, console=console, refresh_per_second=8, transient=True):
        yield progress
