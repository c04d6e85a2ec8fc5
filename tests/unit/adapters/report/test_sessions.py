"""Sessions as the report has them: turns, verdicts, requests, and two runs side by side."""

import json
from pathlib import Path

import pytest
from attrs import evolve
from hypothesis import given
from recorded import rich_run

from convsim_adapters import diff_runs, read_run, simulate
from convsim_adapters.report.reading import Recording, read_recording
from convsim_adapters.report.requests import Texts, request_records, told_ahead
from convsim_adapters.report.sessions import row_record, session_record
from convsim_adapters.report.sides import changes_of, pairs_of
from convsim_adapters.report.turns import judged, parting, turns_of
from convsim_fp.core import Prompt, StopReason
from convsim_fp.errors import InvalidSpec
from convsim_fp.journal import SessionLog, read_journal, read_segment
from convsim_fp.testing.journals import played
from convsim_fp.testing.playing import Played, records_of, segment_of


def log_of(done: Played) -> SessionLog:
    [log] = read_journal([read_segment(segment_of(records_of(done)))]).sessions
    return log


@pytest.fixture(scope="module")
def rich(tmp_path_factory: pytest.TempPathFactory) -> Recording:
    return read_recording(rich_run(tmp_path_factory.mktemp("rich") / "run"))


@given(played())
def test_the_last_turn_of_the_transcript_is_the_number_of_turns(done: Played) -> None:
    log = log_of(done)
    turns = [turn for turn in turns_of(log.case, log.transcript) if turn is not None]
    assert max(turns, default=0) <= done.end.turns
    assert turns == sorted(turns)
    users = sum(one.speaker == "user" for one in log.transcript)
    assert len(log.transcript) - len(turns) <= len(log.case.history)
    assert max(turns, default=0) <= users


@given(played())
def test_every_verdict_has_its_turn_in_order(done: Played) -> None:
    log = log_of(done)
    found = [*judged(log)]
    assert [(one.achieved, one.why) for one in found] == [
        (one.achieved, one.rationale) for one in done.end.verdicts if log.ended is not None
    ]
    turns = [one.turn for one in found]
    assert turns == sorted(turns)
    assert all(turn <= done.end.turns for turn in turns)


@given(played())
def test_a_verdict_stands_where_the_check_was_asked(done: Played) -> None:
    """Where a check asks a model, its requests say of which turn it is."""
    log = log_of(done)
    asked = {one.id.turn for one in log.folded if one.id and one.id.lane == "goal_check"}
    reached = {one.turn for one in judged(log)}
    if log.ended is not None and asked and log.ended.phase.reason is StopReason.MAX_TURNS:
        assert asked <= reached


@given(played())
def test_prompts_can_be_put_together_again_from_their_parts(done: Played) -> None:
    log, texts = log_of(done), Texts()
    records = [*request_records(log, texts)]
    listed = texts.listed
    for record, entry in zip(records, log.entries, strict=True):
        if not isinstance(entry.content, Prompt):
            assert "voice" not in record
            continue
        assert record["voice"] == entry.content.speaks_as
        assert listed[record["system"]] == entry.content.system
        assert listed[record["question"]] == entry.content.question
        if "said" in record:
            assert log.transcript[: record["said"]] == entry.content.transcript
        else:
            assert len(record["messages"]) == len(entry.content.transcript)


@given(played())
def test_no_session_is_too_odd_to_be_told(done: Played) -> None:
    log = log_of(done)
    [result] = Recording("run", read_journal([read_segment(segment_of(records_of(done)))])).results
    row, whole = row_record(log, result), session_record(log, result, Texts())
    assert row["turns"] == (done.end.turns if result else row["turns"])
    assert whole["sentence"]
    assert len(whole["messages"]) == len(log.transcript)


@given(played())
def test_a_session_does_not_part_from_itself(done: Played) -> None:
    log = log_of(done)
    assert parting(log, log) is None


