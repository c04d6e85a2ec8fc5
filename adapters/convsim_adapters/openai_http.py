"""Models behind endpoints that speak the OpenAI protocol, asked directly: a call costs little.

OpenAI itself, vLLM, Ollama, llama.cpp, gateways. One call is one request: retries are not its
business. The answers, errors and facts are those of `convsim_adapters.litellm`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import AsyncGenerator, Collection, Mapping
from contextlib import asynccontextmanager
from typing import Any, cast
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from attrs import define, field, frozen

from convsim_adapters.cache_hints import Messages
from convsim_adapters.http_errors import connection_words, retry_after, sorted_error, words_of
from convsim_adapters.model_calls import (
    Asking,
    Rejected,
    about,
    plain_words,
    rejected,
    spoken,
    text_of,
)
from convsim_adapters.openai_endpoint import Endpoint, endpoint_of_model
from convsim_adapters.prices import facts_of
from convsim_adapters.vendors import import_vendor
from convsim_fp.errors import (
    InvalidSpec,
    MalformedReply,
    PortError,
    Problem,
    Refused,
    TimedOut,
    Unavailable,
)
from convsim_fp.interpreters import Facts, Model, Reply

__all__ = ["openai_client", "openai_model"]

MAX_BYTES = 64 * 1024 * 1024
CHUNK = 64 * 1024


def openai_model(
    name: str, *, params: Mapping[str, object] | None = None, timeout: float = 120.0
) -> Model:
    """Make the model port of ``openai/MODEL``, or of an address with the parameter `model`.

    `params` say where it is and who asks (`api_base`, `api_key`, `organization`, `extra_headers`);
    all others are fields of the request's body (``temperature``, ``tools`` …). Without them the
    environment tells: ``OPENAI_BASE_URL`` or ``OPENAI_API_BASE``, ``OPENAI_API_KEY``. `timeout` in
    seconds bounds a request. Where a model answers 400 because it takes no ``temperature`` or
    ``response_format``, or ``max_tokens`` by its newer name only, it is asked again so, from then
    on, and that is logged once.

    Raises `InvalidSpec` for a name or a parameter that no call could be made with, and for a
    missing API key, before the first call; behind ``http://`` no key is needed. The port raises the
    `PortError` that the answer stands for, and holds tokens and cost in the facts; the cost is
    known where litellm is installed and its map has the model.
    """
    endpoint = endpoint_of_model(name, dict(params or {}), os.environ)
    vendor = import_vendor("aiohttp", extra="cli")
    port = _Port(vendor, endpoint, _proxy(endpoint), dict(params or {}), timeout)
    return Asking(endpoint.name, endpoint.fields, port.call, endpoint.hints).ask


@asynccontextmanager
async def openai_client() -> AsyncGenerator[None]:
    """Keep connections open from call to call, for all models that the block's loop asks.

    Without it each call opens one of its own. They are closed with the last such block of a loop.
    """
    async with _opened(import_vendor("aiohttp", extra="cli")):
        yield


@define
class _Opened:
    """The connections of one loop; an aiohttp session works in its own loop only."""

    session: Any
    blocks: int = 0

    async def __aenter__(self) -> Any:
        self.blocks += 1
        return self.session

    async def __aexit__(self, *error: object) -> None:
        self.blocks -= 1
        if not self.blocks:
            del OPENED[asyncio.get_running_loop()]
            await self.session.close()


OPENED: dict[asyncio.AbstractEventLoop, _Opened] = {}


def _opened(vendor: Any) -> _Opened:
    loop = asyncio.get_running_loop()
    if loop not in OPENED:
        OPENED[loop] = _Opened(
            vendor.ClientSession(
                connector=vendor.TCPConnector(limit=0),  # the run bounds what is under way
                cookie_jar=vendor.DummyCookieJar(),
                timeout=vendor.ClientTimeout(total=None),  # each call has its own
            )
        )
    return OPENED[loop]


@frozen
class _Port:
    """One model behind one endpoint. `vendor` is the one seam to aiohttp's types."""

    vendor: Any
    endpoint: Endpoint
    proxy: str | None = field(repr=False)
    params: Mapping[str, object] = field(repr=False)
    timeout: float

    async def call(self, messages: Messages, options: dict[str, Any]) -> Reply:
        """One request."""
        try:
            return _reply(self.read(await self.answer(messages, options)), self.endpoint)
        except PortError as error:
            raise about(self.endpoint.name, error) from None

    async def answer(self, messages: Messages, options: dict[str, Any]) -> bytes:
        """What a request is answered with, where that is good."""
        try:
            async with (
                asyncio.timeout(self.timeout),
                _opened(self.vendor) as session,
                session.post(
                    self.endpoint.url,
                    data=self.body(messages, options),
                    headers=self.endpoint.headers,
                    proxy=self.proxy,
                    allow_redirects=False,
                ) as response,
            ):
                if 200 <= response.status < 300:
                    return await _whole(response)
                said = await _beginning(response)
                sent = {*options, *messages.marks()}
                raise self.failure(response.status, response.headers, said, sent)
        except TimeoutError:
            raise TimedOut(f"no answer in {self.timeout:g} s") from None
        except self.vendor.ClientConnectorCertificateError as error:  # it stays so
            raise Refused(plain_words(f"{type(error).__name__}: {error}", self.params)) from None
        except (self.vendor.ClientError, OSError) as error:
            words = plain_words(connection_words(error), self.params)
            raise Unavailable(words) from None

    def body(self, messages: Messages, options: dict[str, Any]) -> bytes:
        """A request's body; the messages are JSON already, for most of them were sent before."""
        model, others = json.dumps({"model": self.endpoint.model}), json.dumps(options)
        others = f", {others[1:]}" if options else "}"
        return f'{model[:-1]}, "messages": {messages.as_json()}{others}'.encode()

    def failure(
        self, status: int, headers: Mapping[str, str], said: bytes, sent: Collection[str]
    ) -> Exception:
        """What a status stands for, in the endpoint's own words where it has some."""
        if 300 <= status < 400:
            return Refused(f"{status}: redirects are not followed; give the address itself")
        words = plain_words(words_of(said), self.params)
        if status in (400, 422) and (name := rejected(words, sent)):
            return Rejected(name, Facts(errors=(f"refused: {words}",)))
        return sorted_error(status, words, wait=retry_after(headers))

    def read(self, body: bytes) -> dict[str, Any]:
        """The object that a good answer is."""
        try:
            told: object = json.loads(body)
        except (ValueError, RecursionError):
            told = None
        if isinstance(told, dict):
            return self.checked(cast("dict[str, Any]", told), body)
        shown = plain_words(body[:CHUNK].decode(errors="replace"), self.params)
        raise Unavailable(f"the answer is no JSON object: {shown or 'nothing'}")

    def checked(self, told: dict[str, Any], body: bytes) -> dict[str, Any]:
        """An answer that is none but an error in spite of its status, as gateways send it."""
        error: object = told.get("error")
        if not error or told.get("choices"):
            return told
        code = cast("dict[str, object]", error).get("code") if isinstance(error, dict) else None
        status = int(str(code)) if re.fullmatch("[45][0-9][0-9]", str(code)) else 500
        raise sorted_error(status, plain_words(words_of(body), self.params))


