"""Hypothesis profiles; HYPOTHESIS_PROFILE chooses one."""

import os

from hypothesis import settings

settings.register_profile("dev", max_examples=60, deadline=None)
# Derandomised: a red build shows the same counterexample at the next try.
settings.register_profile("ci", max_examples=400, deadline=None, derandomize=True)
settings.register_profile("nightly", max_examples=5000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "dev"))
