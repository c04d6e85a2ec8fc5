"""Results of a run: usage as a fold, exit codes by precedence, files that read back equal."""

import json
import stat
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import Run, SessionResult, Usage, resume_run, simulate
from convsim_adapters.running.run_files import RunFiles, read_run, session_record
from convsim_fp.core import (
    CallAgent,
    Generate,
    Interrupted,
    Lane,
    Message,
    RequestId,
    Session,
    StopReason,
    TestCase,
    ToolCall,
    Verdict,
)
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters import Entry, Facts, Observed

counts = st.none() | st.integers(0, 10_000)
costs = st.none() | st.integers(0, 1000).map(lambda n: n / 8)  # sums of these are exact
usages = st.builds(
    Usage, st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), counts, counts, counts, costs
)
texts = st.text(st.characters(codec="utf-8") | st.sampled_from("\ud800\x00\x1b\u2028"), max_size=20)
calls = st.builds(ToolCall, texts, st.none() | st.dictionaries(texts, st.integers()), texts)
messages = st.builds(
    Message, st.sampled_from(("user", "agent")), texts, st.lists(calls, max_size=2).map(tuple)
)
results = st.builds(
    SessionResult,
    case_id=texts,
    trial=st.integers(1, 3),
    goal=texts,
    stop_reason=st.sampled_from(StopReason),
    detail=texts,
    why=texts,
    turns=st.integers(0, 10),
    transcript=st.lists(messages, max_size=4).map(tuple),
    verdict=st.none() | st.builds(Verdict, st.booleans(), texts, st.booleans()),
    usage=usages,
    seconds=st.integers(0, 10_000).map(lambda n: n / 8),
)

ENDED = SessionResult(
    "refund", 1, "a refund", StopReason.GOAL_ACHIEVED, "done", "done", 2, (), None, Usage(), 1.0
)


def asked(lane):
    where = (RequestId(1, lane), Session("refund/1"), TestCase(goal="a refund"))
    return CallAgent(*where, ()) if lane is Lane.AGENT else Generate(*where, None)


def made(directory: Path) -> RunFiles:
    files = RunFiles(directory, {"began": "now"})
    files.make(new=True)
    files.begin()
    return files


def ended(*reasons):
    return tuple(evolve(ENDED, stop_reason=StopReason(reason)) for reason in reasons)


@given(usages, usages, usages)
def test_usage_adds_up_in_any_order(a, b, c) -> None:
    """Law: `plus` is associative and commutative, and an empty usage changes nothing."""
    assert a.plus(b).plus(c) == a.plus(b.plus(c))
    assert a.plus(b) == b.plus(a)
    assert a.plus(Usage()) == a


@pytest.mark.parametrize("wasted", [False, True])
@pytest.mark.parametrize("lane", Lane)
def test_only_answers_of_models_can_be_unpriced(lane, wasted) -> None:
    request = asked(lane)
    seen = Usage().after(Entry(request.session, request, Observed(None, Facts()), wasted))
    assert seen.unpriced == (lane is not Lane.AGENT)
    assert (seen.requests, seen.attempts, seen.wasted) == (1, 1, int(wasted))
    priced = Observed(None, Facts(cost=0.5, attempts=3))
    paid = Usage().after(Entry(request.session, request, priced))
    assert (paid.cost, paid.unpriced, paid.attempts) == (0.5, 0, 3)


def test_an_interruption_costs_nothing() -> None:
    assert Usage().after(Entry(None, None, Observed(Interrupted("budget")))) == Usage()


@pytest.mark.parametrize(
    ("run", "fail_under", "code"),
    [
        (Run(ended("goal_achieved")), None, 0),
        (Run(ended("goal_achieved", "max_turns")), None, 0),
        (Run(ended("goal_achieved", "max_turns")), 0.5, 0),
        (Run(ended("goal_achieved", "budget")), 0.51, 1),
        (Run(ended("goal_achieved", "agent_failed")), 0.9, 3),
        (Run(ended("user_failed")), None, 3),
        (Run(ended("goal_check_failed")), None, 3),
        (Run(ended("goal_achieved"), unsaved="disk full"), None, 3),
        (Run(ended("agent_failed"), interrupted="SIGINT"), 0.9, 130),
    ],
)
def test_the_first_exit_code_that_applies_is_taken(run, fail_under, code) -> None:
    assert run.exit_code(fail_under) == code


def test_a_run_sums_up_its_sessions() -> None:
    run = Run(ended("max_turns", "goal_achieved", "max_turns"))
    assert run.stop_reasons == {"max_turns": 2, "goal_achieved": 1}
    assert list(run.stop_reasons) == ["max_turns", "goal_achieved"]
    assert (run.achieved, round(run.rate, 2)) == (1, 0.33)
    assert Run(()).rate == 0.0


@given(results)
def test_a_record_is_one_line_of_ascii_json(result) -> None:
    line = json.dumps(session_record(result), allow_nan=False)
    assert line.isascii()
    assert "\n" not in line


def test_only_the_owner_may_read_the_files(tmp_path: Path) -> None:
    made(tmp_path / "deep" / "run").end(Run(()), ended="later")
    for path in (tmp_path / "deep" / "run").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_run_is_never_written_over(tmp_path: Path) -> None:
    case = {"goal": "greet", "script": ["Hi."], "goal_when": "hi"}
    simulate([case], lambda messages: "Hi.", out=tmp_path)
    with pytest.raises(InvalidSpec, match="which holds a run already; choose another"):
        RunFiles(tmp_path, {}).make(new=True)
    RunFiles(tmp_path, {}).make(new=False)


@pytest.mark.parametrize("left", ["", '{"crc":"12', None])
def test_a_run_that_was_killed_before_it_asked_anything_is_begun_anew(tmp_path: Path, left) -> None:
    case = {"goal": "greet", "script": ["Hi."], "goal_when": "hi"}
    simulate([case], lambda messages: "Hi.", out=tmp_path / "a")
    segment = tmp_path / "a" / "journal" / "0001.jsonl"
    header = segment.read_text().splitlines(keepends=True)[0]
    segment.write_text(header if left is None else left)
    (tmp_path / "a" / "results.jsonl").unlink()
    with pytest.raises(InvalidSpec, match="was stopped before it asked anything; start it again"):
        resume_run(tmp_path / "a", agent=lambda messages: "Hi.")
    run = simulate([case], lambda messages: "Hi.", out=tmp_path / "a")
    assert read_run(tmp_path / "a").sessions[0].transcript == run.sessions[0].transcript


def test_a_place_that_cannot_be_written_is_refused_before_anything_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSpec, match="which cannot be written: Not a directory"):
        RunFiles(tmp_path / "file" / "run", {}).make(new=True)


def test_what_the_disk_refuses_at_the_end_is_told_by_the_run(tmp_path: Path) -> None:
    files = made(tmp_path / "run")
    (tmp_path / "run" / ".results.jsonl.new").symlink_to("/dev/full")  # a disk without room
    run = files.end(Run((ENDED,), tmp_path / "run"), ended="later")
    assert run.unsaved == f"{tmp_path / 'run'}: No space left on device"
    assert run.sessions == (ENDED,)


def test_what_broke_a_run_is_said_in_its_settings(tmp_path: Path) -> None:
    made(tmp_path).broken("Stop stopped it", ended="later")
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "Stop stopped it"


def test_what_is_no_run_says_what_to_give(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="holds no journal; give the directory of a run"):
        read_run(tmp_path)
    with pytest.raises(InvalidSpec, match="is no directory"):
        read_run(tmp_path / "nowhere")
