"""Simulated users: pure functions from a view of the conversation to the user's next move."""

from convsim_fp.users.combinators import First, Screen, first, screened
from convsim_fp.users.delegated import UserReply, delegated
from convsim_fp.users.prompted import by_user, facts_of, prompted
from convsim_fp.users.scripted import fill, scripted

__all__ = [
    "First",
    "Screen",
    "UserReply",
    "by_user",
    "delegated",
    "facts_of",
    "fill",
    "first",
    "prompted",
    "screened",
    "scripted",
]
