"""Records as text and back: exactly what was written, or a refusal that says where."""

import json
import os
import subprocess
import sys
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp.errors import CorruptEntry, JournalError
from convsim_fp.journal import (
    START,
    Record,
    read_journal,
    read_lines,
    read_segment,
    record_from_plain,
    record_to_plain,
    write_line,
)
from convsim_fp.journal.codec import RECORDS
from convsim_fp.journal.entries import plain_entry, usual_entry
from convsim_fp.testing import strategies as any_of
from convsim_fp.testing.journals import entry_records, journals, records
from convsim_fp.testing.playing import segment_of

SCRIPT = Path(__file__).with_name("hash_seed_journals.py")


def plain(record: Record) -> dict[str, Any]:
    """A record as plain JSON, through text."""
    read: dict[str, Any] = json.loads(json.dumps(record_to_plain(record)))
    return read


@given(records())
def test_a_record_comes_back_as_it_was(record: Record) -> None:
    """Whatever text, numbers and nesting it holds; its classes too, not only what equals them."""
    found = record_from_plain(plain(record))
    assert found == record
    assert repr(found) == repr(record)
    (line,) = read_lines(write_line(0, record_to_plain(record)))
    assert line.record == plain(record)


@given(entry_records())
def test_the_quick_way_reads_what_the_careful_way_reads(record) -> None:
    """Or it leaves the record to it."""
    try:
        found = usual_entry(plain(record))
    except (KeyError, TypeError, ValueError):
        return
    assert found == RECORDS.structure(plain(record), Record)


@given(entry_records())
def test_the_quick_way_writes_what_the_careful_way_writes(record) -> None:
    """To the letter, or it leaves the record to it."""
    quick = plain_entry(record)
    careful = RECORDS.unstructure(record, unstructure_as=Record)
    assert quick is None or json.dumps(quick) == json.dumps(careful)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths to every part of a JSON value."""
    pairs = value.items() if isinstance(value, dict) else ()
    pairs = enumerate(value) if isinstance(value, list) else pairs
    return [path, *(deep for key, part in pairs for deep in places(part, (*path, key)))]


@given(records(), any_of.json_values(), st.data())
def test_what_is_read_of_a_changed_record_is_what_it_says(
    record: Record, value: object, data: st.DataObject
) -> None:
    """Nothing is converted or dropped: it is refused in words, or writes back to the same."""
    read = plain(record)
    path = data.draw(st.sampled_from(places(read)[1:]), label="place")
    reduce(lambda part, key: part[key], path[:-1], read)[path[-1]] = value
    found = reading(read)
    assert (
        found.startswith("is no record: ") if isinstance(found, str) else says(read, plain(found))
    )
    if read["kind"] == "entry" and not isinstance(found, str):
        assert found == RECORDS.structure(read, Record)


def reading(read: dict[str, Any]) -> Record | str:
    """The record, or the words of the refusal."""
    try:
        return record_from_plain(read)
    except JournalError as error:
        return str(error)


def says(read: object, back: object) -> bool:
    """Whether a value is what was read, but for fields that are as always."""
    if isinstance(read, dict) and isinstance(back, dict):
        missing = [read[key] for key in read if key not in back]
        same = all(key in read and says(read[key], back[key]) for key in back)
        return same and all(not value or value == 1 for value in missing)
    if isinstance(read, list) and isinstance(back, list):
        return len(read) == len(back) and all(map(says, read, back))
    return type(read) is type(back) and read == back


@given(records(), st.data())
def test_an_unknown_key_is_refused_by_its_name(record: Record, data: st.DataObject) -> None:
    """In every object of the record that is not JSON of somebody else."""
    read = plain(record)
    objects = [path for path in places(read) if is_ours(read, path)]
    path = data.draw(st.sampled_from(objects), label="place")
    reduce(lambda part, key: part[key], path, read)["surprise"] = 1
    with pytest.raises(JournalError, match="surprise"):
        record_from_plain(read)


FREE = ("settings", "schema", "context", "expectations", "extra", "memo", "arguments")


def is_ours(read: object, path: tuple[Any, ...]) -> bool:
    part = reduce(lambda part, key: part[key], path, read)
    return isinstance(part, dict) and not any(key in FREE for key in path)


@given(journals(), st.data())
def test_a_journal_cut_anywhere_gives_a_prefix(text: str, data: st.DataObject) -> None:
    """As many records as have their end, and the place where the next would begin."""
    at = data.draw(st.integers(0, len(text)), label="cut")
    whole, found = read_segment(text), read_segment(text[:at])
    assert found.records == whole.records[: len(found.records)]
    assert len(found.records) == text[:at].count("\n")
    assert text[: found.end.offset].count("\n") == found.end.number
    rest = read_segment(text, after=found.end)
    assert found.records + rest.records == whole.records
    assert rest.end == whole.end


@given(journals(), st.integers(1, 255), st.data())
def test_a_changed_byte_anywhere_is_found_out(text: str, flip: int, data: st.DataObject) -> None:
    """By its record and the place where that begins."""
    at = data.draw(st.integers(0, len(text) - 2), label="byte")
    changed = text[:at] + chr(ord(text[at]) ^ flip) + text[at + 1 :]
    with pytest.raises(CorruptEntry) as refused:
        read_segment(changed, file="0001.jsonl")
    number = text[:at].count("\n")
    assert (refused.value.record, refused.value.offset) == (number, text.rfind("\n", 0, at) + 1)
    assert f"0001.jsonl: record {number} (byte {refused.value.offset})" in str(refused.value)


@given(journals())
def test_a_journal_is_read_alike_in_one_piece_and_line_by_line(text: str) -> None:
    """A reader that follows a journal while it is written misses nothing."""
    found, end = (), START
    for at in range(text.count("\n") + 1):
        part = read_segment("\n".join(text.split("\n")[:at]) + "\n" * (at > 0), after=end)
        found, end = found + part.records, part.end
    assert found == read_segment(text).records
    assert text == segment_of(found[1:])
    read_journal([read_segment(text)])


def test_a_journal_is_byte_equal_under_three_hash_seeds() -> None:
    digests = {digest_under(seed) for seed in ("0", "1", "4242")}
    assert len(digests) == 1
    assert len(digests.pop()) == 64


def digest_under(seed: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=environment, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
