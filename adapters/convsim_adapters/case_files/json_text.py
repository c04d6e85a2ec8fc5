"""Cases from JSON and JSON lines, by the standard library, with the lines of their parts.

The fast scanner reads the values; a small walk over the text finds lines, and only for a problem.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from json import JSONDecodeError, JSONDecoder

from attrs import frozen

from convsim_adapters.case_files.located import Document, Path, Record, Spot, repeated
from convsim_fp.core.json_values import MAX_INTEGER_BITS, kind
from convsim_fp.errors import Problem

__all__ = ["LIST_EXPECTED", "read_json", "read_json_lines", "read_value", "whole"]

BLANK = re.compile(r"[ \t\n\r]*")
CLOSING = {"[": "]", "{": "}"}
LIST_EXPECTED = "expected a list of cases, or an object whose only key is 'cases'"
MOST_DIGITS = 1_000
TOO_LARGE = 1 << MAX_INTEGER_BITS  # stands for all of them: the checks refuse it, by its field


class _KeyRepeatedError(ValueError):
    """An object has a key twice; the scanner does not tell where."""


def whole(digits: str) -> int:
    """Read a whole number without the interpreter's refusal of more than 4,300 digits."""
    return int(digits) if len(digits) <= MOST_DIGITS else TOO_LARGE


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise _KeyRepeatedError
    return made


STRICT = JSONDecoder(object_pairs_hook=_object, parse_int=whole)
LENIENT = JSONDecoder(parse_int=whole)


@frozen
class _Found:
    """A value in the text, from `start` to `end`, and its place in the list or object around it."""

    key: Path
    start: int
    end: int
    value: object = None
    repeats: bool = False


@frozen
class _Inside:
    found: tuple[_Found, ...]
    end: int


def read_json(text: str) -> Document:
    """Read a list of cases, or an object whose only key is `cases`; what is wrong is in it."""
    try:
        return _document(text)
    except JSONDecodeError as error:
        return Document(problems=(Problem("the file", _unreadable(error), line=error.lineno),))


def read_json_lines(text: str) -> Document:
    """Read one case from each line that is not blank; every bad line is a problem of its own."""
    lines = enumerate(text.split("\n"), start=1)
    return Document(
        tuple(_line(number, line) for number, line in lines if _next(line, 0) < len(line))
    )


def read_value(text: str) -> object:
    """Read one JSON value; raises `ValueError` that says in words what is wrong with it."""
    try:
        found = _alone(text)
    except JSONDecodeError as error:
        raise ValueError(_unreadable(error)) from None
    if found.repeats:
        raise ValueError("has a key twice in one object; keep one of them")
    return found.value


def _document(text: str) -> Document:
    at = _next(text, 0)
    if at == len(text):
        return Document()
    found = _alone(text) if text[at] != "[" else None
    if found is None:
        return _listed(text, at)
    if not isinstance(found.value, dict):
        return _no_list(f"is {kind(found.value)}", text, at)
    inside = _inside(text, at).found
    if [one.key for one in inside] != ["cases"]:
        shown = ", ".join(repr(one.key)[:40] for one in inside[:5]) or "nothing in it"
        return _no_list(f"is an object with {shown}", text, at)
    if not isinstance(inside[0].value, list):
        return _no_list(f"has {kind(inside[0].value)} under 'cases'", text, inside[0].start)
    return _listed(text, inside[0].start, end=found.end)


def _no_list(found: str, text: str, at: int) -> Document:
    problem = Problem("the file", f"{found}, {LIST_EXPECTED}", line=text.count("\n", 0, at) + 1)
    return Document(problems=(problem,))


def _listed(text: str, at: int, *, end: int | None = None) -> Document:
    inside = _inside(text, at)
    _end(text, inside.end if end is None else end)
    placed = _with_lines(text, inside.found, at=0, line=1)
    return Document(tuple(_record(text, found, line) for found, line in placed))


def _with_lines(
    text: str, inside: tuple[_Found, ...], *, at: int, line: int
) -> Iterator[tuple[_Found, int]]:
    """Each with its line, counted on from the one before; `line` is that of the place `at`."""
    for found in inside:
        line, at = line + text.count("\n", at, found.start), found.start
        yield found, line


def _record(text: str, found: _Found, line: int) -> Record:
    spot = _spot(text, found.start, line)
    return Record(found.value, spot, repeated(spot) if found.repeats else ())


def _line(number: int, line: str) -> Record:
    try:
        return _record(line, _alone(line), number)
    except JSONDecodeError as error:
        problem = Problem("the line", _unreadable(error))
        return Record(None, Spot(number), (problem,), unread=True)


def _unreadable(error: JSONDecodeError) -> str:
    rest = error.doc[error.pos :].split("\n", 1)[0].strip()
    place = f"at {rest[:20]!r}" if rest else "at the end of the line or the file"
    return f"is not JSON: {error.msg} (column {error.colno}, {place})"


def _spot(text: str, at: int, line: int) -> Spot:
    def parts() -> Iterator[tuple[Path, Spot]]:
        for found, its_line in _with_lines(text, _inside(text, at).found, at=at, line=line):
            yield found.key, _spot(text, found.start, its_line)

    return Spot(line, parts)


def _inside(text: str, at: int) -> _Inside:
    """The parts of the list or object at that place; none of anything else."""
    opening, found = text[at], list[_Found]()
    closing = CLOSING.get(opening)
    after = _next(text, at + 1)
    if closing is None or text[after : after + 1] == closing:
        return _Inside((), after + 1)
    while True:
        key = _key(text, after) if opening == "{" else _Found(len(found), after, after)
        found.append(_found(text, key.end, key.key))
        after = _next(text, found[-1].end)
        match text[after : after + 1]:
            case ",":
                after = _next(text, after + 1)
            case character if character == closing:
                return _Inside(tuple(found), after + 1)
            case _:
                raise JSONDecodeError(f"Expecting ',' or '{closing}'", text, after)


def _key(text: str, at: int) -> _Found:
    """An object's key; its end is where the value begins. The scanner has read that object."""
    key, end = LENIENT.raw_decode(text, at)
    return _Found(key, at, _next(text, _next(text, end) + len(":")))


def _alone(text: str) -> _Found:
    found = _found(text, _next(text, 0), 0)
    _end(text, found.end)
    return found


def _found(text: str, at: int, key: Path) -> _Found:
    try:
        value, end = STRICT.raw_decode(text, at)
        return _Found(key, at, end, value)
    except _KeyRepeatedError:
        value, end = LENIENT.raw_decode(text, at)
        return _Found(key, at, end, value, repeats=True)
    except RecursionError:
        raise JSONDecodeError("Nested too deeply; flatten it", text, at) from None


def _next(text: str, at: int) -> int:
    match = BLANK.match(text, at)
    return match.end() if match else at


def _end(text: str, at: int) -> None:
    rest = _next(text, at)
    if rest < len(text):
        raise JSONDecodeError("Expecting nothing more", text, rest)
