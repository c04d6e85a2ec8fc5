"""What the pages about MLflow need: a store in the page's own directory, a model on loopback."""

import os
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, closing
from pathlib import Path
from typing import Any

import pytest

# MLflow and litellm read these when they are imported; nothing leaves the machine from a test.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
for name, value in QUIET.items():
    os.environ.setdefault(name, value)


@pytest.fixture(scope="session")
def loaded_mlflow() -> Any:
    """MLflow, some modules of which warn while they are imported."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = pytest.importorskip("mlflow", reason="needs convsim-fp[mlflow]")
        pytest.importorskip("mlflow.types.responses")
        pytest.importorskip("mlflow.genai.simulators")
    return found


@pytest.fixture(scope="session")
def empty_store(loaded_mlflow: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Made once for all workers, and the same one as in the integration tests of MLflow."""
    filelock = pytest.importorskip("filelock")
    beginning = tmp_path_factory.getbasetemp()
    shared = beginning.parent if "PYTEST_XDIST_WORKER" in os.environ else beginning
    made = shared / "mlflow-template.db"
    with filelock.FileLock(f"{made}.lock"):
        if not made.exists():
            fresh = made.with_suffix(".new")
            before = loaded_mlflow.get_tracking_uri()
            loaded_mlflow.set_tracking_uri(f"sqlite:///{fresh}")
            with chdir(shared), warnings.catch_warnings():  # there go the artifacts' folders
                warnings.simplefilter("ignore")
                loaded_mlflow.search_experiments()
            loaded_mlflow.set_tracking_uri(before)
            fresh.rename(made)
    return made


@pytest.fixture
def place_store(empty_store: Path) -> Callable[[Path], str]:
    """Puts an empty store, ``mlflow.db``, into a directory; its address."""

    def place(directory: Path) -> str:
        path = shutil.copy(empty_store, directory / "mlflow.db")
        with closing(sqlite3.connect(path)) as opened, opened:
            artifacts = str(directory / "artifacts")
            opened.execute("UPDATE experiments SET artifact_location = ?", [artifacts])
        return f"sqlite:///{path}"

    return place


@pytest.fixture
def model_at_hand(loopback: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a reader has it who has set up a key, and whose models are elsewhere."""
    monkeypatch.setenv("OPENAI_API_BASE", loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "none")


@pytest.fixture
def mlflow_at_hand(
    loaded_mlflow: Any,
    place_store: Callable[[Path], str],
    model_at_hand: None,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[None]:
    """As a reader has it who has set up MLflow and a key: by the environment and the directory."""
    for name in [name for name in os.environ if name.startswith("MLFLOW_") and name not in QUIET]:
        monkeypatch.delenv(name)
    before = loaded_mlflow.get_tracking_uri()
    loaded_mlflow.set_tracking_uri(place_store(tmp_path))
    loaded_mlflow.tracing.reset()
    yield
    loaded_mlflow.flush_trace_async_logging(terminate=True)
    loaded_mlflow.tracing.reset()
    loaded_mlflow.set_tracking_uri(before)
