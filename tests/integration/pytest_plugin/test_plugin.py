"""The pytest plugin: real pytest processes in a directory of a user's own."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from attrs import frozen

from convsim_adapters import find_conversation
from convsim_fp import Rules, goals, replay, users
from convsim_fp.journal import read_journal, read_segment

DESK = '''
import re


def desk(messages):
    """Knows what it is sent, and nothing else."""
    orders = re.findall(r"W[0-9]", " ".join(m["content"] for m in messages))
    if not orders:
        return "Which order is it?"
    return f"{orders[-1]} is refunded." if "please" in messages[-1]["content"] else "Shall I?"


def model(request):
    """Leaves a mark for each call; says what is expected, and judges by the words."""
    with open("calls", "a") as file:
        file.write(f"{request.session.id}/{request.id} ")
    if request.id.lane == "goal_check":
        said = request.messages[-1].content
        return "yes" if "is refunded" in said else "no"
    return ["I want a refund.", "It is W7.", "Yes, please."][request.id.turn - 1]
'''
CASES = """
- id: played
  goal: get the money back for order W7
- id: scripted
  goal: get the money back for order W8
  script: [Refund W8., "Yes, please."]
  goal_when: W8 is refunded
"""
TEST = """
import pytest


@pytest.mark.convsim("cases.yaml", agent="desk:desk", user_model="desk:model")
def test_the_desk(convsim_session):
    assert convsim_session.achieved
"""
EMPTY = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}


@frozen
class Ran:
    """What a pytest process said."""

    code: int
    out: str


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "desk.py").write_text(DESK)
    (tmp_path / "cases.yaml").write_text(CASES)
    (tmp_path / "test_desk.py").write_text(TEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    return tmp_path


@pytest.fixture
def run(here: Path) -> Callable[..., Ran]:
    def go(*words: str, **more: str) -> Ran:
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *words],
            cwd=here,
            env=EMPTY | more,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return Ran(done.returncode, done.stdout + done.stderr)

    return go


def journals(here: Path) -> dict[str, str]:
    found = sorted(here.rglob("*.jsonl"))
    return {str(path.relative_to(here)): path.read_text() for path in found}


def asked(here: Path) -> int:
    calls = here / "calls"
    return len(calls.read_text().split()) if calls.exists() else 0


def test_each_case_is_an_item_and_what_models_said_is_recorded_once(run, here) -> None:
    ran = run("-v")
    assert ran.code == 0, ran.out
    assert "test_the_desk[played] PASSED" in ran.out
    assert "test_the_desk[scripted] PASSED" in ran.out
    assert list(journals(here)) == [
        "test_desk.journals/test_the_desk/played.jsonl",
        "test_desk.journals/test_the_desk/scripted.jsonl",
    ]
    assert "convsim recorded 2 journals; look at them, and commit them:" in ran.out
    before, calls = journals(here), asked(here)
    assert calls > 0
    ran = run(CI="1")
    assert ran.code == 0, ran.out
    assert "convsim recorded" not in ran.out
    assert run("-n2").code == 0
    assert (journals(here), asked(here)) == (before, calls)


def test_two_recordings_are_equal_byte_for_byte(run, here) -> None:
    run()
    before, calls = journals(here), asked(here)
    assert run("--convsim-record=all").code == 0
    assert journals(here) == before
    assert asked(here) == 2 * calls
    assert not any(word in text for text in before.values() for word in ('"start"', '"seconds"'))


def test_in_ci_a_missing_journal_fails_and_says_how_to_record_it(run, here) -> None:
    ran = run("-k", "played", CI="true")
    assert ran.code == 1
    assert "no journal at " in ran.out
    assert "pytest --convsim-record=once" in ran.out
    assert asked(here) == 0
    assert run("-k", "scripted", CI="true").code == 0  # it asks no model


def test_an_agent_that_departs_fails_with_the_place_and_the_difference(run, here) -> None:
    run()
    (here / "desk.py").write_text(DESK.replace("Which order is it?", "Which one?"))
    ran = run("--convsim-record=none")
    assert ran.code == 1
    assert "played/1, turn 1, agent: the agent replies differently" in ran.out
    assert "- Which order is it?" in ran.out
    assert "+ Which one?" in ran.out
    assert "record it anew: pytest --convsim-record=all" in ran.out
    assert "convsim transcript" in ran.out
    assert "1 failed, 1 passed" in ran.out
    assert "Traceback" not in ran.out
    assert run("--convsim-record=all").code == 0
    assert run("--convsim-record=none").code == 0


def test_a_test_that_fails_shows_the_conversation(run, here) -> None:
    (here / "desk.py").write_text(DESK.replace("is refunded.", "is lost."))
    ran = run("-k", "scripted")
    assert ran.code == 1
    assert "convsim transcript" in ran.out
    assert "agent: W8 is lost." in ran.out


def test_the_agent_may_answer_from_the_record_too(run, here) -> None:
    run()
    told = TEST.replace('agent="desk:desk", user_model="desk:model"', "replay_agent=True")
    (here / "test_desk.py").write_text(told)
    (here / "desk.py").unlink()
    assert run("--convsim-record=none").code == 0


def test_collecting_calls_nothing(run, here) -> None:
    ran = run("--collect-only", "-q")
    assert "test_the_desk[played]" in ran.out
    assert (asked(here), journals(here)) == (0, {})


@pytest.mark.parametrize(
    ("marker", "told"),
    [
        ('"cases.yaml"', "agent is missing; say whom to talk to"),
        ('"cases.yaml", agent="desk:desks"', "did you mean 'desk'?"),
        ('"nowhere.yaml", agent="desk:desk"', "nowhere.yaml"),
        ('"cases.yaml", agent="desk:desk", max_turn=3', "max_turn is no setting of simulate"),
        ('"cases.yaml", agent="desk:desk", max_turns=0', "max_turns is a number (0)"),
        ('agent="desk:desk"', "the marker expects one argument: cases, or a file of them"),
        ('[{"gaol": "x"}], agent="desk:desk"', "goal is missing"),
    ],
)
def test_what_is_wrong_with_a_marker_is_told_when_it_is_collected(run, here, marker, told) -> None:
    (here / "test_desk.py").write_text(
        f"import pytest\n@pytest.mark.convsim({marker})\ndef test_it(convsim_session): ...\n"
    )
    ran = run()
    assert ran.code == 2, ran.out
    assert told in ran.out
    assert "Traceback" not in ran.out


def test_a_fixture_without_its_marker_is_told(run, here) -> None:
    (here / "test_desk.py").write_text("def test_it(convsim_session): ...\n")
    assert "mark it with @pytest.mark.convsim" in run().out


def test_a_marker_without_its_fixture_is_told(run, here) -> None:
    """It would pass, and test nothing. One that the whole module has may not concern a test."""
    (here / "test_desk.py").write_text(
        TEST.replace("(convsim_session)", "()").replace("assert convsim_session.achieved", "pass")
    )
    ran = run()
    assert ran.code == 2
    assert "is marked convsim, but plays nothing; let it take convsim_session" in ran.out
    (here / "test_desk.py").write_text(
        "import pytest\npytestmark = pytest.mark.convsim(agent='desk:desk')\ndef test_it(): ...\n"
    )
    assert run().code == 0


def test_markers_of_a_module_are_joined_and_the_agent_may_be_a_fixture(run, here) -> None:
    """The closest marker has the last word; trials are items of their own."""
    (here / "test_desk.py").write_text("""
