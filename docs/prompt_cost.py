"""Count the tokens and US dollars in the tables of docs/explanation/cost.md.

Plays the 114 retail tasks of tau2-bench, every one of them to its last turn. What the clients of
models would put on the wire is written, read back and counted, with the tokenizer of OpenAI's
models since GPT-4o, which litellm's wheel carries. Nothing is sent.

    python docs/prompt_cost.py
"""

import json
import os
import re
from collections.abc import Iterator
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from itertools import accumulate, cycle, islice
from pathlib import Path
from statistics import fmean
from typing import Any

from attrs import evolve, frozen

from convsim_adapters.cache_hints import NO_HINTS
from convsim_adapters.case_files import load_cases
from convsim_adapters.prices import FILE, Price, Used
from convsim_fp import goals, users
from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    Generate,
    Generated,
    Lane,
    Rules,
    Session,
    TestCase,
    render,
    start,
    step,
)

PAGE = Path(__file__).parent / "explanation" / "cost.md"
TASKS = Path(__file__).parents[2] / "shared" / "data" / "tau2" / "retail_tasks.json"
TURNS, SHOWN = 30, (1, 2, 3, 5, 10, 20, 30)
PAID = (5, 10, 30)  # turns
USERS_WORDS, AGENTS_WORDS, REASON_WORDS = 24, 72, 16
OVERHEAD, CLOSING = 4, 3  # tokens around a message, and before the reply
LEAST = 1024  # tokens that both providers cache at least
BOTH, ONE = ("user", "judge"), ("one call",)
MODELS = {"gpt-5.6": "openai", "claude-sonnet-5": "anthropic"}


@frozen
class Call:
    """The tokens of one call: what it is sent, how much of that comes again, what it answers."""

    sent: int
    lasting: int
    answered: int
    known: int

    @property
    def new(self) -> int:
        """What no call before it had, the question included."""
        return self.sent - self.known


@cache
def tokenizer() -> Any:
    """The one that litellm's wheel carries, where tiktoken would look for what it downloaded."""
    import tiktoken  # noqa: PLC0415

    place = litellm_file("litellm_core_utils/tokenizers")
    os.environ["TIKTOKEN_CACHE_DIR"] = str(place)
    return tiktoken.get_encoding("o200k_base")


def litellm_file(name: str) -> Path:
    spec = find_spec("litellm")
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit("needs convsim-fp[litellm]")
    return Path(spec.submodule_search_locations[0]) / name


@cache
def tokens(text: str) -> int:
    return len(tokenizer().encode(text, disallowed_special=()))


def read_back(wire: bytes) -> int:
    """The tokens of the messages in a request's body."""
    return CLOSING + sum(cost(message["content"]) for message in json.loads(wire)["messages"])


def cost(content: str) -> int:
    return OVERHEAD + tokens(content)


def words_of(case: TestCase) -> Iterator[str]:
    """The case's own words, over and over: a stand-in for what is said."""
    return cycle(f"{case.goal} {' '.join(case.simulation_guidelines)}".split())


def said(words: Iterator[str], count: int) -> str:
    return " ".join(islice(words, count))


def answer(request: Generate, words: Iterator[str], rules: Rules) -> str:
    """What a model answers: a message, a message in its form, or a verdict."""
    if request.id.lane is Lane.GOAL_CHECK:
        return json.dumps({"rationale": said(words, REASON_WORDS), "result": "no"})
    message = said(words, USERS_WORDS)
    if rules.goal_check is not None:
        return message
    reason = said(words, REASON_WORDS)
    return json.dumps({"reason": reason, "status": "continue", "message": message})


def played(rules: Rules, case: TestCase) -> dict[Lane, list[Call]]:
    """The calls of each role in one conversation, turn by turn."""
    words, made = words_of(case), {Lane.USER: list[Call](), Lane.GOAL_CHECK: list[Call]()}
    waiting = start(rules, case, Session(case.id))
    while waiting.requests:
        [request] = waiting.requests
        if isinstance(request, CallAgent):
            seen: Any = AgentReplied(request.id, said(words, AGENTS_WORDS))
        else:
            text = answer(request, words, rules)
            made[request.id.lane].append(counted(request, text, made[request.id.lane]))
            seen = Generated(request.id, text)
        waiting = step(rules, waiting.state, seen)
    return made


def counted(request: Generate, text: str, before: list[Call]) -> Call:
    wire = json.dumps({"messages": NO_HINTS.messages_of(request)}).encode()
    lasting = sum(cost(m.content) for m in render(evolve(request.prompt, question="")))
    known = before[-1].lasting if before else 0
    return Call(read_back(wire), lasting, tokens(text), known)


