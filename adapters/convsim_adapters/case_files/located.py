"""Values that know the lines on which they and their parts stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from itertools import islice
from types import MappingProxyType
from typing import TypeAlias, cast

from attrs import frozen

from convsim_fp.errors import Problem

__all__ = [
    "Document",
    "Path",
    "Record",
    "Spot",
    "broken_texts",
    "line_of",
    "repeated",
    "written",
]

Path: TypeAlias = "str | int"
SEPARATORS = (".", "[")
LONGEST_PATH = 1_000
MOST_LEVELS = 100
MOST_TOLD = 20
HALF = "half of a character (a lone surrogate such as \\ud83d); write the whole character"


def _no_parts() -> Iterable[tuple[Path, Spot]]:
    return ()


@frozen
class Spot:
    """Where a value stands: its line, from 1, and on demand the spots of its parts.

    Parts are looked up only for a problem, so that reading a good file costs no bookkeeping.
    """

    line: int
    parts: Callable[[], Iterable[tuple[Path, Spot]]] = _no_parts

    @cached_property
    def by_name(self) -> Mapping[str, Spot]:
        """Its parts as a path names them; of those with one name, the first."""
        found: dict[str, Spot] = {}
        for key, part in self.parts():
            found.setdefault(f"[{key}]" if isinstance(key, int) else key, part)
        return found


@frozen
class Record:
    """One case as a file gives it, before anyone has looked whether it is one.

    `problems` are those of the format, without index and id; with `unread` there is no value.
    `names` are the beginnings of fields that the reader of the file knows by another name.
    """

    value: object
    spot: Spot
    problems: tuple[Problem, ...] = ()
    unread: bool = False
    names: Mapping[str, str] = MappingProxyType({})


@frozen
class Document:
    """What a file holds: its records, and what is wrong with the file as a whole."""

    records: tuple[Record, ...] = ()
    problems: tuple[Problem, ...] = ()


def line_of(spot: Spot, field: str) -> int:
    """The line of a field such as ``history[2].role``, or of the innermost part that is there.

    >>> persona = Spot(4)
    >>> line_of(Spot(3, lambda: [("persona", persona)]), "persona.name")
    4
    """
    rest = field[:LONGEST_PATH]
    while rest:
        inside = next((split for split in _splits(rest) if split[0] in spot.by_name), None)
        if inside is None:
            break
        spot, rest = spot.by_name[inside[0]], inside[1].removeprefix(".")
    return spot.line


def _splits(path: str) -> Iterator[tuple[str, str]]:
    """Every beginning of a path and what follows, the longest first: keys may have dots."""
    yield path, ""
    for at in range(len(path) - 1, 0, -1):
        if path[at] in SEPARATORS:
            yield path[:at], path[at:]


def _after(beginning: str, field: str) -> str | None:
    """What follows the beginning of a path, None where the path begins with something else."""
    rest = field.removeprefix(beginning)
    if len(rest) == len(field) or (rest and not rest.startswith(SEPARATORS)):
        return None
    return rest


def repeated(spot: Spot) -> tuple[Problem, ...]:
    """A problem for each key that stands twice in one object, with both lines; the first twenty."""
    return tuple(islice(_repeated(spot, "", MOST_LEVELS), MOST_TOLD))


def _repeated(spot: Spot, path: str, levels: int) -> Iterator[Problem]:
    first: dict[Path, int] = {}
    for key, part in spot.parts() if levels else ():
        field = _joined(path, key)
        if key in first:
            lines = sorted({first[key], part.line})
            where = f"line{'s' * (len(lines) > 1)} {' and '.join(map(str, lines))}"
            what = f"is given twice, in {where}; keep one of them"
            yield Problem(field, what, line=part.line)
        first.setdefault(key, part.line)
        yield from _repeated(part, field, levels - 1)


def broken_texts(value: object) -> tuple[Problem, ...]:
    """A problem for each text that no file could hold as UTF-8; the first twenty."""
    return tuple(islice(_broken(value, "", MOST_LEVELS), MOST_TOLD))


def _broken(value: object, path: str, levels: int) -> Iterator[Problem]:
    if isinstance(value, str):
        if not _is_whole(value):
            yield Problem(path or "the case", f"has {HALF}")
    elif isinstance(value, Mapping) and levels:
        for key, item in cast("Mapping[object, object]", value).items():
            if isinstance(key, str) and not _is_whole(key):
                yield Problem(path or "the case", f"has a name with {HALF}")
            else:
                yield from _broken(item, _joined(path, str(key)), levels - 1)
    elif isinstance(value, list) and levels:
        for at, item in enumerate(cast("list[object]", value)):
            yield from _broken(item, _joined(path, at), levels - 1)


def _is_whole(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _joined(path: str, key: Path) -> str:
    return f"{path}[{key}]" if isinstance(key, int) else f"{path}.{key}".removeprefix(".")


def written(field: str, names: Mapping[str, str]) -> str:
    """Name a field as the reader of the file knows it; the longest beginning in `names` counts.

    >>> written("extra.script[0]", {"extra.script": "script"})
    'script[0]'
    """
    for known in sorted(names, key=len, reverse=True):
        rest = _after(known, field)
        if rest is not None:
            return f"{names[known]}{rest}".removeprefix(".")
    return field
