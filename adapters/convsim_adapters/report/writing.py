"""The report of a run as a file."""

from __future__ import annotations

import os
from pathlib import Path
from tempfile import TemporaryDirectory

from convsim_adapters.report.pages import page_of
from convsim_adapters.report.reading import read_recording
from convsim_adapters.running.results import Run
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["write_report"]

NAME = "report.html"


def write_report(
    run: Run | str | Path, other: Run | str | Path | None = None, *, out: str | Path | None = None
) -> Path:
    """Write a run to look at as one HTML file that needs nothing beside it; gives its place.

    `run` is what `simulate` gave, or the directory of a recorded run, also of one that goes on or
    was killed. With an `other` both stand side by side: the same case and trial in each, changed
    stop reasons first. `out` is the file, by default ``report.html`` in the directory of the run,
    or for two ``report-vs-OTHER.html`` in that of the second. What is in the way there is replaced.

    It holds what the journal holds, so no secrets that were hidden from that. Raises `InvalidSpec`
    where there is no journal, or the file cannot be written.

    >>> from tempfile import TemporaryDirectory
    >>> from convsim_adapters import simulate
    >>> case = {"goal": "greet", "script": ["Hello."], "goal_when": "hi"}
    >>> with TemporaryDirectory() as here:
    ...     run = simulate([case], lambda messages: "Hi there.", out=f"{here}/run")
    ...     write_report(run).name
    'report.html'
    """
    directories = [_directory(one) for one in (run, other) if one is not None]
    recordings = [read_recording(one) for one in directories]
    name = NAME if other is None else f"report-vs-{recordings[0].name}.html"
    path = directories[-1] / name if out is None else Path(out)
    _write(path, page_of(recordings))
    return path


def _directory(run: Run | str | Path) -> Path:
    if not isinstance(run, Run):
        return Path(run)
    if run.directory is None:
        what = "was not recorded, so there is nothing to report from; leave save as it is"
        raise InvalidSpec([Problem("run", what)])
    return run.directory


def _write(path: Path, page: str) -> None:
    """Write the file beside its place, then put it there; only its owner may read it.

    A link is followed. What is no plain file (a pipe, a device) is left as it is, and refused.
    """
    path = path.resolve() if path.is_symlink() else path
    if path.exists() and not (path.is_file() or path.is_dir()):
        what = f"is {str(path)!r}, which is no plain file; name one that may be written or replaced"
        raise InvalidSpec([Problem("out", what)])
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent, prefix=".") as made:
            new = Path(made) / NAME
            with open(new, "w", encoding="utf-8", newline="\n", opener=_private) as file:
                file.write(page)
            new.replace(path)
    except OSError as error:
        what = f"is {str(path)!r}, which cannot be written: {error.strerror or error}"
        raise InvalidSpec([Problem("out", what)]) from error


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
