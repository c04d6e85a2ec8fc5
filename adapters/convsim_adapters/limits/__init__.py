"""As many requests as a model takes: fewer at once after a 429, none while it asks to wait.

`Limits` is the value, with a function for each thing that can happen; `limited` keeps to it around
a model port, one `Limiter` for all sessions that ask the same model. `Sharing` is its part in a run
of several processes.
"""

from convsim_adapters.limits.allowed import Limits, Signal, Ticket
from convsim_adapters.limits.at_once import AtOnce
from convsim_adapters.limits.limiter import Limiter, NotSent, limited, waited
from convsim_adapters.limits.minute import Minute, Slot
from convsim_adapters.limits.rates import Leave, Rates, SharedMinute
from convsim_adapters.limits.sharing import Sharing

__all__ = [
    "AtOnce",
    "Leave",
    "Limiter",
    "Limits",
    "Minute",
    "NotSent",
    "Rates",
    "SharedMinute",
    "Sharing",
    "Signal",
    "Slot",
    "Ticket",
    "limited",
    "waited",
]
