import pytest

from convsim_fp import goals
from convsim_fp.core import (
    Interrupted,
    Message,
    Rules,
    Say,
    Stopped,
    StopReason,
    TestCase,
    new_session,
    start,
)
from convsim_fp.errors import InvalidSpec
from convsim_fp.interpreters.plan import plan

RULES = Rules(lambda view: Say("Hello."), goals.never)


def problems(cases, rules=RULES):
    with pytest.raises(InvalidSpec) as caught:
        plan(cases, rules, trials=1, seed=0)
    return [str(problem) for problem in caught.value.problems]


def test_each_case_is_planned_for_every_trial_in_order() -> None:
    cases = [TestCase(goal="a", id="pay"), TestCase(goal="b")]
    planned = plan(cases, RULES, trials=2, seed=7)
    assert [one.session for one in planned] == [
        new_session("pay", 1, 7),
        new_session("pay", 2, 7),
        new_session("case-1", 1, 7),
        new_session("case-1", 2, 7),
    ]
    assert [one.case for one in planned] == [cases[0], cases[0], cases[1], cases[1]]
    assert len({one.session.seed for one in planned}) == 4


def test_a_run_s_seed_changes_every_session_s_seed_and_no_name() -> None:
    case = [TestCase(goal="a", id="pay")]
    one, other = (plan(case, RULES, trials=3, seed=seed) for seed in (0, 1))
    assert [a.session.id for a in one] == [b.session.id for b in other]
    assert not {a.session.seed for a in one} & {b.session.seed for b in other}


def test_cases_may_come_from_a_generator_and_there_may_be_none() -> None:
    assert len(plan((TestCase(goal=g) for g in "abc"), RULES, trials=1, seed=0)) == 3
    assert plan([], RULES, trials=5, seed=0) == ()


def test_rules_may_be_a_function_of_the_case() -> None:
    cases = [TestCase(goal="a", max_turns=2), TestCase(goal="b", max_turns=3)]
    planned = plan(
        cases, lambda case: Rules(RULES.user, None, max_turns=case.max_turns), trials=1, seed=0
    )
    assert [one.rules.max_turns for one in planned] == [2, 3]


def test_names_that_cases_share_are_refused_all_at_once() -> None:
    cases = [TestCase(goal="a", id=name) for name in ("pay", "go", "pay", "case-4", "pay")]
    assert problems([*cases[:4], TestCase(goal="b"), cases[4]]) == [
        'cases[2] ("pay"): id is the name of cases[0] too; give each its own',
        "cases[4]: id is the name of cases[3] too; give each its own",
        'cases[5] ("pay"): id is the name of cases[0] too; give each its own',
    ]


def test_a_case_by_itself_is_no_list_of_cases() -> None:
    assert problems(TestCase(goal="a")) == ["cases is one TestCase, expected a list of them"]


def test_what_is_no_case_is_refused_with_the_way_out() -> None:
    words = "expected a TestCase; read_cases makes them of plain records"
    assert problems([{"goal": "pay"}, TestCase(goal="go"), None]) == [
        f"cases[0]: the case is a dict, {words}",
        f"cases[2]: the case is nothing, {words}",
    ]


def test_what_a_function_of_rules_gets_wrong_is_told_for_each_case() -> None:
    def rules(case):
        return Rules(RULES.user, None, max_turns=0) if case.goal == "a" else "strict"

    found = problems([TestCase(goal="a", id="pay"), TestCase(goal="b")], rules)
    assert found[0].startswith('cases[0] ("pay"): rules: max_turns is ')
    assert found[1] == "cases[1]: rules made for it are 'strict', expected Rules"


def test_what_a_function_of_rules_raises_is_raised() -> None:
    with pytest.raises(ZeroDivisionError):
        plan([TestCase(goal="a")], lambda case: 1 / 0, trials=1, seed=0)


def test_a_session_that_never_began_ends_without_asking_its_user() -> None:
    def user(view):
        raise AssertionError("asked")

    said = (Message("user", "Hello."), Message("agent", "Hi."))
    case = TestCase(goal="a", history=said)
    (planned,) = plan([case], Rules(user, None), trials=1, seed=0)
    state = planned.cut(Interrupted("cancelled", "too late"))
    assert state.phase == Stopped(StopReason.CANCELLED, 0, "too late")
    assert (state.case, state.session, state.transcript) == (case, planned.session, said)


def test_a_session_begins_as_the_machine_begins_it() -> None:
    (planned,) = plan([TestCase(goal="a")], RULES, trials=1, seed=0)
    assert planned.begun() == start(RULES, planned.case, planned.session)
