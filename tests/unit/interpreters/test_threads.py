import os
import signal
import threading
from contextvars import ContextVar

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Failed,
    Generated,
    Interrupted,
    Lane,
    Rules,
    Say,
    StopReason,
    TestCase,
    new_session,
    resume,
    start,
    step,
)
from convsim_fp.interpreters import Facts, Ports, Reply, RunInterrupted, converse, perform
from convsim_fp.interpreters.ports import Observed

CASE = TestCase(goal="return the red shoes")
PLAIN = Rules(lambda view: Say(f"Message {view.turn}."), goals.never, max_turns=2)
OVERLAP = Rules(users.prompted(), goals.prompted(), max_turns=3, overlap=True)


def model(request):
    return "no" if request.id.lane is Lane.GOAL_CHECK else f"Message {request.id.turn}."


def agent(request):
    return f"Reply {request.id.turn}."


def begun(rules):
    return start(rules, CASE, new_session("shoes"))


def ids(entries):
    return [str(entry.request.id) if entry.request else None for entry in entries]


def test_a_conversation_is_driven_to_its_end() -> None:
    state = converse(PLAIN, begun(PLAIN), perform(Ports(agent)))
    assert state.phase.reason is StopReason.MAX_TURNS
    assert [message.text for message in state.transcript] == [
        "Message 1.",
        "Reply 1.",
        "Message 2.",
        "Reply 2.",
    ]


def test_a_restored_conversation_goes_on_with_the_same_call() -> None:
    first = step(PLAIN, begun(PLAIN).state, AgentReplied(begun(PLAIN).requests[0].id, "Reply 1."))
    whole = converse(PLAIN, begun(PLAIN), perform(Ports(agent)))
    assert converse(PLAIN, resume(PLAIN, first.state), perform(Ports(agent))) == whole


def test_a_conversation_that_has_ended_asks_nothing() -> None:
    ended = converse(PLAIN, begun(PLAIN), perform(Ports(agent)))
    asked = []
    assert converse(PLAIN, resume(PLAIN, ended), perform(Ports(asked.append))) == ended
    assert asked == []


def test_with_one_request_out_everything_runs_in_the_calling_thread() -> None:
    threads = []
    converse(PLAIN, begun(PLAIN), perform(Ports(lambda r: threads.append(threading.get_ident()))))
    assert threads == [threading.get_ident()]


def test_overlapping_requests_run_in_named_daemons_with_the_context_of_the_caller() -> None:
    user = ContextVar("user")
    user.set("ada")
    both, seen = threading.Barrier(2), []

    def waiting(request):
        if request.id.turn + (request.id.lane is Lane.GOAL_CHECK) == 2:
            thread = threading.current_thread()
            seen.append((thread.name, thread.daemon, user.get()))
            both.wait()
        return model(request)

    converse(OVERLAP, begun(OVERLAP), perform(Ports(agent, waiting)))
    assert sorted(seen) == [
        ("convsim shoes/1 1/goal_check/0", True, "ada"),
        ("convsim shoes/1 2/user/0", True, "ada"),
    ]


def test_overlap_changes_nothing_but_the_time() -> None:
    plain = Rules(users.prompted(), goals.prompted(), max_turns=3)
    ports = Ports(agent, model)
    one = converse(plain, begun(plain), perform(ports))
    assert converse(OVERLAP, begun(OVERLAP), perform(ports)) == one


def test_every_answer_is_an_entry_with_its_facts() -> None:
    entries = []
    facts = Facts(input_tokens=3, cost=0.01, seconds=0.5, attempts=2)
    ports = Ports(agent, lambda request: Reply(model(request), facts))
    rules = Rules(users.prompted(), goals.prompted(), max_turns=2)
    converse(rules, begun(rules), perform(ports), sink=entries.append)
    asked = ["1/user/0", "1/agent/0", "1/goal_check/0", "2/user/0", "2/agent/0", "2/goal_check/0"]
    assert ids(entries) == asked
    assert {entry.session for entry in entries} == {new_session("shoes")}
    assert not any(entry.wasted for entry in entries)
    for entry in entries:
        expected = Facts() if entry.request.id.lane is Lane.AGENT else facts
        assert entry.observed.facts == expected
        assert entry.observed.observation.id == entry.request.id


def test_what_was_asked_ahead_and_not_needed_is_recorded_as_wasted() -> None:
    judged = threading.Event()

    def slow(request):
        if request.id.lane is Lane.GOAL_CHECK:
            return '{"rationale": "done", "result": "yes"}'
        if request.id.turn == 2:
            judged.wait()
        return "Hello."

    entries = []
    state = converse(OVERLAP, begun(OVERLAP), perform(Ports(agent, slow)), sink=entries.append)
    judged.set()
    assert state.phase.reason is StopReason.GOAL_ACHIEVED
    assert ids(entries) == ["1/user/0", "1/agent/0", "1/goal_check/0", "2/user/0"]
    assert [entry.wasted for entry in entries] == [False, False, False, True]
    assert entries[-1].observed.observation.failure.kind == "forgotten"


@pytest.mark.parametrize("rules", [PLAIN, OVERLAP], ids=["plain", "overlap"])
def test_what_a_custom_perform_raises_surfaces_in_the_caller(rules) -> None:
    performed = perform(Ports(agent, model))

    def broken(request):
        if request.id.turn == 2:
            raise ZeroDivisionError(str(request.id))
        return performed(request)

    with pytest.raises(ZeroDivisionError, match="2/"):
        converse(rules, begun(rules), broken)


