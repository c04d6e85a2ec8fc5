"""Worker processes as their run sees them: started, spoken to, listened to, gone."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import Signals
from subprocess import PIPE, Popen
from threading import Thread
from typing import IO, Any

from attrs import Factory, asdict, define, frozen

from convsim_adapters.limits import Leave
from convsim_adapters.running.pipes import Message, Pipe, messages
from convsim_fp.errors import ConvsimError

__all__ = ["Gone", "Heard", "Process", "Worker", "WorkerLost", "started"]

# A worker finds modules where its run does; the script that called us is not imported again.
START = (
    "import sys; sys.path[:] = sys.argv[1:]; del sys.argv[1:]; "
    "from convsim_adapters.running.worker import main; main()"
)
PATIENCE = 5.0  # seconds that a worker has to end when it has said its last


@frozen
class Gone:
    """A process has ended, with this code; nothing more comes from it."""

    code: int

    def __str__(self) -> str:
        if self.code < 0:
            with suppress(ValueError):
                return Signals(-self.code).name
        return f"exit code {self.code}"


class WorkerLost(ConvsimError):
    """A worker process of a run failed, or ended again and again; what is recorded is kept."""


@frozen
class Heard:
    """What came from a process: a message, or its end."""

    process: Process
    said: Message | Gone


@define(eq=False)
class Process:
    """One worker process. `hears` is told every message from it, in a thread, and its end."""

    popen: Popen[bytes]
    hears: Callable[[Heard], object]
    pipe: Pipe = Factory(lambda self: Pipe(_end(self.popen.stdin).fileno()), takes_self=True)
    reading: Thread = Factory(lambda self: _thread(self.read), takes_self=True)
    waiting: Thread = Factory(lambda self: _thread(self.wait), takes_self=True)

    def say(self, kind: str, **told: Any) -> None:
        """Send a message; to one that is gone it is lost, and that it is gone will be heard."""
        with suppress(OSError):
            self.pipe.say(kind, **told)

    def give(self, leave: Leave) -> None:
        """Let it send a request."""
        self.say("leave", leave=asdict(leave))

    def kill(self) -> None:
        """Give it no more time."""
        self.popen.kill()

    def close(self, *, patience: float = PATIENCE) -> None:
        """Wait until it has ended; who takes longer, in seconds, is killed."""
        self.waiting.join(patience)
        if self.waiting.is_alive():
            self.kill()
            self.waiting.join()
        _end(self.popen.stdin).close()
        if not self.reading.is_alive():  # else what an agent has started holds it open
            _end(self.popen.stdout).close()

    def read(self) -> None:
        """Pass on what it says."""
        for message in messages(_end(self.popen.stdout).fileno()):
            self.hears(Heard(self, message))

    def wait(self) -> None:
        """Tell its end; what it has started itself may hold its pipes open for longer."""
        code = self.popen.wait()
        self.reading.join(PATIENCE)
        self.hears(Heard(self, Gone(code)))


def started(hears: Callable[[Heard], object], home: Path) -> Process:
    """Start a worker, in a session of its own: the Ctrl-C of a terminal is for the run alone.

    It begins where the run did, at `home`, and finds the agent's module as that did.
    """
    process = Process(
        Popen(
            [sys.executable, "-c", START, *sys.path],
            stdin=PIPE,
            stdout=PIPE,
            bufsize=0,
            cwd=home,
            start_new_session=True,
        ),
        hears,
    )
    process.reading.start()
    process.waiting.start()
    return process


@define(eq=False)
class Worker:
    """The sessions of one worker that have not ended; it may be one process after another.

    It is `ready` when its process could begin, and `done` when all its sessions have ended. `lost`
    counts the processes that ended one after another before any session did.
    """

    sessions: set[str]
    concurrency: int
    process: Process
    ready: bool = False
    done: bool = False
    lost: int = 0

    @property
    def running(self) -> int:
        """How many of its sessions go on, at most."""
        return min(self.concurrency, len(self.sessions))

    def say(self, kind: str, **told: Any) -> None:
        """Send a message to its process."""
        self.process.say(kind, **told)


def _thread(call: Callable[[], None]) -> Thread:
    return Thread(target=call, name="convsim worker", daemon=True)


def _end(pipe: IO[bytes] | None) -> IO[bytes]:
    assert pipe is not None
    return pipe
