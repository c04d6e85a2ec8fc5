"""Each item of the drop-in's contract has a test in this folder, which names it.

C items: what it does as MLflow's simulator does. D items: what that has wrong. An item has its
number in the docstring of the test that settles it.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
ITEM = re.compile(r"\b[CD]\d+b?\b")
CONFORMS = {f"C{number}" for number in range(1, 77)}
NOT_THERE = {21, 29, 30, 39, 42, 43}  # numbers that the contract has not
MENDED = {f"D{number}" for number in range(1, 48) if number not in NOT_THERE} | {"D32b"}


def docstrings() -> Iterator[str]:
    for file in sorted(HERE.glob("test_*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield ast.get_docstring(node) or ""


def test_every_item_of_the_contract_has_a_test() -> None:
    named = {item for text in docstrings() for item in ITEM.findall(text)}
    assert sorted((CONFORMS | MENDED) - named) == []


def test_no_test_names_an_item_that_there_is_not() -> None:
    named = {item for text in docstrings() for item in ITEM.findall(text)}
    assert sorted(named - CONFORMS - MENDED) == []
