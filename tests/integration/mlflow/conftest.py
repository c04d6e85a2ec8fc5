"""A store of its own for each test, a model on loopback, and whichever simulator is under test.

With the environment variable ``CONVSIM_PEER=mlflow`` the C items run against MLflow's own class:
they have to hold there too.
"""

import json
import logging
import os
import shutil
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import chdir, closing
from pathlib import Path
from typing import Any

import loopback_server
import pytest
from aiohttp import web
from attrs import Factory, define

# MLflow reads this when it is imported: nothing is told to anyone from a test.
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
os.environ.setdefault("LITELLM_LOCAL_MODEL_COST_MAP", "True")

filelock = pytest.importorskip("filelock", reason="needs convsim-fp[cli]")
with warnings.catch_warnings():
    # Some modules of MLflow warn while they are imported; the second one would do so at the end of
    # the first span, where an error means that the trace is lost without a word.
    warnings.simplefilter("ignore")
    mlflow = pytest.importorskip("mlflow", reason="needs convsim-fp[mlflow]")
    pytest.importorskip("mlflow.types.responses")
    pytest.importorskip("mlflow.genai.simulators")

SETTINGS = (
    "MLFLOW_ENABLE_ASYNC_TRACE_LOGGING",
    "MLFLOW_EXPERIMENT_ID",
    "MLFLOW_GENAI_SIMULATOR_MAX_WORKERS",
    "MLFLOW_REGISTRY_URI",
    "MLFLOW_RUN_ID",
    "MLFLOW_TRACKING_URI",
)
# What MLflow has to mend: what it asks of SQLAlchemy and pandas, they will do no longer.
KNOWN = (
    "ignore:The ``noload`` loader strategy:DeprecationWarning",
    "ignore:For backward compatibility, 'str' dtypes:DeprecationWarning",
)
PEER = os.environ.get("CONVSIM_PEER", "convsim")
if PEER == "mlflow":
    KNOWN = ("ignore::DeprecationWarning",)
URI = "openai:/m"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents:
            for known in KNOWN:
                item.add_marker(pytest.mark.filterwarnings(known))


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store, made once for all workers of one test run: its migrations take seconds."""
    beginning = tmp_path_factory.getbasetemp()
    shared = beginning.parent if "PYTEST_XDIST_WORKER" in os.environ else beginning
    made = shared / "mlflow-template.db"
    with filelock.FileLock(f"{made}.lock"):
        if not made.exists():
            fresh = made.with_suffix(".new")
            before = mlflow.get_tracking_uri()
            mlflow.set_tracking_uri(f"sqlite:///{fresh}")
            with chdir(shared):  # where it puts the folder of the artifacts
                mlflow.search_experiments()
            mlflow.set_tracking_uri(before)
            fresh.rename(made)
    return made


@pytest.fixture
def store(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The address of an empty SQLite store; all that is logged goes there, artifacts too."""
    for name in SETTINGS:
        monkeypatch.delenv(name, raising=False)
    path = shutil.copy(template, tmp_path / "mlflow.db")
    with closing(sqlite3.connect(path)) as opened, opened:
        artifacts = str(tmp_path / "artifacts")
        opened.execute("UPDATE experiments SET artifact_location = ?", [artifacts])
    before = mlflow.get_tracking_uri()
    mlflow.set_tracking_uri(f"sqlite:///{path}")
    mlflow.tracing.reset()
    yield f"sqlite:///{path}"
    while mlflow.active_run() is not None:
        mlflow.end_run()
    mlflow.flush_trace_async_logging(terminate=True)
    mlflow.tracing.reset()
    mlflow.set_tracking_uri(before)


@pytest.fixture
def house() -> Any:
    """The module that a user imports from: the drop-in, or its peer."""
    if PEER == "mlflow":
        import mlflow.genai.simulators as found
    else:
        import convsim_adapters.mlflow as found
    return found


@pytest.fixture
def simulator_class(house: Any) -> Any:
    """The drop-in, or its peer."""
    return house.ConversationSimulator


Body = dict[str, Any]


@define
class Wire:
    """The model at the other end of the wire: what it says, and what it was asked.

    `user` and `judge` answer the body of a request: None is a null content, an exception of aiohttp
    an answer of its status.
    """

    loopback: loopback_server.Loopback
    user: Callable[[Body], str | None] = Factory(lambda self: self.ask, takes_self=True)
    judge: Callable[[Body], str | None] = Factory(lambda: lambda body: verdict("no"))
    asked: int = 0
    uri: str = URI

    def talk(self, body: Body) -> Any:
        return self.judge(body) if "response_format" in body else self.user(body)

    def ask(self, body: Body) -> str:
        """Something new each time."""
        self.asked += 1
        return f"And what about parcel {self.asked}?"

    @property
    def user_prompts(self) -> list[Body]:
        """In the order in which they came; each as it was sent."""
        return [seen.body for seen in self.loopback.seen if "response_format" not in seen.body]

    @property
    def goal_checks(self) -> list[Body]:
        return [seen.body for seen in self.loopback.seen if "response_format" in seen.body]

    def prompts_of(self, goal: str) -> list[str]:
        """What the user of one conversation was told, turn by turn."""
        return [told for told in map(self.text, self.user_prompts) if goal in told]

    def checks_of(self, goal: str) -> list[str]:
        return [told for told in map(self.text, self.goal_checks) if goal in told]

    @staticmethod
    def text(body: Body) -> str:
        """All that is said in a request, whatever role carries it."""
        return "\n".join(str(message["content"]) for message in body["messages"])

    def refusing(self, goal: str, otherwise: Callable[[Body], str]) -> Callable[[Body], str]:
        """Answers as `otherwise` does, but in one conversation with what no attempt will mend."""

        def answered(body: Body) -> str:
            if goal in self.text(body):
                raise self.status(web.HTTPBadRequest, "no such parameter")
            return otherwise(body)

        return answered

    @staticmethod
    def status(kind: Any, message: str, code: str | None = None) -> web.HTTPException:
        """The answer of an endpoint that cannot, in the form of OpenAI's; raise it."""
        error = {"message": message, "type": "error", "param": None, "code": code}
        made = kind(text=json.dumps({"error": error}), content_type="application/json")
        assert isinstance(made, web.HTTPException)
        return made

    @staticmethod
    def verdict(result: object, rationale: str = "So it is.") -> str:
        return verdict(result, rationale)


def verdict(result: object, rationale: str = "So it is.") -> str:
    return json.dumps({"rationale": rationale, "result": result})


@pytest.fixture
def wire(loopback: loopback_server.Loopback, monkeypatch: pytest.MonkeyPatch) -> Wire:
    """A user who always goes on, and a judge who always says no, behind a provider's address."""
    found = Wire(loopback)
    loopback.talk = found.talk
    monkeypatch.setenv("OPENAI_API_BASE", loopback.base)
    monkeypatch.setenv("OPENAI_API_KEY", "key of the test")
    return found


@pytest.fixture
def logs(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """What is logged, by MLflow's loggers too, which pass nothing on."""
    logger = logging.getLogger("mlflow")
    logger.addHandler(caplog.handler)
    yield caplog
    logger.removeHandler(caplog.handler)
