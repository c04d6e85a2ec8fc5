# ruff: noqa: SLF001  what is private of MLflow's tracing is used here, and told of in the docs
"""Traces of the agent under test, caught as they end, before MLflow's exporter gets them.

That exporter writes one trace at a time through queues that drop what does not fit. It keeps every
trace but those of a run that catches, which are told by their metadata; so the thread in which an
agent made its trace does not matter, as long as the context variables reach it.

MLflow has no public way to do this. What is used beneath it is looked for first, and only in the
versions that were tried; where anything is missing, nothing is caught, and traces go MLflow's way.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from threading import Lock
from typing import Any

from attrs import define, field
from mlflow.entities import Trace

from convsim_adapters.mlflow.names import RUN, SESSION, TURN
from convsim_adapters.mlflow.versions import is_tried

__all__ = ["Catch", "catching"]

INSTALLING = Lock()


@define
class Catch:
    """What the agents of one run have traced. `works` says whether anything can be caught."""

    works: bool = False
    _found: dict[str, list[tuple[int, Trace]]] = field(factory=lambda: defaultdict(list))
    _lock: Any = field(factory=Lock, repr=False)

    def add(self, metadata: Mapping[str, str], trace: Trace) -> None:
        """File a trace under its session and turn."""
        with self._lock:
            self._found[metadata[SESSION]].append((int(metadata[TURN]), trace))

    def has(self, session: str, turn: int) -> bool:
        """Whether anything was caught of a turn."""
        with self._lock:
            return any(found == turn for found, _ in self._found.get(session, ()))

    def take(self, session: str) -> dict[int, list[Trace]]:
        """Hand out what was caught of a session, by turn, in the order in which it ended."""
        with self._lock:
            found = self._found.pop(session, [])
        by_turn: dict[int, list[Trace]] = {}
        for turn, trace in found:
            by_turn.setdefault(turn, []).append(trace)
        return by_turn


@contextmanager
def catching(run: str) -> Generator[Catch]:
    """Catch the traces whose metadata name this run, for as long as it goes on."""
    catch = Catch()
    processors = _processors()
    if not processors:
        yield catch
        return
    catch.works = True
    with INSTALLING:
        for processor in processors:
            _front_of(processor).catches[run] = catch
    try:
        yield catch
    finally:
        with INSTALLING:
            for processor in processors:
                _withdraw(processor, run)


class _Front:
    """Stands before MLflow's exporter, and lets all pass but the traces of runs that catch."""

    def __init__(self, behind: Any, batches: Any) -> None:
        self.behind = behind
        self.batches = batches
        self.catches: dict[str, Catch] = {}

    def export(self, spans: Sequence[Any]) -> Any:
        """Take what is caught; the rest goes on as it came."""
        rest = [span for span in spans if not self._caught(span)]
        return self.behind.export(rest) if rest else None

    def _caught(self, span: Any) -> bool:
        manager = _manager()
        otel_id = span.context.trace_id
        trace_id = manager.get_mlflow_trace_id_from_otel_id(otel_id)
        if trace_id is None:
            return False
        with manager.get_trace(trace_id) as known:
            metadata: Mapping[str, str] = {} if known is None else known.info.trace_metadata
            spans = () if known is None else tuple(known.span_dict.values())
        catch = self.catches.get(metadata.get(RUN, ""))
        if catch is None or not {SESSION, TURN} <= metadata.keys():
            return False
        if any(one.end_time_ns is None for one in spans):
            return True  # whole when its last span ends, be that the root or not
        popped = manager.pop_trace(otel_id)
        if popped is not None:
            catch.add(metadata, popped.trace)
        return True

    def __getattr__(self, name: str) -> Any:
        return getattr(self.behind, name)


def _front_of(processor: Any) -> _Front:
    if not isinstance(processor.span_exporter, _Front):
        # Without batches a span reaches the exporter as it ends, so no queue can be full.
        front = _Front(processor.span_exporter, getattr(processor, "_batch_delegate", None))
        processor.span_exporter = front
        if front.batches is not None:
            processor._batch_delegate = None
    found: _Front = processor.span_exporter
    return found


def _withdraw(processor: Any, run: str) -> None:
    front = processor.span_exporter
    if not isinstance(front, _Front):
        return  # tracing was set up anew meanwhile
    front.catches.pop(run, None)
    if not front.catches:
        processor.span_exporter = front.behind
        if front.batches is not None:
            processor._batch_delegate = front.batches


def _processors() -> tuple[Any, ...]:
    """The processors that write to an MLflow store; none where this MLflow is another one."""
    if not is_tried():
        return ()
    try:
        exporter = import_module("mlflow.tracing.export.mlflow_v3").MlflowV3SpanExporter
        provider = import_module("mlflow.tracing.provider").provider
        provider.get_or_init_tracer("convsim")
        listed = tuple(provider.get()._active_span_processor._span_processors)
        manager = _manager()
    except (AttributeError, ImportError):
        return ()
    needed = ("get_mlflow_trace_id_from_otel_id", "get_trace", "pop_trace")
    if not all(hasattr(manager, name) for name in needed):
        return ()
    return tuple(
        one for one in listed if isinstance(getattr(one, "span_exporter", None), exporter | _Front)
    )


def _manager() -> Any:
    return import_module("mlflow.tracing.trace_manager").InMemoryTraceManager.get_instance()
