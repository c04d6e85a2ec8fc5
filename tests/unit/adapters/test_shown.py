"""A recorded run in a terminal: its list, a session, a turn; of any width, whatever was said."""

import io
import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from convsim_adapters import simulate
from convsim_adapters.cli.plain import UNPRINTABLE
from convsim_adapters.cli.shown_asked import asked_in, turns_in
from convsim_adapters.cli.shown_run import run_shown
from convsim_adapters.cli.shown_session import session_shown
from convsim_adapters.cli.shown_turn import turn_shown
from convsim_adapters.report.reading import Recording, read_recording
from convsim_fp import Reply
from convsim_fp.core import ToolCall
from convsim_fp.errors import RateLimited, Unauthorized
from convsim_fp.interpreters import AgentReply, Facts
from convsim_fp.journal import read_journal, read_segment
from convsim_fp.testing.journals import journals

FACTS = Facts(input_tokens=90, output_tokens=10, cached_tokens=40, cost=0.25)
VERDICT = '{{"rationale": "W{0} is open", "result": "{1}"}}'


def text_of(parts: Iterable[object], width: int = 200) -> str:
    console = Console(file=io.StringIO(), width=width, highlight=False, markup=False, emoji=False)
    for part in parts:
        console.print(part)
    return console.file.getvalue()


def agent(messages: list[dict[str, str]]) -> AgentReply:
    said = messages[-1]["content"]
    if "crash" in said:
        raise RuntimeError("no such order")
    return AgentReply(f"About {said}", tool_calls=(ToolCall("look_up", {"order": "W7"}),))


