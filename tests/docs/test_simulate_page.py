"""The page of `simulate` has every argument with its default, and an example that runs."""

import inspect
import re
from pathlib import Path

import pytest

from convsim_adapters import simulate

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "simulate.md").read_text("utf-8")
ROW = re.compile(r"^\| \[`(\w+)`\]\(#[\w-]+\) \| (?:`([^`]+)`)? *\| (.+) \|$", re.MULTILINE)
ARGUMENTS = inspect.signature(simulate).parameters
BLOCKS = "\n".join(re.findall(r"^```python\n(.+?)^```$", PAGE, re.DOTALL | re.MULTILINE))
POSITIONAL = ("cases", "agent")


def shown(value: object) -> str:
    return value.__name__ if inspect.isfunction(value) else repr(value)


def test_the_table_has_every_argument_once_with_its_default() -> None:
    rows = [(name, default) for name, default, _ in ROW.findall(PAGE)]
    assert sorted(rows) == sorted(
        (one.name, "" if one.default is inspect.Parameter.empty else shown(one.default))
        for one in ARGUMENTS.values()
    )


@pytest.mark.parametrize("name", [name for name in ARGUMENTS if name not in POSITIONAL])
def test_an_argument_has_an_example(name: str) -> None:
    assert re.search(rf'(?<!\w){name}=|"{name}": ', BLOCKS), f"no block gives {name}"


def test_the_first_example_goes_from_nothing_to_a_table_in_ten_lines() -> None:
    first = BLOCKS.partition("assert")[0].strip().splitlines()
    assert first[-1].startswith("table = ")
    assert len(first) <= 10
