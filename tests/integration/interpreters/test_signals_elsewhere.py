"""Ctrl-C and SIGTERM with one conversation, in a loop of the program's own, and in a notebook."""

import signal

import pytest

CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}
INSIDE = "message interrupted by {}; still inside the agent or a model: {}"


@pytest.mark.parametrize("number", CODES)
def test_a_signal_ends_one_conversation(begin, number) -> None:
    script = begin("""
def agent(request):
    forever()

def tell(entry):
    say("entry", entry.request and entry.request.id, entry.wasted, entry.observed.observation)

try:
    converse(rules, start(rules, cases[1]), perform(Ports(agent)), sink=tell)
except RunInterrupted as error:
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    handle(error)
""")
    script.until("inside")
    script.send(number)
    code, out, errors = script.ended()
    assert (code, errors) == (CODES[number], "")
    interrupted, forgotten, states, message = out
    assert interrupted.startswith("entry None False Interrupted(")
    assert forgotten.startswith("entry 1/agent/0 True Failed(")
    assert states == "states =cancelled"
    assert message == f"message interrupted by {number.name}"


def test_a_signal_ends_a_conversation_whose_requests_overlap(begin) -> None:
    script = begin("""
from convsim_fp.core import new_session
rules = Rules(users.prompted(), goals.prompted(), overlap=True)

def model(request):
    if request.id.turn == 2 or request.id.lane == "goal_check":
        forever()
    return "Hello."

def agent(request):
    return "Hi."

try:
    begun = start(rules, cases[1], new_session("two"))
    converse(rules, begun, perform(Ports(agent, user_model=model)))
except RunInterrupted as error:
    handle(error)
""")
    script.until("inside", "inside")
    script.send(signal.SIGINT)
    code, out, errors = script.ended()
    assert (code, errors) == (130, "")
    threads = "convsim two/1 1/goal_check/0, convsim two/1 2/user/0"
    assert out == ["states two/1=cancelled", INSIDE.format("SIGINT", threads)]


AGENT = """
def agent(request):
    if request.case.goal == "slow":
        forever()
    return "Hi."
"""


def test_under_asyncio_run_ctrl_c_is_a_cancellation_with_the_states_behind_it(begin) -> None:
    script = begin(
        AGENT
        + """
async def main():
    try:
        await aconverse_all(cases, rules, Ports(agent), finished=told)
    finally:
        say("tasks", len(asyncio.all_tasks()))

try:
    asyncio.run(main())
except KeyboardInterrupt as error:
    found = RunCancelled.behind(error)
    show(found.states)
    say(found)
"""
    )
    script.until("inside", "finished one/1")
    script.send(signal.SIGINT)
    inside = "; still inside the agent or a model: convsim two/1 1/agent/0"
    assert script.ended() == (
        0,
        ["tasks 1", "states one/1=max_turns two/1=cancelled", f"the run was cancelled{inside}"],
        "",
    )


@pytest.mark.parametrize("number", CODES)
def test_a_signal_ends_a_run_inside_a_running_loop(begin, number) -> None:
    script = begin(
        AGENT
        + """
async def main():
    before = signal.getsignal(signal.SIGINT)
    try:
        converse_all(cases, rules, Ports(agent), finished=told)
    except RunInterrupted as error:
        assert signal.getsignal(signal.SIGINT) is before
        handle(error)

asyncio.run(main())
"""
    )
    script.until("inside", "finished one/1")
    script.send(number)
    thread = "convsim two/1 1/agent/0"
    assert script.ended() == (
        CODES[number],
        ["states one/1=max_turns two/1=cancelled", INSIDE.format(number.name, thread)],
        "",
    )


def test_ctrl_c_that_a_user_port_reads_itself_stops_the_run(begin) -> None:
    script = begin("""
def agent(request):
    say("asked")
    if request.case.goal == "slow":
        sys.stdin.readline()
        raise KeyboardInterrupt  # a terminal in raw mode
    return "Hi."

try:
    converse_all(cases, rules, Ports(agent), finished=told)
except RunInterrupted as error:
    handle(error)
""")
    script.until("asked", "asked", "finished one/1")
    script.write("\x03")
    assert script.ended() == (
        130,
        ["states one/1=max_turns two/1=cancelled", "message interrupted by SIGINT"],
        "",
    )
