"""The tree of a run: what it was forked from, and what was forked from it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import cast

from rich.text import Text
from rich.tree import Tree

from convsim_adapters.cli.plain import one_line
from convsim_adapters.cli.run_json import SETTINGS, settings_of

__all__ = ["family"]


def family(directory: Path) -> Iterator[Tree]:
    """The tree that a run stands in among those beside it; nothing for one that stands alone."""
    here = directory.resolve()
    files = sorted(here.parent.glob(f"*/{SETTINGS}"))
    headers = {path.parent.name: settings_of(path.parent) for path in files}
    parents = {name: _parent(header) for name, header in headers.items()}
    root = here.name
    seen = {root}
    while (above := parents.get(root)) is not None and above["run"] not in seen:
        root = str(above["run"])
        seen.add(root)
    children = [name for name, parent in parents.items() if parent and parent["run"] == root]
    if children or root != here.name:
        tree = Tree(_label(root, headers.get(root, {}), None, here.name))
        _grow(tree, root, headers, here.name, {root})
        yield tree


def _grow(
    tree: Tree,
    name: str,
    headers: Mapping[str, Mapping[str, object]],
    here: str,
    seen: Iterable[str],
) -> None:
    for child, header in headers.items():
        parent = _parent(header)
        if parent is not None and parent["run"] == name and child not in seen:
            branch = tree.add(_label(child, header, parent, here))
            _grow(branch, child, headers, here, {*seen, child})


def _label(
    name: str, header: Mapping[str, object], parent: Mapping[str, object] | None, here: str
) -> Text:
    label = Text(one_line(name), style="bold" if name == here else "")
    if parent is not None:
        label.append(f"  from {one_line(str(parent['session']))} at turn {parent['turn']}")
    totals = header.get("totals")
    if isinstance(totals, dict):
        told = cast("dict[str, object]", totals)
        label.append(f"  {told.get('goal_achieved')} of {told.get('sessions')} achieved", "dim")
    return label


def _parent(header: Mapping[str, object]) -> Mapping[str, object] | None:
    found = header.get("parent")
    if not isinstance(found, dict):
        return None
    parent = cast("dict[str, object]", found)
    return parent if {"run", "session", "turn"} <= set(parent) else None