@given(played())
def test_two_part_where_the_first_message_is_missing(done: Played) -> None:
    log = log_of(done)
    shorter = evolve(log, transcript=log.transcript[:-1])
    if log.transcript:
        found = parting(shorter, log)
        assert found is not None
        assert found.message == len(log.transcript) - 1


def test_what_was_asked_ahead_for_nothing_is_told(rich: Recording) -> None:
    [log] = [one for one in rich.logs if one.session.id == "ahead/1"]
    records = [*request_records(log, Texts())]
    assert [(one["turn"], one["lane"]) for one in records if one.get("void") == "ahead"] == [
        (2, "user")
    ]


def test_why_something_was_asked_again_is_told(rich: Recording) -> None:
    [log] = [one for one in rich.logs if one.session.id == "asked-again/1"]
    because = [one["because"] for one in request_records(log, Texts()) if "because" in one]
    assert because == [
        "it has no words to send",
        "it speaks as the agent; you are the user",
        'it is not one JSON object with a "result" of "yes" or "no"',
    ]


def test_figures_are_those_of_the_run(rich: Recording, tmp_path: Path) -> None:
    run = read_run(rich_run(tmp_path / "run"))
    assert rich.run.stop_reasons == run.stop_reasons
    assert (rich.run.usage, rich.run.unfinished) == (run.usage, run.unfinished)


def test_two_runs_are_paired_as_the_command_compares_them(tmp_path: Path) -> None:
    """Of those that have ended: which changed, and in which order."""
    one, two = (rich_run(tmp_path / name, changed=name == "b") for name in "ab")
    pairs = pairs_of([read_recording(one), read_recording(two)])
    compared = {pair.id: pair for pair in diff_runs(read_run(one), read_run(two))}
    ended = [pair for pair in pairs if pair.id != "cut-off/1"]
    assert [pair.id for pair in ended if pair.parting] == [
        pair.id for pair in compared.values() if pair.departs is not None
    ]
    assert all(pair.changed == compared[pair.id].changed for pair in ended)
    assert pairs[0].id == "cut-off/1"
    assert [(it.before, it.after, it.number) for it in changes_of(pairs)] == [
        ("unfinished", "max_turns", 1)
    ]


def test_a_session_of_one_run_only_is_told_apart_from_a_change(rich: Recording) -> None:
    fewer = evolve(rich.journal, sessions=rich.logs[1:])
    pairs = pairs_of([rich, Recording("b", fewer)])
    assert pairs[0].id == rich.logs[0].session.id
    assert pairs[0].reasons == ("goal_achieved", "(none)")
    assert [(pair.alone, pair.changed) for pair in pairs[:2]] == [(True, False), (False, False)]
    assert changes_of(pairs) == ()


def test_a_directory_without_a_journal_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidSpec, match="holds no journal; give the directory of a run"):
        read_recording(tmp_path)


def test_what_is_written_of_the_run_may_be_missing_or_broken(tmp_path: Path) -> None:
    run = rich_run(tmp_path / "run")
    for text in ("", "[]", '{"totals": 3, "status": 7}'):
        (run / "run.json").write_text(text)
        assert read_recording(run).seconds == 0


def test_the_last_word_of_a_user_that_judges_for_itself_was_not_asked_for_nothing(
    tmp_path: Path,
) -> None:
    says = ("continue", "Refund it."), ("satisfied", "")
    replies = iter(
        json.dumps({"reason": "so", "status": status, "message": words}) for status, words in says
    )
    run = simulate(
        [{"goal": "a refund"}],
        lambda messages: "Done.",
        user="by-user",
        user_model=lambda request: next(replies),
        out=tmp_path / "run",
    )
    assert (run.sessions[0].stop_reason, run.usage.wasted) == (StopReason.GOAL_ACHIEVED, 0)
    assert told_ahead(read_recording(tmp_path / "run").logs[0]) is None