def test_a_perform_may_interrupt_for_a_budget() -> None:
    def broke(request):
        return Observed(Interrupted("budget", "spent 10 USD"))

    state = converse(PLAIN, begun(PLAIN), broke)
    assert (state.phase.reason, state.phase.detail) == (StopReason.BUDGET, "spent 10 USD")


@pytest.mark.parametrize("rules", [PLAIN, OVERLAP], ids=["plain", "overlap"])
def test_what_the_sink_raises_surfaces_and_nothing_more_is_asked_or_told(rules) -> None:
    asked, told = [], []

    def counting(request):
        asked.append(str(request.id))
        return perform(Ports(agent, model))(request)

    def full(entry):
        told.append(str(entry.request.id))
        if entry.request.id.lane is Lane.AGENT:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        converse(rules, begun(rules), counting, sink=full)
    assert told[-1] == asked[-1] == "1/agent/0"


def pressing(number=signal.SIGINT):
    os.kill(os.getpid(), number)
    threading.Event().wait()


@pytest.mark.usefixtures("_ctrl_c_raises")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_the_state_so_far(number) -> None:
    def interrupted(request):
        return agent(request) if request.id.turn == 1 else pressing(number)

    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    entries = []
    with pytest.raises(RunInterrupted) as caught:
        converse(PLAIN, begun(PLAIN), perform(Ports(interrupted)), sink=entries.append)
    (state,) = caught.value.states
    assert state.phase.reason is StopReason.CANCELLED
    assert [said.text for said in state.transcript] == ["Message 1.", "Reply 1.", "Message 2."]
    assert caught.value.signal == number.name
    assert caught.value.exit_code == 128 + number
    assert ids(entries) == ["1/agent/0", None, "2/agent/0"]
    assert entries[1].observed.observation == Interrupted("cancelled", number.name)
    assert [entry.wasted for entry in entries] == [False, False, True]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@pytest.mark.usefixtures("_ctrl_c_raises")
def test_ctrl_c_while_requests_overlap_names_the_threads_inside() -> None:
    inside, release = threading.Barrier(3), threading.Event()

    def blocking(request):
        if request.id.turn == 1 and request.id.lane is Lane.USER:
            return "Hello."
        inside.wait()
        release.wait()

    def press():
        inside.wait()
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=press, daemon=True).start()
    entries = []
    alone = start(OVERLAP, CASE, new_session("blocked"))  # named like no other test's threads
    with pytest.raises(RunInterrupted, match="still inside the agent or a model: ") as caught:
        converse(OVERLAP, alone, perform(Ports(agent, blocking)), sink=entries.append)
    release.set()
    names = ("convsim blocked/1 1/goal_check/0", "convsim blocked/1 2/user/0")
    assert tuple(sorted(caught.value.threads)) == names
    assert [entry.wasted for entry in entries[2:]] == [False, True, True]
    assert [type(entry.observed.observation) for entry in entries[2:]] == [
        Interrupted,
        Failed,
        Failed,
    ]


def test_keyboard_interrupt_from_a_request_in_a_thread_is_ctrl_c_too() -> None:
    def pressed(request):
        if request.id.lane is Lane.GOAL_CHECK:
            raise KeyboardInterrupt
        return model(request)

    with pytest.raises(RunInterrupted) as caught:
        converse(OVERLAP, begun(OVERLAP), perform(Ports(agent, pressed)))
    assert caught.value.states[0].phase.reason is StopReason.CANCELLED


def test_a_late_answer_of_a_thread_that_was_forgotten_goes_nowhere() -> None:
    judged, late = threading.Event(), threading.Event()

    def performed(request):
        if request.id.lane is Lane.GOAL_CHECK:
            return Observed(Generated(request.id, "yes"))
        if request.id.turn == 2:
            judged.wait()
            late.set()
        return perform(Ports(agent, model))(request)

    state = converse(OVERLAP, begun(OVERLAP), performed)
    judged.set()
    late.wait()
    assert state.phase.reason is StopReason.GOAL_ACHIEVED
    assert len(state.transcript) == 2


def test_in_another_thread_signals_are_left_alone() -> None:
    handlers, states = [], []

    def looking(request):
        handlers.append(signal.getsignal(signal.SIGTERM))
        return agent(request)

    def drive():
        states.append(converse(PLAIN, begun(PLAIN), perform(Ports(looking))))

    thread = threading.Thread(target=drive)
    thread.start()
    thread.join()
    assert states[0].phase.reason is StopReason.MAX_TURNS
    assert set(handlers) == {signal.getsignal(signal.SIGTERM)}


def test_a_request_that_is_still_out_is_not_asked_again() -> None:
    judged, asked = threading.Event(), []

    def slow(request):
        asked.append(str(request.id))
        if request.id.lane is Lane.GOAL_CHECK:
            judged.set()
        elif request.id.turn == 2:
            judged.wait()
        return model(request)

    converse(OVERLAP, begun(OVERLAP), perform(Ports(agent, slow)))
    lanes = ("user", "goal_check")
    assert sorted(asked) == sorted(f"{turn}/{lane}/0" for turn in (1, 2, 3) for lane in lanes)
