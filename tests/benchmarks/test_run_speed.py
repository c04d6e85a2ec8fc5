"""How long a whole run takes, beside its critical path and bare loops of the same calls."""

import pytest
from measuring import (
    BARE_AIOHTTP,
    BARE_LITELLM,
    OURS,
    Took,
    Work,
    serving,
    side_by_side,
)

pytestmark = pytest.mark.benchmark

TABLE = "runs"
ROWS: list[tuple[str, str, str, str]] = []

QUICK = Work(sessions=200, turns=5, at_once=200, model=0.05, agent=0.02)
MANY = Work(sessions=1_000, turns=5, at_once=1_000, model=0.2, agent=0.05)
SLOW = Work(sessions=8, turns=10, at_once=8, model=0.3, agent=0.1)


def row(work: Work, what: str, aim: str, measured: str, floor: str) -> None:
    ROWS.append((f"{work.name}: {what}", aim, measured, floor))


def turns_cost(work: Work, took: Took) -> float:
    """Milliseconds of the processor for each turn."""
    return took.cpu / work.sessions / work.turns * 1000


def test_the_direct_client_beside_a_bare_loop() -> None:
    scripts = {
        "bare": (BARE_AIOHTTP,),
        "bare overlap": (BARE_AIOHTTP, "overlap"),
        "ours": (OURS,),
        "sequence": (OURS, "sequence"),
    }
    with serving(QUICK.model) as base:
        took = side_by_side(scripts, QUICK, base, runs=7)
    bare, over, ours = took["bare"], took["bare overlap"], took["ours"]
    paths = f"critical path {QUICK.path(overlap=False):.2f} / {QUICK.path(overlap=True):.2f} s"
    floor = f"bare loop {bare.wall:.2f} s, overlapped {over.wall:.2f} s; {paths}"
    measured = f"{ours.wall:.2f} s = {ours.wall / bare.wall:.2f} × the bare loop"
    row(QUICK, "wall", "≤ 1.5 × the bare loop", measured, floor)
    row(QUICK, "wall, in sequence", "", f"{took['sequence'].wall:.2f} s", "")
    costs = {name: turns_cost(QUICK, one) for name, one in took.items()}
    floor = f"bare loop {costs['bare']:.2f} ms, overlapped {costs['bare overlap']:.2f} ms"
    measured = f"{costs['ours']:.2f} ms, in sequence {costs['sequence']:.2f} ms"
    row(QUICK, "processor time for each turn", "≤ 1.2 ms", measured, floor)
    assert ours.wall < 3 * bare.wall


def test_litellm_beside_a_bare_loop_of_litellm() -> None:
    scripts = {"bare": (BARE_LITELLM,), "ours": (OURS, "litellm", "sequence")}
    with serving(QUICK.model) as base:
        took = side_by_side(scripts, QUICK, base, runs=3)
    bare, ours = turns_cost(QUICK, took["bare"]), turns_cost(QUICK, took["ours"])
    measured = f"{ours:.1f} ms = {ours / bare:.2f} × the bare loop"
    what = "processor time for each turn through litellm"
    row(QUICK, what, "≤ 1.15 × the bare loop", measured, f"bare loop {bare:.1f} ms")
    assert ours < 1.5 * bare


def test_a_thousand_at_once_in_one_process_and_in_two() -> None:
    scripts = {"bare": (BARE_AIOHTTP,), "ours": (OURS,), "two": (OURS, "two")}
    with serving(MANY.model) as base:
        took = side_by_side(scripts, MANY, base, runs=3)
    bare = took["bare"].wall
    paths = f"critical path {MANY.path(overlap=False):.2f} / {MANY.path(overlap=True):.2f} s"
    for name, what, aim in (("ours", "one process", 1.5), ("two", "two processes", 1.0)):
        wall = took[name].wall
        measured = f"{wall:.1f} s = {wall / bare:.2f} × the bare loop"
        row(MANY, f"wall, {what}", f"≤ {aim} ×", measured, f"bare loop {bare:.1f} s, {paths}")
    assert took["ours"].wall < 3 * bare


def test_where_latency_rules_the_run_sits_on_its_critical_path() -> None:
    with serving(SLOW.model) as base:
        took = side_by_side({"ours": (OURS,)}, SLOW, base, runs=3)["ours"]
    path = SLOW.path(overlap=True)
    measured = f"{took.wall:.2f} s = {took.wall / path:.3f} × the path"
    row(SLOW, "wall", "≤ 1.05 × the path", measured, f"critical path, overlapped {path:.2f} s")
    assert took.wall < 1.05 * path
