"""What a user sees: light imports, sorted and documented names, one version."""

import importlib
import importlib.metadata
import inspect
import pkgutil
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("convsim_adapters", "convsim_fp")
HEAVY = (
    "asyncio",
    "cattrs",
    "convsim_adapters",
    "convsim_fp.testing",
    "hypothesis",
    "litellm",
    "mlflow",
    "pandas",
    "tenacity",
)


def modules() -> list[str]:
    """Every module that ships, by name."""
    found = list(PACKAGES)
    for name in PACKAGES:
        path = importlib.import_module(name).__path__
        found += [module.name for module in pkgutil.walk_packages(path, f"{name}.")]
    return sorted(name for name in found if not name.rpartition(".")[2].startswith("_"))


MODULES = modules()


def loaded_by(statement: str) -> set[str]:
    """The modules that a fresh interpreter holds after a statement."""
    code = f"{statement}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True
    )
    return set(done.stdout.split())


def test_importing_the_face_loads_nothing_heavy() -> None:
    before, after = loaded_by("pass"), loaded_by("import convsim_fp")
    assert "convsim_fp" in after
    assert not (after - before).intersection(HEAVY)


def test_the_check_for_heavy_modules_sees_one() -> None:
    assert "asyncio" in loaded_by("import asyncio") - loaded_by("pass")


def place(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions, each by the alphabet: as ruff sorts `__all__`."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


def own_names(module: ModuleType) -> set[str]:
    """Public classes and functions that a module defines itself."""
    return {
        name
        for name, value in vars(module).items()
        if (inspect.isclass(value) or inspect.isfunction(value))
        and value.__module__ == module.__name__
        and not name.startswith("_")
    }


@pytest.mark.parametrize("name", MODULES)
def test_all_is_sorted_and_every_name_in_it_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} has no docstring"
    if not hasattr(module, "__all__"):
        assert not own_names(module), f"{name} defines names and has no __all__"
        return
    assert list(module.__all__) == sorted(set(module.__all__), key=place)
    for public in module.__all__:
        value = getattr(module, public)
        if inspect.isclass(value) or inspect.isfunction(value):
            assert value.__doc__, f"{name}.{public} has no docstring"


@pytest.mark.parametrize("name", PACKAGES)
def test_a_package_is_marked_as_typed(name: str) -> None:
    assert (Path(importlib.import_module(name).__path__[0]) / "py.typed").exists()


def test_the_installed_version_is_that_of_pyproject() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert importlib.metadata.version(project["name"]) == project["version"]


def test_the_adapters_folder_is_no_package() -> None:
    assert not (ROOT / "adapters" / "__init__.py").exists()
