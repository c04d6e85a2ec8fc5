"""Every public name has its place in the reference."""

import importlib
import inspect
from pathlib import Path

import pytest

REFERENCE = Path(__file__).parents[2] / "docs" / "reference"
PAGES = {
    "convsim_adapters": "adapters",
    "convsim_adapters.mlflow": "adapters",
    "convsim_fp.core": "core",
    "convsim_fp.errors": "errors",
    "convsim_fp.goals": "goals",
    "convsim_fp.interpreters": "interpreters",
    "convsim_fp.journal": "journal",
    "convsim_fp.testing": "testing",
    "convsim_fp.texts": "texts",
    "convsim_fp.users": "users",
}


@pytest.mark.parametrize("package", PAGES)
def test_every_public_name_is_on_the_page_of_its_package(
    package: str, request: pytest.FixtureRequest
) -> None:
    """A module's own directive brings in classes and functions; the rest is written out."""
    if package == "convsim_adapters.mlflow":
        request.getfixturevalue("loaded_mlflow")
    page = (REFERENCE / f"{PAGES[package]}.md").read_text("utf-8")
    module = importlib.import_module(package)
    for name in module.__all__:
        value = getattr(module, name)
        listed = inspect.isclass(value) or inspect.isfunction(value) or inspect.ismodule(value)
        brought = listed and f"automodule:: {package}\n" in page
        written = (f"`{name}`", f"autoclass:: {name}\n", f"autofunction:: {name}\n")
        assert brought or any(it in page for it in written), f"{name} is not in {page[:40]!r}"


def test_every_page_belongs_to_a_package_or_the_command() -> None:
    pages = {page.stem for page in REFERENCE.glob("*.md")}
    assert pages == {*PAGES.values(), "cli"}  # the command's page is written from the command
