"""MLflow as the rest of this package sees it: the one place where its missing types end."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from mlflow.exceptions import MlflowException

__all__ = ["client_of_traces", "environment", "mlflow", "refused"]

mlflow: Any = import_module("mlflow")


def refused(words: str) -> MlflowException:
    """The exception that MLflow raises for arguments that it cannot use."""
    found: Any = MlflowException
    made: MlflowException = found.invalid_parameter_value(words)
    return made


def environment(name: str) -> Any:
    """What a variable of MLflow's environment is, or its default."""
    return getattr(import_module("mlflow.environment_variables"), name).get()


def client_of_traces() -> Any:
    """What writes and reads traces, of the store that is in use."""
    client: Any = import_module("mlflow.tracing.client").TracingClient
    return client()
