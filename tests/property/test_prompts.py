"""The law of prompts: stable first, data in its quotation, what any chat model takes."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from convsim_fp.core import Message, Prompt, quoted, render
from convsim_fp.testing import strategies as any_of

VOICES = st.sampled_from(("user", "judge"))


@given(
    VOICES,
    any_of.texts(),
    any_of.transcripts(),
    any_of.texts(),
    any_of.transcripts(),
    any_of.texts(),
)
def test_without_the_question_a_turn_is_a_prefix_of_the_next(
    voice, system, before, hi, after, question
) -> None:
    """Law 5, for any transcript that the agent ended and the user goes on with."""
    before = (*before, Message("agent", "So?"))
    after = (*before, Message("user", hi), *after)
    head = render(Prompt(voice, system, before, ""))
    assert render(Prompt(voice, system, after, ""))[: len(head)] == head
    asked = render(Prompt(voice, system, before, question))
    assert asked[: len(head) - 1] == head[:-1]
    assert asked[len(head) - 1].content.startswith(head[-1].content)


@given(VOICES, any_of.texts(), any_of.transcripts(), any_of.texts().filter(str.strip))
def test_messages_are_what_any_chat_model_takes(voice, system, transcript, question) -> None:
    """A system message, if it has text; then user and assistant in turn, a user's last."""
    messages = render(Prompt(voice, system, transcript, question))
    stable = sum(message.role == "system" for message in messages)
    assert stable == 1 or not system.strip()
    others = messages[stable:]
    assert {message.role for message in others} <= {"user", "assistant"}
    assert all(one.role != other.role for one, other in pairwise(others))
    assert others[0].role == others[-1].role == "user"
    for message in messages:
        assert message.content.strip()
        message.content.encode()


@given(any_of.texts())
def test_quoted_text_has_no_tag_and_can_be_read_back(text: str) -> None:
    """Quoting loses nothing but what cannot be sent."""
    lines = quoted("agent", text).split("\n")
    assert (lines[0], lines[-1]) == ("<agent>", "</agent>")
    inner = "\n".join(lines[1:-1])
    assert "<" not in inner
    back = inner.replace("&lt;", "<").replace("&amp;", "&")
    assert len(back) == len(text)
    assert all(one == other or one == "\ufffd" for one, other in zip(back, text, strict=True))
