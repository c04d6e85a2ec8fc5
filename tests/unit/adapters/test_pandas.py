"""DataFrames: cases come back as they went in, results have the same dtypes whatever is in them."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from attrs import evolve, fields
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from convsim_adapters import Run, SessionResult, Usage, read_run, simulate
from convsim_adapters.pandas import cases_from_frame, parse_frame, sessions_frame, turns_frame
from convsim_fp.core import Interrupted, Message, StopReason, TestCase, ToolCall, Verdict, thaw
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters import UnknownFieldWarning
from convsim_fp.testing import strategies
from convsim_fp.testing.playing import play

FIELDS = [one.name for one in fields(TestCase)]
OBJECTS = ("context", "expectations", "extra")
LISTS = ("tags", "simulation_guidelines")
NOTHING = (None, float("nan"), pd.NA, pd.NaT, np.float64("nan"))

counts = st.none() | st.integers(0, 10_000) | st.just(2**70)
results = st.builds(
    SessionResult,
    case_id=strategies.texts(),
    trial=st.integers(1, 3),
    goal=strategies.texts(),
    stop_reason=st.sampled_from(StopReason),
    detail=strategies.texts(),
    why=strategies.texts(),
    turns=st.integers(0, 4),
    transcript=strategies.transcripts(),
    verdict=st.none() | st.builds(Verdict, st.booleans(), strategies.texts(), st.booleans()),
    usage=st.builds(Usage, input_tokens=counts, cost=st.none() | st.floats(0, 9) | counts),
    seconds=st.floats(0, 1000),
)
runs = st.lists(results, max_size=4).map(lambda some: Run(tuple(some)))
ENDED = SessionResult(
    "refund", 1, "a refund", StopReason.USER_LEFT, "", "", 2, (), Verdict(False), Usage(), 1.0
)
HELLO, WHERE = Message("user", "Hello."), Message("user", "Where is it?")
HI, HERE = Message("agent", "Hi."), Message("agent", "Here.", (ToolCall("find", {"id": 7}, "c1"),))


def record(case: TestCase) -> dict[str, object]:
    return {name: getattr(case, name) for name in FIELDS}


def as_dicts(case: TestCase) -> dict[str, object]:
    made = record(case)
    return made | {name: thaw(made[name]) for name in OBJECTS}


def as_json(case: TestCase) -> dict[str, object]:
    texts = {name: json.dumps(thaw(getattr(case, name))) for name in (*OBJECTS, *LISTS)}
    return record(case) | texts


def problems(frame: pd.DataFrame) -> list[str]:
    with pytest.raises(InvalidSpec) as refused:
        cases_from_frame(frame)
    return [str(problem) for problem in refused.value.problems]


# Cases


@given(
    st.lists(strategies.cases(), max_size=4),
    st.sampled_from((record, as_dicts, as_json)),
    st.data(),
)
def test_cases_come_back_from_a_frame_as_they_went_in(cases, row, data) -> None:
    """Law: cases_from_frame(frame of cases) == cases, in objects or JSON, under any labels."""
    labels = data.draw(
        st.lists(st.text() | st.integers(), min_size=len(cases), max_size=len(cases))
    )
    frame = pd.DataFrame(
        [row(case) for case in cases], pd.Index(labels, dtype=object), dtype=object
    )
    assert cases_from_frame(frame) == tuple(cases)


@given(st.lists(strategies.cases(), min_size=1, max_size=4))
def test_they_come_back_from_the_dtypes_that_pandas_finds(cases) -> None:
    """Law: a column with gaps, whose numbers became floats, gives the same cases."""
    rows = [as_json(case) for case in cases]
    halves = [
        case for case in cases if "\\ud" in json.dumps(as_json(case) | {"history": str(case)})
    ]
    frame = pd.DataFrame(rows, dtype=object if halves else None)
    frame["max_turns"] = frame["max_turns"].astype("float64")
    assert cases_from_frame(frame) == tuple(cases)


@given(strategies.cases(), st.sampled_from(NOTHING), st.sets(st.sampled_from(FIELDS[1:])))
def test_what_is_missing_is_absent(case, nothing, names) -> None:
    """Law: any of pandas' words for nothing is as good as no column."""
    with_gaps = record(case) | dict.fromkeys(names, nothing)
    without = {name: value for name, value in record(case).items() if name not in names}
    assert cases_from_frame(pd.DataFrame([with_gaps], dtype=object)) == cases_from_frame(
        pd.DataFrame([without], dtype=object)
    )


