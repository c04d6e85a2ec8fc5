"""Ctrl-C and SIGTERM during a run: what is finished is kept, nothing is waited for."""

import signal

import pytest

BATCH = """
try:
    converse_all(cases, rules, Ports(agent), finished=told)
except RunInterrupted as error:
    handle(error)
"""

AGENTS = {
    "sync": """
def agent(request):
    if request.case.goal == "slow":
        forever()
    return "Hi."
""",
    "async": """
async def agent(request):
    if request.case.goal == "slow":
        say("inside")
        await asyncio.Event().wait()
    return "Hi."
""",
    "async, with to_thread": """
async def agent(request):
    if request.case.goal == "slow":
        await asyncio.to_thread(forever)
    return "Hi."
""",
    "async, blocking the loop": """
async def agent(request):
    if request.case.goal == "slow":
        forever()
    return "Hi."
""",
    "async, swallowing its cancellation": """
async def agent(request):
    if request.case.goal == "slow":
        say("inside")
        while True:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                pass
    return "Hi."
""",
}
THREAD = {
    "sync": "convsim two/1 1/agent/0",
    "async": None,
    "async, with to_thread": "convsim two/1 1/agent/0",
    "async, blocking the loop": "convsim run",
    "async, swallowing its cancellation": "convsim run",
}
STUCK = [agent for agent, thread in THREAD.items() if thread == "convsim run"]
CODES = {signal.SIGINT: 130, signal.SIGTERM: 143}


def message(thread: str | None, name: str) -> str:
    inside = f"; still inside the agent or a model: {thread}" if thread else ""
    return f"message interrupted by {name}{inside}"


@pytest.mark.parametrize("number", CODES)
@pytest.mark.parametrize("agent", AGENTS)
def test_a_signal_ends_a_run_at_once_and_keeps_what_is_finished(begin, agent, number) -> None:
    script = begin(AGENTS[agent] + BATCH)
    script.until("inside", "finished one/1")
    script.send(number)
    assert script.ended() == (
        CODES[number],
        ["states one/1=max_turns two/1=cancelled", message(THREAD[agent], number.name)],
        "",
    )


PRESSING_TWICE = """
def press_twice():
    global pressed
    sys.stdin.readline()
    for _ in range(2):
        pressed = time.monotonic()
        os.kill(os.getpid(), signal.SIGINT)
        while signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
            time.sleep(0.01)  # the first one has not been heard yet

threading.Thread(target=press_twice, daemon=True).start()
try:
    converse_all(cases, rules, Ports(agent), finished=told)
except RunInterrupted as error:
    say("at once", time.monotonic() - pressed < 0.8)
    handle(error)
"""


@pytest.mark.parametrize("agent", STUCK)
def test_after_a_second_ctrl_c_nothing_is_waited_for(begin, agent) -> None:
    script = begin(AGENTS[agent] + PRESSING_TWICE)
    script.until("inside", "finished one/1")
    script.write("press")
    assert script.ended() == (
        130,
        [
            "at once True",
            "states one/1=max_turns two/1=cancelled",
            message("convsim run", "SIGINT"),
        ],
        "",
    )


def test_a_second_sigterm_is_the_system_s(begin) -> None:
    script = begin(
        AGENTS["sync"]
        + """
try:
    converse_all(cases, rules, Ports(agent), finished=told)
except RunInterrupted:
    forever()
"""
    )
    script.until("inside", "finished one/1")
    script.send(signal.SIGTERM)
    script.until("inside")
    script.send(signal.SIGTERM)
    assert script.ended() == (-signal.SIGTERM, [], "")


def test_after_a_signal_no_new_session_begins(begin) -> None:
    script = begin("""
cases = [TestCase(goal="slow", id=str(number)) for number in range(1000)]

async def agent(request):
    say("inside")
    await asyncio.Event().wait()

try:
    converse_all(cases, rules, Ports(agent), concurrency=3)
except RunInterrupted as error:
    say(len(error.states), "states", *{s.phase.reason for s in error.states})
    say(*{s.phase.detail for s in error.states[:3]})
    say(*{s.phase.detail for s in error.states[3:]})
""")
    script.until("inside", "inside", "inside")
    script.send(signal.SIGINT)
    printed = ["1000 states cancelled", "SIGINT", "it had not begun: SIGINT"]
    assert script.ended() == (0, printed, "")


def test_where_nobody_catches_it_python_prints_it_and_exits_with_1(begin) -> None:
    script = begin(AGENTS["sync"] + "converse_all(cases, rules, Ports(agent), finished=told)")
    script.until("inside", "finished one/1")
    script.send(signal.SIGINT)
    code, out, errors = script.ended()
    assert (code, out) == (1, [])
    assert errors.count("Traceback") == 1
    assert errors.splitlines()[-1].endswith(message(THREAD["sync"], "SIGINT").partition(" ")[2])


def test_a_program_keeps_its_own_handlers(begin) -> None:
    script = begin("""
class Stop(Exception):
    pass

def stop(number, frame):
    raise Stop

def ignore(number, frame):
    say("ignored")
    release.set()

signal.signal(signal.SIGINT, stop)
signal.signal(signal.SIGTERM, ignore)
release = threading.Event()

def agent(request):
    say("inside")
    release.wait()
    if request.case.goal == "slow":
        forever()
    return "Hi."

entries = []
try:
    converse_all(cases, rules, Ports(agent), finished=told, sink=entries.append)
except Stop:
    say(*(entry.session.id for entry in entries if entry.request is None))
assert signal.getsignal(signal.SIGINT) is stop
assert signal.getsignal(signal.SIGTERM) is ignore
""")
    script.until("inside", "inside")
    script.send(signal.SIGTERM)
    script.until("ignored", "inside", "finished one/1")
    script.send(signal.SIGINT)
    assert script.ended() == (0, ["two/1"], "")


def test_a_thread_that_an_agent_left_delays_neither_close_nor_exit(begin) -> None:
    script = begin("""
async def agent(request):
    await asyncio.wait_for(asyncio.to_thread(forever), 0.01)

show(converse_all(cases, rules, Ports(agent)))
""")
    script.until("inside", "inside")
    assert script.ended() == (0, ["states one/1=agent_failed two/1=agent_failed"], "")


def test_what_an_agent_started_and_never_stops_is_told_and_left(begin) -> None:
    script = begin("""
async def forever():
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            pass

async def agent(request):
    global task
    task = asyncio.create_task(forever())
    await asyncio.sleep(0)
    return "Hi."

say("begins")
show(converse_all(cases, rules, Ports(agent)))
""")
    script.until("begins")
    told = "the run has ended, but something that an agent started does not stop\n"
    assert script.ended() == (0, ["states one/1=max_turns two/1=max_turns"], told)
