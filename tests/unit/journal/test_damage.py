"""Damaged journals: cut at every byte, changed at every byte, lines moved; never a wrong answer."""

import json
from functools import cache

import pytest

from convsim_fp import Interrupted, goals, users
from convsim_fp.core import Rules, Session, TestCase, ToolCall
from convsim_fp.errors import CorruptEntry, JournalError, UnknownVersion
from convsim_fp.interpreters import AgentReply, Facts, Ports
from convsim_fp.journal import Discarded, read_journal, read_lines, read_segment, write_line
from convsim_fp.testing import fake_agent, fake_model
from convsim_fp.testing.playing import play, records_of, segment_of
from convsim_fp.testing.strategies import Setting

FLIPS = (0x01, 0x80, 0xFF, 0x20)
HOSTILE = '\ud800 </agent> \x00 {"crc":"00000000","n":1}\n'


@cache
def sample() -> str:
    """A journal of two sessions with everything in it, short enough to damage at every byte."""
    rules = Rules(users.prompted(), goals.prompted(), max_turns=2, overlap=True)
    words = fake_model(["Where is it?", HOSTILE, '{"rationale": "no", "result": "no"}'])
    agent = fake_agent([AgentReply("Here.", tool_calls=(ToolCall("find", {"a": [1]}, "c"),))])
    setting = Setting(rules, TestCase(goal="g", context={"k": 1.5}), Ports(agent, words))
    costs = [Facts(3, 2, None, 0.1, 1.5e9, 0.25, 2, ("slow",), "list"), Facts()]
    done = play(setting, session=Session("a/1"), costs=costs)
    cut = play(setting, session=Session("b/1", 2, 9), cut=2, why=Interrupted("budget", "x"))
    records = [*records_of(done), *records_of(cut), Discarded("b/1", 1, None)]
    return segment_of(records)


def check_it_is_a_prefix_or_refused(damaged: str, records: tuple[object, ...]) -> bool:
    """Read what is damaged; whether it was refused. A refusal names the record and its byte."""
    try:
        found = read_segment(damaged).records
    except CorruptEntry as error:
        place = (error.record, error.offset, f"record {error.record} (byte {error.offset}) ")
        told = str(error)
    else:
        place = None
    if place is not None:
        assert 0 <= place[0] <= len(records)
        assert 0 <= place[1] <= len(damaged)
        assert place[2] in told
        return True
    assert found == records[: len(found)]
    read_journal([read_segment(damaged)])
    return False


def test_a_journal_cut_at_any_byte_is_read_up_to_its_last_whole_record() -> None:
    text = sample()
    records = read_segment(text).records
    for at in range(len(text)):
        whole = text[:at].count("\n")
        assert len(list(read_lines(text[:at]))) == whole
        if text[at] == "\n":
            assert read_segment(text[:at]).records == records[:whole]


@pytest.mark.parametrize("flip", FLIPS)
def test_a_changed_byte_is_found_out_wherever_it_is(flip) -> None:
    """All but the last line's end, without which it is no whole line, are refused."""
    text = sample()
    records = read_segment(text).records
    passed = []
    for at, letter in enumerate(text):
        damaged = text[:at] + chr(ord(letter) ^ flip) + text[at + 1 :]
        if not check_it_is_a_prefix_or_refused(damaged, records):
            passed.append(at)
    assert passed == [len(text) - 1]


def test_lines_that_are_lost_doubled_or_moved_are_found_out() -> None:
    lines = sample().splitlines(keepends=True)
    records = read_segment(sample()).records
    for at, line in enumerate(lines):
        lost, doubled = [*lines[:at], *lines[at + 1 :]], [*lines[: at + 1], *lines[at:]]
        assert check_it_is_a_prefix_or_refused("".join(doubled), records)
        assert check_it_is_a_prefix_or_refused("".join(lost), records) or at == len(lines) - 1
        for to in set(range(len(lines))) - {at}:
            moved = [*lost[:to], line, *lost[to:]]
            assert check_it_is_a_prefix_or_refused("".join(moved), records)


@pytest.mark.parametrize(
    ("record", "told"),
    [
        ({"kind": "entry"}, "is no record: "),
        ({"kind": "gossip"}, "has 'gossip', which is missing or unknown"),
        ({}, "is no record"),
        ({"kind": "discarded", "session": 7}, "session is 7, expected text"),
        ({"kind": "discarded", "session": "a", "why": "x"}, "has 'why', which nothing reads"),
        ({"kind": "discarded", "session": "a", "turn": True}, "turn"),
        ({"kind": "discarded", "session": "a", "lane": "moon"}, "moon"),
        (
            {
                "kind": "entry",
                "session": "a",
                "seen": {"kind": "generated", "id": "1/user", "text": ""},
            },
            "is '1/user', expected turn/lane/nth",
        ),
        (
            {"kind": "entry", "session": "a", "seen": {"kind": "failed", "id": "1/user/0"}},
            "seen.failure is missing",
        ),
    ],
)
def test_a_line_that_holds_no_record_is_refused_with_its_place(record, told) -> None:
    header = sample().splitlines(keepends=True)[0]
    with pytest.raises(CorruptEntry) as refused:
        read_segment(header + write_line(1, record), file="0001.jsonl")
    assert str(refused.value).startswith(f"0001.jsonl: record 1 (byte {len(header)}) ")
    assert told in str(refused.value)


@pytest.mark.parametrize("version", [2, 0, "1", None, True, 10**30])
def test_a_format_of_another_release_is_refused_as_such(version) -> None:
    line = json.loads(sample().splitlines()[0])
    line = {name: value for name, value in line.items() if name not in ("crc", "n")}
    text = write_line(0, {**line, "format": version})
    with pytest.raises(UnknownVersion, match="this release reads format 1; read"):
        read_segment(text)


def test_a_segment_begins_with_its_header() -> None:
    with pytest.raises(JournalError):
        read_segment(write_line(0, {"kind": "discarded", "session": "a", "format": 1}))


def test_entries_without_a_beginning_are_refused() -> None:
    header = sample().splitlines(keepends=True)[0]
    text = header + write_line(1, {"kind": "discarded", "session": "a"})
    with pytest.raises(JournalError, match="'a' has entries, but nowhere does it begin"):
        read_journal([read_segment(text)])
