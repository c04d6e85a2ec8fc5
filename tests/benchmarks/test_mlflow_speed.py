"""What MLflow costs: the drop-in beside MLflow's own simulator, same work, traces in SQLite."""

import json
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from statistics import median

import pytest

pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'convsim-fp[mlflow]'")
pytestmark = pytest.mark.benchmark

SERVER = Path(__file__).parents[1] / "loopback" / "server.py"
TURNS, MODEL, AGENT = 5, 0.05, 0.02  # turns of a session; seconds of an answer
SMALL, LARGE = 20, 200  # sessions
TABLE = "mlflow"
ROWS: list[tuple[str, str, str, str]] = []

SETTING = """
import json, os, resource, sys, tempfile, time
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["OPENAI_API_KEY"] = "none"
os.environ["OPENAI_API_BASE"] = sys.argv[1]
SESSIONS, TURNS, AGENT = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
AT_ONCE = sys.argv[5]
os.chdir(tempfile.mkdtemp())
import logging
logging.disable(logging.WARNING)
import mlflow
mlflow.set_tracking_uri("sqlite:///m.db")
mlflow.set_experiment("speed")

def cpu():
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime

def predict_fn(messages, **_):
    time.sleep(AGENT)
    return {"role": "assistant", "content": "Which order is it, please?"}

def cases(count):
    return [{"goal": f"get the money back for order {n}"} for n in range(count)]

def told(simulator, predict_fn=predict_fn):
    begun, used = time.perf_counter(), cpu()
    try:
        traces = simulator.simulate(predict_fn)
    except Exception as error:
        print(json.dumps({"raised": f"{type(error).__name__}: {error}"[:200]}))
        raise SystemExit
    seconds, spent = time.perf_counter() - begun, cpu() - used
    found = mlflow.search_traces(include_spans=False, return_type="list", max_results=10**6)
    stored = {trace.info.trace_id for trace in found}
    got = [trace.info.trace_id for session in traces for trace in session]
    print(json.dumps({"seconds": seconds, "cpu": spent, "turns": len(got),
                      "stored": sum(one in stored for one in got)}))
"""

OURS = """
from convsim_adapters.mlflow import ConversationSimulator
more = {"max_turns": TURNS, "user_model": "openai:/gpt-4o-mini", "concurrency": int(AT_ONCE)}
ConversationSimulator(cases(2), **more).simulate(predict_fn)
told(ConversationSimulator(cases(SESSIONS), **more))
"""

THEIRS = """
os.environ["MLFLOW_GENAI_SIMULATOR_MAX_WORKERS"] = AT_ONCE
from mlflow.genai.simulators import ConversationSimulator
more = {"max_turns": TURNS, "user_model": "openai:/gpt-4o-mini"}
ConversationSimulator(cases(2), **more).simulate(predict_fn)
told(ConversationSimulator(cases(SESSIONS), **more))
"""

TRACED = """
from convsim_adapters.mlflow import ConversationSimulator
more = {"max_turns": TURNS, "user_model": "openai:/gpt-4o-mini", "concurrency": int(AT_ONCE)}

@mlflow.trace
def traced(messages, **_):
    with mlflow.start_span("look up") as span:
        span.set_inputs({"order": len(messages)})
    return {"role": "assistant", "content": "Which order is it, please?"}

told(ConversationSimulator(cases(SESSIONS), **more), traced)
"""

STALLS = """
import asyncio
from convsim_adapters import simulate
from convsim_adapters.mlflow import ConversationSimulator
more = {"max_turns": TURNS, "user_model": "openai:/gpt-4o-mini", "concurrency": int(AT_ONCE)}
late, ticking = [], []

async def tick():
    while True:
        begun = time.perf_counter()
        await asyncio.sleep(0.005)
        late.append(time.perf_counter() - begun - 0.005)

async def waiting(messages, **_):
    if not ticking:
        ticking.append(asyncio.create_task(tick()))
    await asyncio.sleep(AGENT)
    return {"role": "assistant", "content": "Which order is it, please?"}

def longest(run):
    late.clear(), ticking.clear()
    run()
    return max(late) * 1000

def bare(messages):
    return waiting(messages)

ConversationSimulator(cases(2), **more).simulate(waiting)
ticking.clear()
without = longest(lambda: simulate(cases(SESSIONS), bare, save=False, overlap=False, **more))
with_traces = longest(lambda: ConversationSimulator(cases(SESSIONS), **more).simulate(waiting))
print(json.dumps({"without": without, "with": with_traces}))
"""

