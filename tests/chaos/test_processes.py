"""A run of several processes, of which some are killed: nothing is lost, nothing is asked twice."""

import os
import random
import signal
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import Popen

import pytest
from chaos_counting import Counting
from chaos_killing import CASES, CONCURRENCY, Runs

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/task").exists(),
    reason="finds the processes of a run in /proc, as on Linux",
)

TWO = ("--overlap", "--processes=2")
AT_ONCE = 2 * CONCURRENCY  # requests: of users and of judges


def workers_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for threads in found for child in threads.read_text().split()]


def has_ended(child: Popen[str]) -> Callable[[], bool]:
    return lambda: child.poll() is not None


def comparable(results: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without what a kill may change: how often something was asked."""
    return [{**one, "usage": None} for one in results]


def test_a_killed_worker_is_replaced_and_its_sessions_go_on(tmp_path: Path) -> None:
    chance = random.Random("a worker")
    with Counting() as server:
        runs = Runs(tmp_path / "here", server, ("--overlap",))
        whole = runs.command(runs.words("whole"))
        assert whole.code == 0, whole.err
        asked, expected = len(server.times), comparable(runs.results("whole"))
        for nth in range(3):
            server.asked.clear()
            before = len(server.times)
            child = runs.popen([*runs.words(f"run{nth}"), *TWO])
            server.wait_for(before + chance.randint(1, asked), has_ended(child))
            for worker in workers_of(child.pid)[: nth + 1]:
                os.kill(worker, signal.SIGKILL)
            _, err = child.communicate(timeout=60)
            assert child.returncode == 0, err
            assert comparable(runs.results(f"run{nth}")) == expected
            assert sum(server.asked.values()) - len(server.asked) <= AT_ONCE * (nth + 1)
            again = runs.command(["replay", f"run{nth}"])
            assert f"{CASES} of {CASES} sessions went again as recorded" in again.out, again.err


def test_workers_end_with_the_run_and_a_resume_goes_on_in_two(tmp_path: Path) -> None:
    with Counting() as server:
        runs = Runs(tmp_path / "here", server, TWO)
        whole = runs.command(runs.words("whole"))
        assert whole.code == 0, whole.err
        expected = comparable(runs.results("whole"))
        server.asked.clear()
        before = len(server.times)
        child = runs.popen(runs.words("run"))
        server.wait_for(before + 40, has_ended(child))
        workers = workers_of(child.pid)
        assert len(workers) == 2
        child.kill()
        child.communicate()
        resumed = runs.command(["resume", "run", "--quiet", "--processes=2"])
        assert resumed.code == 0, resumed.err
        assert comparable(runs.results("run")) == expected
        assert sum(server.asked.values()) - len(server.asked) <= AT_ONCE
        gone_by = time.monotonic() + 10
        while any(Path(f"/proc/{one}").exists() for one in workers):
            assert time.monotonic() < gone_by, "a worker outlived its run"
            time.sleep(0.05)
