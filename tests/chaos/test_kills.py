"""A run that is killed at any moment, again and again: nothing is lost, nothing is asked twice.

`CONVSIM_KILLS` is how many kills there are; ``just chaos`` makes a thousand.
"""

import os
import random
import shutil
import signal
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve, frozen
from chaos_counting import Counting
from chaos_killing import CASES, CONCURRENCY, Moment, Ran, Runs

KILLS = int(os.environ.get("CONVSIM_KILLS", "100"))
HOW = {  # each a test of its own, so that they go side by side
    "one lane": ("--no-overlap",),
    "overlap": ("--overlap",),
    "strict": ("--no-overlap", "--durability=strict"),
    "strict overlap": ("--overlap", "--durability=strict"),
}


@pytest.mark.parametrize("how", HOW)
def test_a_run_that_is_killed_again_and_again_loses_and_repeats_nothing(
    how: str, tmp_path: Path
) -> None:
    chance, tally = random.Random(how), Tally()
    with Counting() as server:
        runs = Runs(tmp_path / "here", server, HOW[how])
        whole = runs.command(runs.words("whole"))
        assert whole.code == 0, whole.err
        undisturbed = Undisturbed(whole, frozenset(server.asked), runs.results("whole"))
        while tally.kills * len(HOW) < KILLS:
            server.asked.clear()
            tally = killed_until_it_is_whole(runs, undisturbed, chance, tally)
            assert told(runs, runs.results("run")) == told(runs, undisturbed.results)
            again = runs.command(["replay", "run"])
            assert f"{CASES} of {CASES} sessions went again as recorded" in again.out, again.err
            shutil.rmtree(runs.here / "run")
    print(f"{how}: {tally}")  # noqa: T201  the figures, with pytest -rP


@frozen
class Tally:
    """What came of it so far."""

    runs: int = 0
    kills: int = 0
    recorded: int = 0
    twice: int = 0
    reported: int = 0

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.runs} runs; {self.recorded} answers recorded, none lost, "
            f"none asked again; {self.twice} requests sent twice, {self.reported} told as in flight"
        )


@frozen
class Undisturbed:
    """A run that nobody disturbed: what it asked, what it came to, when it did what."""

    ran: Ran
    asked: frozenset[str]
    results: list[dict[str, object]]

    def moment(self, chance: random.Random, left: int) -> Moment:
        """Any moment: while it starts, among the requests, or between the last one and the end."""
        starting, ending = self.ran.asked[0] - self.ran.began, self.ran.ended - self.ran.asked[-1]
        part = chance.choices(("start", "middle", "end"), (3, 6, 1))[0]
        if part == "start":
            return Moment(0, chance.uniform(0, starting))
        if part == "middle":
            return Moment(chance.randint(1, 60), chance.uniform(0, 0.006))
        return Moment(left, chance.uniform(0, ending))


def killed_until_it_is_whole(
    runs: Runs, undisturbed: Undisturbed, chance: random.Random, tally: Tally
) -> Tally:
    """Kill it, look what is recorded, go on, until nothing is left to do."""
    known: dict[str, object] = {}
    kills = 0
    while True:
        before = Counter(runs.server.asked)
        left = len(undisturbed.asked - before.keys())
        ran = runs.command(runs.words("run"), undisturbed.moment(chance, left))
        asked, recorded = Counter(runs.server.asked), runs.answers("run")
        lost = {name for name in known if recorded.get(name) != known[name]}
        assert not lost, "recorded, and lost"
        assert not {name for name in known if asked[name] > before[name]}, "recorded, asked again"
        twice = sum((asked - before).values()) - len(asked.keys() - before.keys())
        assert twice <= ran.reported <= at_once(runs)
        tally = evolve(tally, twice=tally.twice + twice, reported=tally.reported + ran.reported)
        known = recorded
        if ran.code != -signal.SIGKILL:
            assert ran.code == 0, ran.err
            assert asked.keys() >= undisturbed.asked or "--overlap" in runs.options
            assert asked.total() - len(asked) <= at_once(runs) * kills
            whole = evolve(tally, runs=tally.runs + 1, recorded=tally.recorded + len(known))
            return evolve(whole, kills=tally.kills + kills)
        kills += 1


def at_once(runs: Runs) -> int:
    """How many requests can be under way at the same time."""
    return CONCURRENCY * (2 if "--overlap" in runs.options else 1)


def told(runs: Runs, results: list[dict[str, object]]) -> list[dict[str, object]]:
    """Results without what a kill may change: what was wasted with it is in no record."""
    return [{**one, "usage": None} for one in results] if "--overlap" in runs.options else results
