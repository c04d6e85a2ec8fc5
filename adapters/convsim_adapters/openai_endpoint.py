"""Where a model that speaks the OpenAI protocol is reached, and who asks; nothing is sent here.

The address: the parameter `api_base` or `base_url`, else the environment's ``OPENAI_BASE_URL`` or
``OPENAI_API_BASE``, else OpenAI's own. The key: `api_key`, else ``OPENAI_API_KEY``.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from typing import cast
from urllib.parse import SplitResult, unquote, urlsplit

from attrs import field, frozen

from convsim_adapters.cache_hints import NO_HINTS, CacheHints, openai_hints
from convsim_adapters.model_calls import reserved
from convsim_adapters.prices import listed_mode
from convsim_fp.core import NotJson, freeze, thaw
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["Endpoint", "base_of", "endpoint_of_model", "goes_directly", "model_of"]

NAMED = re.compile(r"openai:?/(?P<id>.+)", re.DOTALL)
URL = re.compile(r"https?://", re.IGNORECASE)
OPENAI = "https://api.openai.com/v1"
AT_URL = "is an address, and which model to ask there is not said; give the parameter model"
NAMELESS = (
    "is not reached directly, which takes openai/MODEL or the address of an endpoint that speaks "
    "the OpenAI protocol; choose --client litellm (client=)"
)
BASES = ("api_base", "base_url")
REACHED = (*BASES, "api_key", "extra_headers", "organization")
# Of litellm and of OpenAI's own client, and no fields of the body.
FOREIGN = re.compile(
    r"additional_drop_params|allowed_openai_params|api_version|aws_.*|azure_.*|base_model|caching|"
    r"client|custom_llm_provider|drop_params|extra_body|extra_query|fallbacks|headers|"
    r"input_cost_per_.*|litellm_.*|mock_response|model_info|output_cost_per_.*|request_timeout|"
    r"rpm|ssl_verify|tpm|vertex_.*"
)
# Fields of the protocol, and those of servers for open models; any other may be litellm's.
FIELDS = frozenset(
    "frequency_penalty logit_bias logprobs max_completion_tokens max_tokens min_p "
    "parallel_tool_calls presence_penalty prompt_cache_key prompt_cache_options "
    "prompt_cache_retention reasoning_effort repetition_penalty response_format safety_identifier "
    "seed service_tier stop store temperature tool_choice tools top_k top_logprobs top_p user "
    "verbosity".split()
)


@frozen
class Endpoint:
    """One model at one address; `name` is for messages, `headers` say who asks.

    `fields` are what the body has beside the model's own name and the messages.
    """

    name: str
    model: str
    url: str
    region: str = ""
    headers: Mapping[str, str] = field(factory=dict[str, str], repr=False)
    fields: Mapping[str, object] = field(factory=dict[str, object], repr=False)
    hints: CacheHints = NO_HINTS


def goes_directly(name: str, params: Mapping[str, object]) -> bool:
    """Whether a name and its parameters ask for nothing but the protocol; else litellm knows more.

    >>> goes_directly("openai:/gpt-4o-mini", {"temperature": 0}), goes_directly("groq/x", {})
    (True, False)
    """
    if URL.match(name):
        return True
    named = NAMED.fullmatch(name)
    if named is None or named["id"].startswith("responses/"):
        return False
    plain = all(key in FIELDS or key in REACHED for key in params)
    return plain and not any(_unsent(params)) and listed_mode(named["id"]) in ("", "chat")


def model_of(name: str, params: Mapping[str, object]) -> str:
    """The name that the endpoint knows the model by; nothing where that is not said.

    >>> model_of("openai/qwen/qwen3", {}), model_of("http://127.0.0.1/v1", {"model": "llama"})
    ('qwen/qwen3', 'llama')
    """
    if URL.match(name):
        given = params.get("model")
        return given.strip() if isinstance(given, str) else ""
    named = NAMED.fullmatch(name)
    return "" if named is None else named["id"].strip()


def base_of(name: str, params: Mapping[str, object], environ: Mapping[str, str]) -> str:
    """The address that requests to a model go to, as it was given.

    >>> base_of("openai/gpt-5-mini", {}, {})
    'https://api.openai.com/v1'
    """
    if URL.match(name):
        return name
    given = next((params[key] for key in BASES if params.get(key)), None)
    told = environ.get("OPENAI_BASE_URL") or environ.get("OPENAI_API_BASE") or OPENAI
    return str(told if given is None else given)


def endpoint_of_model(
    name: str, params: Mapping[str, object], environ: Mapping[str, str]
) -> Endpoint:
    """Find where ``openai/MODEL`` is, or what an address and the parameter `model` stand for.

    A local server, one behind ``http://``, needs no key. Raises `InvalidSpec` with all problems.

    >>> endpoint_of_model("openai/qwen3", {"api_base": "http://127.0.0.1:8000/v1"}, {}).url
    'http://127.0.0.1:8000/v1/chat/completions'
    """
    parts = _address(base_of(name, params, environ))
    headers = _headers(params, environ, parts)
    problems = [*_name_problems(name, params), *_unsent(params), *_header_problems(headers)]
    shown = f"the model {_shown(name)!r:.80}"
    if parts is None:
        what = "has an address that is none; expected one such as http://127.0.0.1:8000/v1"
        raise InvalidSpec([*problems, Problem(shown, what)])
    if not problems and parts.scheme == "https" and not _says_who(headers):
        what = "needs the environment variable OPENAI_API_KEY, which is not set"
        problems.append(Problem(shown, f"{what}; set it, or give api_key"))
    if problems:
        raise InvalidSpec(problems)
    model = model_of(name, params)
    told = f"{model} at {name}" if URL.match(name) else name
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2], path=_path(parts)).geturl()
    own = (*REACHED, "model")
    fields = {key: thaw(freeze(value)) for key, value in params.items() if key not in own}
    hints = openai_hints(model, url, fields)
    return Endpoint(told, model, url, _region(parts), headers, fields, hints)


def _name_problems(name: str, params: Mapping[str, object]) -> Iterator[Problem]:
    """What is wrong with the name, or does not go with it."""
    at_url = URL.match(name) is not None
    shown = f"the model {_shown(name)!r:.80}"
    if not model_of(name, params):
        yield Problem(shown, AT_URL if at_url else NAMELESS)
    if _shown(name) != name:
        what = "has more than SCHEME://HOST/PATH, which may be secret; give that alone, and api_key"
        yield Problem(shown, what)
    yield from reserved(params, free="model" if at_url else "")
    for key in BASES if at_url else ():
        if key in params:
            yield Problem(f"parameter {key!r}", "is given with an address; leave one of them out")


def _address(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url.strip())
        whole = bool(URL.match(url.strip()) and parts.hostname) and parts.port != 0
        (parts.hostname or "").encode("idna")
    except ValueError:
        return None
    return parts if whole and not any(mark.isspace() for mark in url.strip()) else None


def _path(parts: SplitResult) -> str:
    path = parts.path.rstrip("/")
    return path if path.endswith("/chat/completions") else f"{path}/chat/completions"


def _region(parts: SplitResult) -> str:
    """OpenAI's region, which costs more: ``eu`` of eu.api.openai.com."""
    host = (parts.hostname or "").lower()
    return host.removesuffix(".api.openai.com") if host.endswith(".api.openai.com") else ""


