"""What answers in the OpenAI protocol's form cost, by the prices of the map that litellm ships.

litellm itself is not imported, which takes seconds; where it is not installed nothing has a price.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, cast

from attrs import frozen

from convsim_fp.interpreters import Facts

__all__ = ["Price", "Used", "facts_of", "listed_mode", "price_of", "tokens_of"]

FILE = "model_prices_and_context_window_backup.json"
PROVIDER = "openai"
STEP = re.compile(r"input_cost_per_token_above_(\d+)k_tokens")
# What endpoints call the same: OpenAI under both of its protocols, Anthropic, DeepSeek, gateways.
READ = ("prompt_tokens", "input_tokens")
WRITTEN = ("completion_tokens", "output_tokens")
CACHED = ("cached_tokens", "cache_read_input_tokens", "prompt_cache_hit_tokens")
PUT = ("cache_write_tokens", "cache_creation_tokens", "cache_creation_input_tokens")
DETAILS = ("prompt_tokens_details", "input_tokens_details")
NAMES = 1_000  # models that are remembered; an endpoint may answer with any name


@frozen(kw_only=True)
class Used:
    """What one answer used: tokens, the service tier and the region that it came from.

    `cached` and `written` are among the `input`: read from the provider's cache, and put there.
    """

    input: int
    output: int
    cached: int = 0
    written: int = 0
    tier: str = ""
    region: str = ""


@frozen
class Price:
    """What a model costs: `rates` in US dollars by their names in the map, which `source` names.

    `steps` are thousands of input tokens above which other rates hold, the largest first.
    """

    rates: Mapping[str, float]
    source: str
    steps: tuple[int, ...] = ()

    def cost(self, used: Used) -> float:
        """US dollars for one answer.

        >>> price = Price({"input_cost_per_token": 0.25, "output_cost_per_token": 2.0}, "mine")
        >>> price.cost(Used(input=8, output=1))
        4.0
        """
        fresh = self.rate("input_cost_per_token", used)
        cached = self.rate("cache_read_input_token_cost", used) or fresh
        written = self.rate("cache_creation_input_token_cost", used) or fresh
        plain = max(used.input - used.cached - used.written, 0)
        inputs = plain * fresh + used.cached * cached + used.written * written
        outputs = used.output * self.rate("output_cost_per_token", used)
        return (inputs + outputs) * self.uplift(used.region)

    def rate(self, name: str, used: Used) -> float:
        """The rate that holds for so many tokens and this tier; 0 where none is listed."""
        above = next((step for step in self.steps if used.input > step * 1_000), None)
        if above is None and not used.tier:
            return self.rates.get(name, 0.0)
        named = [name] if above is None else [f"{name}_above_{above}k_tokens", name]
        if used.tier:
            named = [key for one in named for key in (f"{one}_{used.tier}", one)]
        return next((self.rates[key] for key in named if key in self.rates), 0.0)

    def uplift(self, region: str) -> float:
        """By how much all is dearer in a region."""
        if not region:
            return 1.0
        return self.rates.get(f"regional_processing_uplift_multiplier_{region}", 1.0)


@lru_cache(NAMES)
def price_of(model: str) -> Price | None:
    """The price of a model by the name that the endpoint knows it by; None where there is none.

    >>> price_of("nobodys-model") is None
    True
    """
    entry = _entry(model)
    rates = {
        name: float(value)
        for name, value in entry.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if not {"input_cost_per_token", "output_cost_per_token"} <= rates.keys():
        return None
    steps = sorted((int(found[1]) for found in map(STEP.fullmatch, rates) if found), reverse=True)
    return Price(rates, f"litellm {version('litellm')}", tuple(steps))


def listed_mode(model: str) -> str:
    """What a model is for by the map, such as ``chat``; nothing where it is not listed.

    >>> listed_mode("nobodys-model")
    ''
    """
    return str(_entry(model).get("mode", ""))


def facts_of(told: Mapping[str, Any], *, model: str, region: str = "") -> Facts:
    """The tokens of an answer and what they cost; what it does not tell is unknown.

    `model` was asked; where the answer names another one that has a price, that one holds.

    >>> facts_of({"usage": {"prompt_tokens": 7, "completion_tokens": 1}}, model="mine").input_tokens
    7
    """
    usage = _part(told, "usage")
    tokens = tokens_of(told)
    read, written, cached = tokens.input_tokens, tokens.output_tokens, tokens.cached_tokens
    price = price_of(_text(told, "model")) or price_of(model)
    if price is None or read is None or written is None or _heard(usage):
        return tokens
    used = Used(
        input=read,
        output=written,
        cached=cached or 0,
        written=_counted(_places(usage), PUT) or 0,
        tier=_text(told, "service_tier"),
        region=region,
    )
    return Facts(read, written, cached, price.cost(used), price_source=price.source)


def tokens_of(told: object) -> Facts:
    """The tokens of an answer, by any of the names that endpoints have for them.

    >>> tokens_of({"usage": {"input_tokens": 7, "output_tokens": 1}}).output_tokens
    1
    """
    places = _places(_part(told, "usage"))
    read, written = _counted(places, READ), _counted(places, WRITTEN)
    if not read and not written:
        return Facts()  # some endpoints write zeros where they do not count
    return Facts(read, written, _counted(places, CACHED))


def _heard(usage: Mapping[str, Any]) -> bool:
    """Whether some of it was sound, which has prices of its own."""
    parts = (_part(usage, "prompt_tokens_details"), _part(usage, "completion_tokens_details"))
    return any(_count(part, "audio_tokens") for part in parts)


@lru_cache(NAMES)
def _entry(model: str) -> Mapping[str, object]:
    """The entry of a model; the rest of the map is not held, it is megabytes."""
    listed = _map()
    for name in _names(model):
        entry = listed.get(name, {})
        if entry.get("litellm_provider") == PROVIDER:
            return entry
    return {}


def _names(model: str) -> Iterator[str]:
    yield f"{PROVIDER}/{model}"
    yield model
    if model.startswith("ft:"):  # a model of somebody's own costs what its base does: ft:BASE:…
        yield ":".join(model.split(":")[:2])


def _map() -> Mapping[str, Mapping[str, object]]:
    spec = find_spec("litellm")
    places = [] if spec is None else spec.submodule_search_locations or []
    for place in places:
        try:
            text = (Path(place) / FILE).read_text("utf-8")
            return cast("Mapping[str, Mapping[str, object]]", json.loads(text))
        except (OSError, ValueError):
            continue
    return {}


def _part(told: object, name: str) -> Mapping[str, Any]:
    found = cast("dict[str, object]", told).get(name) if isinstance(told, dict) else None
    return cast("Mapping[str, Any]", found) if isinstance(found, dict) else {}


def _places(usage: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The usage itself, and the details on what was read."""
    return [usage, *[_part(usage, name) for name in DETAILS if name in usage]]


def _counted(places: Iterable[Mapping[str, Any]], names: Iterable[str]) -> int | None:
    """The first count that is there."""
    for name in names:
        for place in places:
            if (count := _count(place, name)) is not None:
                return count
    return None


def _text(told: Mapping[str, Any], name: str) -> str:
    found = told.get(name)
    return found if isinstance(found, str) else ""


def _count(counts: Mapping[str, Any], name: str) -> int | None:
    found: object = counts.get(name)
    good = isinstance(found, int) and not isinstance(found, bool) and found >= 0
    return cast("int", found) if good else None
