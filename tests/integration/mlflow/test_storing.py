"""Traces into a store: quickly, and with exactly what MLflow would have written."""

import os
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from secrets import token_hex
from typing import Any

import mlflow
import pytest
from attrs import evolve
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from mlflow.entities import Trace
from mlflow.tracing.client import TracingClient

from convsim_adapters.mlflow.catching import catching
from convsim_adapters.mlflow.identities import Identity, identified
from convsim_adapters.mlflow.made import Destination, SessionMade, traces_of
from convsim_adapters.mlflow.storing import Store
from convsim_adapters.mlflow.turns import TurnMade
from convsim_adapters.mlflow.writing import Writer
from convsim_fp.core import TestCase, new_session
from convsim_fp.testing.strategies import texts

CONVERSATIONS = 60 if os.environ.get("CONVSIM_LOAD") == "full" else 21
KEY, START = "5e55", 1_700_000_000.0
odd = texts() | st.sampled_from(("", "a\x00b", "\U0001f600", "half \ud800", "line\u2028", "'; --"))
values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | odd,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(odd, inner, max_size=3),
    max_leaves=6,
)


def session_of(outputs: Sequence[object], name: str = "c0", goal: str = "pay") -> SessionMade:
    """A session whose agent answered these things, at some time of the past."""
    case = TestCase(goal=goal, id=name)
    session = new_session(name, 1, 0)
    turns = tuple(
        TurnMade(session, case, turn, {"messages": [value]}, value, START + turn, 0.25)
        for turn, value in enumerate(outputs, start=1)
    )
    return SessionMade(KEY, session.id, turns, {"convsim.stop_reason": "user_left"}, {})


@pytest.fixture
def written(store: str) -> Iterator[tuple[Store, Any]]:
    """A store that has seen its first trace, and what catches traces."""
    with catching(KEY) as catch:
        found = Store()
        found.write(traces_of(session_of(["first", "second"], "warm"), catch, Destination("0")))
        assert found._rows is not None, "traces of this MLflow are not written as rows"
        yield found, catch


def named_anew(trace: Trace) -> Trace:
    """Under ids that no example has had: OpenTelemetry draws them from `random`, which repeats."""
    ids = token_hex(24)
    return identified(trace, Identity(ids[:32], ids[32:]))


def read(traces: Sequence[Trace]) -> list[Trace]:
    told = [trace.info.trace_id for trace in traces]
    by_id = {one.info.trace_id: one for one in TracingClient().batch_get_traces(told)}
    return [by_id[one] for one in told]


def shown(trace: Trace) -> dict[str, Any]:
    """All that MLflow says of a trace but its ids."""
    info = trace.info.to_dict()
    spans = [span.to_dict() for span in trace.data.spans]
    for one in spans:
        del one["trace_id"], one["span_id"], one["attributes"]["mlflow.traceRequestId"]
    del info["trace_id"], info["tags"]["mlflow.artifactLocation"]
    info["assessments"] = len(trace.info.assessments)
    return {**info, "spans": spans}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(outputs=st.lists(values, min_size=1, max_size=2), name=odd)
@example(outputs=["", None, 0], name="\ud800")
def test_rows_are_what_mlflow_writes_itself(
    written: tuple[Store, Any], outputs: list[object], name: str
) -> None:
    """Law: a trace written as rows reads back as its twin does that MLflow has written."""
    store, catch = written
    session = session_of(outputs, goal=f"pay {name}")
    traces, twins = (
        [named_anew(trace) for trace in traces_of(session, catch, Destination("0"))]
        for _ in range(2)
    )
    store.write(traces)
    client = TracingClient()
    for twin in twins:
        mlflow.tracing.utils.add_size_stats_to_trace_metadata(twin)
        client.start_trace(twin.info)
        client.log_spans("0", twin.data.spans)
    assert not store.refused
    for ours, theirs in zip(read(traces), read(twins), strict=True):
        assert shown(ours) == shown(theirs)


def broken(trace: Trace) -> Trace:
    """A trace with half a letter in it, as only an agent that traces can make one."""
    trace.data.spans[0]._span._attributes = {
        **trace.data.spans[0]._span._attributes,
        "mlflow.spanOutputs": '"half \ud800"',
    }
    return trace


