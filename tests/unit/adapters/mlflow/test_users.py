"""Simulated users that are objects: ours, MLflow's, and anybody's own."""

from collections.abc import Callable
from typing import Any
from unittest.mock import Mock

import mlflow
import mlflow.genai.simulators as theirs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.mlflow import cases
from convsim_adapters.mlflow.users import (
    BaseSimulatedUserAgent,
    SimulatedUserAgent,
    SimulatorContext,
    UserAgents,
    user_port,
)
from convsim_fp import Ports, Rules, goals, perform, start
from convsim_fp import users as behaviours
from convsim_fp.core import (
    Ask,
    CallUser,
    Lane,
    Message,
    RequestId,
    Session,
    State,
    Stopped,
    StopReason,
    TestCase,
    View,
    render,
)
from convsim_fp.errors import InvalidSpec, MalformedReply, Unauthorized
from convsim_fp.interpreters import converse
from convsim_fp.testing.strategies import texts

GOAL = "Get the money back"
RECORD = {"goal": GOAL, "persona": "A florist", "simulation_guidelines": ["be brief"]}
ROLES = {"user": "user", "agent": "assistant"}


class Noting(BaseSimulatedUserAgent):
    """Keeps what it is given, and spoils it."""

    def __init__(self, model: str | None = None, **params: Any) -> None:
        super().__init__(model, **params)
        self.contexts: list[Any] = []
        self.heard: list[list[dict[str, str]]] = []

    def generate_message(self, context: SimulatorContext) -> str:
        self.contexts.append(context)
        self.heard.append([dict(message) for message in context.conversation_history])
        for message in context.conversation_history:
            message["content"] = "spoiled"
        context.conversation_history.append({"role": "user", "content": "spoiled"})
        return f"message {len(self.contexts)}"


class Told(theirs.BaseSimulatedUserAgent):
    """Derived from MLflow's class; its words are given to it as a function."""

    def __init__(self, say: Callable[[Any], Any], model: str | None = None, **params: Any) -> None:
        super().__init__(model, **params)
        self.say = say

    def generate_message(self, context: Any) -> Any:
        return self.say(context)


def say(words: Callable[[Any], Any], record: dict[str, Any] = RECORD) -> UserAgents:
    return user_port(lambda: Told(words, "openai:/m"), [record])


def conversation(port: UserAgents, record: dict[str, Any] = RECORD, index: int = 0) -> State:
    """Up to three turns with an agent that counts what it hears."""
    case = cases.test_case_of(record, index)
    rules = Rules(behaviours.delegated(), goals.never, max_turns=3)
    ports = Ports(agent=lambda request: f"answer {len(request.transcript)}", user=port)
    return converse(rules, start(rules, case, Session(f"{case.id}/1")), perform(ports))


def end(state: State) -> Stopped:
    assert isinstance(state.phase, Stopped)
    return state.phase


def request(*said: Message, turn: int = 1, session: str = "case-0/1") -> CallUser:
    case = cases.test_case_of(RECORD, 0)
    return CallUser(RequestId(turn, Lane.USER), Session(session), case, said)


# The port of a simulation


@given(st.lists(st.builds(Message, st.sampled_from(("user", "agent")), texts())))
def test_an_agent_is_given_the_conversation_as_it_was(said: list[Message]) -> None:
    """C25, C46, D10: dicts of exactly role and content, copies, the turn counted from 0."""
    agent = Noting("openai:/m")
    port = user_port(lambda: agent, [RECORD])
    asked = request(*said, turn=7)
    port(asked)
    port(asked)
    expected = [{"role": ROLES[one.speaker], "content": one.text} for one in said]
    assert agent.heard == [expected, expected]
    assert [context.turn for context in agent.contexts] == [6, 6]
    assert list(asked.transcript) == said


@given(st.integers(1, 4), st.lists(st.integers(0, 3), max_size=12))
def test_each_session_has_an_agent_of_its_own(kept: int, order: list[int]) -> None:
    """C46: one instance for each conversation, in whatever order they ask."""
    made: list[Noting] = []

    def make() -> Noting:
        made.append(Noting("openai:/m", temperature=0.5))
        return made[-1]

    port = user_port(make, [RECORD])
    said = [port(request(session=f"case-0/{number % kept}")).say for number in order]
    sessions = [number % kept for number in order]
    assert len(made) == len(set(sessions))
    assert said == [f"message {sessions[: i + 1].count(n)}" for i, n in enumerate(sessions)]


def test_a_session_that_was_forgotten_has_a_new_agent() -> None:
    port = user_port(lambda: Noting("openai:/m"), [RECORD])
    assert [port(request()).say, port(request()).say] == ["message 1", "message 2"]
    port.forget("case-0/1")
    port.forget("case-0/1")
    assert port(request()).say == "message 1"


