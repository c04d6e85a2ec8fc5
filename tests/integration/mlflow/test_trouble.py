"""Agents, stores and settings that get in the way of tracing: nothing is lost, doubled or moved."""

import datetime as dt
import json
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import mlflow
import pytest
from mlflow.entities import Trace

CASES = [{"goal": f"find the order {number}"} for number in range(3)]
TURN = "mlflow.simulation.turn"


@pytest.fixture(autouse=True)
def _back_to_the_default_experiment(store: str) -> Iterator[None]:
    yield
    mlflow.set_experiment(experiment_id="0")


def agent(messages: list[dict[str, str]], **_: Any) -> str:
    return f"You have said {len(messages)} things."


def counts(found: list[list[Trace]]) -> list[int]:
    return [len(traces) for traces in found]


def everywhere() -> list[Trace]:
    mlflow.flush_trace_async_logging()
    experiments = [one.experiment_id for one in mlflow.search_experiments()]
    return mlflow.search_traces(locations=experiments, return_type="list", max_results=1000)


def places(traces: list[Trace]) -> Counter[tuple[str, str]]:
    told = [trace.info.trace_metadata for trace in traces]
    return Counter((one["convsim.session"], one[TURN]) for one in told)


def once_each(found: list[list[Trace]], turns: int) -> bool:
    """Whether each turn has one trace, which is in the store, and nothing else is there."""
    stored = everywhere()
    got = {trace.info.trace_id for traces in found for trace in traces}
    return (
        counts(found) == [turns] * len(found)
        and {trace.info.trace_id for trace in stored} == got
        and set(places(stored).values()) == {1}
        and all("convsim.stop_reason" in trace.info.trace_metadata for trace in stored)
    )


@mlflow.trace
def traced(messages: list[dict[str, str]], **_: Any) -> str:
    return agent(messages)


def test_the_result_is_whole_where_figures_cannot_be_written(
    simulator_class: Any, store: str, wire: Any, logs: pytest.LogCaptureFixture
) -> None:
    with closing(sqlite3.connect(store.removeprefix("sqlite:///"))) as opened, opened:
        opened.execute("UPDATE experiments SET artifact_location = '/proc/nope'")
    found = simulator_class(CASES, 2, wire.uri).simulate(agent)
    assert once_each(found, 2)
    assert "did not take the run's figures" in logs.text


@pytest.mark.parametrize("speaks", [agent, traced])
@pytest.mark.parametrize("when", ["always", "once"])
def test_an_agent_may_choose_an_experiment(
    simulator_class: Any, store: str, wire: Any, speaks: Any, when: str
) -> None:
    """It sets tracing up anew, in the middle of the run."""
    chosen = threading.Event()

    def choosing(messages: list[dict[str, str]], **_: Any) -> str:
        if when == "always" or not chosen.is_set():
            chosen.set()
            mlflow.set_experiment("of the agent's own")
        return str(speaks(messages))

    found = simulator_class(CASES, 2, wire.uri).simulate(choosing)
    assert once_each(found, 2)


@pytest.mark.parametrize("speaks", [agent, traced])
def test_traces_are_of_the_simulations_run_whatever_else_is_running(
    simulator_class: Any, store: str, wire: Any, speaks: Any
) -> None:
    """C54."""
    done, begun = threading.Event(), threading.Event()

    def training() -> None:
        with mlflow.start_run(run_name="training"):
            begun.set()
            done.wait(30)

    def in_a_run(messages: list[dict[str, str]], **_: Any) -> str:
        with mlflow.start_run(nested=True):
            return str(speaks(messages))

    other = threading.Thread(target=training)
    other.start()
    begun.wait(30)
    try:
        with mlflow.start_run() as run:
            found = simulator_class(CASES, 2, wire.uri).simulate(in_a_run)
    finally:
        done.set()
        other.join()
    both = [*everywhere(), *(trace for traces in found for trace in traces)]
    assert {one.info.trace_metadata["mlflow.sourceRun"] for one in both} == {run.info.run_id}


