"""The conformance kit: passed by all that we ship, and by nothing that is wrong."""

from itertools import count, cycle

import pytest
from attrs import evolve
from hypothesis import strategies as st

from convsim_adapters.journal_files import journal_writer, load_journal
from convsim_fp import goals, users
from convsim_fp.core import Ask, CallAgent, Generate, Prompt, Say, TestCase, Verdict, View
from convsim_fp.errors import RateLimited
from convsim_fp.interpreters import AgentReply, Observed, Reply
from convsim_fp.testing import (
    check_agent,
    check_goal_check,
    check_model,
    check_sink,
    check_user,
    fake_agent,
    fake_model,
)

SHIPPED_USERS = {
    "prompted": users.prompted(),
    "prompted that may leave": users.prompted(may_leave=True),
    "by_user": users.by_user(),
    "by_user that may leave": users.by_user(may_leave=True),
    "scripted": users.scripted(["Hello.", "{goal}", "Bye."]),
    "scripted from the case": users.scripted(),
    "agenda": users.agenda(
        {
            "acts": [
                "{goal}",
                {"when": {"pattern": "yes|no"}, "say": "Hm.", "repeat": True},
                {"when": "agent", "say": "Bye.", "leave": "it speaks of itself"},
            ],
            "slots": {"greeting": {"asked": "hello", "say": "Hello."}},
        }
    ),
    "agenda from the case": users.agenda(),
    "delegated": users.delegated(),
    "first then": users.first(2, users.scripted(["Hi.", "So?"])).then(users.prompted()),
    "screened": users.screened(
        users.prompted(), lambda _, text: "too short" if len(text) < 3 else None
    ),
}
SHIPPED_CHECKS = {
    "prompted": goals.prompted(),
    "never": goals.never,
    "when": goals.when("done"),
    "when from the case": goals.when(),
    "all_of": goals.all_of(goals.when("done"), goals.prompted()),
    "any_of": goals.any_of(goals.when("done"), goals.prompted()),
}


@pytest.mark.parametrize("name", SHIPPED_USERS)
def test_our_users_conform(name: str) -> None:
    check_user(SHIPPED_USERS[name])


@pytest.mark.parametrize("name", SHIPPED_CHECKS)
def test_our_goal_checks_conform(name: str) -> None:
    check_goal_check(SHIPPED_CHECKS[name])


def test_our_fakes_conform() -> None:
    check_model(fake_model(["yes", Reply("no"), RateLimited("slow down")]))
    check_agent(fake_agent(["It is here.", AgentReply("Bye.", ended=True)]))


def test_coroutine_functions_conform_too() -> None:
    async def model(request: Generate) -> str:
        return f"{len(request.messages)} messages"

    async def agent(request: CallAgent) -> str:
        return f"{len(request.transcript)} messages"

    check_model(model)
    check_agent(agent)


def test_cases_of_your_own_can_be_given() -> None:
    case = TestCase(goal="x", extra={"script": ["Hello {context.name}."]}, context={"name": "Jo"})
    check_user(users.scripted(), cases=st.just(case))
    waiting = TestCase(goal="x", extra={"agenda": ["Hello."], "goal_when": ["hello", "yes"]})
    check_user(users.agenda(), cases=st.just(waiting))
    check_goal_check(goals.when(), cases=st.just(waiting))


numbers = count()
letters = cycle("ab")


def alternates(view: View) -> Say:
    return Say(next(letters))


def forgets_its_memo(view: View) -> Say | None:
    return Say("Hello.", memo={"turn": view.turn}) if view.memo is None else None


def gives_up_silently(view: View) -> Say | None:
    return Say("Hello.") if view.turn < 8 else None


def counts(view: View) -> Say:
    return Say(f"message {next(numbers)}")


def yields_text(view: View):
    yield "a question"
    return Say("Hello.")


def volatile_system(view: View):
    system = f"This is turn {view.turn}."
    reply = yield Ask(Prompt("user", system, view.transcript, "Your message?"))
    return Say(reply)


@pytest.mark.parametrize(
    ("user", "complaint"),
    [
        (counts, "the same view and replies gave"),
        (alternates, "the same view and replies gave"),
        (forgets_its_memo, "it decided None"),
        (gives_up_silently, "it decided None"),
        (lambda view: None, "it decided None, expected Say or Leave or Satisfied"),
        (lambda view: Verdict(achieved=True), "expected Say or Leave or Satisfied"),
        (yields_text, "expected an Ask"),
        (volatile_system, "put what changes into the question"),
    ],
)
def test_a_user_that_is_wrong_is_told_how(user, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        check_user(user)


def test_a_user_that_raises_is_shown_its_own_error() -> None:
    with pytest.raises(ZeroDivisionError):
        check_user(lambda view: 1 / 0)  # type: ignore[arg-type, return-value]


def test_a_goal_check_that_is_wrong_is_told_how() -> None:
    with pytest.raises(AssertionError, match="it decided True, expected Verdict"):
        check_goal_check(lambda view: True)  # type: ignore[arg-type, return-value]


def test_a_model_that_leaks_a_vendors_error_is_told_to_sort_it() -> None:
    def model(request: Generate) -> str:
        raise ConnectionError("reset")

    with pytest.raises(AssertionError, match="ConnectionError: reset; sort it into a PortError"):
        check_model(model)


def test_an_agent_that_answers_with_nothing_is_told() -> None:
    with pytest.raises(AssertionError, match="it answered None, expected AgentReply or str"):
        check_agent(lambda request: None)  # type: ignore[arg-type, return-value]


def test_the_journal_of_ours_is_a_sink(tmp_path) -> None:
    with journal_writer(tmp_path) as journal:
        check_sink(
            journal.entry, read=lambda: load_journal(tmp_path).sessions[0].entries, session="a/1"
        )


async def _async_sink(entry) -> None: ...


@pytest.mark.parametrize(
    ("sink", "told"),
    [
        (_async_sink, "it is async; a sink is called, not awaited"),
        (lambda entry: None, "it was told 4 entries and recorded 0"),
    ],
)
def test_a_sink_that_does_not_keep_what_it_must_is_found_out(sink, told) -> None:
    with pytest.raises(AssertionError, match=told):
        check_sink(sink, read=tuple)


def test_a_sink_that_forgets_the_facts_is_found_out(tmp_path) -> None:
    with journal_writer(tmp_path) as journal:

        def forgetful(entry) -> None:
            journal.entry(evolve(entry, observed=Observed(entry.observed.observation)))

        with pytest.raises(AssertionError, match="it recorded Facts"):
            check_sink(forgetful, read=lambda: load_journal(tmp_path).sessions[0].entries)
