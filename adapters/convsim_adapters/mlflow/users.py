"""Simulated users as MLflow has them: classes that are asked for one message after another.

BaseSimulatedUserAgent   to derive one's own from; MLflow's does as well
SimulatedUserAgent       a model plays the user: our prompts, also outside of any simulation
user_port                how a simulation asks any of them
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, cast

from convsim_adapters.mlflow.models import asked
from convsim_adapters.mlflow.names import DEFAULT_PERSONA
from convsim_adapters.mlflow.user_agents import UserAgents, text_of, user_port
from convsim_adapters.mlflow.user_types import MlflowUserAgent, SimulatorContext
from convsim_adapters.reply_forms import read_reply
from convsim_fp.core import Ask, Leave, Message, Prompt, Satisfied, Say, View, quoted, render
from convsim_fp.core import TestCase as Case  # pytest would collect it
from convsim_fp.core.behaviours import decide
from convsim_fp.core.observations import Failure
from convsim_fp.errors import AgentError, MalformedReply
from convsim_fp.users import prompted

__all__ = [
    "BaseSimulatedUserAgent",
    "SimulatedUserAgent",
    "SimulatorContext",
    "UserAgents",
    "user_port",
]

SPEAKS = prompted()
MOVES = (Say, Leave, Satisfied)
MAX_ASKS = 3


class BaseSimulatedUserAgent(MlflowUserAgent):
    """Derive a simulated user from it that speaks by its own rules, with a model or without.

    Made once for each conversation, with the simulator's model and its parameters. `model` is a
    model URI, by default that of MLflow.
    """

    @abstractmethod
    def generate_message(self, context: SimulatorContext) -> str:
        """The user's next message; what it raises ends this conversation, and no other."""

    def invoke_llm(self, prompt: str, system_prompt: str | None = None) -> str:
        """Ask the agent's model; the call leaves no trace.

        Raises `InvalidSpec` for a model that there is not, `PortError` where it does not answer,
        after up to 3 retries.
        """
        system = [{"role": "system", "content": system_prompt}] if system_prompt else []
        messages = [*system, {"role": "user", "content": prompt}]
        return asked(self.model, messages, self.inference_params)


class SimulatedUserAgent(BaseSimulatedUserAgent):
    """Lets a model play the user: in a simulation, or on its own.

    Made with a goal, it is given conversations; made without, a `SimulatorContext`, which has one.
    The model comes first, as in MLflow; a goal and what belongs to it are keyword-only. Where a
    subclass has its own `invoke_llm`, that is asked.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        goal: str | None = None,
        persona: str | None = None,
        simulation_guidelines: str | list[str] | None = None,
        **inference_params: Any,
    ) -> None:
        super().__init__(model, **inference_params)
        self.goal = goal
        self.persona = persona
        self.simulation_guidelines = simulation_guidelines

    def generate_message(
        self,
        context: SimulatorContext | Sequence[Mapping[str, Any]] | None = None,
        turn: int = 0,
        *,
        conversation_history: Sequence[Mapping[str, Any]] | None = None,
    ) -> str:
        """The user's next message, in a context or in a conversation.

        A conversation is a list of dicts with a role and a content; `turn`, which goes with it,
        counts from 0. Raises `InvalidSpec` without a goal, `MalformedReply` where the model wrote
        nothing that a user could say, and what `invoke_llm` raises.
        """
        if isinstance(context, SimulatorContext):
            return self._message(_view(context))
        said = conversation_history if context is None else context
        own = SimulatorContext(
            goal=cast("str", self.goal),
            persona=self.persona or DEFAULT_PERSONA,
            conversation_history=[dict(message) for message in said or ()],
            turn=turn,
            simulation_guidelines=self.simulation_guidelines,
        )
        return self._message(_view(own))

    def _message(self, view: View) -> str:
        replies: list[str] = []
        while True:
            made = decide(SPEAKS, view, replies, expects=MOVES, max_asks=MAX_ASKS)
            match made:
                case Say():
                    return made.text
                case Ask():
                    replies.append(self._reply(made.prompt))
                case _:
                    what = made.detail if isinstance(made, Failure) else f"{made!r:.80}"
                    raise MalformedReply(f"{self.model} wrote no message for the user: {what}")

    def _reply(self, prompt: Prompt) -> str:
        messages = [message.as_dict() for message in render(prompt)]
        if getattr(self.invoke_llm, "__func__", None) is BaseSimulatedUserAgent.invoke_llm:
            return asked(self.model, messages, self.inference_params)
        system, *others = messages
        return text_of(self.invoke_llm(_in_one(others), system["content"]), "invoke_llm")


def _view(context: SimulatorContext) -> View:
    case = Case(
        goal=context.goal,
        persona=context.persona,
        simulation_guidelines=cast("tuple[str, ...]", context.simulation_guidelines),
    )
    said = tuple(_messages(context.conversation_history))
    return View(case, turn=context.turn + 1, transcript=said)


def _messages(history: Iterable[Mapping[str, Any]]) -> Iterator[Message]:
    for message in history:
        text = _said(message.get("content"))
        yield Message("user" if message.get("role") == "user" else "agent", text)


def _said(content: object) -> str:
    """The words of a message, whose content may be in parts; nothing where it has none."""
    if isinstance(content, str):
        return content
    try:
        return read_reply({"role": "assistant", "content": content}).text
    except AgentError:
        return str(content)


def _in_one(messages: Sequence[Mapping[str, str]]) -> str:
    """Messages as one text, in which the user's own words are quoted like the agent's."""
    return "\n\n".join(
        quoted("user", message["content"]) if message["role"] == "assistant" else message["content"]
        for message in messages
    )
