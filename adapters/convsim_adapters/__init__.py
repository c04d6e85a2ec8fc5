"""Vendor modules and the driving side: everything around the pure core that touches the world.

One vendor, one module, one extra; a module whose extra is not installed says which one to install.

simulate            cases and an agent in, a `Run` with all its sessions out; what the command does
read_run            a recorded run, also while it goes on or after it was killed
resume_run          a recorded run finished, without asking again what is recorded
replay_run          a recorded run played again, nobody called; or against an agent that changed
fork_run            other sessions from a turn of a recorded one
diff_runs           two runs side by side
write_report        a recorded run, or two, as one HTML file to look at
find_conversation   the shortest conversation in which an agent breaks what must hold
as_agent            your own function or object, sync or async, as the agent port
ports_per_session   the same for agents that remember: a factory makes one for each session
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convsim_adapters.callables import as_agent, ports_per_session
    from convsim_adapters.finding import find_conversation
    from convsim_adapters.report import write_report
    from convsim_adapters.running.diffing import Pair, diff_runs
    from convsim_adapters.running.execution import SimulationInterrupted
    from convsim_adapters.running.forking import fork_run
    from convsim_adapters.running.replaying import Replayed, replay_against, replay_run
    from convsim_adapters.running.results import Run, SessionResult, Usage
    from convsim_adapters.running.resuming import resume_run
    from convsim_adapters.running.run_files import read_run
    from convsim_adapters.running.simulation import simulate

__all__ = [
    "Pair",
    "Replayed",
    "Run",
    "SessionResult",
    "SimulationInterrupted",
    "Usage",
    "as_agent",
    "diff_runs",
    "find_conversation",
    "fork_run",
    "ports_per_session",
    "read_run",
    "replay_against",
    "replay_run",
    "resume_run",
    "simulate",
    "write_report",
]

_MODULE_OF = {
    "callables": ("as_agent", "ports_per_session"),
    "finding": ("find_conversation",),
    "report": ("write_report",),
    "running.diffing": ("Pair", "diff_runs"),
    "running.execution": ("SimulationInterrupted",),
    "running.forking": ("fork_run",),
    "running.replaying": ("Replayed", "replay_against", "replay_run"),
    "running.results": ("Run", "SessionResult", "Usage"),
    "running.resuming": ("resume_run",),
    "running.run_files": ("read_run",),
    "running.simulation": ("simulate",),
}


def __getattr__(name: str) -> object:
    for part, names in _MODULE_OF.items():
        if name in names:
            return getattr(import_module(f"{__name__}.{part}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
