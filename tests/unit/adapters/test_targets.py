"""What a name on the command line stands for."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from convsim_adapters.running.targets import is_target, is_url, load_target
from convsim_fp.errors import InvalidSpec


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory of its own, whose modules are forgotten afterwards."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", sys.path[:])
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        del sys.modules[name]


def refusal(name: str) -> str:
    with pytest.raises(InvalidSpec) as refused:
        load_target(name, "agent")
    return str(refused.value)


@pytest.mark.parametrize(
    ("name", "target"),
    [
        ("shop:agent", True),
        ("my.shop.desk:Desk.make", True),
        ("läden:agent", True),
        ("openai/gpt-5", False),
        ("openai:/gpt-5", False),
        ("ollama/llama3:8b", False),
        ("llama3:8b", False),
        ("http://localhost:8000/v1", False),
        ("shop", False),
        ("shop:", False),
        (":agent", False),
        ("shop.py:agent:", False),
    ],
)
def test_a_target_is_a_module_and_an_attribute(name, target) -> None:
    assert is_target(name) is target


def test_a_url_is_known_by_its_scheme() -> None:
    assert is_url("https://example.org/v1")
    assert is_url("HTTP://127.0.0.1:8000")
    assert not is_url("shop:agent")


def test_an_attribute_of_a_module_in_the_working_directory_is_found(here) -> None:
    (here / "corner_shop.py").write_text("class Desk:\n    def answer(self): return 7\n")
    assert load_target("corner_shop:Desk.answer", "agent")(None) == 7


def test_a_module_in_a_package_of_the_working_directory_is_found(here) -> None:
    (here / "corner").mkdir()
    (here / "corner" / "shop.py").write_text("from corner.words import HELLO\n")
    (here / "corner" / "words.py").write_text("HELLO = 'hello'\n")
    assert load_target("corner.shop:HELLO", "agent") == "hello"


def test_a_module_that_is_not_there_is_named_with_the_likely_one(here) -> None:
    (here / "corner_shop.py").write_text("")
    words = refusal("corner_shp:agent")
    assert words.startswith(f"agent names the module 'corner_shp', which is not in {here}")
    assert words.endswith("did you mean 'corner_shop'?")


def test_an_attribute_that_is_not_there_is_named_with_the_likely_one(here) -> None:
    (here / "corner_shop.py").write_text("def agent(messages): return ''\n")
    words = refusal("corner_shop:agnet")
    assert words == (
        "agent is 'corner_shop:agnet', but corner_shop has no 'agnet'; did you mean 'agent'?"
    )


def test_a_module_that_misses_another_one_says_which_and_where(here) -> None:
    (here / "corner_shop.py").write_text("import math\nimport no_such_thing\n")
    words = refusal("corner_shop:agent")
    assert "cannot be imported: ModuleNotFoundError: No module named 'no_such_thing'" in words
    assert "corner_shop.py:2" in words


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("1 / 0\n", "ZeroDivisionError: division by zero"),
        ("raise SystemExit(3)\n", "SystemExit: 3"),
        ("def agent(:\n", "SyntaxError"),
    ],
)
def test_a_module_that_fails_says_how_and_where(here, text, told) -> None:
    (here / "corner_shop.py").write_text(text)
    words = refusal("corner_shop:agent")
    assert told in words
    assert "corner_shop.py:1" in words
    assert "\n" not in words


@pytest.mark.parametrize("name", ["shop", "shop/agent.py", "shop:", ""])
def test_what_is_no_target_is_refused_with_the_form(name) -> None:
    assert "expected package.module:attribute" in refusal(name)
