"""MLflow's own ways to a model, asked with MLflow's HTTP client: one request is one attempt.

databricks:/ENDPOINT   a serving endpoint of the workspace of DATABRICKS_HOST, or of its profile
endpoints:/ENDPOINT    an endpoint of the server that MLFLOW_DEPLOYMENTS_TARGET names
gateway:/ENDPOINT      an endpoint of the AI Gateway at the tracking server, or MLFLOW_GATEWAY_URI

Addresses and credentials are where MLflow looks for them. Nothing is left of that client's retries:
requests are made with none, and a token of Databricks goes past the SDK, which has its own. Only a
deployments target of another kind (a plugin such as ``openai``) is asked through its client, whose
retries no parameter of the call switches off. It keeps 10 connections open; for more at once set
``MLFLOW_HTTP_POOL_MAXSIZE``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

from attrs import frozen

from convsim_adapters.cache_hints import Messages
from convsim_adapters.http_errors import sorted_error
from convsim_adapters.mlflow.endpoints import Answered, Post, find_endpoint
from convsim_adapters.model_calls import (
    Asking,
    Rejected,
    about,
    plain_words,
    rejected,
    reserved,
    spoken,
    text_of,
)
from convsim_fp.errors import InvalidSpec, MalformedReply, PortError, Problem, TimedOut, Unavailable
from convsim_fp.interpreters import Facts, Model, Reply
from convsim_fp.interpreters.daemons import INSIDE, in_daemon

__all__ = ["ROUTES", "asked_in_thread", "read_answer", "route_model"]

ROUTES = ("databricks", "endpoints", "gateway")
ELSEWHERE = ("api_base", "api_key", "base_url", "extra_headers")
MARGIN = 5.0  # seconds by which the client's own time-out comes after ours


def route_model(
    uri: str, field: str, *, params: Mapping[str, object] | None, timeout: float
) -> Model:
    """Make the model port of an endpoint that is reached in MLflow's own way.

    `params` go into the request's body; `timeout` in seconds bounds a request. Raises `InvalidSpec`
    before the first call for a parameter that has no place there, and where MLflow does not know
    where the endpoint is; its problem is about `field`. The port raises the `PortError` that the
    answer stands for; it knows the tokens where the answer tells them, never the cost.
    """
    given = dict(params or {})
    where = "is where MLflow looks for it on this route, in its environment; leave it out"
    elsewhere = (Problem(f"parameter {key!r}", where) for key in ELSEWHERE if key in given)
    if problems := [*reserved(given), *elsewhere]:
        raise InvalidSpec(problems)
    post = find_endpoint(uri, field, timeout=timeout + MARGIN)
    return Asking(uri, given, _Route(uri, post, timeout, given).send).ask


@frozen
class _Route:
    """One endpoint. `post` sends a body and gives the answer, or raises the `PortError` of it."""

    uri: str
    post: Post
    timeout: float
    params: Mapping[str, object]

    async def send(self, messages: Messages, options: dict[str, Any]) -> Reply:
        """One request."""
        body = {"messages": messages.plain(), **options}
        try:
            return read_answer(await asked_in_thread(lambda: self.post(body), self.timeout))
        except Answered as answered:
            words = plain_words(answered.words, self.params)
            if answered.status in (400, 422) and (name := rejected(words, options)):
                raise Rejected(name, Facts(errors=(f"refused: {words}",))) from None
            error = sorted_error(answered.status, words, wait=answered.wait)
            raise about(self.uri, error) from None
        except PortError as error:
            error.args = (plain_words(str(error), self.params),)
            raise about(self.uri, error) from None


async def asked_in_thread(call: Callable[[], Any], seconds: float) -> Any:
    """Await a blocking call of MLflow's; `TimedOut` after so many seconds, and it goes on alone."""
    bound = asyncio.timeout(seconds)
    try:
        async with bound:
            return await in_daemon(str(INSIDE.get()), call)
    except TimeoutError as error:
        if not bound.expired():
            raise Unavailable(f"{type(error).__name__}: {error}") from None
        raise TimedOut(f"no answer in {seconds:g} s") from None


def read_answer(answer: Any) -> Reply:
    """Read an answer in the form of chat completions; its facts are kept where it has no text."""
    told = _mapping(answer)
    facts = _facts(_mapping(told.get("usage")))
    choices: Any = told.get("choices")
    if not isinstance(choices, list) or not choices:
        raise MalformedReply("the answer has no choices", facts=facts)
    choice = _mapping(choices[0])
    content = _mapping(choice.get("message")).get("content")
    return spoken(text_of(content) or "", facts, stopped=choice.get("finish_reason"))


def _facts(usage: Mapping[str, Any]) -> Facts:
    details = _mapping(usage.get("prompt_tokens_details"))
    return Facts(
        input_tokens=usage.get("prompt_tokens"),
        output_tokens=usage.get("completion_tokens"),
        cached_tokens=details.get("cached_tokens"),
    )


def _mapping(value: Any) -> Mapping[str, Any]:
    return cast("Mapping[str, Any]", value) if isinstance(value, Mapping) else {}
