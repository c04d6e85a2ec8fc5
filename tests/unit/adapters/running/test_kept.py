"""Journals beside tests: their names, and how they are written and read."""

from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convsim_adapters.running.kept import file_name, is_journal, keep, read_kept, read_one
from convsim_fp.errors import CorruptEntry, JournalError
from convsim_fp.testing.journals import journals, played
from convsim_fp.testing.playing import records_of, segment_of

NAMES = st.text() | st.sampled_from(("a/b", "a_b", "..", "", "Refund", "refund", "x" * 300, "/2"))


@given(NAMES, NAMES)
def test_each_name_has_a_file_of_its_own(one: str, other: str) -> None:
    """Also where the disk takes capitals for small letters."""
    assume(one != other)
    assert file_name(one).lower() != file_name(other).lower()


@given(NAMES)
def test_a_name_is_a_file_in_its_directory(name: str) -> None:
    """Short enough for any disk, and nothing that leads elsewhere."""
    file = file_name(name)
    assert Path("beside") / file == Path(f"beside/{file}")
    assert Path(file).name == file
    assert len(file.encode("ascii")) < 128


@given(text=journals())
def test_what_is_kept_is_read(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("kept") / "deep" / "one.jsonl"
    assert not is_journal(path)
    keep(path, text)
    assert is_journal(path)
    assert path.read_text("ascii") == text
    assert [file.name for file in path.parent.iterdir()] == ["one.jsonl"]
    assert len(read_kept(path)) == text.count('"kind":"begun"')


@given(played(), played())
def test_a_journal_is_replaced_whole(one, other) -> None:
    """Whoever reads it meanwhile has the old one or the new one."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory() as made:
        path = Path(made) / "one.jsonl"
        keep(path, segment_of(records_of(one)))
        with path.open("rb") as reading:
            keep(path, segment_of(records_of(other)))
            assert reading.read().decode("ascii") == segment_of(records_of(one))
        assert read_one(path).log.case == other.end.case


def test_a_file_of_cases_is_no_journal(tmp_path: Path) -> None:
    cases = tmp_path / "cases.jsonl"
    cases.write_text('{"goal": "a refund"}\n')
    assert not is_journal(cases)
    assert not is_journal(tmp_path)


def test_what_is_wrong_with_a_journal_is_told_with_its_file(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    with pytest.raises(JournalError, match=r"one\.jsonl cannot be read: No such file"):
        read_kept(path)
    path.write_text("")
    with pytest.raises(JournalError, match=r"one\.jsonl is empty, expected a journal"):
        read_kept(path)
    path.write_text(segment_of([]))
    with pytest.raises(JournalError, match=r"one\.jsonl holds 0 sessions, expected one"):
        read_one(path)
    path.write_text(segment_of([]).replace("run", "ruN"))
    with pytest.raises(CorruptEntry, match=r"one\.jsonl: record 0 \(byte 0\)"):
        read_kept(path)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError, match=r"one\.jsonl cannot be written: File exists"):
        keep(tmp_path / "file" / "one.jsonl", "")
