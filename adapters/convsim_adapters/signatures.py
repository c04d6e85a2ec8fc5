"""How an agent, or a factory of agents, wants to be called: read before the first call."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from inspect import Parameter
from typing import NoReturn, TypeGuard, cast

from attrs import frozen

from convsim_fp.core import CallAgent, Lane, RequestId, Session, TestCase, Transcript, thaw
from convsim_fp.errors import AgentError, InvalidSpec, Problem

__all__ = [
    "AgentSignature",
    "read_agent_signature",
    "reads_session_id",
    "returns_awaitable",
]

LIST_NAMES = ("messages", "input")
OFFERED = ("session_id", "turn")
MANY = (Parameter.VAR_POSITIONAL, Parameter.VAR_KEYWORD)
POSITIONAL = (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)


@frozen
class AgentSignature:
    """Where an agent's messages go, what else it takes, and what of that it must be given.

    `messages` is the keyword for the list of messages, None where it goes by position.
    """

    shown: str
    messages: str | None
    takes: frozenset[str]
    required: tuple[str, ...]
    takes_any: bool

    def call(self, target: Callable[..., object], request: CallAgent) -> object:
        """Call the agent with fresh copies. Raises `AgentError` for a context that does not fit."""
        named = self._named(request)
        messages = _chat_messages(request.transcript)
        if self.messages is None:
            return target(messages, **named)
        return target(**{self.messages: messages}, **named)

    def context_trouble(self, case: TestCase) -> str:
        """Why the context of a case does not fit this agent's parameters; "" where it fits."""
        try:
            self._named(CallAgent(RequestId(1, Lane.AGENT), Session(), case, ()))
        except AgentError as error:
            return str(error)
        return ""

    def _named(self, request: CallAgent) -> dict[str, object]:
        context = cast("dict[str, object]", thaw(request.case.context))
        if self.messages in context:
            what = f"the name of the parameter of {self.shown} that takes the messages"
            raise AgentError(f"the context key {self.messages!r} is {what}; rename one of them")
        unknown = [key for key in context if key not in self.takes]
        if unknown and not self.takes_any:
            what = f"the case's context has {_listing(unknown)}, which {self.shown} does not take"
            raise AgentError(f"{what}; add a parameter of that name, or **context for all")
        offered = {"session_id": request.session.id, "turn": request.id.turn}
        named = {key: value for key, value in offered.items() if key in self.takes} | context
        missing = [name for name in self.required if name not in named]
        if missing:
            what = f"the case's context lacks {_listing(missing)}, which {self.shown} needs"
            raise AgentError(f"{what}; put it there, or give the parameter a default")
        return named


def read_agent_signature(target: object) -> AgentSignature:
    """Read how an agent is called. Raises `InvalidSpec` for what no conversation could call."""
    function = _function(target, "agent")
    parameters = _parameters(function, "agent")
    shown = _shown(function, parameters)
    taking = _messages_parameter(parameters, shown)
    by_position = taking.kind in (Parameter.POSITIONAL_ONLY, Parameter.VAR_POSITIONAL)
    others = [p for p in parameters if p is not taking and p.kind not in MANY]
    for other in others:
        before = by_position and parameters.index(other) < parameters.index(taking)
        if other.kind is Parameter.POSITIONAL_ONLY and (before or other.default is other.empty):
            _refuse("agent", f"{shown} takes {other.name} by position only; take away the slash")
    named = [p for p in others if p.kind is not Parameter.POSITIONAL_ONLY]
    return AgentSignature(
        shown,
        messages=None if by_position else taking.name,
        takes=frozenset(p.name for p in named),
        required=tuple(p.name for p in named if p.default is p.empty),
        takes_any=any(p.kind is Parameter.VAR_KEYWORD for p in parameters),
    )


