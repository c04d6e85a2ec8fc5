"""Models of any provider, through litellm. One call is one request: retries are not its business.

litellm is imported when a model is made, which takes seconds. Its prices come from the map that it
ships (the environment variable ``LITELLM_LOCAL_MODEL_COST_MAP`` is set unless it is set already),
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
from importlib.metadata import version
from typing import Any

from attrs import define, evolve, field

from convsim_adapters.hiding import secrets_among, secrets_of_environment
from convsim_adapters.http_errors import one_line, retry_after, sorted_error
from convsim_adapters.vendors import import_vendor
from convsim_fp.core import Generate, JsonObject, thaw
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

__all__ = ["litellm_client", "litellm_model", "price_known"]

RESERVED = ("max_retries", "messages", "model", "n", "num_retries", "stream", "timeout")
UNTAKEN = re.compile(
    r"n[o']t support|unsupported|unknown|unrecognized|not (?:allowed|permitted)|unexpected",
    re.IGNORECASE,
)
CURABLE = ("response_format", "temperature")
MAX_TEXT = 1_000_000  # characters of a reply
MARGIN = 5.0  # seconds by which litellm's own time-out comes after ours
OFFLINE = "LITELLM_LOCAL_MODEL_COST_MAP"
NOISE = ("Pydantic serializer warnings", "Items? .* on TypedDict class")
LOGGERS = ("LiteLLM", "LiteLLM Proxy", "LiteLLM Router")

log = logging.getLogger("convsim")


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
    problems = [
        Problem(f"parameter {key!r}", "is set by convsim; leave it out")
        for key in given
        if key in RESERVED
    ]
    if problems := [*problems, *_name_problems(vendor, model, given)]:
        raise InvalidSpec(problems)
    port = _Port(vendor, model, given, timeout)
    return port.ask


@asynccontextmanager
async def litellm_client() -> AsyncGenerator[None]:
    """Close litellm's connections at the end of a run, in the loop that they belong to."""
    try:
        yield
    finally:
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


@define
class _Port:
    """One model; `dropped` are the parameters that it turned out not to take."""

    vendor: Any
    model: str
    params: dict[str, Any] = field(repr=False)
    timeout: float
    dropped: set[str] = field(factory=set)

    async def ask(self, request: Generate) -> Reply:
        """Make the call, and make it once more without a parameter that the model does not take."""
        messages = [message.as_dict() for message in request.messages]
        failed: Facts | None = None
        while True:
            options = self.options(request.prompt.schema)
            try:
                reply = await self.call(messages, options)
            except _Cure as cure:
                self.drop(cure.name)
                failed = cure.facts if failed is None else failed.plus(cure.facts)
            except PortError as error:
                if failed is not None and isinstance(error.facts, Facts):
                    error.facts = failed.plus(error.facts)
                raise
            else:
                return reply if failed is None else evolve(reply, facts=failed.plus(reply.facts))

    def options(self, schema: JsonObject | None) -> dict[str, Any]:
        """The parameters of a call."""
        options = dict(self.params)
        if schema is not None and "response_format" not in options:
            form = {"name": "reply", "schema": thaw(schema), "strict": True}
            options["response_format"] = {"type": "json_schema", "json_schema": form}
        return {key: value for key, value in options.items() if key not in self.dropped}

    async def call(self, messages: list[dict[str, str]], options: dict[str, Any]) -> Reply:
        """One request."""
        try:
            async with asyncio.timeout(self.timeout):
                response = await self.vendor.acompletion(
                    model=self.model,
                    messages=messages,
                    max_retries=0,
                    timeout=self.timeout + MARGIN,
                    **options,
                )
        except TimeoutError:
            raise self.error(TimedOut(f"no answer in {self.timeout:g} s")) from None
        except Exception as error:  # noqa: BLE001  it raises many kinds, and some bare ones
            status = getattr(error, "status_code", None)
            words = self.words(error)
            if status == 400 and (name := _rejected(words, options)):
                local = isinstance(error, self.vendor.UnsupportedParamsError)
                facts = Facts(attempts=0 if local else 1, errors=(f"refused: {words}",))
                raise _Cure(name, facts) from None
            raise self.error(_sorted(error, status, words)) from None
        return self.reply(response)

    def drop(self, name: str) -> None:
        """Remember what the model does not take, and say it once."""
        if name not in self.dropped:
            self.dropped.add(name)
            log.warning("%s does not take %r; it is asked without it from now on", self.model, name)

    def reply(self, response: Any) -> Reply:
        """Read an answer; its facts are kept even where it cannot be used."""
        facts = _facts(response)
        if not response.choices:
            raise self.error(MalformedReply("the answer has no choices"), facts)
        choice = response.choices[0]
        text: str = choice.message.content or ""
        if choice.finish_reason == "content_filter":
            raise self.error(Refused("the provider's content filter stopped the answer"), facts)
        if len(text) > MAX_TEXT:
            what = f"the answer has {len(text):,} characters, expected at most {MAX_TEXT:,}"
            raise self.error(MalformedReply(what), facts)
        return Reply(text, facts)

    def error(self, error: PortError, facts: Facts | None = None) -> PortError:
        """An error with what it cost, and with the model's name before its words."""
        known = Facts() if facts is None else facts
        words = f"{self.model}: {error}"
        error.args = (words,)
        error.facts = evolve(known, errors=(f"{type(error).__name__}: {words}",))
        return error

    def words(self, error: Exception) -> str:
        """What the provider said, in one line, without keys and without litellm's prefixes."""
        said = re.sub(r"^(?:litellm\.)?\w+(?:Error|Timeout): |^\w+Exception - ", "", str(error))
        said = re.sub(r"(?:\w+(?:Error| Error): |\w+Exception - )+", "", said)
        said = said.partition("Traceback (most recent call last)")[0]
        texts = {name: value for name, value in self.params.items() if isinstance(value, str)}
        known = (*secrets_among(self.params), *secrets_of_environment({**os.environ, **texts}))
        return one_line(said, known)


class _Cure(Exception):
    """A model does not take a parameter; it can be asked without it."""

    def __init__(self, name: str, facts: Facts) -> None:
        self.name = name
        self.facts = facts
        super().__init__(name)


def _sorted(error: Exception, status: object, words: str) -> PortError:
    if not isinstance(status, int):
        return Unavailable(one_line(f"{type(error).__name__}: {words}"))
    response = getattr(error, "response", None)
    headers = getattr(error, "litellm_response_headers", None) or getattr(response, "headers", {})
    return sorted_error(status, words, wait=retry_after(dict(headers or {})))


def _rejected(words: str, options: Mapping[str, object]) -> str | None:
    if UNTAKEN.search(words) is None:
        return None  # the value may be wrong, and is the user's to mend
    return next((name for name in CURABLE if name in options and name in words), None)


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


def _vendor() -> Any:
    """Import litellm, quietly and without a connection for its prices."""
    os.environ.setdefault(OFFLINE, "True")
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
