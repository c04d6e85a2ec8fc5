"""What a word of YAML without quotes is, by the core schema of YAML 1.2 (section 10.3.2).

So `no`, `12:30` and `2026-11-24` are text, unlike in YAML 1.1. One departure: digits after a
leading zero stay text, because 00742 is the name of an order and 742 is not.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType

from convsim_adapters.case_files.json_text import whole

__all__ = ["KIND_OF_TAG", "plain", "tagged"]

NULLS = ("", "~", "null", "Null", "NULL")
TRUE, FALSE = ("true", "True", "TRUE"), ("false", "False", "FALSE")
DECIMAL = re.compile(r"[-+]?(0|[1-9][0-9]*)")
BASED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
FRACTION = re.compile(r"[-+]?(\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
BASES: Mapping[str, int] = MappingProxyType({"0o": 8, "0x": 16})
KIND_OF_TAG: Mapping[str, type] = MappingProxyType(
    {
        "!!bool": bool,
        "!!float": float,
        "!!int": int,
        "!!map": dict,
        "!!null": type(None),
        "!!seq": list,
        "!!str": str,
    }
)


def plain(word: str) -> object:
    """The value of a word without quotes.

    >>> [plain(word) for word in ("no", "true", "0x1F", "1e3", "12:30", "")]
    ['no', True, 31, 1000.0, '12:30', None]
    """
    if word in NULLS:
        return None
    if word in TRUE or word in FALSE:
        return word in TRUE
    if DECIMAL.fullmatch(word):
        return whole(word)
    if BASED.fullmatch(word):
        return int(word[2:], BASES[word[:2]])
    if FRACTION.fullmatch(word):
        return float(word)
    return float(word.replace(".", "", 1)) if SPECIAL.fullmatch(word) else word


def tagged(word: str, tag: str) -> object:
    """The value of a word with a tag of `KIND_OF_TAG`; raises `ValueError` for one of another kind.

    >>> tagged("7", "!!str"), tagged("7", "!!float")
    ('7', 7.0)
    """
    wanted = KIND_OF_TAG[tag]
    value = word if wanted is str else plain(word)
    if wanted is float and type(value) is int:
        value = float(word)
    if type(value) is not wanted:
        raise ValueError(f"has the tag {tag} on {word[:40]!r}, which it does not fit; leave it out")
    return value
