"""How fast journals are written, read and replayed; the table goes to the docs.

`just bench` runs these and rewrites docs/benchmarks.md. Seconds are those of the processor, the
least of several runs, since the machine is shared; only ratios are asserted.
"""

import json
from collections.abc import Callable
from functools import cache
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter, process_time
from urllib.parse import urlsplit

import pytest
from attrs import evolve

from convsim_adapters.journal_files import journal_writer
from convsim_fp import goals, users
from convsim_fp.core import Facts, Generate, Rules, Session, TestCase
from convsim_fp.interpreters import Entry, Ports
from convsim_fp.journal import (
    Known,
    read_journal,
    read_segment,
    record_to_plain,
    recorded,
    replay,
    write_line,
)
from convsim_fp.testing import fake_agent, fake_model
from convsim_fp.testing.playing import HEADER, Played, play, records_of, segment_of
from convsim_fp.testing.strategies import Setting

pytestmark = pytest.mark.benchmark

TABLE = "journal"
ROWS: list[tuple[str, str, str, str]] = []
SESSIONS, TURNS = 100, 10
RULES = Rules(users.prompted(), goals.prompted(), max_turns=TURNS)
WORDS = "I would like to return the shoes that I bought last week, since they do not fit. " * 3
COSTS = (  # of a user, the agent and a judge, in turn
    Facts(412, 16, None, 0.000125, 1795571421.4871, 0.8125, price_source="litellm 1.110.2"),
    Facts(start=1795571422.3003, seconds=1.2517),
    Facts(731, 24, None, 0.000275, 1795571423.5522, 0.9375, price_source="litellm 1.110.2"),
)


@cache
def played() -> tuple[Played, ...]:
    """Conversations whose user and judge models play, of messages of about 250 characters."""
    ports = Ports(
        agent=fake_agent([f"Certainly, let me look. {WORDS}{n}" for n in range(50)]),
        user_model=fake_model([f"{WORDS}{n}" for n in range(50)]),
        goal_model=fake_model(['{"rationale": "nothing is refunded yet", "result": "no"}']),
    )
    cases = (TestCase(f"return pair {n}", context={"order": f"W{n}"}) for n in range(SESSIONS))
    return tuple(
        play(Setting(RULES, case, ports), session=Session(f"case-{n}/1"), costs=COSTS)
        for n, case in enumerate(cases)
    )


@cache
def text() -> str:
    return segment_of(record for one in played() for record in records_of(one))


def least(call: Callable[[], object], runs: int = 15) -> float:
    """Seconds of the processor, the least of several runs."""

    def run() -> float:
        begun = process_time()
        call()
        return process_time() - begun

    return min(run() for _ in range(runs))


def test_reading_and_replaying_from_text() -> None:
    turns = SESSIONS * TURNS
    lines = text().splitlines()
    assert len(lines) == 1 + SESSIONS * (2 + 3 * TURNS)

    def whole(check: str = "content") -> None:
        for log in read_journal([read_segment(text())]).sessions:
            end = replay(RULES, log.case, log.entries, session=log.session, check=check).state
            assert end.turns == TURNS

    segment = read_segment(text())
    parts = {
        "read": least(lambda: read_segment(text())),
        "put together": least(lambda: read_journal([segment])),
    }
    floor = least(lambda: [json.loads(line) for line in lines])
    took, ids = least(whole), least(lambda: whole("ids"))
    parts["replayed, compared"] = took - sum(parts.values())
    name = "from the text to the end states of {} × {} turns, every request compared"
    parsed = f"`json.loads` of the lines: {turns / floor:,.0f} turns/s"
    speed = f"{turns / took:,.0f} turns/s"
    ROWS.append((name.format(SESSIONS, TURNS), "≥ 5,000 turns/s", speed, parsed))
    speed = f"{turns / ids:,.0f} turns/s"
    ROWS.append(("the same with `--check ids`", "", speed, ""))
    figures = ", ".join(f"{what} {each / turns * 1e6:.0f} µs" for what, each in parts.items())
    ROWS.append(("of which for each turn", "≤ 200 µs", figures, ""))
    assert took < 15 * floor


def call_of_a_model(address: str) -> float:
    """Seconds of one call on loopback, the least of many; the server's part is in it."""
    place = urlsplit(address)
    connection = HTTPConnection(place.hostname or "", place.port)
    asked = {"model": "m", "messages": [{"role": "user", "content": WORDS}]}

    def call() -> float:
        begun = perf_counter()
        connection.request(
            "POST", place.path, json.dumps(asked), {"Content-Type": "application/json"}
        )
        json.loads(connection.getresponse().read())
        return perf_counter() - begun

    took = min(call() for _ in range(200))
    connection.close()
    return took


def fresh(entries: list[Entry]) -> list[Entry]:
    """The same entries, of whose prompts none is rendered yet."""
    return [evolve(one, request=evolve(one.request)) for one in entries]


def render(entries: list[Entry]) -> None:
    for one in entries:
        if isinstance(one.request, Generate):
            assert one.request.messages


def write(entries: list[Entry]) -> None:
    known: dict[str, Known] = {}
    for number, entry in enumerate(entries):
        name = entry.session.id
        record, known[name] = recorded(known.get(name, Known()), entry)
        write_line(number, record_to_plain(record))


def test_writing_beside_the_call_that_is_written_down(loopback, tmp_path: Path) -> None:
    entries = [entry for one in played() for entry in one.entries]
    render(entries)
    as_text = least(lambda: write(entries)) / len(entries)
    unrendered = [fresh(entries) for _ in range(5)]
    both = least(lambda: write(unrendered.pop()), runs=5) / len(entries)
    call = call_of_a_model(loopback.url)
    with journal_writer(tmp_path, HEADER) as writer:
        filed = least(lambda: [writer.entry(entry) for entry in entries], runs=5) / len(entries)
    figures = f"{as_text * 1e6:.0f} µs as text, {filed * 1e6:.0f} µs in the file"
    floor = f"a call of a model on loopback that answers at once: {call * 1e6:,.0f} µs"
    ROWS.append(
        ("one entry written down, its prompt rendered for the model", "≤ 60 µs", figures, floor)
    )
    ROWS.append(("the same with the rendering", "", f"{both * 1e6:.0f} µs as text", ""))
    size = len(text()) / (SESSIONS * TURNS)
    ROWS.append(("its size", "", f"{size:,.0f} bytes for each turn", ""))
    assert both < call
