"""What is said of runs: their settings, and what the command prints."""

from convsim_adapters import (
    simulate,
)
from convsim_adapters.journal_files import locked

CASES = """
- id: refund
  goal: a refund
  script: [I want a refund., Order W7.]
  goal_when: refunded
- id: parcel
  goal: where the parcel is
  script: [Where is it?]
  goal_when: refunded
"""
DESK = """
from convsim_fp import Leave, Say
from convsim_fp.errors import Unavailable


def agent(messages):
    return "It is refunded." if "W7" in messages[-1]["content"] else "Which order?"


def other(messages):
    return "Your order, please."


def broken(messages):
    raise KeyError("order")


def model(request):
    return "yes" if request.id.lane == "goal_check" else "I want a refund."


def down(request):
    raise Unavailable("openai/llama: 503: no room")


def parts(messages):
    yield "Hi."


class Remembers:
    def __call__(self, messages):
        return "Which order?"


words = "Hello."


def user(view):
    return Say(words) if view.turn < 3 else Leave("it has said all")


class Interrupts:
    def __init__(self):
        self.calls = 0

    def __call__(self, messages):
        self.calls += 1
        if self.calls == 2:
            raise KeyboardInterrupt
        return "Which order?"


number = 7
"""
TWO = [{"goal": "pay", "id": "pay"}, {"goal": "go", "id": "go"}]
SCRIPTED = [{"goal": "pay", "id": "pay", "script": ["Hi."], "goal_when": "x"}]


def hi(messages):
    return "Hi."


def settings(desk) -> None:
    odd = {
        "trials": 0,
        "concurrency": "many",
        "retries": -1,
        "processes": True,
        "rpm": 0,
        "tpm": 1.5,
        "seed": "x",
        "agent_state": "memory",
        "client": "curl",
        "durability": "none",
        "timeout": float("nan"),
        "max_cost": 0,
        "max_turns": 0,
        "user": "scriptd",
        "goal_check": str,
        "user_params": {"temperature": 1},
    }
    desk.by(simulate, SCRIPTED, hi, **odd)
    desk.by(simulate, SCRIPTED)
    desk.by(simulate, SCRIPTED, hi, max_turn=3)
    desk.by(simulate, hi, SCRIPTED)
    desk.by(simulate, SCRIPTED, hi, user_params="x", save="no", out=7, finished=7, select=7)
    desk.by(simulate, TWO, hi)
    desk.by(simulate, TWO, hi, user="scripted", goal_check="when")
    desk.by(simulate, TWO * 4, hi)
    desk.by(simulate, SCRIPTED, hi, goal_params={"temperature": 0})
    priced = {"user_model": "openai/nobodys", "user_params": {"api_base": "http://127.0.0.1:9/v1"}}
    desk.by(simulate, TWO, hi, max_cost=1, client="direct", **priced)
    desk.by(simulate, SCRIPTED, hi, processes=2, save=False)
    desk.by(simulate, SCRIPTED, None, save=False)
    desk.by(simulate, [{"goal": "x", "script": ["Hi."], "agenda": ["Hi."]}], hi, goal_check="never")
    desk.by(simulate, SCRIPTED, hi, user=7, goal_check="shop:")
    desk.by(simulate, SCRIPTED, hi, processes=2, sink=lambda entry: None, out="out")


def cases(desk) -> None:
    import pandas as pd

    desk.by(simulate, 7, hi)
    desk.by(simulate, [], hi)
    desk.by(simulate, pd.DataFrame({"goal": []}), hi)
    desk.by(simulate, [{"goal": "pay"}, {"goal": "go", "id": "case-0"}], hi)
    desk.by(simulate, SCRIPTED, hi, select=["pey", "tag:red", "zzz"])
    desk.by(simulate, [{"goal": "pay", "script": 7, "agenda": [7]}], hi)


def targets(desk) -> None:
    _written(desk)
    desk.file("msgs_broken.py", "import nowhere_at_all\n")
    desk.file("msgs_raises.py", "def agent(\n")
    desk.file("msgs_exits.py", "raise ValueError('no key')\n")
    for agent in (
        "shop",
        "msgs_dest:agent",
        "msgs_desk:agnt",
        "msgs_desk:number",
        "msgs_desk:parts",
        "msgs_broken:agent",
        "msgs_raises:agent",
        "msgs_exits:agent",
    ):
        desk.by(simulate, SCRIPTED, agent, save=False)
    desk.by(simulate, TWO, "msgs_desk:agent", user_model="msgs_desk:number", save=False)
    desk.by(simulate, TWO, "msgs_desk:agent", user="msgs_desk:Remembers", save=False)


def _written(desk) -> None:
    desk.file("msgs_desk.py", DESK)
    desk.file("cases.yaml", CASES)


RUN = "run cases.yaml --agent msgs_desk:agent --quiet"


def usage(desk) -> None:
    _written(desk)
    for line in (
        "rum",
        "run",
        "run cases.yaml",
        f"{RUN} --trials 0",
        f"{RUN} --trials many",
        f"{RUN} --user-param temperature",
        f"{RUN} --user-param t=1 --user-param t=2",
        f"{RUN} --format xml",
        f"{RUN} --fail-under 2",
        f"{RUN} --colour red",
        f"{RUN} --experiment x",
        f"{RUN} --mlflow cases.yaml",
        "completion tcsh",
        "fork runs/x refund",
    ):
        desk.command(line)


def checks(desk) -> None:
    _written(desk)
    desk.file("odd.yaml", "- goal: pay\n  colour: red\n- {goal: go, id: go}\n")
    desk.command("check odd.yaml")
    desk.command("check cases.yaml --agent msgs_desk:agnt --user-param t=1 --trials 2")
    desk.command("check nowhere.yaml")
    desk.command("run odd.yaml --agent msgs_desk:agent --out out")
    desk.command("demo --write shop")
    desk.command("demo --write shop")
    desk.command("demo --write cases.yaml/shop")


def runs(desk) -> None:
    _written(desk)
    desk.command(f"{RUN} --out fine")
    desk.command(f"{RUN} --out fine")
    desk.command("run cases.yaml --agent msgs_desk:broken --out broken --quiet")
    models = "--user model --user-model msgs_desk:model --goal-check model"
    desk.command(f"{RUN} {models} --out tokens --max-tokens 100 --max-turns 1")
    desk.command(f"{RUN} {models} --out processes --processes 2 --mlflow=sqlite:///x.db")
    desk.command(f"run cases.yaml --agent msgs_desk:agent --quiet --out {desk.file('file', '')}")
    desk.command(f"{RUN} --out file/below")
    down = models.replace("desk:model", "desk:down")
    desk.command(f"{RUN} {down} --out down --retries 0 --overlap")
    (desk.path / "unsaved/.results.jsonl.new").mkdir(parents=True)
    desk.command(f"{RUN} --out unsaved")
    (desk.path / "reported/report.html").mkdir(parents=True)
    desk.command(f"{RUN} --out reported --report")
    desk.command("run cases.yaml --agent msgs_desk:agent --out table --fail-under 0.9", shown=True)
    (desk.path / "held").mkdir()
    with locked(desk.path / "held"):
        desk.command(f"{RUN} --out held")
    desk.by(_locked, desk.path / "file")


def _locked(path) -> None:
    with locked(path):
        pass


TRIGGERS = {
    "Settings of a run": settings,
    "Cases of a run": cases,
    "Targets": targets,
    "Options": usage,
    "Checks, and the demo": checks,
    "Runs": runs,
}
