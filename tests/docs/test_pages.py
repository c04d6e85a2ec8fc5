"""Every code block of the README and the docs runs, page by page, in a namespace of its own."""

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import pytest
from markdown_it import MarkdownIt
from sybil import Sybil
from sybil.example import SybilFailure
from sybil.parsers.myst import PythonCodeBlockParser

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
EXAMPLES = sorted((ROOT / "docs" / "examples").rglob("*.py"))

# Not run here: commands are in test_commands.py, files of cases in test_page.py of their loader.
SHOWN = frozenset({"console", "csv", "diff", "json", "sh", "text", "toml", "yaml"})
BODY_IS_MARKDOWN = frozenset("{admonition} {important} {note} {tip} {warning}".split())
DIRECTIVES = BODY_IS_MARKDOWN | frozenset(
    "{automodule} {currentmodule} {eval-rst} {figure} {glossary} {image} {include} {list-table} "
    "{literalinclude} {raw} {toctree}".split()
)

# Pages that name a model reach one on loopback, by the environment only.
NAMES_A_MODEL = re.compile(r'^ *(user|goal)_model="', re.MULTILINE)

# Pages that use MLflow get a store and a model. Of what it asks of SQLAlchemy and pandas they warn.
USES_MLFLOW = re.compile(r"^(import mlflow|from convsim_adapters\.mlflow)", re.MULTILINE)
WARNED_OF = (
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy:DeprecationWarning"),
    pytest.mark.filterwarnings(
        "ignore:For backward compatibility, 'str' dtypes:DeprecationWarning"
    ),
    pytest.mark.filterwarnings("ignore:Starting with pandas version 4"),
)

# No skip parser: a block that does not run is not Python to show.
PYTHON = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"], path=str(ROOT))


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else path.name


def marked(page: Path) -> object:
    marks = WARNED_OF if USES_MLFLOW.search(page.read_text("utf-8")) else ()
    return pytest.param(page, marks=marks, id=name(page))


def run(page: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """Run the Python blocks of a page from top to bottom, as one module; count the examples."""
    # One test per page: its blocks share names, so neither xdist nor a shuffle may part them.
    module = ModuleType("page")
    monkeypatch.setitem(sys.modules, "page", module)
    document = PYTHON.parse(page)
    document.namespace = vars(module)
    examples = list(document.examples())
    for example in examples:
        example.evaluate()
    return len(examples)


def unknown_fences(text: str) -> list[str]:
    """Code blocks without a language, or with one that nobody decided how to check."""
    found = []
    for token in MarkdownIt().parse(text):
        info = token.info.strip()
        tag = info.partition(" ")[0] if info.startswith("{") else info
        where = f"line {token.map[0] + 1}" if token.map else ""
        if token.type == "code_block":
            found.append(f"{where}: indented block; fence it and name its language")
        elif token.type != "fence":
            continue
        elif token.markup[0] != "`" or (tag not in SHOWN | DIRECTIVES and tag != "python"):
            found.append(f"{where}: {token.markup}{info}")
        elif tag in BODY_IS_MARKDOWN:
            found += [f"{where}, in {tag}, {inner}" for inner in unknown_fences(token.content)]
    return found


@pytest.mark.parametrize("page", [marked(page) for page in PAGES])
def test_the_python_of_a_page_runs(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if USES_MLFLOW.search(page.read_text("utf-8")):
        request.getfixturevalue("mlflow_at_hand")
    elif NAMES_A_MODEL.search(page.read_text("utf-8")):
        request.getfixturevalue("model_at_hand")
    monkeypatch.chdir(tmp_path)  # a page may leave runs behind
    run(page, monkeypatch)


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_code_block_names_a_known_language(page: Path) -> None:
    assert not unknown_fences(page.read_text("utf-8"))


@pytest.mark.parametrize("example", EXAMPLES, ids=name)
def test_an_example_runs_as_a_script(example: Path) -> None:
    runpy.run_path(str(example), run_name="__main__")


def test_blocks_share_names_and_classes_know_their_module(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nimport dataclasses\n\n@dataclasses.dataclass\nclass A:\n    x: 'int'\n```\n"
        "\n```sh\nrm -rf nothing\n```\n\n```python\nassert A(1).x == 1\n```\n"
        "\n- in a list:\n\n  ```python\n  >>> A(1).x\n  1\n\n  ```\n"
    )
    assert run(page, monkeypatch) == 3


@pytest.mark.parametrize(
    "block",
    [
        "```python\nassert 1 == 2\n```\n",
        "```python\n>>> 1 + 1\n3\n\n```\n",
        "```{code-block} python\nassert False\n```\n",
        "```{note}\nx\n```\n\n````{tip}\n```python\nassert False\n```\n````\n",
    ],
)
def test_a_block_that_fails_fails_its_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: str
) -> None:
    page = tmp_path / "page.md"
    page.write_text(block)
    with pytest.raises((AssertionError, SybilFailure)):
        run(page, monkeypatch)


@pytest.mark.parametrize(
    "block",
    [
        "```\nplain\n```\n",
        "```py\nx\n```\n",
        "```python title=x\nx\n```\n",
        "~~~python\nx\n~~~\n",
        "```{mermaid}\nx\n```\n",
        "````{note}\n```\nx\n```\n````\n",
        "text\n\n    indented\n",
    ],
)
def test_a_block_in_no_known_language_is_named(block: str) -> None:
    assert unknown_fences(block)
