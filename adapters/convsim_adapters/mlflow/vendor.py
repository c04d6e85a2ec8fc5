"""MLflow as the rest of this package sees it: the one place where its missing types end."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any

from mlflow.exceptions import MlflowException

from convsim_adapters.hiding import secrets_of_url, without_secrets
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["client_of_traces", "environment", "mlflow", "refused", "use_store"]

mlflow: Any = import_module("mlflow")


def refused(words: str) -> MlflowException:
    """The exception that MLflow raises for arguments that it cannot use."""
    found: Any = MlflowException
    made: MlflowException = found.invalid_parameter_value(words)
    return made


def environment(name: str) -> Any:
    """What a variable of MLflow's environment is, or its default."""
    return getattr(import_module("mlflow.environment_variables"), name).get()


def use_store(uri: str) -> None:
    """Have this program write to a store. Raises `InvalidSpec` for a URI that stands for none.

    One that does not answer is not waited for as long as MLflow would, which is minutes.
    """
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    mlflow.set_tracking_uri(uri)
    try:
        _ = client_of_traces().store  # of a database it is opened, and made where there is none
    except Exception as error:
        words = f"{type(error).__name__}: {error}".partition("\n")[0][:300]
        what = f"is {without_secrets(uri, secrets_of_url(uri))!r:.80}, which MLflow cannot use"
        raise InvalidSpec([Problem("--mlflow", f"{what}: {words}")]) from error


def client_of_traces() -> Any:
    """What writes and reads traces, of the store that is in use."""
    client: Any = import_module("mlflow.tracing.client").TracingClient
    return client()
