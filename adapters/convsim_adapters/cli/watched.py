"""How a run looks that goes on: a screen for a terminal, lines for everything else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from types import TracebackType
from typing import Protocol

from attrs import Factory, define, field, frozen
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from convsim_adapters.cli.figures import cost, count
from convsim_adapters.cli.followed import Followed, Seen
from convsim_adapters.cli.plain import one_line
from convsim_adapters.cli.progress import Progress
from convsim_adapters.cli.tables import FAILED, MISSED, ROOMY, STYLES, rated
from convsim_fp.core import Stopped
from convsim_fp.core.state import StopReason

__all__ = ["Lines", "Screen", "Shown", "looking_on", "progress_words"]

HEAD = 8  # lines of the screen that are not sessions, at least
FEWEST = 3  # sessions under way that are shown, however low the screen is
OFTEN = 10  # lines about the whole, where each session that ends has a line of its own


class Shown(Protocol):
    """Is shown every look at a run; `now` is in seconds since 1970."""

    def show(self, seen: Seen, now: float) -> None:
        """Show what is known now."""
        ...


def looking_on(console: Console, name: str) -> AbstractContextManager[Shown]:
    """A screen that is drawn again where the terminal can, else lines."""
    if console.is_terminal and not console.is_dumb_terminal:
        return Screen(name, console)
    return Lines(name, console)


def progress_words(seen: Seen) -> str:
    """The state of a run in one line, as the run itself tells it."""
    ended, going = len(seen.ended), len(seen.under_way)
    running = max(going, min(seen.at_once, seen.total - ended))
    told = (ended, seen.achieved, seen.failed, seen.tally, running)
    return Progress(seen.total, seen.at_once, *told).words()


@define
class Lines:
    """A line for each session that ends, and for every tenth of all of them one about the whole."""

    name: str
    console: Console
    known: Seen | None = None
    tenth: int = -1

    def __enter__(self) -> Shown:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def show(self, seen: Seen, now: float) -> None:
        """Tell what is new."""
        del now
        if self.known is not None:
            before = {one.id for one in self.known.ended}
            for one in seen.ended:
                if one.id not in before:
                    self._say(ended_words(one))
        self.known = seen
        tenth = len(seen.ended) * OFTEN // max(1, seen.total)
        if tenth != self.tenth:
            self.tenth = tenth
            self._say(f"{one_line(self.name)}: {progress_words(seen)}")

    def _say(self, words: str) -> None:
        self.console.file.write(f"{words}\n")  # rich would exit where nobody reads any more
        self.console.file.flush()


@define
class Screen:
    """Redraws itself in place, and leaves nothing behind."""

    name: str
    console: Console
    live: Live = field(
        init=False,
        default=Factory(
            lambda self: Live(console=self.console, auto_refresh=False, transient=True),
            takes_self=True,
        ),
    )

    def __enter__(self) -> Shown:
        self.live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.live.stop()

    def show(self, seen: Seen, now: float) -> None:
        """Draw what is known now."""
        self.live.update(View(self.name, seen, now), refresh=True)


@frozen
class View:
    """One picture of a run, as wide and as high as the terminal is."""

    name: str
    seen: Seen
    now: float

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        seen = self.seen
        title = Text(one_line(self.name), style="bold")
        title.append(f"  {progress_words(seen)}", style="")
        yield title
        bar = Table.grid()
        bar.add_row(ProgressBar(max(1, seen.total), len(seen.ended), width=options.max_width - 1))
        yield bar
        yield Text(rated(seen.achieved, len(seen.ended)))
        yield _reasons(seen)
        yield Text("")
        yield from _under_way(self, options.max_width, console.size.height)


def ended_words(one: Followed) -> str:
    """A session that has ended, in a line."""
    reason = "" if one.ended is None else str(one.ended.reason)
    parts = [f"{reason} after {count(one.turns, 'turn')}", f"{one.spent.seconds:.1f} s"]
    if one.spent.usage.cost is not None:
        parts.append(cost(one.spent.usage))
    why = _why(one.ended)
    return f"{one_line(one.id)}: {' · '.join(parts)}" + (f" · {why}" if why else "")


def _why(ended: Stopped | None) -> str:
    return "" if ended is None else one_line(ended.detail, 120)


def _reasons(seen: Seen) -> Text:
    text = Text("")
    for reason, number in seen.stop_reasons.items():
        text.append(", " if text else "ended: ", style="dim")
        text.append(f"{reason} {number}", style=_style(StopReason(reason)))
    return text or Text("none has ended yet", style="dim")


def _style(reason: StopReason) -> str:
    return FAILED if reason.value.endswith("failed") else STYLES.get(reason, MISSED)


def _under_way(view: View, width: int, height: int) -> Iterator[Table | Text]:
    some = view.seen.under_way
    waiting = view.seen.total - len(view.seen.ended) - len(some)
    most = max(FEWEST, height - HEAD - (width < ROOMY) * 4)
    if some:
        table = Table.grid(padding=(0, 1), expand=True)
        for _ in range(3 if width >= ROOMY else 2):
            table.add_column(no_wrap=True, overflow="ellipsis", max_width=max(10, width // 3))
        table.add_column(no_wrap=True, overflow="ellipsis", ratio=1)
        for one in some[:most]:
            table.add_row(*_row(one, view.now, width))
        yield table
    left = [f"{len(some) - most} more under way"] if len(some) > most else []
    left += [f"{waiting} without an answer yet"] if waiting else []
    if left:
        yield Text(", ".join(left), style="dim")


def _row(one: Followed, now: float, width: int) -> Iterator[Text]:
    """Its name, its turn, how long ago something was answered, and what was said last."""
    yield Text(one_line(one.id))
    if width >= ROOMY:
        yield Text(f"turn {one.at}", style="dim")
    yield Text(_ago(one, now), style="dim")
    said = Text(f"{one.speaker}: " if one.speaker else "", style="cyan")
    said.append(one_line(one.said, width), style="default")
    yield said


def _ago(one: Followed, now: float) -> str:
    return f"{max(0.0, now - one.spent.until):.0f} s ago" if one.spent.until else ""
