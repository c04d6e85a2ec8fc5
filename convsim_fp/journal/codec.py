"""States and records to plain JSON and back, without loss and without guessing.

`state_from_json(state_to_json(state)) == state`, for any text, lone surrogates included; the same
holds of records. What is not exactly one is refused: wrong types are not converted, unknown keys
not dropped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, cast

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception

from convsim_fp.core.json_values import Json, JsonObject, freeze, freeze_object, kind, thaw
from convsim_fp.core.observations import Answer, Observation
from convsim_fp.core.requests import Lane, RequestId
from convsim_fp.core.state import Phase, State, StopReason
from convsim_fp.errors import JournalError
from convsim_fp.journal.records import (
    EntryRecord,
    Record,
)

__all__ = ["record_from_plain", "record_to_plain", "state_from_json", "state_to_json"]

REQUEST_ID = re.compile(r"(0|[1-9]\d{0,8})/(user|agent|goal_check)/(0|[1-9]\d{0,8})", re.ASCII)


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
        found = "; ".join(transform_error(error, format_exception=_words))
        raise JournalError(f"this is no state: {found}") from error
    except (ValueError, RecursionError) as error:
        raise JournalError(f"this is no state: {error}") from error


def record_to_plain(record: Record) -> dict[str, Any]:
    """Write a record as a plain JSON object; what is as always is left out."""
    return cast("dict[str, Any]", RECORDS.unstructure(record, unstructure_as=Record))


def record_from_plain(read: dict[str, Any]) -> Record:
    """Read a record back. Raises `JournalError` that says what is wrong with it, and where."""
    try:
        return RECORDS.structure(read, cast("type[Record]", Record))
    except Exception:  # noqa: BLE001  the careful converter, which is slow, finds the words
        return _read_carefully(read)


def _read_carefully(read: dict[str, Any]) -> Record:
    try:
        return CAREFUL.structure(read, cast("type[Record]", Record))
    except BaseValidationError as error:
        found = "; ".join(transform_error(error, format_exception=_words))
        raise JournalError(f"is no record: {found}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise JournalError(f"is no record: {_words(error, None)}") from error


def _words(error: BaseException, expected: type | None) -> str:
    match error:
        case KeyError():
            return f"{error} is missing or unknown"
        case ForbiddenExtraKeysError():
            return format_exception(error, expected)
        case _:
            return str(error)


def _exactly(plain: type) -> Callable[[object, object], object]:
    def structure(value: object, _: object) -> object:
        if type(value) is not plain:
            raise TypeError(f"is {value!r:.60}, expected {plain.__name__}")
        return value

    return structure


def _stop_reason(value: object, _: object) -> StopReason:
    return StopReason(str(value))


def _object(value: dict[str, object], _: object) -> JsonObject:
    return freeze_object(value)


def _json(value: object, _: object) -> Json:
    return freeze(value)


def _request_id(value: object, _: object) -> RequestId:
    found = REQUEST_ID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise TypeError(f"is {value!r:.60}, expected turn/lane/nth")
    return RequestId(int(found[1]), Lane(found[2]), int(found[3]))


def _lane(value: object, _: object) -> Lane:
    return Lane(str(value))


def _tag(kind: type) -> str:
    """The name of a record's or an observation's kind, which the class may outgrow."""
    return "entry" if kind is EntryRecord else kind.__name__.lower()


def _converter() -> Converter:
    return _with_state(Converter(forbid_extra_keys=True))


def _records(*, careful: bool) -> Converter:
    made = _with_state(
        Converter(forbid_extra_keys=True, omit_if_default=True, detailed_validation=careful)
    )
    seam: Any = made
    seam.register_unstructure_hook(RequestId, str)
    seam.register_structure_hook(RequestId, _request_id)
    seam.register_structure_hook(Lane, _lane)
    configure_tagged_union(Observation, made, tag_name="kind", tag_generator=_tag)
    configure_tagged_union(Answer, made, tag_name="kind", tag_generator=_tag)
    configure_tagged_union(Record, made, tag_name="kind", tag_generator=_tag)
    return made


def _with_state(made: Converter) -> Converter:
    seam: Any = made  # cattrs leaves the types of its hooks open
    for plain in (str, int, bool):  # before the union: it would keep cattrs' own, which convert
        seam.register_structure_hook(plain, _exactly(plain))
    seam.register_structure_hook(float, _number)
    seam.register_structure_hook(StopReason, _stop_reason)  # else the hook of str would take it
    seam.register_unstructure_hook(JsonObject, thaw)
    seam.register_structure_hook(JsonObject, _object)
    configure_tagged_union(Phase, made, tag_name="phase")
    whole: Any = make_dict_structure_fn(State, made, memo=override(struct_hook=_json))
    seam.register_structure_hook(State, whole)
    return made


def _number(value: object, _: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"is {value!r:.60}, expected a number")
    return value


CONVERTER = _converter()
RECORDS = _records(careful=False)
CAREFUL = _records(careful=True)
