"""What is said by the pytest plugin, and of the journals that it keeps."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path

import pytest

from convsim_adapters.running.kept import keep
from convsim_adapters.running.marked import items_of
from convsim_adapters.running.tested import Place, play

SCRIPTED = {"id": "hasty", "goal": "a refund", "script": ["W7."], "goal_when": "refunded"}
PLAYED = {"id": "vague", "goal": "a refund"}


def desk(messages):
    return "It is refunded."


def model(request) -> str:
    return "yes" if request.id.lane == "goal_check" else "W7, please."


def _marked(args, **told):
    return items_of(Path("test_desk.py").absolute(), args, told)


def markers(desk_) -> None:
    desk_.by(_marked, ())
    desk_.by(_marked, ([SCRIPTED], 7), agent=desk)
    odd = {"replay_agent": "yes", "agent_fixture": 7, "agnt": desk, "colour": "red"}
    desk_.by(_marked, ([SCRIPTED],), agent=desk, **odd)
    desk_.by(_marked, ([SCRIPTED],))
    desk_.by(_marked, ([{"goal": ""}],), agent=desk)


def journals(desk_) -> None:
    place = Place(Path("vague.jsonl"), "test_desk.py::test_desk[vague]")
    of = _marked(([PLAYED],), agent=desk, user_model=model)
    desk_.by(_failure, of.items[0], place, "none")
    [alone] = _marked(([PLAYED],), replay_agent=True, user_model=model).items
    desk_.by(_failure, alone, place, "once")
    [broken] = _marked(([SCRIPTED],), agent=lambda messages: 1 / 0).items
    desk_.by(_failure, broken, place, "once")
    play(of.items[0], place, mode="once")
    [other] = _marked(
        ([{**PLAYED, "goal": "a refund of 9 EUR"}],), agent=desk, user_model=model
    ).items
    desk_.by(_failure, other, place, "none")
    named = {"user_model": "openai/gpt-5-mini", "goal_model": "openai/gpt-5"}
    [named_] = _marked(([PLAYED],), agent=desk, **named).items
    desk_.by(_failure, named_, place, "none")
    [changed] = _marked(([PLAYED],), agent=lambda messages: "No.", user_model=model).items
    desk_.by(_failure, changed, place, "none")
    whole = place.journal.read_text("ascii")
    place.journal.write_text(whole.replace("W7", "W8", 1))
    desk_.by(_failure, of.items[0], place, "none")
    place.journal.write_text("")
    desk_.by(_failure, of.items[0], place, "none")
    Path("file").write_text("")
    desk_.by(keep, Path("file/vague.jsonl"), whole)


def _failure(item, place, mode) -> str:
    outcome = play(item, place, mode=mode)
    return outcome.failure or outcome.departs


TESTS = """
import pytest


def desk(messages):
    return "Which order?"


def broken(messages):
    raise KeyError("order")


CASE = {"id": "hasty", "goal": "a refund", "script": ["W7."], "goal_when": "refunded"}


@pytest.mark.convsim([CASE], agent=desk)
def test_plays_nothing():
    pass


@pytest.mark.skipif(False, reason="none")
def test_has_no_cases(convsim_session):
    pass


@pytest.mark.convsim([{"goal": ""}], agent=desk)
def test_has_bad_cases(convsim_session):
    pass


@pytest.mark.convsim([{**CASE, "colour": "red"}], agent=desk)
def test_is_warned_of(convsim_session):
    assert convsim_session.achieved


@pytest.mark.convsim([CASE], agent=broken)
def test_has_a_broken_agent(convsim_session):
    assert convsim_session.achieved


@pytest.mark.convsim([{"id": "vague", "goal": "a refund"}], agent=desk, user_model="openai/gpt-5")
def test_has_no_journal(convsim_session):
    assert convsim_session.achieved


@pytest.mark.convsim([CASE], agent=lambda messages: "Refunded.")
def test_is_recorded(convsim_session):
    assert convsim_session.achieved
"""
OPTIONS = """--import-mode=importlib -rw --tb=short -Walways
-p no:cacheprovider -p no:randomly -p no:xdist -p no:cov -p no:hypothesispytest"""


def plugin(desk_) -> None:
    head, *tests = TESTS.split("\n\n\n@pytest.mark")
    for number, more in enumerate(tests):
        text = f"{head}\n\n\n@pytest.mark{more}"
        _pytest(desk_, desk_.file(f"test_msgs_{number}.py", text))
    _pytest(desk_, "test_msgs_1.py -o convsim_record=never")


def _pytest(desk_, line: str) -> None:
    said = StringIO()
    with redirect_stdout(said), redirect_stderr(said):
        pytest.main([*OPTIONS.split(), *line.split()])
    wanted = [one for one in said.getvalue().splitlines() if _tells(one)]
    desk_.write("$ pytest " + line + "\n" + "\n".join(wanted))


FRAME = tuple(
    "platform rootdir plugins collecting collected configfile test_msgs_ = _ ! -- E".split()
)


def _tells(line: str) -> bool:
    """Whether a line is of ours; what pytest itself says changes with its release."""
    return "::" in line or not line.startswith(FRAME)


TRIGGERS = {
    "Markers of tests": markers,
    "Journals beside tests": journals,
    "The pytest plugin": plugin,
}
