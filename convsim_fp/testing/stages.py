"""Where a search plays its candidates: each once, and a second time what violates."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from itertools import zip_longest
from typing import TypeAlias, cast

from attrs import Factory, define, frozen

from convsim_fp.core.envelope import Entry
from convsim_fp.core.json_values import dumps
from convsim_fp.core.machine import start
from convsim_fp.core.requests import Session
from convsim_fp.core.state import Rules, State
from convsim_fp.core.transcript import Message
from convsim_fp.errors import ConvsimError
from convsim_fp.interpreters.answers import close
from convsim_fp.interpreters.perform import perform
from convsim_fp.interpreters.ports import Ports, PortsOf
from convsim_fp.interpreters.threads import converse
from convsim_fp.testing.talks import Talk

__all__ = ["FlakyConversation", "Played", "Stage", "VainSearch", "Violates", "shown"]

Violates: TypeAlias = Callable[[State], bool]

MOST_QUOTED = 120  # characters of a message


class FlakyConversation(ConvsimError):
    """A conversation violates, and not when its user says the same again; both states are kept."""

    def __init__(self, violating: State, other: State) -> None:
        self.violating = violating
        self.other = other
        super().__init__(
            "one conversation violates, and another, in which the user says the same, does not: "
            f"{_departure(violating, other)}. Give an agent that remembers as a class or a "
            "factory, so that each conversation gets one of its own, and keep chance and time out"
        )


class VainSearch(ConvsimError):
    """No agent ever replied, so that nothing was tested; `last` is how it went."""

    def __init__(self, last: State, tried: int) -> None:
        self.last = last
        what = f"in none of {tried} conversations the agent replied, so nothing was tested"
        super().__init__(f"{what}; the last ended as {_end(last)}")


@frozen
class Played:
    """How a candidate went, and what `violates` said of it, or raised."""

    state: State
    entries: tuple[Entry, ...]
    violates: bool
    error: Exception | None = None


@define
class Stage:
    """Plays candidates, counts them, and remembers which of them violate.

    One of which `violates` raises counts as violating, so that it is shrunk and shown.
    """

    ports: Ports | PortsOf
    violates: Violates
    rules: Rules
    rules_of_scripts: Rules
    opening: str
    tried: int = 0
    violating: dict[Talk, Played] = Factory(dict[Talk, Played])
    fine: set[Talk] = Factory(set[Talk])
    first_fine: tuple[Talk, State] | None = None
    last: State | None = None
    replied: bool = False
    flaky: FlakyConversation | None = None

    def shows(self, talk: Talk) -> bool:
        """Whether a candidate violates, and as a script too."""
        if not self._violates(talk):
            return False
        told = self.as_script(talk)
        if self._violates(told):
            return True
        self._doubt(self.violating[talk].state, self._play(told).state)
        return False

    def as_script(self, talk: Talk) -> Talk:
        """The script of a candidate that violates; of a script what came to be said of it."""
        return talk.as_said(self.violating[talk].state.transcript, self.opening)

    def check(self) -> None:
        """Raise what makes the search worthless: `FlakyConversation`, `VainSearch`."""
        if self.first_fine is not None and self.flaky is None:
            talk, before = self.first_fine
            again = self._play(talk)
            if again.violates:
                self._doubt(again.state, before)
        if self.flaky is not None:
            raise self.flaky
        if self.last is not None and not (self.replied or self.violating):
            raise VainSearch(self.last, self.tried)

    def _violates(self, talk: Talk) -> bool:
        if talk in self.violating or talk in self.fine or self.flaky is not None:
            return talk in self.violating
        played = self._play(talk)
        again = self._play(talk) if played.violates else played
        if again.violates:
            self.violating[talk] = again
            return True
        self.fine.add(talk)
        if played.violates:
            self._doubt(played.state, again.state)
        elif self.first_fine is None:
            self.first_fine = (talk, played.state)
        return False

    def _doubt(self, violating: State, other: State) -> None:
        self.flaky = self.flaky or FlakyConversation(violating, other)

    def _play(self, talk: Talk) -> Played:
        self.tried += 1
        case, entries = talk.as_case, list[Entry]()
        session = Session(f"{case.id}/{self.tried}", self.tried, talk.seed)
        ports = self.ports if isinstance(self.ports, Ports) else cast("Ports", self.ports(session))
        rules = self.rules if talk.lines is None else self.rules_of_scripts
        begun = start(rules, case, session)
        state = converse(rules, begun, perform(ports), sink=entries.append)
        self.last = state
        said = state.transcript[len(case.history) :]
        self.replied = self.replied or any(message.speaker == "agent" for message in said)
        try:
            verdict = _checked(self.violates(state))
        except Exception as error:  # noqa: BLE001  it is raised again, with the conversation
            return Played(state, tuple(entries), violates=True, error=error)
        return Played(state, tuple(entries), violates=verdict)


def shown(state: State) -> str:
    """Write a conversation for a reader: a line for each message, then why it ended."""
    return "\n".join((*map(_line, state.transcript), f"({_end(state)})"))


def _line(message: Message) -> str:
    calls = (f"[{call.name} {dumps(call.arguments)}]" for call in message.tool_calls)
    return " ".join((f"{message.speaker}:", *message.text.split(), *calls))


def _end(state: State) -> str:
    return f"{state.stop_reason}: {state.why}" if state.why else str(state.stop_reason)


def _checked(verdict: object) -> bool:
    """Refuse what is true whatever is in it."""
    given = type(verdict)
    if issubclass(given, Awaitable | Iterator):
        close(verdict)
        what = f"violates returned a {given.__name__}, expected true or false"
        raise TypeError(f"{what}; make it a plain function, with any(…) around a generator")
    return bool(verdict)


def _departure(violating: State, other: State) -> str:
    """Where two conversations part, in words."""
    pairs = zip_longest(violating.transcript, other.transcript)
    for at, (one, two) in enumerate(pairs):
        if one != two:
            return f"message {at + 1} is {_quoted(one)}, and then {_quoted(two)}"
    if _end(violating) != _end(other):
        return f"they end as {_end(violating)}, and then as {_end(other)}"
    return "they go and end alike, so it is `violates` that says one thing and then another"


def _quoted(message: Message | None) -> str:
    return "missing" if message is None else f'"{_line(message)[:MOST_QUOTED]}"'
