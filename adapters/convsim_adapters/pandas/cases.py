"""From the rows of a DataFrame to test cases: cells as values, each problem by row and column."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from attrs import evolve, frozen

from convsim_adapters.case_files.checking import Checked, check
from convsim_adapters.case_files.json_text import read_value
from convsim_adapters.case_files.located import Record, Spot
from convsim_adapters.vendors import import_vendor
from convsim_fp.core import ParsedCases, TestCase
from convsim_fp.core.json_values import MAX_DEPTH, kind
from convsim_fp.errors import Problem
from convsim_fp.interpreters import UnknownFieldWarning

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["cases_from_frame", "parse_frame"]

JSON_ONLY = ("context", "expectations", "extra", "history", "agenda", "script")
MAY_BE_JSON = ("tags", "simulation_guidelines", "knows", "does_not_know", "goal_when")
NOWHERE = Spot(0)  # a row has a label, not a line
COLUMNS = "the columns"


def cases_from_frame(frame: pd.DataFrame) -> tuple[TestCase, ...]:
    """Read test cases from a DataFrame, one a row; its columns are the fields of a `TestCase`.

    What a simulated user or a goal check reads of `extra` (`script`, `goal_when`, …) may be a
    column of its own. `context`, `expectations`, `extra`, `history`, `agenda` and `script` hold
    objects and lists, or their JSON as text; `tags`, `simulation_guidelines`, `knows`,
    `does_not_know` and `goal_when` a list, the JSON of one, or one text. `max_turns` may be a float
    such as 4.0, which gaps in a column make of it.
    Raises `InvalidSpec` with every problem, by the label of its row and by its column; warns of
    columns that nothing reads.

    >>> import pandas as pd
    >>> frame = pd.DataFrame({"goal": ["pay", "go"], "persona": [None, "A florist"]})
    >>> [case.persona for case in cases_from_frame(frame)]
    [None, 'A florist']
    """
    parsed = parse_frame(frame)
    for doubt in parsed.warnings:
        warnings.warn(str(doubt), UnknownFieldWarning, stacklevel=2)
    return parsed.or_raise()


def parse_frame(frame: object) -> ParsedCases:
    """Read test cases as `cases_from_frame` does, but collect what is wrong instead of raising.

    The `file` of a problem is the label of its row, its `index` counts the rows from 0. Raises
    `InvalidSpec` only where pandas is not installed.
    """
    vendor: Any = import_vendor("pandas", extra="pandas")
    if not isinstance(frame, vendor.DataFrame):
        what = f"is {kind(frame)}, expected a DataFrame with one test case a row"
        return ParsedCases((), (Problem("the frame", what),), ())
    rows = tuple(_rows(vendor, frame))
    checked = tuple(_checked(row, index) for index, row in enumerate(rows))
    told = (problem for one in checked for problem in one.problems)
    problems = sorted((*told, *_shared_ids(rows, checked)), key=_place)
    doubts = (doubt for one in checked for doubt in one.warnings)
    return ParsedCases(
        cases=tuple(one.case for one in checked if one.case is not None),
        problems=(*_repeated(frame), *problems),
        warnings=tuple(dict.fromkeys(Problem(one.field, one.what, file=COLUMNS) for one in doubts)),
    )


def _place(problem: Problem) -> int:
    return problem.index or 0


@frozen
class _Row:
    """The cells of a row that are there, by column; of columns with one name the first."""

    label: str
    cells: Mapping[object, object]


def _rows(vendor: Any, frame: Any) -> Iterator[_Row]:
    names = dict[object, int]()
    for at, name in enumerate(frame.columns):
        names.setdefault(name, at)
    columns = {name: frame.iloc[:, at].tolist() for name, at in names.items()}
    for index, label in enumerate(frame.index.tolist()):
        cells = ((name, column[index]) for name, column in columns.items())
        there = {name: cell for name, cell in cells if not _is_absent(vendor, cell)}
        yield _Row(f"row {label!r:.60}", there)


def _is_absent(vendor: Any, cell: object) -> bool:
    return bool(vendor.api.types.is_scalar(cell) and vendor.isna(cell))


def _repeated(frame: Any) -> Iterator[Problem]:
    names = list[object](frame.columns)
    for name in dict.fromkeys(names):
        if (count := names.count(name)) > 1:
            yield Problem(str(name), f"names {count} of them; keep one", file=COLUMNS)


def _checked(row: _Row, index: int) -> Checked:
    value: dict[object, object] = {}
    problems: list[Problem] = []
    for column, cell in row.cells.items():
        value[column] = cell
        try:
            value[column] = _value(column, _plain(cell, MAX_DEPTH))
        except ValueError as error:
            problems.append(Problem(str(column), str(error)))
    one = check(Record(value, NOWHERE, tuple(problems)), index=index, file=row.label)
    first: dict[str, Problem] = {}  # what the JSON of a cell lacks is told, not that it is text
    for problem in one.problems:
        first.setdefault(problem.field, evolve(problem, line=None))
    return evolve(one, problems=tuple(first.values()))


def _value(column: object, cell: object) -> object:
    """What a cell says in its column; raises `ValueError` in words."""
    match cell:
        case str() if column in JSON_ONLY:
            return _json(cell) if cell.strip() else None
        case str() if column in MAY_BE_JSON and cell.startswith(("[", "{")):
            return _pattern(cell) if column == "goal_when" else _json(cell)
        case float() if column == "max_turns" and cell.is_integer():
            return int(cell)
        case _:
            return cell


def _json(text: str) -> object:
    try:
        return read_value(text)
    except ValueError as error:
        what = f"is {text[:40]!r}, which {error}; give an object, a list, or the JSON of one"
        raise ValueError(what) from None


def _pattern(text: str) -> object:
    """A list of patterns, or one that begins with a bracket."""
    try:
        return read_value(text)
    except ValueError:
        return text


def _plain(cell: object, depth: int) -> object:
    """What files of columns give: arrays and numbers of numpy as lists and plain numbers."""
    if hasattr(cell, "tolist"):
        cell = cast("Any", cell).tolist()
    match cell:
        case dict() if depth:
            items = cast("dict[object, object]", cell).items()
            return {key: _plain(item, depth - 1) for key, item in items}
        case list() | tuple() if depth:
            return [_plain(item, depth - 1) for item in cast("Sequence[object]", cell)]
        case _:
            return cell


def _shared_ids(rows: Sequence[_Row], checked: Sequence[Checked]) -> Iterator[Problem]:
    first: dict[str, str] = {}
    for index, (row, one) in enumerate(zip(rows, checked, strict=True)):
        if one.id is not None and one.id in first:
            what = f"is that of {first[one.id]}, too; give each case its own"
            yield Problem("id", what, index, one.id, row.label)
        elif one.id is not None:
            first[one.id] = row.label
