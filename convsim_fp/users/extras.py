"""Reading what simulated users find in a case's `extra`."""

from __future__ import annotations

from typing import cast

from convsim_fp.core.json_values import kind
from convsim_fp.errors import Problem

__all__ = ["text_problems"]


def text_problems(
    field: str, value: object, case_id: str | None, *, expected: str = "a list of texts"
) -> tuple[Problem, ...]:
    """What keeps a value from being a list of texts."""
    if not isinstance(value, tuple):
        return (Problem(field, f"is {kind(value)}, expected {expected}", id=case_id),)
    return tuple(
        Problem(f"{field}[{i}]", f"is {kind(item)}, expected text", id=case_id)
        for i, item in enumerate(cast("tuple[object, ...]", value))
        if not isinstance(item, str)
    )
