"""What goes on beside a run: readers, and others that would write."""

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from chaos_counting import Counting
from chaos_killing import CASES, Runs

from convsim_adapters.journal_files import has_journal, load_journal


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with Counting() as server:
        yield Runs(tmp_path / "here", server, ("--overlap", "--trials=3"))


def recorded(runs: Runs) -> set[str]:
    logs = load_journal(runs.here / "run").sessions
    return {f"{log.session.id}/{one.id}" for log in logs for one in log.entries}


def test_many_read_a_run_while_it_is_written(runs: Runs) -> None:
    """Each sees a prefix of what is written, and never less than the one before it."""
    running = runs.popen(runs.words("run"))
    try:
        while not has_journal(runs.here / "run") and running.poll() is None:
            pass
        shown, seen, looks = runs.popen(["show", "run"]), recorded(runs), 0
        while running.poll() is None:
            now = recorded(runs)
            assert now >= seen
            seen, looks = now, looks + 1
            if shown.poll() is not None:
                check(shown)
                shown = runs.popen(["show", "run"])
    finally:
        _, err = running.communicate(timeout=60)
    check(shown)
    assert running.returncode == 0, err
    assert looks > 1
    assert len(load_journal(runs.here / "run").sessions) == 3 * CASES


def check(shown: "subprocess.Popen[str]") -> None:
    _, err = shown.communicate(timeout=60)
    assert shown.returncode == 0, err
    assert "Traceback" not in err


def test_of_several_that_begin_one_run_only_one_does(runs: Runs) -> None:
    children = [runs.popen(runs.words("run")) for _ in range(3)]
    said = [child.communicate(timeout=120)[1] for child in children]
    codes = sorted(child.returncode for child in children)
    assert codes == [0, 2, 2], said
    for child, err in zip(children, said, strict=True):
        assert child.returncode == 0 or "is in use" in err or "holds a run already" in err
    assert set(runs.server.asked.values()) == {1}


def test_of_several_that_go_on_with_a_killed_run_only_one_does(runs: Runs) -> None:
    first = runs.popen(runs.words("run"))
    runs.server.wait_for(50, lambda: first.poll() is not None)
    first.kill()
    first.communicate()
    assert first.returncode == -signal.SIGKILL
    known = {name: runs.server.asked[name] for name in runs.answers("run")}
    children = [runs.popen(["resume", "run", "--quiet"]) for _ in range(3)]
    said = [child.communicate(timeout=120)[1] for child in children]
    codes = sorted(child.returncode for child in children)
    assert codes[0] == 0, said
    assert set(codes) <= {0, 2}  # who comes late finds everything done
    assert {name: runs.server.asked[name] for name in known} == known
    assert all(count <= 2 for count in runs.server.asked.values())
