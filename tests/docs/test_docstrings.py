"""The examples in docstrings run, with the names of their own module."""

import doctest
import importlib
import pkgutil
from types import ModuleType

import pytest

PACKAGES = ("convsim_adapters", "convsim_fp")
OPTIONS = doctest.ELLIPSIS


def modules() -> list[str]:
    found = list(PACKAGES)
    for name in PACKAGES:
        path = importlib.import_module(name).__path__
        found += [module.name for module in pkgutil.walk_packages(path, f"{name}.")]
    return sorted(found)


@pytest.mark.parametrize("name", modules())
def test_the_examples_of_a_module_run(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    done = doctest.testmod(importlib.import_module(name), optionflags=OPTIONS)
    assert not done.failed, capsys.readouterr().out


def test_an_example_that_fails_is_reported(capsys: pytest.CaptureFixture[str]) -> None:
    module = ModuleType("planted", ">>> 1 + 1\n3\n")
    assert doctest.testmod(module, optionflags=OPTIONS).failed
    assert "Expected" in capsys.readouterr().out