def test_the_fields_that_users_and_goal_checks_own_go_into_extra() -> None:
    frame = pd.DataFrame(
        {
            "goal": ["a refund", "a refund"],
            "script": [["Hi.", "Bye."], '["Hi."]'],
            "goal_when": ["[Rr]efunded", None],
            "extra": [{"colour": "red"}, None],
        }
    )
    first, second = cases_from_frame(frame)
    assert first.extra == {
        "script": ("Hi.", "Bye."),
        "goal_when": "[Rr]efunded",
        "colour": "red",
    }
    assert second.extra == {"script": ("Hi.",)}


def test_a_script_in_one_text_is_refused() -> None:
    told = problems(pd.DataFrame({"goal": ["pay"], "script": ["Hi."]}))
    assert told == [
        (
            "row 0: cases[0]: script is 'Hi.', which is not JSON: Expecting value (column 1, "
            "at 'Hi.'); give an object, a list, or the JSON of one"
        )
    ]


def test_one_text_is_a_list_of_one() -> None:
    [case] = cases_from_frame(
        pd.DataFrame([{"goal": "pay", "tags": "slow, rude", "simulation_guidelines": "Be slow."}])
    )
    assert (case.tags, case.simulation_guidelines) == (("slow, rude",), ("Be slow.",))


def test_blank_text_in_a_column_of_objects_is_absent() -> None:
    [case] = cases_from_frame(pd.DataFrame([{"goal": "pay", "context": " ", "history": ""}]))
    assert case == TestCase("pay")


def test_a_history_may_be_json() -> None:
    said = '[{"role": "assistant", "content": "Hi."}]'
    [case] = cases_from_frame(pd.DataFrame([{"goal": "pay", "history": said}]))
    assert case.history == (HI,)


def test_what_files_of_columns_give_is_plain() -> None:
    cell = {"orders": np.array([{"id": np.int64(7)}], dtype=object), "paid": np.bool_(True)}
    frame = pd.DataFrame({"goal": ["pay"], "context": [cell], "tags": [np.array(["a", "b"])]})
    [case] = cases_from_frame(frame.astype({"goal": "category"}))
    assert case.context == {"orders": ({"id": 7},), "paid": True}
    assert case.tags == ("a", "b")


def test_every_problem_is_told_by_row_and_column() -> None:
    frame = pd.DataFrame(
        {
            "goal": ["pay", None, " "],
            "id": ["one", "one", 3],
            "context": ["{order: 7}", [1], {"z": float("nan")}],
            "script": [None, [3], None],
            "max_turns": [1.0, 2.5, None],
            "agent_opens": [None, "no", True],
        },
        index=["a", ("b", 1), 7],
    )
    assert problems(frame) == [
        (
            "row 'a': cases[0] (\"one\"): context is '{order: 7}', which is not JSON: Expecting "
            "property name enclosed in double quotes (column 2, at 'order: 7}'); give an object, "
            "a list, or the JSON of one"
        ),
        "row ('b', 1): cases[1] (\"one\"): goal is missing; write what the user wants to achieve",
        "row ('b', 1): cases[1] (\"one\"): context is a list, expected an object",
        "row ('b', 1): cases[1] (\"one\"): agent_opens is text, expected true or false",
        (
            "row ('b', 1): cases[1] (\"one\"): max_turns is a number (2.5), expected a whole "
            "number from 1 to 1,000,000"
        ),
        "row ('b', 1): cases[1] (\"one\"): id is that of row 'a', too; give each case its own",
        "row 7: cases[2]: goal is empty; write what the user wants to achieve",
        "row 7: cases[2]: id is a number (3), expected text",
        "row 7: cases[2]: context.z is NaN, which JSON cannot hold",
    ]


def test_what_an_owner_finds_wrong_is_told_by_its_column() -> None:
    frame = pd.DataFrame({"goal": ["pay"], "script": [["Hi.", 7]]})
    assert problems(frame) == [
        "row 0: cases[0]: script[1] is a number (7), expected text; put it in quotes"
    ]


