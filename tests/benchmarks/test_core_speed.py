"""How fast the core is, beside a floor measured in the same run; the table goes to the docs.

`just bench` runs these and rewrites docs/benchmarks.md. Only ratios are asserted: seconds belong to
a machine.
"""

import subprocess
import sys
from collections.abc import Callable
from statistics import median
from time import perf_counter

import pytest

from convsim_fp import goals
from convsim_fp.core import AgentReplied, Rules, Say, Step, TestCase, View, start, step
from convsim_fp.interpreters import Ports, converse, perform

pytestmark = pytest.mark.benchmark

TABLE = "core"
CASE = TestCase(goal="return the red shoes")
ROWS: list[tuple[str, str, str, str]] = []


def talks(view: View) -> Say:
    return Say(f"This is turn {view.turn}.")


RULES = Rules(talks, goals.never, max_turns=5_000)


def seconds(call: Callable[[], object], times: int, runs: int = 9) -> float:
    """Seconds per call: the median of several runs."""

    def run() -> float:
        begun = perf_counter()
        for _ in range(times):
            call()
        return (perf_counter() - begun) / times

    run()
    return median(run() for _ in range(runs))


def waiting_at(messages: int) -> Step:
    reached = start(RULES, CASE)
    while len(reached.state.transcript) < messages:
        reached = step(RULES, reached.state, AgentReplied(reached.requests[0].id, "Indeed."))
    return reached


def test_one_step_costs_about_the_same_at_any_length() -> None:
    cost: dict[int, float] = {}
    for messages in (20, 200, 2_000):
        at = waiting_at(messages)
        seen = AgentReplied(at.requests[0].id, "Indeed.")
        cost[messages] = seconds(lambda at=at, seen=seen: step(RULES, at.state, seen), 1_000)
    said = waiting_at(200).state.transcript
    floor = seconds(lambda: (said + said[:1]) + said[:1], 1_000)
    figures = " / ".join(f"{each * 1e6:.1f}" for each in cost.values())
    name = "one `step` at 20 / 200 / 2,000 messages (reply, verdict, next user message)"
    ROWS.append((name, "≤ 25 µs at 200", f"{figures} µs", f"two appends: {floor * 1e6:.1f} µs"))
    ratio = cost[2_000] / cost[200]
    ROWS.append(("a step at 2,000 messages over one at 200", "≤ 1.5 ×", f"{ratio:.2f} ×", ""))
    assert ratio <= 1.5


def test_scripted_conversations_in_memory() -> None:
    turns, conversations = 10, 200
    rules = Rules(talks, goals.never, max_turns=turns)
    performed = perform(Ports(agent=lambda request: f"Reply {len(request.transcript)}."))

    def ours() -> None:
        for _ in range(conversations):
            converse(rules, start(rules, CASE), performed)

    def bare() -> None:
        for _ in range(conversations):
            said: list[tuple[str, str]] = []
            for turn in range(1, turns + 1):
                said.append(("user", talks(View(CASE, turn)).text))
                said.append(("agent", f"Reply {len(said)}."))

    per_turn = seconds(ours, 1, runs=5) / (turns * conversations)
    floor = seconds(bare, 1, runs=5) / (turns * conversations)
    name = f"scripted conversations in memory, {conversations} × {turns} turns"
    bare_loop = f"a bare loop: {1 / floor:,.0f} turns/s"
    ROWS.append((name, "≥ 10,000 turns/s", f"{1 / per_turn:,.0f} turns/s", bare_loop))
    assert per_turn < 100 * floor


CONCURRENT = """
import asyncio, resource
from convsim_fp import goals
from convsim_fp.core import Rules, Say, TestCase
from convsim_fp.interpreters import Ports, aconverse_all

SESSIONS, TURNS = {sessions}, 5
inside, release = 0, asyncio.Event()

async def agent(request):
    global inside, release
    inside, mine = inside + 1, release
    if inside == SESSIONS:
        inside, release = 0, asyncio.Event()
        mine.set()
    await mine.wait()
    return "Reply " * 20

def talks(view):
    return Say("Message " * 10)

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

rules = Rules(talks, goals.never, max_turns=TURNS)
cases = [TestCase(goal=f"goal {{n}}") for n in range(SESSIONS)]
before = peak()
states = asyncio.run(aconverse_all(cases, rules, Ports(agent=agent), concurrency=SESSIONS))
assert len(states) == SESSIONS and all(len(s.transcript) == 2 * TURNS for s in states)
print(before, peak())
"""


def test_memory_of_ten_thousand_concurrent_conversations() -> None:
    sessions = 10_000
    script = CONCURRENT.format(sessions=sessions)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    before, peak = map(float, done.stdout.split())
    name = f"peak memory of {sessions:,} concurrent conversations × 5 turns"
    start_up = f"the process with its cases: {before:.0f} MB"
    ROWS.append((name, "≤ 300 MB", f"{peak:.0f} MB", start_up))
    assert peak < 20 * before


def test_import_beside_attrs() -> None:
    def imports(statement: str) -> float:
        timed = f"from time import perf_counter as t; a = t(); {statement}; print(t() - a)"
        done = [
            subprocess.run(
                [sys.executable, "-c", timed], capture_output=True, text=True, check=True
            )
            for _ in range(9)
        ]
        return median(float(each.stdout) for each in done)

    core = "import convsim_fp.core, convsim_fp.users, convsim_fp.goals"
    floor = imports("import attrs")
    face = imports("import attrs, convsim_fp") - floor
    used = imports(f"import attrs; {core}") - floor
    attrs = f"attrs: {floor * 1000:.0f} ms"
    ROWS.append(
        (
            "`import convsim_fp` over `import attrs`",
            "< 30 ms more",
            f"{face * 1000:.1f} ms more",
            attrs,
        )
    )
    name = "the same with core, users and goals, which are imported when first used"
    ROWS.append((name, "", f"{used * 1000:.0f} ms more", attrs))
    assert face < floor
