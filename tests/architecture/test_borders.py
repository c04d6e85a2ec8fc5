"""The import contracts of pyproject.toml hold, and each is shown to catch a planted violation."""

import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONTRACTS = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"][
    "contracts"
]

# contract, the module that is planted, the import in it
PLANTS = [
    ("adapters", "convsim_fp/interpreters/planted.py", "import convsim_adapters"),
    ("adapters", "convsim_fp/core/planted.py", "import convsim_adapters"),
    ("adapters", "convsim_fp/__init__.py", "import convsim_adapters"),
    ("layers", "convsim_fp/interpreters/planted.py", "import convsim_fp.testing"),
    ("layers", "convsim_fp/journal/planted.py", "import convsim_fp.interpreters"),
    ("layers", "convsim_fp/users/planted.py", "import convsim_fp.journal"),
    ("layers", "convsim_fp/users/planted.py", "import convsim_fp.goals"),
    ("layers", "convsim_fp/goals/planted.py", "import convsim_fp.users"),
    ("layers", "convsim_fp/texts/planted.py", "import convsim_fp.goals"),
    ("layers", "convsim_fp/core/planted.py", "import convsim_fp.texts"),
    ("layers", "convsim_fp/errors.py", "import convsim_fp.core"),
    ("layers", "convsim_fp/core/planted.py", "def late():\n    import convsim_fp.users"),
    ("layers", "convsim_fp/homeless.py", "import convsim_fp.core"),
    *(
        ("pure", f"convsim_fp/{package}/planted.py", f"import {module}")
        for package, module in [
            ("core", "asyncio"),
            ("core", "datetime"),
            ("goals", "threading"),
            ("journal", "os.path"),
            ("texts", "pathlib"),
            ("users", "litellm"),
            ("users", "random"),
        ]
    ),
    ("pure", "convsim_fp/errors.py", "import warnings"),
    ("vendors", "convsim_fp/interpreters/planted.py", "import tenacity"),
    ("vendors", "convsim_fp/testing/planted.py", "import mlflow"),
    ("testing", "convsim_adapters/planted.py", "import convsim_fp.testing"),
    ("testing", "convsim_fp/__init__.py", "import convsim_fp.testing"),
    ("cattrs", "convsim_fp/core/planted.py", "import cattrs"),
    ("cattrs", "convsim_fp/interpreters/planted.py", "import cattrs"),
    ("cattrs", "convsim_adapters/planted.py", "from cattrs import Converter"),
    ("face", "convsim_fp/__init__.py", "import asyncio"),
    ("face", "convsim_fp/__init__.py", "import cattrs"),
]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of both packages beside the project's own contracts."""
    ignore = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "convsim_fp", tmp_path / "convsim_fp", ignore=ignore)
    adapters = ROOT / "adapters" / "convsim_adapters"
    shutil.copytree(adapters, tmp_path / "convsim_adapters", ignore=ignore)
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(tree: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Check the contracts on a tree, in a process that sees no other copy of the packages."""
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    return subprocess.run(
        [sys.executable, "-c", command, "--no-cache", "--config", "pyproject.toml", *options],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree), "NO_COLOR": "1", "PYTHONSAFEPATH": ""},
        capture_output=True,
        text=True,
        check=False,
    )


def test_every_contract_is_kept(tree: Path) -> None:
    done = lint(tree)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


def test_every_contract_has_a_planted_violation() -> None:
    assert {contract["id"] for contract in CONTRACTS} == {plant[0] for plant in PLANTS}


@pytest.mark.parametrize(("contract", "path", "code"), PLANTS)
def test_a_planted_violation_is_reported(tree: Path, contract: str, path: str, code: str) -> None:
    with (tree / path).open("a", encoding="utf-8") as file:
        file.write(f"\n{code}\n")
    done = lint(tree, "--contract", contract)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Contracts: 0 kept, 1 broken." in done.stdout
    # The report names the module that was planted.
    assert path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") in done.stdout
