"""The command as a process of its own, in a directory of its own."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from attrs import frozen

COMMAND = (sys.executable, "-m", "convsim_adapters.cli")
KEPT = ("HOME", "LANG", "PATH", "TMPDIR", "COVERAGE_PROCESS_START")

AGENTS = '''
import asyncio
import os
import time

from convsim_fp import Reply
from convsim_fp.errors import RateLimited, Unauthorized
from convsim_fp.interpreters import Facts


def shop(messages):
    """Answers what it is asked, and fails where it is told to."""
    said = messages[-1]["content"]
    if "crash" in said:
        raise RuntimeError("no such order\\nat all")
    if "hang" in said:
        time.sleep(600)
    return f"Refunded: \\x1b[31m{said}\\x1b[0m"


class Counter:
    """Remembers how often it was called."""

    def __init__(self):
        self.calls = 0

    def __call__(self, messages):
        self.calls += 1
        return f"call {self.calls}"


def model(request):
    """Says the turn as the user, and no as the judge; costs something each time."""
    facts = Facts(input_tokens=90, output_tokens=10, cost=0.25)
    return Reply("no" if request.id.lane == "goal_check" else f"turn {request.id.turn}", facts)


def unsure(request):
    """A judge that answers nothing that can be used."""
    return "maybe" if request.id.lane == "goal_check" else "hello"


def hangs(request):
    time.sleep(600)


async def ahangs(request):
    await asyncio.sleep(600)


def counted(request):
    """Leaves a mark for each call in a file, which outlives the process."""
    with open("calls", "ab", buffering=0) as file:
        file.write(b".")
    time.sleep(0.002)
    return "no" if request.id.lane == "goal_check" else f"I say {request.id.turn}."


def silent(request):
    return "no" if request.id.lane == "goal_check" else f"turn {request.id.turn}"


def tells(request):
    raise Unauthorized(f"bad key {os.environ['SOME_API_KEY']}")


class Stop(BaseException):
    pass


def stops(messages):
    raise Stop


def chatty(messages):
    print("NOISE")
    return "refunded"


class Mute:
    pass


def limited(request):
    raise RateLimited("slow down")
'''

CASES = """\
- id: refund
  goal: get the money back
  script: [money back please]
  goal_when: refunded
  tags: [money]
- id: missed
  goal: hear what no agent says
  script: [hello, hello again]
  goal_when: abracadabra
- id: broken
  goal: find the flaw
  script: [crash now]
  goal_when: refunded
  tags: [money]
"""


@frozen
class Ran:
    """What a command did."""

    code: int
    out: str
    err: str


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A directory with agents, models and cases."""
    (tmp_path / "agents.py").write_text(AGENTS, "utf-8")
    (tmp_path / "cases.yaml").write_text(CASES, "utf-8")
    return tmp_path


@pytest.fixture
def environment() -> dict[str, str]:
    """What a plain shell would give, whatever runs the tests."""
    return {name: os.environ[name] for name in KEPT if name in os.environ}


@pytest.fixture
def started(here: Path, environment: dict[str, str]) -> Iterator[Callable[..., subprocess.Popen]]:
    """Run the command beside the test; what still goes on at its end is killed."""
    children: list[subprocess.Popen] = []

    def start(*words: str) -> subprocess.Popen:
        children.append(
            subprocess.Popen(
                [*COMMAND, *words],
                cwd=here,
                env=environment,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
        )
        return children[-1]

    yield start
    for child in children:
        child.kill()
        child.wait()


@pytest.fixture
def convsim(here: Path, environment: dict[str, str]) -> Callable[..., Ran]:
    """Run the command to its end."""

    def run(*words: object, before: Callable[[], None] | None = None, **more: str) -> Ran:
        done = subprocess.run(
            [*COMMAND, *map(str, words)],
            cwd=here,
            env=environment | more,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
            check=False,
            stdin=subprocess.DEVNULL,
            preexec_fn=before,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    return run
