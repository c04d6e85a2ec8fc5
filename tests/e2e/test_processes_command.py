"""Two processes share a run as one would have it: signals, budgets, rates, and who is killed."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path

import pytest
from attrs import Factory, define
from loopback_server import Loopback, never, serving

from convsim_adapters.running.shards import shards

COMMAND = (sys.executable, "-m", "convsim_adapters.cli")
MODEL = ("--agent", "agents:shop", "--user-model", "openai/gpt-4o-mini", "--max-turns", "9")
AT_ONCE = 4
SLACK = 4  # requests that may be sent until the word of a budget has come
LINUX = pytest.mark.skipif(
    not Path("/proc/self/task").exists(),
    reason="finds the processes of a run in /proc, as on Linux",
)


@define
class Gate(Loopback):
    """Lets so many requests `through`; those after them are held until more may.

    `times` are of all that came, `held` and `answered` their bodies.
    """

    latency: float = 0.01
    talk: Callable[[dict], str] = never
    through: float = inf
    times: list[float] = Factory(list)
    held: list[bytes] = Factory(list)
    answered: list[bytes] = Factory(list)

    async def handle(self, request):
        raw = await request.read()
        self.times.append(time.monotonic())
        number = len(self.times)
        if number > self.through:
            self.held.append(raw)
        while number > self.through:  # noqa: ASYNC110  another thread changes it
            await asyncio.sleep(0.005)
        done = await Loopback.handle(self, request)
        self.answered.append(raw)
        return done


@contextmanager
def gate(**told) -> Iterator[Gate]:
    with serving(Gate(**told)) as served:
        try:
            yield served
        finally:
            served.through = inf


def until(true: Callable[[], object], child: subprocess.Popen | None = None) -> None:
    last = time.monotonic() + 30
    while not true():
        assert time.monotonic() < last, "it did not come to that"
        assert child is None or child.poll() is None, child.communicate()
        time.sleep(0.005)


def workers_of(pid: int) -> list[int]:
    found = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for threads in found for child in threads.read_text().split()]


def ended(pid: int) -> bool:
    """Whether a process is gone, or a zombie that nobody has waited for."""
    try:
        return ") Z " in Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return True


def records(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "results.jsonl").read_text().splitlines()]


@pytest.fixture
def begin(here, environment) -> Iterator[Callable[..., subprocess.Popen]]:
    """Begin a run of so many cases against a server."""
    children = []

    def started(served: Gate, *words: str, cases: int = 12, scripts=()) -> subprocess.Popen:
        told = [{"id": f"c{n}", "goal": f"get thing {n} back"} for n in range(cases)]
        for n in scripts:
            told[n]["script"] = ["hello"]
        (here / "many.json").write_text(json.dumps(told), "utf-8")
        given = (*("run", "many.json", *MODEL), "--concurrency", str(AT_ONCE), "--out", "run")
        child = subprocess.Popen(
            [*COMMAND, *(words if words[0] == "resume" else (*given, *words))],
            cwd=here,
            env={**environment, "OPENAI_API_KEY": "none", "OPENAI_API_BASE": served.base},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        children.append(child)
        return child

    yield started
    for child in children:
        child.kill()
        child.communicate()


def interrupted(begin, served: Gate, number: int, *words: str) -> tuple[int, str, Counter[str]]:
    """A run that gets a signal when all its sessions wait for an answer."""
    child = begin(served, *words, "--no-overlap")
    until(lambda: len(served.held) == AT_ONCE, child)
    child.send_signal(number)
    out, err = child.communicate(timeout=30)
    told = [line for line in err.splitlines() if "·" not in line]
    summary = out[out.index("stop reasons") :].splitlines()
    return child.returncode, "\n".join(told), Counter(summary)


def test_a_signal_ends_all_as_it_ends_one_and_a_resume_asks_only_what_was_open(begin, here) -> None:
    number = signal.SIGTERM  # Ctrl-C goes the same way, below
    with gate(through=20) as served:
        expected = interrupted(begin, served, number)
    (here / "run").rename(here / "one")
    with gate(through=20) as served:
        found = interrupted(begin, served, number, "--processes", "2")
        assert found == expected
        assert found[:2] == (130, f"interrupted by {number.name}\ngo on with: convsim resume run")
        served.through = inf
        until(lambda: len(served.answered) == len(served.times))
        cut = Counter(served.held)
        resumed = begin(served, "resume", "run", "--quiet")
        _, err = resumed.communicate(timeout=60)
        assert resumed.returncode == 0, err
        twice = Counter(served.answered) - Counter(set(served.answered))
        assert twice == cut
        assert len(records(here / "run")) == 12


@LINUX
def test_a_second_signal_leaves_nobody_behind(begin, here) -> None:
    """Workers that are stopped cannot end in order, so the first signal is not enough."""
    with gate(through=0) as served:
        child = begin(served, "--processes", "2", "--no-overlap")
        until(lambda: len(served.held) == AT_ONCE, child)
        workers = workers_of(child.pid)
        for one in workers:
            os.kill(one, signal.SIGSTOP)
        child.send_signal(signal.SIGTERM)
        until(lambda: not catches(child.pid, signal.SIGTERM), child)
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
        assert child.returncode == 130, err
        assert [one for one in workers if not ended(one)] == []
        assert {one["stop_reason"] for one in records(here / "run")} == {"cancelled"}


def catches(pid: int, number: int) -> bool:
    """Whether a process has a handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    [caught] = [line.split()[1] for line in status.splitlines() if line.startswith("SigCgt")]
    return bool(int(caught, 16) >> (number - 1) & 1)


