"""Interpreters: thin loops that perform what a conversation waits for. No vendor in here."""

from convsim_fp.interpreters.aio import aconverse
from convsim_fp.interpreters.batch import aconverse_all, converse_all
from convsim_fp.interpreters.budget import Budget, Spent
from convsim_fp.interpreters.cases import UnknownFieldWarning, read_cases
from convsim_fp.interpreters.interruption import (
    ConversationCancelled,
    RunCancelled,
    RunInterrupted,
)
from convsim_fp.interpreters.perform import APerform, Perform, aperform, bounded, is_async, perform
from convsim_fp.interpreters.plan import RulesOf
from convsim_fp.interpreters.ports import (
    Agent,
    AgentReply,
    Entry,
    Facts,
    Model,
    Observed,
    OpenedPorts,
    Ports,
    PortsOf,
    Reply,
    Sink,
    Tracer,
    UserPort,
    no_sink,
)
from convsim_fp.interpreters.rebuilding import Resumed, rebuild
from convsim_fp.interpreters.run import Around, Finished
from convsim_fp.interpreters.threads import converse
from convsim_fp.interpreters.timing import Clock, aclocked, clocked
from convsim_fp.interpreters.tracing import atraced, traced

__all__ = [
    "APerform",
    "Agent",
    "AgentReply",
    "Around",
    "Budget",
    "Clock",
    "ConversationCancelled",
    "Entry",
    "Facts",
    "Finished",
    "Model",
    "Observed",
    "OpenedPorts",
    "Perform",
    "Ports",
    "PortsOf",
    "Reply",
    "Resumed",
    "RulesOf",
    "RunCancelled",
    "RunInterrupted",
    "Sink",
    "Spent",
    "Tracer",
    "UnknownFieldWarning",
    "UserPort",
    "aclocked",
    "aconverse",
    "aconverse_all",
    "aperform",
    "atraced",
    "bounded",
    "clocked",
    "converse",
    "converse_all",
    "is_async",
    "no_sink",
    "perform",
    "read_cases",
    "rebuild",
    "traced",
]