async def _whole(response: Any) -> bytes:
    """The body, in pieces: one that is too large is given up, not held."""
    pieces: list[bytes] = []
    size = 0
    async for piece in response.content.iter_any():
        pieces.append(piece)
        size += len(piece)
        if size > MAX_BYTES:
            raise MalformedReply(f"the answer has more than {MAX_BYTES // 2**20} MB")
    return b"".join(pieces)


async def _beginning(response: Any) -> bytes:
    """As much of an error's body as anybody reads; it comes in pieces, too."""
    said = b""
    while len(said) < CHUNK and (piece := await response.content.read(CHUNK - len(said))):
        said += piece
    return said


def _reply(told: dict[str, Any], endpoint: Endpoint) -> Reply:
    """Read an answer; its facts are kept even where it cannot be used."""
    facts = facts_of(told, model=endpoint.model, region=endpoint.region)
    choices: object = told.get("choices")
    choice = cast("list[object]", choices)[0] if isinstance(choices, list) and choices else None
    if not isinstance(choice, dict):
        what = "the answer has no choices, expected a chat completion; look at the address"
        raise MalformedReply(what, facts=facts)
    first = cast("dict[str, object]", choice)
    message = first.get("message")
    said = cast("dict[str, object]", message) if isinstance(message, dict) else {}
    text = text_of(said.get("content"))
    if text is None:
        raise MalformedReply("the answer's content is no text", facts=facts)
    return spoken(text, facts, stopped=first.get("finish_reason"))


def _proxy(endpoint: Endpoint) -> str | None:
    """The proxy that the environment names for an address; looked up once, not for each call."""
    parts = urlsplit(endpoint.url)
    if parts.hostname and proxy_bypass(parts.netloc):
        return None
    found = getproxies().get(parts.scheme)
    if found and "://" not in found:
        return f"http://{found}"  # as other programs take it
    if found and not found.lower().startswith(("http://", "https://")):
        what = "is not reached through a proxy that does not speak HTTP"
        how = "change the environment, or choose --client litellm (client=)"
        raise InvalidSpec([Problem(f"the model {endpoint.name!r:.80}", f"{what}; {how}")])
    return found or None
