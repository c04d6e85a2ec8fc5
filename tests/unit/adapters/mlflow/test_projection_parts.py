"""The pure parts of what goes into MLflow: metadata, ids, texts, figures, replies."""

import json
import re
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import Run, SessionResult, Usage
from convsim_adapters.mlflow.exporting import with_spans_of
from convsim_adapters.mlflow.identities import identity_of
from convsim_adapters.mlflow.made import Destination
from convsim_adapters.mlflow.names import session_name
from convsim_adapters.mlflow.predicting import said
from convsim_adapters.mlflow.runs import COLUMNS, metrics_of, parameters_of
from convsim_adapters.mlflow.turns import (
    TurnMade,
    end_metadata,
    messages_of,
    storable,
    storable_value,
    turn_metadata,
)
from convsim_adapters.mlflow.versions import is_tried
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Lane,
    Message,
    RequestId,
    StopReason,
    TestCase,
    ToolCall,
    new_session,
)
from convsim_fp.core.envelope import Facts
from convsim_fp.testing.strategies import json_values, texts

filled = texts().filter(str.strip)
cases = st.builds(
    TestCase,
    goal=filled,
    persona=st.none() | filled,
    simulation_guidelines=st.lists(filled, max_size=3).map(tuple),
    id=st.just("c0"),
)
counts = st.none() | st.integers(0, 10_000)
usages = st.builds(
    Usage,
    requests=st.integers(0, 9),
    attempts=st.integers(0, 9),
    input_tokens=counts,
    output_tokens=counts,
    cost=st.none() | st.integers(0, 1000).map(lambda n: n / 8),
)
results = st.builds(
    SessionResult,
    case_id=texts(),
    trial=st.integers(1, 3),
    goal=texts(),
    stop_reason=st.sampled_from(StopReason),
    detail=texts(),
    why=texts(),
    turns=st.integers(0, 10),
    transcript=st.just(()),
    verdict=st.none(),
    usage=usages,
    seconds=st.integers(0, 10_000).map(lambda n: n / 8),
)
runs = st.builds(Run, st.lists(results, max_size=5).map(tuple), seconds=st.floats(0, 1e6))
SESSION = new_session("c0", 1, 0)


def writable(text: str) -> bool:
    return text.encode("utf-8", "replace").decode() == text


@given(cases, st.integers(0, 50))
def test_every_value_of_the_metadata_can_be_stored(case: TestCase, turn: int) -> None:
    """Law: at most 250 characters, no lone surrogate; MLflow counts turns from 0, we from 1."""
    found = turn_metadata("5e55", SESSION, case, turn)
    assert all(len(value) <= 250 and writable(value) for value in found.values())
    assert found["convsim.turn"] == str(turn)
    assert found["mlflow.simulation.turn"] == str(max(turn - 1, 0))
    assert found["mlflow.trace.session"] == session_name("5e55", "c0/1")
    assert found["mlflow.simulation.goal"] == storable(case.goal)[:250]
    guidelines = found.get("mlflow.simulation.simulation_guidelines")
    told = "\n".join(case.simulation_guidelines or ())
    assert guidelines == (storable(told)[:250] if told else None)


@given(results)
def test_how_a_session_ended_can_be_stored(result: SessionResult) -> None:
    found = end_metadata(result)
    assert found["convsim.stop_reason"] == result.stop_reason.value
    assert found["convsim.turns"] == str(result.turns)
    assert all(len(value) <= 250 and writable(value) for value in found.values())


@given(texts())
def test_a_text_that_can_be_stored_stays_as_it_is(text: str) -> None:
    """Law: what comes out can be stored, what went in and could be is the same, twice is once."""
    found = storable(text)
    assert writable(found)
    assert storable(found) == found
    assert (found == text) is writable(text)


@given(json_values())
def test_values_keep_their_shape(value: Any) -> None:
    """Law: only texts change, and those as `storable` says."""
    found = storable_value(value)
    assert writable(json.dumps(found, ensure_ascii=False))
    assert storable_value(found) == found
    if writable(json.dumps(value, ensure_ascii=False)):
        assert found == value


def test_a_value_that_is_no_json_is_left_to_mlflow() -> None:
    thing = object()
    assert storable_value({"a": (thing, "\ud800")}) == {"a": [thing, "\\ud800"]}


@given(texts(), texts(), st.integers(0, 99), st.integers(0, 99))
def test_the_ids_of_a_turn_are_its_own(run: str, session: str, turn: int, other: int) -> None:
    """Law: 32 and 16 hexadecimal digits that follow from run, session and turn, and no others."""
    run, session = storable(run), storable(session)
    found = identity_of(run, session, turn)
    assert re.fullmatch("[0-9a-f]{32}", found.trace)
    assert re.fullmatch("[0-9a-f]{16}", found.span)
    assert found.traceparent == f"00-{found.trace}-{found.span}-01"
    assert (found == identity_of(run, session, other)) is (turn == other)
    assert found != identity_of(f"{run}x", session, turn)


