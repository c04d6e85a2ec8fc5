"""How long a report of a thousand conversations takes: to write, to open, to search, to filter."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import pytest

pytestmark = pytest.mark.benchmark

TABLE = "report"
ROWS: list[tuple[str, str, str, str]] = []
SESSIONS, TURNS, TIMES = 1_000, 10, 5

# The runs that the tests in the browser look at, too.
RECORDED = Path(__file__).parents[1] / "browser" / "recorded.py"
spec = importlib.util.spec_from_file_location("recorded", RECORDED)
assert spec is not None
assert spec.loader is not None
if spec.name not in sys.modules:
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
recorded = sys.modules["recorded"]

OPENED = """() => {
  const told = performance.getEntriesByType("navigation")[0];
  const painted = performance.getEntriesByName("first-contentful-paint")[0];
  return [told.domContentLoadedEventEnd, painted ? painted.startTime : null];
}"""
# From the input to the next frame that is drawn.
CHANGED = """async ([id, value, event]) => {
  const field = document.getElementById(id);
  const begun = performance.now();
  field.value = value;
  field.dispatchEvent(new Event(event));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [performance.now() - begun, document.getElementById("count").textContent];
}"""
SCROLLED = """async () => {
  const list = document.getElementById("rows");
  const frames = [];
  for (let last = performance.now(); list.scrollTop + list.clientHeight < list.scrollHeight - 1;) {
    list.scrollTop += 400;
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - last);
    last = performance.now();
  }
  return frames;
}"""


def row(what: str, aim: str, measured: str, floor: str = "") -> None:
    ROWS.append((what, aim, measured, floor))


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from convsim_adapters.report import write_report

    run = recorded.long_run(tmp_path_factory.mktemp("long") / "run", sessions=SESSIONS, turns=TURNS)
    [segment] = run.rglob("*.jsonl")
    begun = perf_counter()
    path = write_report(run)
    took = perf_counter() - begun
    size, journal = path.stat().st_size / 1e6, segment.stat().st_size / 1e6
    row(f"a report of {SESSIONS:,} × {TURNS}: to write it", "", f"{took:.1f} s")
    row("its size", "", f"{size:.1f} MB", f"the journal: {journal:.1f} MB")
    return path


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of dev")
    known = map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))
    there = os.environ.get("CONVSIM_CHROMIUM") or next(filter(None, known), None)
    if there is None:
        pytest.skip("needs a Chromium: install one, or name it in CONVSIM_CHROMIUM")
    alone = ["--no-sandbox"] if os.name == "posix" and os.getuid() == 0 else []
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=there, args=alone)
        yield opened
        opened.close()


@pytest.fixture
def fresh(browser: Any, report: Path) -> Iterator[Callable[[], Any]]:
    """Open the report in a page of its own."""
    contexts = []

    def go() -> Any:
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page = contexts[-1].new_page()
        page.goto(report.as_uri())
        return page

    yield go
    for one in contexts:
        one.close()


def test_it_opens_quickly(fresh: Callable[[], Any]) -> None:
    usable, painted = zip(*(fresh().evaluate(OPENED) for _ in range(TIMES)), strict=True)
    row("to open it, until it can be used", "< 2 s", f"{median(usable) / 1000:.2f} s")
    row("until something is to be seen", "", f"{median(filter(None, painted)) / 1000:.2f} s")
    assert median(usable) < 2_000


@pytest.mark.parametrize(
    ("what", "id", "value", "event"),
    [
        ("the first search", "query", "kettle 417", "search"),
        ("a search that finds a third", "query", "kettle", "search"),
        ("a filter", "outcome", "missed", "change"),
        ("another order", "order", "slow", "change"),
    ],
)
def test_it_answers_quickly(fresh: Callable[[], Any], what, id, value, event) -> None:
    took = []
    for _ in range(TIMES):
        page = fresh()
        if what.startswith("a search"):
            page.evaluate(CHANGED, ["query", "before", "search"])
        took.append(page.evaluate(CHANGED, [id, value, event])[0])
    row(f"{what}, until it is drawn", "", f"{median(took):.0f} ms")
    assert median(took) < 1_000


NEXT = """async () => {
  const begun = performance.now();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "j", bubbles: true }));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));
  return [performance.now() - begun, document.getElementById("session-title").textContent];
}"""


def test_it_opens_a_conversation_quickly(fresh: Callable[[], Any]) -> None:
    took = [fresh().evaluate(NEXT)[0] for _ in range(TIMES)]
    row("the next conversation (`j`), until it is drawn", "", f"{median(took):.0f} ms")
    assert median(took) < 500


def test_it_scrolls_smoothly(fresh: Callable[[], Any]) -> None:
    frames = fresh().evaluate(SCROLLED)
    late = sorted(frames)[int(len(frames) * 0.95)]
    measured = f"{median(frames):.0f} / {late:.0f} ms"
    row("a frame while the list is scrolled, median / 95th of 100", "≤ 17 ms", measured)
    assert len(frames) > 50
