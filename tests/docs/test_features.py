"""What can be done is told: every command, option and function is on some page written by hand."""

import inspect
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import click
import pytest

import convsim_adapters
from convsim_adapters.cli.commands import convsim

DOCS = Path(__file__).parents[2] / "docs"
LISTED = ("reference", "changelog.md")  # generated, or a list without an explanation


@cache
def told() -> str:
    pages = (page for page in DOCS.rglob("*.md") if not set(page.parts) & set(LISTED))
    return "\n".join(page.read_text("utf-8") for page in pages)


def is_told(words: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(words)}(?![\w-])", told()) is not None


def options() -> Iterator[str]:
    for command in convsim.commands.values():
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                yield max(parameter.opts, key=len)


@pytest.mark.parametrize("name", sorted(convsim.commands))
def test_every_command_is_on_a_page(name: str) -> None:
    assert is_told(f"convsim {name}")
    assert not convsim.commands[name].hidden  # the generated reference leaves out what is hidden


@pytest.mark.parametrize("option", sorted(set(options())))
def test_every_option_is_on_a_page(option: str) -> None:
    assert is_told(option)


@pytest.mark.parametrize("name", convsim_adapters.__all__)
def test_every_function_of_the_face_is_on_a_page(name: str) -> None:
    if inspect.isfunction(getattr(convsim_adapters, name)):
        assert is_told(name)
