"""A real browser without a window, and recorded runs to look at in it."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

# Test modules import nothing from one another by path; this one they share by its name.
spec = importlib.util.spec_from_file_location("recorded", Path(__file__).with_name("recorded.py"))
assert spec is not None
assert spec.loader is not None
if spec.name not in sys.modules:
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
recorded = sys.modules[spec.name]

KNOWN = ("chromium", "chromium-browser", "google-chrome")
WIDE = {"width": 1280, "height": 800}


def chromium() -> str | None:
    """Where the browser is: in CONVSIM_CHROMIUM, else one that is installed."""
    given = os.environ.get("CONVSIM_CHROMIUM")
    return given or next(filter(None, map(shutil.which, KNOWN)), None)


# Of a module, not of the session: as long as it is there an event loop runs in this thread.
@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """The browser; tests that want one are skipped where there is none."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright, of dev")
    there = chromium()
    if there is None:
        pytest.skip("needs a Chromium: install one, or name it in CONVSIM_CHROMIUM")
    alone = ["--no-sandbox"] if os.name == "posix" and os.getuid() == 0 else []
    with playwright.sync_playwright() as started:
        opened = started.chromium.launch(executable_path=there, args=alone)
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Reports, each written once for a module: of one run, of two, of many sessions."""
    from convsim_adapters.report import write_report

    here = tmp_path_factory.mktemp("runs")
    made: dict[str, Path] = {}

    def one() -> Path:
        return write_report(recorded.rich_run(here / "shop"))

    def two() -> Path:
        place("one")
        changed = recorded.rich_run(here / "changed", changed=True)
        return write_report(here / "shop", changed)

    def many() -> Path:
        return write_report(recorded.long_run(here / "many", sessions=450, turns=1))

    def place(name: str) -> Path:
        if name not in made:
            made[name] = {"one": one, "two": two, "many": many}[name]()
        return made[name]

    return place


class Viewer:
    """A page of the browser that is used again, with what it has said and asked for since."""

    def __init__(self, browser: Any, **options: Any) -> None:
        self.page = browser.new_context(**{"viewport": WIDE} | options).new_page()
        self.page.set_default_timeout(10_000)
        self.told: list[str] = []
        self.asked: set[str] = set()
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.on("dialog", self.dismiss)
        self.page.on("request", lambda request: self.asked.add(request.url.split("#")[0]))

    def dismiss(self, dialog: Any) -> None:
        self.told.append(dialog.message)
        dialog.dismiss()

    def go(self, address: str) -> Any:
        self.page.emulate_media(media="null")  # whatever the test before has looked at
        self.page.goto("about:blank")  # else an address in the same page would not load it anew
        self.page.goto(address)
        return self.page


@pytest.fixture(scope="module")
def viewers(browser: Any) -> dict[str, Viewer]:
    """Pages by their options; a new one takes longer than all that a test does in it."""
    return {}


@pytest.fixture
def opened(
    browser: Any, viewers: dict[str, Viewer], places: Callable[[str], Path]
) -> Iterator[Callable[..., Any]]:
    """Open a report; at the end of the test it must not have complained, nor asked for anything."""
    seen: list[tuple[Viewer, Path]] = []

    def go(name: str | Path, at: str = "", **options: Any) -> Any:
        path = name if isinstance(name, Path) else places(name)
        if repr(options) not in viewers:
            viewers[repr(options)] = Viewer(browser, **options)
        viewer = viewers[repr(options)]
        viewer.told.clear()
        viewer.asked.clear()
        seen.append((viewer, path))
        return viewer.go(f"{path.as_uri()}{at}")

    yield go
    for viewer, path in seen[-1:]:
        assert viewer.told == []
        assert viewer.asked <= {path.as_uri()}
