"""A drop-in for MLflow's conversation simulator, and conversations in MLflow.

    from convsim_adapters.mlflow import ConversationSimulator

in place of the same name from ``mlflow.genai.simulators``; test cases, `predict_fn`, scorers and
`mlflow.genai.evaluate` stay as they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from convsim_adapters.vendors import import_vendor

if TYPE_CHECKING:
    from convsim_adapters.mlflow.distilling import generate_test_cases
    from convsim_adapters.mlflow.exporting import Exported, export_run
    from convsim_adapters.mlflow.simulator import ConversationSimulator
    from convsim_adapters.mlflow.users import (
        BaseSimulatedUserAgent,
        SimulatedUserAgent,
        SimulatorContext,
    )

__all__ = [
    "BaseSimulatedUserAgent",
    "ConversationSimulator",
    "Exported",
    "SimulatedUserAgent",
    "SimulatorContext",
    "export_run",
    "generate_test_cases",
]

HOMES = {
    "BaseSimulatedUserAgent": "users",
    "ConversationSimulator": "simulator",
    "Exported": "exporting",
    "SimulatedUserAgent": "users",
    "SimulatorContext": "users",
    "export_run": "exporting",
    "generate_test_cases": "distilling",
}


def __getattr__(name: str) -> Any:
    """Import a part of the face at its first use; MLflow itself takes seconds."""
    home = HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import_vendor("mlflow", extra="mlflow")
    from importlib import import_module  # noqa: PLC0415  of a part by its name

    return getattr(import_module(f"{__name__}.{home}"), name)
