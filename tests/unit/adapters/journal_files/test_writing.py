"""Records on a disk: one write each, nothing after one that was refused, synchronised together."""

import asyncio
import os
import resource
import signal
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.journal_files import JournalWriter, journal_writer, load_journal, segments_of
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Lane,
    Message,
    RequestId,
    Session,
    TestCase,
    new_session,
)
from convsim_fp.errors import JournalError
from convsim_fp.interpreters import Entry, Observed

CASE = TestCase(goal="get a refund", id="refund")
texts = st.text(st.characters(codec=None), max_size=40)


def session(name: str) -> Session:
    return new_session(name, 1, 0)


def entry(name: str, turn: int, text: str, said: tuple[Message, ...] = ()) -> Entry:
    id = RequestId(turn, Lane.AGENT, 0)
    asked = CallAgent(id, session(name), CASE, (*said, Message("user", f"turn {turn}")))
    return Entry(session(name), asked, Observed(AgentReplied(id, text)))


def recorded(directory: Path) -> dict[str, list[str]]:
    return {
        log.session.id: [one.seen.text for one in log.entries]
        for log in load_journal(directory).sessions
    }


@contextmanager
def at_most(size: int) -> Iterator[None]:
    """Files of this process may have so many bytes, as on a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@given(st.lists(st.tuples(st.sampled_from("abc"), texts), max_size=12))
def test_what_is_written_can_be_read_after_every_record(tmp_path_factory, said) -> None:
    """Law: a reader has every record, as soon as writing it has returned; whatever its text is."""
    directory = tmp_path_factory.mktemp("run")
    expected: dict[str, list[str]] = {}
    with journal_writer(directory) as writer:
        for turn, (name, text) in enumerate(said, 1):
            writer.entry(entry(name, turn, text))
            expected.setdefault(f"{name}/1", []).append(text)
            assert recorded(directory) == expected
    assert recorded(directory) == expected


def test_each_process_has_a_segment_of_its_own(tmp_path: Path) -> None:
    for turn in (1, 2, 3):
        with journal_writer(tmp_path) as writer:
            writer.begin(session("a"), CASE)
            writer.entry(entry("a", turn, f"reply {turn}"))
    assert [path.name for path in segments_of(tmp_path)] == [
        "0001.jsonl",
        "0002.jsonl",
        "0003.jsonl",
    ]
    assert recorded(tmp_path) == {"a/1": ["reply 1", "reply 2", "reply 3"]}


def test_segments_come_in_the_order_of_their_numbers_also_beyond_four_digits(
    tmp_path: Path,
) -> None:
    (tmp_path / "journal").mkdir()
    for name in ("9999.jsonl", "10000.jsonl", "0002.jsonl", "notes.jsonl", "0003.jsonl.bak"):
        (tmp_path / "journal" / name).touch()
    with journal_writer(tmp_path) as writer:
        assert writer.path.name == "10001.jsonl"
    names = [path.name for path in segments_of(tmp_path)]
    assert names == ["0002.jsonl", "9999.jsonl", "10000.jsonl", "10001.jsonl"]


def test_only_its_owner_can_read_a_segment(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        with journal_writer(tmp_path) as writer:
            assert stat.S_IMODE(writer.path.stat().st_mode) == 0o600
    finally:
        os.umask(before)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text("a file where a directory has to be")
    with (
        pytest.raises(JournalError, match=r"0001\.jsonl cannot be written"),
        journal_writer(tmp_path),
    ):
        pass


def refusing(device: str) -> Callable[[Path], JournalWriter]:
    """A writer to a device of the system that refuses everything, for one reason."""
    return lambda run: JournalWriter(run / "journal" / "0001.jsonl", os.open(device, os.O_WRONLY))


@pytest.mark.parametrize(
    ("device", "why"),
    [("/dev/full", "No space left on device"), ("/proc/self/mem", "Input/output error")],
)
def test_what_the_disk_refuses_is_said_with_what_to_do(tmp_path: Path, device, why) -> None:
    if not Path(device).exists():
        pytest.skip(f"{device} is not there")
    writer = refusing(device)(tmp_path)
    told = (
        f"{tmp_path}/journal/0001.jsonl cannot be written: {why}; what came before is kept: "
        f"make it writable, then go on with: convsim resume {tmp_path}"
    )
    try:
        for _ in range(2):
            with pytest.raises(JournalError) as refused:
                writer.entry(entry("a", 1, "There."))
            assert str(refused.value) == told
    finally:
        os.close(writer.file)


@given(st.integers(1, 3000))
def test_nothing_is_written_after_a_record_that_did_not_fit(tmp_path_factory, room: int) -> None:
    """Law: wherever the disk ends, what is read is what was written before, and no more."""
    directory = tmp_path_factory.mktemp("run")
    expected: list[str] = []
    with journal_writer(directory) as writer:
        writer.begin(session("a"), CASE)
        with at_most(writer.path.stat().st_size + room), suppress(JournalError):
            for turn in range(1, 100):
                writer.entry(entry("a", turn, f"reply {turn}"))
                expected.append(f"reply {turn}")
        assert len(expected) < 99
        size = writer.path.stat().st_size
        with pytest.raises(JournalError):  # though there is room again
            writer.entry(entry("a", 100, "too late"))
        writer.cut([])
        assert writer.path.stat().st_size == size
    assert recorded(directory) == {"a/1": expected}
    with journal_writer(directory) as writer:
        writer.begin(session("a"), CASE)
        writer.entry(entry("a", 101, "goes on"))
    assert recorded(directory) == {"a/1": [*expected, "goes on"]}


def test_a_segment_that_cannot_even_begin_is_refused(tmp_path: Path) -> None:
    with at_most(10), pytest.raises(JournalError, match="disk is full"), journal_writer(tmp_path):
        pytest.fail("nothing may be asked")


async def answered(request) -> Observed:
    return Observed(AgentReplied(request.id, "There."))


def test_a_killed_process_needs_no_synchronisation(tmp_path: Path) -> None:
    with journal_writer(tmp_path) as writer:
        assert writer.durable(answered) is answered


def test_a_strict_request_waits_until_what_came_before_is_on_the_disk(tmp_path: Path) -> None:
    async def run() -> None:
        asked = entry("a", 2, "").request

        async def performed(request):
            assert writer.synced >= 2, "sent before the header and the entry were on the disk"
            return await answered(request)

        writer.entry(entry("a", 1, "Hello."))
        await writer.durable(performed)(asked)

    with journal_writer(tmp_path, durability="strict") as writer:
        asyncio.run(run())


def test_a_strict_journal_can_be_found_after_a_power_loss(tmp_path: Path, monkeypatch) -> None:
    """A file is lost with its directory, and that with the one above, until they are on disk."""
    synced: list[Path] = []
    fsync = os.fsync

    def noted(handle: int) -> None:
        synced.append(Path(f"/proc/self/fd/{handle}").resolve())
        fsync(handle)

    monkeypatch.setattr(os, "fsync", noted)
    with journal_writer(tmp_path / "runs" / "first", durability="strict"):
        made = tmp_path / "runs" / "first" / "journal"
        assert synced == [made, made.parent, made.parent.parent]


@given(st.lists(st.integers(0, 3), min_size=1, max_size=8))
def test_requests_that_wait_together_share_a_synchronisation(tmp_path_factory, records) -> None:
    """Law: each waits for all that was written when it began to; many need but two rounds."""
    rounds: list[int] = []

    async def one(number: int) -> None:
        for turn in range(number):
            writer.entry(entry("a", turn + 1, "Hello."))
        target = writer.number
        await writer.sync()
        assert writer.synced >= target
        rounds.append(writer.synced)

    async def run() -> None:
        await asyncio.gather(*map(one, records))

    with journal_writer(tmp_path_factory.mktemp("run"), durability="strict") as writer:
        asyncio.run(run())
    assert len(set(rounds)) <= 2


def test_a_disk_that_cannot_be_synchronised_stops_all_that_wait(tmp_path: Path) -> None:
    reading, writing = os.pipe()  # takes every record, and no synchronisation
    writer = JournalWriter(tmp_path / "journal" / "0001.jsonl", writing, "strict")

    async def run() -> list[object]:
        writer.entry(entry("a", 1, "Hello."))
        return await asyncio.gather(*(writer.sync() for _ in range(3)), return_exceptions=True)

    try:
        assert [type(error) for error in asyncio.run(run())] == [JournalError] * 3
        with pytest.raises(JournalError, match="cannot be written: Invalid argument"):
            writer.entry(entry("a", 2, "Hello."))
    finally:
        os.close(reading)
        os.close(writing)
