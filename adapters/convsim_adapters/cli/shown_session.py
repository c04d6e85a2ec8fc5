"""One session with every word, and at each turn what was called, judged, asked again and paid."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from attrs import Factory, field, frozen
from rich.console import RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convsim_adapters.cli.figures import count
from convsim_adapters.cli.plain import one_line, printable
from convsim_adapters.cli.shown_asked import (
    Put,
    Trouble,
    asked_in,
    spent_words,
    troubles,
    turns_in,
    usage_words,
)
from convsim_adapters.cli.tables import FAILED, MISSED, ROOMY, call_words, style_of
from convsim_adapters.report.sessions import reason_of, sentence, usage_of
from convsim_adapters.report.turns import Judged, judged, turns_of
from convsim_adapters.running.recording import Record as Spent
from convsim_adapters.running.results import SessionResult
from convsim_fp.core import Lane, Message, thaw
from convsim_fp.core.json_values import readable
from convsim_fp.journal import SessionLog

__all__ = ["Talk", "heading", "session_shown"]

MOST = 600  # characters of a reply that could not be used


def session_shown(
    log: SessionLog, result: SessionResult | None, *, width: int
) -> Iterator[RenderableType]:
    """How it ended, what it was about, then turn by turn what was said and judged."""
    asked, talk = asked_in(log), Talk(log, narrow=width < ROOMY)
    yield heading(log, result)
    yield from _about(log, result, _took(log, result, asked))
    talk.before()
    for turn in turns_in(log, asked):
        talk.turn(turn, tuple(one for one in asked if one.turn == turn))
    yield Padding(talk.grid, (0, 0, 1, 2))


def heading(log: SessionLog, result: SessionResult | None) -> Text:
    """Its name and how it ended."""
    title = Text(one_line(log.session.id), style="bold")
    title.append(f"  {reason_of(result)}", style="dim" if result is None else style_of(result))
    if result is not None:
        title.append(f" after {count(result.turns, 'turn')}")
    return title


def _about(log: SessionLog, result: SessionResult | None, took: str) -> Iterator[Padding]:
    for name, words in (*_told(log, result), ("took", took)):
        if words:
            told = Text(f"{name}: {one_line(words, MOST)}", style="dim")
            yield Padding(told, (0, 0, 0, 2), expand=False)


def _told(log: SessionLog, result: SessionResult | None) -> Iterator[tuple[str, str]]:
    case = log.case
    yield "goal", case.goal
    yield "persona", case.persona or ""
    yield "guidelines", "; ".join(case.simulation_guidelines)
    yield "context", readable(thaw(case.context)) if case.context else ""
    yield "expectations", readable(thaw(case.expectations)) if case.expectations else ""
    yield "tags", ", ".join(case.tags)
    if log.parent is not None:
        parent = log.parent
        yield "forked", f"from {parent.session} of {parent.run} at turn {parent.turn}"
    yield "end", sentence(log, result)
    yield "why", "" if result is None else result.why


def _took(log: SessionLog, result: SessionResult | None, asked: Iterable[Put]) -> str:
    usage, spent = usage_of(log, result), Spent.of(log.entries)
    again = sum(one.place.nth > 0 and not one.void for one in asked)
    told = [count(usage.requests, "request")]
    told += [f"{again} asked again"] if again else []
    told += [f"{usage.attempts - usage.requests} sent again"] * (usage.attempts > usage.requests)
    told += [f"{usage.wasted} for nothing"] if usage.wasted else []
    told += [f"{usage.rebuilt} made again"] if usage.rebuilt else []
    parts = (f"{spent.seconds:.1f} s", ", ".join(told), *usage_words(usage))
    return " · ".join(parts) if usage.requests else ""


@frozen
class Talk:
    """The rows of a conversation; on a narrow terminal who speaks stands before what is said."""

    log: SessionLog
    narrow: bool
    grid: Table = field(default=Factory(lambda self: _columns(self.narrow), takes_self=True))

    def before(self) -> None:
        """What was said before the conversation began."""
        for message in self._said(None):
            self.message(message, "")

    def turn(self, turn: int, asked: Iterable[Put]) -> None:
        """A turn: what was said in it, with what was called, judged, asked again and paid."""
        some, number = tuple(asked), str(turn) if turn else ""
        for lane in (Lane.USER, Lane.AGENT):
            for one in troubles(some, lane):
                self.trouble(one)
            for message in self._said(turn):
                if message.speaker == lane.value:
                    self.message(message, number if lane is Lane.USER else "")
        for one in troubles(some, Lane.GOAL_CHECK):
            self.trouble(one)
        for verdict in judged(self.log):
            if verdict.turn == turn:
                self.verdict(verdict)
        if words := spent_words(some):
            self.row("", "", Text(words, style="dim"))

    def message(self, message: Message, number: str) -> None:
        """A message, and the tools that were called for it."""
        style = "cyan" if message.speaker == "user" else "bold"
        self.row(number, message.speaker, Text(printable(message.text)), style)
        for call in message.tool_calls:
            self.row("", "", Text(call_words(call), style="dim"))

    def verdict(self, one: Judged) -> None:
        """A verdict with its rationale."""
        what = "goal reached" if one.achieved else "goal not reached"
        what = "the goal check failed" if one.failed else what
        style = FAILED if one.failed else "green" if one.achieved else MISSED
        text = Text(what, style=style)
        text.append(f": {one_line(one.why, MOST)}" if one.why else "", style="dim")
        self.row("", "verdict", text, "dim")

    def trouble(self, one: Trouble) -> None:
        """Something that did not go as it should."""
        self.row("", "", Text(one_line(one.what, MOST), style="magenta"))
        for words in filter(None, one.quotes):
            self.row("", "", Text(f"> {one_line(words, MOST)}", style="dim"))

    def row(self, number: str, who: str, text: Text, style: str = "") -> None:
        """A row of the table."""
        if not self.narrow:
            self.grid.add_row(number, Text(who, style=style), text)
            return
        told = Text(f"{who}: " if who else "", style=style)
        self.grid.add_row(number, told.append_text(text))

    def _said(self, turn: int | None) -> Iterator[Message]:
        turns = turns_of(self.log.case, self.log.transcript)
        for message, its in zip(self.log.transcript, turns, strict=True):
            if its == turn:
                yield message


def _columns(narrow: bool) -> Table:  # noqa: FBT001  what was found of the terminal
    grid = Table.grid(padding=(0, 1))
    grid.add_column(justify="right", no_wrap=True, style="dim")
    if not narrow:
        grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    return grid