def _shown(name: str) -> str:
    """A name without what may be secret in an address."""
    if URL.match(name) is None:
        return name
    return re.sub(r"[?#].*", "", re.sub(r"//.*@", "//", name))


def _headers(
    params: Mapping[str, object], environ: Mapping[str, str], parts: SplitResult | None
) -> dict[str, str]:
    """What every request says of who asks; headers that are given win."""
    found: dict[str, str] = {"Content-Type": "application/json", **_who(params, environ, parts)}
    organization = params.get("organization") or environ.get("OPENAI_ORGANIZATION")
    named = {
        "OpenAI-Organization": organization or environ.get("OPENAI_ORG_ID"),
        "OpenAI-Project": environ.get("OPENAI_PROJECT_ID"),
    }
    found.update({name: str(value) for name, value in named.items() if value})
    given = params.get("extra_headers")
    extra = cast("Mapping[str, str]", given if isinstance(given, Mapping) else {})
    lower = {str(name).lower() for name in extra}
    return {**{name: v for name, v in found.items() if name.lower() not in lower}, **extra}


def _who(
    params: Mapping[str, object], environ: Mapping[str, str], parts: SplitResult | None
) -> dict[str, str]:
    key = str(params.get("api_key") or "").strip()
    who, at, _ = ("", "", "") if parts is None else parts.netloc.rpartition("@")
    if at and not key:
        return {"Authorization": f"Basic {b64encode(unquote(who).encode()).decode()}"}
    key = key or environ.get("OPENAI_API_KEY", "").strip()
    return {"Authorization": f"Bearer {key}"} if key else {}


def _says_who(headers: Iterable[str]) -> bool:
    return any(re.search(r"auth|key|token", name, re.IGNORECASE) for name in headers)


def _unsent(params: Mapping[str, object]) -> Iterator[Problem]:
    """The parameters that could not be sent as they are meant."""
    for name, value in params.items():
        try:
            freeze(value)
        except NotJson as error:
            yield Problem(f"parameter {error.within(name)!r}", error.what)
        if FOREIGN.fullmatch(name):
            what = "is not for the endpoint but for litellm; leave it out, or choose"
            yield Problem(f"parameter {name!r}", f"{what} --client litellm (client=)")
    if "extra_headers" in params and not isinstance(params["extra_headers"], Mapping):
        yield Problem("parameter 'extra_headers'", "is none, expected a dict of names and texts")


def _header_problems(headers: Mapping[str, object]) -> Iterator[Problem]:
    """The headers that cannot be sent; a value may be secret and is not shown."""
    for name, value in headers.items():
        if not (isinstance(value, str) and f"{name}{value}".isprintable()):
            what = "has a value that is no line of text; take out line breaks"
            yield Problem(f"the header {name!r:.80}", f"{what}, write a number as text")