WAYS = """
from convsim_adapters.mlflow.catching import catching
from convsim_adapters.mlflow.names import RUN, SESSION, TURN
from convsim_adapters.mlflow.storing import Store
from convsim_adapters.mlflow import storing
history = [{"role": "user", "content": "Where is my order? " * 5},
           {"role": "assistant", "content": "Which order is it, please? " * 5}] * 3

def traces(count):
    with catching("ways") as catch:
        begun = cpu()
        for n in range(count):
            told = {RUN: "ways", SESSION: str(n), TURN: "1", "mlflow.trace.session": f"sim-{n}"}
            span = mlflow.start_span_no_context("predict", inputs=history, metadata=told)
            span.end(outputs="Which order is it, please?")
        making = (cpu() - begun) / count
        return making, [catch.take(str(n))[1][0] for n in range(count)]

def spent(write, count=200):
    write(traces(2)[1])
    _, made = traces(count)
    begun = cpu()
    for start in range(0, count, 100):
        write(made[start : start + 100])
    return (cpu() - begun) / count * 1000

def each(some):
    for trace in some:
        storing._write_one(store.client, trace)

def batch(some):
    with storing._transaction(store.client.store) as (_, together):
        storing._write_batch(together, some)

store = Store()
print(json.dumps({"making": traces(200)[0] * 1000, "each": spent(each), "batch": spent(batch),
                  "rows": spent(Store().write)}))
"""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    command = [sys.executable, str(SERVER), "--latency", str(MODEL), "--never"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        yield served.stdout.readline().strip().removesuffix("/chat/completions")
        served.kill()


@cache
def measured(
    url: str, code: str, sessions: int, at_once: int, agent: float = AGENT, nth: int = 0
) -> dict:
    del nth  # another measurement of the same
    command = [sys.executable, "-c", SETTING + code]
    command += [url, str(sessions), str(TURNS), str(agent), str(at_once)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    return json.loads(done.stdout.splitlines()[-1])


def middle(url: str, code: str, sessions: int, at_once: int, repeat: int) -> dict:
    found = [measured(url, code, sessions, at_once, nth=nth) for nth in range(repeat)]
    return {name: median(one[name] for one in found) for name in found[0]}


def figures(one: dict) -> str:
    return f"{one['cpu'] / one['turns'] * 1000:.1f} ms, {one['seconds']:.1f} s"


@pytest.mark.parametrize(("sessions", "repeat"), [(SMALL, 3), (LARGE, 1)])
def test_processor_time_and_wall_beside_mlflows_own(url: str, sessions: int, repeat: int) -> None:
    ours = middle(url, OURS, sessions, 200, 3)
    theirs = middle(url, THEIRS, sessions, 10, repeat)
    share = theirs["cpu"] / theirs["turns"] / (ours["cpu"] / ours["turns"])
    faster = theirs["seconds"] / ours["seconds"]
    what = f"processor time per turn and wall time, {sessions} × {TURNS}, untraced agent"
    aim = "1/5 of the time, aim 1/10" + (", and 1/10 of the wall" if sessions == LARGE else "")
    ROWS.append((what, aim, f"{figures(ours)}: 1/{share:.1f} and 1/{faster:.1f}", figures(theirs)))
    assert ours["stored"] == ours["turns"] == sessions * TURNS
    assert share >= 5
    if sessions == LARGE:
        assert faster >= 10


@pytest.mark.parametrize("at_once", [64, 256])
def test_many_conversations_at_once_lose_nothing(url: str, at_once: int) -> None:
    ours, theirs = measured(url, OURS, 256, at_once), measured(url, THEIRS, 256, at_once)
    own = theirs.get("raised") or f"{theirs['stored']} of {256 * TURNS} stored"
    what = f"256 × {TURNS}, {at_once} at once: traces stored"
    ROWS.append((what, "all", f"{ours['stored']} of {256 * TURNS}", own))
    assert ours["stored"] == ours["turns"] == 256 * TURNS


def test_traced_agents_lose_nothing(url: str) -> None:
    found = measured(url, TRACED, 600, 600, 0.0)
    what = f"600 × {TURNS} at once, traced agent with two spans: traces stored"
    ROWS.append((what, "all", f"{found['stored']} of {600 * TURNS}, {figures(found)}", "–"))
    assert found["stored"] == found["turns"] == 600 * TURNS


def test_the_loop_is_not_stalled(url: str) -> None:
    found = measured(url, STALLS, LARGE, LARGE)
    measured_ = f"{found['with']:.0f} ms"
    what = f"longest stall of the event loop, {LARGE} × {TURNS} at once"
    ROWS.append((what, "50 ms more than without", measured_, f"{found['without']:.0f} ms"))
    assert found["with"] - found["without"] <= 50


def test_the_ways_of_writing(url: str) -> None:
    found = measured(url, WAYS, 0, 0)
    told = ", ".join(f"{name} {found[name]:.1f}" for name in ("each", "batch", "rows"))
    what = "a trace of one span: making it, and each way of writing it, ms of processor time"
    ROWS.append((what, "–", f"making {found['making']:.1f}; {told}", "–"))
    assert found["rows"] < found["batch"] < found["each"]
