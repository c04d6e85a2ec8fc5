"""Recorded runs made by hand, in no time: every kind of end and of trouble."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from attrs import evolve

from convsim_fp import Rules, TestCase, goals, users
from convsim_fp.core import Interrupted, ToolCall, freeze_object, new_session
from convsim_fp.errors import AgentError, TimedOut
from convsim_fp.interpreters import AgentReply, Facts, Ports
from convsim_fp.testing.playing import HEADER, Played, play, records_of, segment_of
from convsim_fp.testing.strategies import Setting

__all__ = ["BEGAN", "long_run", "rich_run", "session", "write_run"]

BEGAN = "2026-11-25T15:04:32+00:00"
SETTINGS = {"agent": "shop.agent:Desk", "user_model": "openai/gpt-5-mini", "max_turns": 4}
NO = '{"rationale": "Nothing is refunded yet.", "result": "no"}'
YES = '{"rationale": "The agent says that order W7 is refunded.", "result": "yes"}'
CALL = ToolCall(
    "refund_order", {"number": "W7", "amount": {"value": 59.9, "currency": "EUR"}}, "c1"
)


def write_run(directory: Path, sessions: Iterable[Played], **settings: Any) -> Path:
    """Put the journal of a run into a directory."""
    header = evolve(
        HEADER, began=BEGAN, convsim="0.1.0", settings=freeze_object(SETTINGS | settings)
    )
    records = [record for one in sessions for record in records_of(one)]
    (directory / "journal").mkdir(parents=True)
    (directory / "journal" / "0001.jsonl").write_text(segment_of(records, header=header), "ascii")
    return directory


def session(
    case: TestCase,
    *,
    user: Sequence[Any],
    agent: Sequence[Any],
    judge: Sequence[Any] = (NO,),
    trial: int = 1,
    rules: Rules | None = None,
    costs: Sequence[Facts] = (),
    **more: Any,
) -> Played:
    """Play one session; each lane says what it is given, its last over and over."""
    models = Ports(user_model=said(user), goal_model=said(judge), agent=said(agent))
    rules = rules or Rules(users.prompted(), goals.prompted(), max_turns=4)
    name = new_session(str(case.id), trial)
    return play(Setting(rules, case, models), session=name, costs=costs or spent(), **more)


def said(answers: Sequence[Any]) -> Callable[[Any], Any]:
    """A port that answers so, in turn."""
    waiting = [*answers]

    def answer(_request: Any) -> Any:
        given = waiting.pop(0) if len(waiting) > 1 else waiting[0]
        if isinstance(given, Exception):
            raise given
        return given

    return answer


def spent(price: float = 0.0004, seconds: float = 0.8) -> list[Facts]:
    """What answers cost: each a little more than the one before, one after the other."""
    return [
        Facts(
            input_tokens=400 + 60 * n,
            output_tokens=20 + n,
            cached_tokens=256 if n else 0,
            cost=price * (1 + n / 10),
            start=1_795_619_072.0 + n * seconds,
            seconds=seconds + n / 20,
        )
        for n in range(40)
    ]


def case(name: str, goal: str, **more: Any) -> TestCase:
    return TestCase(goal=goal, id=name, **more)


HELLO = "Hello, I would like my money back for my shoes."
TALK = [HELLO, "It is order W7.", "Yes, please.", "And when will I have it?"]
DESK = [
    "Which order is it? Its number begins with a W.",
    "Shall I refund order W7 (59.90 EUR)?",
    AgentReply("Done: order W7 is refunded. Is there anything else?", tool_calls=(CALL,)),
    "Within five days.",
]


def rich_run(directory: Path, *, changed: bool = False) -> Path:
    """A run with every kind of end and of trouble; `changed`, as another agent would have it."""
    return write_run(directory, [*_rich(changed=changed)])


def _rich(*, changed: bool) -> Iterator[Played]:
    refund = case(
        "refund",
        "get the money back for order W7, the red shoes",
        persona="Somebody in a hurry, who answers in few words.",
        simulation_guidelines=["Begin without the number.", "Stay polite."],
        context={"customer": "C-104", "orders": ["W7", "W8"]},
        expectations={"refunded": "W7"},
        tags=("money",),
    )
    desk = ["Please send us a letter.", *DESK] if changed else DESK
    for trial in (1, 2):
        yield session(refund, user=TALK, agent=desk, judge=[NO, NO, YES], trial=trial)
    yield session(
        case("asked-again", "hear when the parcel comes"),
        user=["", "I am an AI language model.", "Where is my parcel?", *TALK],
        agent=["It is on its way."],
        judge=["perhaps", NO, YES],
    )
    errors = ("rate_limited: 429, retry after 2 s", "unavailable: 503 from the gateway")
    slow = [evolve(one, attempts=3, errors=errors, seconds=9.5) for one in spent(0.004, 9.5)[:1]]
    yield session(
        case("slow", "track the parcel"), user=TALK, agent=DESK, costs=[*slow, *spent(0.003, 4.0)]
    )
    yield session(
        case("agent-down", "cancel order W9"),
        user=TALK,
        agent=[DESK[0], AgentError("KeyError: 'W9' in the order table")],
    )
    yield session(
        case("user-down", "ask for a colleague"), user=[TimedOut("no answer in 120 s")], agent=DESK
    )
    yield session(case("judge-down", "change the address"), user=TALK, agent=DESK, judge=["maybe"])
    leaving = Rules(users.scripted(["Hello?", "Never mind."]), goals.when("refunded"), max_turns=4)
    agent = ["We are closed.", "Bye."]
    yield session(case("impatient", "complain"), user=[""], agent=agent, rules=leaving)
    opening = case("opens", "be greeted", agent_opens=True)
    yield session(
        opening,
        user=TALK,
        agent=[AgentReply("Good day! How can I help?"), AgentReply("Bye.", ended=True)],
    )
    before = [
        {"role": "user", "content": "Hello again."},
        {"role": "assistant", "content": "Hello!"},
    ]
    yield session(case("history", "go on", history=before), user=TALK, agent=DESK, judge=[NO, YES])
    yield session(
        case("over-budget", "buy a lamp"),
        user=TALK,
        agent=DESK,
        cut=4,
        why=Interrupted("budget", "max_cost is 0.01"),
    )
    overlap = Rules(users.prompted(), goals.prompted(), max_turns=4, overlap=True)
    yield session(
        case("ahead", "get advice"),
        user=TALK,
        agent=DESK,
        judge=[NO, YES],
        rules=overlap,
        schedule=[1] * 20,
    )
    yield session(
        case("cut-off", "get on with it"), user=TALK, agent=DESK, cut=None if changed else 3
    )


def long_run(directory: Path, *, sessions: int, turns: int) -> Path:
    """A run of many conversations of so many turns, each with other words."""
    return write_run(directory, (_long(n, turns) for n in range(sessions)))


def _long(number: int, turns: int) -> Played:
    words = cycle(THINGS[number % 10 :] + THINGS[: number % 10])
    goal = f"settle the matter of order W{number} and hear when it is done"
    rules = Rules(users.prompted(), goals.prompted(), max_turns=turns)
    judge = [*[NO] * (turns - 1), YES if number % 3 else NO]
    user, agent = ([*_lines(who, number, turns, words)] for who in ("I ask", "We say"))
    return session(
        case(f"case-{number:04}", goal), user=user, agent=agent, judge=judge, rules=rules
    )


def _lines(who: str, number: int, turns: int, words: Iterator[str]) -> Iterator[str]:
    for turn in range(turns):
        first, second, third = islice(words, 3)
        yield (
            f"{who} {number}-{turn}: about the {first}, the {second} and what we said of the "
            f"{third} before; could that be settled today, or is something missing still?"
        )


THINGS = "order parcel refund lamp kettle address colleague money invoice week".split()
