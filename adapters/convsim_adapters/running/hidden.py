"""Hiding secrets where words of somebody else's code come in: failures, and how a session ends."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import evolve

from convsim_adapters.hiding import without_secrets
from convsim_fp.core import Failed, Failure, Request, State, Stopped, Verdict
from convsim_fp.interpreters import APerform, Observed

__all__ = ["hidden", "hiding"]


def hiding(perform: APerform, secrets: tuple[str, ...]) -> APerform:
    """Hide secrets in what failed and why, before anybody sees or records it."""
    if not secrets:
        return perform

    async def performed(request: Request) -> Observed:
        observed = await perform(request)
        seen, facts = observed.observation, observed.facts
        if not facts.errors and not isinstance(seen, Failed):
            return observed
        if isinstance(seen, Failed):
            seen = evolve(seen, failure=_failure(seen.failure, secrets))
        if facts.errors:
            facts = evolve(facts, errors=[without_secrets(one, secrets) for one in facts.errors])
        return Observed(seen, facts)

    return performed


def hidden(state: State, secrets: Iterable[str]) -> State:
    """A state that has ended, without secrets in why it did; a behaviour may have raised one."""
    phase, kept = state.phase, tuple(secrets)
    if not isinstance(phase, Stopped) or not kept:
        return state
    failure = None if phase.failure is None else _failure(phase.failure, kept)
    ended = evolve(phase, detail=without_secrets(phase.detail, kept), failure=failure)
    return evolve(state, phase=ended, verdicts=tuple(_verdict(v, kept) for v in state.verdicts))


def _failure(failure: Failure, secrets: tuple[str, ...]) -> Failure:
    return evolve(failure, detail=without_secrets(failure.detail, secrets))


def _verdict(verdict: Verdict, secrets: tuple[str, ...]) -> Verdict:
    plain = without_secrets(verdict.rationale, secrets)
    return verdict if plain == verdict.rationale else evolve(verdict, rationale=plain)
