"""The models of a run: a name for litellm, or a model port of somebody's own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from attrs import frozen

from convsim_adapters.running.players import name_of
from convsim_adapters.running.targets import is_target, is_url, load_target
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Model, bounded

__all__ = ["ChosenModel", "Params", "choose_model", "judges_params"]

Params = Mapping[str, object]

CONNECTION = (
    "api_base",
    "api_key",
    "api_version",
    "base_url",
    "custom_llm_provider",
    "extra_headers",
    "organization",
)


@frozen
class ChosenModel:
    """A model port with the name to call it by; `vendor` where litellm makes the calls."""

    name: str
    port: Model
    vendor: bool = False

    def price_known(self) -> bool:
        """Whether the cost of its answers can be known; a port of somebody's own may tell it."""
        if not self.vendor:
            return True
        from convsim_adapters.litellm import price_known  # noqa: PLC0415  loads nothing but names

        return price_known(self.name)


def choose_model(
    given: str | Model, field: str, *, params: Params | None, timeout: float
) -> ChosenModel:
    """Make the model that a name or a function stands for.

    ``package.module:attribute`` is a model port of your own, everything else a name that litellm
    knows. `timeout` in seconds bounds one attempt. Raises `InvalidSpec`, whose problem is about
    `field`.
    """
    if not isinstance(given, str):
        return _own(given, name_of(given), field, params, timeout)
    if is_target(given):
        return _own(load_target(given, field), given, field, params, timeout)
    if is_url(given):
        what = f"is {given!r:.80}; for an endpoint that speaks the OpenAI protocol give"
        how = "openai/MODEL and the parameter api_base=URL"
        raise InvalidSpec([Problem(field, f"{what} {how}")])
    from convsim_adapters.litellm import litellm_model  # noqa: PLC0415  heavy

    return ChosenModel(given, litellm_model(given, params=params, timeout=timeout), vendor=True)


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
