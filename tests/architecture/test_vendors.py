"""Each vendor is known in one place only, and vendor modules do not know one another.

Read from the syntax trees, so that an import inside of a function counts too.
"""

import ast
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ADAPTERS = Path(__file__).parents[2] / "adapters" / "convsim_adapters"

# vendor: the modules that may import it, as paths below the package
HOMES = {
    "aiohttp": ("agent_http.py", "openai_http.py"),
    "click": ("cli",),
    "filelock": ("journal_files",),
    "jinja2": ("report",),
    "litellm": ("litellm.py", "litellm"),
    "mlflow": ("mlflow",),
    "openai": (),
    "pandas": ("mlflow", "pandas"),
    "rich": ("cli",),
    "tenacity": ("retries.py",),
    "tqdm": ("mlflow",),
    "yaml": ("case_files",),
}
# modules that stand alone: none of them imports another of them, or what drives them
VENDORS = (
    "agent_http",
    "callables",
    "case_files",
    "journal_files",
    "limits",
    "litellm",
    "openai_http",
    "retries",
)
DRIVING = ("cli", "demo", "finding", "mlflow", "pandas", "pytest", "report", "running")


def imports(file: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module):
                yield module or "."


def breaches(package: Path) -> list[str]:
    found = []
    for file in sorted(package.rglob("*.py")):
        place = file.relative_to(package)
        home = place.parts[0]
        own = home.removesuffix(".py")
        for module in imports(file):
            first, _, rest = module.partition(".")
            part = rest.partition(".")[0]
            if first in HOMES and home not in HOMES[first]:
                found.append(f"{place} imports the vendor {first}")
            foreign = part in (*VENDORS, *DRIVING) and part != own
            if first == "convsim_adapters" and own in VENDORS and foreign:
                found.append(f"{place} imports {part}")
    return found


def test_every_vendor_has_its_home() -> None:
    assert breaches(ADAPTERS) == []


def test_every_module_has_its_place() -> None:
    shared = {
        "__init__",
        "cache_hints",
        "hiding",
        "http_errors",
        "model_calls",
        "openai_endpoint",
        "prices",
        "py",
        "reply_forms",
        "signatures",
        "vendors",
    }
    there = {path.name.partition(".")[0] for path in ADAPTERS.iterdir()} - {"__pycache__"}
    assert there - shared == {*VENDORS, *DRIVING}


@pytest.mark.parametrize(
    ("path", "code", "told"),
    [
        ("running/plans.py", "import litellm", "running/plans.py imports the vendor litellm"),
        ("retries.py", "from aiohttp import web", "retries.py imports the vendor aiohttp"),
        ("case_files/new.py", "import click", "case_files/new.py imports the vendor click"),
        (
            "running/players.py",
            "def f():\n    import yaml",
            "running/players.py imports the vendor yaml",
        ),
        (
            "callables.py",
            "from convsim_adapters.retries import with_retries",
            "callables.py imports retries",
        ),
        ("retries.py", "import convsim_adapters.running.plans", "retries.py imports running"),
    ],
)
def test_a_planted_breach_is_named(tmp_path: Path, path: str, code: str, told: str) -> None:
    package = tmp_path / "convsim_adapters"
    shutil.copytree(ADAPTERS, package, ignore=shutil.ignore_patterns("__pycache__"))
    with (package / path).open("a", encoding="utf-8") as file:
        file.write(f"\n{code}\n")
    assert told in breaches(package)
