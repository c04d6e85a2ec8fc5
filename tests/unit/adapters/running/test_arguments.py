"""The ten most likely mistakes in a call of `simulate`, and some more: each says what would do."""

from pathlib import Path

import pytest

from convsim_adapters import simulate
from convsim_adapters.running.arguments import fitting
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters import UnknownFieldWarning

CASE = {"goal": "greet", "script": ["Hello."], "goal_when": "hi"}


def agent(messages):
    return "Hi."


def refused(*args, **kwargs) -> str:
    with pytest.raises(InvalidSpec) as error:
        simulate(*args, **{"save": False} | kwargs)
    return str(error.value)


def unfitting(call, *args, **kwargs) -> str:
    with pytest.raises(TypeError) as error:
        call(*args, **kwargs)
    return str(error.value)


def test_1_the_cases_are_forgotten() -> None:
    told = unfitting(simulate, agent)
    assert told == (
        "simulate() needs agent, and was given the function agent: write simulate(cases, agent, …)"
    )
    assert (
        unfitting(simulate) == "simulate() needs cases and agent: write simulate(cases, agent, …)"
    )


def test_2_the_agent_comes_first() -> None:
    assert refused(agent, [CASE]) == (
        "cases are the function agent and agent is a list: the cases come first, "
        "simulate(cases, agent)"
    )
    assert "come first" in refused("shop:agent", Path("cases.yaml"))
    assert "come first" in refused("http://127.0.0.1:9/v1", "cases.yaml")


def test_3_a_keyword_is_misspelt() -> None:
    told = unfitting(simulate, [CASE], agent, max_turn=3)
    assert told.startswith("simulate() takes no argument 'max_turn'; did you mean 'max_turns'")
    told = unfitting(simulate, [CASE], agent, model="openai/gpt-5")
    assert "did you mean 'user_model' or 'goal_model'?" in told
    told = unfitting(simulate, [CASE], agent, zzz=1)
    assert told.startswith("simulate() takes no argument 'zzz', only cases, agent, user, ")


def test_4_settings_are_given_by_position() -> None:
    assert unfitting(simulate, [CASE], agent, "openai/gpt-5") == (
        "simulate() was given 3 arguments by position: only simulate(cases, agent, …) are, "
        "give the others by name"
    )


def test_5_the_agent_is_called_instead_of_given() -> None:
    told = refused([CASE], {"role": "assistant", "content": "Hi."})
    assert "agent is a dict, which cannot be called; give the function itself" in told
    assert "agent is missing; say whom to talk to" in refused([CASE], None)


def test_6_the_file_of_cases_is_not_there() -> None:
    assert refused("case.yaml", agent) == "case.yaml: the file does not exist; check the path"


def test_7_no_model_is_named() -> None:
    told = refused([{"goal": "greet"}], agent)
    assert "user_model is missing, and case-0 is played by a model" in told
    assert "goal_model is missing, and case-0 is judged by a model" in told


def test_8_a_limit_is_no_number_or_out_of_bounds() -> None:
    told = refused([CASE], agent, max_turns="10", trials=0, max_cost=-1, timeout=None).splitlines()
    assert told == [
        "trials is 0, expected a whole number of at least 1",
        "timeout is None, expected seconds above 0",
        "max_cost is a number (-1), expected a number above 0",
        "max_turns is text, expected a whole number from 1 to 1,000,000",
    ]


def test_9_what_is_looked_for_stands_where_the_kind_of_check_does() -> None:
    told = refused([CASE], agent, goal_check="refunded")
    assert "goal_check is 'refunded'; known are model, when, never" in told


def test_10_parameters_of_a_model_are_no_dict_and_are_not_shown() -> None:
    told = refused([CASE], agent, user_params="api_key=sk-123", goal_params=["t"], agent_params={1})
    assert told.splitlines() == [
        "user_params are a str, expected a dict: {'temperature': 0}",
        "goal_params are a list, expected a dict: {'temperature': 0}",
        "agent_params are a set, expected a dict: {'temperature': 0}",
    ]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"save": "no"}, "save is 'no', expected True or False"),
        ({"user_leaves": 1}, "user_leaves is 1, expected True or False"),
        ({"progress": "yes"}, "progress is 'yes', expected True, False or None"),
        ({"sink": None}, "sink is None, expected a function of one argument"),
        ({"finished": 3}, "finished is 3, expected a function of one argument"),
        ({"format": "yml"}, "format is 'yml', expected one of auto, yaml, json, jsonl, csv, tau2"),
        ({"select": 3}, "select is 3, expected the id of a case, tag:T, or several"),
        ({"select": [3]}, "select is a list, expected the id of a case, tag:T, or several"),
        ({"select": "refund"}, "select is 'refund', but no case has this id"),
        ({"out": 3}, "out is 3, expected the path of a directory, or None"),
        ({"processes": 2}, "processes is 2, which takes the files of a run; leave save as it is"),
    ],
)
def test_an_argument_is_refused_by_its_name(given, told) -> None:
    assert told in refused([CASE], agent, **given)


def test_all_that_is_wrong_is_told_at_once() -> None:
    told = refused("nowhere.yaml", agent, format="yml", select=3, save="no", out=3, max_turns=0)
    assert [line.split()[0] for line in told.splitlines()] == [
        *("save", "format", "select", "out", "nowhere.yaml:", "max_turns")
    ]


@pytest.mark.parametrize("select", ["case-0", ["case-0"], ("case-0",), {"case-0"}])
def test_what_fits_is_taken(select) -> None:
    assert simulate([CASE], agent, select=select, user_params={}, save=False).rate == 1


def test_what_is_given_twice_is_said_in_the_words_of_python() -> None:
    told = unfitting(simulate, [CASE], agent, cases=[CASE])
    assert told == "simulate(): multiple values for argument 'cases'"


def test_errors_within_a_call_that_fits_are_left_as_they_are() -> None:
    @fitting
    def broken(one):
        raise TypeError("mine")

    assert unfitting(broken, 1) == "mine"
    assert unfitting(broken) == "broken() needs one: write broken(one, …)"


def test_fields_that_nothing_reads_are_warned_of_where_simulate_is_called() -> None:
    case = {"goal": "x", "script": ["Hi."], "goal_when": "Hi", "gaol_when": "x"}
    with pytest.warns(UnknownFieldWarning, match="gaol_when") as told:
        simulate([case], lambda messages: "Hi", save=False)
    assert {one.filename for one in told} == {__file__}


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (lambda run: run.to_frame(by="turns"), "expected session or turn"),
        (lambda run: run.exit_code(90), "expected a share from 0 to 1"),
        (lambda run: run.exit_code("0.9"), "expected a share from 0 to 1"),
    ],
)
def test_what_a_run_is_asked_wrongly_is_refused(asked, said) -> None:
    case = {"goal": "x", "script": ["Hi."], "goal_when": "Hi"}
    run = simulate([case], lambda messages: "Hi", save=False)
    with pytest.raises(InvalidSpec, match=said):
        asked(run)