def test_a_column_that_is_there_twice_is_a_problem_once() -> None:
    frame = pd.DataFrame([["pay", "go", "x"]] * 2, columns=["goal", "goal", "id"])
    assert problems(frame)[0] == "the columns: goal names 2 of them; keep one"


def test_a_cell_that_holds_itself_is_a_problem() -> None:
    loop: dict[str, object] = {}
    loop["again"] = loop
    assert (
        "nested deeper than 100 levels"
        in problems(pd.DataFrame({"goal": ["pay"], "context": [loop]}))[0]
    )


@pytest.mark.parametrize("given", [pd.Series(["pay"], name="goal"), [{"goal": "pay"}], None])
def test_what_is_no_frame_is_refused(given) -> None:
    [problem] = parse_frame(given).problems
    assert str(problem).startswith("the frame is ")
    assert str(problem).endswith("expected a DataFrame with one test case a row")


def test_a_column_that_nothing_reads_is_warned_of_once() -> None:
    frame = pd.DataFrame({"goal": ["pay", "go"], "personna": ["A florist", "A smith"], 0: [1, 2]})
    with pytest.warns(UnknownFieldWarning) as told:
        assert len(cases_from_frame(frame)) == 2
    assert [str(one.message) for one in told] == [
        (
            "the columns: personna is not a field of a test case and is ignored; "
            "did you mean 'persona'?"
        ),
        "the columns: a field has a name that is a number (0); it is ignored",
    ]


def test_a_frame_without_rows_has_no_cases_and_one_without_columns_no_goals() -> None:
    assert cases_from_frame(pd.DataFrame()) == ()
    assert problems(pd.DataFrame(index=["a"])) == [
        "row 'a': cases[0]: goal is missing; write what the user wants to achieve"
    ]


def test_without_pandas_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(InvalidSpec, match=r"pip install 'convsim-fp\[pandas\]'"):
        sessions_frame(Run(()))


# Cases of a run


class Table(pd.DataFrame):
    """As libraries on top of pandas have them."""


@pytest.mark.parametrize("made", [pd.DataFrame, Table])
def test_a_frame_may_be_the_cases_of_a_run(made) -> None:
    frame = made({"goal": ["greet", "greet"], "script": [["Hi."], ["Ho."]], "goal_when": "hi"})
    run = simulate(frame, lambda messages: "Hi there.", save=False)
    assert [(one.id, one.achieved) for one in run.sessions] == [
        ("case-0/1", True),
        ("case-1/1", True),
    ]


def test_all_problems_of_a_run_come_with_those_of_its_frame() -> None:
    frame = pd.DataFrame({"goal": ["", "greet"]}, index=["a", "b"])
    with pytest.raises(InvalidSpec) as refused:
        simulate(frame, lambda messages: "Hi.", max_asks=0)
    told = [str(problem) for problem in refused.value.problems]
    assert "row 'a': cases[0]: goal is empty; write what the user wants to achieve" in told
    assert any("max_asks" in problem for problem in told)


def test_a_run_needs_a_case() -> None:
    with pytest.raises(InvalidSpec, match="cases are none, expected at least one"):
        simulate(pd.DataFrame({"goal": []}), lambda messages: "Hi.")


def test_an_id_that_stands_for_another_row_is_refused() -> None:
    frame = pd.DataFrame({"goal": ["greet", "go"], "id": ["case-1", None]})
    with pytest.raises(InvalidSpec, match=r"id is the name of cases\[0\] too"):
        simulate(frame, lambda messages: "Hi.")


