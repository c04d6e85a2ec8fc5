"""What providers are told so that they find the beginning of a prompt in their caches.

A prompt grows at its end and closes with a short question, so all but the question comes back at
the next turn. Some providers find that by themselves (Gemini, DeepSeek, vLLM …). OpenAI wants a key
for the requests that begin alike, and its models since GPT-5.6 look only where a mark is; Anthropic
caches nothing without one. Hints are the client's: requests, their digests and what a model reads
stay as they are.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import sha256
from typing import Any

from attrs import evolve, field, frozen

from convsim_fp.core import Generate, render
from convsim_fp.core.chat import ChatMessage, Role

__all__ = [
    "HINTS",
    "NO_HINTS",
    "CacheHints",
    "Messages",
    "cache_key",
    "claude_hints",
    "openai_hints",
]

KEY, OPTIONS, BREAKPOINT = "prompt_cache_key", "prompt_cache_options", "prompt_cache_breakpoint"
CONTROL, POINTS = "cache_control", "cache_control_injection_points"
HINTS = frozenset((BREAKPOINT, CONTROL, KEY, OPTIONS))

OPENAIS = re.compile(r"https?://(?:[^/@]*@)?(?:[\w-]+\.)*api\.openai\.com(?:[:/]|$)", re.IGNORECASE)
GPT = re.compile(r"gpt-(\d+)(?:\.(\d+))?(?![\w.])")
MARKED_SINCE = (5, 6)
UNMARKED: Mapping[str, object] = {}
KEPT, LONG = 4096, 4096  # messages that are kept as JSON; those of fewer characters
# Of the providers that litellm names, those whose Claude takes marks.
CLAUDES = ("anthropic", "azure_ai", "bedrock", "openrouter", "vertex_ai")


@frozen
class CacheHints:
    """How a provider is told what of a prompt comes back.

    `keyed`: each request has a key for its session and role. `fields` go along with it. `mark` is
    put where text ends that comes back, at the last `most` of such places.
    """

    keyed: bool = False
    fields: Mapping[str, object] = field(factory=dict[str, object])
    mark: Mapping[str, object] = field(factory=dict[str, object])
    most: int = 0

    def fields_of(self, request: Generate) -> dict[str, object]:
        """The fields that a request has because of them."""
        return {**({KEY: cache_key(request)} if self.keyed else {}), **self.fields}

    def messages_of(self, request: Generate) -> list[dict[str, Any]]:
        """The messages of a request, marked; what they say stays the same.

        Those of the user's role, which alone can bear a mark everywhere, are in parts then.
        """
        messages: list[dict[str, Any]] = [message.as_dict() for message in request.messages]
        if not self.mark:
            return messages
        lasting = render(evolve(request.prompt, question=""))
        ends = [index for index, message in enumerate(lasting) if message.role == "user"]
        for index in ends:
            mark = self.mark if index in ends[-self.most :] else UNMARKED
            whole = request.messages[index].content
            messages[index]["content"] = list(_parts(whole, lasting[index].content, mark))
        return messages


NO_HINTS = CacheHints()


@frozen
class Messages:
    """The messages of a request as they are sent, with their marks."""

    request: Generate
    hints: CacheHints = NO_HINTS

    def plain(self) -> list[dict[str, Any]]:
        """As plain dicts and lists, new at each call."""
        return self.hints.messages_of(self.request)

    def as_json(self) -> str:
        """As a JSON array."""
        if self.hints.mark:
            return json.dumps(self.plain())
        return f"[{', '.join([_written(one) for one in self.request.messages])}]"

    def marks(self) -> frozenset[str]:
        """The names of the marks on them; the last of a user's role has them all."""
        return frozenset(self.hints.mark)


def openai_hints(model: str, base: str, params: Mapping[str, object]) -> CacheHints:
    """The hints for an endpoint that speaks the OpenAI protocol: none but where it is OpenAI's own.

    Since GPT-5.6 a prompt is cached up to its end, the question included, and that is paid for,
    unless marks say otherwise. With `prompt_cache_options` among `params` there are no marks.

    >>> openai_hints("gpt-5-mini", "https://api.openai.com/v1", {}).keyed
    True
    >>> openai_hints("llama", "http://127.0.0.1:8000/v1", {}) == NO_HINTS
    True
    """
    if OPENAIS.match(base) is None:
        return NO_HINTS
    found = GPT.match(model)
    if found is None or (int(found[1]), int(found[2] or 0)) < MARKED_SINCE or OPTIONS in params:
        return CacheHints(keyed=True)
    explicit = {"mode": "explicit"}
    # It looks at the last 80 marks and writes up to the last 4; marks that stay keep bytes as is.
    return CacheHints(keyed=True, fields={OPTIONS: explicit}, mark={BREAKPOINT: explicit}, most=80)


def claude_hints(model: str, provider: str, params: Mapping[str, object]) -> CacheHints:
    """The hints for a model that litellm says can cache: marks for Claude, none for others.

    With `cache_control_injection_points` among `params` litellm sets them, or none for ``[]``.

    >>> claude_hints("gemini-2.5-flash", "gemini", {}) == NO_HINTS
    True
    """
    if provider not in CLAUDES or "claude" not in model.lower() or POINTS in params:
        return NO_HINTS
    # Where the prompt before this one ended is looked up; four at most may be in a request, those
    # on tools of the user's own among them.
    return CacheHints(mark={CONTROL: {"type": "ephemeral"}}, most=2)


def cache_key(request: Generate) -> str:
    """A name for the requests of one session and role, which begin alike; a digest, no secret."""
    named = f"{request.prompt.speaks_as}/{request.session.id}"
    return f"convsim-{sha256(named.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _written(message: ChatMessage) -> str:
    long = len(message.content) >= LONG
    return json.dumps(message.as_dict()) if long else _as_json(message.role, message.content)


@lru_cache(maxsize=KEPT)
def _as_json(role: Role, content: str) -> str:
    """Sent again at every later turn, and written once."""
    return json.dumps({"role": role, "content": content})


def _parts(whole: str, lasting: str, mark: Mapping[str, object]) -> Iterator[dict[str, object]]:
    """A message as what stays, which may be marked, and what does not, the question."""
    yield {"type": "text", "text": lasting, **mark}
    if question := whole[len(lasting) :]:
        yield {"type": "text", "text": question}
