"""An agent behind a URL that speaks the chat-completions protocol, called once for each turn.

The request is ``{"messages": […], **params}``. The case's context goes as `metadata`, the
protocol's own field for it, whose values are texts: what is none is written as JSON. Headers:

    X-Session-Id      the session, such as refund/1      X-Turn      the turn, from 1
    Idempotency-Key   the session and the request        Authorization   Bearer, from the
                      environment variable CONVSIM_AGENT_API_KEY, where it is set
                      and neither the URL nor `headers` say who asks
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, TypeAlias, cast
from urllib.parse import SplitResult, urlsplit

from attrs import evolve, frozen

from convsim_adapters.hiding import secrets_among, secrets_of_environment, secrets_of_url
from convsim_adapters.http_errors import (
    connection_words,
    one_line,
    retry_after,
    sorted_error,
    words_of,
)
from convsim_adapters.prices import tokens_of
from convsim_adapters.reply_forms import read_reply
from convsim_adapters.vendors import import_vendor
from convsim_fp.core import CallAgent, NotJson, freeze, thaw
from convsim_fp.errors import (
    AgentError,
    InvalidSpec,
    MalformedReply,
    PortError,
    Problem,
    Refused,
    TimedOut,
    Unavailable,
)
from convsim_fp.interpreters import Agent, AgentReply

__all__ = ["HeadersOf", "agent_http", "checked_endpoint", "endpoint_of"]

API_KEY = "CONVSIM_AGENT_API_KEY"
RESERVED = ("messages", "metadata", "stream")
MAX_BYTES = 10 * 1024 * 1024
CHUNK = 64 * 1024
SHOWN = 80  # characters of what is no JSON
ROLES = {"user": "user", "agent": "assistant"}

HeadersOf: TypeAlias = Callable[[CallAgent], Mapping[str, str]]


@asynccontextmanager
async def agent_http(
    url: str,
    *,
    params: Mapping[str, object] | None = None,
    headers: Mapping[str, str] | None = None,
    headers_of: HeadersOf | None = None,
    timeout: float = 120.0,  # noqa: ASYNC109  of each call, not of the block
) -> AsyncGenerator[Agent]:
    """Open the agent port of a URL, with connections that live as long as the block.

    A URL that ends in ``/v1`` gets ``/chat/completions``; another is used as it is. `params` are
    further fields of the body, such as ``model`` ("agent" by default), `headers` further headers,
    `headers_of` those that each request has for itself; `timeout` in seconds bounds a call. A call
    is one request: the agent may have side effects. Redirects are not followed, cookies not kept.
    The reply is read as `as_agent` reads one, its usage into the facts.

    Raises `InvalidSpec` for a URL or a parameter that no request could be made with. The port
    raises the `PortError` that the answer stands for.
    """
    endpoint = checked_endpoint(url, params)
    sent = _sent(endpoint, headers or {})
    if problems := tuple(_header_problems(sent)):
        raise InvalidSpec(problems)
    aiohttp = import_vendor("aiohttp", extra="cli")
    async with aiohttp.ClientSession(
        headers=sent,
        cookie_jar=aiohttp.DummyCookieJar(),
        connector=aiohttp.TCPConnector(limit=0),
        timeout=aiohttp.ClientTimeout(total=timeout),
    ) as session:
        body = {"model": "agent", **(params or {})}
        secrets = (
            *secrets_of_environment(os.environ),
            *secrets_among({**body, "headers": sent}),
            *secrets_of_url(endpoint),
        )
        yield _Port(aiohttp, session, endpoint, body, timeout, secrets, headers_of).call


def endpoint_of(url: str) -> str:
    """The address that requests go to. Raises `InvalidSpec` for what is none.

    >>> endpoint_of("http://127.0.0.1:8000/v1")
    'http://127.0.0.1:8000/v1/chat/completions'
    """
    try:
        parts = urlsplit(url)
        whole = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        whole, parts = False, urlsplit("")
    if not whole or any(mark.isspace() for mark in url):
        shown = re.sub(r"[?#].*", "", re.sub(r"//.*@", "//", url))
        what = f"is {shown!r:.80}, expected a URL such as http://127.0.0.1:8000/v1"
        raise InvalidSpec([Problem("agent", what)])
    path = parts.path.rstrip("/")
    return parts._replace(path=f"{path}/chat/completions").geturl() if path.endswith("/v1") else url


def checked_endpoint(url: str, params: Mapping[str, object] | None = None) -> str:
    """The address, where requests could be made with these parameters; `InvalidSpec` if not."""
    if problems := tuple(_param_problems(params or {})):
        raise InvalidSpec(problems)
    return endpoint_of(url)


@frozen
class _Port:
    """One endpoint. `vendor` and `session` are the one seam to aiohttp's types."""

    vendor: Any
    session: Any
    endpoint: str
    params: Mapping[str, object]
    timeout: float
    secrets: tuple[str, ...]
    headers_of: HeadersOf | None

    async def call(self, request: CallAgent) -> AgentReply:
        """One request, and the reply that it got."""
        try:
            answered = self.session.post(
                self.endpoint,
                json=self.body(request),
                headers=_headers(request, self.headers_of),
                allow_redirects=False,
            )
            async with answered as response:
                good = 200 <= response.status < 300
                body = await _read(response) if good else await response.content.read(CHUNK)
                if not good:
                    raise self.refused(response.status, dict(response.headers), body)
        except TimeoutError:
            raise self.error(TimedOut(f"no reply in {self.timeout:g} s")) from None
        except self.vendor.ClientError as error:
            words = one_line(connection_words(error), self.secrets)
            raise self.error(Unavailable(words)) from None
        except PortError as error:
            raise self.error(error) from None
        return self.reply(body)

    def body(self, request: CallAgent) -> dict[str, object]:
        """The body of a request; messages and context are written anew for each."""
        messages = [
            {"role": ROLES[said.speaker], "content": said.text} for said in request.transcript
        ]
        context = cast("dict[str, object]", thaw(request.case.context))
        metadata = {key: _text(value) for key, value in context.items()}
        told = {**self.params, "messages": messages}
        return {**told, "metadata": metadata} if metadata else told

    def refused(self, status: int, headers: Mapping[str, str], body: bytes) -> PortError:
        """The error that a status stands for, in the endpoint's own words where it has some."""
        if 300 <= status < 400:
            return Refused(f"{status}: redirects are not followed; give the address itself")
        words = one_line(words_of(body), self.secrets)
        return sorted_error(status, words, wait=retry_after(headers))

    def reply(self, body: bytes) -> AgentReply:
        """Read a good answer."""
        try:
            answer: object = json.loads(body)
        except (ValueError, RecursionError):
            shown = one_line(body[:CHUNK].decode(errors="replace"), self.secrets)[:SHOWN]
            told = f"the reply is no JSON: {shown or 'nothing'}"
            raise self.error(MalformedReply(told)) from None
        facts = tokens_of(answer)
        try:
            return evolve(read_reply(answer), facts=facts)
        except AgentError as error:
            error.facts = facts
            raise self.error(error) from None

    def error(self, error: PortError) -> PortError:
        """An error that names the address, without what may be secret in it."""
        parts: SplitResult = urlsplit(self.endpoint)
        place = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"
        error.args = (f"{place}: {error}",)
        return error


