"""Vendor modules and the driving side: everything around the pure core that touches the world.

One vendor, one module, one extra; a module whose extra is not installed says which one to install.

simulate            cases and an agent in, a `Run` with all its sessions out; what the command does
as_agent            your own function or object, sync or async, as the agent port
ports_per_session   the same for agents that remember: a factory makes one for each session
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convsim_adapters.callables import as_agent, ports_per_session
    from convsim_adapters.running.results import Run, SessionResult, Usage
    from convsim_adapters.running.simulation import SimulationInterrupted, simulate

__all__ = [
    "Run",
    "SessionResult",
    "SimulationInterrupted",
    "Usage",
    "as_agent",
    "ports_per_session",
    "simulate",
]

_MODULES = ("callables", "running.results", "running.simulation")


def __getattr__(name: str) -> object:
    for part in _MODULES if name in __all__ else ():
        module = import_module(f"{__name__}.{part}")
        if name in module.__all__:
            return getattr(module, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
