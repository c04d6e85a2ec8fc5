"""Figures for people: costs, tokens, shares."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from convsim_adapters.running.results import Usage

__all__ = ["cost", "count", "share", "tokens"]


def cost(usage: Usage) -> str:
    """What it cost in US dollars: "–" where no model was asked, "?" unknown, "≥" partly known.

    >>> from convsim_adapters.running.results import Usage
    >>> cost(Usage(requests=2, cost=0.01234)), cost(Usage(requests=2, unpriced=2))
    ('$0.0123', '?')
    """
    if usage.cost is None:
        return "?" if usage.unpriced else "–"
    digits = 2 if usage.cost >= 1 else 4
    return f"{'≥ ' if usage.unpriced else ''}${usage.cost:.{digits}f}"


def tokens(number: int | None) -> str:
    """Tokens in short.

    >>> tokens(1_234), tokens(None)
    ('1.2 k tokens', '? tokens')
    """
    if number is None:
        return "? tokens"
    for size, unit in ((1_000_000, "M"), (1_000, "k")):
        if number >= size:
            return f"{number / size:.1f} {unit} tokens"
    return f"{number} tokens"


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "session"), count(2, "session")
    ('1 session', '2 sessions')
    """
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def share(part: int, whole: int) -> str:
    """A share in per cent.

    >>> share(2, 3)
    '67 %'
    """
    return f"{100 * part / whole:.0f} %" if whole else "0 %"
