"""Lines of a journal, and the quick reading of what they hold."""

import json
from zlib import crc32

import pytest

from convsim_fp.core import AgentReplied, Message, ToolCall
from convsim_fp.errors import CorruptEntry, JournalError
from convsim_fp.journal import START, Position, read_lines, record_from_plain, write_line
from convsim_fp.journal.comparing import Alike
from convsim_fp.journal.entries import request_id, usual_entry


def line_of(rest: str) -> str:
    """A line with the right checksum, whatever it holds."""
    return f'{{"crc":"{crc32(rest.encode("ascii")):08x}",{rest}\n'


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (line_of('"n":0,"a":NaN}'), "holds NaN, which is no JSON"),
        (line_of('"n":0,"a":-Infinity}'), "holds -Infinity, which is no JSON"),
        (line_of('"n":0,"a":1} '), "has something behind its record"),
        (line_of('"n":0,"a":1}{}'), "has something behind its record"),
        (line_of('"n":0,"a":}'), "Expecting value"),
        (line_of('"n":0,"a":' + "[" * 100_000), "is nested too deeply"),
        (line_of('"n":00,"a":1}'), 'begins with "n":00, expected number 0: a line is lost or'),
        (line_of('"n":1,"a":1}'), 'begins with "n":1, expected number 0: a line is lost or'),
        (write_line(0, {"a": "b"}).replace("b", "\xfc"), "its checksum differs"),
        (write_line(0, {"a": "b"}).replace("b", "\u20ac"), "its checksum differs"),
        (" " + write_line(0, {"a": "b"}), "does not begin as a record does"),
        ("\n", "does not begin as a record does"),
        (write_line(0, {"a": "b"})[:20] + "\n", "its checksum differs"),
    ],
)
def test_a_line_that_is_no_record_is_refused_in_words(line: str, told: str) -> None:
    with pytest.raises(CorruptEntry) as refused:
        tuple(read_lines(line, file="0001.jsonl"))
    assert str(refused.value).startswith("0001.jsonl: record 0 (byte 0) ")
    assert told in str(refused.value)


def test_the_lines_before_a_bad_one_are_given() -> None:
    text = write_line(0, {"a": 1}) + write_line(1, {"b": 2}) + "x\n"
    reading = read_lines(text)
    assert [next(reading).record, next(reading).record] == [{"a": 1}, {"b": 2}]
    with pytest.raises(CorruptEntry, match="record 2"):
        next(reading)


def test_lines_are_read_from_a_place_on() -> None:
    first = write_line(0, {"a": 1})
    text = first + write_line(1, {"b": 2}) + '{"crc":"'
    line, other = read_lines(text)
    assert (line.number, line.offset, line.next) == (0, 0, Position(1, len(first)))
    assert list(read_lines(text, after=line.next)) == [other]
    assert list(read_lines(text, after=other.next)) == []
    assert list(read_lines("", after=START)) == []


USUAL = {
    "kind": "entry",
    "session": "a/1",
    "seen": {"kind": "agentreplied", "id": "1/agent/0", "text": "Yes."},
    "digest": "ab",
}


@pytest.mark.parametrize(
    "change",
    [
        {"session": 7},
        {"kept": True},
        {"kept": 1.0},
        {"more": {}},
        {"more": ""},
        {"more": [{"speaker": "system", "text": ""}]},
        {"more": [{"speaker": "user"}]},
        {"more": [{"speaker": "user", "text": "", "more": 1}]},
        {"more": [{"speaker": "user", "text": "", "tool_calls": ""}]},
        {"asked": []},
        {"asked": {"speaks_as": "agent", "question": ""}},
        {"asked": {"speaks_as": "agent", "question": "", "same": True}},
        {"asked": {"speaks_as": "user", "question": "", "same": 1}},
        {"asked": {"speaks_as": "user", "question": "", "schema": []}},
        {"asked": {"speaks_as": "user"}},
        {"facts": []},
        {"facts": ""},
        {"facts": {"cost": "1"}},
        {"facts": {"input_tokens": 1.5}},
        {"facts": {"price": 1}},
        {"seen": {}},
        {"seen": []},
        {"seen": {"kind": "agentreplied", "id": "1/agent/0"}},
        {"seen": {"kind": "agentreplied", "id": ["1/agent/0"], "text": ""}},
        {"seen": {"kind": "agentreplied", "id": "1/agent/0", "text": 7}},
        {"seen": {"kind": "agentreplied", "id": "1/agent/0", "text": "", "tool_calls": {}}},
        {"seen": {"kind": "agentreplied", "id": "1/agent/0", "text": "", "tool_calls": [7]}},
        {"seen": {"kind": "agentreplied", "id": "1/agent/0", "text": "", "tool_calls": [{}]}},
        {"seen": {"kind": "agentreplied", "id": "1/agent/0", "text": "", "ended": 1}},
        {"seen": {"kind": "generated", "id": "01/agent/0", "text": ""}},
        {"seen": {"kind": "generated", "id": "1/moon/0", "text": ""}},
        {"seen": {"kind": "generated", "id": "1/agent/0", "text": "", "ended": True}},
        {"seen": {"kind": "whispered", "id": "1/agent/0", "text": ""}},
        {"wasted": 1},
        {"surprise": 1},
    ],
    ids=json.dumps,
)
def test_what_is_no_entry_is_refused_by_both_readings(change: dict[str, object]) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        usual_entry({**USUAL, **change})
    with pytest.raises(JournalError, match="is no record: "):
        record_from_plain({**USUAL, **change})


@pytest.mark.parametrize(
    "change",
    [
        {"seen": {"kind": "failed", "id": "1/agent/0", "failure": {"kind": "timed_out"}}},
        {"seen": {"kind": "agentreplied", "id": "1/agent/0", "text": "", "ended": True}},
        {"facts": {"errors": ["slow"], "attempts": 2, "cost": 0}},
        {"wasted": True},
        {"asked": None},
    ],
    ids=json.dumps,
)
def test_an_unusual_entry_is_left_to_the_careful_reading(change: dict[str, object]) -> None:
    read = {**USUAL, **change}
    with pytest.raises((KeyError, TypeError, ValueError)):
        usual_entry(read)
    assert record_from_plain(read).session == "a/1"


def test_a_usual_entry_is_read_with_all_that_it_may_have() -> None:
    call = {"name": "find", "arguments": {"order": "W7"}, "id": "c1"}
    read = {
        **USUAL,
        "seen": {**USUAL["seen"], "tool_calls": [call]},
        "more": [{"speaker": "agent", "text": "Hm.", "tool_calls": [call]}],
    }
    entry = usual_entry(read)
    called = (ToolCall("find", {"order": "W7"}, "c1"),)
    assert entry.seen == AgentReplied(request_id("1/agent/0"), "Yes.", tool_calls=called)
    assert entry.more == (Message("agent", "Hm.", called),)


@pytest.mark.parametrize(
    "place", ["1/user", "1/user/0\n", "-1/user/0", "1/user/00", "1000000000/user/0", 7]
)
def test_a_place_is_written_in_one_way_only(place: object) -> None:
    with pytest.raises(TypeError, match="expected turn/lane/nth"):
        request_id(place)


def test_transcripts_are_compared_whole_where_they_do_not_go_on() -> None:
    one, two, three = (Message("user", text) for text in ("1", "2", "3"))
    known = Alike((one, two), (one, two))
    assert known.goes_on((one, two, three), (one, two, three))
    assert not known.goes_on((one, two, three), (one, two, two))
    assert known.goes_on((one, three), (one, three))
    assert known.goes_on((), ())
    assert not known.goes_on((one, three), (one, two))
