"""Take the pictures of docs/images anew, from a run of the demo: python docs/screenshots.py

Needs a Chromium: one that is installed, or the one that CONVSIM_CHROMIUM names.
"""

import os
import runpy
import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from playwright.sync_api import Browser, sync_playwright

from convsim_adapters import simulate, write_report
from convsim_adapters.demo import AGENT, CASES

IMAGES = Path(__file__).parent / "images"
DESK = "convsim_adapters.demo.shop:OrderDesk"
# As the tutorial mends it: the newest proposal stands, not the first.
MENDING = (
    "DO NOTHING",
    "DO UPDATE SET action = excluded.action, number = excluded.number, detail = excluded.detail",
)
WIDE, NARROW = {"width": 1280, "height": 760}, {"width": 390, "height": 760}
KNOWN = ("chromium", "chromium-browser", "google-chrome")
FLAWED = "#refund-corrected%2F1"


def reports(here: Path) -> tuple[Path, Path]:
    """The demo's run, and beside it one of an agent that hears what it is told last."""
    run = simulate(CASES, DESK, out=here / "order-desk")
    changed = here / "changed_desk.py"
    changed.write_text(AGENT.read_text("utf-8").replace(*MENDING), "utf-8")
    mended = simulate(CASES, runpy.run_path(str(changed))["OrderDesk"], out=here / "mended")
    return write_report(run), write_report(run, mended)


def pictures(one: Path, two: Path) -> Iterator[tuple[str, str, dict[str, object]]]:
    """The name of each picture, the address that it shows, and how the browser looks at it."""
    yield "report", one.as_uri(), {"viewport": WIDE}
    yield "report-conversation", f"{one.as_uri()}{FLAWED}", {"viewport": WIDE}
    yield "report-dark", f"{one.as_uri()}{FLAWED}", {"viewport": WIDE, "color_scheme": "dark"}
    yield "report-narrow", f"{one.as_uri()}{FLAWED}", {"viewport": NARROW}
    yield "report-two", f"{two.as_uri()}{FLAWED}/3", {"viewport": WIDE}


def take(browser: Browser, name: str, address: str, options: dict[str, object]) -> None:
    """Take one picture."""
    with browser.new_context(**options, reduced_motion="reduce") as context:
        page = context.new_page()
        page.goto(address)
        page.screenshot(path=IMAGES / f"{name}.png")
    print(f"docs/images/{name}.png")


def main() -> None:
    """Take them all."""
    there = os.environ.get("CONVSIM_CHROMIUM") or next(filter(None, map(shutil.which, KNOWN)))
    alone = ["--no-sandbox"] if os.name == "posix" and os.getuid() == 0 else []
    IMAGES.mkdir(exist_ok=True)
    with TemporaryDirectory() as made:
        one, two = reports(Path(made))
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=there, args=alone)
            for name, address, options in pictures(one, two):
                take(browser, name, address, options)
            browser.close()


if __name__ == "__main__":
    main()
