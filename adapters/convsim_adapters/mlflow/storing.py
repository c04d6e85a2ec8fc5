"""Traces into a store, many at once; a store takes one at a time by its own, 14 to 30 ms each.

rows     a plain trace as rows of MLflow's tables; only where the first of a run, which MLflow wrote
         itself, has exactly the rows that would have been written for it
batch    MLflow's own writing of many traces, in one transaction
each     one after the other, through what every store has

The first two need an SQL database in reach and an MLflow that was tried. Measured on SQLite, per
trace of one span: rows 0.5, batch 3.5, each 13.9 ms of processor time.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from typing import Any, cast

from attrs import define, field
from mlflow.entities import Trace

from convsim_adapters.mlflow.rows import Rows, is_plain
from convsim_adapters.mlflow.vendor import client_of_traces
from convsim_adapters.mlflow.versions import is_tried

__all__ = ["Store"]

REFUSALS = ("BAD_REQUEST", "INVALID_PARAMETER_VALUE")
REFUSED = (AttributeError, KeyError, TypeError, UnicodeError)  # also where MLflow is another one

log = logging.getLogger("convsim")


@define
class Store:
    """Where traces are written, and read; raises what MLflow raises.

    `refused` are those that it would not take, each with the reason, when all others were written.
    """

    client: Any = field(factory=client_of_traces)
    refused: list[tuple[Trace, Exception]] = field(factory=list)
    _rows: Rows | None = None
    _rows_fit: bool | None = None

    def write(self, traces: Sequence[Trace]) -> None:
        """Write traces, of which none is in the store as it is now.

        One that the store refuses keeps nobody else's out. Raises what says that the store cannot
        be reached, when nothing or a part is written; those that are may be written once more.
        """
        if not traces:
            return
        by_experiment: dict[str, list[Trace]] = {}
        for trace in traces:
            _finished(trace)
            by_experiment.setdefault(str(trace.info.experiment_id), []).append(trace)
        for some in by_experiment.values():
            self._write_parts(some)

    def _write_parts(self, traces: list[Trace]) -> None:
        """Write together what can be, then in halves, until the one that is refused is alone."""
        try:
            self._write_together(traces)
        except Exception as error:
            if not _is_refusal(error):
                raise
            if len(traces) > 1:
                half = len(traces) // 2
                self._write_parts(traces[:half])
                self._write_parts(traces[half:])
            else:
                self._write_alone(traces[0])

    def _write_alone(self, trace: Trace) -> None:
        """The public way for what does not go together with others; what it refuses is told."""
        try:
            _write_one(self.client, trace)
        except Exception as error:
            if not _is_refusal(error):
                raise
            self.refused.append((trace, error))

    def _write_together(self, traces: list[Trace]) -> None:
        sql = self._sql()
        if sql is None:
            for trace in traces:
                _write_one(self.client, trace)
            return
        known = _known(sql, [trace.info.trace_id for trace in traces])
        fresh = [trace for trace in traces if trace.info.trace_id not in known]
        with _transaction(sql) as (session, batch):
            self._write_fresh(session, batch, fresh)
        for trace in traces:
            if trace.info.trace_id in known:  # its spans, or a part, came from elsewhere
                _write_one(self.client, trace)

    def _write_fresh(self, session: Any, batch: Any, traces: list[Trace]) -> None:
        plain = [trace for trace in traces if is_plain(trace)]
        others = [trace for trace in traces if not is_plain(trace)]
        if self._rows_fit is None and plain:
            sample, *plain = plain
            _write_batch(batch, [sample])
            self._rows = Rows.of(session, sample)
            self._rows_fit = self._rows is not None
        if self._rows is not None:
            self._rows.write(session, plain)
        else:
            others += plain
        if others:
            _write_batch(batch, others)

    def _sql(self) -> Any:
        """The SQL store behind the client, where it is one that may be written to in this way."""
        if not is_tried():
            return None
        try:
            kind = import_module("mlflow.store.tracking.sqlalchemy_store").SqlAlchemyStore
        except (AttributeError, ImportError):
            return None
        store = self.client.store
        return store if isinstance(store, kind) and hasattr(store, "ManagedSessionMaker") else None


def _write_one(client: Any, trace: Trace) -> None:
    """The spans first: a trace that is found by its metadata is whole, whenever a kill comes."""
    try:
        client.log_spans(trace.info.experiment_id, trace.data.spans)
    except NotImplementedError:  # a store that keeps spans as files
        info = client.start_trace(trace.info)
        client._upload_trace_data(info, trace.data)  # noqa: SLF001  there is no public way
    else:
        client.start_trace(trace.info)


def _write_batch(batch: Any, traces: Sequence[Trace]) -> None:
    for trace in traces:
        batch.start_trace(trace.info)
    spans = [span for trace in traces for span in trace.data.spans]
    batch.log_spans(traces[0].info.experiment_id, spans)


def _known(sql: Any, trace_ids: list[str]) -> frozenset[str]:
    table = import_module("mlflow.store.tracking.dbmodels.models").SqlTraceInfo
    with sql.ManagedSessionMaker() as session:
        found = session.query(table.request_id).filter(table.request_id.in_(trace_ids))
        return frozenset(one for (one,) in found)


@contextmanager
def _transaction(sql: Any) -> Generator[tuple[Any, Any]]:
    """One session for all, and the store again, whose every method works in it."""
    kind = cast("Any", type(sql))
    maker = sql.ManagedSessionMaker
    writes = {"read_only": False} if "read_only" in signature(maker).parameters else {}
    with maker(**writes) as session:

        @contextmanager
        def same(*_: object, **__: object) -> Generator[Any]:
            yield session

        batch = kind.__new__(kind)
        batch.__dict__.update(sql.__dict__)
        batch.ManagedSessionMaker = same
        batch.get_experiment = _remembering(sql.get_experiment)
        yield session, batch


def _remembering(get: Callable[[str], Any]) -> Callable[[str], Any]:
    known: dict[str, Any] = {}

    def remembered(name: str) -> Any:
        if name not in known:
            known[name] = get(name)
        return known[name]

    return remembered


def _finished(trace: Trace) -> None:
    """Say of a trace what MLflow says when it writes it: its size, its time to the millisecond."""
    span = next((one for one in trace.data.spans if one.parent_id is None), None)
    if span is not None and span.end_time_ns is not None:
        begun, ended = span.start_time_ns // 1_000_000, span.end_time_ns // 1_000_000
        trace.info.execution_duration = ended - begun
    add = getattr(import_module("mlflow.tracing.utils"), "add_size_stats_to_trace_metadata", None)
    if add is not None:
        add(trace)


def _is_refusal(error: BaseException | None) -> bool:
    """Whether it is this trace that cannot be written, not any; MLflow wraps what it met."""
    if error is None:
        return False
    code = getattr(error, "error_code", None)
    if isinstance(error, REFUSED) or code in REFUSALS:
        return True
    return _is_refusal(error.__cause__ or error.__context__)
