"""Which model answers for whom, from what the drop-in is told, as settings of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from convsim_adapters.mlflow.models import TIMEOUT, chosen_model, is_route, known_name
from convsim_adapters.running.models import judges_params

__all__ = ["judge_settings", "user_settings"]


def user_settings(uri: str, params: Mapping[str, object]) -> dict[str, Any]:
    """The settings of the model that plays the user."""
    if not is_route(uri):
        return {"user_model": known_name(uri), "user_params": dict(params)}
    chosen = chosen_model(uri, "user_model", params=params, timeout=TIMEOUT)
    return {"user_model": chosen.port}


def judge_settings(uri: str, params: Mapping[str, object]) -> dict[str, Any]:
    """The settings of the judge, which is reached where the user's model is, and is not chancy."""
    told = judges_params(params, {"temperature": 0.0})
    if not is_route(uri):
        return {"goal_model": known_name(uri), "goal_params": dict(told)}
    chosen = chosen_model(uri, "goal_model", params=told, timeout=TIMEOUT)
    return {"goal_model": chosen.port}
