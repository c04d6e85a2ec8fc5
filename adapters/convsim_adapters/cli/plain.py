"""Text of models and cases for a terminal: without control sequences, short where it must be."""

from __future__ import annotations

import re

__all__ = ["one_line", "printable"]

# Controls but tab and newline, and what turns the direction of text: a reply must not be able to
# move the cursor, colour the screen or make a line read backwards.
UNPRINTABLE = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff\ufeff]"
)
SHOWN = "\ufffd"


def printable(text: str) -> str:
    """The text with every control character shown as U+FFFD; tabs and line breaks stay.

    >>> printable("\\x1b[31mred\\x1b[0m")
    '\ufffd[31mred\ufffd[0m'
    """
    return UNPRINTABLE.sub(SHOWN, text.replace("\r\n", "\n"))


def one_line(text: str, most: int = 300) -> str:
    """The text in one line of at most so many characters.

    >>> one_line("It is\\n  refunded.")
    'It is refunded.'
    """
    words = " ".join(printable(text).split())
    return words if len(words) <= most else words[: most - 1] + "…"
