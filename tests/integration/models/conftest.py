"""Requests as a conversation makes them."""

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Generate,
    Generated,
    Lane,
    Message,
    RequestId,
    Rules,
    Session,
    TestCase,
    start,
    step,
)

CASE = TestCase(goal="get the money back", context={"order": "W7", "items": [1, 2]})


@pytest.fixture
def users_request() -> Generate:
    """The first question to the user's model."""
    return start(Rules(users.prompted(), None), CASE, Session("refund/1")).requests[0]


@pytest.fixture
def judges_request() -> Generate:
    """The first question to the judge, which has a schema."""
    rules = Rules(users.prompted(), goals.prompted())
    waiting = start(rules, CASE, Session("refund/1"))
    waiting = step(rules, waiting.state, Generated(waiting.requests[0].id, "Money, please."))
    return step(rules, waiting.state, AgentReplied(waiting.requests[0].id, "Done.")).requests[0]


@pytest.fixture
def agents_request() -> CallAgent:
    """A call of the agent in the second turn."""
    said = (Message("user", "Money?"), Message("agent", "Which order?"), Message("user", "W7"))
    return CallAgent(RequestId(2, Lane.AGENT), Session("refund/1"), CASE, said)
