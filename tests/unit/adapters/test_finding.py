"""The friendly front of the search: it takes what `simulate` takes."""

from __future__ import annotations

import asyncio
import inspect
import re
import signal
import subprocess
import sys
import threading
from contextvars import ContextVar

import pytest

from convsim_adapters import simulate
from convsim_adapters.demo import AGENT, CASES
from convsim_adapters.demo.shop import OrderDesk
from convsim_adapters.finding import FlakyConversation, VainSearch, find_conversation
from convsim_fp import users
from convsim_fp.core import Message, Say, TestCase
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters import RunInterrupted
from convsim_fp.testing import fake_model

CASE = {"goal": "a refund", "script": ["It broke.", "Refund, please."]}
EXPECTED = ("Refund, please.", "It broke.")


def reply(messages):
    said = " ".join(m["content"] for m in messages if m["role"] == "user")
    return "BUG" if re.search("Refund.* broke", said) else "Go on."


async def areply(messages):
    await asyncio.sleep(0)
    return reply(messages)


def wrong(state):
    return any(m.text == "BUG" for m in state.transcript)


def never(state):
    return False


class Remembering:
    def __init__(self, session_id):
        self.messages, self.session_id = [], session_id

    def __call__(self, messages):
        self.messages.append(messages[-1])
        return reply(self.messages)


class Late(Remembering):
    async def __call__(self, messages):
        await asyncio.sleep(0)
        return super().__call__(messages)


async def make_late(session_id):
    return Late(session_id)


AGENTS = {
    "function": reply,
    "async function": areply,
    "function that returns an awaitable": lambda messages: areply(messages),  # noqa: PLW0108
    "class": Remembering,
    "async class": Late,
    "factory": lambda session_id: Remembering(session_id),  # noqa: PLW0108
    "async factory": make_late,
    "factory of an async agent": lambda session_id: Late(session_id),  # noqa: PLW0108
}


def script(agent, cases=(CASE,), **told):
    return find_conversation(agent, cases, violates=wrong, **told).case.extra["script"]


async def in_a_loop(agent):
    return script(agent)


@pytest.fixture
def nothing_left():
    """No thread and no event loop outlives a test."""
    threads = set(threading.enumerate())
    yield
    assert {one for one in threading.enumerate() if one.name != "convsim"} <= threads


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_it_searches_agents_of_every_kind(agent, nothing_left) -> None:
    assert script(agent) == EXPECTED


@pytest.mark.parametrize("agent", AGENTS.values(), ids=AGENTS)
def test_it_searches_where_an_event_loop_runs(agent, nothing_left) -> None:
    assert asyncio.run(in_a_loop(agent)) == EXPECTED


def test_what_is_async_has_one_loop_which_is_closed() -> None:
    loops = set()

    async def agent(messages):
        loops.add(asyncio.get_running_loop())
        return reply(messages)

    async def model(request):
        loops.add(asyncio.get_running_loop())
        return "Refund, it broke."

    assert script(agent, user="model", user_model=model, max_examples=20) == ("Refund, it broke.",)
    [loop] = loops
    assert loop.is_closed()


def test_a_plain_agent_has_no_loop_and_its_callers_thread() -> None:
    where = set()

    def agent(messages):
        where.add(threading.current_thread())
        asyncio.run(asyncio.sleep(0))  # as agents do that wrap a coroutine
        return reply(messages)

    assert script(agent) == EXPECTED
    assert where == {threading.main_thread()}


def test_context_variables_are_seen_beside_a_loop() -> None:
    tenant = ContextVar("tenant", default="none")
    seen = set()

    def agent(messages):
        seen.add(tenant.get())
        return reply(messages)

    async def main():
        tenant.set("shop")
        return script(agent)

    assert asyncio.run(main()) == EXPECTED
    assert seen == {"shop"}


def test_a_call_that_takes_too_long_fails_its_session() -> None:
    async def slow(messages):
        await asyncio.sleep(3600)

    with pytest.raises(VainSearch, match=r"timed_out: no answer in 0\.001 s"):
        find_conversation(slow, [CASE], violates=never, timeout=0.001, max_examples=3)

    async def own(messages):
        raise TimeoutError("the database")

    told = {"violates": never, "max_examples": 3}
    with pytest.raises(VainSearch, match="agent_error: TimeoutError: the database"):
        find_conversation(own, [CASE], **told)
    with pytest.raises(VainSearch, match="port_error: TimeoutError: the database"):
        find_conversation(reply, [CASE], user="model", user_model=own, **told)


def test_an_agent_behind_a_url_is_searched(loopback) -> None:
    def talk(body):
        return reply([m for m in body["messages"] if m["role"] == "user"])

    loopback.talk = talk
    assert script(loopback.base, agent_params={"model": "any"}, max_examples=50) == EXPECTED
    assert loopback.seen[0].body["model"] == "any"


def test_an_agent_is_named_by_its_module(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "desk_to_find.py").write_text(
        "import re\n\n" + inspect.getsource(reply), encoding="utf-8"
    )
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    assert script("desk_to_find:reply") == EXPECTED


def test_ctrl_c_beside_a_loop_ends_the_search(nothing_left) -> None:
    calls = []

    def agent(messages):
        calls.append(messages)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return "Go on."

    async def main():
        find_conversation(agent, [CASE], violates=never)

    with pytest.raises(RunInterrupted):
        asyncio.run(main())


# The demo's agent.


