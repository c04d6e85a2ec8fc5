"""Python's collector of cycles, which looks less often while conversations go on.

A run makes many values that live until its end and hardly a cycle. At Python's own thresholds the
collector goes through all of them again and again: a quarter of the processor's time of a thousand
conversations (docs/benchmarks.md).
"""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager
from threading import Lock

from attrs import define, field

__all__ = ["rarely_collected"]

RARELY = (50_000, 20, 100)


@define
class _Thresholds:
    """Those of the process as they were before the first of the runs that go on."""

    runs: int = 0
    before: tuple[int, int, int] = RARELY
    lock: Lock = field(factory=Lock)

    def raised(self) -> None:
        """Another run begins."""
        with self.lock:
            if not self.runs:
                self.before = gc.get_threshold()
                if 0 < self.before[0] < RARELY[0]:  # 0 is off; who chose more knows why
                    gc.set_threshold(*RARELY)
            self.runs += 1

    def given_back(self) -> None:
        """A run has ended; with the last of them all is as it was, unless somebody changed it."""
        with self.lock:
            self.runs -= 1
            if not self.runs and gc.get_threshold() == RARELY:
                gc.set_threshold(*self.before)


THRESHOLDS = _Thresholds()


@contextmanager
def rarely_collected() -> Generator[None]:
    """Let the collector look rarely as long as the block goes on, in the whole process."""
    THRESHOLDS.raised()
    try:
        yield
    finally:
        THRESHOLDS.given_back()
