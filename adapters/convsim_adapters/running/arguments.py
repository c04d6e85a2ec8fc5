"""What `simulate` was called with: what does not fit, by the name of the argument."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import wraps
from inspect import Parameter, Signature, signature
from os import PathLike
from typing import ParamSpec, TypeVar, cast, get_args

from attrs import evolve

from convsim_adapters.case_files.files import Format
from convsim_adapters.running.targets import is_target, is_url
from convsim_fp.errors import Problem

__all__ = ["as_called", "fitting", "misgiven", "swapped"]

P = ParamSpec("P")
R = TypeVar("R")

FORMATS: tuple[str, ...] = get_args(Format)


def fitting(call: Callable[P, R]) -> Callable[P, R]:
    """Let a function say what would fit where a call of it does not: a `TypeError` all the same.

    >>> @fitting
    ... def wait(seconds, *, unit="s"): ...
    >>> wait(3, units="min")
    Traceback (most recent call last):
    TypeError: wait() takes no argument 'units'; did you mean 'unit'?
    """
    expected = signature(call)

    @wraps(call)
    def checked(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            expected.bind(*args, **kwargs)
        except TypeError as error:
            told = _misfit(call.__name__, expected, args, kwargs)
            raise TypeError(told or f"{call.__name__}(): {error}") from None
        return call(*args, **kwargs)

    return checked


def _misfit(
    name: str, expected: Signature, args: Sequence[object], kwargs: Mapping[str, object]
) -> str:
    """All that does not fit, in a line; nothing where it is something else than is known here."""
    known = expected.parameters
    listed = [one for one in known.values() if one.kind is Parameter.POSITIONAL_OR_KEYWORD]
    order = f"{name}({', '.join(one.name for one in listed)}, …)"
    found = [
        f"{name}() takes no argument {one!r}{_meant(one, known)}"
        for one in kwargs
        if one not in known
    ]
    if len(args) > len(listed):
        many = f"{name}() was given {len(args)} arguments by position"
        found.append(f"{many}: only {order} are, give the others by name")
    missing = [
        one.name
        for one in listed[len(args) :]
        if one.default is Parameter.empty and one.name not in kwargs
    ]
    if missing:
        had = f", and was given {', '.join(map(_shown, args))}" if args else ""
        found.append(f"{name}() needs {' and '.join(missing)}{had}: write {order}")
    return "; ".join(found)


def _meant(name: str, known: Mapping[str, object]) -> str:
    close = get_close_matches(name, known, n=2)
    return f"; did you mean {' or '.join(map(repr, close))}?" if close else f", only {_all(known)}"


def _all(known: Mapping[str, object]) -> str:
    return ", ".join(known)


def _shown(value: object) -> str:
    """A value in a message: a function by its name, a text as it is, what holds others by its type.

    >>> _shown(len), _shown("shop"), _shown([{"goal": "pay"}])
    ('the function len', "'shop'", 'a list')
    """
    named = getattr(value, "__name__", None)
    if not isinstance(value, str) and isinstance(value, Collection):
        return f"a {type(cast('object', value)).__name__}"
    return f"the function {named}" if callable(value) and named else f"{value!r:.60}"


def swapped(cases: object, agent: object) -> tuple[Problem, ...]:
    """The problem of an agent that stands where the cases belong, and of cases where it does."""
    if not _is_agent(cases) or _is_agent(agent) or agent is None:
        return ()
    what = f"are {_shown(cases)} and agent is {_shown(agent)}"
    return (Problem("cases", f"{what}: the cases come first, simulate(cases, agent)"),)


def _is_agent(given: object) -> bool:
    if isinstance(given, str):
        return is_target(given) or is_url(given)
    return callable(given)


def misgiven(
    *,
    flags: Mapping[str, object],
    params: Mapping[str, object],
    told: Mapping[str, object],
    progress: object,
    format: object,
    select: object,
    out: object,
) -> tuple[Problem, ...]:
    """What is wrong with the arguments that no plan looks at, each by its name."""
    shown = progress is None or isinstance(progress, bool)
    places = (str, PathLike, type(None))
    return (
        *(
            problem
            for name, value in flags.items()
            for problem in _wrong(name, value, "True or False", fits=isinstance(value, bool))
        ),
        *(_no_dict(name, value) for name, value in params.items() if not _is_named(value)),
        *(
            problem
            for name, value in told.items()
            for problem in _wrong(name, value, "a function of one argument", fits=callable(value))
        ),
        *_wrong("progress", progress, "True, False or None", fits=shown),
        *_wrong("format", format, f"one of {', '.join(FORMATS)}", fits=format in FORMATS),
        *_wrong("select", select, "the id of a case, tag:T, or several", fits=_are_texts(select)),
        *_wrong("out", out, "the path of a directory, or None", fits=isinstance(out, places)),
    )


def _wrong(name: str, value: object, wanted: str, *, fits: bool) -> Iterator[Problem]:
    if not fits:
        yield Problem(name, f"is {_shown(value)}, expected {wanted}")


def _no_dict(name: str, value: object) -> Problem:
    """It may hold a key: what it is is not shown."""
    return Problem(name, f"are a {type(value).__name__}, expected a dict: {{'temperature': 0}}")


def _is_named(value: object) -> bool:
    if not isinstance(value, Mapping):
        return value is None
    return all(isinstance(key, str) for key in cast("Mapping[object, object]", value))


def _are_texts(value: object) -> bool:
    if isinstance(value, str):
        return True
    texts = isinstance(value, Sequence | set | frozenset)
    return texts and all(isinstance(one, str) for one in cast("Sequence[object]", value))


def as_called(problem: Problem) -> Problem:
    """The problem of a limit by the name of its argument.

    >>> as_called(Problem("budget: cost", "is text")).field, as_called(Problem("seed", "")).field
    ('max_cost', 'seed')
    """
    if problem.field.startswith("budget: "):
        return evolve(problem, field=problem.field.replace("budget: ", "max_", 1))
    return evolve(problem, field=problem.field.removeprefix("rules: "))
