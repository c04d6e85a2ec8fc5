"""Test cases out of recorded sessions: traces, `Session` objects, a run of ours."""

import asyncio
import json
from types import SimpleNamespace
from typing import Any

import mlflow
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters import simulate
from convsim_adapters.mlflow.distilling import _question, generate_test_cases
from convsim_adapters.mlflow.sessions import Said, Talk, said_in, talks_of
from convsim_fp import TestCase as Case
from convsim_fp.errors import InvalidSpec

URI = "openai:/gpt-4o-mini"
CASE = {
    "goal": "Get the money back for the lamp.",
    "persona": "You are terse.",
    "simulation_guidelines": ["Do not give the order number before you are asked for it."],
}

texts = st.text(min_size=1, max_size=40).filter(str.strip)
talks = st.lists(st.tuples(texts, texts), min_size=1, max_size=5)


@pytest.fixture
def model(loopback, monkeypatch):
    """A model that distils the same from whatever it reads."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-canary-0123456789")
    monkeypatch.setenv("OPENAI_BASE_URL", loopback.base)
    loopback.talk = lambda body: json.dumps(CASE)
    return loopback


def trace(inputs: Any, outputs: Any, at: int = 0) -> Any:
    """What is read of a trace."""
    root = SimpleNamespace(parent_id=None, inputs=inputs, outputs=outputs)
    inner = SimpleNamespace(parent_id="1", inputs={"q": "inner"}, outputs="inner")
    return SimpleNamespace(
        info=SimpleNamespace(timestamp_ms=at), data=SimpleNamespace(spans=[inner, root])
    )


def as_said(turns) -> tuple[Said, ...]:
    return tuple(
        Said(speaker, text)
        for turn in turns
        for speaker, text in zip(("user", "agent"), turn, strict=True)
    )


def record_of(body: dict[str, Any]) -> list[dict[str, str]]:
    """The conversation in a request."""
    return json.loads(body["messages"][-1]["content"].partition("\n")[2])


@given(talks, st.sampled_from(["messages", "input"]), st.booleans(), st.randoms())
def test_each_message_is_taken_once_in_order_whatever_a_trace_holds(
    turns, name, whole, chance
) -> None:
    """C70. All that was said before or what is new alone, in traces of any order: the same."""
    traces, before = [], [{"role": "system", "content": "Be kind."}]
    for at, (user, agent) in enumerate(turns):
        history = [*before, {"role": "user", "content": user}]
        inputs = {name: history if whole else history[-1:], "mlflow_session_id": "sim-7"}
        traces.append(trace(inputs, agent, at))
        before = [*history, {"role": "assistant", "content": agent}]
    chance.shuffle(traces)
    assert said_in(traces) == as_said(turns)


@given(talks)
def test_a_question_as_plain_text_is_what_the_user_said(turns) -> None:
    traces = [trace({"question": user}, agent, at) for at, (user, agent) in enumerate(turns)]
    assert said_in(traces) == as_said(turns)


@given(st.lists(st.tuples(st.sampled_from(["user", "agent"]), st.text()), min_size=1))
def test_nothing_that_was_said_breaks_out_of_the_record(said) -> None:
    """The record in the question is read back as what was said; a lone surrogate is shown."""
    talk = Talk("sessions[0]", tuple(Said(*one) for one in said))
    question = _question(talk)
    assert [message.role for message in question.messages] == ["system", "user"]
    record = json.loads(question.messages[1].content.partition("\n")[2])
    shown = [(one["speaker"], one["text"]) for one in record]
    clean = [(w, t.encode("utf-16", "surrogatepass").decode("utf-16", "replace")) for w, t in said]
    assert shown == clean


@pytest.mark.parametrize(
    ("outputs", "text"),
    [
        ({"choices": [{"message": {"role": "assistant", "content": "Yes."}}]}, "Yes."),
        ({"messages": [{"role": "assistant", "content": "Yes."}]}, "Yes."),
        ({"answer": "Yes.", "sources": [1]}, '{"answer": "Yes.", "sources": [1]}'),
        (17, "17"),
    ],
)
def test_an_answer_of_any_form_is_read(outputs, text) -> None:
    assert said_in([trace("Is it?", outputs)]) == (Said("user", "Is it?"), Said("agent", text))


def test_what_says_nothing_is_no_message() -> None:
    empty = SimpleNamespace(info=SimpleNamespace(timestamp_ms=0), data=SimpleNamespace(spans=[]))
    assert said_in([empty, trace(None, None, 1), trace({"messages": []}, "  ", 2)]) == (
        Said("user", '{"messages": []}'),
    )


def test_recorded_sessions_become_cases_that_the_simulator_takes(model, store) -> None:
    """C67, C70, C72, C73: `Session` objects as well."""

    @mlflow.trace
    def agent(messages: list[dict[str, str]]) -> str:
        return f"You said: {messages[-1]['content']}"

    for session in ("one", "two"):
        history = [{"role": "user", "content": f"It is broken ({session})."}]
        with mlflow.tracing.context(session_id=session):
            said = agent(history)
            agent(
                [
                    *history,
                    {"role": "assistant", "content": said},
                    {"role": "user", "content": "W7"},
                ]
            )
    mlflow.flush_trace_async_logging()
    sessions = mlflow.search_sessions()
    lists = [list(session) for session in sessions]
    before = len(mlflow.search_traces(return_type="list"))
    assert generate_test_cases(sessions, model=URI) == [CASE, CASE]
    assert generate_test_cases(lists, model=URI) == [CASE, CASE]

    assert model.count == 4
    told = sorted(json.dumps(record_of(seen.body)) for seen in model.seen)
    assert told[0] == told[1]
    assert json.loads(told[0]) == [
        {"speaker": "user", "text": "It is broken (one)."},
        {"speaker": "agent", "text": "You said: It is broken (one)."},
        {"speaker": "user", "text": "W7"},
        {"speaker": "agent", "text": "You said: W7"},
    ]
    form = model.seen[0].body["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    mlflow.flush_trace_async_logging()
    assert len(mlflow.search_traces(return_type="list")) == before

    from convsim_adapters.mlflow import ConversationSimulator

    cases = generate_test_cases(lists, model=URI)
    assert ConversationSimulator(test_cases=cases).test_cases == cases


def test_a_run_of_ours_is_a_list_of_sessions_too(model, tmp_path) -> None:
    out = recorded(tmp_path)
    assert [talk.name for talk in talks_of(out)] == ["a/1", "b/1"]
    assert generate_test_cases(out, model=URI) == [CASE, CASE]
    assert generate_test_cases(str(out), model=URI) == [CASE, CASE]
    records = [record_of(seen.body) for seen in model.seen]
    assert records[0][:2] == [
        {"speaker": "user", "text": "I want to pay."},
        {"speaker": "agent", "text": "Noted: I want to pay."},
    ]


def recorded(tmp_path):
    """A run of two sessions."""
    cases = [
        Case(goal="pay", id=name, extra={"script": ["I want to pay.", "Now."]})
        for name in ("a", "b")
    ]
    out = tmp_path / "run"
    simulate(
        cases, lambda messages: f"Noted: {messages[-1]['content']}", goal_check="never", out=out
    )
    return out


@pytest.mark.parametrize(
    ("reply", "case"),
    [
        ('{"goal": " pay ", "persona": null, "simulation_guidelines": null}', {"goal": "pay"}),
        ('{"goal": "pay", "persona": "", "simulation_guidelines": []}', {"goal": "pay"}),
        ('{"goal": "pay"}', {"goal": "pay"}),
        ('Sure:\n```json\n{"goal": "pay"}\n```\nThere.', {"goal": "pay"}),
        ('<think>{"goal": "x"}</think>{"goal": "pay"}', {"goal": "pay"}),
        ('{"goal": "pay\nup"}', {"goal": "pay\nup"}),
        (
            '{"goal": "pay", "simulation_guidelines": "Wait.", "persona": 7}',
            {"goal": "pay", "simulation_guidelines": ["Wait."]},
        ),
        (
            '{"goal": "pay", "simulation_guidelines": ["Wait.", "", null, "Ask."]}',
            {"goal": "pay", "simulation_guidelines": ["Wait.", "Ask."]},
        ),
    ],
)
def test_a_reply_is_read_leniently_and_what_is_empty_is_left_out(model, reply, case) -> None:
    """C68."""
    model.talk = lambda body: reply
    assert generate_test_cases([[trace("Hi", "Yes?")]], model=URI) == [case]


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        ('{"goal": ""}', "the reply has the goal ''"),
        ('{"goal": null}', "the reply has the goal None"),
        ('{"persona": "You are."}', "the reply has no JSON object with a goal"),
        ("I cannot.", "the reply has no JSON object with a goal: 'I cannot.'"),
        ('{"goal": "cut', "the reply has no JSON object with a goal"),
    ],
)
def test_a_session_without_a_goal_is_left_out_and_said_to_be(model, caplog, reply, why) -> None:
    """C69."""
    model.talk = lambda body: (
        reply if "second" in body["messages"][-1]["content"] else '{"goal": "pay"}'
    )
    sessions = [[trace(word, "Yes?")] for word in ("first", "second", "third")]
    assert generate_test_cases(sessions, model=URI) == [{"goal": "pay"}] * 2
    assert f"no test case is made of sessions[1]: malformed_reply: {why}" in caplog.text


def test_a_failing_call_loses_its_own_session_only(model, caplog) -> None:
    """C69."""

    def talk(body: dict[str, Any]) -> Any:
        word = record_of(body)[0]["text"]
        return json.dumps({"goal": word})

    model.talk, model.faults = talk, ["401"]
    sessions = [[trace(word, "Yes?")] for word in ("a", "b", "c", "d")]
    found = generate_test_cases(sessions, model=URI, concurrency=1)
    assert found == [{"goal": word} for word in "bcd"]
    assert "sessions[0]: unauthorized" in caplog.text
    assert model.count == 4


def test_a_passing_failure_loses_nothing(model) -> None:
    model.faults = ["503"]
    assert generate_test_cases([[trace("Hi", "Yes?")]], model=URI) == [CASE]
    assert model.count == 2


def test_the_order_is_kept_whatever_comes_first(model) -> None:
    """C69."""
    model.talk = lambda body: json.dumps({"goal": record_of(body)[0]["text"]})
    sessions = [[trace(f"{n}", "Yes?")] for n in range(30)]
    found = generate_test_cases(sessions, model=URI, concurrency=7)
    assert found == [{"goal": f"{n}"} for n in range(30)]


def test_nobody_is_asked_about_a_session_without_messages(model, caplog) -> None:
    """C71."""
    assert generate_test_cases([], model=URI) == []
    assert generate_test_cases([[], []], model=URI) == []
    assert generate_test_cases([[], [trace("Hi", "Yes?")]], model=URI) == [CASE]
    assert model.count == 1
    assert "no test case is made of sessions[0]: it has no messages" in caplog.text


def test_as_many_are_asked_about_at_once_as_the_environment_says(model, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_GENAI_EVAL_MAX_WORKERS", "2")
    under_way, most = 0, 0

    async def voice(request) -> str:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(20):
            await asyncio.sleep(0)
        under_way -= 1
        return '{"goal": "pay"}'

    sessions = [[trace("Hi", "Yes?")] for _ in range(9)]
    assert len(generate_test_cases(sessions, model=voice)) == 9
    assert most == 2


@pytest.mark.parametrize("wrong", [0, -1, True, "3"])
def test_a_number_of_workers_that_is_none_is_refused(model, wrong) -> None:
    with pytest.raises(InvalidSpec, match=r"concurrency is .*, expected a number from 1"):
        generate_test_cases([[trace("Hi", "Yes?")]], model=URI, concurrency=wrong)


def test_no_workers_in_the_environment_are_refused_by_name(model, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_GENAI_EVAL_MAX_WORKERS", "0")
    with pytest.raises(InvalidSpec, match="MLFLOW_GENAI_EVAL_MAX_WORKERS is 0"):
        generate_test_cases([[trace("Hi", "Yes?")]], model=URI)


@pytest.mark.parametrize(
    ("sessions", "words"),
    [
        (["run"], r"sessions\[0\] is 'run'; expected a list of traces, a Session"),
        ([[], 7, [8]], r"(?s)sessions\[1\] is 7;.*sessions\[2\] is \[8\];"),
        (mlflow.entities.session.Session([]), "sessions is one Session, expected a list"),
        (7, "sessions is one int"),
        ("nowhere", "run .*nowhere"),
    ],
)
def test_what_is_no_list_of_sessions_is_refused(sessions, words) -> None:
    with pytest.raises(InvalidSpec, match=words):
        generate_test_cases(sessions, model=URI)


def test_the_default_model_is_mlflows(model, store) -> None:
    """C67."""
    assert generate_test_cases([[trace("Hi", "Yes?")]]) == [CASE]
    assert model.seen[0].body["model"] == "gpt-5"


def test_progress_is_told_on_standard_error(model, capsys) -> None:
    generate_test_cases([[trace("Hi", "Yes?")]] * 3, model=URI)
    told = capsys.readouterr()
    assert told.out == ""
    assert "Distilling test cases" in told.err
    assert "3/3" in told.err
