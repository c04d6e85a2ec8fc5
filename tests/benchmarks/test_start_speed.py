"""How soon the command answers and a run sends its first request; the table goes to the docs."""

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from threading import Thread
from time import perf_counter

import pytest
from attrs import Factory, define

pytestmark = pytest.mark.benchmark

TABLE = "start"
ROWS: list[tuple[str, str, str, str]] = []
RUNS = 9
CONVSIM = (sys.executable, "-m", "convsim_adapters.cli")
NOTHING = (sys.executable, "-c", "pass")
LIBRARIES = (sys.executable, "-c", "import aiohttp, yaml, click, rich")
REFUSED = b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
AGENT = 'def agent(messages):\n    return "Which order is it, please?"\n'


@define
class Refusing:
    """A server that refuses whatever it is asked, and notes when it was asked first."""

    listener: socket.socket
    asked: list[float] = Factory(list)

    @property
    def address(self) -> str:
        host, port = self.listener.getsockname()
        return f"http://{host}:{port}/v1"

    def serve(self) -> None:
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with connection:
                if connection.recv(1):
                    self.asked.append(perf_counter())
                connection.recv(2**20)
                connection.sendall(REFUSED)


@contextmanager
def refusing() -> Iterator[Refusing]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = Refusing(listener)
        thread = Thread(target=server.serve, daemon=True)
        thread.start()
        yield server
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


def whole(words: tuple[str, ...]) -> float:
    """Seconds of a program, the median of several."""
    return median(ended(words) for _ in range(RUNS))


def ended(words: tuple[str, ...]) -> float:
    begun = perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return perf_counter() - begun


def first_request(here: Path, *more: str) -> float:
    """Seconds from the start of the command until the model is asked something."""
    with refusing() as server:
        words = [*CONVSIM, "run", "cases.yaml", "--agent", "desk:agent", *more]
        words += ["--user-model", server.address, "--user-param", "model=m"]
        begun = perf_counter()
        done = subprocess.run(words, cwd=here, capture_output=True, text=True, check=False)
        assert server.asked, done.stdout + done.stderr
        return min(server.asked) - begun


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "desk.py").write_text(AGENT)
    goals = [f"- goal: get the money back for order {n}\n" for n in range(20)]
    (tmp_path / "cases.yaml").write_text("".join(goals))
    return tmp_path


def test_help_is_there_at_once() -> None:
    shown, bare = whole((*CONVSIM, "--help")), whole(NOTHING)
    floor = f"`python -c pass`: {bare:.2f} s"
    ROWS.append(("`convsim --help`", "< 0.3 s", f"{shown:.2f} s", floor))
    assert shown < 30 * bare


@pytest.mark.parametrize(("processes", "what"), [("1", "one process"), ("2", "two processes")])
def test_the_first_request_of_a_run(here: Path, processes: str, what: str) -> None:
    sent = median(first_request(here, "--processes", processes) for _ in range(RUNS))
    floor = whole(LIBRARIES)
    name = f"`convsim run`, until its first request is sent, {what}"
    libraries = f"`import aiohttp, yaml, click, rich`: {floor:.2f} s"
    ROWS.append((name, "< 1 s", f"{sent:.2f} s", libraries))
    assert sent < 5 * floor
