"""What processes are worth to an agent that computes in Python."""

from statistics import median

import pytest
from measuring import SETTING, Work, once, serving

pytestmark = pytest.mark.benchmark

TABLE = "processes"
ROWS: list[tuple[str, str, str, str]] = []

RUNS = 5
BURNT = 0.005  # seconds of the processor for each call
WORK = Work(sessions=200, turns=5, at_once=50, model=0.0, agent=BURNT)

# Users are scripted, so that nothing but the agent computes; the start of workers counts.
BURNING = (
    SETTING
    + """
import tempfile
from pathlib import Path
from convsim_adapters import simulate

here = Path(tempfile.mkdtemp())
sys.path.insert(0, str(here))
(here / "desk.py").write_text(f'''
import time
def answer(messages):
    until = time.thread_time() + {AGENT}
    while time.thread_time() < until:
        pass
    return "Which order is it, please?"
''')
script = [f"It is about my order, number {n}." for n in range(TURNS)]
cases = [
    {"goal": f"get the money back for order {n}", "script": script, "goal_when": "never"}
    for n in range(SESSIONS)
]
simulate(cases[:1], "desk:answer", save=False, max_turns=1)
begun, used = time.perf_counter(), cpu()
run = simulate(
    cases,
    "desk:answer",
    max_turns=TURNS,
    concurrency=CONCURRENCY,
    processes=int(MORE[0]),
    out=here / "run",
)
told(begun, used)
assert sum(one.turns for one in run.sessions) == SESSIONS * TURNS, run.stop_reasons
"""
)


def test_an_agent_that_computes_has_a_core_for_each_process() -> None:
    walls: dict[str, list[float]] = {"1": [], "2": []}
    with serving(WORK.model) as base:
        for _ in range(RUNS):
            for number, each in walls.items():
                each.append(once(BURNING, WORK, base, number).wall)
    one, two = (median(each) for each in walls.values())
    burnt = WORK.sessions * WORK.turns * BURNT
    what = f"{WORK.sessions} × {WORK.turns}, an agent that computes for 5 ms: wall, two processes"
    measured = f"{two:.2f} s = {two / one:.2f} × one process"
    floor = (
        f"one process {one:.2f} s; what the agent computes {burnt:.1f} s, by two {burnt / 2:.1f} s"
    )
    ROWS.append((what, "≤ 0.65 × one process", measured, floor))
    assert two < 0.9 * one
