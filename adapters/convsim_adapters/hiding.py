"""What must stand in no message and no file: finding it, and hiding it. Knows no vendor."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import cast
from urllib.parse import parse_qsl, unquote, urlsplit

__all__ = ["secrets_among", "secrets_of_url", "without_secrets"]

SECRET = re.compile(r"(?:KEY|TOKEN|SECRET|PASSWORD|CREDENTIALS?)$", re.IGNORECASE)
LEAST_SECRET = 6  # characters; anything shorter would blot out the words around it


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
