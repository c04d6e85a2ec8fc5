"""The models of a run: a name or an address for one of our clients, or a port of somebody's own."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from typing import Literal, cast

from attrs import frozen

from convsim_adapters.running.players import name_of
from convsim_adapters.running.targets import is_target, is_url, load_target
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Model, bounded

__all__ = ["CLIENTS", "ChosenModel", "Client", "Params", "choose_model", "judges_params"]

Params = Mapping[str, object]
Client = Literal["auto", "direct", "litellm"]

CLIENTS: tuple[Client, ...] = ("auto", "direct", "litellm")

BASES = ("api_base", "base_url")
CONNECTION = (
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "custom_llm_provider",
    "extra_headers",
    "model",  # of an address
    "organization",
)


@frozen
class ChosenModel:
    """A model port with the name to call it by, and which of our clients makes the calls, if any.

    `listed` is the name that its price is found by, `place` is where it is asked.
    """

    name: str
    port: Model
    client: Literal["direct", "litellm"] | None = None
    listed: str = ""
    place: str = ""

    @property
    def key(self) -> str:
        """The same for the same model at the same place, whoever asks it and in any process."""
        return f"{self.listed or self.name} at {self.place}"

    @property
    def shown(self) -> str:
        """The name in messages: that of the model, also where it was named by an address."""
        return f"{self.listed} at {self.name}" if is_url(self.name) else self.name

    def price_known(self) -> bool:
        """Whether the cost of its answers can be known; a port of somebody's own may tell it."""
        match self.client:
            case None:
                return True
            case "direct":
                from convsim_adapters.prices import price_of  # noqa: PLC0415  not for --help

                return price_of(self.listed) is not None
            case "litellm":
                from convsim_adapters.litellm import price_known  # noqa: PLC0415  heavy

                return price_known(self.listed)

    @asynccontextmanager
    async def connections(self) -> AsyncGenerator[None]:
        """Keep its connections from call to call in the loop of the block, which closes them."""
        match self.client:
            case None:
                yield
            case "direct":
                from convsim_adapters.openai_http import openai_client  # noqa: PLC0415  aiohttp

                async with openai_client():
                    yield
            case "litellm":
                from convsim_adapters.litellm import litellm_client  # noqa: PLC0415  heavy

                async with litellm_client():
                    yield


def choose_model(
    given: str | Model,
    field: str,
    *,
    params: Params | None,
    timeout: float,
    client: Client = "auto",
) -> ChosenModel:
    """Make the model that a name, an address or a function stands for.

    ``package.module:attribute`` is a model port of your own. What speaks the OpenAI protocol is
    asked directly, ``openai/MODEL`` or an address with the parameter `model`, unless something is
    asked for that only litellm knows; every other name is litellm's. `client` chooses instead.
    `timeout` in seconds bounds one attempt. Raises `InvalidSpec`, whose problem is about `field`.
    """
    if not isinstance(given, str):
        return _own(given, name_of(given), field, params, timeout)
    if is_target(given):
        return _own(load_target(given, field), given, field, params, timeout)
    if _is_direct(given, params, client):
        return _direct(given, params, timeout)
    if is_url(given):
        what = f"is {given!r:.80}; for litellm give openai/MODEL and the parameter api_base=URL"
        raise InvalidSpec([Problem(field, what)])
    from convsim_adapters.litellm import litellm_model  # noqa: PLC0415  heavy

    port, told = litellm_model(given, params=params, timeout=timeout), params or {}
    place = next((str(told[key]) for key in BASES if told.get(key)), "")
    return ChosenModel(given, port, "litellm", given, place)


def _is_direct(name: str, params: Params | None, client: Client) -> bool:
    if client != "auto":
        return client == "direct"
    from convsim_adapters.openai_endpoint import goes_directly  # noqa: PLC0415  not for --help

    return goes_directly(name, params or {})


def _direct(name: str, params: Params | None, timeout: float) -> ChosenModel:
    from convsim_adapters.openai_endpoint import endpoint_of_model  # noqa: PLC0415  not for --help
    from convsim_adapters.openai_http import openai_model  # noqa: PLC0415  loads aiohttp

    port = openai_model(name, params=params, timeout=timeout)
    endpoint = endpoint_of_model(name, params or {}, os.environ)
    return ChosenModel(name, port, "direct", endpoint.model, endpoint.url)


def judges_params(user_params: Params | None, goal_params: Params | None) -> Params:
    """The judge's parameters where it is the user's model: where to reach it, and its own.

    >>> judges_params({"api_base": "http://127.0.0.1:9/v1", "temperature": 1}, {"temperature": 0})
    {'api_base': 'http://127.0.0.1:9/v1', 'temperature': 0}
    """
    reached = {key: value for key, value in (user_params or {}).items() if key in CONNECTION}
    return {**reached, **(goal_params or {})}


def _own(
    found: object, shown: str, field: str, params: Params | None, timeout: float
) -> ChosenModel:
    if not callable(found) or isinstance(found, type):
        raise InvalidSpec([Problem(field, f"is {shown:.80}, expected a model port: a function")])
    if params:
        what = f"is a function of your own ({shown:.80}), which takes no parameters"
        raise InvalidSpec([Problem(field, what)])
    return ChosenModel(shown, bounded(cast("Model", found), timeout))
