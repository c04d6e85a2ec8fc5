"""States and records to plain JSON and back, without loss and without guessing.

`state_from_json(state_to_json(state)) == state`, for any text, lone surrogates included; the same
holds of records. What is not exactly one is refused: wrong types are not converted, unknown keys
not dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from types import MappingProxyType
from typing import Any, cast, get_origin

from attrs import fields, has
from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override
from cattrs.strategies import configure_tagged_union

from convsim_fp.core.json_values import Json, JsonObject, freeze, freeze_object, kind, thaw
from convsim_fp.core.observations import Answer, Observation
from convsim_fp.core.requests import Lane, RequestId
from convsim_fp.core.state import Phase, State, StopReason
from convsim_fp.errors import JournalError
from convsim_fp.journal.entries import plain_entry, request_id, usual_entry
from convsim_fp.journal.records import EntryRecord, Record

__all__ = ["record_from_plain", "record_to_plain", "state_from_json", "state_to_json"]


def state_to_json(state: State) -> str:
    """Write a state as one line of ASCII JSON; equal states give equal bytes."""
    return json.dumps(
        CONVERTER.unstructure(state), ensure_ascii=True, allow_nan=False, separators=(",", ":")
    )


def state_from_json(text: str) -> State:
    """Read a state back. Raises `JournalError` that says what is wrong and where."""
    try:
        read = json.loads(text)
        if not isinstance(read, dict):
            raise JournalError(f"this is no state: it is {kind(read)}, expected an object")
        return CONVERTER.structure(read, State)
    except BaseValidationError as error:
        raise JournalError(f"this is no state: {_all(error)}") from error
    except (ValueError, RecursionError) as error:
        raise JournalError(f"this is no state: {error}") from error


def record_to_plain(record: Record) -> dict[str, Any]:
    """Write a record as a plain JSON object; what is as always is left out."""
    if isinstance(record, EntryRecord) and (plain := plain_entry(record)) is not None:
        return plain
    return _plainly(record)


def _plainly(record: Record) -> dict[str, Any]:
    return cast("dict[str, Any]", RECORDS.unstructure(record, unstructure_as=Record))


def record_from_plain(read: dict[str, Any]) -> Record:
    """Read a record back. Raises `JournalError` that says what is wrong with it, and where."""
    try:
        if read.get("kind") == "entry":
            return usual_entry(read)
    except (KeyError, TypeError, ValueError):
        pass  # the careful way, which is slow, finds the words
    try:
        return RECORDS.structure(read, cast("type[Record]", Record))
    except BaseValidationError as error:
        raise JournalError(f"is no record: {_all(error)}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise JournalError(f"is no record: {_words(error, None)}") from error


def _all(error: BaseValidationError) -> str:
    """Each thing that is wrong, behind the place where it stands."""
    told = transform_error(error, format_exception=_words)
    parts = (one.rpartition(" @ $") for one in told)
    return "; ".join(_placed(place.lstrip("."), what) for what, _, place in parts)


def _placed(place: str, what: str) -> str:
    key = what.removeprefix("has ").removesuffix(UNKNOWN).strip("'")
    if what.endswith(UNKNOWN) and place.rpartition(".")[2] == key:
        return f"{place} is missing"
    return f"{place} {what}".strip()


def _words(error: BaseException, _: type | None) -> str:
    match error:
        case KeyError():
            return f"has {error}{UNKNOWN}"
        case ForbiddenExtraKeysError():
            return f"has {', '.join(map(repr, sorted(error.extra_fields)))}, which nothing reads"
        case AttributeError():
            return "is no object"
        case _:
            return str(error)


UNKNOWN = ", which is missing or unknown"
PLAIN = MappingProxyType({str: "text", int: "a whole number", bool: "true or false"})


def _exactly(plain: type) -> Callable[[object, object], object]:
    def structure(value: object, _: object) -> object:
        if type(value) is not plain:
            found = "null" if value is None else f"{value!r:.60}"
            raise TypeError(f"is {found}, expected {PLAIN[plain]}")
        return value

    return structure


def _stop_reason(value: object, _: object) -> StopReason:
    return StopReason(str(value))


def _object(value: dict[str, object], _: object) -> JsonObject:
    return freeze_object(value)


def _json(value: object, _: object) -> Json:
    return freeze(value)


def _request_id(value: object, _: object) -> RequestId:
    return request_id(value)


def _lane(value: object, _: object) -> Lane:
    return Lane(str(value))


def _tag(kind: type) -> str:
    """The name of a record's or an observation's kind, which the class may outgrow."""
    return "entry" if kind is EntryRecord else kind.__name__.lower()


def _states() -> Converter:
    return _with_state(Converter(forbid_extra_keys=True))


def _records() -> Converter:
    made = _with_state(Converter(forbid_extra_keys=True, omit_if_default=True))
    seam: Any = made
    seam.register_unstructure_hook(RequestId, str)
    seam.register_structure_hook(RequestId, _request_id)
    seam.register_structure_hook(Lane, _lane)
    for union in (Observation, Answer, Record):
        configure_tagged_union(union, made, tag_name="kind", tag_generator=_tag)
    return made


def _with_state(made: Converter) -> Converter:
    seam: Any = made  # cattrs leaves the types of its hooks open
    for plain in (str, int, bool):  # before the union: it would keep cattrs' own, which convert
        seam.register_structure_hook(plain, _exactly(plain))
    seam.register_structure_hook(float, _number)
    seam.register_structure_hook(StopReason, _stop_reason)  # else the hook of str would take it
    seam.register_unstructure_hook(JsonObject, thaw)
    seam.register_structure_hook(JsonObject, _object)
    seam.register_structure_hook_factory(has, partial(_strict, made))
    configure_tagged_union(Phase, made, tag_name="phase")
    return made


def _strict(made: Converter, kind: Any) -> Callable[[object, object], object]:
    """For a class: an object and nothing that passes for one, lists where lists are."""
    memo: Any = {"memo": override(struct_hook=_json)} if kind is State else {}
    structure: Any = make_dict_structure_fn(kind, made, _cattrs_forbid_extra_keys=True, **memo)
    lists = tuple(each.name for each in fields(kind) if get_origin(each.type) is tuple)

    def strict(value: object, expected: object) -> object:
        if type(value) is not dict:
            raise TypeError(f"is {value!r:.60}, expected an object")
        read = cast("dict[str, object]", value)
        for name in lists:
            if type(read.get(name, [])) is not list:
                raise TypeError(f"{name} is {read[name]!r:.60}, expected a list")
        return structure(value, expected)

    return strict


def _number(value: object, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"is {value!r:.60}, expected a number")
    return value


CONVERTER = _states()
RECORDS = _records()
