"""Test cases as MLflow users give them: checked, and made into ours.

What the `context` and the `expectations` of a record hold that is not JSON (clients, frames) stays
with the record, as it is; a `TestCase` has none of it.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from attrs import evolve

from convsim_adapters.mlflow.digests import digest_of
from convsim_adapters.mlflow.names import DEFAULT_PERSONA
from convsim_adapters.mlflow.records import FIELDS, dataset_name, given, records_of
from convsim_fp.core import JsonObject, NotJson, TestCase, freeze_object
from convsim_fp.core.cases import RESERVED_CONTEXT_KEYS
from convsim_fp.core.json_values import kind
from convsim_fp.errors import InvalidSpec, Problem

__all__ = [
    "check_records",
    "dataset_name",
    "digest_of",
    "live_context",
    "records_of",
    "resumable",
    "test_case_of",
]

NOTHING: Mapping[str, object] = JsonObject({})
SURROGATE = re.compile("[\ud800-\udfff]")

log = logging.getLogger(__name__)


def check_records(records: Sequence[Mapping[str, object]]) -> None:
    """Refuse records that could only fail later, by index and with all problems at once.

    Raises `InvalidSpec`, a ValueError. Warns in the log of keys that nothing reads.

    >>> check_records([{"goal": "pay"}])
    """
    if not records:
        raise InvalidSpec([Problem("test_cases", "cannot be empty; give at least one dict")])
    own = (
        evolve(problem, index=index)
        for index, record in enumerate(records)
        for problem in _problems(record)
    )
    problems = (*_shared_problems(records), *own)
    if problems:
        raise InvalidSpec(problems)
    _warn_of_strange_keys(records)


def test_case_of(record: Mapping[str, object], index: int) -> TestCase:
    """Make the case that the simulation knows of a record; its id is ``case-`` and the index.

    A context that is not JSON, or expectations that are not, is left out of it. Without a persona
    it has MLflow's idea of one. Raises `InvalidSpec` for what `check_records` would have refused.

    >>> test_case_of({"goal": "pay"}, 0).id
    'case-0'
    """
    persona, guidelines = given(record, "persona"), given(record, "simulation_guidelines")
    is_blank = persona is None or (isinstance(persona, str) and not persona.strip())
    return TestCase(
        goal=cast("str", given(record, "goal")),
        persona=DEFAULT_PERSONA if is_blank else cast("str", persona),
        context=cast("JsonObject", _json(given(record, "context"))),
        expectations=cast("JsonObject", _json(given(record, "expectations"))),
        simulation_guidelines=cast("tuple[str, ...]", guidelines),
        id=f"case-{index}",
    )


def live_context(record: Mapping[str, object]) -> dict[str, object]:
    """The keyword arguments that a case adds to each call of the agent: a new dict each time.

    >>> live_context({"goal": "pay", "context": {"order": "W7"}})
    {'order': 'W7'}
    """
    return dict(cast("Mapping[str, object]", given(record, "context") or NOTHING))


def resumable(record: Mapping[str, object]) -> bool:
    """Whether another process can go on with the case: its context is JSON, or absent.

    >>> resumable({"goal": "pay", "context": {"client": object()}})
    False
    """
    return _json(given(record, "context") or NOTHING) is not None


def _json(value: object) -> JsonObject | None:
    """A dict as frozen JSON; None where it is not all JSON."""
    try:
        return freeze_object(cast("Mapping[str, object]", value))
    except NotJson:
        return None


def _shared_problems(records: Sequence[Mapping[str, object]]) -> Iterator[Problem]:
    """What MLflow tells of all cases at once, in its form."""
    for is_wrong, what in SHARED:
        indices = [index for index, record in enumerate(records) if is_wrong(record)]
        if indices:
            yield Problem(f"Test cases at indices {indices}", what)


def _has_no_goal(record: Mapping[str, object]) -> bool:
    goal = given(record, "goal")
    return goal is None or (isinstance(goal, str) and not goal.strip())


def _has_no_dict(record: Mapping[str, object]) -> bool:
    context = given(record, "context")
    return context is not None and not isinstance(context, dict)


def _has_reserved_keys(record: Mapping[str, object]) -> bool:
    context = given(record, "context")
    return isinstance(context, dict) and any(key in context for key in RESERVED_CONTEXT_KEYS)


SHARED: Sequence[tuple[Callable[[Mapping[str, object]], bool], str]] = (
    (_has_no_goal, "must have 'goal' field; write what the user wants to achieve"),
    (_has_no_dict, "must have 'context' as a dict when provided"),
    (
        _has_reserved_keys,
        f"have context keys that are reserved ({', '.join(RESERVED_CONTEXT_KEYS)}); rename them",
    ),
)


def _problems(record: Mapping[str, object]) -> Iterator[Problem]:
    """What is wrong with one case, beside what all are asked for."""
    texts = {name: given(record, name) for name in ("goal", "persona", "simulation_guidelines")}
    if _has_no_goal(record):
        texts["goal"] = "(told already)"
    try:
        TestCase(**cast("dict[str, Any]", texts))
    except InvalidSpec as error:
        yield from error.problems
    expectations = given(record, "expectations")
    if expectations is not None and not isinstance(expectations, dict):
        yield Problem("expectations", f"is {kind(expectations)}, expected a dict")
    yield from _key_problems(given(record, "context"))
    for name in FIELDS:
        yield from _text_problems(record.get(name), name)


def _key_problems(context: object) -> Iterator[Problem]:
    for key in cast("dict[object, object]", context) if isinstance(context, dict) else ():
        if not isinstance(key, str):
            what = f"has a key that is {kind(key)}, which cannot be the name of an argument"
            yield Problem("context", f"{what}; write text")


def _text_problems(value: object, path: str) -> Iterator[Problem]:
    for where, text in _texts(value, path, {}):
        if found := SURROGATE.search(text):
            what = f"has a lone surrogate ({found[0]!a}), which nothing can store; remove it"
            yield Problem(where, what)


def _texts(value: object, path: str, seen: dict[int, object]) -> Iterator[tuple[str, str]]:
    """Each text of a value, with the path to it; a container is looked at once, so cycles end."""
    if isinstance(value, str):
        yield path, value
    elif id(value) in seen:
        return
    seen[id(value)] = value
    for key, item in _parts(value):
        yield from _texts(key, f"a key of {path}", seen)
        yield from _texts(item, f"{path}[{key!r:.40}]", seen)


def _parts(value: object) -> Iterable[tuple[object, object]]:
    if isinstance(value, dict):
        return cast("dict[object, object]", value).items()
    if isinstance(value, list | tuple):
        return enumerate(cast("Sequence[object]", value))
    return ()


def _warn_of_strange_keys(records: Sequence[Mapping[str, object]]) -> None:
    strange = [[repr(key) for key in record if key not in FIELDS] for record in records]
    indices = [index for index, keys in enumerate(strange) if keys]
    if indices:
        log.warning(
            "Test cases at indices %s have unexpected keys, which are ignored: %s; known are %s",
            indices,
            ", ".join(sorted({key for keys in strange for key in keys})),
            ", ".join(FIELDS),
        )
