"""Models of any provider, through litellm. One call is one request: retries are not its business.

litellm is imported when a model is made, which takes seconds. Its prices come from the map that it
ships (environment variables such as ``LITELLM_LOCAL_MODEL_COST_MAP`` are set unless they are),
so that nothing but the calls themselves leaves the machine. Its log goes to the handlers of the
program alone, unless ``LITELLM_LOG`` is set: its own would write to standard output, and say all
of it twice.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import sys
import warnings
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import asynccontextmanager
from copy import deepcopy
from importlib.metadata import version
from threading import Lock
from typing import Any

from attrs import field, frozen

from convsim_adapters.cache_hints import (
    NO_HINTS,
    CacheHints,
    Messages,
    claude_hints,
    openai_hints,
)
from convsim_adapters.http_errors import one_line, retry_after, sorted_error
from convsim_adapters.model_calls import (
    Asking,
    Rejected,
    about,
    plain_words,
    rejected,
    reserved,
    spoken,
)
from convsim_adapters.openai_endpoint import base_of
from convsim_adapters.vendors import import_vendor
from convsim_fp.errors import (
    InvalidSpec,
    MalformedReply,
    PortError,
    Problem,
    TimedOut,
    Unavailable,
)
from convsim_fp.interpreters import Facts, Model, Reply

__all__ = ["litellm_client", "litellm_model", "price_known"]

MARGIN = 5.0  # seconds by which litellm's own time-out comes after ours
# Else it fetches its prices when it is imported, and Anthropic's headers at the first call.
OFFLINE = ("LITELLM_LOCAL_MODEL_COST_MAP", "LITELLM_LOCAL_ANTHROPIC_BETA_HEADERS")
NOISE = ("Pydantic serializer warnings", "Items? .* on TypedDict class")
LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router")

OPEN = Lock()
RUNNING: list[None] = []  # one for each run that uses its connections


def litellm_model(
    name: str, *, params: Mapping[str, object] | None = None, timeout: float = 120.0
) -> Model:
    """Make the model port of a name that litellm knows: ``provider/model`` or ``provider:/model``.

    `params` go to litellm as they are (``temperature``, ``api_base``, ``max_tokens`` …); `timeout`
    in seconds bounds a request. Where a model answers 400 because it takes no ``temperature`` or
    ``response_format``, it is asked again without it, from then on, and that is logged once.

    Raises `InvalidSpec` for a name or a parameter that no call could be made with, and for a
    missing API key, before the first call. The port raises the `PortError` that the answer stands
    for, and holds tokens and cost in the facts; what litellm does not know is unknown.
    """
    vendor = _vendor()
    model = name.replace(":/", "/", 1)
    given = dict(params or {})
    if problems := [*reserved(given), *_name_problems(vendor, model, given)]:
        raise InvalidSpec(problems)
    port = _Port(vendor, model, given, timeout)
    return Asking(model, given, port.call, _hints(vendor, model, given)).ask


@asynccontextmanager
async def litellm_client() -> AsyncGenerator[None]:
    """Close litellm's connections at the end of a run; of several at once, at that of the last.

    It closes those of all loops together, and another run may be in the middle of a request.
    """
    with OPEN:
        RUNNING.append(None)
    try:
        yield
    finally:
        with OPEN:
            RUNNING.pop()
            is_last = not RUNNING
        if is_last:
            await _vendor().close_litellm_async_clients()


def price_known(name: str) -> bool:
    """Whether litellm's map has the prices of a model.

    >>> price_known("openai/gpt-4o-mini"), price_known("openai/nobodys-model")
    (True, False)
    """
    try:
        info = _vendor().get_model_info(name.replace(":/", "/", 1))
    except Exception:  # noqa: BLE001  it raises a bare Exception for what it does not know
        return False
    return info.get("input_cost_per_token") is not None


@frozen
class _Port:
    """One model of litellm's."""

    vendor: Any
    model: str
    params: Mapping[str, Any] = field(repr=False)
    timeout: float

    async def call(self, messages: Messages, options: dict[str, Any]) -> Reply:
        """One request."""
        try:
            return _reply(await self.answer(messages, options))
        except PortError as error:
            raise about(self.model, error) from None

    async def answer(self, messages: Messages, options: dict[str, Any]) -> Any:
        """What litellm gives for a request, or the error that its own stands for."""
        try:
            async with asyncio.timeout(self.timeout):
                return await self.vendor.acompletion(
                    model=self.model,
                    messages=messages.plain(),  # it may change them
                    max_retries=0,
                    timeout=self.timeout + MARGIN,
                    **deepcopy(options),  # it may change them, and they are the next call's
                )
        except TimeoutError:
            raise TimedOut(f"no answer in {self.timeout:g} s") from None
        except Exception as error:  # noqa: BLE001  it raises many kinds, and some bare ones
            status = getattr(error, "status_code", None)
            words = plain_words(_without_prefixes(str(error)), self.params)
            sent = {*options, *messages.marks()}
            if status in (400, 422) and (name := rejected(words, sent)):
                local = isinstance(error, self.vendor.UnsupportedParamsError)
                facts = Facts(attempts=0 if local else 1, errors=(f"refused: {words}",))
                raise Rejected(name, facts) from None
            raise _sorted(error, status, words) from None


