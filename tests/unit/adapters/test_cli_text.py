"""What the command prints: no text of a model reaches the terminal as anything but text."""

import io
import unicodedata

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console, Group

from convsim_adapters import Run, SessionResult, Usage
from convsim_adapters.cli.figures import cost, count, share, tokens
from convsim_adapters.cli.output import SHOWABLE
from convsim_adapters.cli.plain import one_line, printable
from convsim_adapters.cli.progress import Progress
from convsim_adapters.cli.shown_session import session_shown
from convsim_adapters.cli.tables import run_summary, run_table
from convsim_fp.core import (
    Interrupted,
    Message,
    Session,
    Stopped,
    StopReason,
    TestCase,
    ToolCall,
    Transcript,
)
from convsim_fp.interpreters import Entry, Observed
from convsim_fp.journal import Ended, SessionLog

HOSTILE = "\x1b[2J\x1b]0;title\x07[bold red]x[/] \u202eevil\u2066 \r\n\x00\x9b31m:smile: \ud800"
texts = st.text(max_size=60) | st.just(HOSTILE)

ENDED = SessionResult(
    "refund", 1, "a refund", StopReason.MAX_TURNS, "", "", 2, (), None, Usage(), 1.0
)


def shown(part, width=80, **options) -> str:
    console = Console(
        file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False, **options
    )
    console.print(part)
    return console.file.getvalue()


def transcript(said: Transcript, goal: str = "a refund") -> Group:
    """A session as it is shown, in which nobody was asked for anything."""
    turns = sum(message.speaker == "user" for message in said)
    ended = Ended("case/1", Stopped(StopReason.MAX_TURNS, turns))
    log = SessionLog(Session("case/1"), TestCase(goal=goal, id="case"), (), ended, said)
    return Group(*session_shown(log, evolve(ENDED, transcript=said), width=80))


@given(texts)
def test_nothing_that_moves_or_turns_the_text_is_printed(text) -> None:
    """Law: no control but tab and line break, no surrogate, and nothing that turns direction."""
    for char in printable(text):
        assert char in "\t\n" or unicodedata.category(char) not in ("Cc", "Cs", "Zl", "Zp")
        assert unicodedata.bidirectional(char) not in ("LRE", "RLE", "LRO", "RLO", "PDF", "RLI")


@given(texts, st.integers(1, 50))
def test_one_line_is_one_line_of_bounded_length(text, most) -> None:
    line = one_line(text, most)
    assert len(line) <= most
    assert len(line.splitlines()) <= 1


@given(texts, texts, texts, st.sampled_from((20, 60, 200)))
def test_tables_and_transcripts_take_any_text(case_id, why, said, width) -> None:
    """Law: none of it is markup, none moves the cursor, and every width will do."""
    call = ToolCall(said, {"a": said})
    talk = (Message("user", said), Message("agent", said, (call,)))
    one = evolve(ENDED, case_id=case_id, goal=why, why=why, transcript=talk)
    run = Run((one, evolve(one, trial=2)))
    tables = (run_table(run), run_table(run, width=width, unfinished=[said]))
    for part in (*tables, run_summary(run), transcript(talk, f"a goal {why}")):
        assert "\x1b" not in shown(part, width)


def test_markup_and_emoji_codes_of_a_model_are_shown_as_they_are() -> None:
    said = (Message("agent", "[bold]x[/bold] :smile:"),)
    assert "[bold]x[/bold] :smile:" in shown(transcript(said))


def test_the_table_begins_with_what_failed_then_what_missed() -> None:
    reasons = ["goal_achieved", "max_turns", "user_failed", "budget", "agent_failed"]
    run = Run(tuple(evolve(ENDED, case_id=r, stop_reason=StopReason(r)) for r in reasons))
    rows = [line.split()[0] for line in shown(run_table(run), 200).splitlines()[1:]]
    assert rows == ["user_failed", "agent_failed", "max_turns", "budget", "goal_achieved"]
    assert "goal achieved in 1 of 5 sessions (20 %; 1 cut short; 2 failed)" in shown(
        run_summary(run), 200
    )


def test_turns_are_numbered_from_one_and_an_opening_has_none() -> None:
    talk = [("agent", "Welcome."), ("user", "Hi."), ("agent", "Yes?"), ("user", "Bye.")]
    told = shown(transcript(tuple(Message(*said) for said in talk)))
    lines = [line.split() for line in told.splitlines()[3:]]
    assert [line[:2] for line in lines if line] == [
        ["agent", "Welcome."],
        ["1", "user"],
        ["agent", "Yes?"],
        ["2", "user"],
    ]


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        (Usage(), "–"),
        (Usage(cost=0.0), "$0.0000"),
        (Usage(cost=12.345), "$12.35"),
        (Usage(cost=0.5, unpriced=1), "≥ $0.5000"),
        (Usage(unpriced=1), "?"),
    ],
)
def test_a_cost_says_what_is_known_of_it(usage, told) -> None:
    assert cost(usage) == told


def test_figures_for_people() -> None:
    assert [tokens(n) for n in (None, 999, 1_000, 2_500_000)] == [
        "? tokens",
        "999 tokens",
        "1.0 k tokens",
        "2.5 M tokens",
    ]
    assert (count(1, "turn"), count(1200, "turn"), share(0, 0)) == ("1 turn", "1,200 turns", "0 %")


def test_progress_counts_sessions_and_tells_tenths_where_there_is_no_terminal() -> None:
    lines = Console(file=io.StringIO(), width=200)
    progress = Progress(20, 5, lines=lines)
    for number in range(20):
        name = f"c{number}/1"
        session = type("Session", (), {"id": name})()
        progress.entry(Entry(session, None, Observed(Interrupted("budget"))))
        progress.finished(evolve(ENDED, case_id=f"c{number}"))
    told = lines.file.getvalue().splitlines()
    assert len(told) == 10
    assert told[-1] == "20/20 sessions · 0 running · 0 turns · 0 achieved"
    assert "20/20 sessions" in shown(progress)


def test_our_own_signs_are_letters_where_the_stream_knows_no_others() -> None:
    words = "a · b – c… ≥ 1 → 2 × 3 é\ud800"
    assert words.encode("ascii", SHOWABLE) == b"a | b - c... >= 1 -> 2 x 3 ??"
    assert "ä·".encode("latin-1", SHOWABLE) == "ä·".encode("latin-1")
    with pytest.raises(UnicodeDecodeError):
        b"\xff".decode("utf-8", SHOWABLE)