def _sent(endpoint: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers of every request; the key of the environment only where nothing else is given."""
    own = "@" in urlsplit(endpoint).netloc or "authorization" in map(str.lower, headers)
    key = "" if own else os.environ.get(API_KEY, "").strip()
    return {**({"Authorization": f"Bearer {key}"} if key else {}), **headers}


def _param_problems(params: Mapping[str, object]) -> Iterator[Problem]:
    for name, value in params.items():
        try:
            freeze(value)
        except NotJson as error:
            yield Problem(f"agent_params: {error.within(name)}", error.what)
        if name in RESERVED:
            yield Problem(f"agent_params: {name}", "is set by convsim; leave it out")


def _header_problems(headers: Mapping[str, object]) -> Iterator[Problem]:
    """The headers that cannot be sent; a value may be secret and is not shown."""
    for name, value in headers.items():
        if not (isinstance(value, str) and f"{name}{value}".isprintable()):
            what = (
                "has a value that is no line of text; take out line breaks, write a number as text"
            )
            yield Problem(f"agent headers: {name!r:.80}", what)


async def _read(response: Any) -> bytes:
    """The body, in pieces: one that is too large is given up, not held."""
    body = b""
    async for chunk in response.content.iter_chunked(CHUNK):
        body += chunk
        if len(body) > MAX_BYTES:
            raise MalformedReply(f"the reply has more than {MAX_BYTES // 2**20} MB")
    return body


def _headers(request: CallAgent, more: HeadersOf | None) -> dict[str, str]:
    session = request.session.id.encode("ascii", "backslashreplace").decode()
    named = " ".join(session.split())  # a line break would be another header
    return {
        "Idempotency-Key": f"{named}/{request.id}",
        "X-Session-Id": named,
        "X-Turn": str(request.id.turn),
        **({} if more is None else more(request)),
    }


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
