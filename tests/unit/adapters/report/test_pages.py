"""The page as text, without a browser: what stands in it, what may act, where it is written."""

import json
import re
import stat
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from recorded import rich_run

from convsim_adapters import simulate, write_report
from convsim_adapters.report.pages import inert, page_of
from convsim_adapters.report.reading import Recording
from convsim_fp.errors import InvalidSpec
from convsim_fp.journal import read_journal, read_segment
from convsim_fp.testing.journals import journals
from convsim_fp.testing.strategies import hostile_texts, json_values


class Elements(HTMLParser):
    """The elements of a page with their attributes, and the text of its scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))
        if tag == "script":
            self.scripts.append("")

    def handle_data(self, data: str) -> None:
        if self.found and self.found[-1][0] == "script":
            self.scripts[-1] += data


def elements(page: str) -> Elements:
    found = Elements()
    found.feed(page)
    return found


@given(json_values() | hostile_texts())
def test_data_in_a_page_ends_no_element_and_is_read_back(value: object) -> None:
    text = inert(value)
    assert not set(text) & set("<>&\u2028\u2029")
    assert json.loads(text) == json.loads(json.dumps(value))


@given(journals(), hostile_texts())
def test_no_journal_is_too_odd_for_a_page(text: str, name: str) -> None:
    """Whatever stands in it: the same elements act, all data can be read, and it can be written."""
    page = page_of([Recording(name, read_journal([read_segment(text)]), {"status": name})])
    page.encode("utf-8")
    found = elements(page)
    acting = [told for tag, told in found.found if tag == "script" and "type" not in told]
    assert len(acting) == 1
    assert {tag for tag, _ in found.found} <= KNOWN
    assert not [told for _, told in found.found if any(key.startswith("on") for key in told)]
    for script in found.scripts[:-1]:
        json.loads(script)


KNOWN = set(
    "html head meta title style body a header div h1 span bdi p section h2 h3 strong svg rect ul "
    "li button i b aside form label input select ol kbd main noscript figure figcaption table "
    "thead tr th tbody td code details summary dl dt dd dialog script".split()
)


def test_nothing_is_asked_of_elsewhere(tmp_path: Path) -> None:
    page = write_report(rich_run(tmp_path / "run")).read_text("utf-8")
    found = elements(page)
    for _, told in found.found:
        assert not {"src", "srcset", "action", "style", "data"} & set(told)
        assert (told.get("href") or "#").startswith("#")
    [policy] = [told["content"] for _, told in found.found if told.get("http-equiv")]
    assert policy is not None
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in policy
    assert not re.search(r"url\(|@import", page)
    assert "innerHTML" not in page


def test_a_report_is_written_beside_the_run_for_its_owner(tmp_path: Path) -> None:
    run = rich_run(tmp_path / "run")
    path = write_report(run)
    assert path == run / "report.html"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert write_report(run).read_text("utf-8") == path.read_text("utf-8")
    assert sorted(one.name for one in run.iterdir()) == ["journal", "report.html"]


def test_a_report_of_two_is_written_beside_the_second(tmp_path: Path) -> None:
    one, two = (rich_run(tmp_path / name) for name in ("before", "after"))
    assert write_report(one, two) == two / "report-vs-before.html"
    assert write_report(one, two, out=tmp_path / "new" / "both.html").exists()


def test_what_simulate_gave_can_be_reported(tmp_path: Path) -> None:
    case = {"id": "greet", "goal": "greet", "script": ["Hello."], "goal_when": "hi"}
    run = simulate([case], lambda messages: "Hi there.", out=tmp_path / "run")
    page = write_report(run).read_text("utf-8")
    assert "goal achieved in 1 of 1 session" in page
    assert "Hi there." in page


def test_a_run_that_was_not_recorded_is_refused(tmp_path: Path) -> None:
    case = {"goal": "greet", "script": ["Hello."], "goal_when": "hi"}
    run = simulate([case], lambda messages: "Hi there.", save=False)
    with pytest.raises(InvalidSpec, match="was not recorded"):
        write_report(run)


def test_a_place_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    run = rich_run(tmp_path / "run")
    with pytest.raises(InvalidSpec, match=r"out is '.*', which cannot be written: "):
        write_report(run, out=run / "journal" / "0001.jsonl" / "report.html")
    with pytest.raises(InvalidSpec, match="which cannot be written: Is a directory"):
        write_report(run, out=run)
    assert sorted(one.name for one in run.iterdir()) == ["journal"]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ("interrupted by SIGINT", "did not go to its end: interrupted by SIGINT"),
        ("WorkerLost stopped it", "did not go to its end: WorkerLost stopped it"),
        ("finished", None),
    ],
)
def test_how_a_run_ended_is_told(tmp_path: Path, status: str, told: str | None) -> None:
    run = rich_run(tmp_path / "run", changed=True)
    (run / "run.json").write_text(json.dumps({"status": status}))
    page = write_report(run).read_text("utf-8")
    assert told in page if told else "did not go to its end" not in page


@given(st.text() | hostile_texts())
def test_an_address_can_always_be_written(name: str) -> None:
    from convsim_adapters.report.pages import _address

    assert re.fullmatch(r"#[A-Za-z0-9_.!~*'()%-]*", _address(name))