@cache
def measured() -> dict[str, list[list[Call]]]:
    """By role, the calls of each case; "one call" is a user that judges for itself."""
    cases = load_cases([TASKS]).cases
    both = Rules(users.prompted(), goals.prompted(), max_turns=TURNS)
    alone = Rules(users.by_user(), None, max_turns=TURNS)
    two, one = [[played(rules, case) for case in cases] for rules in (both, alone)]
    return {
        "user": [made[Lane.USER] for made in two],
        "judge": [made[Lane.GOAL_CHECK] for made in two],
        "one call": [made[Lane.USER] for made in one],
    }


def mean(role: str, what: str) -> list[float]:
    """A count of each turn, over the cases."""
    turns = zip(*(calls[:TURNS] for calls in measured()[role]), strict=True)
    return [fmean(getattr(call, what) for call in calls) for calls in turns]


def token_table() -> str:
    """Tokens by turn, and how many there have been by then."""
    columns = {
        "user": mean("user", "sent"),
        "of them new": mean("user", "new"),
        "judge": mean("judge", "sent"),
        "new": mean("judge", "new"),
        "one call": mean("one call", "sent"),
        "new ": mean("one call", "new"),
    }
    columns["both so far"] = so_far(BOTH, "sent")
    columns["one call so far"] = so_far(ONE, "sent")
    rows = [
        [str(turn), *(f"{column[turn - 1]:,.0f}" for column in columns.values())] for turn in SHOWN
    ]
    return table(["turn", *(name.strip() for name in columns)], rows)


def so_far(roles: tuple[str, ...], what: str) -> list[float]:
    """A count of all turns up to each, over the cases."""
    each = zip(*(mean(role, what) for role in roles), strict=True)
    return list(accumulate(map(sum, each)))


def price(model: str) -> Price:
    entry = json.loads(litellm_file(FILE).read_text("utf-8"))[model]
    rates = {name: value for name, value in entry.items() if isinstance(value, float)}
    return Price(rates, f"litellm {version('litellm')}")


def dollars(calls: list[Call], paid: Price, how: str) -> float:
    """What calls cost without a cache, with ours, or where their whole prompts are put into one."""
    return sum(paid.cost(used(call, how)) for call in calls)


def used(call: Call, how: str) -> Used:
    known, lasting, whole = (
        count if count >= LEAST else 0 for count in (call.known, call.lasting, call.sent)
    )
    cached, written = {"none": (0, 0), "hints": (known, lasting - known), "whole": (0, whole)}[how]
    return Used(input=call.sent, output=call.answered, cached=cached, written=written)


def money_table() -> str:
    """US dollars for a conversation of so many turns, over the cases."""
    rows = []
    for model, provider in MODELS.items():
        paid = price(model)
        for turns in PAID:
            ways = [(BOTH, "none"), (BOTH, "hints"), (ONE, "none"), (ONE, "hints")]
            costs = [conversation(roles, turns, paid, how) for roles, how in ways]
            unmarked = conversation(BOTH, turns, paid, "whole")
            shown = f"{unmarked:.3f}" if provider == "openai" else ""
            rows.append([model, str(turns), shown, *(f"{cost:.3f}" for cost in costs)])
    named = ["two calls", "two, cached", "one call", "one, cached"]
    prices = f"Prices: litellm {version('litellm')}."
    return table(["model", "turns", "two calls, no hints", *named], rows) + f"\n\n{prices}"


def conversation(roles: tuple[str, ...], turns: int, paid: Price, how: str) -> float:
    """Its price; a user that judges for itself is asked once more after the last reply."""
    calls = turns + (roles == ONE)
    every = [[dollars(made[:calls], paid, how) for made in measured()[role]] for role in roles]
    return fmean(map(sum, zip(*every, strict=True)))


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---:"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


TABLES = {"tokens": token_table, "money": money_table}


def filled(page: str, name: str, text: str) -> str:
    """A page with a table in its place."""
    place = re.compile(f"(<!-- {name}: begin -->\n).*?(\n<!-- {name}: end -->)", re.DOTALL)
    return place.sub(lambda found: f"{found[1]}\n{text}\n{found[2]}", page)


def main() -> None:
    page = PAGE.read_text("utf-8")
    for name, made in TABLES.items():
        page = filled(page, name, made())
    PAGE.write_text(page, "utf-8")


if __name__ == "__main__":
    main()
