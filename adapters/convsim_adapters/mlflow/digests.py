"""The name that test cases have by what they say."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Collection, Iterable, Mapping
from hashlib import sha256
from typing import cast

from convsim_adapters.mlflow.records import FIELDS, given
from convsim_fp.core.json_values import MAX_INTEGER_BITS

__all__ = ["digest_of"]

DIGITS = 8
ADDRESS = re.compile(r" at 0x[0-9A-Fa-f]+")


def digest_of(records: Iterable[Mapping[str, object]]) -> str:
    """Name test cases by what they say, in 8 characters: the same cases, the same name.

    The order of the cases counts, that of keys does not, nor do fields that nothing reads. Values
    that are not JSON count by their type and what they print, without addresses.

    >>> digest_of([{"goal": "pay"}]) == digest_of([{"persona": None, "goal": "pay"}])
    True
    """
    told = [[_canonical(given(record, name), ()) for name in FIELDS] for record in records]
    return sha256(json.dumps(told).encode("ascii")).hexdigest()[:DIGITS]


def _canonical(value: object, around: tuple[int, ...]) -> object:
    """What stands for a value; `around` are the ids of the containers that it is in."""
    match value:
        case None | bool():
            return value
        case str():
            return str.__str__(value)
        case int() if value.bit_length() <= MAX_INTEGER_BITS:
            return int(value)
        case float() if math.isfinite(value):
            return float(value)
        case _:
            return _tagged(value, (*around, id(value)), is_again=id(value) in around)


def _tagged(value: object, inside: tuple[int, ...], *, is_again: bool) -> object:
    match value:
        case Mapping() | list() | tuple() | set() | frozenset() if is_again:
            return {"again": inside[-2::-1].index(inside[-1])}
        case Mapping():
            items = cast("Mapping[object, object]", value).items()
            return {"object": _sorted([_canonical(part, inside) for part in p] for p in items)}
        case list() | tuple():
            return {"list": [_canonical(each, inside) for each in cast("list[object]", value)]}
        case set() | frozenset():
            each = cast("Collection[object]", value)
            return {"set": _sorted(_canonical(one, inside) for one in each)}
        case _:
            return {f"{type(value).__module__}.{type(value).__qualname__}": _shown(value)}


def _sorted(values: Iterable[object]) -> list[object]:
    return sorted(values, key=json.dumps)


def _shown(value: object) -> str:
    try:
        return ADDRESS.sub("", hex(value) if isinstance(value, int) else repr(value))
    except Exception:  # noqa: BLE001  somebody else's object, which may fail to print
        return ""
