"""JSON values that nobody can change: what cases carry and behaviours remember."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import frozen

__all__ = [
    "Json",
    "JsonObject",
    "NotJson",
    "dumps",
    "freeze",
    "freeze_object",
    "kind",
    "readable",
    "thaw",
]

MAX_DEPTH = 100
MOST = 1_000_000
A_COUNT = f"a whole number from 1 to {MOST:,}"
MAX_INTEGER_BITS = 4096  # Python refuses to print integers of more than 4,300 digits
VOWELS = tuple("AEIOUaeiou")
MAPPINGS = (dict, Mapping)  # the usual one first: the other is looked up in a registry

if TYPE_CHECKING:
    Json: TypeAlias = "bool | int | float | str | tuple[Json, ...] | JsonObject | None"
else:
    Json = Any  # a recursive alias cannot be resolved where it is imported, as cattrs has to


class NotJson(ValueError):
    """A value has a part that JSON cannot hold; `path` leads to it."""

    def __init__(self, path: str, what: str) -> None:
        self.path = path
        self.what = what
        super().__init__(f"{path} {what}".strip())

    def within(self, name: str) -> str:
        """The path as it goes on from the name that the value has."""
        joint = "" if self.path.startswith("[") else "."
        return f"{name}{joint}{self.path}".rstrip(".")


@frozen(eq=False, repr=False)
class JsonObject(Mapping[str, Json]):
    """A JSON object that is frozen all the way down; equal to any mapping with the same items.

    >>> freeze_object({"order": {"id": 7}})["order"]["id"]
    7
    """

    _items: dict[str, Json]

    def __getitem__(self, key: str) -> Json:
        return self._items[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def get(self, key: str, default: Any = None) -> Any:
        """The value of a key, or the default; as any mapping does it, only sooner."""
        return self._items.get(key, default)

    def __contains__(self, key: object) -> bool:
        return key in self._items

    def __eq__(self, other: object) -> bool:
        if isinstance(other, JsonObject):
            return self is other or self._items == other._items
        if isinstance(other, Mapping):
            return self._items == dict(cast("Mapping[object, object]", other))
        return NotImplemented

    def __hash__(self) -> int:
        return hash(frozenset(self._items.items()))

    @cached_property
    def canonical(self) -> str:
        """As one line of ASCII JSON, whatever the order of its keys was."""
        return json.dumps(thaw(self), allow_nan=False, separators=(",", ":"), sort_keys=True)

    def __repr__(self) -> str:
        return repr(thaw(self))


def freeze(value: object) -> Json:
    """Copy a value into frozen JSON, so that no caller can change it later.

    Tuples and lists become tuples, mappings become `JsonObject`. Raises `NotJson` with the path to
    the first part that is not JSON: NaN and infinities, keys that are not strings, other types,
    more than 100 levels (which a cycle has).

    >>> freeze({"sizes": [38, 39]})
    {'sizes': [38, 39]}
    """
    return _freeze(value, "", MAX_DEPTH)


def freeze_object(value: Mapping[str, object]) -> JsonObject:
    """Like `freeze`, for what has to be an object at its top."""
    if not isinstance(value, MAPPINGS):
        raise NotJson("", f"is {kind(value)}, expected an object")
    return cast("JsonObject", freeze(value))


def thaw(value: Json) -> object:
    """Copy frozen JSON into plain dicts and lists, which their receiver may change.

    >>> thaw(freeze({"sizes": (38, 39)}))
    {'sizes': [38, 39]}
    """
    if isinstance(value, JsonObject):
        return {key: thaw(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [thaw(item) for item in value]
    return value


def dumps(value: object) -> str:
    """Write a JSON value as one line of ASCII: any text survives, lone surrogates included."""
    plain = thaw(cast("Json", value))
    return json.dumps(plain, ensure_ascii=True, allow_nan=False, separators=(",", ":"))


def readable(value: object) -> str:
    """Write a plain JSON value for a reader: text of every language as it is."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def is_count(value: object) -> bool:
    """Whether a value can be a limit, of turns or the like."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= MOST


def kind(value: object) -> str:
    """Name a value's type as a reader of JSON or YAML would."""
    match value:
        case None:
            return "nothing (null)"
        case bool():
            return f"a boolean ({str(value).lower()})"
        case float() if math.isnan(value):
            return "NaN"
        case int() if value.bit_length() > MAX_INTEGER_BITS:
            return f"a number of more than {MAX_INTEGER_BITS} bits"
        case int():
            return f"a number ({int(value)!r:.40})"
        case float():
            return f"a number ({float(value)!r})"
        case str():
            return "text"
        case Mapping():
            return "an object"
        case list() | tuple():
            return "a list"
        case _:
            name = type(value).__name__
            return f"an {name}" if name.startswith(VOWELS) else f"a {name}"


def _freeze(value: object, path: str, depth: int) -> Json:
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int() if value.bit_length() <= MAX_INTEGER_BITS:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case dict() | list() | tuple() | Mapping():
            if depth == 0:
                raise NotJson(path[:60] + "…", f"is nested deeper than {MAX_DEPTH} levels")
        case _:
            raise NotJson(path, f"is {kind(value)}, which JSON cannot hold")
    if isinstance(value, MAPPINGS):
        pairs = cast("Mapping[object, object]", value)
        return JsonObject(
            {
                _key(key, path): _freeze(item, f"{path}.{key}" if path else str(key), depth - 1)
                for key, item in pairs.items()
            }
        )
    items = cast("list[object]", value)
    return tuple(_freeze(item, f"{path}[{i}]", depth - 1) for i, item in enumerate(items))


def _key(key: object, path: str) -> str:
    if not isinstance(key, str):
        raise NotJson(path, f"has a key that is {kind(key)}, expected text")
    return str.__str__(key)
