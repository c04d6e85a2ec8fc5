"""What a port answers or raises, and what is observed: the same in threads and in a loop."""

import asyncio

import pytest

from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    CallUser,
    Failed,
    Failure,
    Generate,
    Generated,
    Lane,
    Message,
    Prompt,
    RequestId,
    Session,
    TestCase,
    ToolCall,
)
from convsim_fp.errors import RateLimited, TimedOut
from convsim_fp.interpreters import AgentReply, Facts, Ports, Reply, aperform, perform
from convsim_fp.users import UserReply

CASE = TestCase(goal="return the red shoes")
SESSION = Session("refund/1")
SAID = (Message("user", "Hello."),)
CALL = CallAgent(RequestId(1, Lane.AGENT), SESSION, CASE, SAID)
ASK = Generate(RequestId(1, Lane.USER), SESSION, CASE, Prompt("user", "You are.", (), "Speak."))
JUDGE = Generate(
    RequestId(1, Lane.GOAL_CHECK), SESSION, CASE, Prompt("judge", "You judge.", SAID, "Reached?")
)
DELEGATE = CallUser(RequestId(1, Lane.USER), SESSION, CASE, ())
FACTS = Facts(input_tokens=7, cost=0.1)


def nobody(request):
    raise AssertionError(f"{request.id} is asked of the wrong port")


def both_ways(ports: Ports, request):
    """What is observed synchronously and in a loop, which must be the same."""
    seen = perform(ports)(request)
    assert asyncio.run(awaited(aperform(ports), request)) == seen
    return seen


async def awaited(performed, request):
    return await performed(request)


def later(function):
    async def answer(request):
        await asyncio.sleep(0)
        return function(request)

    return answer


@pytest.mark.parametrize(
    ("request_", "answer", "expected"),
    [
        (CALL, "Hi.", AgentReplied(CALL.id, "Hi.")),
        (CALL, AgentReply("Bye.", ended=True), AgentReplied(CALL.id, "Bye.", ended=True)),
        (
            CALL,
            AgentReply("", tool_calls=[ToolCall("search")]),
            AgentReplied(CALL.id, "", tool_calls=(ToolCall("search"),)),
        ),
        (ASK, "Hello.", Generated(ASK.id, "Hello.")),
        (ASK, Reply("Hello."), Generated(ASK.id, "Hello.")),
        (JUDGE, Reply("yes"), Generated(JUDGE.id, "yes")),
        (DELEGATE, "Hello.", Generated(DELEGATE.id, '{"say":"Hello.","leaves":""}')),
        (DELEGATE, UserReply("", "bored"), Generated(DELEGATE.id, '{"say":"","leaves":"bored"}')),
    ],
)
def test_an_answer_becomes_an_observation(request_, answer, expected) -> None:
    def port(request):
        assert request is request_
        return answer

    assert both_ways(Ports(port, port, port, port), request_).observation == expected
    ports = Ports(*[later(port)] * 4)
    assert asyncio.run(awaited(aperform(ports), request_)).observation == expected


def test_facts_go_with_the_observation() -> None:
    ports = Ports(lambda r: AgentReply("Hi.", facts=FACTS), lambda r: Reply("Hi.", FACTS))
    assert both_ways(ports, CALL).facts == both_ways(ports, ASK).facts == FACTS


def test_the_judge_is_the_goal_model_and_else_the_user_model() -> None:
    both = Ports(nobody, lambda r: "user", lambda r: "judge", nobody)
    assert both_ways(both, JUDGE).observation.text == "judge"
    assert both_ways(both, ASK).observation.text == "user"
    one = Ports(nobody, lambda r: "user")
    assert both_ways(one, JUDGE).observation.text == "user"


def test_a_port_that_is_empty_or_false_is_still_a_port() -> None:
    class Recorded(list):
        def __call__(self, request):
            return "recorded"

    ports = Ports(nobody, Recorded(), Recorded(), Recorded())
    assert [both_ways(ports, request).observation.id for request in (ASK, JUDGE, DELEGATE)] == [
        ASK.id,
        JUDGE.id,
        DELEGATE.id,
    ]


@pytest.mark.parametrize(
    ("request_", "port"), [(ASK, "user_model"), (JUDGE, "user_model"), (DELEGATE, "user")]
)
def test_a_port_that_is_missing_is_named(request_, port) -> None:
    failure = both_ways(Ports(nobody), request_).observation.failure
    assert failure == Failure(
        "missing_port", f"no port answers {request_.id.words}; give Ports({port}=…)"
    )


@pytest.mark.parametrize("made_async", [False, True])
@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (ValueError("no"), Failure("agent_error", "ValueError: no")),
        (TimedOut("after 30 s"), Failure("timed_out", "after 30 s")),
        (RateLimited(retry_after=2), Failure("rate_limited", "")),
        (SystemExit(3), Failure("agent_error", "SystemExit: 3")),
        (asyncio.CancelledError(), Failure("agent_error", "CancelledError")),
        (StopAsyncIteration(), Failure("agent_error", "StopAsyncIteration")),
        (ExceptionGroup("two", [OSError()]), None),
    ],
)
def test_what_a_port_raises_becomes_a_failure(error, failure, made_async) -> None:
    def agent(request):
        raise error

    if made_async:
        seen = asyncio.run(awaited(aperform(Ports(later(agent))), CALL))
    else:
        seen = both_ways(Ports(agent), CALL)
    assert isinstance(seen.observation, Failed)
    assert failure is None or seen.observation.failure == failure


def test_stop_iteration_is_a_failure_like_any_other() -> None:
    def agent(request):
        return next(iter(()))

    assert both_ways(Ports(agent), CALL).observation.failure.detail == "StopIteration"
    seen = asyncio.run(awaited(aperform(Ports(later(agent))), CALL))
    assert seen.observation.failure.detail == "StopIteration"


def test_an_error_that_cannot_be_printed_is_a_failure_like_any_other() -> None:
    class Silent(Exception):
        def __str__(self):
            raise RuntimeError("no words")

    def agent(request):
        raise Silent

    assert both_ways(Ports(agent), CALL).observation.failure.kind == "agent_error"


@pytest.mark.parametrize(
    ("request_", "answers"),
    [
        (CALL, [None, 7, b"Hi.", Reply("Hi."), UserReply("Hi."), ["Hi."], {"content": "Hi."}]),
        (ASK, [None, 7, AgentReply("Hi."), UserReply("Hi."), Exception("returned")]),
        (DELEGATE, [None, Reply("Hi."), AgentReply("Hi.")]),
    ],
)
def test_an_answer_of_another_type_is_a_malformed_reply_that_names_it(request_, answers) -> None:
    for answer in answers:
        failure = both_ways(Ports(*[lambda r, a=answer: a] * 4), request_).observation.failure
        assert failure.kind == "malformed_reply"
        assert repr(answer)[:20] in failure.detail


def test_an_answer_that_cannot_be_printed_is_a_failure_too() -> None:
    class Shy:
        def __repr__(self):
            raise RuntimeError("not for you")

    assert isinstance(both_ways(Ports(lambda r: Shy()), CALL).observation, Failed)
