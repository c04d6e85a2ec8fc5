"""Failed answers of HTTP endpoints, sorted by their status. Knows no vendor."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

from convsim_adapters.hiding import without_secrets
from convsim_fp.errors import (
    ContextTooLong,
    PortError,
    RateLimited,
    Refused,
    TimedOut,
    Unauthorized,
    Unavailable,
)

__all__ = ["connection_words", "one_line", "retry_after", "sorted_error", "words_of"]

MAX_WORDS = 300  # characters
CONTEXT = re.compile(
    r"context[ _]?(?:length|window)|maximum context|prompt is too long|too many (?:input )?tokens",
    re.IGNORECASE,
)
NO_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)


SAYS_NOTHING = "the endpoint says nothing of why"


def sorted_error(status: int, words: str, *, wait: float | None = None) -> PortError:
    """The error that a status stands for; `wait` is the Retry-After in seconds.

    Worth another attempt are 408, 409, 425, 429 and 5xx. A quota that is used up is not: it stays
    so.

    >>> sorted_error(529, "overloaded"), sorted_error(404, "no such model")
    (Unavailable('529: overloaded'), Refused('404: no such model'))
    """
    told = f"{status}: {words or SAYS_NOTHING}"
    match status:
        case 401 | 403:
            return Unauthorized(told)
        case 429 if NO_CREDIT.search(words):
            return Unauthorized(told)
        case 429:
            return RateLimited(told, retry_after=wait)
        case 408:
            return TimedOut(told, retry_after=wait)
        case 409 | 425:
            return Unavailable(told, retry_after=wait)
        case 413:
            return ContextTooLong(told)
        case _ if status >= 500:
            return Unavailable(told, retry_after=wait)
        case _ if CONTEXT.search(words):
            return ContextTooLong(told)
        case _:
            return Refused(told)


def connection_words(error: Exception) -> str:
    """What a client says where an address cannot be reached: which, why, what to look at.

    >>> connection_words(ValueError("no such protocol"))
    'ValueError: no such protocol'
    """
    why, host = getattr(error, "os_error", None), getattr(error, "host", None)
    if not isinstance(why, OSError) or host is None:
        return f"{type(error).__name__}: {error}"
    number = why.errno or 0
    words = os.strerror(number) if number > 0 else why.strerror or type(why).__name__
    place = f"{host}:{getattr(error, 'port', None) or '?'}"
    return f"{place} cannot be reached: {words}; look whether the address is right and it runs"


def retry_after(headers: Mapping[str, str], *, now: datetime | None = None) -> float | None:
    """The seconds that a Retry-After asks to wait, as a number or a date (RFC 9110, 10.2.3).

    >>> retry_after({"Retry-After": "7"}), retry_after({})
    (7.0, None)
    """
    found = next((v for name, v in headers.items() if name.lower() == "retry-after"), None)
    if found is None:
        return None
    if re.fullmatch(r"\d+(\.\d+)?", found.strip()):
        return float(found.strip())
    try:
        until = parsedate_to_datetime(found)
    except (ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


def one_line(words: str, secrets: Iterable[str] = ()) -> str:
    """An endpoint's words in one short line, without anything that is secret.

    >>> one_line("Incorrect key\\nsk-canary-7.", ["sk-canary-7"])
    'Incorrect key (secret).'
    """
    words = without_secrets(words, secrets)
    line = " ".join(words.split())
    return line if len(line) <= MAX_WORDS else line[: MAX_WORDS - 1] + "…"


def words_of(body: bytes) -> str:
    """What an endpoint says of its error: the protocol's message, else the body itself.

    >>> words_of(b'{"error": {"message": "no such model"}}'), words_of(b"<html>")
    ('no such model', '<html>')
    """
    text = body.decode(errors="replace")
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        return text
    error: Any = cast("dict[str, Any]", told).get("error") if isinstance(told, dict) else None
    message: Any = (
        cast("dict[str, Any]", error).get("message") if isinstance(error, dict) else error
    )
    return message if isinstance(message, str) else text
