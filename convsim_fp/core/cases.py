"""Test cases: what one conversation is about, and every problem of a list of them at once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, cast

from attrs import evolve, field, fields, frozen

from convsim_fp.core.json_values import (
    A_COUNT,
    JsonObject,
    NotJson,
    freeze_object,
    is_count,
    kind,
)
from convsim_fp.core.transcript import Message, Speaker, ToolCall, Transcript
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["ParsedCases", "TestCase", "parse_cases"]

RESERVED_CONTEXT_KEYS = ("input", "messages", "mlflow_session_id")
SPEAKER_OF_ROLE: Mapping[str, Speaker] = MappingProxyType(
    {"user": "user", "assistant": "agent", "agent": "agent"}
)
A_RECORD = "a role (user or assistant) and a content (text)"
A_MESSAGE = "a speaker (user or agent), a text and tool calls"
NO_CONTENT = JsonObject({})


# Converters: what is wrong stays as it is, or as its error, for the checks below to name it.


def _text(given: str) -> str:
    """A plain `str` for a subclass of it."""
    value = cast("object", given)
    return str.__str__(value) if isinstance(value, str) else cast("str", value)


def _name(given: str | None) -> str | None:
    return _text(given) if isinstance(given, str) else given


def _texts(given: str | Sequence[str] | None) -> tuple[str, ...]:
    if given is None:
        return ()
    if isinstance(given, str):
        return (_text(given),) if given.strip() else ()
    if isinstance(given, list | tuple):
        return tuple(_text(item) for item in given)
    return cast("tuple[str, ...]", given)


def _object(given: Mapping[str, object] | None) -> JsonObject:
    if given is None:
        return NO_CONTENT
    try:
        return freeze_object(given)
    except NotJson as error:
        return cast("JsonObject", error)


def _messages(given: Sequence[Message | Mapping[str, object]] | None) -> Transcript:
    if given is None:
        return ()
    if isinstance(given, list | tuple):
        return tuple(_message(item) for item in given)
    return cast("Transcript", given)


def _message(value: object) -> Message:
    if not isinstance(value, Mapping):
        return cast("Message", value)
    item = cast("Mapping[object, object]", value)
    role, text = item.get("role"), item.get("content")
    speaker = SPEAKER_OF_ROLE.get(role) if isinstance(role, str) else None
    if speaker is None or not isinstance(text, str) or len(item) > 2:
        return cast("Message", value)
    return Message(speaker, _text(text))


@frozen
class TestCase:
    """One conversation to simulate: what the user wants, who they are, what is already known.

    `goal` is what the user wants to achieve; `persona` who they are; `simulation_guidelines` (text
    or a list of texts) how to play them; `context` goes to the agent with every call;
    `expectations` go to the scorers; `history` is what was said before, as `Message`s or
    ``{"role": "user" | "assistant", "content": …}``; with `agent_opens` the agent speaks first;
    `max_turns` overrides the limit of the rules; `extra` is JSON that simulated users and goal
    checks read for themselves. Raises `InvalidSpec` with all problems at once.

    >>> TestCase(goal="Return the red shoes", context={"order_id": "W7"}).context["order_id"]
    'W7'
    """

    __test__ = False  # pytest would take the name for a class of tests

    goal: str = field(converter=_text)
    persona: str | None = field(default=None, converter=_name)
    context: JsonObject = field(default=None, converter=_object)
    expectations: JsonObject = field(default=None, converter=_object)
    simulation_guidelines: tuple[str, ...] = field(default=(), converter=_texts)
    id: str | None = field(default=None, converter=_name)
    tags: tuple[str, ...] = field(default=(), converter=_texts)
    history: Transcript = field(default=(), converter=_messages)
    agent_opens: bool = False
    max_turns: int | None = None
    extra: JsonObject = field(default=None, converter=_object)

    def __attrs_post_init__(self) -> None:
        problems = (
            *_text_problems(self),
            *_object_problems(self),
            *_list_problems(self),
            *_history_problems(self),
            *_opening_problems(self),
        )
        if problems:
            name = self.id if isinstance(self.id, str) else None
            raise InvalidSpec(evolve(problem, id=name) for problem in problems)


@frozen
class ParsedCases:
    """What a list of records gave: the good cases, and by index what is wrong with the others.

    `warnings` do not keep a case from running: keys that nothing reads.
    """

    cases: tuple[TestCase, ...]
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]

    def or_raise(self) -> tuple[TestCase, ...]:
        """Hand out the cases, or raise `InvalidSpec` with the problems of all of them."""
        if self.problems:
            raise InvalidSpec(self.problems)
        return self.cases


def parse_cases(records: Iterable[object], *, extras: Collection[str] = ()) -> ParsedCases:
    """Read test cases from plain dicts, collecting every problem by index, id and field.

    Absent and None are the same. Cases that have an id must not share it. `extras` are the names
    that may stand beside the fields and belong into `extra`. Never raises for what it is given.

    >>> str(parse_cases([{"goal": "pay"}, {"gaol": "pay"}]).problems[0])
    'cases[1]: goal is missing; write what the user wants to achieve'
    """
    if not _is_list(records):
        what = f"is {kind(records)}, expected a list of objects"
        return ParsedCases(cases=(), problems=(Problem("the list of cases", what),), warnings=())
    readings = tuple(_read(index, record, extras) for index, record in enumerate(records))
    problems = (*(p for r in readings for p in r.problems), *_shared_ids(readings))
    return ParsedCases(
        cases=tuple(r.case for r in readings if r.case is not None),
        problems=tuple(sorted(problems, key=_place)),
        warnings=tuple(p for r in readings for p in r.warnings),
    )


def _is_list(value: object) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, str | bytes | Mapping)


def _place(problem: Problem) -> int:
    return problem.index or 0


@frozen
class _Reading:
    index: int
    id: str | None = None
    case: TestCase | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()


FIELDS = tuple(attribute.name for attribute in fields(TestCase))


def _read(index: int, record: object, extras: Collection[str]) -> _Reading:
    if isinstance(record, TestCase):
        return _Reading(index, record.id, record)
    if not isinstance(record, Mapping):
        what = f"is {kind(record)}, expected an object with a goal"
        return _Reading(index, problems=(Problem("the case", what, index),))
    item = cast("Mapping[object, object]", record)
    found = item.get("id")
    name = found if isinstance(found, str) else None
    known = (*FIELDS, *(key for key in extras if key not in FIELDS))
    warnings = tuple(_unknown(key, index, name, known) for key in item if key not in known)
    given = {key: item[key] for key in FIELDS if item.get(key) is not None}
    beside = {key: item[key] for key in known[len(FIELDS) :] if item.get(key) is not None}
    problems = tuple(_twice(beside, given.get("extra"), index, name))
    try:
        case = TestCase(**cast("dict[str, Any]", {"goal": None, **_with_extra(given, beside)}))
    except InvalidSpec as error:
        found = tuple(evolve(problem, index=index, id=name) for problem in error.problems)
        return _Reading(index, name, problems=(*found, *problems), warnings=warnings)
    return _Reading(index, name, None if problems else case, problems, warnings)


def _with_extra(given: Mapping[str, object], beside: Mapping[str, object]) -> Mapping[str, object]:
    extra = given.get("extra")
    if not beside or not isinstance(extra, Mapping | None):
        return given
    return {**given, "extra": {**cast("Mapping[str, object]", extra or {}), **beside}}


def _twice(beside: Iterable[str], extra: object, index: int, name: str | None) -> Iterator[Problem]:
    inside = cast("Mapping[str, object]", extra) if isinstance(extra, Mapping) else NO_CONTENT
    for key in beside:
        if inside.get(key) is not None:
            yield Problem(key, f"is given beside extra.{key}; keep one of them", index, name)


def _unknown(key: object, index: int, name: str | None, known: tuple[str, ...]) -> Problem:
    if not isinstance(key, str):
        return Problem("a field", f"has a name that is {kind(key)}; it is ignored", index, name)
    close = get_close_matches(key.lower(), known, n=1)
    meant = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"
    what = f"is not a field of a test case and is ignored; {meant}"
    return Problem(_short(key), what, index, name)


def _shared_ids(readings: Iterable[_Reading]) -> Iterator[Problem]:
    first: dict[str, int] = {}
    for reading in readings:
        if reading.id is None:
            continue
        if reading.id in first:
            what = f"is the id of cases[{first[reading.id]}] too; give each case its own"
            yield Problem("id", what, reading.index, reading.id)
        else:
            first[reading.id] = reading.index


def _text_problems(case: TestCase) -> Iterator[Problem]:
    goal = cast("object", case.goal)
    if goal is None:
        yield Problem("goal", "is missing; write what the user wants to achieve")
    elif not isinstance(goal, str):
        yield Problem("goal", f"is {kind(goal)}, expected text")
    elif not goal.strip():
        yield Problem("goal", "is empty; write what the user wants to achieve")
    for name in ("persona", "id"):
        value = cast("object", getattr(case, name))
        if value is not None and not isinstance(value, str):
            yield Problem(name, f"is {kind(value)}, expected text")
    if case.id is not None and isinstance(case.id, str) and not case.id.strip():
        yield Problem("id", "is empty; leave it out or name the case")


def _object_problems(case: TestCase) -> Iterator[Problem]:
    for name in ("context", "expectations", "extra"):
        found = cast("JsonObject | NotJson", getattr(case, name))
        if isinstance(found, NotJson):
            yield Problem(f"{name}.{found.path}".rstrip("."), found.what)
    for key in RESERVED_CONTEXT_KEYS:
        if isinstance(case.context, JsonObject) and key in case.context:
            yield Problem(f"context.{key}", "is a reserved key; rename it")


def _list_problems(case: TestCase) -> Iterator[Problem]:
    for name in ("simulation_guidelines", "tags"):
        value = cast("object", getattr(case, name))
        if not isinstance(value, tuple):
            yield Problem(name, f"is {kind(value)}, expected text or a list of texts")
            continue
        for i, item in enumerate(cast("tuple[object, ...]", value)):
            if not isinstance(item, str):
                yield Problem(f"{name}[{i}]", f"is {kind(item)}, expected text")


def _history_problems(case: TestCase) -> Iterator[Problem]:
    history = cast("object", case.history)
    if not isinstance(history, tuple):
        yield Problem("history", f"is {kind(history)}, expected a list of messages")
        return
    for i, message in enumerate(cast("tuple[object, ...]", history)):
        if not _is_message(message):
            parts = A_MESSAGE if isinstance(message, Message) else A_RECORD
            yield Problem(f"history[{i}]", f"is {_shown(message)}, expected {parts}")


def _is_message(value: object) -> bool:
    if not isinstance(value, Message):
        return False
    parts = (value.speaker, value.text, value.tool_calls)
    speaker, text, calls = cast("tuple[object, object, object]", parts)
    called = cast("tuple[object, ...]", calls) if isinstance(calls, tuple) else (calls,)
    return (
        isinstance(text, str)
        and isinstance(speaker, str)
        and speaker in ("user", "agent")
        and all(isinstance(call, ToolCall) for call in called)
    )


def _shown(message: object) -> str:
    if isinstance(message, Message):
        pairs: Iterable[tuple[object, object]] = (
            ("speaker", message.speaker),
            ("text", message.text),
        )
    elif isinstance(message, Mapping):
        pairs = cast("Mapping[object, object]", message).items()
    else:
        return kind(message)
    return "{" + ", ".join(f"{_told(key)}: {_told(value)}" for key, value in pairs)[:200] + "}"


def _told(part: object) -> str:
    return _short(part) if isinstance(part, str) else kind(part)


def _short(text: str) -> str:
    return text if len(text) <= 40 else text[:40] + "…"


def _opening_problems(case: TestCase) -> Iterator[Problem]:
    opens, limit = cast("object", case.agent_opens), cast("object", case.max_turns)
    if not isinstance(opens, bool):
        yield Problem("agent_opens", f"is {kind(opens)}, expected true or false")
    elif opens and isinstance(cast("object", case.history), tuple) and case.history:
        yield Problem("agent_opens", "is set together with history; keep one of them")
    if limit is not None and not is_count(limit):
        yield Problem("max_turns", f"is {kind(limit)}, expected {A_COUNT}")
