"""convsim: test a conversational agent with simulated users, on a functional pure core.

The names here are the everyday ones; each package below exports the rest of its own. Everything is
imported when it is first used, so asyncio and cattrs only where they are needed.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convsim_fp import goals, users
    from convsim_fp.core import (
        AgentReplied,
        Ask,
        CallAgent,
        CallUser,
        Failed,
        Failure,
        Generate,
        Generated,
        Interrupted,
        Leave,
        Message,
        Prompt,
        Rules,
        Satisfied,
        Say,
        State,
        Step,
        Stopped,
        StopReason,
        TestCase,
        ToolCall,
        Verdict,
        View,
        resume,
        start,
        step,
    )
    from convsim_fp.errors import ConvsimError, InvalidSpec, PortError, UnexpectedObservation
    from convsim_fp.interpreters import (
        AgentReply,
        Budget,
        Ports,
        Reply,
        RunInterrupted,
        aconverse,
        aconverse_all,
        aperform,
        converse,
        converse_all,
        perform,
        read_cases,
    )
    from convsim_fp.journal import replay, state_from_json, state_to_json

__all__ = [
    "AgentReplied",
    "AgentReply",
    "Ask",
    "Budget",
    "CallAgent",
    "CallUser",
    "ConvsimError",
    "Failed",
    "Failure",
    "Generate",
    "Generated",
    "Interrupted",
    "InvalidSpec",
    "Leave",
    "Message",
    "PortError",
    "Ports",
    "Prompt",
    "Reply",
    "Rules",
    "RunInterrupted",
    "Satisfied",
    "Say",
    "State",
    "Step",
    "StopReason",
    "Stopped",
    "TestCase",
    "ToolCall",
    "UnexpectedObservation",
    "Verdict",
    "View",
    "aconverse",
    "aconverse_all",
    "aperform",
    "converse",
    "converse_all",
    "goals",
    "perform",
    "read_cases",
    "replay",
    "resume",
    "start",
    "state_from_json",
    "state_to_json",
    "step",
    "users",
]

_PACKAGES = ("core", "errors", "interpreters", "journal")


def __getattr__(name: str) -> object:
    if name in ("goals", "users"):
        return import_module(f"{__name__}.{name}")
    for package in _PACKAGES if name in __all__ else ():
        module = import_module(f"{__name__}.{package}")
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
