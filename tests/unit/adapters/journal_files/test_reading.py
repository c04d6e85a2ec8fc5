"""Reading what is on a disk: also while it is written, also what a killed process left behind."""

from pathlib import Path

import pytest

from convsim_adapters.journal_files import (
    clear_unstarted,
    extent_of,
    has_journal,
    journal_writer,
    load_journal,
    segments_of,
)
from convsim_fp.core import TestCase, freeze_object, new_session
from convsim_fp.errors import CorruptEntry, JournalError
from convsim_fp.journal import FORMAT, MACHINE, Header

CASE = TestCase(goal="get a refund", id="refund")


def header(sessions: int) -> Header:
    began = "2026-01-01T00:00:00+00:00"
    return Header(FORMAT, "run", "0.1.0", MACHINE, "v1", began, freeze_object({}), sessions)


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """A journal of two sessions, of which none has asked anything."""
    with journal_writer(tmp_path, header(2)) as writer:
        for name in ("a", "b"):
            writer.begin(new_session(name, 1, 0), CASE)
    return tmp_path


def test_a_directory_without_a_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="holds no journal; give the directory of a run"):
        load_journal(tmp_path)
    with pytest.raises(JournalError, match="is no directory"):
        load_journal(tmp_path / "nowhere")
    assert not has_journal(tmp_path / "nowhere")


def test_a_segment_that_is_no_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal" / "0001.jsonl").mkdir(parents=True)
    with pytest.raises(JournalError, match=r"0001\.jsonl cannot be read: Is a directory"):
        load_journal(tmp_path)
    assert has_journal(tmp_path), "whatever it is, nothing may be begun there"


def test_wherever_a_start_was_killed_it_can_be_started_again(journal: Path) -> None:
    """A run has started when all its sessions are listed; before that it has asked nothing."""
    [segment] = segments_of(journal)
    written = segment.read_bytes()
    for size in range(len(written)):
        segment.write_bytes(written[:size])
        assert not has_journal(journal)
        clear_unstarted(journal)
        assert segments_of(journal) == ()
    segment.write_bytes(written)
    assert has_journal(journal)
    clear_unstarted(journal)
    assert [log.session.id for log in load_journal(journal).sessions] == ["a/1", "b/1"]


def test_what_is_damaged_is_not_cleared_away(journal: Path) -> None:
    [segment] = segments_of(journal)
    damaged = segment.read_bytes().replace(b"refund", b"refumd", 1)
    segment.write_bytes(damaged)
    assert has_journal(journal)
    clear_unstarted(journal)
    assert segment.read_bytes() == damaged
    with pytest.raises(CorruptEntry, match=r"0001\.jsonl"):
        load_journal(journal)


def test_a_torn_record_in_the_middle_of_a_run_hides_nothing_of_the_next_segment(
    journal: Path,
) -> None:
    [segment] = segments_of(journal)
    with segment.open("ab") as file:
        file.write(b'{"crc":"0000')
    with journal_writer(journal, header(2)) as writer:
        writer.begin(new_session("c", 1, 0), CASE)
    assert [log.session.id for log in load_journal(journal).sessions] == ["a/1", "b/1", "c/1"]


def test_it_shows_whether_somebody_wrote_on(journal: Path) -> None:
    before = extent_of(journal)
    assert extent_of(journal) == before
    with journal_writer(journal, header(2)) as writer:
        begun = extent_of(journal)
        assert begun != before
        writer.begin(new_session("c", 1, 0), CASE)
        assert extent_of(journal) != begun
    assert extent_of(journal / "nowhere") == ()
