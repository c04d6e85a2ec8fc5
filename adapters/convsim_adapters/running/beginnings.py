"""Where the sessions of a run begin: fresh, where they stopped, or at a turn of others."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from attrs import frozen

from convsim_adapters.running.recording import Record
from convsim_fp.interpreters import Resumed
from convsim_fp.journal import Check, Discarded, Parent, Snapshot

__all__ = ["FRESH", "Beginning", "Origin"]

NONE: Mapping[str, Resumed] = MappingProxyType({})
NO_RECORDS: Mapping[str, Record] = MappingProxyType({})


@frozen
class Origin:
    """What a forked session starts from."""

    snapshot: Snapshot
    parent: Parent


NO_ORIGINS: Mapping[str, Origin] = MappingProxyType({})


@frozen
class Beginning:
    """How the sessions of a run begin, by their names.

    `resumed` are those that do not begin with their case, `records` what they have cost already,
    `whole` those that have ended and are only listed. `discarded` are answers that shall not count
    any more. `in_flight` is how many requests may have been sent and not answered when an earlier
    process ended; they are sent again. `goes_on` says that the run is there already, and `extent`
    how much of its journal was read: where it has grown since, somebody else went on with it. `key`
    is the run's own, which no other has; a fresh one is drawn where it is empty. `check` is how far
    what is recorded has to agree with what is asked now.
    """

    resumed: Mapping[str, Resumed] = NONE
    records: Mapping[str, Record] = NO_RECORDS
    whole: frozenset[str] = frozenset()
    origins: Mapping[str, Origin] = NO_ORIGINS
    discarded: tuple[Discarded, ...] = ()
    in_flight: int = 0
    goes_on: bool = False
    extent: tuple[int, ...] = ()
    key: str = ""
    check: Check = "content"


FRESH = Beginning()
