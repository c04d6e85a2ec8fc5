"""Goal checks: pure functions from a view of the conversation to a verdict.

`FIELDS` names the fields of a case's `extra` that goal checks read, each with the function that
parses it: it gives the value, or raises `InvalidSpec` with all problems at once.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from convsim_fp.core.cases import TestCase
from convsim_fp.goals.patterns import When, patterns_of, when
from convsim_fp.goals.prompted import prompted, read_verdict
from convsim_fp.goals.simple import all_of, any_of, never

__all__ = [
    "FIELDS",
    "When",
    "all_of",
    "any_of",
    "never",
    "patterns_of",
    "prompted",
    "read_verdict",
    "when",
]

FIELDS: Mapping[str, Callable[[TestCase], object]] = MappingProxyType({"goal_when": patterns_of})
