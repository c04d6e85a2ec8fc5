"""When a request began and how long it took."""

import asyncio
from itertools import count

from convsim_fp import users
from convsim_fp.core import Rules, TestCase, start
from convsim_fp.interpreters import (
    AgentReply,
    Facts,
    Ports,
    aclocked,
    aperform,
    clocked,
    perform,
)

REQUEST = start(Rules(users.scripted(["Hi."]), None), TestCase(goal="greet")).requests[0]


def clocks():
    ticks = count(10)
    return {"now": lambda: 1_800_000_000.0, "watch": lambda: float(next(ticks))}


def test_both_interpreters_tell_the_same() -> None:
    ports = Ports(lambda request: "Hello.")
    sync = clocked(perform(ports), **clocks())(REQUEST)
    later = asyncio.run(aclocked(aperform(ports), **clocks())(REQUEST))
    assert sync == later
    assert sync.facts == Facts(start=1_800_000_000.0, seconds=1.0)


def test_a_failure_took_its_time_too() -> None:
    seen = clocked(perform(Ports(lambda request: 1 / 0)), **clocks())(REQUEST)
    assert seen.facts.seconds == 1.0


def test_what_a_port_knows_itself_is_kept() -> None:
    reply = AgentReply("Hello.", facts=Facts(seconds=0.25, cost=0.5))
    seen = clocked(perform(Ports(lambda request: reply)), **clocks())(REQUEST)
    assert seen.facts == reply.facts
