"""MLflow's classes for simulated users, as a type checker should see them.

Its decorators make functions of them for every checker; what runs are its own classes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from abc import ABC, abstractmethod
    from dataclasses import dataclass

    @dataclass(frozen=True)
    class SimulatorContext:
        """What an agent is told for its next message; `turn` counts from 0."""

        goal: str
        persona: str
        conversation_history: list[dict[str, Any]]
        turn: int
        simulation_guidelines: str | list[str] | None = None

        @property
        def is_first_turn(self) -> bool:
            """Whether nothing was said yet."""
            ...

        @property
        def formatted_history(self) -> str | None:
            """The conversation as lines of role and content."""
            ...

        @property
        def last_assistant_response(self) -> str | None:
            """What the agent under test said last."""
            ...

    class MlflowUserAgent(ABC):
        """The base of every simulated user that MLflow takes."""

        model: str
        inference_params: dict[str, Any]

        def __init__(self, model: str | None = None, **inference_params: Any) -> None:
            raise NotImplementedError

        @abstractmethod
        def generate_message(self, context: SimulatorContext) -> str:
            """The user's next message."""

        def invoke_llm(self, prompt: str, system_prompt: str | None = None) -> str:
            """Ask the agent's model."""
            raise NotImplementedError
else:
    from mlflow.genai.simulators import BaseSimulatedUserAgent as MlflowUserAgent
    from mlflow.genai.simulators import SimulatorContext

__all__ = ["MlflowUserAgent", "SimulatorContext"]
