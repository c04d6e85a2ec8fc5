"""Laws of speech: people's sentences pass, what was cleaned is clean, no reply raises."""

import json

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from convsim_fp import users
from convsim_fp.core import Ask, Leave, Message, Satisfied, Say, TestCase, View
from convsim_fp.testing import strategies as any_of
from convsim_fp.users.speech import Unusable, read_speech

SAID = (Message("user", "Where are my shoes?"), Message("agent", "On their way. Anything else?"))
VIEW = View(TestCase(goal="Return the red shoes and get the money back"), 2, SAID)
OPENING = View(VIEW.case, 1)

# Words of any script, and the marks between them; no labels, no markup, no wrapping quotes.
WORDS = st.text(st.characters(categories=("L", "Mn", "Nd")), min_size=1, max_size=9)
SENTENCES = st.lists(
    st.tuples(
        WORDS, st.sampled_from((" ", " ", " ", ", ", "; ", " – ", "'", "-", "/", "\n", "。"))
    ),
    min_size=1,
    max_size=12,
).map(lambda parts: "".join(word + mark for word, mark in parts).rstrip(" ,;–'-/\n"))
ENDED = st.tuples(SENTENCES, st.sampled_from(("", ".", "?", "!", "…", "?!", " :)", "。"))).map(
    "".join
)

PIECES = (
    "User: ",
    "**User:** ",
    "Agent: ",
    "[USER]\n",
    "### Assistant\n",
    "Policy: 12",
    "Hi",
    "\n",
    " ",
    '"',
    "'",
    "“",
    "”",
    "„",
    "«",
    "»",
    "`",
    "<user>",
    "</user>",
    "<message>",
    "</message>",
    "<agent>",
    "<think>",
    "</think>",
    "<|im_end|>",
    "<eos>",
    "How can I help you?",
    "As an AI, I",
)
REPLIES = st.lists(st.sampled_from(PIECES), max_size=8).map("".join) | any_of.texts()
VIEWS = st.sampled_from((VIEW, OPENING))


@given(ENDED, st.sampled_from(("", " ", "\n\t ", "\r\n")), VIEWS)
@example("can you help me?", "", OPENING)
@example("'tis an order of 5'10", " ", VIEW)
def test_an_ordinary_sentence_is_sent_as_it_is(sentence: str, space: str, view: View) -> None:
    """But for the space around it."""
    assert read_speech(f"{space}{sentence}{space}", view) == sentence.strip()


@given(REPLIES, VIEWS)
@example("\"'Hi'\"", VIEW)
@example('"User: User: Hi"', VIEW)
@example("Hi<eos><eos>", VIEW)
@example("<message>a</message><message>b</message>", VIEW)
def test_what_was_cleaned_is_clean(reply: str, view: View) -> None:
    """Words that were accepted are words, and reading them again changes nothing."""
    words = read_speech(reply, view)
    if isinstance(words, str):
        assert words == words.strip() != ""
        assert words in reply
        assert read_speech(words, view) == words
    else:
        assert words.because


@given(ENDED, VIEWS, st.sampled_from((*"\"'`", "“”", "«»", "„“", "「」")))
def test_what_is_wrapped_around_a_sentence_is_taken_off(sentence, view, quotes) -> None:
    """Quotes, a label, reasoning, a tag: each of them, and all of them."""
    words = sentence.strip()
    assume(quotes != "'" or "'" not in words)
    quoted = f"{quotes[0]}{words}{quotes[-1]}"
    thought = "<think>I am the user.\n</think>\n"
    for reply in (
        quoted,
        f"User:\n{words}",
        f"**Customer**: {words}",
        f"{thought}{words}",
        f"<user>{words}</user>",
        f"{words}<|im_end|>",
        f"{thought}<message>User:\n{quoted}</message><eos>",
    ):
        assert read_speech(reply, view) == words


@given(ENDED, ENDED, VIEWS, st.sampled_from(("Agent: ", "**Assistant:** ", "### Agent\n", "AI: ")))
def test_a_second_speaker_is_never_sent(one, other, view, label) -> None:
    """Wherever it begins a line, and says more than an entry of a form would."""
    spoken = f"{label}{other.strip()} and so on, as I said."
    for reply in (f"{one}\n{spoken}", f"User: {one}\n\n{spoken}\nUser: ok.", spoken, f'"{spoken}"'):
        assert isinstance(read_speech(reply, view), Unusable)


@given(ENDED, st.sampled_from(("satisfied", "gave_up", "blocked")), any_of.texts())
def test_a_structured_reply_says_what_a_plain_one_says(sentence, status, reason) -> None:
    """The words of a JSON reply are read as words, whatever the reason."""
    words = sentence.strip()

    def decide(status: str):
        reply = {"reason": reason, "status": status, "message": f'User:\n"{words}"'}
        return answered(users.prompted(may_leave=True), json.dumps(reply, ensure_ascii=False))

    assume("'" not in words)
    assert decide("continue") == Say(words)
    left = decide(status)
    assert isinstance(left, Leave)
    assert left.say == words
    assert left.why.startswith(f"{status}: ")


def answered(user, *replies: str):
    """The user's decision over some replies, or its next question."""
    asking = user(VIEW)
    came = next(asking)
    try:
        for reply in replies:
            came = asking.send(reply)
    except StopIteration as end:
        return end.value
    return came


@given(REPLIES, REPLIES, st.booleans())
def test_no_reply_makes_a_user_raise(one: str, other: str, may_leave: bool) -> None:
    """Any reply is taken, or asked for again with a reason."""
    structured = f'{{"message": "{other}", "status": "continue"}}'
    for user in (users.prompted(may_leave=may_leave), users.by_user(may_leave=may_leave)):
        came = answered(user, one, structured)
        assert isinstance(came, (Ask, Say, Leave, Satisfied))
        if isinstance(came, Ask):
            assert came.because != ""
            assert came.because in came.prompt.question


@pytest.mark.parametrize(
    "part",
    [
        *'{<" *\n.?#[',
        "User: x\n",
        "Agent: a\nPolicy: b\n",
        "a: b\n",
        "<user>",
        "<|im_end|>",
        "how can i help you ",
        "as an ai ",
        "wie kann ich ihnen ",
        "\"'",
    ],
)
def test_a_megabyte_of_one_thing_is_read_in_time(part: str) -> None:
    """Nothing backtracks: it would never end."""
    text = part * (1_000_000 // len(part))
    for hostile in (text, f'"{text}"', f"User: {text}x"):
        read_speech(hostile, VIEW)
