"""Nothing here needs a store; MLflow is imported once, quietly, and tells nobody of it."""

import os
import warnings

import pytest

os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # some modules of MLflow warn while they are imported
    pytest.importorskip("mlflow.genai.simulators", reason="needs convsim-fp[mlflow]")
