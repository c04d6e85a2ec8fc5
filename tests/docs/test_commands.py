"""The commands of the README and the docs run, page by page, as their reader would type them.

A page runs from top to bottom in a directory of its own, against a model on loopback that only the
environment names. Comments before a block say what it is, where that does not show:

    <!-- file: NAME -->     the block is written to that file before the page runs on
    <!-- patch: NAME -->    a diff, which is applied to that file
    <!-- exit: N -->        what its commands exit with; 0 where nothing is said
    <!-- setup -->          installing, or an address of the reader's own: not run here
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from attrs import frozen
from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "docs" / "tutorial.md"]
PAGES += sorted((ROOT / "docs" / "how-to").glob("*.md"))
MARK = re.compile(r"<!-- (file|patch|exit|setup|test-command|demo-command):? ?(.*?) ?-->")
ELSEWHERE = ("setup", "test-command", "demo-command")  # the last two are run by .ci/run
SHELLS = ("sh", "console")
WRITES_TO_MLFLOW = re.compile(r"^(?:\$ )?convsim .*--mlflow", re.MULTILINE)
FIGURE = re.compile(r"\d+\.\d+")
DEFAULT_FILES = {
    "shop.py": "def agent(messages):\n    return 'W8 is refunded.'\n",
    "cases.yaml": "- {id: refund, goal: a refund, script: [Refund W8.], goal_when: refunded}\n",
}


@frozen
class Block:
    """A code block with its language, its text, and what the comment before it says."""

    language: str
    text: str
    mark: str = ""
    told: str = ""


def blocks(page: Path) -> Iterator[Block]:
    mark, told = "", ""
    for token in MarkdownIt().parse(page.read_text("utf-8")):
        if token.type == "html_block" and (found := MARK.match(token.content)):
            mark, told = found[1], found[2]
        elif token.type == "fence":
            yield Block(token.info.strip(), token.content, mark, told)
            mark, told = "", ""


def commands(block: Block) -> list[tuple[str, list[str]]]:
    """Each command with the output that is shown below it."""
    if block.language == "sh":
        lines = block.text.replace("\\\n", " ").splitlines()
        return [(line, []) for line in lines if line.strip()]
    listed: list[tuple[str, list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            listed.append((line[2:], []))
        elif line.strip():
            listed[-1][1].append(line)
    return listed


def plain(line: str) -> str:
    """A line of output without what differs from run to run: fractions, and the gaps of a table."""
    return " ".join(FIGURE.sub("#", line).split())


def missing(shown: list[str], out: str) -> list[str]:
    """The shown lines that the output does not have, in this order."""
    there = iter([plain(line) for line in out.splitlines()])
    return [line for line in shown if line != "…" and plain(line) not in there]


def patch(file: Path, diff: str) -> None:
    old = "".join(line[1:] for line in diff.splitlines(keepends=True) if line.startswith("-"))
    new = "".join(line[1:] for line in diff.splitlines(keepends=True) if line.startswith("+"))
    text = file.read_text("utf-8")
    assert text.count(old) == 1, f"{file.name} does not have these lines once:\n{old}"
    file.write_text(text.replace(old, new), "utf-8")


class Reader:
    """Somebody who follows a page."""

    def __init__(self, home: Path, address: str) -> None:
        self.here = home
        for name, text in DEFAULT_FILES.items():
            (home / name).write_text(text, "utf-8")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        kept = {name: os.environ[name] for name in ("HOME", "LANG") if name in os.environ}
        self.environment = kept | {
            "PATH": path,
            "OPENAI_API_KEY": "none",
            "OPENAI_API_BASE": address,
            "TMPDIR": str(home),
            # Nothing leaves the machine from a test.
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",
            "MLFLOW_DISABLE_TELEMETRY": "true",
        }

    def follow(self, block: Block) -> None:
        match block.mark:
            case "file":
                (self.here / block.told).write_text(block.text, "utf-8")
            case "patch":
                patch(self.here / block.told, block.text)
            case _ if block.language in SHELLS and block.mark not in ELSEWHERE:
                for command, shown in commands(block):
                    self.type(command, shown, int(block.told or 0))

    def type(self, command: str, shown: list[str], code: int) -> None:
        if command.startswith("cd "):
            self.here = (self.here / command[3:]).resolve(strict=True)
            return
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.here,
            env=self.environment,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
            check=False,
        )
        told = f"$ {command}\n{done.stdout}{done.stderr}"
        ended = (
            done.returncode if done.returncode >= 0 else 128 - done.returncode
        )  # as a shell has it
        assert ended == code, told
        assert not missing(shown, done.stdout), f"{missing(shown, done.stdout)} is not in\n{told}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_run(
    page: Path, request: pytest.FixtureRequest, tmp_path: Path, loopback
) -> None:
    if WRITES_TO_MLFLOW.search(page.read_text("utf-8")):  # to set up a store takes seconds
        request.getfixturevalue("place_store")(tmp_path)
    reader = Reader(tmp_path, loopback.base)
    for block in blocks(page):
        reader.follow(block)


def test_a_command_that_fails_fails_its_page(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "")
    with pytest.raises(AssertionError, match="No such command"):
        reader.follow(Block("sh", "convsim frobnicate\n"))
    reader.follow(Block("sh", "convsim frobnicate\n", "exit", "2"))


def test_output_that_is_shown_must_be_printed(tmp_path: Path) -> None:
    reader = Reader(tmp_path, "")
    reader.follow(Block("console", "$ echo took 1.5 s; echo end\ntook 0.3 s\n…\nend\n"))
    with pytest.raises(AssertionError, match=r"\['bye'\] is not in"):
        reader.follow(Block("console", "$ echo hi\nhi\nbye\n"))


def test_a_patch_must_fit(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("x = 1\ny = 2\n")
    patch(tmp_path / "a.py", "-x = 1\n+x = 3\n")
    assert (tmp_path / "a.py").read_text() == "x = 3\ny = 2\n"
    with pytest.raises(AssertionError, match="does not have these lines once"):
        patch(tmp_path / "a.py", "-x = 1\n+x = 3\n")
