"""What must stand in no message and no file: finding it, and hiding it. Knows no vendor."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from typing import Any, cast
from urllib.parse import parse_qsl, quote, quote_plus, unquote, urlsplit

__all__ = [
    "hiding_logs",
    "secrets_among",
    "secrets_of_environment",
    "secrets_of_parameter",
    "secrets_of_url",
    "without_secrets",
]

SECRET = re.compile(
    r"(?:KEY|TOKEN|SECRET|PASSWORD|PASSWD|PASSPHRASE|CREDENTIALS?|_PASS)(?:_[A-Z0-9]{1,8})?$",
    re.IGNORECASE,
)
LEAST_SECRET = 6  # characters; anything shorter would blot out the words around it
HIDDEN = "(secret)"
CUT = "…,"  # what stands behind a text that was cut


def without_secrets(words: str, secrets: Iterable[str]) -> str:
    """A text in which each of the secrets is hidden, as it is, escaped, encoded or cut short.

    What is shorter than 6 characters is none. Messages are cut at some length, so the beginning of
    a secret is hidden where a text ends with it.

    >>> without_secrets("bad key sk-canary-7", ["sk-canary-7", "bad"])
    'bad key (secret)'
    """
    for form in _all_forms(tuple(secrets)):
        words = _blotted(words, form)
    return words


@contextmanager
def hiding_logs(secrets: Iterable[str]) -> Generator[None]:
    """Hide secrets in all that is logged while the block goes on, by whatever library it is.

    Some of them log what they are given, and asyncio what a lost task has raised.
    """
    kept, make = tuple(secrets), logging.getLogRecordFactory()

    def made(*args: Any, **more: Any) -> logging.LogRecord:
        return _without_secrets(make(*args, **more), kept)

    logging.setLogRecordFactory(made)
    try:
        yield
    finally:
        if logging.getLogRecordFactory() is made:  # else somebody builds on it
            logging.setLogRecordFactory(make)


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


def secrets_of_environment(environ: Mapping[str, str]) -> Iterator[str]:
    """What must never stand in a message of an environment: keys, and passwords of addresses.

    >>> list(secrets_of_environment({"SHOP_API_KEY": "sk-7", "DB_URL": "pg://me:word@h/db"}))
    ['sk-7', 'word', 'bWU6d29yZA==']
    """
    yield from secrets_among(environ)
    for value in environ.values():
        if "://" in value:
            yield from secrets_of_url(value)


def secrets_of_url(url: str) -> Iterator[str]:
    """What must never stand in a message of an address: its password, as it is sent, and its keys.

    >>> list(secrets_of_url("http://me:word@h/v1?token=sk-7&page=2"))
    ['word', 'bWU6d29yZA==', 'sk-7']
    """
    who, at, _ = unquote(url.partition("://")[2]).rpartition("@")
    if at:
        password = who.partition(":")[2]
        yield from (password, b64encode(who.encode(errors="replace")).decode())
        if "/" in password:  # not written as it should be, so that it may be told in pieces
            yield from password.split("/")
    with suppress(ValueError):
        yield from secrets_among(dict(parse_qsl(urlsplit(url).query)))


def secrets_of_parameter(value: object) -> Iterator[str]:
    """Every text in a parameter that is not known to be harmless, whole and word by word.

    >>> list(secrets_of_parameter({"X-Auth": "Bearer tok", "n": [1, "sk-7"]}))
    ['Bearer tok', 'Bearer', 'tok', 'sk-7']
    """
    match value:
        case str():
            words = value.split()
            yield from (value, *(words if len(words) > 1 else ()))
        case Mapping():
            for item in cast("Mapping[object, object]", value).values():
                yield from secrets_of_parameter(item)
        case list() | tuple():
            for item in cast("list[object]", value):
                yield from secrets_of_parameter(item)
        case _:
            return


def _without_secrets(record: logging.LogRecord, secrets: tuple[str, ...]) -> logging.LogRecord:
    try:
        words = record.getMessage()
    except Exception:  # noqa: BLE001  of a library's own making; logging itself complains of it
        return record
    if (told := without_secrets(words, secrets)) != words:
        record.msg, record.args = told, None
    if record.exc_info:
        raised = logging.Formatter().formatException(record.exc_info)
        if (told := without_secrets(raised, secrets)) != raised:
            record.exc_info, record.exc_text = None, told
    return record


@lru_cache(maxsize=16)  # a run has the same all along, and hides them in each verdict
def _all_forms(secrets: tuple[str, ...]) -> list[str]:
    """What to hide, the longest first, since one may be a part of another."""
    found = {form for secret in secrets if secret.strip() for form in _forms(secret)}
    return sorted((one for one in found if len(one) >= LEAST_SECRET), key=len, reverse=True)


def _forms(secret: str) -> set[str]:
    """A secret as messages show it: in one line, quoted, in JSON, in an address."""
    return {
        secret,
        " ".join(secret.split()),
        repr(secret)[1:-1],
        json.dumps(secret)[1:-1],
        json.dumps(secret, ensure_ascii=False)[1:-1],
        quote(secret, errors="surrogatepass"),
        quote(secret, safe="", errors="surrogatepass"),
        quote_plus(secret, errors="surrogatepass"),
    }


def _blotted(words: str, secret: str) -> str:
    """Hide a secret where it stands whole, and where its beginning stands at a cut."""
    words, start = words.replace(secret, HIDDEN), 0
    while (at := words.find(secret[:LEAST_SECRET], start)) >= 0:
        end = at + LEAST_SECRET
        while end < len(words) and words[end] == secret[end - at]:
            end += 1
        cut = end == len(words) or words[end] in CUT
        words = words[:at] + HIDDEN + words[end:] if cut else words
        start = at + LEAST_SECRET
    return words
