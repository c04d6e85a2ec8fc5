"""A run that is killed at any moment, again and again: nothing is lost, nothing is asked twice.

`CONVSIM_KILLS` is how many kills there are; ``just chaos`` makes a thousand.
"""

import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from chaos_counting import Counting

from convsim_adapters.journal_files import has_journal, load_journal

KILLS = int(os.environ.get("CONVSIM_KILLS", "100"))
RUNS = 4  # side by side, each a test of its own
CONCURRENCY, CASES, MAX_TURNS = 8, 30, 4
COMMAND = [sys.executable, "-c", "from convsim_adapters.cli import main; main()"]
IN_FLIGHT = re.compile(r"in flight when it was killed: up to (\d+) request")
LIGHT = Path(__file__).with_name("light.py")


class Killed:
    """A directory in which runs are started, and killed after a while."""

    def __init__(self, here: Path, port: int) -> None:
        self.here = here
        self.environment = {**os.environ, "CHAOS_PORT": str(port)}
        self.kills, self.reported = 0, 0
        here.mkdir()
        shutil.copy(LIGHT, here / "light.py")
        cases = [{"id": f"c{n}", "goal": f"get thing {n}"} for n in range(CASES)]
        (here / "cases.json").write_text(json.dumps(cases))

    def words(self, run: str, *, overlap: bool) -> list[str]:
        """What goes on with a run, or begins it."""
        if has_journal(self.here / run):
            return ["resume", run, "--quiet"]
        return [
            *("run", "cases.json", "--agent=light:agent", "--user-model=light:model"),
            *(f"--concurrency={CONCURRENCY}", f"--max-turns={MAX_TURNS}", "--quiet"),
            *(f"--out={run}", "--overlap" if overlap else "--no-overlap"),
        ]

    def start(self, words: list[str], after: float | None) -> bool:
        """Run a command and kill it after so many seconds; whether it came to its end before."""
        child = subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.here,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, told = child.communicate(timeout=after)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            _, told = child.communicate()
            self.kills += 1
        if found := IN_FLIGHT.search(told):
            self.reported += int(found[1])
        if child.returncode == -signal.SIGKILL:
            return False
        assert child.returncode == 0, told
        return True

    def answers(self, run: str) -> dict[str, object]:
        """What is recorded of a run: each answer by what it is the answer to."""
        if not has_journal(self.here / run):
            return {}
        logs = load_journal(self.here / run).sessions
        return {
            f"{log.session.id}/{one.id}": one.seen
            for log in logs
            for one in log.entries
            if one.id is not None and not one.wasted
        }

    def results(self, run: str) -> list[object]:
        """What a run came to, less what a clock and the kills have put there."""
        lines = (self.here / run / "results.jsonl").read_text().splitlines()
        kept = ("case_id", "trial", "stop_reason", "why", "turns", "transcript", "verdict")
        return [{name: json.loads(line)[name] for name in kept} for line in lines]


@pytest.mark.parametrize("number", range(RUNS))
def test_a_run_that_is_killed_again_and_again_loses_and_repeats_nothing(
    number: int, tmp_path: Path
) -> None:
    chance, overlap = random.Random(number), number % 2 == 1
    at_once = CONCURRENCY * (2 if overlap else 1)
    with Counting() as server:
        runs = Killed(tmp_path / "here", server.port)
        assert runs.start(runs.words("whole", overlap=overlap), None)
        undisturbed, needed = runs.results("whole"), set(server.asked)
        left = f"run-{number}"
        while runs.kills * RUNS < KILLS:
            shutil.rmtree(runs.here / left, ignore_errors=True)
            server.asked.clear()
            runs.reported, kills = 0, runs.kills
            _until_it_is_whole(runs, left, overlap=overlap, chance=chance, asked=server.asked)
            kills = runs.kills - kills
            again = sum(server.asked.values()) - len(server.asked)
            assert set(server.asked) >= (needed if not overlap else set())
            assert again <= runs.reported <= at_once * kills
            assert runs.results(left) == undisturbed
            replayed = subprocess.run(
                [*COMMAND, "replay", left],
                cwd=runs.here,
                capture_output=True,
                text=True,
                check=True,
            )
            assert f"{CASES} of {CASES} sessions went again" in replayed.stdout


def _until_it_is_whole(
    runs: Killed, run: str, *, overlap: bool, chance: random.Random, asked: Counter[str]
) -> None:
    """Kill it at a random moment, look what is recorded, go on, until nothing is left to do."""
    known: dict[str, object] = {}
    while True:
        before = Counter(asked)
        done = runs.start(runs.words(run, overlap=overlap), chance.uniform(0.25, 1.0))
        recorded = runs.answers(run)
        assert {name: recorded.get(name) for name in known} == known, "a recorded answer is lost"
        twice = {name for name in known if asked[name] > before[name]}
        assert not twice, f"recorded, and asked again: {twice}"
        known = recorded
        if done:
            return
