"""What MLflow's simulator costs beside ours where no side leaves a trace.

Without traces MLflow's own cannot return its conversations, nor may the drop-in: both raise at
their end. So the turns are counted where the agent is called; ours holds them in its sessions.
"""

import pytest
from measuring import SETTING, Took, Work, serving, side_by_side

pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'convsim-fp[mlflow]'")
pytestmark = pytest.mark.benchmark

TABLE = "mlflow-untraced"
ROWS: list[tuple[str, str, str, str]] = []
WORK = Work(sessions=200, turns=5, at_once=200, model=0.05, agent=0.02)
WORKERS = "10"  # MLflow's own default; with more it loses the run at its end

WITHOUT_TRACES = (
    SETTING
    + """
import logging, tempfile
os.environ["MLFLOW_DISABLE_TELEMETRY"] = "true"
os.environ["MLFLOW_GENAI_SIMULATOR_MAX_WORKERS"] = MORE[0]
os.chdir(tempfile.mkdtemp())
logging.disable(logging.ERROR)
import mlflow
mlflow.set_tracking_uri("sqlite:///m.db")
mlflow.set_experiment("speed")
mlflow.tracing.disable()
called = []

def predict_fn(messages, **_):
    called.append(1)
    time.sleep(AGENT)
    return {"role": "assistant", "content": "Which order is it, please?"}

def simulated(count):
    cases = [{"goal": f"get the money back for order {n}"} for n in range(count)]
    made = ConversationSimulator(cases, max_turns=TURNS, user_model="openai:/gpt-4o-mini")
    try:
        made.simulate(predict_fn)
    except mlflow.MlflowException as error:
        assert "produced no traces" in str(error), error
    return made

def measured():
    simulated(2)
    called.clear()
    begun, used = time.perf_counter(), cpu()
    made = simulated(SESSIONS)
    told(begun, used)
    assert len(called) == SESSIONS * TURNS
    return made
"""
)

DROP_IN = f"""{WITHOUT_TRACES}
from convsim_adapters.mlflow import ConversationSimulator
assert sum(session.turns for session in measured().sessions) == SESSIONS * TURNS
"""

SIMULATE = f"""{WITHOUT_TRACES}
from convsim_adapters import simulate

def simulated(count):
    cases = [{{"goal": f"get the money back for order {{n}}"}} for n in range(count)]
    settings = {{"user_model": "openai:/gpt-4o-mini", "save": False, "overlap": False}}
    return simulate(cases, predict_fn, max_turns=TURNS, concurrency=SESSIONS, **settings)

assert measured().stop_reasons == {{"max_turns": SESSIONS}}
"""

THEIRS = f"""{WITHOUT_TRACES}
from mlflow.genai.simulators import ConversationSimulator
measured()
"""


def figures(took: Took) -> str:
    return f"{took.cpu / WORK.sessions / WORK.turns * 1000:.1f} ms, {took.wall:.1f} s"


def test_no_traces_on_either_side() -> None:
    scripts = {"the drop-in": (DROP_IN, "200"), "`simulate`": (SIMULATE, "200")}
    with serving(WORK.model) as base:
        took = side_by_side(scripts, WORK, base, runs=3)
        theirs = side_by_side({"theirs": (THEIRS, WORKERS)}, WORK, base, runs=1)["theirs"]
    for name, ours in took.items():
        share, faster = theirs.cpu / ours.cpu, theirs.wall / ours.wall
        what = f"{WORK.name}: processor time per turn and wall time, {name}"
        measured = f"{figures(ours)}: 1/{share:.1f} and 1/{faster:.1f}"
        ROWS.append((what, "1/4 of the time, 1/12 of the wall", measured, figures(theirs)))
        assert share > 2
        assert faster > 4