def test_a_run_without_frames_does_not_load_pandas() -> None:
    code = (
        "import sys; from convsim_adapters import simulate\n"
        "case = {'goal': 'greet', 'script': ['Hi.'], 'goal_when': 'hi'}\n"
        "simulate([case], lambda messages: 'Hi.', save=False)\n"
        "import convsim_adapters.pandas\n"
        "print('pandas' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


# Results


@given(runs)
def test_the_dtypes_are_those_of_an_empty_run(run) -> None:
    """Law: whatever a run holds, its frames have the dtypes of an empty one and a unique index."""
    for make in (sessions_frame, turns_frame):
        frame = make(run)
        assert list(frame.dtypes.items()) == list(make(Run(())).dtypes.items())
        assert frame.index.is_unique


def test_the_dtypes_are_as_documented() -> None:
    for make in (sessions_frame, turns_frame):
        doc = " ".join(str(make.__doc__).split())
        for name, dtype in make(Run(())).dtypes.items():
            told = doc.partition(f"- *{dtype}*: ")[2].partition(" - *")[0]
            assert str(name) in told.replace(",", " ").split(), (name, dtype)
    reasons = sessions_frame(Run(())).dtypes["stop_reason"].categories
    assert list(reasons) == [reason.value for reason in StopReason]


@given(runs)
def test_a_row_says_what_its_session_does(run) -> None:
    """Law: a cell is the attribute of its session, NA where that is None."""
    frame = sessions_frame(run)
    assert len(frame) == len(run.sessions)
    for row, one in zip(frame.itertuples(), run.sessions, strict=True):
        assert (row.session, row.case_id, row.trial, row.turns) == (
            one.id,
            one.case_id,
            one.trial,
            one.turns,
        )
        assert (row.stop_reason, row.achieved) == (one.stop_reason.value, one.achieved)
        assert pd.isna(row.verdict) == (one.verdict is None or one.verdict.failed)
        tokens = one.usage.input_tokens
        assert pd.isna(row.input_tokens) == (tokens is None or tokens == 2**70)
        said = [(part["speaker"], part["text"]) for part in json.loads(row.transcript)]
        assert said == [(message.speaker, message.text) for message in one.transcript]


@given(runs)
def test_the_turns_of_a_session_are_its_last_user_messages(run) -> None:
    """Law: one row for each turn, numbered up to the session's number of them."""
    frame = turns_frame(run)
    expected = []
    for one in run.sessions:
        said = [message.text for message in one.transcript if message.speaker == "user"]
        counted = said[max(0, len(said) - one.turns) :]
        first = one.turns - len(counted) + 1
        expected += [(one.id, first + nth, text) for nth, text in enumerate(counted)]
    assert list(zip(frame["session"], frame["turn"], frame["user"], strict=True)) == expected


@given(
    strategies.conversations(),
    st.none() | st.integers(0, 12),
    st.sampled_from(("budget", "deadline", "cancelled")),
)
def test_a_verdict_stands_in_the_turn_that_was_judged(setting, cut, why) -> None:
    """Law: verdicts are placed where the machine gave them, or nowhere after a cut."""
    state = play(setting, cut=cut, why=Interrupted(why)).end
    one = SessionResult.of(state, Usage(), 0.0)
    frame = turns_frame(Run((one,)))
    judged = state.turns if one.achieved else len(state.verdicts)
    placed = [int(turn) for turn in frame["turn"][frame["rationale"].notna()]]
    there = state.verdicts and judged > 0
    cut_after_reply = (
        one.cut_short and one.transcript[-1:] and one.transcript[-1].speaker == "agent"
    )
    assert placed == ([judged] if there and not cut_after_reply else [])


def test_a_turn_has_its_messages_and_its_calls() -> None:
    one = evolve(ENDED, transcript=(HELLO, HI, WHERE, HERE))
    frame = turns_frame(Run((one,)))
    assert frame["agent"].tolist() == ["Hi.", "Here."]
    assert frame["tool_calls"].tolist() == [
        pd.NA,
        '[{"name":"find","arguments":{"id":7},"id":"c1"}]',
    ]
    assert frame["verdict"].tolist() == [pd.NA, False]


def test_what_was_said_before_turn_one_has_no_row() -> None:
    one = evolve(ENDED, turns=1, transcript=(HELLO, HI, HI, WHERE))
    [row] = turns_frame(Run((one,))).itertuples()
    assert (row.turn, row.user, row.agent) == (1, "Where is it?", pd.NA)


def test_a_check_that_did_not_work_decided_nothing() -> None:
    one = evolve(ENDED, verdict=Verdict(False, "it was down", failed=True))
    [row] = sessions_frame(Run((one,))).itertuples()
    assert (row.verdict, row.rationale) == (pd.NA, "it was down")


def test_a_recorded_run_gives_the_same_frames(tmp_path: Path) -> None:
    case = {"goal": "greet", "script": ["Hi.", "Bye."], "goal_when": "bye"}
    run = simulate([case], lambda messages: "Hi.", out=tmp_path, trials=2)
    read = read_run(tmp_path)
    assert_frame_equal(sessions_frame(run), sessions_frame(read))
    assert_frame_equal(turns_frame(run), turns_frame(read))
