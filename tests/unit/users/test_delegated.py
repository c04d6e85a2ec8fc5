"""A user that lives outside of the core."""

import pytest

from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    AskUser,
    CallUser,
    Failed,
    Failure,
    Generated,
    Leave,
    Observation,
    Request,
    Rules,
    Say,
    Stopped,
    StopReason,
    TestCase,
    View,
    start,
)
from convsim_fp.testing import drive

CASE = TestCase(goal="x")


def talk(*replies: str | Failure, max_asks: int = 3):
    """A conversation with a user port that gives these replies; how it ended and what was asked."""
    left = iter(replies)
    asked: list[CallUser] = []

    def observe(request: Request) -> Observation:
        if not isinstance(request, CallUser):
            return AgentReplied(request.id, "Well?")
        asked.append(request)
        reply = next(left)
        return Generated(request.id, reply) if isinstance(reply, str) else Failed(request.id, reply)

    rules = Rules(users.delegated(), goals.never, max_turns=2, max_asks=max_asks)
    return drive(rules, start(rules, CASE), observe), asked


def decide(text: str):
    asking = users.delegated()(View(CASE, 1))
    assert next(asking) == AskUser()
    with pytest.raises(StopIteration) as end:
        asking.send(text)
    return end.value.value


def test_the_user_port_answers_every_turn() -> None:
    state, asked = talk(users.UserReply("Hi.").as_text(), users.UserReply("Bye.").as_text())
    assert state.phase == Stopped(StopReason.MAX_TURNS, 2, "the limit of 2 turns")
    assert [m.text for m in state.transcript] == ["Hi.", "Well?", "Bye.", "Well?"]
    assert [(str(call.id), len(call.transcript)) for call in asked] == [
        ("1/user/0", 0),
        ("2/user/0", 2),
    ]


def test_it_leaves_with_its_reason_and_its_last_words() -> None:
    state, _ = talk(users.UserReply("Bye.", leaves="had enough").as_text())
    assert state.phase == Stopped(StopReason.USER_LEFT, 1, "had enough")
    assert len(state.transcript) == 2
    state, _ = talk(users.UserReply("", leaves="had enough").as_text())
    assert state.phase == Stopped(StopReason.USER_LEFT, 0, "had enough")


def test_a_reply_without_words_is_asked_for_again_within_the_bound() -> None:
    state, asked = talk("", users.UserReply(" ").as_text(), "Hi.", "So?")
    assert state.transcript[0].text == "Hi."
    assert [str(call.id) for call in asked[:3]] == ["1/user/0", "1/user/1", "1/user/2"]
    state, asked = talk("", "", max_asks=2)
    assert isinstance(state.phase, Stopped)
    assert state.phase.reason is StopReason.USER_FAILED
    assert state.phase.detail.endswith("the last: it has no words to send")


def test_a_port_that_fails_fails_the_user() -> None:
    state, _ = talk(Failure("timed_out", "nobody there"))
    assert isinstance(state.phase, Stopped)
    assert (state.phase.reason, state.phase.detail) == (
        StopReason.USER_FAILED,
        "timed_out: nobody there",
    )


@pytest.mark.parametrize("say", ["Hi.", '{"say": "x", "leaves": ""}', "\ud800\n\x00", "ü"])
@pytest.mark.parametrize("leaves", ["", "had enough", "\udfff"])
def test_a_reply_survives_its_recording(say: str, leaves: str) -> None:
    text = users.UserReply(say, leaves).as_text()
    assert text.isascii()
    assert decide(text) == (Leave(leaves, say) if leaves else Say(say))


@pytest.mark.parametrize(
    "text",
    [
        "Hi.",
        "7",
        '["say"]',
        '{"say": "x"}',
        '{"say": "x", "leaves": "", "more": 1}',
        '{"say": 1, "leaves": ""}',
        '{"say": "x", "leaves": null}',
        '{"say": "x", "leaves": ""',
        '{"a":' * 100_000,
        "9" * 5_000,
    ],
)
def test_what_is_no_reply_object_is_taken_as_the_words(text: str) -> None:
    assert decide(text) == Say(text)


def test_a_reply_holds_texts_only() -> None:
    with pytest.raises(TypeError):
        users.UserReply(None)  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        users.UserReply("Bye.", leaves=True)  # type: ignore[arg-type]
