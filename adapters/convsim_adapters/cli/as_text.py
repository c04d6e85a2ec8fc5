"""A session as plain text, short enough to read: for reports that know neither tables nor colours.

Needs neither click nor rich.
"""

from __future__ import annotations

from collections.abc import Iterator

from convsim_adapters.cli.plain import one_line, printable
from convsim_adapters.running.results import SessionResult
from convsim_fp.core import Message, thaw
from convsim_fp.core.json_values import readable

__all__ = ["session_text"]

MOST = 600  # characters of a message
FIRST, LAST = 4, 26  # messages of a long conversation that are shown


def session_text(one: SessionResult) -> str:
    """Write a session for a reader: how it ended, then who said what, with the turns."""
    turns = f"{one.turns} turn{'s' * (one.turns != 1)}"
    lines = [f"{one_line(one.id)}: {one.stop_reason} after {turns}"]
    if one.why:
        lines.append(f"  why: {one_line(one.why)}")
    return "\n".join((*lines, *_shortened(tuple(_messages(one)))))


def _messages(one: SessionResult) -> Iterator[str]:
    turn = 0
    for message in one.transcript:
        turn += message.speaker == "user"
        number = str(turn) if message.speaker == "user" else ""
        yield _message(f"{number:>3} ", message)


def _message(number: str, message: Message) -> str:
    said = printable(message.text)
    said = said if len(said) <= MOST else f"{said[:MOST]}… ({len(said) - MOST} more characters)"
    calls = (one_line(f"{c.name}({readable(thaw(c.arguments))})") for c in message.tool_calls)
    return "\n      ".join((f"{number}{message.speaker}: {_indented(said)}", *calls))


def _indented(text: str) -> str:
    return "\n      ".join(text.splitlines())


def _shortened(messages: tuple[str, ...]) -> tuple[str, ...]:
    left_out = len(messages) - FIRST - LAST
    if left_out <= 1:
        return messages
    return (*messages[:FIRST], f"      … {left_out} messages …", *messages[-LAST:])