@pytest.mark.parametrize("expected", [{}, {"kind": "short"}], ids=["rows", "batch"])
def test_a_trace_that_no_store_takes_keeps_no_other_out(
    expected: dict[str, str], written: tuple[Store, Any]
) -> None:
    """Whichever way it would have gone: with an expectation it is not plain."""
    store, catch = written
    session = evolve(session_of(["a"]), expectations=expected)
    bad = broken(traces_of(session, catch, Destination("0"))[0])
    good = traces_of(session_of([*"abcdefg"], "c1"), catch, Destination("0"))
    store.write([*good[:3], bad, *good[3:]])
    assert [trace.info.trace_id for trace, _ in store.refused] == [bad.info.trace_id]
    kept = {trace.info.trace_id for trace in mlflow.search_traces(return_type="list")}
    assert kept >= {trace.info.trace_id for trace in good}
    assert len(kept) == 2 + 7


def test_what_is_written_twice_is_there_once(written: tuple[Store, Any]) -> None:
    """After a failure it is not known how far the store came."""
    store, catch = written
    traces = traces_of(session_of(["a", "b"]), catch, Destination("0"))
    store.write(traces[:1])
    store.write(traces)
    assert len(mlflow.search_traces(return_type="list")) == 4
    assert [len(trace.data.spans) for trace in read(traces)] == [1, 1]


def test_traces_that_are_not_plain_are_written_with_all_they_have(store: str) -> None:
    """Of several spans, with expectations, in more than one experiment."""
    other = mlflow.create_experiment("other")
    expecting = evolve(session_of(["a", "b"]), expectations={"kind": "short"})
    with catching(KEY) as catch:
        traces = [
            *traces_of(expecting, catch, Destination("0")),
            *traces_of(session_of(["c"], "c1"), catch, Destination(other)),
        ]
        Store().write(traces)
    found = read(traces)
    assert [trace.info.experiment_id for trace in found] == ["0", "0", other]
    assert [len(trace.info.assessments) for trace in found] == [1, 0, 0]
    assert [trace.data.spans[0].outputs for trace in found] == ["a", "b", "c"]


def test_the_public_way_loses_nothing_either(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With nothing private used of MLflow, and more turns than are written together."""
    monkeypatch.setenv("CONVSIM_MLFLOW_PUBLIC_ONLY", "1")
    with catching(KEY) as catch:
        assert not catch.works
        writer = Writer(KEY, Destination, catch, SimpleQueue())
        for n in range(CONVERSATIONS):
            writer.put(session_of([f"{n} {turn}" for turn in range(5)], f"c{n}"))
        writer.waiting.put(None)
        writer.go()
    projected = writer.projected()
    assert (projected.written, projected.unwritten, projected.trouble) == (
        5 * CONVERSATIONS,
        0,
        None,
    )
    found = mlflow.search_traces(return_type="list", max_results=1000)
    told = [trace.info.trace_metadata for trace in found]
    assert Counter((one["convsim.session"], one["convsim.turn"]) for one in told) == Counter(
        (f"c{n}/1", str(turn)) for n in range(CONVERSATIONS) for turn in range(1, 6)
    )
    assert {len(trace.data.spans) for trace in found} == {1}


def test_what_waits_is_counted_while_mlflow_does_not_answer(store: str) -> None:
    """However far the thread that writes has come: nothing that was put is forgotten."""
    asked, answers = threading.Event(), threading.Event()

    def slow() -> Destination:
        asked.set()
        answers.wait(30)
        return Destination("0")

    with catching(KEY) as catch:
        writer = Writer(KEY, slow, catch, SimpleQueue())
        thread = threading.Thread(target=writer.go, daemon=True)
        thread.start()
        writer.put(session_of(["a", "b"]))
        asked.wait(30)
        writer.put(session_of(["c"], "c1"))
        stuck = writer.projected()
        answers.set()
        writer.waiting.put(None)
        thread.join(30)
    assert (stuck.written, stuck.unwritten) == (0, 3)
    assert stuck.trouble == "it has not answered yet"
    whole = writer.projected()
    assert (whole.written, whole.unwritten, whole.trouble) == (3, 0, None)
