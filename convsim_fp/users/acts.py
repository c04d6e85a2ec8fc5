"""What an agenda is made of."""

from __future__ import annotations

import re

from attrs import frozen

__all__ = ["Act", "Agenda", "Condition", "Slot"]

PATIENCE = 3  # replies
STUCK = ("Sorry, that does not help me.",)
PLAIN = str.maketrans("‘’“”", "''\"\"")  # models write these, authors of cases do not


@frozen
class Condition:
    """What a message of the agent must hold for an act: a text or a regular expression.

    A text is found whatever the case, the line breaks and the shape of the quotation marks.

    >>> Condition("don't have order w7").holds("I don’t have\\norder W7.")
    True
    """

    sought: str | re.Pattern[str]

    def holds(self, message: str) -> bool:
        """Whether the message holds it."""
        if isinstance(self.sought, str):
            return _plain(self.sought) in _plain(message)
        return self.sought.search(message) is not None


@frozen
class Act:
    """Something that the user says, once, when its condition holds or, without one, of itself.

    With `leave`, the reason, the user then leaves, and what it says are its last words. With
    `repeat` it stays on the agenda.
    """

    say: str = ""
    when: Condition | None = None
    leave: str = ""
    repeat: bool = False


@frozen
class Slot:
    """Something that the user tells whenever the agent asks for it."""

    name: str
    asked: Condition
    say: str


@frozen
class Agenda:
    """What the user has in mind: acts, their top first, and slots.

    `patience` is how many replies in a row that move nothing make the user leave, with `goodbye`
    as its last words; `stuck` what it says, in turn, to the ones before.
    """

    acts: tuple[Act, ...] = ()
    slots: tuple[Slot, ...] = ()
    patience: int = PATIENCE
    stuck: tuple[str, ...] = STUCK
    goodbye: str = ""


def _plain(text: str) -> str:
    return " ".join(text.translate(PLAIN).casefold().split())
