"""Reading a journal as it grows: each record once, and together what the whole journal holds."""

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.cli.followed import Seen
from convsim_adapters.journal_files import locked
from convsim_adapters.journal_files.following import Growing, is_written
from convsim_adapters.running.recording import Record
from convsim_fp.errors import CorruptEntry, JournalError
from convsim_fp.journal import Discarded, read_journal, read_segment
from convsim_fp.testing import strategies as any_of
from convsim_fp.testing.journals import journals, played
from convsim_fp.testing.playing import HEADER, records_of, segment_of


def place(directory: Path, name: str = "0001.jsonl") -> Path:
    (directory / "journal").mkdir(exist_ok=True)
    return directory / "journal" / name


@given(journals(), st.lists(st.integers(1, 4000), max_size=12))
def test_however_it_grows_it_is_read_once_and_whole(text: str, sizes: list[int]) -> None:
    """Law: looks at any moments give the records of the whole, in order, each once."""
    with TemporaryDirectory() as here:
        growing, told = Growing(Path(here)), []
        with place(Path(here)).open("wb", buffering=0) as file:
            for size in sizes:
                file.write(text[file.tell() : file.tell() + size].encode("latin-1"))
                told += growing.records()
            file.write(text[file.tell() :].encode("latin-1"))
        told += growing.records()
        assert tuple(told) == read_segment(text).records
        assert list(growing.records()) == []


@given(journals())
def test_who_looks_on_sees_what_is_read_afterwards(text: str) -> None:
    """Law: ends and costs folded record by record are those of the journal that is read whole."""
    segment = read_segment(text)
    seen = Seen().after(iter(segment.records))
    logs = read_journal([segment]).sessions
    assert list(seen.sessions) == [log.session.id for log in logs]
    for log in logs:
        one = seen.sessions[log.session.id]
        assert one.ended == (None if log.ended is None else log.ended.phase)
        assert one.spent == Record.of(log.entries)
        assert one.under_way == (log.ended is None and one.spent.usage.requests > 0)


@given(played())
def test_a_session_that_is_begun_anew_goes_on_from_nothing(done) -> None:
    """What it has cost stays."""
    records = (*records_of(done), Discarded(done.end.session.id))
    [before] = Seen().after(iter(records[:-1])).sessions.values()
    [after] = Seen().after(iter(records)).sessions.values()
    assert after == evolve(before, turns=0, at=0, speaker="", said="", ended=None)


@given(any_of.texts())
def test_a_record_larger_than_what_is_looked_at_at_once_is_read(words: str) -> None:
    text = segment_of([Discarded(words * 9), Discarded("b")])
    with TemporaryDirectory() as here:
        place(Path(here)).write_text(text, "latin-1")
        assert tuple(Growing(Path(here), at_once=16).records()) == read_segment(text).records


def test_segments_are_read_in_their_order_and_new_ones_are_found(tmp_path: Path) -> None:
    place(tmp_path).write_text(segment_of([Discarded("a")]), "ascii")
    growing = Growing(tmp_path)
    assert list(growing.records()) == [HEADER, Discarded("a")]
    place(tmp_path, "0002.jsonl").write_text(segment_of([Discarded("b")]), "ascii")
    assert list(growing.records()) == [HEADER, Discarded("b")]


def test_damage_is_told_with_its_place_in_the_file(tmp_path: Path) -> None:
    good, bad = segment_of([Discarded("a")]), segment_of([Discarded("a"), Discarded("b")])
    path = place(tmp_path)
    path.write_text(good, "ascii")
    growing = Growing(tmp_path)
    list(growing.records())
    path.write_text(bad.replace('"b"', '"c"'), "ascii")
    with pytest.raises(CorruptEntry, match="checksum differs") as error:
        list(growing.records())
    assert (error.value.record, error.value.offset) == (2, len(good))
    assert str(path) in str(error.value)


def test_another_run_in_its_place_is_noticed(tmp_path: Path) -> None:
    path = place(tmp_path)
    path.write_text(segment_of([Discarded("a" * 99)]), "ascii")
    growing = Growing(tmp_path)
    assert not growing.replaced
    list(growing.records())
    assert not growing.replaced
    path.write_text(segment_of([]), "ascii")
    assert growing.replaced
    path.unlink()
    assert growing.replaced


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    place(tmp_path).mkdir()
    with pytest.raises(JournalError, match=r"0001\.jsonl cannot be read: Is a directory"):
        list(Growing(tmp_path).records())


def test_whether_a_run_is_written_is_known_by_its_lock(tmp_path: Path) -> None:
    assert is_written(tmp_path) is None
    with locked(tmp_path):
        assert is_written(tmp_path) is True
    assert is_written(tmp_path) is False
    with locked(tmp_path):
        pass  # it was held for a moment only


def test_a_lock_that_cannot_be_opened_says_nothing(tmp_path: Path) -> None:
    place(tmp_path, "lock").mkdir()
    assert is_written(tmp_path) is None
