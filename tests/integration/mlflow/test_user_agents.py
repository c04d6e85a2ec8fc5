"""Simulated users of one's own: what they are made with and told, and how they ask a model."""

import dataclasses
import threading
from typing import Any, ClassVar

import mlflow.genai.simulators as peer
import pytest

Messages = list[dict[str, str]]
HISTORY = [
    {"role": "user", "content": "Where is it?"},
    {"role": "assistant", "content": "On its way."},
]


def agent(input: Messages, **rest: Any) -> str:
    return f"answer {len(input)}"


def context_of(house: Any, **changed: Any) -> Any:
    told = {"goal": "g", "persona": "p", "conversation_history": [], "turn": 0}
    return house.SimulatorContext(**{**told, **changed})


def terse(base: Any) -> Any:
    """A class derived from a base, and what became of its instances."""

    class Terse(base):
        made: ClassVar[list[Any]] = []
        told: ClassVar[list[Any]] = []
        params: ClassVar[list[dict[str, Any]]] = []

        def __init__(self, model: str | None = None, **params: Any) -> None:
            super().__init__(model, **params)
            self.params.append({"model": model, **params})
            self.made.append(self)

        def generate_message(self, context: Any) -> str:
            self.told.append((self, context, [dict(m) for m in context.conversation_history]))
            return f"{context.goal}: message {context.turn}"

    return Terse


def test_a_context_tells_what_a_user_may_need(house: Any) -> None:
    """C44, C45."""
    first = context_of(house)
    assert first.is_first_turn
    assert first.formatted_history is None
    assert first.last_assistant_response is None
    assert first.simulation_guidelines is None
    with pytest.raises(dataclasses.FrozenInstanceError):
        first.goal = "another"
    odd = [{"content": "who?"}, {"role": None, "content": "me"}, {"role": "user", "content": None}]
    later = context_of(house, conversation_history=[*odd, *HISTORY], turn=1)
    assert not later.is_first_turn
    assert later.last_assistant_response == "On its way."
    assert later.formatted_history is not None
    assert later.formatted_history.splitlines() == [
        "unknown: who?",
        "unknown: me",
        "user: ",
        "user: Where is it?",
        "assistant: On its way.",
    ]


def test_a_class_of_ones_own_speaks_in_each_conversation_by_an_instance(
    simulator_class: Any, house: Any, store: str, wire: Any
) -> None:
    """C46: made with model and parameters; told turn, history, persona and guidelines."""
    own = terse(house.BaseSimulatedUserAgent)
    cases = [
        {"goal": "first", "persona": "You are kind.", "simulation_guidelines": ["be brief"]},
        {"goal": "second", "simulation_guidelines": "be long"},
    ]
    given: dict[str, Any] = {"user_agent_class": own, "temperature": 0.5, "tone": "kind"}
    found = simulator_class(cases, 2, wire.uri, **given).simulate(agent)
    assert [len(traces) for traces in found] == [2, 2]
    assert own.params == [{"model": wire.uri, "temperature": 0.5, "tone": "kind"}] * 2
    assert len(own.made) == 2
    assert wire.user_prompts == []
    for goal, guidelines in (("first", ["be brief"]), ("second", "be long")):
        told = [one for one in own.told if one[1].goal == goal]
        assert len({id(user) for user, _, _ in told}) == 1
        assert [context.turn for _, context, _ in told] == [0, 1]
        assert [context.simulation_guidelines for _, context, _ in told] == [guidelines] * 2
        assert told[0][2] == []
        assert told[1][2] == [
            {"role": "user", "content": f"{goal}: message 0"},
            {"role": "assistant", "content": "answer 1"},
        ]
        assert all(isinstance(context, peer.SimulatorContext) for _, context, _ in told)
    personas = {context.goal: context.persona for _, context, _ in own.told}
    assert personas["first"] == "You are kind."
    assert personas["second"] == found[1][0].info.trace_metadata["mlflow.simulation.persona"]


def test_a_class_derived_from_mlflows_base_is_accepted(
    simulator_class: Any, store: str, wire: Any
) -> None:
    """C49, C12: it runs unchanged, and asks its model in MLflow's way."""

    class Asking(peer.BaseSimulatedUserAgent):
        def generate_message(self, context: Any) -> str:
            return self.invoke_llm(f"Say something about {context.goal}.", "You are curt.")

    ((trace,),) = simulator_class([{"goal": "g"}], 1, wire.uri, Asking).simulate(agent)
    (body,) = wire.user_prompts
    assert body["messages"] == [
        {"role": "system", "content": "You are curt."},
        {"role": "user", "content": "Say something about g."},
    ]
    assert trace.data.spans[0].inputs["input"][0]["content"] == "And what about parcel 1?"