def reads_session_id(factory: object) -> bool:
    """Whether a factory of agents takes `session_id`. Raises `InvalidSpec` if it needs more."""
    function = _function(factory, "factory", may_be_class=True)
    parameters = [p for p in _parameters(function, "factory") if p.kind not in MANY]
    given = [
        p for p in parameters if p.name == "session_id" and p.kind is not Parameter.POSITIONAL_ONLY
    ]
    needs = [p.name for p in parameters if p.default is p.empty and p not in given]
    if needs:
        what = f"{_shown(function, parameters)} needs {_listing(needs)}"
        gets = "but is given only session_id, where it has a parameter so named"
        _refuse("factory", f"{what}, {gets}; for an agent, not a factory, use as_agent")
    return bool(given)


def returns_awaitable(target: object) -> bool:
    """Whether calling it gives something to await, as far as that shows without calling it."""
    inner = _without_partials(target)
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(_call_of(inner))


def _messages_parameter(parameters: Sequence[Parameter], shown: str) -> Parameter:
    by_name = [p for p in parameters if p.name in LIST_NAMES and p.kind not in MANY]
    if len(by_name) > 1:
        _refuse("agent", f"{shown} has both messages and input; keep the one for the messages")
    positional = [p for p in parameters if p.kind in POSITIONAL and p.name not in OFFERED]
    needed = [p for p in positional if p.default is p.empty]
    found = by_name or needed or positional
    if not any(p.kind in POSITIONAL for p in parameters):  # a decorator's `*args` pass it on
        found = found or [p for p in parameters if p.kind is Parameter.VAR_POSITIONAL]
    if len(found) == 1:
        return found[0]
    has = "no parameter for the list of messages"
    if found:
        has = f"{_listing(p.name for p in found)}, each of which could be the list of messages"
    _refuse("agent", f"{shown} has {has}; name the one for it messages or input")


def _function(target: object, field: str, *, may_be_class: bool = False) -> Callable[..., object]:
    inner = _without_partials(target)
    if not _is_callable(target):
        if inspect.iscoroutine(target):
            target.close()  # nobody will await it
        name = type(target).__name__
        found = f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
        what = f"is {'nothing' if target is None else found}, which cannot be called"
        _refuse(field, f"{what}; give the function itself, not what a call of it returns")
    if isinstance(inner, type) and not may_be_class:
        what = f"is the class {inner.__name__}; give an instance of it"
        _refuse(field, f"{what}, or ports_per_session({inner.__name__}) for one in each session")
    called = inner if isinstance(inner, type) else _call_of(inner)
    if any(
        check(function)
        for check in (inspect.isgeneratorfunction, inspect.isasyncgenfunction)
        for function in (inner, called)
    ):
        what = f"{_name(inner)} is a generator function, whose parts nobody collects"
        _refuse(field, f"{what}; return the whole reply")
    return target


def _is_callable(target: object) -> TypeGuard[Callable[..., object]]:
    return callable(target)


def _parameters(function: Callable[..., object], field: str) -> tuple[Parameter, ...]:
    try:
        return tuple(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        what = f"{_name(function)} has no signature that can be read"
        _refuse(field, f"{what}; wrap it in a function of your own")


def _refuse(field: str, what: str) -> NoReturn:
    raise InvalidSpec([Problem(field, what)])


def _without_partials(target: object) -> object:
    while isinstance(target, partial):
        target = cast("partial[object]", target).func
    return target


def _call_of(target: object) -> object:
    return getattr(target, "__call__", None)  # noqa: B004  it is asked what it is, not whether


def _name(function: object) -> str:
    inner = _without_partials(function)
    name = getattr(inner, "__qualname__", None)
    return name.rpartition("<locals>.")[2] if isinstance(name, str) else type(inner).__name__


def _shown(function: object, parameters: Iterable[Parameter]) -> str:
    names = ", ".join(_stars(p) + p.name for p in parameters)
    return f"{_name(function)}({names})"


def _stars(parameter: Parameter) -> str:
    if parameter.kind is Parameter.VAR_POSITIONAL:
        return "*"
    return "**" if parameter.kind is Parameter.VAR_KEYWORD else ""


def _listing(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names)


def _chat_messages(transcript: Transcript) -> list[dict[str, str]]:
    roles = {"user": "user", "agent": "assistant"}
    return [{"role": roles[said.speaker], "content": said.text} for said in transcript]
