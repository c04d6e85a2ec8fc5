"""The files that the how-to shows are files of cases."""

from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from convsim_adapters.case_files import load_cases

PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "your-cases.md"
ENDINGS = {"yaml": "yaml", "json": "json", "text": "csv"}
SHOWN = [
    (ENDINGS[token.info], token.content)
    for token in MarkdownIt().parse(PAGE.read_text("utf-8"))
    if token.type == "fence" and token.info in ENDINGS
]


def test_the_page_shows_files_of_every_kind() -> None:
    assert [ending for ending, _ in SHOWN] == ["yaml", "yaml", "json", "csv", "json"]


@pytest.mark.parametrize(("ending", "content"), SHOWN)
def test_what_the_page_shows_loads_without_a_warning(write, ending, content) -> None:
    loaded = load_cases(write(f"shown.{ending}", content))
    assert loaded.cases
    assert not loaded.warnings
