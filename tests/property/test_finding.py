"""The laws of finding and shrinking, for agents with planted flaws."""

from __future__ import annotations

import os
import subprocess
import sys
from hashlib import sha256

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from convsim_fp import goals, users
from convsim_fp.core import Rules, TestCase, start
from convsim_fp.interpreters import Ports, converse, perform
from convsim_fp.testing import strategies as any_of
from convsim_fp.testing.finding import Search, search_conversations
from convsim_fp.testing.phrases import literal, with_sentences
from convsim_fp.testing.talks import Talk

# A search is a property itself, one that is meant to be inside of another here.
nested = settings(suppress_health_check=[HealthCheck.nested_given])
SCRIPT = ("Hello. It broke.", "Yes.", "W7", "W8")
CASE = TestCase(goal="x", id="a", extra={"script": SCRIPT})


@frozen
class Flaw:
    """An agent that goes wrong, as a function of what the user has said so far."""

    needs: tuple[str, ...]
    forbids: str
    parity: int
    seed: int

    def __call__(self, request):
        return "BUG" if self.shows([m.text for m in request.transcript[::2]]) else "Fine."

    def shows(self, said) -> bool:
        rest = iter(said)
        in_order = all(text in rest for text in self.needs)
        digest = sha256(f"{self.seed}{said}".encode()).digest()
        return in_order and self.forbids != said[-1] and digest[0] % self.parity == 0


flaws = st.builds(
    Flaw,
    needs=st.lists(st.sampled_from((*SCRIPT, "It broke.")), max_size=2).map(tuple),
    forbids=st.sampled_from((*SCRIPT, "")),
    parity=st.integers(1, 4),
    seed=st.integers(0, 99),
)


def goes_wrong(state) -> bool:
    return any(message.text == "BUG" for message in state.transcript)


def search(flaw, **told):
    told = {"violates": goes_wrong, "max_turns": 4, "max_examples": 8} | told
    return search_conversations([CASE], Ports(flaw), Search(**told))


def wrong(flaw, lines) -> bool:
    return any(flaw.shows(lines[:turn]) for turn in range(1, len(lines) + 1))


@nested
@given(flaws)
def test_what_is_found_violates_and_none_of_its_neighbours_does(flaw) -> None:
    """Dropping a line, or putting a simpler phrase for it, shows the flaw no more.

    The found case alone gives the found state again, entry by entry.
    """
    one = search(flaw)
    event("found" if one else "none")
    if one is None:
        return
    lines = list(one.case.extra["script"])
    assert goes_wrong(one.state)
    assert plays_again(flaw, one)
    assert wrong(flaw, lines)
    simplest = sorted({*with_sentences(SCRIPT), "x"}, key=lambda text: (len(text), text))
    for at, line in enumerate(lines):
        assert not wrong(flaw, lines[:at] + lines[at + 1 :])
        for phrase in simplest[: simplest.index(line)]:
            assert not wrong(flaw, [*lines[:at], phrase, *lines[at + 1 :]])


def plays_again(flaw, one) -> bool:
    rules, entries = Rules(users.scripted(), goals.never, max_turns=4), []
    begun = start(rules, one.case, one.state.session)
    state = converse(rules, begun, perform(Ports(flaw)), sink=entries.append)
    return (state, tuple(entries)) == (one.state, one.entries)


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("user", [None, users.prompted()], ids=["lines", "user"])
def test_the_same_search_finds_the_same(seed, user) -> None:
    flaw = Flaw(needs=("W7",), forbids="W8", parity=2, seed=seed)
    first = search(flaw, user=user, max_examples=200)
    assert first is not None
    assert search(flaw, user=user, max_examples=200) == first


@given(any_of.cases(), st.lists(any_of.texts(), min_size=1, max_size=4))
def test_a_script_says_the_very_lines(case, lines) -> None:
    """Whatever stands in them, and whatever was said before them."""
    case = evolve(case, id="a", max_turns=None)
    rules = Rules(users.scripted(), goals.never)
    begun = start(rules, Talk(case, tuple(lines)).as_case)
    state = converse(rules, begun, perform(Ports(lambda request: "Go on.")))
    said = [m.text for m in state.transcript[len(case.history) :] if m.speaker == "user"]
    assert said == lines


@given(any_of.texts() | st.text("{}{}a.- \n"))
def test_a_literal_is_filled_with_itself(text) -> None:
    assert users.fill(literal(text), TestCase(goal="x")) == text


@given(any_of.cases(), any_of.transcripts())
def test_what_was_said_makes_a_script_of_at_least_what_a_script_needs(case, said) -> None:
    talk = Talk(evolve(case, id="a")).as_said((*case.history, *said), "Hello.")
    assert len(talk.lines) >= talk.least
    assert users.script_of(talk.as_case)
    spoken = tuple(message.text for message in said if message.speaker == "user")
    assert talk.lines == (spoken or talk.lines)


FINDING = """
{company}
from convsim_adapters.finding import find_conversation

def agent(messages):
    said = [m["content"] for m in messages if m["role"] == "user"]
    return "BUG" if {{"W7", "Yes."}} <= set(said[1:]) else "Fine."

case = {{"goal": "x", "script": ["Hello. W7", "Yes. Please.", "W8", "No.", "Hm."]}}
found = find_conversation(agent, [case], violates=lambda state: "BUG" in str(state.transcript))
print(found, found.tried)
"""


def printed(company: str, seed: str) -> str:
    code = FINDING.format(company=company)
    environment = {**os.environ, "PYTHONHASHSEED": seed}
    words = [sys.executable, "-W", "error", "-c", code]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    return done.stdout


def test_neither_hash_seeds_nor_the_company_of_other_modules_change_what_is_found() -> None:
    """hypothesis learns constants from the modules that are loaded; a search does not."""
    alone = printed("", "0")
    assert "agent: BUG" in alone
    assert printed("import convsim_adapters.cli, convsim_adapters.demo.shop", "4242") == alone


@pytest.mark.parametrize("phrase", ["{a}", "{{a}}", "{{{a}", "{a}}}", "{}{a.b-c}"])
def test_braces_are_kept(phrase) -> None:
    assert users.fill(literal(phrase), TestCase(goal="x")) == phrase
