"""How long a whole run takes, beside its critical path and a bare loop of the same calls."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.benchmark

SERVER = Path(__file__).parents[1] / "loopback" / "server.py"
SESSIONS, TURNS, CONCURRENCY, LATENCY = 1_000, 5, 200, 0.05
TABLE = "runs"
ROWS: list[tuple[str, str, str, str]] = []

SETTING = """
import asyncio, json, os, resource, sys, time
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
os.environ["OPENAI_API_KEY"] = "none"
os.environ["OPENAI_API_BASE"] = sys.argv[1]
SESSIONS, TURNS, CONCURRENCY = map(int, sys.argv[2:5])
import litellm
litellm.suppress_debug_info = True
from convsim_fp import AgentReplied, Generated, Rules, TestCase, goals, start, step, users

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

def told(begun, used):
    print(json.dumps([time.perf_counter() - begun, cpu() - used]))
"""

OURS = """
from convsim_adapters import simulate

cases = [{"goal": f"get the money back for order {n}"} for n in range(SESSIONS)]
MODEL = {"user_model": "openai/gpt-4o-mini", "client": "litellm"}
simulate(cases[:1], lambda messages: "Which order?", **MODEL, save=False)
begun, used = time.perf_counter(), cpu()
run = simulate(
    cases,
    answer,
    **MODEL,
    max_turns=TURNS,
    concurrency=CONCURRENCY,
    overlap=sys.argv[5] == "overlap",
    out=sys.argv[6],
)
told(begun, used)
assert run.stop_reasons == {"max_turns": SESSIONS}, run.stop_reasons
"""

AGENT = """
async def answer(messages):
    return "Which order is it, please?"
"""

BARE = """
def prompts():
    \"\"\"Those of one conversation, in order: user, judge, user, judge …\"\"\"
    rules = Rules(users.prompted(), goals.prompted(), max_turns=TURNS)
    waiting = start(rules, TestCase(goal="get the money back for order 7"))
    while waiting.requests:
        request = waiting.requests[0]
        if hasattr(request, "prompt"):
            form = request.prompt.schema and {
                "type": "json_schema",
                "json_schema": {"name": "reply", "schema": SCHEMA, "strict": True},
            }
            yield [m.as_dict() for m in request.messages], form
            text = '{"result": "no"}' if form else "It is about my order, number 7."
            seen = Generated(request.id, text)
        else:
            seen = AgentReplied(request.id, "Which order is it, please?")
        waiting = step(rules, waiting.state, seen)

SCHEMA = {
    "type": "object",
    "properties": {
        "rationale": {"type": "string"},
        "result": {"type": "string", "enum": ["yes", "no"]},
    },
    "required": ["rationale", "result"],
    "additionalProperties": False,
}

async def talk(asked):
    for messages, form in asked:
        more = {"response_format": form} if form else {}
        await litellm.acompletion(
            "openai/gpt-4o-mini", messages=messages, max_retries=0, **more
        )

async def work(todo, asked):
    while todo:
        todo.pop()
        await talk(asked)

async def main():
    asked = list(prompts())
    assert len(asked) == 2 * TURNS
    await talk(asked[:1])
    begun, used = time.perf_counter(), cpu()
    todo = list(range(SESSIONS))
    await asyncio.gather(*(work(todo, asked) for _ in range(CONCURRENCY)))
    told(begun, used)
    await litellm.close_litellm_async_clients()

asyncio.run(main())
"""


@pytest.fixture
def address() -> Iterator[str]:
    """A model that takes 50 ms, in a process of its own."""
    words = [sys.executable, str(SERVER), "--latency", str(LATENCY), "--never"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        yield server.stdout.readline().strip().removesuffix("/chat/completions")
        server.kill()


def timed(script: str, address: str, *more: str) -> tuple[float, float]:
    """Wall seconds, and seconds of the processor, of a script's own part."""
    import json

    words = [sys.executable, "-c", SETTING + script, address]
    words += [*map(str, (SESSIONS, TURNS, CONCURRENCY)), *more]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    wall, used = json.loads(done.stdout)
    return wall, used


def test_a_run_beside_a_bare_loop_of_the_same_calls(address: str, tmp_path: Path) -> None:
    waves = SESSIONS / CONCURRENCY
    limits = {
        "sequence": waves * TURNS * 2 * LATENCY,
        "overlap": waves * (TURNS + 1) * LATENCY,
    }
    bare, bare_cpu = timed(BARE, address)
    for how, limit in limits.items():
        wall, used = timed(AGENT + OURS, address, how, str(tmp_path / how))
        calls = SESSIONS * TURNS * 2
        name = f"{SESSIONS:,} conversations × {TURNS} turns, user and judge "
        name += "one after the other" if how == "sequence" else "at the same time"
        measured = (
            f"{wall:.1f} s = {wall / bare:.2f} × the bare loop, {wall / limit:.1f} × the path"
        )
        floor = f"bare loop {bare:.1f} s, critical path {limit:.1f} s"
        ROWS.append((name, "≤ 1.15 × the bare loop", measured, floor))
        each = f"{used / calls * 1000:.2f} ms = {used / bare_cpu:.2f} × the bare loop"
        theirs = f"bare loop {bare_cpu / calls * 1000:.2f} ms"
        ROWS.append((f"its processor time for each call ({how})", "≤ 1.15 ×", each, theirs))
        assert used < 1.5 * bare_cpu
