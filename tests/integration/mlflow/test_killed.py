"""A simulation whose process is killed, and what goes on from its journal."""

import json
import os
import subprocess
import sys
import textwrap
from collections import Counter
from importlib import import_module
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Trace

SESSION, TURN = "mlflow.trace.session", "mlflow.simulation.turn"
CASES = [{"goal": f"goal {n}", "context": {"order": n}} for n in range(6)]
TURNS, CONCURRENCY = 3, 2
CHILD = textwrap.dedent(
    """
    import json, sys
    from convsim_adapters.mlflow import ConversationSimulator
    import agent_of_both

    how = json.loads(sys.argv[1])
    agent_of_both.KILL_AT = how.pop("kill_at")
    ConversationSimulator(user_model="openai:/m", **how).simulate(agent_of_both.agent)
    """
)
AGENT = textwrap.dedent(
    """
    import os, signal
    from pathlib import Path

    import mlflow

    CALLS = Path(__file__).with_name("calls.txt")
    KILL_AT = None

    def agent(messages, mlflow_session_id, order):
        with CALLS.open("a") as calls:
            calls.write(f"{order} {len(messages) // 2}\\n")
        if KILL_AT is not None and len(CALLS.read_text().splitlines()) >= KILL_AT:
            os.kill(os.getpid(), signal.SIGKILL)
        return (traced if order % 2 else answer)(messages, order)

    def answer(messages, order):
        return f"answer {len(messages)} for {order}"

    traced = mlflow.trace(answer, name="own")
    """
)


def talk(body: dict[str, Any]) -> str:
    if "response_format" in body:
        return json.dumps({"rationale": "Not yet.", "result": "no"})
    return "Where is my order?"


def told(traces: list[Trace], name: str) -> list[str | None]:
    return [trace.info.trace_metadata.get(name) for trace in traces]


def test_a_killed_simulation_goes_on_from_its_journal(
    simulator_class: Any,
    store: str,
    loopback: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D31: nothing recorded is asked again; every turn has its trace, once, traced or not."""
    loopback.talk = talk
    monkeypatch.setenv("OPENAI_API_BASE", loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "agent_of_both.py").write_text(AGENT)
    how = {
        "test_cases": CASES,
        "max_turns": TURNS,
        "concurrency": CONCURRENCY,
        "journal": str(tmp_path / "journal"),
    }
    killed = subprocess.run(
        [sys.executable, "-c", CHILD, json.dumps({**how, "kill_at": 10})],
        env={**os.environ, "MLFLOW_TRACKING_URI": store, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert killed.returncode == -9, killed.stderr
    predict_fn = import_module("agent_of_both").agent
    del sys.modules["agent_of_both"]
    simulator = simulator_class(user_model="openai:/m", **how)
    found = simulator.simulate(predict_fn)
    assert [one.stop_reason.value for one in simulator.sessions] == ["max_turns"] * len(CASES)
    check_asked(loopback)
    check_called(tmp_path / "calls.txt")
    check_traces(found)


def check_asked(loopback: Any) -> None:
    """Each request to a model came once, but for those in flight when it was killed."""
    asked = Counter(json.dumps(seen.body, sort_keys=True) for seen in loopback.seen)
    assert len(asked) == len(CASES) * TURNS * 2
    assert sum(asked.values()) - len(asked) <= CONCURRENCY


def check_called(calls: Path) -> None:
    """The agent was called once for each turn, but for the calls in flight."""
    called = Counter(calls.read_text().splitlines())
    assert called.keys() == {f"{n} {turn}" for n in range(len(CASES)) for turn in range(TURNS)}
    assert called.total() - len(called) <= CONCURRENCY


def check_traces(found: list[list[Trace]]) -> None:
    """All turns are returned and stored, those from before the kill too, and each once."""
    kept = mlflow.search_traces(return_type="list")
    assert len(kept) == len(CASES) * TURNS
    places = Counter(zip(told(kept, SESSION), told(kept, TURN), strict=True))
    assert set(places.values()) == {1}
    assert {trace.info.trace_id for traces in found for trace in traces} == {
        trace.info.trace_id for trace in kept
    }
    for n, traces in enumerate(found):
        assert told(traces, TURN) == ["0", "1", "2"]
        assert len(set(told(traces, SESSION))) == 1
        assert told(traces, "mlflow.simulation.goal") == [f"goal {n}"] * TURNS
        for turn, trace in enumerate(traces):
            (span,) = trace.data.spans
            assert f"answer {2 * turn + 1} for {n}" in json.dumps(span.outputs)
            assert len(span.inputs["messages"]) == 2 * turn + 1
    assert set(told(kept, "convsim.stop_reason")) == {"max_turns"}
