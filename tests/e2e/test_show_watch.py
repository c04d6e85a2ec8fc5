"""Looking at a run through the command: while it goes on, when it has ended, when it was killed."""

import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

COMMAND = (sys.executable, "-m", "convsim_adapters.cli")
LOOK = ("watch", "run", "--interval", "0.05")
WAITS = '''
import os, time

def desk(messages):
    """Answers at once, but for who asks to be held: until a file says to go on."""
    while "hold" in messages[-1]["content"] and not os.path.exists("go"):
        time.sleep(0.01)
    return "It is refunded · 你好"
'''
CASES = """\
- {id: quick, goal: a refund, script: [Refund it.], goal_when: refunded}
- {id: held, goal: a refund, script: [Say something., hold on], goal_when: never}
"""
RUN = ("run", "cases.yaml", "--agent", "waits:desk", "--out", "run", "--quiet")


@pytest.fixture
def waiting(here: Path) -> Path:
    """An agent that waits for a file, and two cases, one of which makes it wait."""
    (here / "waits.py").write_text(WAITS, "utf-8")
    (here / "cases.yaml").write_text(CASES, "utf-8")
    return here


@pytest.fixture
def begun(waiting: Path, started) -> subprocess.Popen:
    """A run of which one session has ended and the other goes on."""
    child = started(*RUN)
    journal = waiting / "run" / "journal" / "0001.jsonl"
    until(lambda: journal.exists() and journal.read_bytes().count(b'"kind":"entry"') == 2)
    until(lambda: b'"kind":"ended"' in journal.read_bytes())
    return child


def until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not true():
        assert time.monotonic() < end, "it does not happen"
        time.sleep(0.01)


def looking(here: Path, environment: dict[str, str], **more) -> subprocess.Popen:
    return subprocess.Popen(
        [*COMMAND, *LOOK],
        cwd=here,
        env=environment,
        stdout=more.pop("stdout", subprocess.PIPE),
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        **more,
    )


def test_a_run_that_goes_on_is_watched_to_its_end(begun, waiting, environment) -> None:
    watch = looking(waiting, environment)
    first = watch.stdout.readline()
    assert first == "run: 1/2 sessions · 1 running · 2 turns · 1 achieved\n"
    (waiting / "go").touch()
    out, err = watch.communicate(timeout=60)
    begun.wait(timeout=60)
    assert (watch.returncode, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith("held/1: user_left after 2 turns · ")
    assert lines[1] == "run: 2/2 sessions · 0 running · 3 turns · 1 achieved"
    assert "goal achieved in 1 of 2 sessions (50 %) · 3 turns" in out
    assert "stop reasons: goal_achieved 1, user_left 1" in out


def test_a_run_that_is_killed_ends_what_watches_it_and_says_so(
    begun, waiting, environment, convsim
) -> None:
    live = convsim("show", "run")
    assert "1 session without an end; look on with: convsim watch run" in live.err
    watch = looking(waiting, environment)
    watch.stdout.readline()
    begun.kill()
    begun.wait()
    out, err = watch.communicate(timeout=60)
    assert watch.returncode == 3
    assert "goal achieved in 1 of 1 session" in out
    assert "it was killed, 1 session without an end; go on with: " in err
    assert err.endswith("resume run\n")
    dead = convsim("show", "run")
    assert dead.out.startswith("run  killed · began ")
    assert "go on with: convsim resume run" in dead.err


def test_to_leave_is_no_trouble_for_the_run(begun, waiting, environment) -> None:
    watch = looking(waiting, environment)
    watch.stdout.readline()
    watch.send_signal(signal.SIGINT)
    assert [told.strip() for told in watch.communicate(timeout=60)] == ["", ""]
    assert watch.returncode == 130
    assert begun.poll() is None


def test_on_a_terminal_it_is_drawn_again_in_place(begun, waiting, environment) -> None:
    """Without colour where none is wanted; the cursor comes back."""
    ours, theirs = pty.openpty()
    more = {"TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "40", "LINES": "20"}
    watch = looking(waiting, environment | more, stdout=theirs, stdin=theirs)
    os.close(theirs)
    (waiting / "go").touch()
    told = b""
    try:
        while chunk := os.read(ours, 65536):
            told += chunk
    except OSError:
        pass  # nobody holds the other end any more
    os.close(ours)
    watch.communicate(timeout=60)
    begun.wait(timeout=60)
    text = told.decode()
    assert watch.returncode == 0
    assert text.rindex("\x1b[?25h") > text.rindex("\x1b[?25l")
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]", text)
    assert "held/1" in text
    assert "goal achieved in 1 of 2 sessions" in " ".join(text.split())


def test_a_run_that_has_ended_is_told_with_its_exit_code(convsim) -> None:
    convsim("run", "cases.yaml", "--agent", "agents:shop", "--out", "run", "--quiet")
    ran = convsim("watch", "run")
    assert (ran.code, ran.err) == (3, "")
    assert ran.out.startswith("run: 3/3 sessions")
    assert "next:" in ran.out


def test_a_rate_is_missed_for_who_watches_as_for_who_runs(convsim, waiting) -> None:
    (waiting / "go").touch()
    convsim(*RUN)
    assert convsim("watch", "run", "--fail-under", "0.5").code == 0
    ran = convsim("watch", "run", "--fail-under", "0.6")
    assert ran.code == 1
    assert "the rate of 0.500 is under 0.6" in ran.err


def test_where_no_run_is_that_is_said(convsim, here) -> None:
    (here / "empty").mkdir()
    for name, what in (("nowhere", "is no directory"), ("empty", "holds no run yet")):
        ran = convsim("watch", name)
        assert (ran.code, ran.out) == (2, "")
        assert ran.err == (
            f"error: run is '{name}', which {what}; give the directory of a run that has begun\n"
        )


def test_list_session_and_turn(convsim, waiting) -> None:
    (waiting / "go").touch()
    convsim(*RUN)
    listed = convsim("show", "run").out
    assert listed.startswith("run  finished · began ")
    assert "rate      95 % interval 9 to 91 %" in listed
    assert listed.splitlines()[-1].endswith(" show run held/1")
    one = convsim("show", "run", "held").out
    assert one.startswith("held/1  user_left after 2 turns\n")
    assert "goal not reached: no message of the agent matches 'never'" in one
    turn = convsim("show", "run", "held/1", "--turn", 2).out
    assert "what came back\n    It is refunded · 你好\n" in turn
    ran = convsim("show", "run", "held", "--turn", 7)
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: turn is 7, which it does not have; it has 1 to 2\n"
    assert "--turn needs a CASE" in convsim("show", "run", "--turn", 1).err


def test_where_only_ascii_is_known_nothing_else_is_printed(convsim, waiting) -> None:
    (waiting / "go").touch()
    convsim(*RUN)
    for words in (["show", "run"], ["watch", "run"]):
        ran = convsim(*words, PYTHONIOENCODING="ascii", LC_ALL="C")
        assert ran.code == 0, ran.err
        assert ran.out.isascii()
        assert "|" in ran.out
        assert "\\u" not in ran.out


def test_who_has_seen_enough_stops_reading(waiting, environment, convsim) -> None:
    (waiting / "go").touch()
    convsim(*RUN)
    for words in ("show run --full", "watch run"):
        line = f"set -o pipefail; {sys.executable} -m convsim_adapters.cli {words} | true"
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=waiting,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, "")
