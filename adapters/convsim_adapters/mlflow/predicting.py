"""A `predict_fn`, as MLflow's users write it, as the agent port of a conversation."""

from __future__ import annotations

import inspect
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from functools import partial
from inspect import Parameter, isawaitable
from typing import Any, cast

from attrs import evolve, frozen

from convsim_adapters.mlflow.turns import messages_of
from convsim_adapters.mlflow.vendor import refused
from convsim_adapters.reply_forms import read_reply
from convsim_adapters.signatures import returns_awaitable
from convsim_fp.core import CallAgent
from convsim_fp.core.behaviours import failure_of
from convsim_fp.errors import AgentError, PortError
from convsim_fp.interpreters import Agent, AgentReply

__all__ = ["PredictSignature", "predict_port", "read_predict_signature", "said"]

HISTORY = ("messages", "input")
SESSION_ID = "mlflow_session_id"
KNOWN_FORMS = frozenset({"choices", "content", "output", "role"})
Noted = Callable[[CallAgent, object, object], object]
Context = Callable[[CallAgent], dict[str, Any]]


@frozen
class PredictSignature:
    """How a `predict_fn` is called: where the history goes, and what else it takes."""

    name: str
    history: str
    takes: frozenset[str]
    required: tuple[str, ...]
    takes_any: bool

    @property
    def takes_session(self) -> bool:
        """Whether it is told the session's id."""
        return self.takes_any or SESSION_ID in self.takes

    def check(self, contexts: Iterable[Mapping[str, object]]) -> None:
        """Refuse contexts that no call could be made with. Raises `MlflowException` by index."""
        troubles = [
            f"test case {index}: {trouble}"
            for index, context in enumerate(contexts)
            for trouble in self._troubles(context)
        ]
        if troubles:
            raise refused("; ".join(troubles[:10]))

    def _troubles(self, context: Mapping[str, object]) -> Iterable[str]:
        unknown = [key for key in context if key not in self.takes and not self.takes_any]
        if unknown:
            yield (
                f"its context has {unknown}, which predict_fn does not take; "
                "add parameters of these names, or **kwargs"
            )
        given = {*context, SESSION_ID}
        missing = [name for name in self.required if name not in given]
        if missing:
            yield f"its context lacks {missing}, which predict_fn needs"


def read_predict_signature(predict_fn: Callable[..., object]) -> PredictSignature:
    """Read how a `predict_fn` is called. Raises `MlflowException` where no call could be made."""
    try:
        parameters = inspect.signature(predict_fn).parameters
    except (TypeError, ValueError) as error:
        what = f"predict_fn is {predict_fn!r:.80}, expected a function: {error}"
        raise refused(what) from error
    found = [name for name in HISTORY if name in parameters]
    if len(found) == 2:
        what = (
            "predict_fn cannot have both 'messages' and 'input' parameters; keep 'messages' for "
            "chat messages, or 'input' for the Responses API"
        )
        raise refused(what)
    if not found or parameters[found[0]].kind in (Parameter.VAR_KEYWORD, Parameter.VAR_POSITIONAL):
        what = (
            "predict_fn must accept either 'messages' or 'input': the parameter that takes the "
            f"conversation so far; it has {list(parameters) or 'no parameters'}"
        )
        raise refused(what)
    others = [one for one in parameters.values() if one.name != found[0]]
    if parameters[found[0]].kind is Parameter.POSITIONAL_ONLY or any(
        one.kind is Parameter.POSITIONAL_ONLY and one.default is one.empty for one in others
    ):
        what = "predict_fn has parameters by position only, expected names; take away the slash"
        raise refused(what)
    named = [one for one in others if one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY)]
    return PredictSignature(
        name_of_function(predict_fn),
        found[0],
        frozenset(one.name for one in named),
        tuple(one.name for one in named if one.default is one.empty),
        any(one.kind is Parameter.VAR_KEYWORD for one in others),
    )