def refunds_another(state):
    """An order is refunded that is not the one that the customer was asked about last."""
    asked = None
    for message in state.transcript:
        for call in message.tool_calls:
            if call.name == "refund_order" and call.arguments["number"] != asked:
                return True
        if question := re.search(r"Shall I refund order (W\d+)", message.text):
            asked = question[1]
    return False


@pytest.fixture
def desk(tmp_path, monkeypatch):
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    from convsim_adapters.demo import shop

    shop._file.cache_clear()
    yield OrderDesk
    shop._file.cache_clear()


def test_the_flaw_of_the_demo_is_found_in_three_turns(desk) -> None:
    one = find_conversation(desk, CASES, violates=refunds_another)
    assert one.state.turns == 3
    proposed, confirmed = re.findall(r"Shall I refund order (W\d+)", str(one))
    assert proposed != confirmed
    assert f"Done: order {proposed} is refunded." in str(one)
    run = simulate([one.case], desk, goal_check="never", save=False)
    assert run.sessions[0].transcript == one.state.transcript


def test_the_demo_has_no_such_flaw_once_it_is_mended(desk, tmp_path, monkeypatch) -> None:
    source = AGENT.read_text("utf-8")
    flaw = "ON CONFLICT (session) DO NOTHING"
    mended = "ON CONFLICT (session) DO UPDATE SET action = excluded.action, "
    mended += "number = excluded.number, detail = excluded.detail"
    assert source.count(flaw) == 1
    (tmp_path / "mended_to_find.py").write_text(source.replace(flaw, mended), encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    name = "mended_to_find:OrderDesk"
    told = {"select": "tag:refund", "max_turns": 4, "max_examples": 150}
    assert find_conversation(name, CASES, violates=refunds_another, **told) is None
    assert find_conversation(desk, CASES, violates=refunds_another, **told) is not None


# Users and words.


def test_recorded_users_lend_their_words() -> None:
    run = simulate([CASE], lambda messages: "Why?", goal_check="never", save=False)
    recorded = [one.transcript for one in run.sessions]
    assert script(reply, [{"goal": "x"}], recorded=recorded) == EXPECTED
    assert script(reply, [{"goal": "x"}], phrases=reversed(EXPECTED)) == EXPECTED
    assert find_conversation(reply, [{"goal": "x"}], violates=wrong, max_examples=50) is None


def test_cases_are_chosen_as_for_simulate() -> None:
    cases = [
        {"goal": "x", "id": "x"},
        TestCase(goal="y", id="y", extra={"script": ["Refund broke"]}),
    ]
    assert find_conversation(reply, cases, violates=wrong, select="y").case.id == "y-found"
    assert find_conversation(reply, cases, violates=wrong, select=["x"], max_examples=50) is None


def test_a_user_of_your_own_is_searched_by_its_persona() -> None:
    def user(view):
        return Say("Refund, it broke." if view.case.persona == "angry" else "Hello.")

    told = {"user": user, "personas": ["calm", "angry"]}
    assert script(reply, **told) == ("Refund, it broke.",)


def test_users_are_named_as_for_simulate() -> None:
    agenda = {"goal": "x", "agenda": ["Refund, please.", "It broke."]}
    assert script(reply, [agenda], user="agenda") == EXPECTED
    model = fake_model(["Refund!", "It broke."])
    assert script(reply, user="model", user_model=model) == ("Refund!", "It broke.")
    assert script(reply, user=users.by_user()) == EXPECTED


def test_an_instance_that_remembers_is_called_flaky() -> None:
    with pytest.raises(FlakyConversation, match="as a class or a factory"):
        find_conversation(Remembering("all"), [CASE], violates=wrong, max_examples=100)


# What is refused.


def test_all_problems_are_told_before_the_first_call() -> None:
    with pytest.raises(InvalidSpec) as refused:
        find_conversation(
            7,
            [{"gaol": "x"}],
            violates="refund",
            phrases="Hello.",
            recorded=["Hello.", [Message("user", "Hello.")], 7],
            user="modell",
            user_model="openai/gpt-5",
            personas=[None],
            guidelines=7,
            max_turns=0,
            max_examples=0,
            timeout=0,
        )
    assert [problem.field for problem in refused.value.problems] == [
        *("timeout", "user_model", "goal", "agent"),
        *("recorded[0]", "recorded[2]", "user", "violates"),
        *("phrases", "personas[0]", "guidelines", "max_turns", "max_examples"),
    ]


def test_what_single_arguments_are_refused_for_is_told() -> None:
    def refused(cases=(CASE,), agent=reply, **told):
        with pytest.raises(InvalidSpec) as error:
            find_conversation(agent, cases, violates=never, **told)
        return str(error.value)

    assert "expected a list of transcripts" in refused(recorded="Hello.")
    assert "such as fake_model([…])" in refused(user_model="gpt")
    assert "did you mean 'x'" in refused([{"goal": "x", "id": "x"}], select="xx")
    told = refused([{"goal": "x"}, {"goal": "y"}], user="agenda")
    assert told.startswith('cases[0] ("case-0"): extra.agenda is missing')
    assert 'cases[1] ("case-1")' in told
    assert "which reply(messages) does not take" in refused([CASE | {"context": {"n": 7}}])
    assert "expected seconds above 0" in refused(timeout=float("nan"))


def test_without_hypothesis_the_extra_is_named() -> None:
    code = "import sys; sys.modules['hypothesis'] = None\nimport convsim_adapters.finding"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "needs hypothesis: pip install 'convsim-fp[testing]'" in done.stderr
