"""Files are refused in words by their size, encoding and name, before anything is parsed."""

import os
from pathlib import Path

import pytest

from convsim_adapters.case_files import load_cases
from convsim_adapters.case_files.files import MOST_BYTES, format_of
from convsim_fp.errors import InvalidSpec


def message(paths, **how) -> str:
    with pytest.raises(InvalidSpec) as refused:
        load_cases(paths, **how)
    return str(refused.value)


def test_the_format_goes_by_the_ending_in_any_case() -> None:
    assert [format_of(f"a.{e}") for e in ("YAML", "yml", "json", "jsonl", "ndjson", "CSV")] == [
        "yaml",
        "yaml",
        "json",
        "jsonl",
        "jsonl",
        "csv",
    ]


def test_an_unknown_ending_is_refused_and_a_format_helps(write) -> None:
    file = write("cases.txt", '[{"goal": "pay"}]')
    assert "the file ends on '.txt', expected .yaml, .yml, .json" in message(file)
    assert load_cases(file, format="json").cases[0].goal == "pay"
    assert "the file has no ending, expected" in message(write("cases", ""))


def test_an_unknown_format_is_refused() -> None:
    assert message("a.json", format="xml").startswith("format is 'xml', expected one of auto, yaml")


def test_no_files_are_refused() -> None:
    assert message([]) == "the cases are in no file; name at least one"


def test_a_missing_file_is_refused(tmp_path) -> None:
    assert message(tmp_path / "a.json").endswith("the file does not exist; check the path")


@pytest.mark.parametrize("name", ["auto", "json"])
def test_a_folder_is_refused(tmp_path, name) -> None:
    told = message(tmp_path, format=name)
    assert told.endswith("the file is a folder, expected a file; name the files in it")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads any file")
def test_a_file_that_may_not_be_read_is_refused(write) -> None:
    file = write("a.json", "[]")
    file.chmod(0)
    assert "the file cannot be read: Permission denied" in message(file)


def test_a_path_that_no_file_can_have_is_refused() -> None:
    assert "the file cannot be read: embedded null byte" in message("a\0.json", format="json")


def test_a_large_file_is_refused_by_its_size_before_it_is_read(tmp_path) -> None:
    file = tmp_path / "a.json"
    with file.open("wb") as opened:
        opened.truncate(104_900_000)
    assert message(file).endswith("the file is 104.9 MB, expected at most 20 MB; split it")


def test_a_file_of_one_byte_too_many_does_not_read_as_small_enough(tmp_path) -> None:
    file = tmp_path / "a.json"
    with file.open("wb") as opened:
        opened.truncate(MOST_BYTES + 1)
    assert "the file is 20.1 MB, expected at most 20 MB" in message(file)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without an end")
def test_a_file_that_tells_no_size_is_read_no_further_than_allowed() -> None:
    assert "the file is larger, expected at most 20 MB" in message("/dev/zero", format="json")


def test_a_mark_of_utf_8_is_no_part_of_the_text(write) -> None:
    for name, text in (
        ("a.json", '[{"goal": "pay"}]'),
        ("a.yaml", "- goal: pay"),
        ("a.csv", "goal\npay"),
    ):
        assert load_cases(write(name, b"\xef\xbb\xbf" + text.encode())).cases[0].goal == "pay"


@pytest.mark.parametrize(
    ("encoding", "name"), [("utf-16", "UTF-16"), ("utf-32", "UTF-32"), ("utf-16-be", "UTF-16")]
)
def test_another_unicode_is_refused_by_its_mark(refused, encoding, name) -> None:
    told = refused("a.csv", "\ufeffgoal\npay".encode(encoding))
    assert told == [f"a.csv:1: the file is in {name}, expected UTF-8; save the file as UTF-8"]


def test_a_byte_that_is_no_utf_8_is_refused_with_its_line(refused) -> None:
    assert refused("a.yaml", b"- goal: a\n\n- goal: caf\xe9\n") == [
        "a.yaml:3: the file has the byte 0xE9 in line 3, which is no UTF-8; save the file as UTF-8"
    ]


@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.yaml", "a.csv"])
def test_a_nul_byte_is_refused_with_its_line(refused, name) -> None:
    [told] = refused(name, b"goal\n\0")
    assert (
        told
        == f"{name}:2: the file has a NUL byte in line 2; save the file as UTF-8, as plain text"
    )


@pytest.mark.parametrize("content", ["", " \n\n"])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.yaml", "a.csv"])
def test_an_empty_file_has_no_test_cases(refused, name, content) -> None:
    assert refused(name, content) == [f"{name}: the file has no test cases; write a list of them"]


@pytest.mark.parametrize(
    ("name", "content"),
    [("a.json", "[]"), ("a.json", '{"cases": []}'), ("a.yaml", "[]"), ("a.yaml", "---\n...\n")],
)
def test_an_empty_list_has_no_test_cases(refused, name, content) -> None:
    assert refused(name, content) == [f"{name}: the file has no test cases; write a list of them"]
