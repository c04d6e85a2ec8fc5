"""Not more traces at once than MLflow's own exporter takes: its queues drop what does not fit."""

from __future__ import annotations

import asyncio

from attrs import define, field

from convsim_adapters.mlflow.vendor import mlflow

__all__ = ["Pace"]

BETWEEN = 200  # calls of the agent; the smallest of the queues holds 1,000 traces, each in parts


@define
class Pace:
    """Lets calls through, and after every so many waits until what they left is written."""

    _calls: int = 0
    _writing: asyncio.Lock = field(factory=asyncio.Lock)

    async def next(self) -> None:
        """Wait for one's turn."""
        async with self._writing:
            self._calls += 1
            if self._calls % BETWEEN == 0:
                await asyncio.to_thread(mlflow.flush_trace_async_logging)
