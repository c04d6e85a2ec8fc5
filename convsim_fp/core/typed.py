"""Fields that hold one type only, and say in words what they were given instead."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias

from convsim_fp.core.json_values import kind

if TYPE_CHECKING:
    from attrs import Attribute

__all__ = ["of_type"]

Validator: TypeAlias = "Callable[[Any, Attribute[Any], Any], None]"

NAMES: Mapping[type, str] = MappingProxyType(
    {str: "text", bool: "true or false", int: "a whole number"}
)


def of_type(wanted: type) -> Validator:
    """Make the validator of a field that is to be of a type; it raises TypeError in plain words.

    >>> from convsim_fp.core import Say
    >>> Say(7)
    Traceback (most recent call last):
    TypeError: the text of Say is a number (7), expected text
    """
    expected = NAMES.get(wanted, f"a {wanted.__name__}")

    def check(made: Any, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, wanted):
            where = f"the {attribute.name} of {type(made).__name__}"
            raise TypeError(f"{where} is {kind(value)}, expected {expected}")

    return check
