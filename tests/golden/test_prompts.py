"""The prompts as models see them, byte for byte, in a file that a person can read.

`UPDATE_GOLDEN=1 pytest tests/golden` writes it anew; read the difference before you keep it.
"""

import os
import re
import runpy
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from convsim_fp import goals
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    ChatMessage,
    Generate,
    Generated,
    Lane,
    Observation,
    Request,
    Rules,
    start,
    step,
)

HERE = Path(__file__).parent
GOLDEN = HERE / "prompts_v1.md"
CONVERSATIONS = runpy.run_path(str(HERE / "conversations.py"))

HEAD = """\
# The prompts of wording v1, as models see them

A dozen conversations of our own (`conversations.py`). Of each: what the simulated user is asked for
its first and its third message, what the judge is asked after the third turn, and how each is asked
again when its reply could not be used; of users that say how they stand also what they are asked
when all is said. A message stands in a fence under its role; what a prompt has in common with the
one above it is left out.

`test_prompts.py` compares this file byte for byte. `UPDATE_GOLDEN=1 pytest tests/golden` writes it
anew after a change of wording; read the difference. A released wording never changes.
"""

# Heading, and the prompts by their ids: one to show, one to leave out what is the same.
SECTIONS = (
    ("User, first message", "1/user/0", None),
    ("User, third message", "3/user/0", "1/user/0"),
    ("User, third message, again", "3/user/1", "3/user/0"),
    ("User, after the last turn", "4/user/0", "3/user/0"),
    ("Judge, after turn 3", "3/goal_check/0", None),
    ("Judge, after turn 3, again", "3/goal_check/1", "3/goal_check/0"),
)


def answer(shown, request: Request) -> Observation:
    turn, first_of_three = request.id.turn, (request.id.turn, request.id.nth) == (3, 0)
    if isinstance(request, CallAgent):
        reply = shown.replies[max(0, turn - 1)]
        return AgentReplied(request.id, reply.text, tool_calls=reply.tool_calls)
    if request.id.lane is Lane.USER:
        return Generated(request.id, shown.unusable if first_of_three else shown.says[turn - 1])
    return Generated(request.id, shown.unclear if first_of_three else "No.")


def prompts_of(shown) -> dict[str, tuple[ChatMessage, ...]]:
    """The rendered prompts of a conversation of three turns, by their ids.

    Of one with a judge, up to its second question of turn 3; of one without, the user's last.
    """
    user = CONVERSATIONS["USERS"][shown.user]
    judged = asked_in(shown, Rules(user, goals.prompted(), max_turns=3), last="3/goal_check/1")
    alone = asked_in(shown, Rules(user, None, max_turns=3), last="4/user/0")
    return alone | judged


def asked_in(shown, rules: Rules, last: str) -> dict[str, tuple[ChatMessage, ...]]:
    waiting = start(rules, shown.case)
    found: dict[str, tuple[ChatMessage, ...]] = {}
    while waiting.requests:
        (request,) = waiting.requests
        if isinstance(request, Generate):
            found[str(request.id)] = request.messages
        if str(request.id) == last:
            break
        waiting = step(rules, waiting.state, answer(shown, request))
    return found


def chapter(number: int, shown) -> Iterator[str]:
    yield f"## {number}. {shown.title}\n"
    yield f"The user is `{shown.user}`.\n"
    prompts = prompts_of(shown)
    for title, name, above in SECTIONS:
        if name in prompts:
            yield f"### {number}. {title}\n"
            yield from section(prompts[name], prompts[above] if above else ())


def section(messages: tuple[ChatMessage, ...], above: tuple[ChatMessage, ...]) -> Iterator[str]:
    pairs = zip(messages, above, strict=False)
    same = len(list(takewhile(lambda pair: pair[0] == pair[1], pairs)))
    if same:
        yield f"({same} of {len(messages)} messages as above.)\n"
    for message in messages[same:]:
        longest = max(map(len, re.findall("`+", message.content)), default=0)
        fence = "`" * max(3, longest + 1)
        yield f"**{message.role}**\n{fence}text\n{message.content}\n{fence}\n"


def test_the_prompts_are_as_the_golden_file_shows_them() -> None:
    shown = CONVERSATIONS["CONVERSATIONS"]
    parts = (part for n, each in enumerate(shown, start=1) for part in chapter(n, each))
    page = "\n".join((HEAD, *parts)).encode()
    if os.environ.get("UPDATE_GOLDEN"):
        GOLDEN.write_bytes(page)
    assert GOLDEN.read_bytes() == page, "UPDATE_GOLDEN=1 pytest tests/golden writes it anew"


def test_the_golden_conversations_show_every_kind_of_prompted_user() -> None:
    shown = CONVERSATIONS["CONVERSATIONS"]
    assert len(shown) >= 12
    assert {each.user for each in shown} == set(CONVERSATIONS["USERS"])
