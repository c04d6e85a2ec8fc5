"""Cases from CSV: one a row, the header row naming the fields.

``context.order_id`` fills a key of `context`; ``expectations.…`` and ``extra.…`` alike. An empty
cell is absent. What begins with { or [ is JSON, but in columns that hold plain text only.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping
from io import StringIO
from types import MappingProxyType
from typing import cast

from attrs import frozen

from convsim_adapters.case_files.json_text import read_value
from convsim_adapters.case_files.located import Document, Record, Spot
from convsim_fp.errors import Problem

__all__ = ["read_csv"]

DELIMITERS = (",", ";", "\t")
NESTED = ("context", "expectations", "extra")
TEXTS = ("goal", "persona", "id", "language")
LINES = ("simulation_guidelines", "script", "knows", "does_not_know")
WORDS: Mapping[str, bool] = MappingProxyType(
    {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
)


@frozen
class _Row:
    """The cells of a row, and the line on which it begins."""

    line: int
    cells: tuple[str, ...]


@frozen
class _Cell:
    """A cell that is not empty; without a column it stands beyond the header."""

    column: str
    text: str
    line: int


@frozen
class _Table:
    """The rows that could be read, and why the next one could not."""

    rows: tuple[_Row, ...]
    problems: tuple[Problem, ...] = ()


def read_csv(text: str) -> Document:
    """Read one case from each row that is not empty; what is wrong is in the document."""
    table = _table(text, max(DELIMITERS, key=lambda one: _width(text, one)))
    if not table.rows:
        return Document(problems=table.problems)
    first, *rows = table.rows
    header = tuple(name.strip() for name in first.cells)
    problems = (*_header_problems(header, first.line), *table.problems)
    return Document(tuple(_record(header, row) for row in rows), problems)


def _width(text: str, delimiter: str) -> int:
    try:
        rows = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
        return next((len(row) for row in rows if _has_words(row)), 0)
    except csv.Error:
        return 0


def _has_words(cells: list[str]) -> bool:
    return any(cell.strip() for cell in cells)


def _table(text: str, delimiter: str) -> _Table:
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows: list[_Row] = []
    line = 1
    try:
        for cells in reader:
            if _has_words(cells):
                rows.append(_Row(line, tuple(cells)))
            line = reader.line_num + 1
    except csv.Error as error:
        return _Table(tuple(rows), (Problem("the row", _unreadable(error), line=line),))
    return _Table(tuple(rows))


def _unreadable(error: csv.Error) -> str:
    if "field limit" in str(error):
        longest = f"{csv.field_size_limit():,}"
        what = f"has a cell of more than {longest} characters"
        return f"{what}; close its quotes, or keep so long a text in YAML or JSON"
    return f"is not CSV: {error}; close all quotes, and double those inside of a quoted cell"


def _header_problems(header: tuple[str, ...], line: int) -> Iterator[Problem]:
    for at, name in enumerate(header):
        if name and name in header[:at]:
            what = f"names column {header.index(name) + 1} and column {at + 1}; keep one of them"
            yield Problem(name, what, line=line)


def _record(header: tuple[str, ...], row: _Row) -> Record:
    cells = tuple(_cells(header, row))
    value: dict[str, object] = {}
    problems: list[Problem] = []
    for cell in cells:
        try:
            _put(value, cell)
        except ValueError as error:
            problems.append(Problem(cell.column or "the row", str(error), line=cell.line))
    spots = tuple((cell.column, Spot(cell.line)) for cell in cells)
    return Record(value, Spot(row.line, lambda: spots), tuple(problems))


def _cells(header: tuple[str, ...], row: _Row) -> Iterator[_Cell]:
    line = row.line
    for at, text in enumerate(row.cells):
        column = header[at] if at < len(header) else ""
        told_already = column and column in header[:at]
        if text.strip() and not told_already:
            yield _Cell(column, text, line)
        line += text.count("\n")


def _put(value: dict[str, object], cell: _Cell) -> None:
    """Put a cell's value where its column says; raises `ValueError` in words."""
    if not cell.column:
        raise ValueError(f"has {cell.text[:40]!r} where the header has no name; name the column")
    first, *keys = cell.column.split(".")
    if first not in NESTED or not keys:
        inner, name = value, cell.column
    else:
        inner, name = _within(value, [first, *keys[:-1]]), keys[-1]
    if name in inner:
        raise ValueError("is filled by another column, too; keep one of them")
    inner[name] = _read(cell.column, cell.text)


def _within(value: dict[str, object], keys: list[str]) -> dict[str, object]:
    for at, key in enumerate(keys, start=1):
        inner = value.setdefault(key, {})
        if not isinstance(inner, dict):
            what = f"stands beside {'.'.join(keys[:at])}, which is no object; keep one"
            raise ValueError(what)  # noqa: TRY004  the cell is wrong, not a caller
        value = cast("dict[str, object]", inner)
    return value


def _read(column: str, text: str) -> object:
    field = column.removeprefix("extra.")
    if field in TEXTS:
        return text
    if text.startswith(("{", "[")):
        return _json(field, text)
    match field:
        case "max_turns":
            return _whole(text.strip())
        case "agent_opens":
            return _true_or_false(text.strip())
        case "tags":
            return [tag for part in text.split(",") if (tag := part.strip())]
        case _ if field in LINES:
            return [item for line in text.splitlines() if (item := line.strip())]
        case _:
            return text


def _json(field: str, text: str) -> object:
    try:
        return read_value(text)
    except ValueError as error:
        if field == "goal_when":  # a pattern may begin with a bracket
            return text
        hint = "mend it, or begin it with a blank to have it as text"
        raise ValueError(f"begins with {text[0]} but {error}; {hint}") from None


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        raise ValueError(f"is {text[:40]!r}, expected a whole number")
    return int(text)


def _true_or_false(text: str) -> bool:
    if text.lower() not in WORDS:
        raise ValueError(f"is {text[:40]!r}, expected true or false")
    return WORDS[text.lower()]
