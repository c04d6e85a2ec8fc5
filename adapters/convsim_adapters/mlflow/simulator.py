"""The drop-in for MLflow's `ConversationSimulator`: change the import, keep everything else."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from typing import Any, Literal

from mlflow.entities import Trace
from mlflow.genai.simulators import ConversationSimulator as MlflowSimulator
from mlflow.genai.simulators import SimulatedUserAgent as MlflowOwn

from convsim_adapters.mlflow import cases
from convsim_adapters.mlflow.models import default_model
from convsim_adapters.mlflow.predicting import read_predict_signature
from convsim_adapters.mlflow.simulating import Simulation
from convsim_adapters.mlflow.user_types import MlflowUserAgent
from convsim_adapters.mlflow.users import SimulatedUserAgent
from convsim_adapters.mlflow.vendor import environment, mlflow, refused
from convsim_adapters.running.results import SessionResult
from convsim_fp.core import GoalCheck

__all__ = ["ConversationSimulator"]

WORKERS = "MLFLOW_GENAI_SIMULATOR_MAX_WORKERS"


class ConversationSimulator(MlflowSimulator):
    """Simulates conversations as MLflow's class of this name does, and loses nothing of them.

    `test_cases`: dicts with a `goal` and, as they need, `persona`, `context`, `expectations` and
    `simulation_guidelines`; or a DataFrame or an `EvaluationDataset` of them. A conversation has at
    most `max_turns`. `user_model` is a URI as MLflow has it; `user_llm_params` go with the user's
    requests, and what of them says where the model is reached goes with the judge's, too.
    `user_agent_class`: a subclass of `BaseSimulatedUserAgent`, ours or MLflow's.

    Beyond MLflow's: `goal_model` judges in place of the user's model, `goal_check` in place of a
    model (as in `simulate`). `concurrency` conversations go on at once, by default
    ``MLFLOW_GENAI_SIMULATOR_MAX_WORKERS``. With `overlap` the next user message is asked for while
    the judge is out. A judge that fails counts as not achieved; with `on_goal_check_failure`
    ``stop`` it ends the conversation. `journal` is a directory in which the run is recorded, and
    from which it goes on when it is there already. After a run, `sessions` holds its results.

    Raises ValueError and TypeError for test cases and arguments that no conversation could begin
    with, before anything is asked of a model.
    """

    sessions: tuple[SessionResult, ...]
    user_agent_class: Any
    records: tuple[dict[str, Any], ...]

    def __init__(
        self,
        test_cases: Any,
        max_turns: int = 10,
        user_model: str | None = None,
        user_agent_class: type[Any] | None = None,
        *,
        goal_model: str | None = None,
        goal_check: str | GoalCheck | None = None,
        concurrency: int | None = None,
        overlap: bool = False,
        on_goal_check_failure: Literal["stop", "continue"] = "continue",
        journal: str | Path | None = None,
        **user_llm_params: Any,
    ) -> None:
        # MLflow's own is not called: it would check less, and read a generator before we do.
        self.test_cases = test_cases
        self.max_turns = _turns(max_turns)
        self.user_model = user_model or default_model()
        self.user_agent_class = _agent_class(user_agent_class)
        self.user_llm_params = user_llm_params
        self.goal_model = goal_model
        self.goal_check = goal_check
        self.concurrency = concurrency
        self.overlap = overlap
        self.on_goal_check_failure: Literal["stop", "continue"] = on_goal_check_failure
        self.journal = None if journal is None else Path(journal)
        self.sessions = ()

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "test_cases":
            records = cases.records_of(value)
            cases.check_records(records)
            object.__setattr__(self, "_dataset_name", cases.dataset_name(value))
            object.__setattr__(self, "records", records)
            value = list(records)
        object.__setattr__(self, name, value)

    def _compute_test_case_digest(self) -> str:
        """Eight characters that stand for the test cases, which `mlflow.genai.evaluate` records."""
        return cases.digest_of(self.records)

    def _get_dataset_name(self) -> str:
        """The name under which `mlflow.genai.evaluate` records the test cases."""
        name: str = self.__dict__["_dataset_name"]
        return name

    def simulate(self, predict_fn: Callable[..., Any]) -> list[list[Trace]]:
        """Hold the conversations; the traces of each test case in order, turn by turn.

        Under the active run, or one of its own. Raises `MlflowException` for a `predict_fn` that no
        test case could call, before anything is asked, and where no conversation had any turn.
        """
        read_predict_signature(predict_fn).check(map(cases.live_context, self.records))
        simulation = Simulation.of(self, predict_fn, _workers(self.concurrency))
        with _run() as run_id:
            try:
                ended = simulation.go(run_id)
            finally:
                self.sessions = simulation.sessions
            if not any(ended):
                raise refused(f"Simulation produced no traces: {self._why_none()}")
        return ended

    def _why_none(self) -> str:
        if any(one.turns and not one.failed for one in self.sessions):
            return "tracing is disabled, or sampled; see mlflow.tracing.enable()"
        reasons = ", ".join(sorted({one.why for one in self.sessions}))[:500]
        return f"no conversation had a turn ({reasons})"


@contextmanager
def _run() -> Generator[str]:
    active = mlflow.active_run()
    if active is not None:
        yield active.info.run_id
        return
    with mlflow.start_run(run_name=f"simulation-{token_hex(4)}") as run:
        yield run.info.run_id


def _turns(given: object) -> int:
    if isinstance(given, bool) or not isinstance(given, int):
        raise TypeError(f"max_turns is {given!r:.80}, expected a whole number of at least 1")
    if given < 1:
        raise ValueError(f"max_turns is {given}, expected at least 1")
    return given


def _workers(given: object) -> int:
    name = "concurrency" if given is not None else WORKERS
    found = environment(WORKERS) if given is None else given
    if isinstance(found, bool) or not isinstance(found, int) or found < 1:
        raise ValueError(f"{name} is {found!r:.80}, expected a whole number of at least 1")
    return found


def _agent_class(given: object) -> type[Any]:
    if given is None:
        return SimulatedUserAgent
    if not isinstance(given, type) or not issubclass(given, MlflowUserAgent):
        name = given.__name__ if isinstance(given, type) else repr(given)[:80]
        raise TypeError(
            f"user_agent_class must be a subclass of BaseSimulatedUserAgent, got {name}"
        )
    own: Any = MlflowOwn
    return SimulatedUserAgent if given is own else given
