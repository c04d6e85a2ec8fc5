"""How far a run is, for who called `simulate`: a bar of tqdm in a terminal or a notebook."""

from __future__ import annotations

import sys
import warnings
from collections.abc import Generator
from contextlib import contextmanager, suppress
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from attrs import Factory, define

from convsim_adapters.cli.figures import cost
from convsim_adapters.running.recording import Tally
from convsim_adapters.running.results import SessionResult
from convsim_adapters.vendors import import_vendor
from convsim_fp.interpreters import Entry

__all__ = ["Bar", "is_shown", "showing"]

LAYOUT = "{bar} {n_fmt}/{total_fmt} sessions{desc} [{elapsed}, {remaining} left]"
EVERY = 0.2  # seconds


@define
class Bar:
    """Sessions ended, goals reached, and what was spent. It changes in the thread of the run."""

    bar: Any
    achieved: int = 0
    failed: int = 0
    tally: Tally = Factory(Tally)

    def entry(self, entry: Entry) -> None:
        """Count what an entry cost."""
        self.tally = self.tally.after(entry)
        self._show(0)

    def following(self, tally: Tally, _running: int) -> None:
        """Count what other processes did."""
        self.tally = self.tally.plus(tally)
        self._show(0)

    def finished(self, result: SessionResult) -> None:
        """Count a session that ended."""
        self.achieved += result.achieved
        self.failed += result.failed
        self._show(1)

    def words(self) -> str:
        """What is said beside the number of sessions."""
        usage = self.tally.usage
        failed = f" · {self.failed} failed" if self.failed else ""
        spent = f" · {cost(usage)}" if usage.cost is not None or usage.unpriced else ""
        return f" · {self.achieved} achieved{failed}{spent}"

    def close(self) -> None:
        """End the bar where it is."""
        with self._unless_unread():
            self.bar.refresh()
            self.bar.close()

    def _show(self, more: int) -> None:
        with self._unless_unread():
            self.bar.set_description_str(self.words(), refresh=False)
            self.bar.update(more)

    @contextmanager
    def _unless_unread(self) -> Generator[None]:
        """Where nobody reads it any more, the run goes on without."""
        try:
            yield
        except OSError:
            self.bar.disable = True


@contextmanager
def showing(progress: bool | None, sessions: int) -> Generator[Bar | None]:  # noqa: FBT001  as given
    """A bar for as long as the block goes on, where one is shown.

    Raises `InvalidSpec` where it was asked for and tqdm is not installed.
    """
    if not is_shown(progress):
        yield None
        return
    bar = None
    with suppress(OSError):  # nobody reads it
        bar = Bar(_made(sessions))
    try:
        yield bar
    finally:
        if bar is not None:
            bar.close()


def is_shown(progress: bool | None) -> bool:  # noqa: FBT001  as given
    """Whether there is a bar: where it is not said, where somebody looks and tqdm is there.

    >>> is_shown(True), is_shown(False)
    (True, False)
    """
    if progress is not None:
        return progress
    return _somebody_looks() and find_spec("tqdm") is not None


def _somebody_looks() -> bool:
    if "ipykernel.zmqshell" in sys.modules:
        return True
    return sys.stderr is not None and sys.stderr.isatty()  # pyright: ignore[reportUnnecessaryComparison]


def _made(sessions: int) -> Any:
    import_vendor("tqdm", extra="notebook")
    with warnings.catch_warnings():  # without ipywidgets it warns, and is a bar of text
        warnings.simplefilter("ignore")
        auto: Any = import_module("tqdm.auto")
    return auto.tqdm(
        total=sessions,
        bar_format=LAYOUT,
        dynamic_ncols=True,
        mininterval=EVERY,
        miniters=0,  # also what is spent between the ends of sessions
        desc=" · 0 achieved",
    )
