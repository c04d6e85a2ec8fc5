"""Every link of the README, the changelog and the docs to a file or a heading leads somewhere.

Sphinx checks those between pages; here are those that are read as files, in a checkout, too.
"""

import re
from collections import Counter
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted(DOCS.rglob("*.md"))]
ELSEWHERE = re.compile(r"[a-z][a-z+.-]*:", re.IGNORECASE)
LABEL = re.compile(r"^\(([\w-]+)\)=$", re.MULTILINE)
BY_HAND = re.compile(r"""\b(?:id|name)=["']([\w-]+)["']""")
NO_SLUG = re.compile(r"[^\w\- ]")


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def links(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead, those to other places left out."""
    for token in inline(page.read_text("utf-8")):
        for part in token.children or []:
            target = part.attrGet("href") or part.attrGet("src")
            if isinstance(target, str) and not ELSEWHERE.match(target):
                yield target


def inline(text: str) -> Iterator[Token]:
    yield from (token for token in MarkdownIt().enable("table").parse(text) if token.children)


@cache
def anchors(page: Path) -> frozenset[str]:
    """The names that a link may have behind its ``#``: headings as GitHub names them, labels."""
    text = page.read_text("utf-8")
    tokens = MarkdownIt().parse(text)
    titles = [plain(after) for token, after in pairwise(tokens) if token.type == "heading_open"]
    return frozenset([*slugs(titles), *LABEL.findall(text), *BY_HAND.findall(text)])


def plain(heading: Token) -> str:
    return "".join(part.content for part in heading.children or [])


def slugs(titles: list[str]) -> Iterator[str]:
    seen: Counter[str] = Counter()
    for title in titles:
        slug = NO_SLUG.sub("", title.lower()).replace(" ", "-")
        yield f"{slug}-{seen[slug]}" if seen[slug] else slug
        seen[slug] += 1


def labels() -> frozenset[str]:
    """What a page of the docs may name without the page it is on."""
    return frozenset(label for page in PAGES for label in LABEL.findall(page.read_text("utf-8")))


def broken(page: Path) -> list[str]:
    return [target for target in links(page) if not leads_somewhere(page, target)]


def leads_somewhere(page: Path, target: str) -> bool:
    path, _, anchor = target.partition("#")
    if not path:
        return anchor in anchors(page) or (page.is_relative_to(DOCS) and anchor in labels())
    file = page.parent / path
    return file.exists() and (not anchor or anchor in anchors(file))


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_every_link_of_a_page_leads_somewhere(page: Path) -> None:
    assert not broken(page)


@pytest.mark.parametrize(
    "link",
    [
        "[x](missing.md)",
        "![x](images/missing.png)",
        "[x](other.md#no-such-heading)",
        "[x](#no-such-heading)",
        "| a |\n|---|\n| [x](missing.md) |",
    ],
)
def test_a_link_that_leads_nowhere_is_found(tmp_path: Path, link: str) -> None:
    (tmp_path / "other.md").write_text("# A heading\n")
    (tmp_path / "page.md").write_text(f"# One\n\n{link}\n")
    assert len(broken(tmp_path / "page.md")) == 1


def test_links_that_lead_somewhere_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other.md").write_text("# Say `this`, twice\n\n(told)=\n# Say `this`, twice\n")
    (tmp_path / "page.md").write_text(
        "# One\n\n[](other.md#say-this-twice-1) [](other.md#told) [](#one) <https://a.example>\n"
        "\n```text\n[x](missing.md)\n```\n"
    )
    assert len(list(links(tmp_path / "page.md"))) == 3
    assert not broken(tmp_path / "page.md")
