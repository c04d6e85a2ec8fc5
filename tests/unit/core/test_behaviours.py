"""Running behaviours: over replies, from their start, and whatever they do."""

from collections.abc import Generator

import pytest

from convsim_fp.core import Ask, Failure, Leave, Prompt, Say, TestCase, Verdict, View, consult
from convsim_fp.core.behaviours import decide, failure_of
from convsim_fp.errors import AgentError, ContextTooLong, PortError, RateLimited, TimedOut

VIEW = View(TestCase(goal="return the red shoes"), turn=1)
PROMPT = Prompt("user", "You want shoes.", (), "Your message?")


def twice(view: View) -> Generator[Ask, str, Say]:
    first = yield Ask(PROMPT)
    second = yield Ask(PROMPT, because=f"{first!r} is too short")
    return Say(f"{view.turn}: {first}, {second}")


def decided(behaviour, *replies: str, max_asks: int = 3):
    return decide(behaviour, VIEW, replies, expects=(Say, Leave), max_asks=max_asks)


def test_a_generator_is_run_over_the_replies_from_its_start() -> None:
    assert decided(twice) == Ask(PROMPT)
    assert decided(twice, "a") == Ask(PROMPT, because="'a' is too short")
    assert decided(twice, "a", "b") == Say("1: a, b")


def test_a_plain_function_decides_at_once() -> None:
    assert decided(lambda view: Say(view.case.goal)) == Say("return the red shoes")


def test_one_behaviour_consults_another_of_either_kind() -> None:
    def asks(view: View) -> Generator[Ask, str, Say]:
        said = yield from consult(twice, view)
        return Say(said.text + "!")

    def plain(view: View) -> Generator[Ask, str, Say]:
        said = yield from consult(lambda inner: Say(f"turn {inner.turn}"), view)
        return Say(said.text + "!")

    assert decided(asks, "a", "b") == Say("1: a, b!")
    assert decided(plain) == Say("turn 1!")


def test_questions_are_bounded_and_the_last_reason_is_kept() -> None:
    assert decided(twice, max_asks=1) == Ask(PROMPT)
    assert decided(twice, "a", max_asks=1) == Failure(
        "unusable_replies", "1 replies could not be used; the last: 'a' is too short"
    )

    def silent(view: View) -> Generator[Ask, str, Say]:
        while True:
            yield Ask(PROMPT)

    assert decided(silent, "a", "b", max_asks=2) == Failure(
        "unusable_replies", "2 replies could not be used"
    )


def test_what_is_no_decision_is_named() -> None:
    assert decided(lambda view: None) == Failure(
        "broken_behaviour", "returned NoneType, expected Say or Leave"
    )
    assert decided(lambda view: Verdict(achieved=True)).detail == (
        "returned Verdict, expected Say or Leave"
    )
    assert decided(lambda view: Ask(PROMPT)).detail == "returned Ask, expected Say or Leave"


def test_what_is_no_question_is_named() -> None:
    def yields_text(view: View) -> Generator[str, str, Say]:
        yield "What shall I say?"
        return Say("")

    assert decided(yields_text) == Failure("broken_behaviour", "yielded str, expected an Ask")


def test_a_coroutine_function_is_no_behaviour() -> None:
    async def later(view: View) -> Say:
        return Say("")

    assert decided(later).detail == "returned coroutine, expected Say or Leave"


def test_a_behaviour_may_clean_up_and_fail_at_it() -> None:
    log: list[str] = []

    def tidy(view: View) -> Generator[Ask, str, Say]:
        try:
            yield Ask(PROMPT)
        finally:
            log.append("closed")
        return Say("")

    def untidy(view: View) -> Generator[Ask, str, Say]:
        try:
            yield Ask(PROMPT)
        finally:
            raise OSError("disk full")

    assert decided(tidy) == Ask(PROMPT)
    assert log == ["closed"]
    assert decided(untidy) == Failure("raised", "OSError: disk full")


@pytest.mark.parametrize(
    ("error", "failure"),
    [
        (TimedOut("30 s"), Failure("timed_out", "30 s")),
        (RateLimited("slow", retry_after=2.0), Failure("rate_limited", "slow")),
        (ContextTooLong(), Failure("context_too_long")),
        (AgentError("no"), Failure("agent_error", "no")),
        (PortError("?"), Failure("port_error", "?")),
        (ValueError("bad"), Failure("raised", "ValueError: bad")),
        (ValueError(), Failure("raised", "ValueError")),
        (ValueError("x" * 3_000), Failure("raised", "ValueError: " + "x" * 2_000)),
    ],
)
def test_exceptions_are_sorted_once(error: Exception, failure: Failure) -> None:
    assert failure_of(error) == failure


def test_an_exception_that_cannot_be_printed_is_named() -> None:
    class Broken(Exception):
        def __str__(self) -> str:
            raise RuntimeError("no words")

    assert failure_of(Broken()) == Failure("raised", "Broken: (cannot be printed)")


def test_the_kind_of_others_is_the_callers() -> None:
    assert failure_of(KeyError("a"), "agent_error") == Failure("agent_error", "KeyError: 'a'")


def test_a_failure_prints_as_kind_and_words() -> None:
    assert str(Failure("timed_out", "30 s")) == "timed_out: 30 s"
    assert str(Failure("timed_out")) == "timed_out"


@pytest.mark.parametrize(
    "build",
    [
        lambda: Say(None),
        lambda: Say(b"bytes"),
        lambda: Leave(None),
        lambda: Leave("why", say=None),
        lambda: Ask("a prompt"),
        lambda: Verdict("yes"),
        lambda: Verdict(achieved=True, rationale=None),
    ],
)
def test_decisions_of_the_wrong_type_cannot_be_built(build) -> None:
    with pytest.raises(TypeError):
        build()


def test_a_memo_that_is_not_json_cannot_be_said() -> None:
    with pytest.raises(ValueError, match="seen is a set, which JSON cannot hold"):
        Say("Hello.", memo={"seen": {1, 2}})