def test_agents_that_cannot_be_stopped_are_named(begin) -> None:
    with gate(talk=lambda body: "hang on") as served:
        child = begin(served, "--processes", "2", cases=2)
        until(lambda: len(served.answered) == 2, child)
        time.sleep(0.3)  # until the agent is called
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130, err
    [line] = [line for line in err.splitlines() if "still inside the agent or a model" in line]
    assert "convsim c0/1" in line
    assert "convsim c1/1" in line


@pytest.mark.parametrize("limit", [("--max-cost", "0.00037"), ("--max-seconds", "0.3")])
def test_one_budget_stops_all_of_them(begin, here, limit) -> None:
    with gate(latency=0.05) as served:
        child = begin(served, "--processes", "2", *limit, cases=60)
        out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    assert "stop reasons: budget 60" in out
    details = {one["detail"].removeprefix("it had not begun: ") for one in records(here / "run")}
    assert all(one.startswith("the budget of ") for one in details), details
    if limit[0] == "--max-cost":  # of 19 answers; what goes on then is at most two of each session
        assert 19 <= served.count <= 19 + 2 * AT_ONCE + SLACK


def test_a_pause_that_one_is_asked_for_is_kept_by_all(begin) -> None:
    with gate(faults=["429 after"], through=0) as served:
        child = begin(served, "--processes", "2")
        until(lambda: len(served.held) == AT_ONCE, child)
        begun, served.through = time.monotonic(), inf
        _, err = child.communicate(timeout=60)
    assert child.returncode == 0, err
    travelled = 0.3  # seconds that the word of it has; what was sent before it came is no breach
    assert [at for at in served.times if begun + travelled < at < begun + 1.0] == []
    assert served.times[-1] > begun + 1.0
    assert served.failed == {"429 after": 1}


def test_what_one_learns_of_halves_the_limit_for_all(begin) -> None:
    """Of eight that are under way one is told to slow down; of the next there are four."""
    with gate(faults=["429"], through=0) as served:
        child = begin(served, "--processes", "2", "--no-overlap", "--concurrency", "8")
        until(lambda: len(served.held) == 8, child)
        served.through = 1
        until(lambda: served.failed == {"429": 1}, child)
        time.sleep(0.5)  # until all know of it
        served.through = 8
        until(lambda: len(served.times) == 12, child)
        time.sleep(0.3)  # for one more, which is not to come
        assert len(served.times) == 12


def test_processes_have_one_rate_also_when_one_of_them_has_ended(begin) -> None:
    cases = [f"c{n}/1" for n in range(4)]
    ends_soon, _ = shards(cases, 2)
    with gate() as served:
        scripts = [cases.index(one) for one in ends_soon]
        child = begin(served, "--processes", "2", "--rpm", "9", cases=4, scripts=scripts)
        until(lambda: served.count == 9, child)
        time.sleep(1.0)  # for those that are not to come
        assert served.count == 9
        child.send_signal(signal.SIGINT)
        _, err = child.communicate(timeout=30)
    assert child.returncode == 130, err


@LINUX
def test_a_run_can_be_looked_at_while_it_goes_on_without_one_of_its_workers(
    begin, convsim, here
) -> None:
    with gate(through=30) as served:
        child = begin(served, "--processes", "2", "--no-overlap")
        until(lambda: len(served.held) == AT_ONCE, child)
        os.kill(workers_of(child.pid)[0], signal.SIGKILL)
        shown = convsim("show", "run")
        assert shown.code == 0, shown.err
        assert "convsim watch run" in shown.err
        until(lambda: len(served.held) > AT_ONCE, child)
        served.through = inf
        _, err = child.communicate(timeout=60)
        held = Counter(served.held)
    assert child.returncode == 0, err
    twice = Counter(served.answered) - Counter(set(served.answered))
    assert twice <= held
    assert {one["stop_reason"] for one in records(here / "run")} == {"max_turns"}