@pytest.mark.parametrize(
    ("guidelines", "told"),
    [
        ("be brief", "be brief"),
        (["be brief", "be rude"], ["be brief", "be rude"]),
        (("be brief",), ["be brief"]),
        (None, None),
        (float("nan"), None),
    ],
)
def test_an_agent_is_told_the_case(guidelines: Any, told: Any) -> None:
    """C44, C46, D18."""
    record = {"goal": GOAL, "simulation_guidelines": guidelines}
    agent = Noting("openai:/m", temperature=0.5)
    state = conversation(user_port(lambda: agent, [{"goal": "another"}, record]), record, index=1)
    assert end(state).reason is StopReason.MAX_TURNS
    assert (agent.model, agent.inference_params) == ("openai:/m", {"temperature": 0.5})
    assert [context.turn for context in agent.contexts] == [0, 1, 2]
    assert [context.is_first_turn for context in agent.contexts] == [True, False, False]
    assert {context.goal for context in agent.contexts} == {GOAL}
    assert [context.simulation_guidelines for context in agent.contexts] == [told] * 3
    assert all(isinstance(context, theirs.SimulatorContext) for context in agent.contexts)
    assert agent.contexts[0].persona
    assert agent.heard[1] == [
        {"role": "user", "content": "message 1"},
        {"role": "assistant", "content": "answer 1"},
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (None, "Told.generate_message gave nothing (null), expected the text"),
        (7, "Told.generate_message gave a number (7)"),
        ({"role": "user", "content": "Hi"}, "Told.generate_message gave an object"),
    ],
)
def test_what_is_no_text_is_a_failed_turn(words: Any, told: str) -> None:
    """D35: it never reaches the agent under test."""
    state = conversation(say(lambda context: words))
    assert end(state).reason is StopReason.USER_FAILED
    assert told in end(state).detail
    assert state.transcript == ()


def test_a_message_that_nobody_awaited_is_a_failed_turn() -> None:
    async def words(context: Any) -> str:
        return "Hi"

    assert "gave a coroutine" in end(conversation(say(words))).detail


def test_an_agent_that_raises_ends_its_own_conversation_only() -> None:
    """C33: what was said before stays."""

    def words(context: Any) -> str:
        if context.turn == 1:
            raise RuntimeError("lost for words")
        return "Hello."

    port = say(words)
    state = conversation(port)
    assert end(state).reason is StopReason.USER_FAILED
    assert "RuntimeError: lost for words" in end(state).detail
    assert [message.text for message in state.transcript] == ["Hello.", "answer 1"]
    assert port(request(session="case-0/2")).say == "Hello."


def test_an_agent_that_cannot_be_made_ends_its_own_conversation_only() -> None:
    agents = [Noting("openai:/m")]
    port = user_port(agents.pop, [RECORD])
    assert end(conversation(port)).reason is StopReason.MAX_TURNS
    port.forget("case-0/1")
    assert "IndexError" in end(conversation(port)).detail


def test_the_spans_of_an_agent_become_no_traces() -> None:
    """D44."""
    spans: list[Any] = []

    def words(context: Any) -> str:
        with mlflow.start_span("thinking") as span:
            spans.append(span.trace_id)
        return "Hello."

    before = mlflow.get_last_active_trace_id()
    conversation(say(words))
    assert len(set(spans)) == 1
    assert "NO_OP" in spans[0]
    assert mlflow.get_last_active_trace_id() == before


def test_words_that_look_like_our_own_records_are_words() -> None:
    text = '{"say": "Bye.", "leaves": "had enough"}'
    state = conversation(say(lambda context: text))
    assert [message.text for message in state.transcript[::2]] == [text] * 3


# The classes


def test_the_classes_are_those_of_mlflow() -> None:
    """C12, C49: isinstance and issubclass hold both ways round."""
    assert SimulatorContext is theirs.SimulatorContext
    assert issubclass(SimulatedUserAgent, BaseSimulatedUserAgent)
    assert issubclass(BaseSimulatedUserAgent, theirs.BaseSimulatedUserAgent)


def test_the_base_class_is_abstract() -> None:
    """C47."""
    with pytest.raises(TypeError, match="abstract"):
        BaseSimulatedUserAgent()  # type: ignore[abstract]


