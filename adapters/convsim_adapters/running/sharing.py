"""A run shared by processes, from the plan that is handed on to them to their end."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

from convsim_adapters.running.beginnings import Beginning
from convsim_adapters.running.jobs import settings_to_hand_on
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.recording import Recorder
from convsim_adapters.running.workers import Following, Workers
from convsim_fp.core import State

__all__ = ["gathered"]


@contextmanager
def gathered(
    plan: Plan,
    beginning: Beginning,
    recorder: Recorder,
    *,
    ended: Callable[[State], object],
    following: Following | None = None,
) -> Generator[Workers]:
    """Workers that have made the plan again, and wait; none of them outlives the block.

    Raises `InvalidSpec` where something cannot go to another process, or is not found there.
    """
    handed_on = settings_to_hand_on(plan)
    workers = Workers(plan, beginning, recorder, ended, handed_on, following)
    try:
        workers.gather()
        yield workers
    except BaseException:
        workers.kill()
        raise
    finally:
        workers.close()
