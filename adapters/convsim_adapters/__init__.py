"""Vendor modules and the driving side: everything around the pure core that touches the world.

One vendor, one module, one extra; a module whose extra is not installed says which one to install.

as_agent            your own function or object, sync or async, as the agent port
ports_per_session   the same for agents that remember: a factory makes one for each session
"""

from convsim_adapters.callables import as_agent, ports_per_session

__all__ = ["as_agent", "ports_per_session"]
