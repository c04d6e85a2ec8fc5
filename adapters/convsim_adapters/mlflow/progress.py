"""How far a simulation is, as MLflow's users know it: conversations, and who takes the time."""

from __future__ import annotations

from typing import Any

from attrs import define, field
from tqdm.auto import tqdm

from convsim_fp.core import Lane
from convsim_fp.core.envelope import Entry

__all__ = ["Progress"]

LAYOUT = (
    "{desc}: {percentage:3.0f}% {bar} {n_fmt}/{total_fmt} [{elapsed}, {remaining} left] {postfix}"
)


@define
class Progress:
    """A bar on standard error, or a widget in a notebook; close it when the run has ended."""

    total: int
    predicting: float = 0.0  # seconds
    simulating: float = 0.0
    _bar: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._bar = tqdm(total=self.total, desc="Simulating conversations", bar_format=LAYOUT)
        self._bar.set_postfix_str(self.share())

    def entry(self, entry: Entry) -> None:
        """Count the seconds of an answer."""
        if entry.request is None:
            return
        seconds = entry.observed.facts.seconds or 0.0
        if entry.request.id.lane is Lane.AGENT:
            self.predicting += seconds
        else:
            self.simulating += seconds

    def finished(self) -> None:
        """Count a conversation."""
        self._bar.set_postfix_str(self.share(), refresh=False)
        self._bar.update(1)

    def share(self) -> str:
        """Whose time it was: the agent's under test, or the simulator's."""
        both = self.predicting + self.simulating
        if not both:
            return "(predict: 0%, simulator: 0%)"
        share = 100 * self.predicting / both
        return f"(predict: {share:.1f}%, simulator: {100 - share:.1f}%)"

    def close(self) -> None:
        """End the bar where it is."""
        self._bar.close()
