"""Two runs side by side: their sessions in pairs, those that ended otherwise first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from attrs import frozen

from convsim_adapters.report.reading import Recording
from convsim_adapters.report.sessions import reason_of
from convsim_adapters.report.turns import Parting, parting

__all__ = ["MISSING", "Change", "Pairing", "changes_of", "pairs_of"]

MISSING = "(none)"


@frozen
class Pairing:
    """The same session in the runs by its place in each; None where a run does not have it."""

    id: str
    places: tuple[int | None, ...]
    reasons: tuple[str, ...]
    parting: Parting | None = None

    @property
    def changed(self) -> bool:
        """Whether both runs have it, and it ended for another reason."""
        return not self.alone and len(set(self.reasons)) > 1

    @property
    def alone(self) -> bool:
        """Whether one of the runs does not have it."""
        return None in self.places

    @property
    def urgency(self) -> int:
        """Its place: what ended otherwise, what was said otherwise, what one has, then the rest."""
        return 0 if self.changed else 1 if self.parting is not None else 2 if self.alone else 3


@frozen
class Change:
    """How many sessions ended for one reason before and for another after."""

    before: str
    after: str
    number: int


def pairs_of(recordings: Sequence[Recording]) -> tuple[Pairing, ...]:
    """The sessions of one run in their order, or those of two beside their likes, by their names.

    Sessions are alike where case and trial are; changed stop reasons come first.
    """
    places = [{log.session.id: at for at, log in enumerate(one.logs)} for one in recordings]
    names = dict.fromkeys(name for each in places for name in each)
    pairs = [_pair(name, recordings, tuple(each.get(name) for each in places)) for name in names]
    return tuple(sorted(pairs, key=lambda pair: pair.urgency))


def changes_of(pairs: Sequence[Pairing]) -> tuple[Change, ...]:
    """The changes of stop reasons, the most frequent first."""
    changed = Counter((pair.reasons[0], pair.reasons[-1]) for pair in pairs if pair.changed)
    return tuple(Change(*reasons, number) for reasons, number in changed.most_common())


def _pair(name: str, recordings: Sequence[Recording], places: tuple[int | None, ...]) -> Pairing:
    reasons = tuple(_reasons(recordings, places))
    if len(places) < 2 or None in places:
        return Pairing(name, places, reasons)
    first, last = (
        one.logs[at] for one, at in zip(recordings, places, strict=True) if at is not None
    )
    return Pairing(name, places, reasons, parting(first, last))


def _reasons(recordings: Sequence[Recording], places: Sequence[int | None]) -> Iterator[str]:
    for one, at in zip(recordings, places, strict=True):
        yield MISSING if at is None else reason_of(one.results[at])
