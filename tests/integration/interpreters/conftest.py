"""Real processes that are sent real signals."""

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

SECONDS = 2.0  # what an exit may take

HEAD = """
import asyncio, os, signal, sys, threading, time
from convsim_fp import *
from convsim_fp.goals import never
from convsim_fp.interpreters import ConversationCancelled, RunCancelled

# A shell that starts jobs in the background has them ignore Ctrl-C.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.alarm(60)  # whatever happens, the script ends

def say(*words):
    print(" ".join(map(str, words)) + "\\n", end="", flush=True)  # one write: threads print too

def told(state):
    say("finished", state.session.id)

def forever():
    say("inside")
    threading.Event().wait()

def hello(view):
    return Say("Hello.")

rules = Rules(hello, never, max_turns=1)
cases = [TestCase(goal="quick", id="one"), TestCase(goal="slow", id="two")]

def show(states):
    say("states", *(f"{s.session.id}={s.phase.reason}" for s in states))

def handle(error):
    show(error.states)
    say("message", error)
    sys.exit(error.exit_code)
"""


class Script:
    """A script under way."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-W", "always", str(path)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True)

    def until(self, *lines: str) -> None:
        """Read what it prints until it has printed these lines, in any order."""
        wanted = list(lines)
        while wanted:
            line = self.process.stdout.readline()
            assert line, self.process.communicate()[1]
            if line.strip() in wanted:
                wanted.remove(line.strip())

    def write(self, line: str) -> None:
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def ended(self) -> tuple[int, list[str], str]:
        """The exit code, what was printed since, and the errors; in time."""
        out, errors = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out.splitlines(), errors


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Callable[[str], Script]]:
    begun: list[Script] = []

    def begin(text: str) -> Script:
        path = tmp_path / f"script_{len(begun)}.py"
        path.write_text(HEAD + text, encoding="utf-8")
        begun.append(Script(path))
        return begun[-1]

    yield begin
    for script in begun:
        script.process.kill()
        script.process.communicate()
