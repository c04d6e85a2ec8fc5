"""The tokens and dollars in the docs are those that are counted, and so is the picture."""

import re
import runpy
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "explanation" / "cost.md"
TASKS = ROOT.parent / "shared" / "data" / "tau2" / "retail_tasks.json"

pytestmark = [
    pytest.mark.skipif(
        not TASKS.exists(),
        reason="the tau2-bench tasks, no part of this project, are not at ../shared/data/tau2",
    ),
    pytest.mark.skipif(
        find_spec("litellm") is None,
        reason="the tokenizer and the prices are in convsim-fp[litellm]",
    ),
]


def in_page(name: str) -> str:
    found = re.search(
        f"<!-- {name}: begin -->\n\n(.*?)\n\n<!-- {name}: end -->", PAGE.read_text(), re.DOTALL
    )
    assert found is not None
    return found[1]


def test_the_page_says_what_is_counted_and_shows_what_is_drawn() -> None:
    """In one test: the counting takes seconds, and workers would each do it."""
    chart = runpy.run_path(str(ROOT / "docs" / "cost_chart.py"))
    counts = chart["COUNTS"]
    assert in_page("tokens") == counts["token_table"](), "run python docs/prompt_cost.py"
    committed = PAGE.with_suffix(".svg").read_text("utf-8")
    assert committed == chart["svg"](), "run python docs/cost_chart.py"
    if f"Prices: litellm {version('litellm')}." in in_page("money"):  # others are another map's
        assert in_page("money") == counts["money_table"](), "run python docs/prompt_cost.py"
