"""Prints the digest of every state of many conversations; run under several PYTHONHASHSEEDs."""

from hashlib import sha256

from hypothesis import given, settings

from convsim_fp.core import Rules, TestCase, start
from convsim_fp.interpreters import Ports
from convsim_fp.journal import state_to_json
from convsim_fp.testing import drive, observing
from convsim_fp.testing import strategies as any_of

found = sha256()


@settings(max_examples=150, derandomize=True, database=None, deadline=None)
@given(any_of.rules(), any_of.cases(), any_of.ports(), any_of.schedules())
def run(rules: Rules, case: TestCase, ports: Ports, schedule: list[int]) -> None:
    drive(
        rules,
        start(rules, case),
        observing(ports),
        schedule=schedule,
        watch=lambda step: found.update(state_to_json(step.state).encode()),
    )


if __name__ == "__main__":
    run()
    print(found.hexdigest())  # noqa: T201  what the test reads
