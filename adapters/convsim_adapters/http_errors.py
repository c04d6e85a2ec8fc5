"""Failed answers of HTTP endpoints, sorted by their status. Knows no vendor."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import parse_qsl, unquote, urlsplit

from convsim_fp.errors import (
    ContextTooLong,
    PortError,
    RateLimited,
    Refused,
    TimedOut,
    Unauthorized,
    Unavailable,
)

__all__ = [
    "one_line",
    "retry_after",
    "secrets_among",
    "secrets_of_url",
    "sorted_error",
    "without_secrets",
    "words_of",
]

MAX_WORDS = 300  # characters
CONTEXT = re.compile(
    r"context[ _]?(?:length|window)|maximum context|prompt is too long|too many (?:input )?tokens",
    re.IGNORECASE,
)
SECRET = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
LEAST_SECRET = 6  # characters; anything shorter would blot out the words around it
NO_CREDIT = re.compile(r"insufficient_quota|exceeded your current quota|billing", re.IGNORECASE)


def sorted_error(status: int, words: str, *, wait: float | None = None) -> PortError:
    """The error that a status stands for; `wait` is the Retry-After in seconds.

    Worth another attempt are 408, 409, 425, 429 and 5xx. A quota that is used up is not: it stays
    so.

    >>> sorted_error(529, "overloaded"), sorted_error(404, "no such model")
    (Unavailable('529: overloaded'), Refused('404: no such model'))
    """
    told = f"{status}: {words}" if words else str(status)
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


def without_secrets(words: str, secrets: Iterable[str]) -> str:
    """A text in which each of the secrets is hidden; what is shorter than 6 characters is none.

    >>> without_secrets("bad key sk-canary-7", ["sk-canary-7", "bad"])
    'bad key (secret)'
    """
    found = {secret for secret in secrets if len(secret) >= LEAST_SECRET}
    for secret in sorted(found, key=len, reverse=True):  # one may be a part of another
        words = words.replace(secret, "(secret)")
    return words


def secrets_among(named: Mapping[str, object]) -> Iterator[str]:
    """What must never stand in a message: values under the name of a key, and those of headers.

    >>> list(secrets_among({"api_key": "sk-7", "top_p": "1", "headers": {"X-Auth": "Bearer tok"}}))
    ['sk-7', 'Bearer', 'tok']
    """
    for name, value in named.items():
        if isinstance(value, str) and SECRET.search(name):
            yield value
        elif isinstance(value, Mapping) and name.lower().endswith("headers"):
            for header in cast("Mapping[object, object]", value).values():
                yield from str(header).split()


def secrets_of_url(url: str) -> Iterator[str]:
    """What must never stand in a message of an address: its password, as it is sent, and its keys.

    >>> list(secrets_of_url("http://me:word@h/v1?token=sk-7&page=2"))
    ['word', 'bWU6d29yZA==', 'sk-7']
    """
    parts = urlsplit(url)
    who, at, _ = unquote(parts.netloc).rpartition("@")
    if at:
        yield from (who.partition(":")[2], b64encode(who.encode(errors="replace")).decode())
    yield from secrets_among(dict(parse_qsl(parts.query)))


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
