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
    """What the agents of one run have traced. `works` says whether anything can be caught.

    `replaced` says that tracing was set up anew meanwhile, as `mlflow.set_experiment` does: what
    was traced until that was noticed went MLflow's own way.
    """

    run: str
    works: bool = False
    replaced: bool = False
    _provider: Any = None
    _before: list[Any] = field(factory=list[Any])
    _found: dict[str, list[tuple[int, Trace]]] = field(factory=lambda: defaultdict(list))
    _open: dict[str, list[tuple[int, int]]] = field(factory=lambda: defaultdict(list))
    _lock: Any = field(factory=Lock, repr=False)

    def renew(self) -> None:
        """Stand before MLflow's exporter, where that is not so already."""
        provider = _provider()
        if provider is None or provider is self._provider:
            return
        with INSTALLING:
            processors = _processors(provider)
            for processor in processors:
                _front_of(processor).catches[self.run] = self
            self._before += processors
        if processors:
            self.replaced = self._provider is not None
            self.works = True
            self._provider = provider

    def withdraw(self) -> None:
        """Leave MLflow's exporters as they were."""
        with INSTALLING:
            for processor in self._before:
                _withdraw(processor, self.run)

    def add(self, metadata: Mapping[str, str], trace: Trace) -> None:
        """File a trace under its session and turn."""
        with self._lock:
            self._found[metadata[SESSION]].append((int(metadata[TURN]), trace))

    def wait_for(self, metadata: Mapping[str, str], otel_id: int) -> None:
        """Note a trace whose root has ended, and other spans have not."""
        with self._lock:
            self._open[metadata[SESSION]].append((int(metadata[TURN]), otel_id))

    def has(self, session: str, turn: int) -> bool:
        """Whether anything was caught of a turn."""
        with self._lock:
            return any(found == turn for found, _ in self._found.get(session, ()))

    def take(self, session: str) -> dict[int, list[Trace]]:
        """Hand out what was caught of a session, by turn, in the order in which it ended.

        Of a trace with spans that have not ended, what there is.
        """
        with self._lock:
            found = self._found.pop(session, [])
            still_open = self._open.pop(session, [])
        by_turn: dict[int, list[Trace]] = {}
        for turn, trace in found:
            by_turn.setdefault(turn, []).append(trace)
        for turn, otel_id in still_open:
            popped = _manager().pop_trace(otel_id)
            if popped is not None:
                by_turn.setdefault(turn, []).append(popped.trace)
        return by_turn


@contextmanager
def catching(run: str) -> Generator[Catch]:
    """Catch the traces whose metadata name this run, for as long as it goes on."""
    catch = Catch(run)
    catch.renew()
    try:
        yield catch
    finally:
        catch.withdraw()


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
            if span._parent is None:
                catch.wait_for(metadata, otel_id)
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
            front.batches.force_flush()  # what waits there would be passed over by MLflow's flush
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


def _provider() -> Any:
    """What makes MLflow's spans at the moment; None where this MLflow is another one."""
    if not is_tried():
        return None
    try:
        provider = import_module("mlflow.tracing.provider").provider
        provider.get_or_init_tracer("convsim")
        return provider.get()
    except (AttributeError, ImportError):
        return None


def _processors(provider: Any) -> tuple[Any, ...]:
    """The processors that write to an MLflow store; none where tracing is off or goes elsewhere."""
    try:
        exporter = import_module("mlflow.tracing.export.mlflow_v3").MlflowV3SpanExporter
        listed = tuple(provider._active_span_processor._span_processors)
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
