"""What of a run's settings may be written down: an allow-list, since the rest may be secret."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import cast
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from attrs import fields

from convsim_adapters.hiding import (
    secrets_of_environment,
    secrets_of_parameter,
    secrets_of_url,
)
from convsim_adapters.running.models import ChosenModel
from convsim_adapters.running.plans import Plan, Settings
from convsim_adapters.running.players import name_of
from convsim_adapters.running.targets import is_url

__all__ = ["public_settings", "public_url", "secrets_of"]

HARMLESS = frozenset(
    {
        "frequency_penalty",
        "max_completion_tokens",
        "max_tokens",
        "model",
        "presence_penalty",
        "reasoning_effort",
        "seed",
        "temperature",
        "top_k",
        "top_p",
    }
)
ADDRESSES = frozenset({"api_base", "base_url"})
KNOWN = HARMLESS | ADDRESSES | {"api_version", "custom_llm_provider"}
WITHHELD = "(not written down)"
PARAMS = ("user_params", "goal_params", "agent_params")
PLAYED = ("user", "goal_check", "user_model", "goal_model")


def public_settings(plan: Plan) -> dict[str, object]:
    """The settings of a run by name, without anything that could be a secret."""
    settings = plan.settings
    plain = {
        one.name: getattr(settings, one.name)
        for one in fields(Settings)
        if one.name not in (*PARAMS, *PLAYED)
    }
    return {
        "agent": None if plan.agent is None else public_url(plan.agent.name),
        "user": _played(settings.user),
        "goal_check": _played(settings.goal_check),
        "user_model": _name(plan.user_model),
        "goal_model": _name(plan.goal_model),
        **{name: _params(getattr(settings, name)) for name in PARAMS},
        **plain,
        "agent_state": plan.agent_state,
        "files": list(plan.files),
        "file_format": plan.file_format,
        "withheld": list(_withheld(plan)),
    }


def public_url(name: str) -> str:
    """A URL without the user, the query and the fragment, which may hold secrets.

    >>> public_url("https://me:key@example.org/v1?token=1"), public_url("shop.agent:Desk")
    ('https://example.org/v1', 'shop.agent:Desk')
    """
    if not is_url(name):
        return name
    parts = urlsplit(name)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def secrets_of(plan: Plan) -> tuple[str, ...]:
    """Texts that must stand in no file and no message of a run, wherever they come back from.

    Values of the environment under the name of a key, the credentials and the query of an address,
    and every text among the parameters that is not known to be harmless.
    """
    found = [*secrets_of_environment(os.environ)]
    if plan.agent is not None and plan.agent.address:
        found += _of_address(plan.agent.address)
    for name in PARAMS:
        given = cast("Mapping[str, object] | None", getattr(plan.settings, name))
        for key, value in (given or {}).items():
            if key in ADDRESSES and isinstance(value, str) and is_url(value):
                found += _of_address(value)
            elif key not in KNOWN - ADDRESSES:
                found += secrets_of_parameter(value)
    return tuple(dict.fromkeys(found))


def _of_address(url: str) -> Iterator[str]:
    yield from secrets_of_url(url)
    with suppress(ValueError):
        yield from (value for _, value in parse_qsl(urlsplit(url).query))


def _withheld(plan: Plan) -> Iterator[str]:
    """What is not written down, or not whole: it has to be given again where the run goes on."""
    agent = plan.agent
    if agent is not None and agent.address and public_url(agent.address) != agent.address:
        yield "agent"
    for name in PARAMS:
        given = cast("Mapping[str, object] | None", getattr(plan.settings, name))
        for key, value in (given or {}).items():
            if _param(key, value) != value:
                yield f"{name}.{key}"


def _played(given: object) -> str | None:
    return None if given is None else name_of(given)


def _name(model: ChosenModel | None) -> str | None:
    return None if model is None else model.name


def _params(given: Mapping[str, object] | None) -> dict[str, object]:
    return {key: _param(key, value) for key, value in (given or {}).items()}


def _param(key: str, value: object) -> object:
    if key in ADDRESSES and isinstance(value, str) and is_url(value):
        return public_url(value)
    plain = isinstance(value, str | int | float | bool | None)
    return value if key in HARMLESS and plain else WITHHELD