@given(runs)
def test_the_figures_of_a_run_are_those_of_its_sessions(run: Run) -> None:
    """Law: rates add up to one, but for six digits; sums are sums; the unknown is absent."""
    found = metrics_of(run)
    assert all(isinstance(value, float) for value in found.values())
    assert found["convsim.sessions"] == len(run.sessions)
    assert found["convsim.turns"] == sum(one.turns for one in run.sessions)
    rates = {name: value for name, value in found.items() if name.startswith("convsim.rate.")}
    assert sum(rates.values()) == pytest.approx(int(bool(run.sessions)), abs=1e-5)
    reasons = {"goal_achieved", *run.stop_reasons} if run.sessions else set()
    assert rates.keys() == {f"convsim.rate.{reason}" for reason in reasons}
    known = [one.usage.cost for one in run.sessions if one.usage.cost is not None]
    assert found.get("convsim.cost") == (sum(known) if known else None)
    tokens = [one.usage.input_tokens for one in run.sessions]
    assert ("convsim.input_tokens" in found) is any(one is not None for one in tokens)


@given(results)
def test_a_row_of_the_table_is_json(result: SessionResult) -> None:
    row = {name: read(result) for name, read in COLUMNS.items()}
    assert json.loads(json.dumps(row)) == row
    assert row["session"] == result.id


@given(st.dictionaries(st.text("abc", min_size=1), json_values()))
def test_parameters_are_texts_of_at_most_500_characters(settings: dict[str, Any]) -> None:
    found = parameters_of(settings)
    assert all(isinstance(value, str) and 0 < len(value) <= 500 for value in found.values())
    assert found.keys() <= {f"convsim.{name}" for name in settings}


@given(st.lists(st.tuples(st.sampled_from(("user", "agent")), texts()), max_size=5))
def test_messages_are_in_the_form_in_which_agents_get_them(spoken: list[Any]) -> None:
    transcript = tuple(Message(speaker, text) for speaker, text in spoken)
    roles = {"user": "user", "agent": "assistant"}
    expected = [{"role": roles[speaker], "content": text} for speaker, text in spoken]
    assert messages_of(transcript) == expected


REQUEST = CallAgent(
    RequestId(2, Lane.AGENT, 0),
    SESSION,
    TestCase(goal="pay", context={"order": "W7"}, id="c0"),
    (Message("user", "Hello."),),
)
SEEN = AgentReplied(REQUEST.id, "Hi.", tool_calls=(ToolCall("find", {"order": 7}, "t1"),))


def test_a_turn_is_made_of_what_was_recorded() -> None:
    made = TurnMade.of(REQUEST, SEEN, Facts(start=7.5, seconds=0.25, trace_id="tr-1"), None)
    assert made.inputs == {"messages": [{"role": "user", "content": "Hello."}], "order": "W7"}
    [choice] = made.outputs["choices"]
    assert choice["message"]["content"] == "Hi."
    [told] = choice["message"]["tool_calls"]
    assert (told["id"], told["type"], told["function"]["name"]) == ("t1", "function", "find")
    assert json.loads(told["function"]["arguments"]) == {"order": 7}
    assert (made.turn, made.start, made.seconds, made.trace_id) == (2, 7.5, 0.25, "tr-1")


def test_what_was_really_called_is_preferred_and_unknown_times_are_zero() -> None:
    made = TurnMade.of(REQUEST, evolve(SEEN, tool_calls=()), Facts(), ({"input": 1}, "Hi."))
    assert (made.inputs, made.outputs) == ({"input": 1}, "Hi.")
    assert (made.start, made.seconds, made.trace_id) == (0.0, 0.0, None)
    plain = TurnMade.of(REQUEST, evolve(SEEN, tool_calls=()), Facts(), None)
    assert plain.outputs == {"choices": [{"message": {"role": "assistant", "content": "Hi."}}]}


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("shop:agent", "agent"),
        ("shop.desk:Desk.reply", "reply"),
        ("http://127.0.0.1:8000/v1/chat.completions", "agent"),
        ("", "agent"),
    ],
)
def test_spans_have_the_last_part_of_an_agents_name(agent: str, name: str) -> None:
    where = Destination("0", "run")
    assert with_spans_of(agent, where) == Destination("0", "run", name)


@given(texts())
def test_a_text_is_said_as_it_is(text: str) -> None:
    assert said(text).text == text


@given(st.dictionaries(st.text("xyz", min_size=1), json_values(), min_size=1))
def test_a_dict_of_no_known_form_is_said_as_its_json(answer: dict[str, Any]) -> None:
    """Law: nothing of it is lost; a trace's id beside it is no part of what was said."""
    assert json.loads(said(answer).text) == json.loads(json.dumps(answer))
    traced = said({**answer, "trace_id": "tr-1"})
    assert (traced.text, traced.facts.trace_id) == (said(answer).text, "tr-1")


def test_of_several_messages_one_is_said() -> None:
    """Of a list the first item, of `messages` the last."""
    messages = [{"role": "assistant", "content": word} for word in ("one", "two")]
    assert said(messages).text == "one"
    reply = said({"messages": messages, "trace_id": "tr-1"})
    assert (reply.text, reply.facts.trace_id) == ("two", "tr-1")


def test_private_names_are_left_alone_where_that_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_tried("3.17.2")
    assert not is_tried("99.0")
    monkeypatch.setenv("CONVSIM_MLFLOW_PUBLIC_ONLY", "1")
    assert not is_tried("3.17.2")
