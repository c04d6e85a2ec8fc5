"""Runs into MLflow: what `--mlflow` adds to a run, and the export of one that was recorded."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from convsim_adapters.cli.figures import count
from convsim_adapters.cli.options import run_argument
from convsim_adapters.cli.output import BAD_INPUT, BROKEN, report, say, tried
from convsim_adapters.hiding import hiding_logs, secrets_of_url, without_secrets
from convsim_adapters.vendors import import_vendor
from convsim_fp.errors import ConvsimError, InvalidSpec, Problem

if TYPE_CHECKING:
    from convsim_adapters.mlflow.recording_runs import MlflowRun
    from convsim_adapters.running.plans import Plan
    from convsim_adapters.running.results import Run

__all__ = ["Wanted", "ended_in_mlflow", "export", "in_mlflow", "mlflow_options", "wanted"]

HERE = "sqlite:///mlflow.db"

MLFLOW = click.option(
    "--mlflow",
    "mlflow_uri",
    is_flag=False,
    flag_value="",
    metavar="[=URI]",
    help=f"Write the run to MLflow as well. Default: MLFLOW_TRACKING_URI, else {HERE}.",
)
EXPERIMENT = click.option("--experiment", metavar="NAME", help="Of MLflow; made where it is not.")
SCORER = click.option(
    "--scorer",
    "scorers",
    multiple=True,
    metavar="NAME|TARGET",
    help="Score the sessions with a scorer of mlflow.genai.scorers, or your own. Repeatable.",
)


@frozen
class Wanted:
    """What is wanted of MLflow: where to write, and what to score with, as it was named."""

    uri: str
    experiment: str | None = None
    scorers: tuple[str, ...] = ()


def mlflow_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of a run that goes into MLflow."""
    return MLFLOW(EXPERIMENT(SCORER(command)))


def wanted(uri: str | None, experiment: str | None, scorers: Sequence[str]) -> Wanted | None:
    """What the options ask of MLflow; None without ``--mlflow``. Raises `InvalidSpec`."""
    if uri is None:
        lost = "--experiment" if experiment else "--scorer" if scorers else None
        if lost:
            raise InvalidSpec([Problem(lost, "is for a run in MLflow; add --mlflow")])
        return None
    return Wanted(tracking_uri(uri), experiment, tuple(scorers))


def tracking_uri(given: str) -> str:
    """The URI that is meant. Raises `InvalidSpec` for what is none, such as a file of cases."""
    import os  # noqa: PLC0415

    found = given or os.environ.get("MLFLOW_TRACKING_URI") or HERE
    if not _is_uri(found):
        what = f"is {found!r:.80}, expected a tracking URI such as {HERE} or http://127.0.0.1:5000"
        raise InvalidSpec([Problem("--mlflow", f"{what}; write --mlflow=URI, or --mlflow last")])
    return found


def _is_uri(word: str) -> bool:
    return "://" in word or word.startswith(("databricks", "uc", "file:", "sqlite:"))


@contextmanager
def in_mlflow(asked: Wanted | None, plan: Plan, out: Path | None) -> Generator[MlflowRun | None]:
    """The run on its way into MLflow, where that is asked for."""
    if asked is None:
        with nullcontext() as nothing:
            yield nothing
        return
    from convsim_adapters.mlflow.recording_runs import recording  # noqa: PLC0415  loads MLflow

    with (
        hiding_logs(secrets_of_url(asked.uri)),
        recording(asked.uri, asked.experiment, asked.scorers, plan, out) as made,
    ):
        yield made


def ended_in_mlflow(there: MlflowRun, run: Run) -> None:
    """Wait until MLflow has it, and say where it is, or what it lacks."""
    there.end(run)
    done = there.projected
    uri, trouble = (_shown(words or "", there.uri) for words in (there.uri, there.trouble))
    _say_refused(() if done is None else done.refused, there.uri)
    for name, value in sorted(there.scores.items()):
        say(f"score {name}: {value:g}")
    if there.unscored:
        say(f"warning: the sessions are not scored: {_shown(there.unscored, there.uri)}")
    if done is not None and done.unwritten:
        made = done.written + done.unwritten
        say(f"warning: {done.unwritten} of {made} traces are not in MLflow: {trouble}")
        say(f"export them later with: {_export_command(there, run, uri)}")
    elif trouble:
        say(f"warning: MLflow did not take what the run came to: {trouble}")
        say(f"export it later with: {_export_command(there, run, uri)}")
    elif there.run_id is not None:
        say(f"in MLflow: {uri}, run {there.run_id}")
    if left := there.projection.unfinished:
        say(f"{count(left, 'turn')} of sessions without an end are not in MLflow yet; go on with")
        say(f"convsim resume {run.directory}, and then: {_export_command(there, run, uri)}")


def _export_command(there: MlflowRun, run: Run, uri: str) -> str:
    named = [f"--experiment={there.experiment}"] if there.experiment else []
    return shlex.join(("convsim", "export", str(run.directory), f"--mlflow={uri}", *named))


def _say_refused(refused: Sequence[str], uri: str) -> None:
    for words in refused:
        say(f"warning: MLflow would not store the trace {_shown(words, uri)}")


def _shown(words: str, uri: str) -> str:
    """Words about a store, without the password that its URI may hold."""
    return without_secrets(words, secrets_of_url(uri))


class _Exporting(click.Command):
    """Takes a directory that stands behind ``--mlflow`` for what it is."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Part the option from the word behind it, unless that is a URI."""
        return super().parse_args(ctx, [*_apart(args)])


def _apart(words: Sequence[str]) -> Iterator[str]:
    for word, behind in zip(words, [*words[1:], ""], strict=True):
        yield "--mlflow=" if word == "--mlflow" and not _is_uri(behind) else word


@click.command(cls=_Exporting)
@run_argument
@click.option(
    "--mlflow",
    "mlflow_uri",
    is_flag=False,
    flag_value="",
    default="",
    metavar="[=URI]",
    help=f"Where to. Default: MLFLOW_TRACKING_URI, else {HERE}.",
)
@EXPERIMENT
def export(directory: Path, mlflow_uri: str, experiment: str | None) -> int:
    """Write what MLflow does not have yet of the run in DIR; twice writes nothing twice."""

    def exported() -> Any:
        uri = tracking_uri(mlflow_uri)
        import_vendor("mlflow", extra="mlflow")
        from convsim_adapters.mlflow.exporting import export_run  # noqa: PLC0415  loads MLflow

        try:
            return export_run(directory, tracking_uri=uri, experiment=experiment)
        except ConvsimError as error:
            raise ConvsimError(_shown(str(error), uri)) from error

    with hiding_logs(secrets_of_url(mlflow_uri)):
        done = tried(exported)
    if done is None:
        return BAD_INPUT
    report(f"{count(done.written, 'trace')} written, {done.there} were there; run {done.run_id}")
    _say_refused(done.refused, mlflow_uri)
    if done.missing or done.trouble:
        trouble = _shown(done.trouble or "", mlflow_uri)
        say(f"{count(done.missing, 'trace')} could not be written: {trouble}")
    return BROKEN if done.missing or done.trouble or done.refused else 0