def test_an_expectation_that_is_no_json_is_stored_as_text(
    simulator_class: Any, store: str, wire: Any
) -> None:
    day = dt.date(2020, 1, 1)
    case = {"goal": "g", "expectations": {"day": day, "odd": float("inf"), "polite": True}}
    found = simulator_class([case], 2, wire.uri).simulate(agent)
    assert once_each(found, 2)
    [first] = [one for one in everywhere() if one.info.trace_metadata[TURN] == "0"]
    told = {one.name: one.value for one in first.info.assessments}
    assert told == {"day": "2020-01-01", "odd": "inf", "polite": True}


@pytest.mark.parametrize("speaks", [agent, traced])
def test_a_run_goes_on_from_another_experiment(
    simulator_class: Any, store: str, wire: Any, tmp_path: Path, speaks: Any
) -> None:
    mlflow.set_experiment("first")
    before = simulator_class(CASES, 2, wire.uri, journal=tmp_path / "run").simulate(speaks)
    mlflow.set_experiment("second")
    again = simulator_class(CASES, 2, wire.uri, journal=tmp_path / "run").simulate(speaks)
    ids = [[trace.info.trace_id for trace in traces] for traces in before]
    assert [[trace.info.trace_id for trace in traces] for traces in again] == ids
    assert once_each(again, 2)
    first = mlflow.get_experiment_by_name("first")
    assert {trace.info.experiment_id for trace in everywhere()} == {first.experiment_id}


def test_simulations_under_one_run_share_its_table(
    simulator_class: Any, store: str, wire: Any
) -> None:
    with mlflow.start_run() as run:
        for case in CASES[:2]:
            simulator_class([case], 1, wire.uri).simulate(agent)
        path = mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="convsim_sessions.json"
        )
    table = json.loads(Path(path).read_text(encoding="utf-8"))
    goals = [row[table["columns"].index("goal")] for row in table["data"]]
    assert goals == [case["goal"] for case in CASES[:2]]


def test_a_span_that_never_ends_does_not_keep_its_trace(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """As of a stream that nobody reads to its end."""

    @mlflow.trace
    def leaking(messages: list[dict[str, str]], **_: Any) -> str:
        here = mlflow.get_current_active_span()
        mlflow.start_span_no_context("stream", parent_span=here)
        return agent(messages)

    found = simulator_class(CASES, 2, wire.uri).simulate(leaking)
    assert once_each(found, 2)
    assert {len(trace.data.spans) for traces in found for trace in traces} == {2}


def test_changed_cases_are_refused_with_what_can_be_done_here(
    simulator_class: Any, store: str, wire: Any, tmp_path: Path
) -> None:
    simulator_class(CASES, 1, wire.uri, journal=tmp_path / "run").simulate(agent)
    other = simulator_class(
        [{"goal": "another"}, *CASES[1:]], 1, wire.uri, journal=tmp_path / "run"
    )
    with pytest.raises(ValueError, match="another directory as journal") as refused:
        other.simulate(agent)
    assert "accept" not in str(refused.value)


def test_tracing_that_is_off_or_sampled_is_told(
    simulator_class: Any, store: str, wire: Any, logs: pytest.LogCaptureFixture
) -> None:
    mlflow.tracing.disable()
    try:
        with pytest.raises(mlflow.MlflowException, match=r"mlflow\.tracing\.enable"):
            simulator_class(CASES, 2, wire.uri).simulate(agent)
    finally:
        mlflow.tracing.enable()
    assert "6 turns left no trace" in logs.text
    assert "has lost" not in logs.text


def test_a_trace_of_another_run_is_not_taken_for_this_one(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """An agent that keeps its answers gives the trace id of an old one with it."""
    [[old]] = simulator_class(CASES[:1], 1, wire.uri).simulate(agent)
    session = old.info.trace_metadata["mlflow.trace.session"]

    def cached(messages: list[dict[str, str]], **_: Any) -> dict[str, str]:
        said = {"role": "assistant", "content": agent(messages)}
        return {**said, "trace_id": old.info.trace_id}

    [[new]] = simulator_class(CASES[:1], 1, wire.uri).simulate(cached)
    assert new.info.trace_id != old.info.trace_id
    kept = mlflow.get_trace(old.info.trace_id)
    assert kept.info.trace_metadata["mlflow.trace.session"] == session
