"""Goal checks that need no model, and goal checks made of others."""

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    Failed,
    Failure,
    Generate,
    Generated,
    Message,
    Observation,
    Request,
    Rules,
    Stopped,
    StopReason,
    TestCase,
    Verdict,
    View,
    start,
)
from convsim_fp.errors import InvalidSpec
from convsim_fp.testing import drive

CASE = TestCase(goal="x")
SAID = (Message("user", "Refund, please."), Message("agent", "Refunded:\n12 EUR."))
VIEW = View(CASE, 1, SAID)


def decide(check, view: View = VIEW) -> Verdict:
    """The verdict of a check that asks nobody."""
    made = check(view)
    if isinstance(made, Verdict):
        return made
    with pytest.raises(StopIteration) as end:
        next(made)
    return end.value.value


def yes(view: View) -> Verdict:
    return Verdict(achieved=True, rationale="it is done")


def no(view: View) -> Verdict:
    return Verdict(achieved=False, rationale="it is not")


def test_never_says_no_and_why() -> None:
    assert decide(goals.never) == Verdict(achieved=False)


# all_of, any_of


def test_all_of_needs_every_yes_and_joins_the_rationales() -> None:
    done = Verdict(achieved=True, rationale="it is done · it is done")
    assert decide(goals.all_of(yes, yes)) == done
    assert decide(goals.all_of(yes, no, yes)) == no(VIEW)
    assert decide(goals.all_of(no)) == no(VIEW)


def test_any_of_needs_one_yes_and_joins_the_rationales() -> None:
    assert decide(goals.any_of(no, yes, no)) == yes(VIEW)
    neither = Verdict(achieved=False, rationale="it is not · it is not")
    assert decide(goals.any_of(no, no)) == neither
    silent = goals.any_of(no, lambda _: Verdict(achieved=False))
    assert decide(silent).rationale == "it is not"


def test_they_nest() -> None:
    assert decide(goals.any_of(no, goals.all_of(yes, goals.any_of(no, yes)))).achieved
    assert not decide(goals.all_of(yes, goals.any_of(no, goals.all_of(yes, no)))).achieved


def test_a_check_after_the_decision_is_not_asked() -> None:
    def breaks(view: View) -> Verdict:
        raise ValueError("asked")

    assert decide(goals.any_of(yes, breaks)).achieved
    assert not decide(goals.all_of(no, breaks)).achieved


@pytest.mark.parametrize("join", [goals.all_of, goals.any_of])
def test_no_check_and_what_is_none_are_refused(join) -> None:
    with pytest.raises(InvalidSpec) as error:
        join()
    assert str(error.value) == f"{join.__name__} has no goal check, expected at least one"
    with pytest.raises(InvalidSpec) as error:
        join(yes, "refunded", None)
    assert str(error.value).splitlines() == [
        f"{join.__name__}[1] is text, expected a function of a view",
        f"{join.__name__}[2] is nothing (null), expected a function of a view",
    ]


def talk(check, *verdicts: str | Failure, max_asks: int = 3) -> Stopped:
    """How a conversation of one turn ends when the judge's model gives these answers."""
    left = iter(verdicts)

    def observe(request: Request) -> Observation:
        if not isinstance(request, Generate):
            return AgentReplied(request.id, "Refunded.")
        answer = next(left)
        if isinstance(answer, Failure):
            return Failed(request.id, answer)
        return Generated(request.id, answer)

    rules = Rules(users.scripted(["Hi."]), check, max_turns=1, max_asks=max_asks)
    end = drive(rules, start(rules, CASE), observe).phase
    assert isinstance(end, Stopped)
    return end


def test_a_cheap_check_saves_the_judge() -> None:
    assert talk(goals.all_of(goals.when("cancelled"), goals.prompted())).reason is (
        StopReason.MAX_TURNS
    )
    assert talk(goals.any_of(goals.when("refunded"), goals.prompted())).reason is (
        StopReason.GOAL_ACHIEVED
    )


def test_several_judges_are_asked_one_after_the_other_within_one_bound() -> None:
    both = goals.all_of(goals.prompted(), goals.prompted())
    assert talk(both, "yes", "yes").reason is StopReason.GOAL_ACHIEVED
    assert talk(both, "yes", "no").reason is StopReason.MAX_TURNS
    assert talk(both, "yes", "hm", "no").reason is StopReason.MAX_TURNS
    assert talk(both, "hm", "yes", max_asks=2).reason is StopReason.GOAL_CHECK_FAILED


def test_a_judge_that_fails_fails_the_whole() -> None:
    both = goals.any_of(goals.prompted(), yes)
    assert talk(both, Failure("timed_out")).reason is StopReason.GOAL_CHECK_FAILED
