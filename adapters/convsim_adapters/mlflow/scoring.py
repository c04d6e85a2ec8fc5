"""MLflow's scorers on finished sessions."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import redirect_stdout
from difflib import get_close_matches
from typing import Any

from mlflow.entities import Trace
from mlflow.genai import scorers as builtin

from convsim_adapters.mlflow.vendor import mlflow
from convsim_adapters.running.targets import is_target, load_target
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["score", "scorers_of"]


def scorers_of(names: Sequence[str]) -> tuple[Any, ...]:
    """The scorers of these names: MLflow's own, or targets. Raises `InvalidSpec` for any other."""
    problems: list[Problem] = []
    found: list[Any] = []
    for name in names:
        try:
            found.append(_scorer(name))
        except InvalidSpec as error:
            problems += error.problems
    if problems:
        raise InvalidSpec(problems)
    return tuple(found)


def score(
    sessions: Iterable[Sequence[Trace]], scorers: Sequence[Any], run_id: str
) -> dict[str, float]:
    """Evaluate the traces of all sessions under a run; the metrics that came of it, by name."""
    traces = [trace for session in sessions for trace in session]
    if not traces:
        return {}
    # What MLflow announces is not what was asked for on standard output.
    with mlflow.start_run(run_id=run_id), redirect_stdout(sys.stderr):
        scored = mlflow.genai.evaluate(data=traces, scorers=[*scorers])
    found: dict[str, float] = scored.metrics
    return found


def _scorer(name: str) -> Any:
    made = load_target(name, "--scorer") if is_target(name) else getattr(builtin, name, None)
    if isinstance(made, type):
        try:
            made = made()
        except Exception as error:
            what = f"is {name}, which cannot be made without more: {error}".partition("\n")[0]
            how = "make one in a module of your own, and name it package.module:attribute"
            raise InvalidSpec([Problem("--scorer", f"{what}; {how}")]) from error
    if not isinstance(made, builtin.Scorer):
        names = sorted(_names())
        close = get_close_matches(name, names, n=1)
        known = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(names)}"
        what = (
            f"is {name!r:.80}, expected package.module:attribute or a scorer of MLflow's; {known}"
        )
        raise InvalidSpec([Problem("--scorer", what)])
    return made


def _names() -> Iterator[str]:
    for name in dir(builtin):
        found = getattr(builtin, name, None)
        if isinstance(found, type) and issubclass(found, builtin.Scorer) and name != "Scorer":
            yield name
