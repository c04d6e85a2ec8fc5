"""From paths to test cases, with every problem of every file at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from attrs import evolve, frozen

from convsim_adapters.case_files.checking import Checked, check
from convsim_adapters.case_files.csv_text import read_csv
from convsim_adapters.case_files.files import Format, format_of, read_format, read_text
from convsim_adapters.case_files.json_text import read_json, read_json_lines
from convsim_adapters.case_files.located import Document, Record, broken_texts, line_of
from convsim_adapters.case_files.tau2 import from_tau2, is_tau2
from convsim_fp.core import TestCase
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["LoadedCases", "Source", "load_cases"]

AnyPath: TypeAlias = "str | os.PathLike[str]"


@frozen
class Source:
    """Where a case stands: its file, the line on which it begins, its index within the file."""

    file: str
    line: int
    index: int

    def __str__(self) -> str:
        return f"cases[{self.index}] in {self.file}, line {self.line}"


@frozen
class LoadedCases:
    """The cases of all files in order; `sources` says of each where it stands.

    `warnings` keep no case from running: fields that nothing reads.
    """

    cases: tuple[TestCase, ...]
    sources: tuple[Source, ...]
    warnings: tuple[Problem, ...]


@frozen
class _File:
    """What became of a file's records, and what is wrong with the file as a whole."""

    name: str
    checked: tuple[Checked, ...] = ()
    problems: tuple[Problem, ...] = ()


@frozen
class _Placed:
    source: Source
    checked: Checked


def load_cases(paths: AnyPath | Iterable[AnyPath], *, format: Format = "auto") -> LoadedCases:
    """Load test cases from one file or several, each read to its end before anything is refused.

    `format` is for all of them; ``auto`` goes by the ending of each name, and takes a JSON list
    whose objects have a `user_scenario` for tasks of tau2-bench. Raises `InvalidSpec` with the
    problems of all files, in the order of files and lines.

    >>> from tempfile import NamedTemporaryFile
    >>> with NamedTemporaryFile("w", suffix=".yaml") as file:
    ...     print("- goal: Return the red shoes", file=file, flush=True)
    ...     load_cases(file.name).cases[0].goal
    'Return the red shoes'
    """
    wanted = read_format(format)
    files = tuple(_file(name, wanted) for name in _names(paths))
    if not files:
        raise InvalidSpec([Problem("the cases", "are in no file; name at least one")])
    problems = _in_order(files, _all_problems(files))
    if problems:
        raise InvalidSpec(problems)
    return _loaded(files)


def _names(paths: AnyPath | Iterable[AnyPath]) -> Iterator[str]:
    for path in [paths] if isinstance(paths, str | os.PathLike) else paths:
        yield os.fspath(path)


def _file(name: str, wanted: Format) -> _File:
    try:
        chosen = format_of(name) if wanted == "auto" else wanted
        document = _read(read_text(name), chosen)
    except InvalidSpec as error:
        return _File(name, problems=error.problems)
    problems = tuple(evolve(problem, file=name) for problem in document.problems)
    if not problems and not document.records:
        problems = (Problem("the file", "has no test cases; write a list of them", file=name),)
    is_task = chosen == "tau2" or (wanted == "auto" and chosen == "json" and is_tau2(document))
    records = (_record(record, is_task=is_task) for record in document.records)
    checked = (check(record, index=index, file=name) for index, record in enumerate(records))
    return _File(name, tuple(checked), problems)


def _read(text: str, chosen: Format) -> Document:
    match chosen:
        case "yaml" | "auto":
            return _read_yaml(text)
        case "jsonl":
            return read_json_lines(text)
        case "csv":
            return read_csv(text)
        case _:
            return read_json(text)


def _read_yaml(text: str) -> Document:
    try:
        from convsim_adapters.case_files.yaml_text import read_yaml  # noqa: PLC0415  needs an extra
    except ImportError:
        what = "is YAML, which needs PyYAML; pip install 'convsim-fp[cli]'"
        return Document(problems=(Problem("the file", what),))
    return read_yaml(text)


def _record(record: Record, *, is_task: bool) -> Record:
    broken = broken_texts(record.value)
    if broken:  # what else is wrong would quote them, and nobody could print it
        return Record(None, record.spot, broken, unread=True)
    return from_tau2(record) if is_task else record


def _repeated_files(files: tuple[_File, ...]) -> Iterator[Problem]:
    for at, file in enumerate(files):
        if Path(file.name) in (Path(earlier.name) for earlier in files[:at]):
            yield Problem("the file", "is given twice; name it once", file=file.name)


def _shared_names(files: tuple[_File, ...]) -> Iterator[Problem]:
    """Cases that a run could not tell apart, whichever files they stand in."""
    first: dict[str, _Placed] = {}
    for position, placed in enumerate(_placed(files)):
        # A run names the cases that have no id by their position in the whole list.
        name = placed.checked.id or f"case-{position}"
        earlier = first.setdefault(name, placed)
        if earlier is not placed:
            yield _clash(name, placed, earlier)


def _clash(name: str, placed: _Placed, earlier: _Placed) -> Problem:
    source, one = placed.source, placed.checked
    if one.id is None:
        what = f"is missing, and {name!r}, which would stand for it, is that of {earlier.source}"
        what = f"{what}; give the case an id"
    elif earlier.checked.id is None:
        what = f"is the name by which {earlier.source} goes, for want of an id"
        what = f"{what}; give one of them another"
    else:
        what = f"is that of {earlier.source}, too; give each case its own"
    return Problem("id", what, source.index, one.id, source.file, line_of(one.spot, "id"))


def _placed(files: tuple[_File, ...]) -> Iterator[_Placed]:
    for file in files:
        for index, one in enumerate(file.checked):
            yield _Placed(Source(file.name, one.spot.line, index), one)


def _all_problems(files: tuple[_File, ...]) -> Iterator[Problem]:
    for file in files:
        yield from file.problems
        for one in file.checked:
            yield from one.problems
    yield from _repeated_files(files)
    yield from _shared_names(files)


def _in_order(files: tuple[_File, ...], problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """By file as given, and by line."""
    places = {file.name: at for at, file in reversed(tuple(enumerate(files)))}
    return tuple(sorted(problems, key=lambda found: (places[found.file or ""], found.line or 0)))


def _loaded(files: tuple[_File, ...]) -> LoadedCases:
    placed = tuple(_placed(files))
    return LoadedCases(
        cases=tuple(one.checked.case for one in placed if one.checked.case is not None),
        sources=tuple(one.source for one in placed),
        warnings=_in_order(files, (warning for one in placed for warning in one.checked.warnings)),
    )