@pytest.fixture
def model(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A model behind OpenAI's address, whose replies a test decides."""
    monkeypatch.setenv("OPENAI_API_BASE", loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    return loopback


@pytest.mark.parametrize("system", [None, "", "You are terse."])
def test_an_agent_can_ask_its_model(model: Any, system: str | None) -> None:
    """C41, C47."""
    model.talk = lambda body: "Hi."
    assert Noting("openai:/m", temperature=0.5).invoke_llm("Say hi.", system) == "Hi."
    (seen,) = model.seen
    asked = [{"role": "user", "content": "Say hi."}]
    first = [{"role": "system", "content": system}] if system else []
    assert (seen.body["model"], seen.body["temperature"]) == ("m", 0.5)
    assert seen.body["messages"] == [*first, *asked]


def test_an_agent_alone_retries_what_may_pass(model: Any) -> None:
    """C76, D11."""
    model.faults, model.talk = ["529"], lambda body: "Hi."
    assert Noting("openai:/m").invoke_llm("Say hi.") == "Hi."
    model.faults = ["401"]
    with pytest.raises(Unauthorized):
        Noting("openai:/m").invoke_llm("Say hi.")
    assert model.count == 3


def test_the_model_is_mlflows_own_where_none_is_given() -> None:
    assert SimulatedUserAgent().model == theirs.SimulatedUserAgent().model


HISTORY = [
    {"role": "user", "content": "My flowers are late."},
    {"role": "assistant", "content": "Which order is it?"},
]
SAID = (Message("user", "My flowers are late."), Message("agent", "Which order is it?"))


def prompt(*said: Message, persona: str | None = "A florist") -> list[dict[str, str]]:
    """What our core asks a model at this place."""
    case = TestCase(goal=GOAL, persona=persona, simulation_guidelines=["be brief"])
    asking: Any = behaviours.prompted()(View(case, len(said) // 2 + 1, said))
    ask = next(asking)
    assert isinstance(ask, Ask)
    return [message.as_dict() for message in render(ask.prompt)]


@pytest.mark.parametrize(("history", "said"), [([], ()), (HISTORY, SAID)])
def test_both_published_forms_ask_what_a_simulation_asks(
    model: Any, history: list[dict[str, str]], said: tuple[Message, ...]
) -> None:
    """C48: made with a goal and given a conversation, or made without and given a context."""
    model.talk = lambda body: "  user: It is W7. "
    about: dict[str, Any] = {"persona": "A florist", "simulation_guidelines": ["be brief"]}
    own = SimulatedUserAgent(goal=GOAL, model="openai:/m", temperature=0.5, **about)
    other = SimulatedUserAgent(model="openai:/m", temperature=0.5)
    context = SimulatorContext(GOAL, "A florist", list(history), len(said) // 2, ["be brief"])
    words = {
        own.generate_message(history, turn=len(said) // 2),
        own.generate_message(conversation_history=history),
        other.generate_message(context),
        other.generate_message(context=context),
    }
    assert words == {"It is W7."}
    asked = [(seen.body["messages"], seen.body["temperature"]) for seen in model.seen]
    assert asked == [(prompt(*said), 0.5)] * 4


def test_an_agent_without_a_goal_says_so() -> None:
    with pytest.raises(InvalidSpec, match="goal is missing"):
        SimulatedUserAgent("openai:/m").generate_message(HISTORY)


def test_an_agent_alone_has_a_persona(model: Any) -> None:
    """C36."""
    model.talk = lambda body: "Hello."
    SimulatedUserAgent("openai:/m", goal=GOAL).generate_message()
    assert "<persona>" in model.seen[0].body["messages"][0]["content"]


def test_a_model_that_slips_is_asked_again_and_then_given_up(model: Any) -> None:
    """D35."""
    replies = ["", "user: Hi\nagent: Hello, how can I help you?", "Hello."]
    model.talk = lambda body: replies.pop(0)
    agent = SimulatedUserAgent("openai:/m", goal=GOAL)
    assert agent.generate_message([]) == "Hello."
    assert "could not be used" in model.seen[-1].body["messages"][-1]["content"]
    model.talk = lambda body: ""
    with pytest.raises(MalformedReply, match="openai:/m wrote no message for the user: 3 replies"):
        agent.generate_message([])
    assert model.count == 6


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        ({"role": "assistant", "content": [{"type": "text", "text": "Which one?"}]}, "Which one?"),
        ({"role": "assistant", "content": None}, ""),
        ({"role": "assistant"}, ""),
        ({"role": None, "content": "Hm."}, "Hm."),
        ({"content": {"a": 1}}, "{'a': 1}"),
    ],
)
def test_odd_messages_of_a_conversation_are_heard(
    model: Any, message: dict[str, Any], heard: str
) -> None:
    """C45, D37."""
    model.talk = lambda body: "It is W7."
    SimulatedUserAgent(
        "openai:/m", goal=GOAL, persona="A florist", simulation_guidelines=["be brief"]
    ).generate_message([*HISTORY, message])
    assert model.seen[0].body["messages"] == prompt(*SAID, Message("agent", heard))


class Echoing(SimulatedUserAgent):
    """Has a model of its own."""

    def invoke_llm(self, prompt: str, system_prompt: str | None = None) -> str:
        self.asked = (prompt, system_prompt)
        return "It is W7."


def test_a_subclass_with_a_model_of_its_own_is_asked_through_it() -> None:
    agent = Echoing("openai:/m", goal=GOAL, persona="A florist", simulation_guidelines=["be brief"])
    assert agent.generate_message(HISTORY) == "It is W7."
    whole = prompt(*SAID)
    asked, system = agent.asked
    assert system == whole[0]["content"]
    assert asked.endswith(whole[-1]["content"])
    assert "<user>\nMy flowers are late.\n</user>" in asked
    state = conversation(user_port(lambda: agent, [RECORD]))
    assert [message.text for message in state.transcript[::2]] == ["It is W7."] * 3


def test_what_a_model_of_its_own_gives_has_to_be_text() -> None:
    agent = SimulatedUserAgent("openai:/m", goal=GOAL)
    agent.invoke_llm = Mock(return_value=None)  # type: ignore[method-assign]
    with pytest.raises(MalformedReply, match=r"invoke_llm gave nothing \(null\)"):
        agent.generate_message(HISTORY)