def predict_port(
    predict_fn: Callable[..., object],
    *,
    context: Context,
    session: Callable[[str], str],
    noted: Noted,
) -> Agent:
    """Make the agent port; `context` gives a call's keyword arguments, `session` MLflow's name.

    What it was called with and what it returned is `noted` as it is. Raises `AgentError` for what
    it raises, and for what is no reply.
    """
    signature = read_predict_signature(predict_fn)
    function = unwrapped(predict_fn)

    def called(request: CallAgent) -> AgentReply | Awaitable[AgentReply]:
        given = arguments(request)
        with_copies = {**given, signature.history: messages_of(request.transcript)}
        answer = _sorted(lambda: function(**with_copies))
        if isawaitable(answer):
            return awaited(request, given, cast("Awaitable[object]", answer))
        return taken(request, given, answer)

    async def acalled(request: CallAgent) -> AgentReply:
        answer = called(request)
        return await answer if isawaitable(answer) else answer

    async def awaited(
        request: CallAgent, given: dict[str, Any], answer: Awaitable[object]
    ) -> AgentReply:
        try:
            found = await answer
        except PortError:
            raise
        except Exception as error:
            raise AgentError(failure_of(error).detail) from error
        return taken(request, given, found)

    def arguments(request: CallAgent) -> dict[str, Any]:
        named = {SESSION_ID: session(request.session.id)} if signature.takes_session else {}
        return {signature.history: messages_of(request.transcript), **named, **context(request)}

    def taken(request: CallAgent, given: dict[str, Any], answer: object) -> AgentReply:
        reply = said(answer)
        noted(request, given, answer)
        return reply

    return acalled if returns_awaitable(function) else called


def unwrapped(predict_fn: Callable[..., object]) -> Callable[..., object]:
    """The coroutine function itself where `mlflow.genai.evaluate` has made a plain one of it.

    Its wrapper runs a loop for each call, which loses clients that belong to one.
    """
    inner = getattr(predict_fn, "__wrapped__", None)
    globals_of: Mapping[str, object] = getattr(predict_fn, "__globals__", {})
    made_by = str(globals_of.get("__name__", ""))
    if inspect.iscoroutinefunction(inner) and made_by.startswith("mlflow.genai"):
        return cast("Callable[..., object]", inner)
    return predict_fn


def said(answer: object) -> AgentReply:
    """Read what a `predict_fn` returned; an object of no known form is its JSON.

    Of a list the first item counts, of ``{"messages": […]}`` the last. A ``trace_id`` beside the
    reply names the trace that the agent has made of it.
    """
    if isinstance(answer, list):
        items = cast("list[object]", answer)
        return said(items[0]) if items else read_reply(items)
    if not isinstance(answer, dict):
        return read_reply(answer)
    given = cast("dict[str, object]", answer)
    messages = given.get("messages")
    if isinstance(messages, list) and messages:
        return _traced(read_reply(cast("list[object]", messages)[-1:]), given)
    if KNOWN_FORMS & given.keys():
        return read_reply(given)
    plain = {key: value for key, value in given.items() if key != "trace_id"}
    return _traced(AgentReply(json.dumps(plain, default=str, ensure_ascii=False)), given)


def _traced(reply: AgentReply, answer: Mapping[str, object]) -> AgentReply:
    trace_id = answer.get("trace_id")
    if not isinstance(trace_id, str):
        return reply
    return evolve(reply, facts=evolve(reply.facts, trace_id=trace_id))


def _sorted(call: Callable[[], object]) -> object:
    try:
        return call()
    except PortError:
        raise
    except Exception as error:
        raise AgentError(failure_of(error).detail) from error


def name_of_function(predict_fn: Callable[..., object]) -> str:
    """What its spans are called: `predict` where it has no name of its own."""
    plain = None if isinstance(predict_fn, partial) else getattr(predict_fn, "__name__", None)
    return plain if isinstance(plain, str) else "predict"
