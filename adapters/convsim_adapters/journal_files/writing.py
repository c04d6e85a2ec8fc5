"""Writing a journal: one write for each record, before anything that follows from it is sent.

What the operating system has taken survives a killed process. With durability ``strict`` a request
waits until what came before it has reached the disk; those that wait share one synchronisation.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Literal, TypeAlias

from attrs import Factory, define

from convsim_adapters.journal_files.places import PRIVATE, as_seen, next_segment
from convsim_fp.core import Request, Session, State, TestCase, freeze_object
from convsim_fp.errors import JournalError
from convsim_fp.interpreters import APerform, Entry, Observed
from convsim_fp.journal import (
    FORMAT,
    MACHINE,
    Begun,
    Header,
    Known,
    Parent,
    Record,
    Snapshot,
    ended,
    record_to_plain,
    recorded,
    write_line,
)
from convsim_fp.texts import V1

__all__ = ["Durability", "JournalWriter", "journal_writer"]

Durability: TypeAlias = Literal["process", "strict"]


@define
class JournalWriter:
    """Appends the records of one process to a segment of its own.

    `entry` is a sink, `ended` is to be told each session that ended. Raises `JournalError` where
    the disk refuses a record; everything before it is kept, and nothing is written after it.
    """

    path: Path
    file: int
    durability: Durability = "process"
    number: int = 0
    synced: int = 0
    known: dict[str, Known] = Factory(dict[str, Known])
    syncing: asyncio.Task[None] | None = None
    broken: JournalError | None = None

    def begin(
        self,
        session: Session,
        case: TestCase,
        snapshot: Snapshot | None = None,
        parent: Parent | None = None,
    ) -> None:
        """Record that a session begins, or goes on: with its case, or from a snapshot."""
        state = None if snapshot is None else snapshot.state
        self.known[session.id] = Known(case.history if state is None else state.transcript)
        self.write(Begun(session, case, "" if snapshot is None else snapshot.digest, parent))

    def entry(self, entry: Entry) -> None:
        """Record what happened in a session, which begins with it where it has not yet."""
        known = self.known.get(entry.session.id)
        if known is None and entry.request is not None:
            self.begin(entry.session, entry.request.case)
            known = self.known[entry.session.id]
        if known is None:
            return  # an interruption of what never began
        written, self.known[entry.session.id] = recorded(known, entry)
        self.write(written)

    def ended(self, state: State) -> None:
        """Record how a session ended."""
        if state.session.id not in self.known:
            self.begin(state.session, state.case)
        self.write(ended(self.known.pop(state.session.id), state))

    def cut(self, states: Iterable[State]) -> None:
        """Record the ends that are not recorded yet, if the disk still can."""
        if self.broken is None:
            for state in states:
                if state.session.id in self.known:
                    self.ended(state)

    def write(self, record: Record) -> None:
        """Append one record, by one write of the operating system."""
        if self.broken is not None:
            raise self.broken
        line = write_line(self.number, record_to_plain(record)).encode("ascii")
        try:
            done = os.write(self.file, line)
        except OSError as error:
            self._break(error.strerror or str(error))
        else:
            if done < len(line):
                self._break("only a part of a record could be written: the disk is full")
            self.number += 1

    def durable(self, perform: APerform) -> APerform:
        """Let requests wait until what came before them is on the disk; only with ``strict``."""
        if self.durability == "process":
            return perform

        async def performed(request: Request) -> Observed:
            await self.sync()
            return await perform(request)

        return performed

    async def sync(self) -> None:
        """Wait until every record that is written now has reached the disk."""
        target = self.number
        while self.synced < target:
            if self.broken is not None:
                raise self.broken
            if self.syncing is None or self.syncing.done():
                self.syncing = asyncio.create_task(self._sync())
            await asyncio.shield(self.syncing)

    async def _sync(self) -> None:
        written = self.number
        try:
            await asyncio.get_running_loop().run_in_executor(None, os.fdatasync, self.file)
        except OSError as error:
            self._break(error.strerror or str(error))
        self.synced = written

    def _break(self, why: str) -> None:
        path = as_seen(self.path)
        run = path.parent.parent
        self.broken = JournalError(
            f"{path} cannot be written: {why}; what came before is kept: make it writable, "
            f"then go on with: convsim resume {run}"
        )
        raise self.broken


@contextmanager
def journal_writer(
    directory: Path, header: Header | None = None, *, durability: Durability = "process"
) -> Generator[JournalWriter]:
    """Begin a segment in a run's directory, and close it after the block.

    The lock of the directory is the caller's business (`locked`), where several may write. Raises
    `JournalError` where it cannot be written.
    """
    path, file = _new_segment(directory)
    writer = JournalWriter(path, file, durability)
    try:
        writer.write(_plain_header(directory) if header is None else header)
        if durability == "strict":
            for made in (path.parent, directory, directory.parent):
                _sync_directory(made)
        yield writer
        if durability == "strict" and writer.broken is None:
            os.fdatasync(file)
    finally:
        os.close(file)


def _new_segment(directory: Path) -> tuple[Path, int]:
    """A segment of one's own and its file; of several that begin one at once each gets another."""
    path = next_segment(directory)
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return path, os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, PRIVATE)
        except OSError as error:
            taken, path = path, next_segment(directory)
            if not isinstance(error, FileExistsError) or path == taken:  # else others were quicker
                raise JournalError(
                    f"{as_seen(taken)} cannot be written: {error.strerror}"
                ) from error


def _plain_header(directory: Path) -> Header:
    """For a runner of somebody's own, whose settings are not ours to know."""
    began = datetime.now(UTC).isoformat(timespec="seconds")
    name, made = directory.resolve().name, version("convsim-fp")
    return Header(FORMAT, name, made, MACHINE, V1.version, began, freeze_object({}))


def _sync_directory(directory: Path) -> None:
    """What is new is only found after a power loss when the directory that names it is on disk."""
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
