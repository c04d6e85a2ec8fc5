"""Cases from YAML, through PyYAML's parser alone: its events are put together here.

So nothing of what YAML can construct is ever constructed, aliases are counted and never expanded,
and depth is bounded before a recursive composer could crash the process.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import cast

import yaml
from attrs import evolve, field, frozen

from convsim_adapters.case_files.json_text import LIST_EXPECTED
from convsim_adapters.case_files.located import Document, Path, Record, Spot, repeated
from convsim_adapters.case_files.yaml_scalars import KIND_OF_TAG, plain, tagged
from convsim_fp.core.json_values import kind
from convsim_fp.errors import Problem

__all__ = ["read_yaml"]

# The parser in C where it was built, for its speed.
PARSER = cast("type[yaml.SafeLoader]", getattr(yaml, "CSafeLoader", yaml.SafeLoader))
# The parser in Python lets the errors of `int` and `chr` through.
PARSER_ERRORS = (yaml.YAMLError, ValueError, OverflowError)
MOST_VALUES = 1_000_000
MOST_LEVELS = 200
CORE = "tag:yaml.org,2002:"


class _RefusedError(Exception):
    """The file cannot be read on from here."""

    def __init__(self, what: str, line: int) -> None:
        self.problem = Problem("the file", what, line=line)
        super().__init__(what)


@frozen
class _Node:
    """A value and where it stands; `size` and `levels` are those with all aliases expanded."""

    value: object
    spot: Spot
    size: int = 1
    levels: int = 1
    repeats: bool = False
    merges: bool = False


@frozen
class _Open:
    """A list or an object whose end has not come yet."""

    line: int
    anchor: str | None
    is_object: bool
    inside: list[_Node] = field(factory=list[_Node])


def read_yaml(text: str, *, parser: type[yaml.SafeLoader] = PARSER) -> Document:
    """Read a list of cases, or an object whose only key is `cases`; what is wrong is in it."""
    try:
        root = _composed(yaml.parse(text, Loader=parser))
        return Document() if root is None or root.value is None else _document(root)
    except _RefusedError as refused:
        return Document(problems=(refused.problem,))
    except PARSER_ERRORS as error:
        return Document(problems=(_unreadable(error, text),))


def _document(root: _Node) -> Document:
    value, spot = root.value, root.spot
    if isinstance(value, dict):
        inside = tuple(spot.parts())
        if [key for key, _ in inside] != ["cases"]:
            shown = ", ".join(repr(key)[:40] for key, _ in inside[:5]) or "nothing in it"
            raise _RefusedError(f"is an object with {shown}, {LIST_EXPECTED}", spot.line)
        value, spot = cast("dict[str, object]", value)["cases"], inside[0][1]
    if not isinstance(value, list):
        where = "" if value is root.value else " under 'cases'"
        raise _RefusedError(f"has {kind(value)}{where}, {LIST_EXPECTED}", spot.line)
    items = zip(cast("list[object]", value), spot.parts(), strict=True)
    return Document(
        tuple(Record(item, at, repeated(at) if root.repeats else ()) for item, (_, at) in items)
    )


def _unreadable(error: Exception, text: str) -> Problem:
    mark = error.problem_mark if isinstance(error, yaml.MarkedYAMLError) else None
    if mark is not None:
        return _marked(cast("yaml.MarkedYAMLError", error), mark.line, mark.column, text)
    code = getattr(error, "character", None)
    if isinstance(code, int):
        line = text.count("\n", 0, max(text.find(chr(code)), 0)) + 1
        what = f"is not YAML: it has the character U+{code:04X}; remove it or write an escape"
        return Problem("the file", what, line=line)
    return Problem("the file", f"is not YAML: {error}")


def _marked(error: yaml.MarkedYAMLError, line: int, column: int, text: str) -> Problem:
    why = " ".join(part for part in (error.context, error.problem) if part)
    near = "".join(text.split("\n")[max(line - 1, 0) : line + 1])
    hint = "; indent with spaces, not with tabs" if "\t" in near else ""
    return Problem("the file", f"is not YAML: {why} (column {column + 1}){hint}", line=line + 1)


def _composed(events: Iterable[yaml.Event]) -> _Node | None:
    """Put the events of one document together; None for a file without one."""
    anchors: dict[str, _Node | None] = {}
    around: list[_Open] = []
    root: _Node | None = None
    for event in events:
        line = event.start_mark.line + 1 if event.start_mark else 1
        match event:
            case yaml.DocumentStartEvent() if root is not None:
                raise _RefusedError("holds several documents; keep one, without '---'", line)
            case yaml.CollectionStartEvent():
                around.append(_opened(event, line, anchors))
                if len(around) > MOST_LEVELS:
                    raise _RefusedError("is nested too deeply; flatten it", line)
                continue
            case yaml.CollectionEndEvent():
                ended = around.pop()
                node, anchor = _closed(ended), ended.anchor
            case yaml.AliasEvent():
                node, anchor = _aliased(event, line, anchors), None
            case yaml.ScalarEvent():
                node, anchor = _scalar(event, line), event.anchor
            case _:
                continue
        if anchor is not None:
            anchors[anchor] = node
        if around:
            around[-1].inside.append(node)
        else:
            root = node
    return root


def _opened(event: yaml.CollectionStartEvent, line: int, anchors: dict[str, _Node | None]) -> _Open:
    is_object = isinstance(event, yaml.MappingStartEvent)
    tag = _short(event.tag)
    if tag not in (None, "!", "!!map" if is_object else "!!seq"):
        raise _RefusedError(f"has the tag {tag:.80}, which is not read here; leave it out", line)
    if event.anchor is not None:
        anchors[event.anchor] = None
    return _Open(line, event.anchor, is_object)


def _aliased(event: yaml.AliasEvent, line: int, anchors: dict[str, _Node | None]) -> _Node:
    name = event.anchor
    if name not in anchors:
        raise _RefusedError(f"has the alias *{name:.40}, but no anchor &{name:.40} before it", line)
    node = anchors[name]
    if node is None:
        raise _RefusedError(f"has the alias *{name:.40} inside of what it stands for", line)
    return node


def _scalar(event: yaml.ScalarEvent, line: int) -> _Node:
    tag, spot = _short(event.tag), Spot(line)
    if tag not in (None, "!", *KIND_OF_TAG):
        raise _RefusedError(f"has the tag {tag:.80}, which is not read here; leave it out", line)
    if tag not in (None, "!"):
        try:
            return _Node(tagged(event.value, tag), spot)
        except ValueError as error:
            raise _RefusedError(str(error), line) from None
    if tag == "!" or not event.implicit[0]:
        return _Node(event.value, spot)
    return _Node(plain(event.value), spot, merges=event.value == "<<")


def _short(tag: str | None) -> str | None:
    return tag.replace(CORE, "!!", 1) if tag else None


def _closed(ended: _Open) -> _Node:
    size = 1 + sum(node.size for node in ended.inside)
    levels = 1 + max((node.levels for node in ended.inside), default=0)
    if size > MOST_VALUES:
        what = f"holds more than {MOST_VALUES:,} values, aliases expanded; use fewer, or split it"
        raise _RefusedError(what, ended.line)
    if levels > MOST_LEVELS:
        raise _RefusedError("is nested too deeply, aliases expanded; flatten it", ended.line)
    return evolve(_object(ended) if ended.is_object else _list(ended), size=size, levels=levels)


def _list(ended: _Open) -> _Node:
    parts = tuple((at, node.spot) for at, node in enumerate(ended.inside))
    value = [node.value for node in ended.inside]
    repeats = any(node.repeats for node in ended.inside)
    return _Node(value, Spot(ended.line, lambda: parts), repeats=repeats)


def _object(ended: _Open) -> _Node:
    value: dict[Path, object] = {}
    parts: list[tuple[Path, Spot]] = []
    pairs = tuple(zip(ended.inside[::2], ended.inside[1::2], strict=True))
    for key, node in pairs:
        if not key.merges:
            name = _key(key)
            value[name] = node.value
            parts.append((name, Spot(key.spot.line, node.spot.parts)))
    repeats = len(value) < len(parts) or any(node.repeats for node in ended.inside)
    for key, node in pairs:
        for name, item, spot in _merged(node) if key.merges else ():
            if name not in value:
                value[name] = item
                parts.append((name, spot))
    return _Node(value, Spot(ended.line, lambda: parts), repeats=repeats)


def _key(key: _Node) -> Path:
    """The key; one that is no text is left for the checks to name."""
    value = key.value
    if isinstance(value, list | dict):
        raise _RefusedError(
            f"has {kind(cast('object', value))} as a key, expected text", key.spot.line
        )
    return cast("Path", value)


def _merged(node: _Node) -> Iterator[tuple[Path, object, Spot]]:
    """What ``<<`` brings in: those of the first object win."""
    for value, spot in _objects(node):
        if not isinstance(value, dict):
            what = f"has {kind(value)} after '<<', expected an alias of an object"
            raise _RefusedError(what, spot.line)
        for key, part in spot.parts():
            yield key, cast("dict[Path, object]", value)[key], part


def _objects(node: _Node) -> Iterable[tuple[object, Spot]]:
    """The one that is given, or those of a list."""
    if not isinstance(node.value, list):
        return ((node.value, node.spot),)
    values = cast("list[object]", node.value)
    return zip(values, (spot for _, spot in node.spot.parts()), strict=True)
