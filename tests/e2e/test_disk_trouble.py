"""When the disk refuses a record nothing more is paid for; the run goes on when there is room."""

import json
import os
import resource
import subprocess
import time
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from convsim_adapters.journal_files import has_journal, load_journal

MANY = [{"id": f"c{n}", "goal": f"thing {n}"} for n in range(40)]
WORDS = ("run", "many.json", "--agent=agents:shop", "--user-model=agents:counted", "--quiet")
AT_ONCE = 4
LIMITS = ("--max-turns=4", f"--concurrency={AT_ONCE}", "--no-overlap")


@pytest.fixture
def many(here: Path) -> Path:
    (here / "many.json").write_text(json.dumps(MANY))
    return here


def calls(here: Path) -> int:
    """How often the model was asked, by processes that may be gone."""
    file = here / "calls"
    return len(file.read_bytes()) if file.exists() else 0


def answers(run: Path) -> int:
    """How many answers of the model are recorded."""
    logs = load_journal(run).sessions
    return sum(one.id.lane != "agent" for log in logs for one in log.entries if one.id)


def transcripts(run: Path) -> list[object]:
    lines = (run / "results.jsonl").read_text().splitlines()
    return [(json.loads(one)["case_id"], json.loads(one)["transcript"]) for one in lines]


@contextmanager
def tiny_disk(place: Path, size: str):
    """A file system of its own with so much room; needs the right to mount one."""
    place.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)],
        capture_output=True,
        check=False,
    )
    if made.returncode:
        pytest.skip("a disk that is full needs the right to mount one, which is not there")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def check_it_stopped(ran, here: Path, run: str) -> int:
    assert ran.code == 3, ran.err
    assert f"{run}/journal/0001.jsonl cannot be written: " in ran.err
    assert "No space left on device" in ran.err or "the disk is full" in ran.err
    assert f"go on with: convsim resume {run}" in ran.err
    assert "Traceback" not in ran.err
    asked = calls(here)
    assert 4 < asked < 200
    assert asked - answers(here / run) <= AT_ONCE, "paid for, though it could not be recorded"
    return asked


def check_it_goes_on(convsim, here: Path, run: str, asked: int) -> None:
    assert convsim(*WORDS, *LIMITS, "--out=whole").code == 0
    needed = calls(here) - asked
    ran = convsim("resume", run, "--quiet")
    assert ran.code == 0, ran.err
    assert transcripts(here / run) == transcripts(here / "whole")
    again = calls(here) - needed - needed
    assert 0 <= again <= AT_ONCE, "more than what was under way"
    assert convsim("replay", run).code == 0


def test_a_full_disk_stops_the_run_and_it_goes_on_when_there_is_room(convsim, many) -> None:
    with tiny_disk(many / "small", "64k"):
        ran = convsim(*WORDS, *LIMITS, "--out=small/run")
        asked = check_it_stopped(ran, many, "small/run")
        full = convsim("resume", "small/run", "--quiet")
        assert full.code == 3, full.err
        assert calls(many) == asked
        subprocess.run(["mount", "-o", "remount,size=8m", str(many / "small")], check=True)
        check_it_goes_on(convsim, many, "small/run", asked)


def test_a_disk_that_is_full_from_the_start_costs_nothing(convsim, many) -> None:
    with tiny_disk(many / "small", "16k"):
        with suppress(OSError), (many / "small" / "ballast").open("wb", 0) as ballast:
            while True:
                ballast.write(b"." * 1024)
        ran = convsim(*WORDS, *LIMITS, "--out=small/run")
        assert ran.code in (2, 3)
        assert "small/run" in ran.err
        assert "cannot be written: No space left on device" in ran.err
        assert "Traceback" not in ran.err
        assert calls(many) == 0
        (many / "small" / "ballast").unlink()
        subprocess.run(["mount", "-o", "remount,size=8m", str(many / "small")], check=True)
        assert convsim(*WORDS, *LIMITS, "--out=small/run").code == 0, "it can be started again"


def test_results_that_could_not_be_written_are_in_the_journal(convsim, many) -> None:
    """Results are a projection: going on with a whole run writes them, and asks nothing."""
    (many / "run" / ".results.jsonl.new").mkdir(parents=True)  # in the place of the new file
    ran = convsim(*WORDS, *LIMITS, "--out=run")
    assert ran.code == 3
    assert "some files of the run could not be written: run: Is a directory" in ran.err
    assert not (many / "run" / "results.jsonl").exists()
    asked = calls(many)
    (many / "run" / ".results.jsonl.new").rmdir()
    assert convsim("resume", "run", "--quiet").code == 0
    assert len(transcripts(many / "run")) == len(MANY)
    assert calls(many) == asked


def test_a_record_that_is_only_half_written_stops_the_run_too(convsim, many) -> None:
    """A limit on the size of a file lets through what still fits: half a record."""

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))

    ran = convsim(*WORDS, *LIMITS, "--out=run", before=limited)
    asked = check_it_stopped(ran, many, "run")
    assert not (many / "run/journal/0001.jsonl").read_bytes().endswith(b"\n")
    assert "go on with: convsim resume run" in convsim("show", "run").err
    check_it_goes_on(convsim, many, "run", asked)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_that_cannot_be_written_is_refused_before_anything_is_asked(
    convsim, many
) -> None:
    (many / "locked").mkdir(mode=0o500)
    ran = convsim(*WORDS, *LIMITS, "--out=locked/run")
    assert ran.code == 2
    assert "out is 'locked/run', which cannot be written: Permission denied" in ran.err
    assert calls(many) == 0


def test_a_disk_that_may_only_be_read_is_refused_before_anything_is_asked(convsim, many) -> None:
    with tiny_disk(many / "small", "8m"):
        subprocess.run(["mount", "-o", "remount,ro", str(many / "small")], check=True)
        ran = convsim(*WORDS, *LIMITS, "--out=small/run")
        assert ran.code == 2
        assert "out is 'small/run', which cannot be written: Read-only file system" in ran.err
        assert calls(many) == 0


@pytest.fixture
def writing(many, started):
    """A run that goes on for as long as the test does."""
    (many / "cases.yaml").write_text("- {id: stuck, goal: x, script: [hang], goal_when: never}\n")
    run = started("run", "cases.yaml", "--agent=agents:shop", "--out=run", "--quiet")
    while not has_journal(many / "run"):
        assert run.poll() is None
        time.sleep(0.02)
    return run


def test_a_second_run_is_refused_with_the_name_of_the_first(convsim, many, writing) -> None:
    for words in (("resume", "run"), ("run", "cases.yaml", "--agent=agents:shop", "--out=run")):
        ran = convsim(*words)
        assert ran.code == 2
        assert "Traceback" not in ran.err
    again = convsim("resume", "run").err
    assert f"run is in use: process {writing.pid} on " in again
    assert convsim("show", "run").code == 0


def test_the_lock_of_a_killed_run_is_free_at_once(convsim, many, writing) -> None:
    writing.kill()
    writing.wait()
    (many / "agents.py").write_text("def shop(messages):\n    return 'There.'\n")
    ran = convsim("resume", "run")
    assert ran.code == 0, ran.err
    assert "in flight when it was killed: up to 1 request, sent again" in ran.err
