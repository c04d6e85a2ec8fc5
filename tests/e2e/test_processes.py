"""Runs whose sessions are shared by processes: the same outcome, one display, the same promises."""

import json
from pathlib import Path

import pytest

from convsim_adapters import simulate
from convsim_fp.errors import InvalidSpec

CASES = [
    {
        "id": f"c{n}",
        "goal": f"hear {n}",
        "script": [f"say {n}", f"again {n}"],
        "goal_when": "call 2",
    }
    for n in range(6)
]


def results(run: Path) -> list[dict[str, object]]:
    lines = (run / "results.jsonl").read_text("utf-8").splitlines()
    return [{**json.loads(line), "seconds": None} for line in lines]


@pytest.fixture
def many(here: Path) -> Path:
    (here / "many.json").write_text(json.dumps(CASES), "utf-8")
    return here


@pytest.mark.parametrize("more", [(), ("--agent", "agents:shop")])
def test_the_outcome_is_the_same_in_any_number_of_processes(convsim, many, more) -> None:
    words = ("run", "many.json", "--agent", "agents:Counter", "--trials", "3", *more)
    for number in ("1", "2", "3"):
        ran = convsim(*words, "--processes", number, "--out", f"in{number}")
        assert ran.code == 0, ran.err
        assert "18/18 sessions" in ran.err
        assert f"in {'18' if not more else '0'} of 18 sessions" in ran.out
    assert results(many / "in1") == results(many / "in2") == results(many / "in3")
    segments = sorted(path.name for path in (many / "in3" / "journal").glob("*.jsonl"))
    assert segments == ["0001.jsonl", "0002.jsonl", "0003.jsonl", "0004.jsonl"]
    again = convsim("replay", "in3")
    assert "18 of 18 sessions went again as recorded" in again.out, again.err


def test_what_no_other_process_could_find_is_refused_before_anything_is_recorded(
    tmp_path: Path,
) -> None:
    def agent(messages) -> str:
        return "Hi."

    with pytest.raises(InvalidSpec, match=r"agent is .*another process does not find") as told:
        simulate(CASES, agent, processes=2, out=tmp_path / "run")
    assert "package.module:attribute" in str(told.value)
    assert not (tmp_path / "run" / "journal").exists()


def test_what_agents_print_does_not_reach_the_protocol(convsim, many) -> None:
    ran = convsim("run", "many.json", "--agent", "agents:chatty", "--processes", "2", "--quiet")
    assert ran.code == 0
    assert "NOISE" in ran.err
    assert "NOISE" not in ran.out


def test_an_agent_that_is_not_there_is_told_once(convsim, many) -> None:
    ran = convsim("run", "many.json", "--agent", "agents:nobody", "--processes", "2")
    assert ran.code == 2
    assert ran.err.count("has no 'nobody'") == 1


def test_mlflow_is_refused_with_the_way_out(convsim, many) -> None:
    words = ("run", "many.json", "--agent", "agents:Counter", "--processes", "2")
    ran = convsim(*words, "--mlflow=sqlite:///m.db", "--out", "run")
    assert ran.code == 2
    assert "convsim export" in ran.err
    assert not (many / "run" / "journal").exists()


@pytest.mark.parametrize("processes", [1, 2])
def test_an_agent_that_changes_the_directory_takes_no_file_of_the_run_along(
    here, convsim, processes
) -> None:
    (here / "moving.py").write_text(MOVING, "utf-8")
    case = {"goal": "x", "script": ["hello"], "goal_when": "here"}
    (here / "moved.json").write_text(json.dumps([case, {**case, "id": "b"}]), "utf-8")
    words = ("--agent", "moving:Agent", "--out", "run", "--processes", str(processes))
    ran = convsim("run", "moved.json", *words)
    assert ran.code == 0, ran.err
    assert len((here / "run" / "results.jsonl").read_text().splitlines()) == 2
    assert convsim("show", "run").out.count("goal_achieved") >= 2
    assert [one.name for one in here.rglob("run")] == ["run"]


MOVING = """
import os

os.makedirs("below", exist_ok=True)
os.chdir("below")
DEEPER = os.path.abspath("deeper")


class Agent:
    def __init__(self):
        os.makedirs(DEEPER, exist_ok=True)  # each session in a thread of its own
        os.chdir(DEEPER)

    def __call__(self, messages):
        return "here"
"""
