"""Conversations at the same time: how many, how they are stopped, what is told meanwhile."""

import logging
import os
import re
import signal
import threading
import time
from typing import Any

import mlflow
import pytest
from mlflow.exceptions import MlflowException

Messages = list[dict[str, str]]
WORKERS = "MLFLOW_GENAI_SIMULATOR_MAX_WORKERS"


def agent(input: Messages, **rest: Any) -> str:
    return f"It is on its way, as I said {len(input)} times."


def counts(found: list[list[Any]]) -> list[int]:
    return [len(traces) for traces in found]


@pytest.mark.parametrize(("told", "workers", "cases"), [("3", 3, 7), (None, 10, 20)])
def test_so_many_conversations_go_on_at_once(
    told: str | None,
    workers: int,
    cases: int,
    simulator_class: Any,
    store: str,
    wire: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """C35."""
    if told is not None:
        monkeypatch.setenv(WORKERS, told)
    lock, full = threading.Lock(), threading.Event()
    inside: list[int] = []
    most: list[int] = []

    def slow(input: Messages, **rest: Any) -> str:
        with lock:
            inside.append(1)
            most.append(len(inside))
            if len(inside) == workers:
                full.set()
        full.wait(30)  # nobody leaves before as many as may be are inside
        with lock:
            inside.pop()
        return agent(input)

    found = simulator_class([{"goal": "g"}] * cases, 1, wire.uri).simulate(slow)
    assert counts(found) == [1] * cases
    assert max(most) == workers


@pytest.mark.parametrize("workers", ["0", "-1"])
def test_a_number_of_workers_that_cannot_be_is_refused_by_name(
    workers: str,
    simulator_class: Any,
    store: str,
    wire: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """D47."""
    monkeypatch.setenv(WORKERS, workers)
    with pytest.raises((ValueError, MlflowException), match=WORKERS):
        simulator_class([{"goal": "g"}], 1, wire.uri).simulate(agent)
    assert wire.loopback.count == 0


def test_the_levels_of_loggers_are_left_alone(simulator_class: Any, store: str, wire: Any) -> None:
    """D16: also where two simulations overlap, and the first to begin is the first to end."""
    names = ("mlflow.tracing.export.async_export_queue", "mlflow.tracing.fluent", "mlflow", "")
    loggers = [logging.getLogger(name) for name in names]
    before = [logger.level for logger in loggers]
    seen: list[list[int]] = []
    begun, ended = threading.Event(), threading.Event()

    def first(input: Messages, **rest: Any) -> str:
        begun.wait(30)
        seen.append([logger.level for logger in loggers])
        return agent(input)

    def second(input: Messages, **rest: Any) -> str:
        begun.set()
        ended.wait(30)
        return agent(input)

    def simulate(predict_fn: Any) -> None:
        simulator_class([{"goal": "g"}], 1, wire.uri).simulate(predict_fn)

    with mlflow.start_run():
        threads = [threading.Thread(target=simulate, args=[one]) for one in (first, second)]
        for thread in threads:
            thread.start()
        threads[0].join()
        ended.set()
        threads[1].join()
    assert seen == [before]
    assert [logger.level for logger in loggers] == before


def test_ctrl_c_ends_it_and_nothing_more_is_asked(
    simulator_class: Any, store: str, wire: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """D27."""
    monkeypatch.setenv(WORKERS, "2")
    calls: list[str] = []

    def interrupted(input: Messages, mlflow_session_id: str) -> str:
        calls.append(mlflow_session_id)
        if len(calls) == 1:
            os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.05)
        return agent(input)

    simulator = simulator_class([{"goal": "g"}] * 20, 1, wire.uri)
    with pytest.raises(KeyboardInterrupt):
        simulator.simulate(interrupted)
    assert len(calls) < 20
    assert mlflow.active_run() is None
    (run,) = mlflow.search_runs(output_format="list")
    assert run.info.status in ("FAILED", "KILLED")


def test_progress_is_told_as_users_of_mlflow_know_it(
    simulator_class: Any, store: str, wire: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    """C74: conversations done, and whose time it was."""
    simulator_class([{"goal": "g"}] * 2, 1, wire.uri).simulate(agent)
    told = capsys.readouterr()
    assert "Simulating conversations" not in told.out
    assert "Simulating conversations" in told.err
    assert "0/2" in told.err
    assert "2/2" in told.err
    assert "(predict: 0%, simulator: 0%)" in told.err
    shares = re.findall(r"\(predict: ([0-9.]+)%, simulator: ([0-9.]+)%\)", told.err)
    assert sum(map(float, shares[-1])) == pytest.approx(100, abs=0.2)
