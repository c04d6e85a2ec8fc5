"""Hypothesis profiles, of which HYPOTHESIS_PROFILE chooses one; a server to test against."""

import importlib.util
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("dev", max_examples=60, deadline=None)
# Derandomised: a red build shows the same counterexample at the next try.
settings.register_profile("ci", max_examples=60, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))

# Tests are no packages, so what several of them use is put where `import` finds it.
SERVER = Path(__file__).with_name("loopback") / "server.py"
spec = importlib.util.spec_from_file_location("loopback_server", SERVER)
assert spec is not None
assert spec.loader is not None
server = importlib.util.module_from_spec(spec)
sys.modules["loopback_server"] = server
spec.loader.exec_module(server)


@pytest.fixture
def loopback() -> Iterator[server.Loopback]:
    """A server that speaks the chat-completions protocol, on loopback."""
    with server.serving() as served:
        yield served
