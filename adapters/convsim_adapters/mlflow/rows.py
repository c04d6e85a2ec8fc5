"""Plain traces as rows of MLflow's tables: those without tokens, costs and assessments.

Written only when MLflow itself has just written a trace of the kind, and its rows are those that
this module makes of it. Where a release has other tables or other columns they are not, and it is
not used.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from attrs import frozen
from mlflow.entities import Span, Trace
from mlflow.tracing.constant import SpanAttributeKey, TraceMetadataKey, TraceTagKey

__all__ = ["Rows", "is_plain"]

FINALIZED = "mlflow.trace.infoFinalized"
ARTIFACTS = "mlflow.artifactLocation"
SPANS_LOCATION = "mlflow.trace.spansLocation"
IN_STORE = "TRACKING_STORE"
COUNTED = ("CHAT_USAGE", "LLM_COST", "MODEL", "MODEL_PROVIDER")
TABLES = ("trace_info", "trace_request_metadata", "trace_tags", "spans")
PROMOTED = ("TRACE_SESSION", "TOKEN_USAGE", "COST")

Row = dict[str, Any]


def is_plain(trace: Trace) -> bool:
    """Whether its rows are of the simple kind: no span of it counts tokens or costs."""
    if not trace.data.spans or trace.info.assessments:
        return False
    counted = {getattr(SpanAttributeKey, name, None) for name in COUNTED}
    return not any(
        span.events or span.links or counted & span.attributes.keys() for span in trace.data.spans
    )


@frozen
class Rows:
    """The tables of a store, and what all rows of a run have in common."""

    tables: Mapping[str, Any]
    artifacts: str
    generation: int

    @classmethod
    def of(cls, session: Any, sample: Trace) -> Rows | None:
        """The rows of this store; None where those of the sample, just written, are others."""
        if _is_rolled_up():
            return None
        trace_id = sample.info.trace_id
        try:
            base: Any = import_module("mlflow.store.tracking.dbmodels.models").Base
            tables = {name: base.metadata.tables[name] for name in TABLES}
            session.flush()
            written = {name: _written(session, tables[name], trace_id) for name in TABLES}
            [info] = written["trace_info"]
            [place] = [row["value"] for row in written["trace_tags"] if row["key"] == ARTIFACTS]
            made = cls(tables, place.replace(trace_id, "{}"), info["db_payload_generation"])
            ours = made.rows([sample])
        except (AttributeError, ImportError, KeyError, TypeError, ValueError):
            return None
        same = all(_comparable(ours[name]) == _comparable(written[name]) for name in TABLES)
        return made if same else None

    def write(self, session: Any, traces: Sequence[Trace]) -> None:
        """Insert the rows of all of them."""
        if not traces:
            return
        for name, rows in self.rows(traces).items():
            session.execute(self.tables[name].insert(), rows)
        for trace in traces:  # as MLflow tells it of a trace that it has written
            trace.info.tags[ARTIFACTS] = self.artifacts.format(trace.info.trace_id)
            trace.info.tags[SPANS_LOCATION] = IN_STORE

    def rows(self, traces: Sequence[Trace]) -> dict[str, list[Row]]:
        """The rows of all of them, by table."""
        return {
            "trace_info": [self._info(trace) for trace in traces],
            "trace_request_metadata": [row for trace in traces for row in _metadata(trace)],
            "trace_tags": [row for trace in traces for row in self._tags(trace)],
            "spans": [_span(trace, span) for trace in traces for span in trace.data.spans],
        }

    def _info(self, trace: Trace) -> Row:
        info = trace.info
        names = self.tables["trace_info"].columns.keys()
        empty = dict.fromkeys(names)
        told = {
            "request_id": info.trace_id,
            "experiment_id": _number(info.experiment_id),
            "timestamp_ms": info.request_time,
            "execution_time_ms": info.execution_duration,
            "status": info.state.value,
            "client_request_id": info.client_request_id,
            "request_preview": info.request_preview,
            "response_preview": info.response_preview,
            "db_payload_generation": self.generation,
            "trace_name": info.tags.get(TraceTagKey.TRACE_NAME),
            "session_id": info.trace_metadata.get(TraceMetadataKey.TRACE_SESSION),
        }
        return {**empty, **told}

    def _tags(self, trace: Trace) -> Iterable[Row]:
        trace_id = trace.info.trace_id
        told = {
            name: value
            for name, value in trace.info.tags.items()
            if name not in (TraceTagKey.TRACE_NAME, ARTIFACTS, SPANS_LOCATION)
        }
        ours = {ARTIFACTS: self.artifacts.format(trace_id), SPANS_LOCATION: IN_STORE}
        return _pairs(trace_id, {**told, **ours})


def _number(experiment_id: str | None) -> int:
    return int(experiment_id or 0)


def _metadata(trace: Trace) -> Iterable[Row]:
    promoted = {getattr(TraceMetadataKey, name) for name in PROMOTED}
    told = {key: text for key, text in trace.info.trace_metadata.items() if key not in promoted}
    return _pairs(trace.info.trace_id, {**told, FINALIZED: "true"})


def _pairs(trace_id: str, told: Mapping[str, str]) -> Iterable[Row]:
    for key, value in sorted(told.items()):
        yield {"request_id": trace_id, "key": key, "value": value}


def _span(trace: Trace, span: Span) -> Row:
    return {
        "trace_id": span.trace_id,
        "experiment_id": _number(trace.info.experiment_id),
        "span_id": span.span_id,
        "parent_span_id": span.parent_id,
        "name": span.name,
        "type": span.span_type,
        "status": span.status.status_code.value,
        "start_time_unix_nano": span.start_time_ns,
        "end_time_unix_nano": span.end_time_ns,
        "content": json.dumps(span.to_dict(), ensure_ascii=False),
        "dimension_attributes": None,
        "input_cost": None,
        "output_cost": None,
        "total_cost": None,
        "model_name": None,
        "model_provider": None,
    }


def _written(session: Any, table: Any, trace_id: str) -> list[Row]:
    column = table.columns.get("request_id")
    where = table.columns["trace_id"] if column is None else column
    found = session.execute(table.select().where(where == trace_id))
    return [dict(row) for row in found.mappings()]


def _comparable(rows: Iterable[Row]) -> list[str]:
    """Rows without what the database computes, and with the content of a span as what it says."""
    return sorted(
        json.dumps(
            {
                name: json.loads(value) if name == "content" else value
                for name, value in row.items()
                if name != "duration_ns" and value is not None
            },
            sort_keys=True,
            default=str,
        )
        for row in rows
    )


def _is_rolled_up() -> bool:
    """Whether sums are kept beside the traces, which every writer has to tell of its own."""
    try:
        from mlflow.store.tracking.utils.sql_trace_rollups import (  # noqa: PLC0415
            rollups_enabled,
        )
    except ImportError:
        return False
    return bool(rollups_enabled())
