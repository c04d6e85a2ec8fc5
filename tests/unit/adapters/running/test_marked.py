"""What the marker of a test stands for, and what is refused of it."""

from pathlib import Path
from typing import Any

import pytest

from convsim_adapters.running.kept import keep
from convsim_adapters.running.marked import Marked, items_of
from convsim_adapters.running.tested import Place, play
from convsim_fp.errors import InvalidSpec

SCRIPTED = {"id": "hasty", "goal": "a refund", "script": ["W7."], "goal_when": "refunded"}
PLAYED = {"id": "vague", "goal": "a refund"}


def desk(messages: list[dict[str, str]]) -> str:
    return "It is refunded."


def model(request) -> str:
    return "yes" if request.id.lane == "goal_check" else "W7, please."


def marked(tmp_path: Path, *args: Any, **told: Any) -> Marked:
    return items_of(tmp_path / "test_desk.py", args, told)


def names(of: Marked) -> list[str]:
    return [item.name for item in of.items]


def journal(tmp_path: Path, name: str, **told: Any) -> Path:
    """The journal of a case that is played by a model, under a name."""
    of = marked(tmp_path, {**PLAYED, "id": name}, agent=desk, user_model=model, **told)
    path = tmp_path / f"{name}.jsonl"
    play(of.items[0], Place(path, name), mode="all")
    return path


def test_each_case_is_an_item_and_each_trial(tmp_path: Path) -> None:
    of = marked(tmp_path, [SCRIPTED, PLAYED], agent=desk, trials=3)
    assert names(of) == ["hasty", "hasty/2", "hasty/3", "vague", "vague/2", "vague/3"]
    assert [item.trial for item in of.items] == [1, 2, 3] * 2


def test_files_are_named_from_where_the_test_is(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "cases.yaml").write_text("- {id: one, goal: x, script: [Hi.]}")
    (tmp_path / "more" / "cases.yaml").write_text("- {id: two, goal: x, script: [Hi.]}")
    assert names(marked(tmp_path, "cases.yaml", agent=desk)) == ["one"]
    both = ["cases.yaml", tmp_path / "more" / "cases.yaml"]
    assert names(marked(tmp_path, both, agent=desk)) == ["one", "two"]
    assert names(marked(tmp_path, both, agent=desk, select="two")) == ["two"]


def test_cases_may_be_anything_that_lists_them(tmp_path: Path) -> None:
    assert names(marked(tmp_path, SCRIPTED, agent=desk)) == ["hasty"]
    assert names(marked(tmp_path, (one for one in [SCRIPTED]), agent=desk)) == ["hasty"]


def test_a_model_that_is_only_named_is_not_made(tmp_path: Path) -> None:
    told = {"user_model": "openai/nobodys", "user_params": {"temperature": 1}}
    of = marked(tmp_path, PLAYED, agent=desk, **told)
    assert of.items[0].settings.user_model == "openai/nobodys"
    assert of.doubts == ()


def test_what_nothing_reads_is_a_doubt(tmp_path: Path) -> None:
    of = marked(tmp_path, {**SCRIPTED, "goal_wen": "x"}, agent=desk)
    assert [one.field for one in of.doubts] == ["goal_wen"]


def test_journals_stand_beside_cases(tmp_path: Path) -> None:
    """Each is an item with its own record; the others are cases as ever."""
    found = journal(tmp_path, "found")
    of = marked(tmp_path, [found.name, SCRIPTED], agent=desk)
    assert names(of) == ["hasty", "found"]
    assert [item.file for item in of.items] == [None, found]
    assert names(marked(tmp_path, found.name, agent=desk)) == ["found"]


def test_a_journal_is_played_as_it_says_and_the_marker_says_otherwise(tmp_path: Path) -> None:
    found = journal(tmp_path, "found", max_turns=4, seed=7)
    [item] = marked(tmp_path, found, agent=desk).items
    assert (item.settings.max_turns, item.settings.seed) == (4, 7)
    [item] = marked(tmp_path, found, agent=desk, max_turns=2).items
    assert (item.settings.max_turns, item.settings.seed) == (2, 7)


@pytest.mark.parametrize(
    ("args", "told", "problems"),
    [
        ((), {}, ["the marker expects one argument", "agent is missing"]),
        ((SCRIPTED, desk), {"agent": desk}, ["the marker expects one argument"]),
        ((SCRIPTED,), {"agent": desk, "max_turn": 3}, ["max_turn is no setting of simulate"]),
        ((SCRIPTED,), {"agent": desk, "xyz": 3}, ["known are agent, agent_fixture"]),
        ((SCRIPTED,), {"agent": desk, "agent_fixture": "d"}, ["agent is given twice"]),
        ((SCRIPTED,), {"agent_fixture": 3}, ["agent_fixture is 3, expected the name"]),
        ((SCRIPTED,), {"replay_agent": "yes"}, ["replay_agent is 'yes', expected True or False"]),
        (([],), {"agent": desk}, ["cases are none"]),
        ((42,), {"agent": desk}, ["expected an object"]),
        (
            ([{"goal": ""}, {"gaol": "x"}],),
            {"agent": "desk", "max_turns": 0, "trials": 0},
            [
                "cases[0]: goal is empty",
                "cases[1]: goal is missing",
                "max_turns",
                "trials",
                "agent",
            ],
        ),
        (([SCRIPTED, SCRIPTED],), {"agent": desk}, ["id is the id of cases[0] too"]),
        (
            ([{"goal": "x", "script": "{context.a}"}, {"goal": "y", "script": "{context.b}"}],),
            {"agent": desk},
            ["cases[0]", "cases[1]"],
        ),
        ((PLAYED,), {"agent": desk, "user_params": {"n": 1}}, ["user_params are given without"]),
        ((PLAYED,), {"agent": desk, "user_model": 7}, ["user_model is int, expected a model port"]),
    ],
)
def test_what_is_wrong_is_told_all_at_once(
    tmp_path: Path, args: tuple[Any, ...], told: dict[str, Any], problems: list[str]
) -> None:
    with pytest.raises(InvalidSpec) as refused:
        marked(tmp_path, *args, **told)
    for problem in problems:
        assert problem in str(refused.value)


def test_what_is_wrong_with_journals_joins_what_is_wrong_with_cases(tmp_path: Path) -> None:
    found = journal(tmp_path, "found")
    with pytest.raises(InvalidSpec) as refused:
        marked(tmp_path, [found, {"goal": ""}], agent=desk, user="scripted")
    assert "goal is empty" in str(refused.value)
    assert f'{found}: cases[0] ("found"): ' in str(refused.value)


def test_an_agent_that_answers_from_the_record_need_not_be_there(tmp_path: Path) -> None:
    of = marked(tmp_path, SCRIPTED, agent="not_installed:desk", replay_agent=True)
    assert names(of) == ["hasty"]


def test_a_journal_of_several_sessions_is_as_many_items(tmp_path: Path) -> None:
    from convsim_adapters import simulate

    run = tmp_path / "run"
    simulate([PLAYED], desk, user_model=model, trials=2, out=run)
    found = tmp_path / "both.jsonl"
    keep(found, (run / "journal" / "0001.jsonl").read_text())
    of = marked(tmp_path, found.name, agent=desk)
    assert [(item.name, item.trial) for item in of.items] == [("vague", 1), ("vague", 2)]
    outcomes = [play(item, Place(tmp_path / "own", "n"), mode="none") for item in of.items]
    assert [outcome.result.id for outcome in outcomes] == ["vague/1", "vague/2"]
    assert not any(outcome.failure for outcome in outcomes)
