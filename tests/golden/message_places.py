"""Where the shipped code makes a message for somebody to read, and which of them were reached.

A place is a statement that raises what it builds, builds a `Problem`, warns, logs or prints. It is
reached when its line runs while `traced` looks.
"""

import ast
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, FrameType

from attrs import frozen

import convsim_adapters
import convsim_fp

PACKAGES = tuple(Path(one.__path__[0]) for one in (convsim_fp, convsim_adapters))
CALLS = {
    *("Problem", "warn", "warning", "info", "fail", "say", "NotJson", "Divergence"),
    *("refused", "_refuse", "_refused", "AgentError"),
}


@frozen
class Place:
    """One statement that makes a message."""

    file: str
    function: str
    first: int
    last: int
    words: str

    def __str__(self) -> str:
        return f"{self.file}:{self.function}: {self.words}"


def places() -> Iterator[Place]:
    """All of the two packages, in functions: what a module makes once is said by one of them."""
    for package in PACKAGES:
        for path in sorted(package.rglob("*.py")):
            source = path.read_text("utf-8")
            name = path.relative_to(package.parent).as_posix()
            yield from _inside(ast.parse(source), source, name, ())


def _inside(node: ast.AST, source: str, file: str, within: tuple[str, ...]) -> Iterator[Place]:
    for child in ast.iter_child_nodes(node):
        named = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
        inner = (*within, child.name) if named else within
        if within and _makes_a_message(child):
            words = " ".join((ast.get_source_segment(source, child) or "").split())[:90]
            place = ".".join(within)
            yield Place(file, place, child.lineno, child.end_lineno or child.lineno, words)
        else:
            yield from _inside(child, source, file, inner)


def _makes_a_message(node: ast.AST) -> bool:
    if isinstance(node, ast.Raise):
        return isinstance(node.exc, ast.Call)
    if not isinstance(node, ast.Call):
        return False
    called = node.func
    if isinstance(called, ast.Attribute) and called.attr == "say":
        return False  # to another process
    return (
        called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
    ) in CALLS


class Reached:
    """The lines with a message that have run, by file."""

    def __init__(self, all_places: Iterable[Place]) -> None:
        self.lines: dict[str, set[int]] = {}
        for one in all_places:
            path = next(p.parent for p in PACKAGES if one.file.startswith(f"{p.name}/")) / one.file
            self.lines.setdefault(str(path), set()).update(range(one.first, one.last + 1))
        self.seen: set[tuple[str, int]] = set()
        self.known: dict[CodeType, bool] = {}

    def __contains__(self, place: Place) -> bool:
        lines = range(place.first, place.last + 1)
        return any(file.endswith(f"/{place.file}") and n in lines for file, n in self.seen)

    def called(self, frame: FrameType, _event: str, _arg: object) -> object:
        code = frame.f_code
        looked_at = self.known.get(code)
        if looked_at is None:
            lines = self.lines.get(code.co_filename, set())
            looked_at = any(line in lines for _, _, line in code.co_lines())
            self.known[code] = looked_at
        return self.line if looked_at else None

    def line(self, frame: FrameType, event: str, _arg: object) -> object:
        if event == "line":
            self.seen.add((frame.f_code.co_filename, frame.f_lineno))
        return self.line


@contextmanager
def traced(reached: Reached) -> Iterator[None]:
    """Look at every line that runs, in this thread and in those that begin."""
    before = sys.gettrace()
    sys.settrace(reached.called)
    threading.settrace(reached.called)
    try:
        yield
    finally:
        sys.settrace(before)
        threading.settrace(before)
