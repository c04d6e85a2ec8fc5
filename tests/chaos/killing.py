"""Runs of the command in processes of their own, which are killed at a moment that is drawn."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

from attrs import frozen
from chaos_counting import Counting

from convsim_adapters.journal_files import has_journal, load_journal

CONCURRENCY, CASES, MAX_TURNS = 8, 30, 4
COMMAND = [sys.executable, "-c", "from convsim_adapters.cli import main; main()"]
IN_FLIGHT = re.compile(r"in flight when it was killed: up to (\d+) request")
LIGHT = Path(__file__).with_name("light.py")


@frozen
class Ran:
    """A command that has ended, by itself or killed: what it said, and its times in seconds."""

    code: int
    out: str
    err: str
    began: float
    ended: float
    asked: tuple[float, ...]

    @property
    def reported(self) -> int:
        """How many requests it says were in flight when its forerunner was killed."""
        found = IN_FLIGHT.search(self.err)
        return int(found[1]) if found else 0


@frozen
class Moment:
    """When to kill: so many requests after the start, and then so many seconds.

    Requests are counted by the server, so that it does not matter how fast the machine is.
    """

    requests: int
    seconds: float


@frozen
class Runs:
    """A directory in which runs of the same cases are started, and killed."""

    here: Path
    server: Counting
    options: tuple[str, ...] = ()

    def __attrs_post_init__(self) -> None:
        self.here.mkdir()
        shutil.copy(LIGHT, self.here / "light.py")
        cases = [{"id": f"c{n}", "goal": f"get thing {n}"} for n in range(CASES)]
        (self.here / "cases.json").write_text(json.dumps(cases))

    def words(self, run: str) -> list[str]:
        """What goes on with a run, or begins it."""
        if has_journal(self.here / run):
            return ["resume", run, "--quiet"]
        return [
            *("run", "cases.json", "--agent=light:agent", "--user-model=light:model"),
            *(f"--concurrency={CONCURRENCY}", f"--max-turns={MAX_TURNS}", "--quiet"),
            *(f"--out={run}", *self.options),
        ]

    def popen(self, words: list[str]) -> subprocess.Popen[str]:
        """Start a command."""
        return subprocess.Popen(
            [*COMMAND, *words],
            cwd=self.here,
            env={**os.environ, "CHAOS_PORT": str(self.server.port)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def command(self, words: list[str], killed: Moment | None = None) -> Ran:
        """Run a command to its end, or to the moment at which it is killed."""
        began, before = time.monotonic(), len(self.server.times)
        child = self.popen(words)

        def over() -> bool:
            return child.poll() is not None

        if killed is not None:
            self.server.wait_for(before + killed.requests, over)
            with suppress(subprocess.TimeoutExpired):
                child.wait(killed.seconds)
            child.kill()
        out, err = child.communicate()
        asked = tuple(self.server.times[before:])
        return Ran(child.returncode, out, err, began, time.monotonic(), asked)

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

    def results(self, run: str) -> list[dict[str, object]]:
        """What stands in the results of a run, but for the seconds."""
        lines = (self.here / run / "results.jsonl").read_text().splitlines()
        return [{**json.loads(line), "seconds": None} for line in lines]