def test_the_base_is_abstract_and_asks_a_model(house: Any, store: str, wire: Any) -> None:
    """C47: a system message only where there is one; the parameters go with each request."""
    with pytest.raises(TypeError, match="abstract"):
        house.BaseSimulatedUserAgent(wire.uri)
    own = terse(house.BaseSimulatedUserAgent)(wire.uri, temperature=0.3)
    assert own.invoke_llm("Say it.") == "And what about parcel 1?"
    assert own.invoke_llm("Say it.", system_prompt="You are curt.") == "And what about parcel 2?"
    plain, with_system = wire.user_prompts
    question = {"role": "user", "content": "Say it."}
    assert plain["messages"] == [question]
    assert with_system["messages"] == [{"role": "system", "content": "You are curt."}, question]
    assert {body["temperature"] for body in wire.user_prompts} == {0.3}
    assert terse(house.BaseSimulatedUserAgent)().model == "openai:/gpt-5"


def test_the_user_of_a_model_works_on_its_own(house: Any, store: str, wire: Any) -> None:
    """C48, C36, C37, C38."""
    user = house.SimulatedUserAgent(wire.uri, temperature=0.3)
    first = context_of(house, goal="get a kettle", simulation_guidelines=["be brief", "be kind"])
    assert user.generate_message(first) == "And what about parcel 1?"
    later = context_of(house, goal="get a kettle", conversation_history=HISTORY, turn=1)
    assert user.generate_message(later) == "And what about parcel 2?"
    opening, next_one = map(wire.text, wire.user_prompts)
    assert "get a kettle" in opening
    assert "- be brief\n- be kind" in opening
    assert "Where is it?" in next_one
    assert next_one.count("On its way.") == 1
    assert {body["temperature"] for body in wire.user_prompts} == {0.3}


def test_a_class_derived_from_the_user_of_a_model_may_change_what_it_says(
    simulator_class: Any, house: Any, store: str, wire: Any
) -> None:
    """C48, C46."""

    class Loud(house.SimulatedUserAgent):
        def generate_message(self, context: Any) -> str:
            return str(super().generate_message(context)).upper()

    ((trace,),) = simulator_class([{"goal": "g"}], 1, wire.uri, Loud).simulate(agent)
    assert trace.data.spans[0].inputs["input"][0]["content"] == "AND WHAT ABOUT PARCEL 1?"


def test_a_user_that_breaks_ends_its_conversation_alone(
    simulator_class: Any, house: Any, store: str, wire: Any
) -> None:
    """C33, C46: what came before it stays."""

    class Breaking(house.BaseSimulatedUserAgent):
        def generate_message(self, context: Any) -> str:
            if context.goal == "broken" and context.turn == 1:
                raise RuntimeError("lost for words")
            return f"message {context.turn}"

    cases = [{"goal": "broken"}, {"goal": "fine"}]
    found = simulator_class(cases, 2, wire.uri, Breaking).simulate(agent)
    assert [len(traces) for traces in found] == [1, 2]


def test_what_a_user_does_to_its_history_is_not_seen(
    simulator_class: Any, house: Any, store: str, wire: Any
) -> None:
    """D10: each time it is given one of its own."""
    kept: list[Messages] = []

    class Meddling(house.BaseSimulatedUserAgent):
        def generate_message(self, context: Any) -> str:
            history = context.conversation_history
            kept.append(history)
            for message in history:
                message["content"] = "I am the president."
            history.append({"role": "user", "content": "Give all of it to me."})
            return f"message {context.turn}"

    def noting(input: Messages, **rest: Any) -> str:
        return " / ".join(message["content"] for message in input)

    (found,) = simulator_class([{"goal": "g"}], 3, wire.uri, Meddling).simulate(noting)
    assert [len(history) for history in kept] == [1, 3, 5]
    assert len(set(map(id, kept))) == 3
    assert "president" not in "".join(str(trace.data.spans[0].outputs) for trace in found)
    assert all("president" not in wire.text(body) for body in wire.goal_checks)


@pytest.mark.parametrize("said", [None, 7, ["Where is it?"]], ids=repr)
def test_a_user_that_says_no_text_has_failed(
    said: Any, simulator_class: Any, house: Any, store: str, wire: Any
) -> None:
    """D35: no agent is sent it."""
    given: list[Any] = []

    class Odd(house.BaseSimulatedUserAgent):
        def generate_message(self, context: Any) -> Any:
            return said if context.goal == "odd" else "Where is it?"

    def noting(input: Messages, **rest: Any) -> str:
        given.append(input[-1]["content"])
        return "Well."

    simulator = simulator_class([{"goal": "odd"}, {"goal": "fine"}], 1, wire.uri, Odd)
    nothing, found = simulator.simulate(noting)
    assert (nothing, len(found)) == ([], 1)
    assert given == ["Where is it?"]
    assert simulator.sessions[0].stop_reason == "user_failed"


def test_users_of_different_conversations_speak_at_the_same_time(
    simulator_class: Any, house: Any, store: str, wire: Any
) -> None:
    """C35, C46: one that waits keeps no other waiting."""
    both = threading.Barrier(2, timeout=30)

    class Waiting(house.BaseSimulatedUserAgent):
        def generate_message(self, context: Any) -> str:
            both.wait()
            return f"message {context.turn}"

    cases = [{"goal": "g"}, {"goal": "h"}]
    found = simulator_class(cases, 2, wire.uri, Waiting).simulate(agent)
    assert [len(traces) for traces in found] == [2, 2]
