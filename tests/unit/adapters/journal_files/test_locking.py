"""One run for each directory; a lock is gone with the process that held it, however that ended."""

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from convsim_adapters.journal_files import RunInUse, locked
from convsim_fp.errors import JournalError

HOLDING = """
import sys, time
from pathlib import Path
from convsim_adapters.journal_files import locked

with locked(Path(sys.argv[1])):
    {first}
    print("held", flush=True)
    time.sleep(600)
"""
FORKING = (
    "import os; there, here = os.pipe(); "
    "child = os.fork() or (os.write(here, b'.'), time.sleep(600)); "
    "os.read(there, 1); print(child, flush=True)"
)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Another process that holds the lock of a directory."""
    started: list[subprocess.Popen[str]] = []

    def hold(first: str = "pass") -> subprocess.Popen[str]:
        code = HOLDING.format(first=first)
        words = [sys.executable, "-c", code, str(tmp_path)]
        started.append(subprocess.Popen(words, stdout=subprocess.PIPE, text=True))
        return started[-1]

    yield hold
    for one in started:
        one.kill()
        one.wait()
        one.stdout.close()


def test_who_holds_it_is_named_to_whoever_comes_second(tmp_path: Path, holder) -> None:
    first = holder()
    assert first.stdout.readline() == "held\n"
    with pytest.raises(RunInUse) as refused, locked(tmp_path):
        pass
    assert f"{tmp_path} is in use: process {first.pid} on " in str(refused.value)
    assert "wait for it, or stop it" in str(refused.value)
    owner = json.loads((tmp_path / "journal" / "owner.json").read_text())
    assert owner["pid"] == first.pid, "the second one has written itself in"


def test_within_one_process_there_is_one_run_too(tmp_path: Path) -> None:
    with locked(tmp_path):
        with pytest.raises(RunInUse, match=f"process {os.getpid()} on "), locked(tmp_path):
            pass
        with pytest.raises(RunInUse), locked(tmp_path):
            pass
    with locked(tmp_path):
        pass


def test_the_lock_of_a_killed_process_is_free_at_once(tmp_path: Path, holder) -> None:
    first = holder()
    assert first.stdout.readline() == "held\n"
    first.kill()
    first.wait()
    assert (tmp_path / "journal" / "owner.json").exists(), "nobody cleaned up behind it"
    with locked(tmp_path):
        owner = json.loads((tmp_path / "journal" / "owner.json").read_text())
        assert owner["pid"] == os.getpid()


def test_a_child_that_survives_its_killed_parent_does_not_hold_the_lock(
    tmp_path: Path, holder
) -> None:
    """An agent may work with processes of its own, which wait for their parent for ever."""
    first = holder(FORKING)
    child = int(first.stdout.readline())
    assert first.stdout.readline() == "held\n"
    try:
        first.kill()
        first.wait()
        with locked(tmp_path):
            pass
    finally:
        os.kill(child, signal.SIGKILL)


def test_it_is_given_back_also_where_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), locked(tmp_path):
        raise ZeroDivisionError
    assert not (tmp_path / "journal" / "owner.json").exists()
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("odd", ["", "{", "[]", '{"pid": 1}', "\xff"])
def test_an_owner_that_cannot_be_read_is_another_process(tmp_path: Path, odd: str) -> None:
    with locked(tmp_path):
        (tmp_path / "journal" / "owner.json").write_text(odd, "latin-1")
        with pytest.raises(RunInUse, match="is in use by another process; wait"), locked(tmp_path):
            pass


def test_its_files_are_its_owners_alone(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with locked(tmp_path):
            for name in ("lock", "owner.json"):
                assert stat.S_IMODE((tmp_path / "journal" / name).stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_directory_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(JournalError, match="cannot be written: Not a directory"):  # noqa: SIM117
        with locked(tmp_path / "file"):
            pass
