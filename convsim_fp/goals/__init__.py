"""Goal checks: pure functions from a view of the conversation to a verdict."""

from convsim_fp.goals.prompted import prompted, read_verdict
from convsim_fp.goals.simple import all_of, any_of, never, when

__all__ = ["all_of", "any_of", "never", "prompted", "read_verdict", "when"]
