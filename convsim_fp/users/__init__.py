"""Simulated users: pure functions from a view of the conversation to the user's next move.

`FIELDS` names the fields of a case's `extra` that users read, each with the function that parses
it: it gives the value, or raises `InvalidSpec` with all problems at once.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from convsim_fp.core.cases import TestCase
from convsim_fp.users.acts import Act, Agenda, Condition, Slot
from convsim_fp.users.agenda import agenda
from convsim_fp.users.agenda_reading import agenda_of
from convsim_fp.users.combinators import First, Screen, first, screened
from convsim_fp.users.delegated import UserReply, delegated
from convsim_fp.users.places import fill
from convsim_fp.users.prompted import by_user, facts_of, prompted
from convsim_fp.users.scripted import script_of, scripted

__all__ = [
    "FIELDS",
    "Act",
    "Agenda",
    "Condition",
    "First",
    "Screen",
    "Slot",
    "UserReply",
    "agenda",
    "agenda_of",
    "by_user",
    "delegated",
    "facts_of",
    "fill",
    "first",
    "prompted",
    "screened",
    "script_of",
    "scripted",
]

FIELDS: Mapping[str, Callable[[TestCase], object]] = MappingProxyType(
    {
        "script": script_of,
        "agenda": agenda_of,
        "knows": facts_of,
        "does_not_know": facts_of,
        "language": facts_of,
    }
)
