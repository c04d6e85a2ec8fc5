"""What the clients of models have in common: what is asked again, what is hidden, what is refused.

Knows no vendor.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Any, cast

from attrs import define, evolve, field

from convsim_adapters.cache_hints import HINTS, NO_HINTS, CacheHints, Messages
from convsim_adapters.hiding import secrets_among, secrets_of_environment
from convsim_adapters.http_errors import one_line
from convsim_fp.core import Generate, JsonObject, thaw
from convsim_fp.errors import MalformedReply, PortError, Problem, Refused
from convsim_fp.interpreters import Facts, Reply

__all__ = [
    "MAX_TEXT",
    "Asking",
    "Rejected",
    "about",
    "plain_words",
    "rejected",
    "reserved",
    "spoken",
    "text_of",
]

RESERVED = ("max_retries", "messages", "model", "n", "num_retries", "stream", "timeout")
UNTAKEN = re.compile(
    r"n[o']t support|unsupported|unknown|unrecognized|not (?:allowed|permitted)|unexpected",
    re.IGNORECASE,
)
# The form of a reply is ours to choose, so any word against it counts, by any of its names.
FORM = re.compile(r"response[_ ]?format|json_schema", re.IGNORECASE)
FORM_UNTAKEN = re.compile(rf"{UNTAKEN.pattern}|unavailable|invalid|must be", re.IGNORECASE)
# What a model may not take, and what it takes instead.
CURABLE = {
    **dict.fromkeys(sorted(HINTS), ""),
    "max_tokens": "max_completion_tokens",
    "response_format": "",
    "temperature": "",
}
MAX_TEXT = 1_000_000  # characters of a reply

Send = Callable[[Messages, dict[str, Any]], Awaitable[Reply]]

log = logging.getLogger("convsim")


class Rejected(Exception):
    """Tells that a model does not take a parameter; it can be asked without it.

    `facts` is what the call cost.
    """

    def __init__(self, name: str, facts: Facts) -> None:
        self.name = name
        self.facts = facts
        super().__init__(name)


@define
class Asking:
    """Asks one model through `send`, which makes one request of messages and parameters.

    `cures` are the parameters that it turned out not to take, with what they are called instead,
    or nothing. Where one of the hints is among them, none is given any more.
    """

    model: str
    params: Mapping[str, Any] = field(repr=False)
    send: Send
    hints: CacheHints = NO_HINTS
    cures: dict[str, str] = field(factory=dict)
    known: tuple[JsonObject, dict[str, Any]] | None = None

    async def ask(self, request: Generate) -> Reply:
        """Make the call, and make it once more without a parameter that the model does not take."""
        failed: Facts | None = None
        while True:
            try:
                hints = self.hints if HINTS.isdisjoint(self.cures) else NO_HINTS
                options = self.options(request.prompt.schema, hints.fields_of(request))
                reply = await self.send(Messages(request, hints), options)
            except Rejected as rejected:
                self.cure(rejected.name)
                failed = rejected.facts if failed is None else failed.plus(rejected.facts)
            except PortError as error:
                if failed is not None and isinstance(error.facts, Facts):
                    error.facts = failed.plus(error.facts)
                raise
            else:
                return reply if failed is None else evolve(reply, facts=failed.plus(reply.facts))

    def options(self, schema: JsonObject | None, hints: Mapping[str, object]) -> dict[str, Any]:
        """The parameters of a call; a reply of a certain form is asked for strictly."""
        options = {**hints, **self.params}
        if schema is not None and "response_format" not in options:
            options["response_format"] = self.form(schema)
        for name, instead in self.cures.items():
            if name in options:
                value = options.pop(name)
                options.update({instead: value} if instead else {})
        return options

    def form(self, schema: JsonObject) -> dict[str, Any]:
        """The form of a reply as a parameter; the same for as long as the same is asked for."""
        if self.known is None or self.known[0] is not schema:
            form = {"name": "reply", "schema": thaw(schema), "strict": True}
            self.known = (schema, {"type": "json_schema", "json_schema": form})
        return self.known[1]

    def cure(self, name: str) -> None:
        """Remember what the model does not take, and say it once."""
        if name in self.cures:
            return
        self.cures[name] = instead = CURABLE[name]
        how = f"with {instead!r}" if instead else "without it"
        log.warning("%s does not take %r; it is asked %s from now on", self.model, name, how)


def rejected(words: str, sent: Collection[str]) -> str | None:
    """Which of the parameters that were sent a refusal says is not taken, if not needed.

    >>> rejected("'temperature' is not supported", {"temperature": 0.2})
    'temperature'
    >>> rejected("temperature must be <= 2", {"temperature": 5})
    """
    if "response_format" in sent and FORM.search(words) and FORM_UNTAKEN.search(words):
        return "response_format"
    if UNTAKEN.search(words) is None:
        return None  # the value may be wrong, and is the user's to mend
    for name, instead in CURABLE.items():
        if name in sent and name in words and instead in words and instead not in sent:
            return name
    return None


def spoken(text: str, facts: Facts, *, stopped: object) -> Reply:
    """The reply of an answer, by the protocol's reason for why it stopped; `PortError` if none.

    >>> spoken("Hello.", Facts(), stopped="stop").text
    'Hello.'
    """
    if stopped == "content_filter":
        raise Refused("the provider's content filter stopped the answer", facts=facts)
    if len(text) > MAX_TEXT:
        what = f"the answer has {len(text):,} characters, expected at most {MAX_TEXT:,}"
        raise MalformedReply(what, facts=facts)
    return Reply(text, facts)


def text_of(content: object) -> str | None:
    """The words of an answer; of one in parts those that are text. None for what is no content.

    >>> text_of([{"type": "reasoning"}, {"type": "text", "text": "Hello."}])
    'Hello.'
    """
    if isinstance(content, list):
        parts = cast("list[dict[str, object]]", content)
        told = [part for part in parts if isinstance(part, dict) and part.get("type") == "text"]  # pyright: ignore[reportUnnecessaryIsInstance]
        return "\n".join(str(part.get("text") or "") for part in told)
    return (content or "") if isinstance(content, str | None) else None


def about(model: str, error: PortError) -> PortError:
    """An error with the model's name before its words, and in the facts of what it cost.

    >>> about("openai/gpt-5", Refused("404: no such model"))
    Refused('openai/gpt-5: 404: no such model')
    """
    words = f"{model}: {error}"
    known = error.facts if isinstance(error.facts, Facts) else Facts()
    error.args = (words,)
    error.facts = evolve(known, errors=(f"{type(error).__name__}: {words}",))
    return error


def plain_words(said: str, params: Mapping[str, object]) -> str:
    """What a provider said, in one line, without keys: those of the parameters, and all we know.

    >>> plain_words("Incorrect key:\\n sk-canary-7", {"api_key": "sk-canary-7"})
    'Incorrect key: (secret)'
    """
    texts = {name: value for name, value in params.items() if isinstance(value, str)}
    known = (*secrets_among(params), *secrets_of_environment({**os.environ, **texts}))
    return one_line(said, known)


def reserved(params: Mapping[str, object], *, free: str = "") -> Iterator[Problem]:
    """The parameters that no user sets, but for the one that is `free`.

    >>> [str(problem) for problem in reserved({"stream": True})]
    ["parameter 'stream' is set by convsim; leave it out"]
    """
    for key in params:
        if key in RESERVED and key != free:
            yield Problem(f"parameter {key!r}", "is set by convsim; leave it out")
