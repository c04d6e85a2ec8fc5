"""A session as plain text: who said what, short enough to read, and safe to print."""

from attrs import evolve
from hypothesis import given

from convsim_adapters.cli.as_text import FIRST, LAST, MOST, session_text
from convsim_adapters.cli.plain import printable
from convsim_adapters.running.results import SessionResult, Usage
from convsim_fp.core import Message, Session, State, Stopped, StopReason, TestCase, ToolCall
from convsim_fp.testing import strategies as any_of


def result(*said: Message, why: str = "") -> SessionResult:
    turns = sum(message.speaker == "user" for message in said)
    phase = Stopped(StopReason.MAX_TURNS, turns, why)
    state = State(TestCase(goal="a refund"), Session("vague/1"), phase, said)
    return SessionResult.of(state, Usage(), 0.0)


def test_each_message_is_told_with_its_turn_and_its_calls() -> None:
    call = ToolCall("refund_order", {"number": "W7"})
    said = [
        Message("agent", "Hello."),
        Message("user", "W7.\nPlease."),
        Message("agent", "Done.", (call,)),
        Message("user", "Bye."),
    ]
    assert session_text(result(*said, why="the limit of 2 turns")).splitlines() == [
        "vague/1: max_turns after 2 turns",
        "  why: the limit of 2 turns",
        "    agent: Hello.",
        "  1 user: W7.",
        "      Please.",
        "    agent: Done.",
        '      refund_order({"number": "W7"})',
        "  2 user: Bye.",
    ]


def test_one_turn_is_one() -> None:
    assert session_text(result(Message("user", "Hm."))).splitlines()[0].endswith("after 1 turn")


def test_of_much_the_beginning_and_the_end_are_told() -> None:
    many = [Message("user", f"say {n}") for n in range(FIRST + LAST + 7)]
    lines = session_text(result(*many)).splitlines()[1:]
    assert len(lines) == FIRST + 1 + LAST
    assert lines[FIRST].strip() == "… 7 messages …"
    assert lines[-1].endswith("say 36")
    text = session_text(result(Message("user", "x" * (MOST + 5))))
    assert text.endswith("x… (5 more characters)")


@given(any_of.transcripts(), any_of.texts())
def test_whatever_was_said_can_be_printed(said, why: str) -> None:
    """It moves no cursor, and begins no line that looks like somebody else's message."""
    text = session_text(evolve(result(*said), why=why))
    assert printable(text) == text
    heads = [line for line in text.splitlines() if line[:4].strip() or line[:5].strip()]
    assert len(heads) <= 1 + bool(why) + len(said)
    assert len(text) < 3000 + 1000 * len(said)
