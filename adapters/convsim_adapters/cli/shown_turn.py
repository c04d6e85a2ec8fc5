"""One turn with all that was asked in it: the prompts as they were sent, and what came back."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import RenderableType
from rich.padding import Padding
from rich.text import Text

from convsim_adapters.cli.figures import count
from convsim_adapters.cli.plain import one_line, printable
from convsim_adapters.cli.shown_asked import WHO, Put, asked_in, usage_words
from convsim_adapters.cli.shown_session import Talk, heading
from convsim_adapters.cli.tables import FAILED, ROOMY, call_words
from convsim_adapters.report.requests import laid_out
from convsim_adapters.running.results import SessionResult, Usage
from convsim_fp.core import AgentReplied, Failed, Lane, Prompt, render
from convsim_fp.journal import SessionLog

__all__ = ["turn_shown"]


def turn_shown(
    log: SessionLog, result: SessionResult | None, turn: int, *, width: int
) -> Iterator[RenderableType]:
    """What was said in the turn, then each request: prompt, reply, facts."""
    title = heading(log, result)
    title.append(f" · turn {turn}" if turn else " · the opening", style="bold")
    yield title
    asked = tuple(one for one in asked_in(log) if one.turn == turn)
    talk = Talk(log, narrow=width < ROOMY)
    talk.turn(turn, asked)
    yield Padding(talk.grid, (0, 0, 1, 2))
    if not asked:
        yield Text("  nobody was asked: what was said is the case's own\n", style="dim")
    for one in asked:
        yield from _request(one, log)


def _request(one: Put, log: SessionLog) -> Iterator[RenderableType]:
    yield _title(one)
    yield Text("  the prompt that was sent" if _is_prompt(one) else "  what was sent", style="dim")
    for role, words in _sent(one, log):
        yield Text(f"    {role}", style="cyan")
        yield Padding(Text(printable(words)), (0, 0, 0, 6), expand=False)
    yield Text("  what came back", style="dim")
    yield Padding(_back(one), (0, 0, 1, 4), expand=False)


def _title(one: Put) -> Text:
    again = f", question {one.place.nth + 1}" if one.place.nth else ""
    title = Text(f"{WHO[one.place.lane]}{again}", style="bold")
    facts = one.entry.facts
    told = [f"began at {one.begun:.1f} s"] if one.begun is not None else []
    told += [f"{facts.seconds:.1f} s"] if facts.seconds is not None else []
    told += usage_words(Usage().after(one.entry))
    told += [count(facts.attempts, "attempt")] if facts.attempts > 1 else []
    told += [f"trace {facts.trace_id}"] if facts.trace_id else []
    told += [one.void_words]
    words = " · ".join(filter(None, told))
    title.append(f" · {one_line(words)}" if words else "", style="dim not bold")
    return title


def _is_prompt(one: Put) -> bool:
    return isinstance(one.entry.content, Prompt)


def _sent(one: Put, log: SessionLog) -> Iterator[tuple[str, str]]:
    """The messages that were sent, by role; a prompt as a model is sent it."""
    content = one.entry.content
    match content:
        case None:
            return
        case Prompt():
            for message in render(content):
                yield message.role, message.content
            if content.schema is not None:
                yield "reply schema", laid_out(content.schema)
        case _:
            for said in content:
                yield ("user" if said.speaker == "user" else "assistant"), said.text
            if one.place.lane is Lane.AGENT and log.case.context:
                yield "context of the case", laid_out(log.case.context)


def _back(one: Put) -> Text:
    match one.entry.seen:
        case Failed(failure=failure):
            return Text(printable(str(failure)), style=FAILED)
        case AgentReplied(text=text, ended=ended, tool_calls=calls):
            told = Text(printable(text) or "(an empty reply)")
            for call in calls:
                told.append(f"\n{call_words(call)}", style="dim")
            return told.append("\nthe agent ended the conversation" if ended else "", style="dim")
        case _:
            return Text(printable(one.reply or "(an empty reply)"))
