"""Records of earlier formats, made into those of today: plain dict in, plain dict out.

There is one function for each format that is no longer written, from it to the next; a journal of
any released format is read through all those that follow. Journals of each format are in
``tests/golden``; how to add the next stands at the head of ``test_journals.py`` there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from convsim_fp.errors import UnknownVersion
from convsim_fp.journal.records import FORMAT

__all__ = ["Upcast", "upcasts_from"]

Upcast: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]

UPCASTS: tuple[Upcast, ...] = ()  # from format 1 to 2, from 2 to 3, …


def upcasts_from(version: object, *, upcasts: tuple[Upcast, ...] = UPCASTS) -> tuple[Upcast, ...]:
    """What makes a record of a format into one of today's, one after the other.

    Raises `UnknownVersion` for a format that this release does not know.
    """
    newest = len(upcasts) + 1
    if isinstance(version, bool) or not isinstance(version, int) or not 1 <= version <= newest:
        known = "format 1" if newest == 1 else f"formats 1 to {newest}"
        raise UnknownVersion(
            f"the journal's format is {version!r:.20}, and this release reads {known}; "
            "read it with the release that wrote it, or a later one"
        )
    return upcasts[version - 1 :]


if len(UPCASTS) + 1 != FORMAT:
    raise AssertionError("each format that is no longer written needs its upcast")
