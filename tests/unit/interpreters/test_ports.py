import pytest

from convsim_fp.core import ToolCall
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters import AgentReply, Facts, Ports, Reply


def fine(request):
    return "Hi."


def test_a_port_that_is_no_function_is_refused_with_all_the_others() -> None:
    with pytest.raises(InvalidSpec) as caught:
        Ports(agent="gpt", user_model=fine, goal_model=7, user=object())  # type: ignore[arg-type]
    assert [problem.field for problem in caught.value.problems] == [
        "ports: agent",
        "ports: goal_model",
        "ports: user",
    ]


def test_any_callable_is_a_port() -> None:
    class Agent:
        def __call__(self, request):
            return "Hi."

    assert Ports(Agent(), user_model=print, goal_model=None).goal_model is None


@pytest.mark.parametrize(
    "made",
    [
        lambda: Reply(None),
        lambda: Reply("Hi.", facts={"cost": 1}),
        lambda: AgentReply(b"Hi."),
        lambda: AgentReply("Hi.", ended="yes"),
        lambda: AgentReply("Hi.", tool_calls=["search"]),
        lambda: AgentReply("Hi.", facts=None),
    ],
)
def test_a_reply_of_the_wrong_types_cannot_be_built(made) -> None:
    with pytest.raises(TypeError):
        made()


def test_a_reply_takes_its_tool_calls_from_any_iterable() -> None:
    call = ToolCall("search", {"for": "shoes"})
    assert AgentReply("", tool_calls=[call]).tool_calls == (call,)
    assert AgentReply("", facts=Facts(cost=0.1)).facts.attempts == 1
