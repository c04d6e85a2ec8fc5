"""Where a report is written, and what is left alone there."""

import os
import stat
from pathlib import Path

import pytest

from convsim_adapters import simulate, write_report
from convsim_fp.errors import InvalidSpec

CASE = {"goal": "greet", "script": ["Hello."], "goal_when": "hi"}


@pytest.fixture
def run(tmp_path: Path):
    return simulate([CASE], lambda messages: "Hi there.", out=tmp_path / "run")


def test_what_is_no_plain_file_is_left_as_it_is(run, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidSpec, match="no plain file"):
        write_report(run, out=tmp_path / "pipe")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


def test_a_link_is_followed(run, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "page.html")
    for _ in range(2):
        write_report(run, out=tmp_path / "link")
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")
