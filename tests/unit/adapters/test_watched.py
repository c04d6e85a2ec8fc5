"""A run that goes on, in a terminal or a pipe: the same figures in both, of any width."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console

from convsim_adapters.cli.followed import Followed, Seen
from convsim_adapters.cli.plain import UNPRINTABLE
from convsim_adapters.cli.watched import Lines, Screen, View, looking_on, progress_words
from convsim_adapters.running.recording import Record
from convsim_adapters.running.results import Usage
from convsim_fp.core import Failure, Stopped, StopReason
from convsim_fp.journal import read_segment
from convsim_fp.testing import strategies as any_of
from convsim_fp.testing.journals import journals

NOW = 1_000_060.0
SPENT = Record(
    Usage(requests=3, attempts=3, input_tokens=90, output_tokens=10, cost=0.25), 1.5, NOW - 7
)


def console(width: int = 80, **more) -> Console:
    return Console(
        file=io.StringIO(),
        width=width,
        height=24,
        highlight=False,
        markup=False,
        emoji=False,
        **more,
    )


def going(name: str = "a/1", said: str = "Which order?") -> Followed:
    return Followed(name, SPENT, 2, 3, "agent", said)


def ended(name: str, reason: str, detail: str = "") -> Followed:
    phase = Stopped(StopReason(reason), 2, detail, Failure("x") if "failed" in reason else None)
    return Followed(name, SPENT, 2, 2, "agent", "Done.", phase)


def seen(*some: Followed, planned: int = 0) -> Seen:
    return Seen({one.id: one for one in some}, planned, 2)


SOME = seen(
    ended("good/1", "goal_achieved"),
    ended("bad/1", "agent_failed", "agent_error: no such order"),
    going("slow/1"),
    Followed("next/1"),
    planned=5,
)


def drawn(one: Seen, width: int = 80) -> str:
    there = console(width)
    there.print(View("night", one, NOW))
    return there.file.getvalue()


def test_a_picture_has_the_whole_and_the_sessions_under_way() -> None:
    lines = [line.rstrip() for line in drawn(SOME, 100).splitlines()]
    assert lines[0] == (
        "night  2/5 sessions · 2 running · 6 turns · 300 tokens · $0.7500 · 1 achieved · 1 failed"
    )
    assert lines[2] == "goal achieved in 1 of 2 sessions (50 %), 95 % interval 9 to 91 %"
    assert lines[3] == "ended: goal_achieved 1, agent_failed 1"
    assert lines[5].split() == ["slow/1", "turn", "3", "7", "s", "ago", "agent:", "Which", "order?"]
    assert lines[6] == "2 without an answer yet"


def test_on_a_low_screen_only_as_many_are_shown_as_fit() -> None:
    many = seen(*(going(f"case-{n}/1") for n in range(99)))
    lines = drawn(many).splitlines()
    assert len(lines) < 24
    assert lines[-1].strip() == "83 more under way"


@given(any_of.texts(), any_of.texts(), st.sampled_from((20, 40, 80)))
def test_whatever_was_said_fits_and_moves_nothing(name: str, said: str, width: int) -> None:
    """Law: of any width; no line is longer than the terminal, for a redrawn screen would slip."""
    told = drawn(seen(going(name, said), ended(f"{name}2", "user_left", said)), width)
    assert not UNPRINTABLE.search(told)
    assert all(cell_len(line) <= width for line in told.splitlines())


@given(journals(), st.lists(st.integers(0, 40), max_size=2))
def test_a_pipe_is_told_each_end_once(text: str, cuts: list[int]) -> None:
    """Law: whenever one looks, each session that ends after the first look has its line."""
    records, there = read_segment(text).records, console(200)
    lines, one, begin = Lines("run", there), Seen(), 0
    lines.show(one, NOW)
    for end in (*sorted(cuts), len(records)):
        one, begin = one.after(iter(records[begin:end])), max(begin, end)
        lines.show(one, NOW)
    told = there.file.getvalue().splitlines()
    assert sorted(line.split(":")[0] for line in told if line.startswith("case-")) == sorted(
        one.id for one in one.ended
    )


def test_a_pipe_is_told_how_far_the_whole_is() -> None:
    there = console(200)
    with looking_on(there, "night") as lines:
        lines.show(seen(going("a/1"), going("b/1")), NOW)
        lines.show(seen(ended("a/1", "user_left", "it took too long"), going("b/1")), NOW)
        lines.show(seen(ended("a/1", "user_left"), going("b/1", "?")), NOW)
    assert there.file.getvalue().splitlines() == [
        "night: 0/2 sessions · 2 running · 4 turns · 200 tokens · $0.5000 · 0 achieved",
        "a/1: user_left after 2 turns · 1.5 s · $0.2500 · it took too long",
        "night: 1/2 sessions · 1 running · 4 turns · 200 tokens · $0.5000 · 0 achieved",
    ]


def test_the_words_are_those_of_the_run_itself() -> None:
    assert progress_words(seen()) == "0/0 sessions · 0 running · 0 turns · 0 achieved"
    assert progress_words(seen(planned=9)).startswith("0/9 sessions · 2 running")
    assert SOME.failed == 1
    assert SOME.cut_short == 0


@pytest.mark.parametrize("dumb", [True, False])
def test_only_a_terminal_that_can_is_drawn_on(dumb: bool, monkeypatch) -> None:
    monkeypatch.setenv("TERM", "dumb" if dumb else "xterm")
    there = console(force_terminal=True)
    shown = looking_on(there, "night")
    assert isinstance(shown, Lines if dumb else Screen)
    with shown as on:
        on.show(SOME, NOW)
    told = there.file.getvalue()
    assert ("\x1b[?25h" in told) is not dumb, "the cursor is shown again"
    assert "night" in told


def test_without_colour_there_is_none(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    there = console(force_terminal=True, no_color=True)
    with looking_on(there, "night") as on:
        on.show(SOME, NOW)
    assert "\x1b[3" not in there.file.getvalue()
