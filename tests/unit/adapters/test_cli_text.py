"""What the command prints: no text of a model reaches the terminal as anything but text."""

import io
import unicodedata

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from convsim_adapters import Run, SessionResult, Usage
from convsim_adapters.cli.figures import cost, count, share, tokens
from convsim_adapters.cli.plain import one_line, printable
from convsim_adapters.cli.progress import Progress
from convsim_adapters.cli.tables import run_summary, run_table, transcript
from convsim_fp.core import Interrupted, Message, StopReason, ToolCall
from convsim_fp.interpreters import Entry, Observed

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
    for part in (run_table(run), run_summary(run), transcript(one)):
        assert "\x1b" not in shown(part, width)


def test_markup_and_emoji_codes_of_a_model_are_shown_as_they_are() -> None:
    one = evolve(ENDED, transcript=(Message("agent", "[bold]x[/bold] :smile:"),))
    assert "[bold]x[/bold] :smile:" in shown(transcript(one))


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
    one = evolve(ENDED, transcript=tuple(Message(*said) for said in talk))
    lines = [line.split() for line in shown(transcript(one)).splitlines()[2:]]
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