def model() -> Callable[..., Reply]:
    """Fails once, then speaks for the agent once, then plays and judges."""
    troubles = [RateLimited("slow down", retry_after=0.0), None]

    def answer(request) -> Reply:
        turn = request.id.turn
        if request.id.lane == "goal_check":
            return Reply(VERDICT.format(turn, "yes" if turn == 2 else "no"), FACTS)
        trouble = troubles.pop(0) if troubles else f"order {turn}"
        if isinstance(trouble, Exception):
            raise trouble
        return Reply(trouble or "Agent: How can I help?", FACTS)

    return answer


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which much went wrong: a reply that could not be used, a crash, a wrong key."""
    out = tmp_path_factory.mktemp("run") / "one"
    cases = [
        {"id": "asked", "goal": "hear of W7", "persona": "calm", "context": {"shop": "A"}},
        {"id": "broken", "goal": "find the flaw", "script": ["crash now"], "goal_when": "x"},
    ]
    play = model()
    simulate(
        cases,
        lambda messages, shop="": agent(messages),
        user_model=play,
        goal_model=play,
        out=out,
        overlap=False,
        concurrency=1,
    )
    return out


@pytest.fixture(scope="module")
def recording(directory: Path) -> Recording:
    return read_recording(directory)


def session(recording: Recording, name: str):
    at = [log.session.id for log in recording.logs].index(name)
    return recording.logs[at], recording.results[at]


@given(journals(), st.sampled_from((20, 40, 90)))
def test_whatever_was_said_is_shown_as_text(text: str, width: int) -> None:
    """Law: of any session, turn and width; none of it moves the cursor or turns its direction."""
    recording = Recording("run", read_journal([read_segment(text)]))
    told = text_of(run_shown(recording, Path("nowhere"), width=width), width)
    for both in [*zip(recording.logs, recording.results, strict=True)][:1]:
        told += text_of(session_shown(*both, width=width), width)
        for turn in turns_in(both[0], asked_in(both[0]))[-2:]:
            told += text_of(turn_shown(*both, turn, width=width), width)
    assert not UNPRINTABLE.search(told)


def test_the_list_has_what_the_report_has(recording: Recording, directory: Path) -> None:
    told = text_of(run_shown(recording, directory, width=200))
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert lines[0].startswith("one finished · began 20")
    assert lines[3].startswith("broken agent_failed 1 ")
    assert lines[4].startswith("asked goal_achieved 2 ")
    assert "goal achieved in 1 of 2 sessions (50 %; 1 failed) · 3 turns" in told
    assert "rate 95 % interval 9 to 91 %" in lines
    assert "turns median 1.5, 1 to 2" in lines
    assert "dearest asked/1 $1.25" in lines
    assert lines[lines.index("what failed") + 1] == "the agent: agent_error 1 session"
    assert lines[lines.index("what was sent again") + 1] == (
        "the simulated user: rate_limited 1 attempt"
    )
    assert lines[-1].endswith("broken/1")


def test_a_session_has_its_verdicts_its_calls_and_its_troubles(recording: Recording) -> None:
    told = text_of(session_shown(*session(recording, "asked/1"), width=200))
    lines = [" ".join(line.split()) for line in told.splitlines()]
    assert lines[0] == "asked/1 goal_achieved after 2 turns"
    assert "end: The goal was reached at turn 2." in lines
    assert 'context: {"shop": "A"}' in lines
    because = "it speaks for the agent too; write only the user's words"
    order = [
        "The simulated user was asked 2 times",
        "> rate_limited: slow down",
        f"The simulated user was asked again: its reply could not be used: {because}",
        "> Agent: How can I help?",
        "1 user order 1",
        "agent About order 1",
        'look_up({"order": "W7"})',
        "verdict goal not reached: W1 is open",
        "300 tokens (270 in, 30 out, 120 cached) · $0.7500",
        "2 user order 2",
        "verdict goal reached: W2 is open",
    ]
    there = iter(re.sub(r"^\d\.\d s · ", "", line) for line in lines)
    assert [line for line in order if line not in there] == []


def test_a_turn_has_the_prompts_as_they_were_sent(recording: Recording) -> None:
    told = text_of(turn_shown(*session(recording, "asked/1"), 1, width=200))
    assert told.count("the prompt that was sent") == 3
    assert told.count("what was sent") == 1
    assert "The simulated user, question 2" in told
    assert "· 2 attempts" in told
    assert "You play a person who writes to an agent" in told
    assert "Your last reply could not be used: it speaks for the agent too" in told
    assert "reply schema" in told
    assert '"shop": "A"' in told
    assert '{"rationale": "W1 is open", "result": "no"}' in told
    assert "W2 is open" not in told


def test_a_failure_is_shown_where_it_happened(recording: Recording) -> None:
    both = session(recording, "broken/1")
    told = text_of(session_shown(*both, width=200))
    assert "The agent failed: agent_error" in told
    assert "> RuntimeError: no such order" in told
    assert "agent_error: RuntimeError: no such order" in text_of(turn_shown(*both, 1, width=200))


def test_on_a_narrow_terminal_nothing_is_cut(recording: Recording, directory: Path) -> None:
    told = text_of(session_shown(*session(recording, "asked/1"), width=40), 40)
    assert "user: order 1" in told
    assert "verdict: goal not reached" in told
    for part in (told, text_of(run_shown(recording, directory, width=40), 40)):
        assert max(map(len, part.splitlines())) <= 40
        assert "…" not in part


def test_a_session_without_an_end_is_shown_as_far_as_it_went(tmp_path: Path) -> None:
    out = tmp_path / "run"
    simulate(
        [{"id": "a", "goal": "x", "script": ["one", "two"], "goal_when": "never"}],
        lambda messages: "yes",
        out=out,
    )
    segment = next((out / "journal").glob("*.jsonl"))
    segment.write_bytes(b"".join(segment.read_bytes().splitlines(keepends=True)[:3]))
    recording = read_recording(out)
    assert recording.run.unfinished == 1
    told = text_of(session_shown(*session(recording, "a/1"), width=200))
    assert "a/1  unfinished" in told
    assert "No end of it is recorded: it goes on, or was killed." in told
    assert "one" in told
    listed = text_of(run_shown(recording, out, width=200))
    assert ["a/1", "unfinished"] in [line.split() for line in listed.splitlines()]


def test_a_wrong_key_is_a_failure_of_who_was_asked(tmp_path: Path) -> None:
    def refuses(request) -> Reply:
        raise Unauthorized("bad key")

    simulate([{"id": "a", "goal": "x"}], agent, user_model=refuses, out=tmp_path / "run")
    recording = read_recording(tmp_path / "run")
    told = text_of(run_shown(recording, tmp_path / "run", width=200))
    assert "the simulated user: unauthorized" in told
