"""The models of the drop-in: MLflow's default, its own routes, everything else as in any run.

All of them share one policy of retries and one deadline, and their calls leave no trace.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import lru_cache
from typing import cast

from attrs import evolve, field, frozen

from convsim_adapters.mlflow.asking import Question, opened_model, waited_for
from convsim_adapters.mlflow.managed import MANAGED, managed_model
from convsim_adapters.mlflow.routes import ROUTES, route_model
from convsim_adapters.running.models import ChosenModel, Params, choose_model
from convsim_adapters.vendors import import_vendor
from convsim_fp.core import Generate, JsonObject
from convsim_fp.interpreters import Model, Reply

__all__ = ["TIMEOUT", "asked", "chosen_model", "default_model", "is_route", "known_name"]

OPENAI, DATABRICKS = "openai:/gpt-5", "gpt-oss-120b"
# What MLflow calls a provider, and what litellm calls it.
ALIASES = {"amazon-bedrock": "bedrock", "togetherai": "together_ai"}
TIMEOUT = 120.0  # seconds of an attempt
KEPT = 16


def default_model() -> str:
    """The model where none is given: MLflow's own choice by the tracking URI.

    Its function says which where this MLflow has one; else it is what that says in 3.17.2.
    """
    mlflow = import_vendor("mlflow", extra="mlflow")
    try:
        from mlflow.genai.simulators.utils import (  # noqa: PLC0415  heavy
            get_default_simulation_model,
        )
    except ImportError:
        on_databricks = str(mlflow.get_tracking_uri()).partition(":")[0] == "databricks"
        return DATABRICKS if on_databricks else OPENAI
    return get_default_simulation_model()


def is_route(uri: str) -> bool:
    """Whether MLflow has a way of its own to this model; others are reached as in any run.

    >>> is_route("databricks"), is_route("gateway:/chat"), is_route("openai:/gpt-5")
    (True, True, False)
    """
    scheme, colon, _ = uri.partition(":/")
    return uri in MANAGED or (bool(colon) and scheme in ROUTES)


def known_name(uri: str) -> str:
    """The name by which our clients know the provider of a model.

    >>> known_name("amazon-bedrock:/nova"), known_name("openai:/gpt-5")
    ('bedrock:/nova', 'openai:/gpt-5')
    """
    provider, colon, name = uri.partition(":/")
    return f"{ALIASES.get(provider, provider)}{colon}{name}"


def chosen_model(
    uri: str | Model, field: str, *, params: Params | None, timeout: float
) -> ChosenModel:
    """Make the model that MLflow's users name: ``provider:/model``, or one of MLflow's own routes.

    Those are ``databricks``, ``databricks:/…``, ``endpoints:/…`` and ``gateway:/…``; `routes` and
    `managed` say what each needs. `timeout` in seconds bounds an attempt, and an attempt is one
    request. Its calls leave no trace, whatever is traced automatically. Raises `InvalidSpec` before
    the first call, whose problem is about `field`.
    """
    found = _found(uri, field, params=params, timeout=timeout)
    return evolve(found, port=_without_traces(found.port))


def asked(
    uri: str | Model,
    messages: Iterable[Mapping[str, str]],
    params: Params | None = None,
    *,
    response_schema: JsonObject | None = None,
) -> str:
    """Ask a model one question outside of any run, and wait for the text of its answer.

    In any thread, also in one whose event loop runs; many threads may ask at once. Up to 3 retries,
    120 s for an attempt. Raises `InvalidSpec` and `PortError`.
    """
    chosen = _kept(_Named.of(uri, params))
    question = Question.of(messages, schema=response_schema)

    async def answered() -> str:
        async with opened_model(chosen) as ask:
            return await ask(question)

    return waited_for(answered)


@frozen
class _Named:
    """A model with all that it depends on; equal ones are asked as the same."""

    uri: str | Model
    shown: str
    environment: frozenset[tuple[str, str]] = field(repr=False)
    tracking_uri: str
    params: Params = field(eq=False, repr=False)

    @classmethod
    def of(cls, uri: str | Model, params: Params | None) -> _Named:
        given = dict(params or {})
        tracking_uri = str(import_vendor("mlflow", extra="mlflow").get_tracking_uri())
        return cls(uri, repr(given), frozenset(os.environ.items()), tracking_uri, given)


@lru_cache(maxsize=KEPT)
def _kept(named: _Named) -> ChosenModel:
    """A model that remembers what parameters it does not take, from one question to the next."""
    return chosen_model(named.uri, "model", params=named.params, timeout=TIMEOUT)


def _found(uri: str | Model, field: str, *, params: Params | None, timeout: float) -> ChosenModel:
    if not isinstance(uri, str):
        return choose_model(uri, field, params=params, timeout=timeout)
    if uri in MANAGED:
        return ChosenModel(uri, managed_model(uri, field, params=params, timeout=timeout))
    if is_route(uri):
        return ChosenModel(uri, route_model(uri, field, params=params, timeout=timeout))
    return choose_model(known_name(uri), field, params=params, timeout=timeout)


def _without_traces(port: Model) -> Model:
    mlflow = import_vendor("mlflow", extra="mlflow")
    asking = cast("Callable[[Generate], Awaitable[Reply | str]]", port)

    async def asked_untraced(request: Generate) -> Reply | str:
        with mlflow.tracing.context(enabled=False):
            return await asking(request)

    return asked_untraced
