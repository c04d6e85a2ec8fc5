"""What a journal costs to write and to replay; the table goes to the docs.

Conversations of ten turns with a user and a judge that models play, messages of about 250
characters. Replaying means from the text of a segment to the end of each session, every check made.
"""

import json
from pathlib import Path
from statistics import median
from time import perf_counter

import pytest

from convsim_adapters.journal_files import journal_writer, load_journal
from convsim_fp import Ports, Rules, TestCase, converse, goals, perform, replay, start, users
from convsim_fp.core import Session
from convsim_fp.interpreters import clocked
from convsim_fp.testing import fake_agent, fake_model

pytestmark = pytest.mark.benchmark

TABLE = "journal"
ROWS: list[tuple[str, str, str, str]] = []
SESSIONS, TURNS, RUNS = 100, 10, 7
LONG = "I would like to return the shoes that I bought last week, since they do not fit. " * 3
RULES = Rules(users.prompted(), goals.prompted(), max_turns=TURNS)
NO = '{"rationale": "the agent has not refunded it yet, so no", "result": "no"}'
PORTS = Ports(
    fake_agent([f"Certainly, let me look. {LONG}{n}" for n in range(50)]),
    fake_model([f"{LONG}{n}" for n in range(50)]),
    fake_model([NO]),
)


def played(directory: Path) -> list[float]:
    """Record conversations; the seconds that each entry took to be written."""
    took: list[float] = []
    with journal_writer(directory) as journal:

        def sink(entry) -> None:
            begun = perf_counter()
            journal.entry(entry)
            took.append(perf_counter() - begun)

        for n in range(SESSIONS):
            case = TestCase(goal="return the shoes", id=f"c{n}", context={"order": "W7"})
            begun = start(RULES, case, Session(f"c{n}/1"))
            journal.ended(converse(RULES, begun, clocked(perform(PORTS)), sink=sink))
    return took


def replayed(directory: Path) -> int:
    """Fold every session from its files; how many turns they had."""
    logs = load_journal(directory).sessions
    ends = [replay(RULES, log.case, log.entries, session=log.session).state for log in logs]
    assert all(end.transcript == log.transcript for end, log in zip(ends, logs, strict=True))
    return sum(end.turns for end in ends)


def test_a_run_is_replayed_from_its_files(tmp_path: Path) -> None:
    played(tmp_path)
    text = (tmp_path / "journal" / "0001.jsonl").read_text()
    turns, took, floor = SESSIONS * TURNS, [], []
    for _ in range(RUNS):
        begun = perf_counter()
        assert replayed(tmp_path) == turns
        took.append(perf_counter() - begun)
        begun = perf_counter()
        for line in text.splitlines():
            json.loads(line)
        floor.append(perf_counter() - begun)
    speed = turns / min(took)
    bare = f"reading the lines as JSON alone: {turns / min(floor):,.0f} turns/s"
    ROWS.append(
        ("replay from the files, checks included", "≥ 5,000 turns/s", f"{speed:,.0f} turns/s", bare)
    )
    ROWS.append(("what a turn takes on disk", "", f"{len(text) / turns / 1000:.1f} kB", ""))
    assert min(took) <= 25 * min(floor)


def test_an_entry_is_written(tmp_path: Path) -> None:
    took = [median(played(tmp_path / str(n))) for n in range(RUNS)]
    records = [
        json.loads(line)
        for line in (tmp_path / "0" / "journal" / "0001.jsonl").read_text().splitlines()
    ]
    floor = []
    with (tmp_path / "floor").open("ab", buffering=0) as file:
        for record in records:
            begun = perf_counter()
            file.write(json.dumps(record).encode())
            floor.append(perf_counter() - begun)
    told = f"the record as JSON, and the write: {median(floor) * 1e6:.0f} µs"
    cost = f"{min(took) * 1e6:.0f} µs"
    ROWS.append(("an entry, written before it is acted on", "≤ 60 µs", cost, told))
    assert min(took) <= 10 * median(floor)
