"""The bar of `simulate`: there where somebody looks, and what it shows is what happened."""

import asyncio
import io
import sys
from contextlib import redirect_stderr
from pathlib import Path

import pytest

from convsim_adapters import SessionResult, simulate
from convsim_adapters.running.progress import is_shown
from convsim_fp import Reply
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters import Entry, Facts

pytest.importorskip("tqdm", reason="needs convsim-fp[notebook]")

CASES = [
    {"id": "greet", "goal": "greet", "goal_when": "hi"},
    {"id": "crash", "goal": "crash", "script": ["crash"], "goal_when": "hi"},
]


class Terminal(io.StringIO):
    """Standard error where somebody looks."""

    def isatty(self) -> bool:
        return True


def agent(messages):
    if messages[-1]["content"] == "crash":
        raise RuntimeError("crash")
    return "Hi."


def user_model(request):
    return Reply("Hello.", Facts(cost=0.25))


def play(**more):
    return simulate(CASES, agent, user_model=user_model, overlap=False, save=False, **more)


SHOWN = "2/2 sessions · 1 achieved · 1 failed · $0.2500"


def test_a_terminal_shows_a_bar() -> None:
    with redirect_stderr(Terminal()) as terminal:
        play()
    assert SHOWN in terminal.getvalue()


def test_nothing_goes_to_a_pipe_unless_it_is_asked_for() -> None:
    with redirect_stderr(io.StringIO()) as pipe:
        play()
        assert pipe.getvalue() == ""
        play(progress=True)
    assert SHOWN in pipe.getvalue()


def test_a_terminal_shows_none_where_none_is_wanted() -> None:
    with redirect_stderr(Terminal()) as terminal:
        play(progress=False)
    assert terminal.getvalue() == ""


def test_a_program_without_standard_error_has_no_bar() -> None:
    with redirect_stderr(None):
        assert not is_shown(None)


def test_a_notebook_is_known_by_its_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ipykernel.zmqshell", sys)
    with redirect_stderr(io.StringIO()):
        assert is_shown(None)


def test_sinks_and_callbacks_are_told_beside_the_bar() -> None:
    entries, ended = list[Entry](), list[SessionResult]()
    with redirect_stderr(Terminal()) as terminal:
        play(sink=entries.append, finished=ended.append)
    assert {one.id for one in ended} == {"greet/1", "crash/1"}
    assert entries
    assert SHOWN in terminal.getvalue()


def test_the_bar_moves_within_a_running_loop() -> None:
    async def within():
        assert asyncio.get_running_loop().is_running()
        return play()

    with redirect_stderr(Terminal()) as terminal:
        assert asyncio.run(within()).achieved == 1
    assert SHOWN in terminal.getvalue()


def test_the_bar_ends_with_a_run_that_breaks() -> None:
    def told(result):
        raise LookupError("mine")

    with redirect_stderr(Terminal()) as terminal, pytest.raises(LookupError, match="mine"):
        play(finished=told)
    assert terminal.getvalue().endswith("\n")


@pytest.mark.parametrize("after", [0, 1, 2, 3])
def test_a_bar_that_cannot_be_written_does_not_touch_the_run(after: int) -> None:
    class Closing(Terminal):
        left = after

        def write(self, text: str) -> int:
            self.left -= 1
            if self.left < 0:
                raise BrokenPipeError
            return super().write(text)

    with redirect_stderr(Closing()):
        assert play().achieved == 1


def test_a_bar_that_was_asked_for_and_cannot_be_made_names_the_install_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tqdm", None)
    line = r"tqdm is not installed.*pip install 'convsim-fp\[notebook\]'"
    with pytest.raises(InvalidSpec, match=line):
        play(progress=True)


def test_several_processes_move_one_bar(tmp_path: Path) -> None:
    desk = "convsim_adapters.demo.shop:OrderDesk"
    case = {"goal": "greet", "script": ["Hello."], "goal_when": "order"}
    with redirect_stderr(Terminal()) as terminal:
        run = simulate([case], desk, processes=2, trials=2, out=tmp_path / "run")
    assert f"2/2 sessions · {run.achieved} achieved" in terminal.getvalue()
