"""Laws of users that need no model, and of users made of others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp import users
from convsim_fp.core import AskUser, Leave, Say, TestCase, View
from convsim_fp.testing import strategies as any_of

CASE = TestCase(goal="x", context={"a": 1})


@given(any_of.texts().filter(str.strip), any_of.texts(), any_of.json_values())
def test_what_fills_a_place_is_not_filled_again(goal, word, value) -> None:
    """Whatever braces the case holds, they are said as they are."""
    case = TestCase(goal=goal, context={"a": word}, extra={"b": [value]})
    assert users.fill("{goal}", case) == goal
    assert users.fill("<{context.a}|{context.a}>", case) == f"<{word}|{word}>"
    assert users.fill("{extra.b}", case).startswith("[")


@given(st.text(st.sampled_from("{} !:%$.ä")), any_of.texts())
def test_braces_without_a_name_are_braces(line: str, text: str) -> None:
    """And text without braces is itself."""
    assert users.fill(line.replace("ä", ""), CASE) == line.replace("ä", "")
    plain = text.replace("{", "")
    assert users.fill(plain, CASE) == plain


@given(st.lists(any_of.texts().map(lambda text: text.replace("{", "")), min_size=1, max_size=5))
def test_a_script_is_said_to_its_end(lines: list[str]) -> None:
    """Line n at turn n, then the user leaves."""
    user = users.scripted(lines)
    moves = [user(View(CASE, turn)) for turn in range(1, len(lines) + 2)]
    assert moves == [*map(Say, lines), Leave("the script ended")]


@given(any_of.texts(), any_of.texts())
def test_a_users_reply_survives_its_recording(say: str, leaves: str) -> None:
    """What the port answered is what the behaviour reads, for any texts."""
    asking = users.delegated()(View(CASE, 1))
    assert next(asking) == AskUser()
    reply = users.UserReply(say, leaves)
    if not leaves and not say.strip():
        assert asking.send(reply.as_text()) == AskUser(because="it has no words to send")
        return
    with pytest.raises(StopIteration) as end:
        asking.send(reply.as_text())
    assert end.value.value == (Leave(leaves, say) if leaves else Say(say))


@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 9))
def test_first_and_then_share_out_the_turns(one: int, two: int, turn: int) -> None:
    """first(a, x).then(first(b, y).then(z)) = first(a + b, first(a, x).then(y)).then(z)"""

    def named(name: str):
        return lambda view: Say(f"{name}{view.turn}")

    x, y, z = map(named, "xyz")
    right = users.first(one, x).then(users.first(two, y).then(z))
    left = users.first(one + two, users.first(one, x).then(y)).then(z)
    said = []
    for user in (right, left):
        with pytest.raises(StopIteration) as end:
            next(user(View(CASE, turn)))
        said.append(end.value.value.text)
    assert said[0] == said[1]
