"""States to JSON text and back, without loss and without guessing.

`state_from_json(state_to_json(state)) == state`, for any text, lone surrogates included. What is
not exactly a state is refused: wrong types are not converted, unknown keys not dropped.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from cattrs import Converter, transform_error
from cattrs.errors import BaseValidationError, ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn, override
from cattrs.strategies import configure_tagged_union
from cattrs.v import format_exception

from convsim_fp.core.json_values import Json, JsonObject, freeze, freeze_object, kind, thaw
from convsim_fp.core.state import Phase, State, StopReason
from convsim_fp.errors import JournalError

__all__ = ["state_from_json", "state_to_json"]


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


def _converter() -> Converter:
    made = Converter(forbid_extra_keys=True)
    seam: Any = made  # cattrs leaves the types of its hooks open
    for plain in (str, int, bool):  # before the union: it would keep cattrs' own, which convert
        seam.register_structure_hook(plain, _exactly(plain))
    seam.register_structure_hook(StopReason, _stop_reason)  # else the hook of str would take it
    seam.register_unstructure_hook(JsonObject, thaw)
    seam.register_structure_hook(JsonObject, _object)
    configure_tagged_union(Phase, made, tag_name="phase")
    whole: Any = make_dict_structure_fn(State, made, memo=override(struct_hook=_json))
    seam.register_structure_hook(State, whole)
    return made


CONVERTER = _converter()
