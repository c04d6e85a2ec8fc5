"""A run's settings written down, read back and compared: what its journal was made with."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from importlib.metadata import version
from typing import Any, cast

from attrs import fields

from convsim_adapters.running.plans import Plan, Settings
from convsim_adapters.running.public import PARAMS, WITHHELD, public_settings
from convsim_fp.core import TestCase, freeze_object, thaw
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.journal import FORMAT, MACHINE, Header, SessionLog
from convsim_fp.texts import V1

__all__ = ["changed_cases", "changed_settings", "header_of", "is_nameless", "recorded_settings"]

# What cannot change how a conversation goes, but only when it goes on and when it stops.
FREE = frozenset(
    "client concurrency durability file_format files max_cost max_seconds max_tokens overlap "
    "processes retries rpm select timeout tpm withheld".split()
)
NAMELESS = re.compile(r"^__main__:|<(?:lambda|locals)>")
PLAYED = ("user", "goal_check", "user_model", "goal_model")


def header_of(plan: Plan, run: str, began: str, key: str) -> Header:
    """The header of a segment that this plan is carried out with."""
    settings = freeze_object(public_settings(plan))
    made = version("convsim-fp")
    return Header(FORMAT, run, made, MACHINE, V1.version, began, settings, plan.sessions, key)


def recorded_settings(header: Header, given: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a recorded run, with what is given now in their place.

    Parameters that are given join those that were recorded. Raises `InvalidSpec` for what was not
    written down then, and is not given now.
    """
    recorded = cast("dict[str, Any]", thaw(header.settings))
    names = {one.name for one in fields(Settings)} | {"agent"}
    told = {name: value for name, value in recorded.items() if name in names}
    told.update({name: value for name, value in given.items() if name not in PARAMS})
    for name in PARAMS:
        known = cast("dict[str, Any]", recorded.get(name) or {})
        written = {key: value for key, value in known.items() if value != WITHHELD}
        told[name] = {**written, **(given.get(name) or {})}
    missing = [*_nameless(told)]
    missing += [
        Problem(name, "was not written down, since it may be secret; give it again")
        for name in cast("list[str]", recorded.get("withheld") or [])
        if not _is_given(name, given)
    ]
    if missing:
        raise InvalidSpec(missing)
    return told


def is_nameless(value: object) -> bool:
    """Whether a recorded name leads to nothing in another process.

    >>> is_nameless("__main__:desk"), is_nameless("shop.agent:Desk")
    (True, False)
    """
    return isinstance(value, str) and NAMELESS.search(value) is not None


def _nameless(told: Mapping[str, Any]) -> Iterator[Problem]:
    """Functions of somebody's own that no name leads to in another process."""
    for name in ("agent", *PLAYED):
        value: object = told.get(name)
        if is_nameless(value):
            what = f"was {value!r:.80}, which no other process finds by this name; give it again"
            yield Problem(name, f"{what} ({name}=)")


def _is_given(name: str, given: Mapping[str, Any]) -> bool:
    kind, _, key = name.partition(".")
    return kind in given if not key else key in (given.get(kind) or {})


def changed_settings(header: Header, plan: Plan) -> Iterator[Problem]:
    """What differs between the settings of a recorded run and those it would go on with."""
    then = cast("dict[str, Any]", thaw(header.settings))
    now = cast("dict[str, Any]", thaw(freeze_object(public_settings(plan))))
    for name in sorted((then.keys() | now.keys()) - FREE):
        if then.get(name) != now.get(name):
            yield Problem(name, f"is {now.get(name)!r:.80}, and was {then.get(name)!r:.80}")


def changed_cases(logs: Iterable[SessionLog], cases: Iterable[TestCase]) -> Iterator[Problem]:
    """What differs between the recorded cases and those that the run would go on with."""
    then = {str(log.case.id): log.case for log in logs}
    now = {str(case.id): case for case in cases}
    for name, case in now.items():
        if name not in then:
            yield Problem("the case", "is new; it was not in the run", id=name)
            continue
        for one in fields(TestCase):
            before, after = getattr(then[name], one.name), getattr(case, one.name)
            if before != after:
                yield Problem(one.name, f"is {after!r:.80}, and was {before!r:.80}", id=name)
    for name in sorted(then.keys() - now.keys()):
        yield Problem("the case", "was in the run, and is not any more", id=name)