def _reply(response: Any) -> Reply:
    """Read an answer; its facts are kept even where it cannot be used."""
    facts = _facts(response)
    if not response.choices:
        raise MalformedReply("the answer has no choices", facts=facts)
    choice = response.choices[0]
    return spoken(choice.message.content or "", facts, stopped=choice.finish_reason)


def _without_prefixes(said: str) -> str:
    """What the provider said, without the names that litellm puts before it."""
    said = re.sub(r"^(?:litellm\.)?\w+(?:Error|Timeout): |^\w+Exception - ", "", said)
    said = re.sub(r"(?:\w+(?:Error| Error): |\w+Exception - )+", "", said)
    return said.partition("Traceback (most recent call last)")[0]


def _sorted(error: Exception, status: object, words: str) -> PortError:
    if not isinstance(status, int):
        return Unavailable(one_line(f"{type(error).__name__}: {words}"))
    response = getattr(error, "response", None)
    headers = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", {})
    return sorted_error(status, words, wait=retry_after(dict(headers or {})))


def _facts(response: Any) -> Facts:
    usage = getattr(response, "usage", None)
    read, written = _count(usage, "prompt_tokens"), _count(usage, "completion_tokens")
    if not read and not written:
        return Facts()  # litellm writes zeros where the provider said nothing
    details = getattr(usage, "prompt_tokens_details", None)
    hidden: Any = getattr(response, "_hidden_params", None) or {}
    told: Any = hidden.get("response_cost")
    cost = float(told) if isinstance(told, int | float) and told >= 0 else None
    return Facts(
        input_tokens=read,
        output_tokens=written,
        cached_tokens=_count(details, "cached_tokens"),
        cost=cost,
        price_source=None if cost is None else f"litellm {version('litellm')}",
    )


def _count(value: Any, name: str) -> int | None:
    found = getattr(value, name, None)
    return found if isinstance(found, int) and found >= 0 else None


def _name_problems(vendor: Any, model: str, params: Mapping[str, object]) -> Iterator[Problem]:
    try:
        vendor.get_llm_provider(model, api_base=params.get("api_base"))
    except Exception:  # noqa: BLE001  whatever it is, no call can be made with this name
        what = "is no name that litellm knows; write PROVIDER/MODEL, such as openai/gpt-5-mini"
        yield Problem(f"the model {model!r:.80}", what)
        return
    missing: list[str] = vendor.validate_environment(model)["missing_keys"]
    keys = [name for name in missing if name.endswith("_API_KEY")]
    if keys and keys == missing and not params.get("api_key"):
        what = f"needs the environment variable {keys[0]}, which is not set"
        yield Problem(f"the model {model!r:.80}", f"{what}; set it, or give api_key")


def _hints(vendor: Any, model: str, params: Mapping[str, object]) -> CacheHints:
    """How the provider is told what comes back; nothing where somebody says who it is."""
    if "custom_llm_provider" in params:
        return NO_HINTS
    name, provider, *_ = vendor.get_llm_provider(model, api_base=params.get("api_base"))
    if provider == "openai":
        return openai_hints(name, base_of(model, params, os.environ), params)
    caches = vendor.utils.supports_prompt_caching(model)
    return claude_hints(name, provider, params) if caches else NO_HINTS


def _vendor() -> Any:
    """Import litellm, quietly and without connections of its own."""
    for name in OFFLINE:
        os.environ.setdefault(name, "True")
    ours = "litellm" not in sys.modules and "LITELLM_LOG" not in os.environ
    vendor: Any = import_vendor("litellm", extra="litellm")
    vendor.suppress_debug_info = True  # else it prints to standard output
    for name in LOGGERS if ours else ():
        logging.getLogger(name).handlers.clear()
    # Of its own types, and of answers that are not quite the protocol's; where a program turns
    # warnings into errors, they would take a good answer away.
    for message in NOISE:
        warnings.filterwarnings("ignore", message, UserWarning)
    return vendor