import pytest

pytestmark = pytest.mark.convsim(agent_fixture="the_desk", user_model="desk:model", trials=2)


@pytest.fixture
def the_desk(tmp_path):
    from desk import desk

    def noted(messages):
        (tmp_path / "noted").touch()
        return desk(messages)

    return noted


@pytest.mark.convsim("cases.yaml", max_turns=1, select="scripted")
def test_once(convsim_session, tmp_path):
    assert convsim_session.turns == 1
    assert (tmp_path / "noted").exists()


@pytest.mark.convsim("cases.yaml")
def test_often(convsim_session):
    assert convsim_session.achieved
""")
    ran = run("-v")
    assert ran.code == 0, ran.out
    assert "test_often[played/2] PASSED" in ran.out
    assert "test_once[scripted/2] PASSED" in ran.out
    ran = run("test_desk.py::test_often[played/2]", "-v", CI="1")
    assert ran.code == 0, ran.out
    assert "1 passed" in ran.out


def test_the_line_that_a_failure_shows_records_that_item_alone(run, here) -> None:
    run()
    before = journals(here)
    (here / "desk.py").write_text(DESK.replace("Which order is it?", "Which one?"))
    [line] = {
        line.partition("record it anew: pytest ")[2].strip()
        for line in run("--convsim-record=none").out.splitlines()
        if line.startswith("what is asked now")
    }
    ran = run(*shlex.split(line))
    assert ran.code == 0, ran.out
    assert "convsim recorded 1 journal;" in ran.out
    changed = {name for name, text in journals(here).items() if text != before[name]}
    assert changed == {"test_desk.journals/test_the_desk/played.jsonl"}


def test_a_journal_that_was_damaged_is_named_without_a_traceback(run, here) -> None:
    run("-k", "scripted")
    [name] = journals(here)
    (here / name).write_text(journals(here)[name].replace("W8", "W9"))
    ran = run("-k", "scripted")
    assert ran.code == 1
    assert f"{name}: record 1 (byte " in ran.out
    assert "record it anew: pytest --convsim-record=all 'test_desk.py::test_the" in ran.out
    assert "journal/lines.py" not in ran.out


def test_a_field_that_nothing_reads_is_warned_of(run, here) -> None:
    (here / "cases.yaml").write_text(CASES + "  goal_wen: refunded\n")
    ran = run("-k", "scripted")
    assert ran.code == 0, ran.out
    assert 'cases.yaml:8: cases[1] ("scripted"): goal_wen' in ran.out


def test_other_parameters_have_journals_of_their_own(run, here) -> None:
    (here / "test_desk.py").write_text(
        TEST.replace(
            "def test_the_desk(",
            'class TestDesk:\n    @pytest.mark.parametrize("n", [1, 2])\n    def test_it(self, n, ',
        )
        .replace("    assert", "        assert")
        .replace("@pytest.mark.convsim", "pytestmark = pytest.mark.convsim")
    )
    ran = run("-n2")
    assert ran.code == 0, ran.out
    assert len(journals(here)) == 4
    assert all("/TestDesk.test_it/" in name for name in journals(here))


def test_a_journal_alone_is_a_test_case(run, here) -> None:
    run()
    (here / "found.jsonl").write_text(
        journals(here)["test_desk.journals/test_the_desk/played.jsonl"]
    )
    (here / "test_desk.py").write_text(TEST.replace("cases.yaml", "found.jsonl"))
    (here / "cases.yaml").unlink()
    calls = asked(here)
    ran = run("-v")
    assert ran.code == 0, ran.out
    assert "test_the_desk[played] PASSED" in ran.out
    assert asked(here) == calls
    (here / "desk.py").write_text(DESK.replace("Which order is it?", "Which one?"))
    assert run().code == 1
    assert run("--convsim-record=all").code == 0
    assert "Which one?" in (here / "found.jsonl").read_text()
    assert run(CI="1").code == 0


def test_the_plugin_is_there_and_costs_no_import(run, here) -> None:
    (here / "test_desk.py").write_text(
        "import sys\ndef test_it():\n    assert 'convsim_adapters.pytest' in sys.modules\n"
        "    assert not {'attrs', 'cattrs', 'convsim_fp'} & set(sys.modules)\n"
    )
    ran = run()
    assert ran.code == 0, ran.out
    assert "convsim" in run("--markers").out


def test_a_session_that_failed_fails_its_test_and_is_not_recorded(run, here) -> None:
    """Else an assertion such as "nobody was promised a refund" would hold of nothing at all."""
    (here / "desk.py").write_text(DESK + "\n\ndef model(request):\n    raise OSError('no line')\n")
    (here / "test_desk.py").write_text(
        TEST.replace("    assert convsim_session.achieved", "    pass")
    )
    ran = run("-k", "played")
    assert ran.code == 1
    assert "played/1 ended as user_failed after 0 turns: port_error: OSError: no line" in ran.out
    assert "1 failed" in ran.out
    assert journals(here) == {}


def test_the_record_mode_can_stand_in_the_ini(run, here) -> None:
    (here / "pytest.ini").write_text("[pytest]\nconvsim_record = none\n")
    assert run("-k", "played").code == 1
    (here / "pytest.ini").write_text("[pytest]\nconvsim_record = sometimes\n")
    assert "expected one of none, once, all" in run("-k", "played").out


def test_a_journal_is_one_session_in_order(run, here) -> None:
    run("-k", "played")
    [text] = journals(here).values()
    records = [json.loads(line) for line in text.splitlines()]
    kinds = [record["kind"] for record in records]
    assert kinds == ["header", "begun", *["entry"] * (len(kinds) - 3), "ended"]
    places = [r["seen"]["id"] for r in records if r["kind"] == "entry"]
    assert places[:4] == ["1/user/0", "1/agent/0", "1/goal_check/0", "2/user/0"]


def test_a_found_conversation_is_a_regression_test_by_copying_one_file(run, here) -> None:
    def violates(state) -> bool:
        return any("W9 is refunded" in message.text for message in state.transcript)

    def desk(messages):
        return "W9 is refunded." if messages[-1]["content"] == "Now!" else "Shall I?"

    found = find_conversation(
        desk, [{"id": "odd", "goal": "x", "script": ["Hello.", "Now!"]}], violates=violates
    )
    found.write(here / "odd.jsonl")
    (here / "desk.py").write_text(
        "def desk(messages):\n"
        "    return 'W9 is refunded.' if messages[-1]['content'] == 'Now!' else 'Shall I?'\n"
    )
    (here / "test_desk.py").write_text(
        "import pytest\n"
        '@pytest.mark.convsim("odd.jsonl", agent="desk:desk")\n'
        "def test_nothing_odd(convsim_session):\n"
        "    assert 'W9' not in convsim_session.transcript[-1].text\n"
    )
    ran = run(CI="1")
    assert ran.code == 1
    assert "test_nothing_odd[odd-found]" in ran.out
    assert "agent: W9 is refunded." in ran.out
    (here / "desk.py").write_text("def desk(messages):\n    return 'Shall I?'\n")
    assert run(CI="1").code == 0


def test_the_journal_of_what_was_found_replays() -> None:
    found = find_conversation(
        lambda messages: f"{len(messages)}: {messages[-1]['content']}",
        [{"id": "odd", "goal": "x", "script": ["Hello.", "Now!"]}],
        violates=lambda state: state.transcript[-1].text.endswith("Now!"),
    )
    [log] = read_journal([read_segment(found.journal)]).sessions
    rules = Rules(users.scripted(), goals.never)
    step = replay(rules, log.case, log.entries, session=log.session)
    assert step.state.transcript == log.transcript == found.state.transcript
    assert step.state.phase == log.ended.phase
