"""The figures of each benchmark module, as a table of the page in the docs."""

import importlib.util
import os
import platform
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Test modules import nothing from one another by path; this one they share by its name.
spec = importlib.util.spec_from_file_location("measuring", Path(__file__).with_name("measuring.py"))
assert spec is not None
assert spec.loader is not None
sys.modules[spec.name] = importlib.util.module_from_spec(spec)
spec.loader.exec_module(sys.modules[spec.name])

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks.md"


@pytest.fixture(scope="module", autouse=True)
def _table(request: pytest.FixtureRequest) -> Iterator[None]:
    """Print the rows of a module; `just bench` has them written where the page marks its table."""
    yield
    lines = ["| what | aim | measured | floor, in the same run |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in request.module.ROWS]
    table = "\n".join([*lines, "", f"Measured on {machine()}."])
    print(f"\n{table}")  # noqa: T201  what `just bench` shows
    if os.environ.get("CONVSIM_WRITE_FIGURES"):
        write(request.module.TABLE, table)


def write(name: str, table: str) -> None:
    begin, end = f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text.split(begin)[0], text.split(end)[1]
    PAGE.write_text(f"{head}{begin}\n\n{table}\n\n{end}{tail}", encoding="utf-8")


def machine() -> str:
    cores = os.cpu_count()
    python = platform.python_version()
    return f"{platform.system()} {platform.machine()}, {cores} shared cores, Python {python}"
