"""Who plays the user of a case and what checks its goal."""

import pytest

from convsim_adapters.running.players import check_fields, players
from convsim_fp import goals, users
from convsim_fp.core import Leave, TestCase, Verdict
from convsim_fp.errors import InvalidSpec

PLAIN = TestCase(goal="a refund", id="plain")
SCRIPT = TestCase(goal="a refund", id="script", extra={"script": ["Refund."], "goal_when": "done"})
AGENDA = TestCase(goal="a refund", id="agenda", extra={"agenda": ["Refund."]})


def quits(view):
    return Leave("bored")


def names(case, **chosen):
    found = players(**chosen).cast(case)
    return found.user_name, found.goal_check_name


def test_by_default_the_case_decides() -> None:
    assert names(PLAIN) == ("model", "model")
    assert names(SCRIPT) == ("scripted", "when")
    assert names(AGENDA) == ("agenda", "model")


def test_what_is_told_wins() -> None:
    assert names(SCRIPT, user="model", goal_check="never") == ("model", "never")
    assert names(SCRIPT, user="by-user") == ("by-user", "by-user")
    assert names(SCRIPT, user="by-user", goal_check="when") == ("by-user", "when")


def test_a_user_that_judges_for_itself_needs_no_goal_check() -> None:
    found = players("by-user").cast(PLAIN)
    assert (found.goal_check, found.goal_check_asks) == (None, False)


def test_only_models_are_asked() -> None:
    assert (players().cast(PLAIN).user_asks, players().cast(PLAIN).goal_check_asks) == (True, True)
    found = players().cast(SCRIPT)
    assert (found.user_asks, found.goal_check_asks) == (False, False)


def test_functions_of_ones_own_are_taken_as_they_are() -> None:
    def done(view):
        return Verdict(achieved=True)

    found = players(quits, done).cast(PLAIN)
    assert (found.user, found.goal_check) == (quits, done)
    assert found.user_name.endswith(":quits")
    assert (found.user_asks, found.goal_check_asks) == (None, None)


def test_functions_are_found_by_name() -> None:
    found = players("convsim_fp.goals:never", "convsim_fp.goals:never").cast(PLAIN)
    assert found.goal_check is goals.never
    assert found.user_name == "convsim_fp.goals.simple:never"


def test_leaving_is_for_users_of_a_model() -> None:
    may = players().cast(PLAIN, user_leaves=True).user
    assert may == users.prompted(may_leave=True)
    assert players("by-user").cast(PLAIN, user_leaves=True).user == users.by_user(may_leave=True)


def test_unknown_names_are_refused_together() -> None:
    with pytest.raises(InvalidSpec) as refused:
        players("modle", "wen")
    first, second = map(str, refused.value.problems)
    assert first.startswith("user is 'modle'; did you mean 'model'? Known are model, by-user")
    assert second.startswith("goal_check is 'wen'; did you mean 'when'?")


def test_a_name_like_no_other_lists_them() -> None:
    with pytest.raises(InvalidSpec, match="known are model, by-user, scripted, agenda"):
        players("???")


@pytest.mark.parametrize("given", [7, "math:pi", "decimal:Decimal", str])
def test_what_is_no_function_is_refused(given) -> None:
    with pytest.raises(InvalidSpec, match="expected a function of a view"):
        players(given)


@pytest.mark.parametrize(
    ("chosen", "told"),
    [
        ({"user": "scripted"}, "extra.script is"),
        ({"user": "agenda"}, "extra.agenda is"),
        ({"goal_check": "when"}, "extra.goal_when is missing"),
    ],
)
def test_a_case_without_what_was_chosen_is_refused(chosen, told) -> None:
    with pytest.raises(InvalidSpec) as refused:
        players(**chosen).cast(PLAIN)
    assert told in str(refused.value)


def test_a_case_with_two_users_is_refused_unless_one_is_chosen() -> None:
    both = TestCase(goal="x", id="both", extra={"agenda": ["a"], "script": ["b"]})
    with pytest.raises(InvalidSpec, match="an agenda and a script"):
        players().cast(both)
    assert players("scripted").cast(both).user_name == "scripted"


def test_the_owner_of_a_field_finds_what_is_wrong_in_it_once() -> None:
    case = TestCase(goal="x", id="c", extra={"knows": 7, "language": 8, "script": [1], "more": 0})
    assert sorted(problem.field for problem in check_fields(case)) == [
        "extra.knows",
        "extra.language",
        "extra.script[0]",
    ]
