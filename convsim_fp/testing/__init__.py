"""The test kit: fakes, hypothesis strategies and conformance checks; needs the extra `testing`.

- `strategies`: what conversations are made of, for properties of your own;
- `fake_model`, `fake_agent`: pure functions of the request;
- `search_conversations`: the shortest conversation that should not be, from ports of your own;
- `drive`: a conversation by hand, in any order of arrival;
- `check_user`, `check_goal_check`, `check_model`, `check_agent`, `check_sink`: whether yours keep
  what convsim relies on.
"""

from importlib import import_module

try:
    import_module("hypothesis")  # here, where its absence can be explained
except ModuleNotFoundError as error:
    what = "convsim_fp.testing needs hypothesis: pip install 'convsim-fp[testing]'"
    raise ModuleNotFoundError(what) from error

from convsim_fp.testing import strategies
from convsim_fp.testing.conformance import (
    check_agent,
    check_goal_check,
    check_model,
    check_user,
)
from convsim_fp.testing.fakes import Fake, Observe, drive, fake_agent, fake_model, observing
from convsim_fp.testing.finding import (
    FlakyConversation,
    FoundConversation,
    Search,
    VainSearch,
    search_conversations,
)
from convsim_fp.testing.sinks import check_sink

__all__ = [
    "Fake",
    "FlakyConversation",
    "FoundConversation",
    "Observe",
    "Search",
    "VainSearch",
    "check_agent",
    "check_goal_check",
    "check_model",
    "check_sink",
    "check_user",
    "drive",
    "fake_agent",
    "fake_model",
    "observing",
    "search_conversations",
    "strategies",
]
