"""Every exception that convsim raises on purpose.

Drawn as a tree:

    ConvsimError
    ├─ InvalidSpec (ValueError)      a bad case or limit, at construction, all problems at once
    ├─ UnexpectedObservation         the interpreter answered what was not waited for
    ├─ PortError                     raised by adapters, sorted for retry
    │  ├─ RetryableError             worth another attempt
    │  │  └─ RateLimited  Unavailable  TimedOut
    │  ├─ ContextTooLong  MalformedReply  Refused  Unauthorized
    │  └─ AgentError                 the agent under test failed
    └─ JournalError                  what was recorded cannot be read or does not fit
       └─ CorruptEntry  UnknownVersion  ReplayMismatch
"""

from collections.abc import Iterable

from attrs import frozen

__all__ = [
    "AgentError",
    "ContextTooLong",
    "ConvsimError",
    "CorruptEntry",
    "InvalidSpec",
    "JournalError",
    "MalformedReply",
    "PortError",
    "Problem",
    "RateLimited",
    "Refused",
    "ReplayMismatch",
    "RetryableError",
    "TimedOut",
    "Unauthorized",
    "Unavailable",
    "UnexpectedObservation",
    "UnknownVersion",
]


@frozen
class Problem:
    """One thing that is wrong with a specification, and where.

    `index` counts cases from 0, as `cases[index]` does; None where there is no list. `field` may be
    a path such as ``history[2].role``. `file` is where it was read from, `line` counts from 1.

    >>> str(Problem(field="goal", what="is empty; write what the user wants", index=7, id="refund"))
    'cases[7] ("refund"): goal is empty; write what the user wants'
    >>> str(Problem("goal", "is missing", index=0, file="cases.yaml", line=3))
    'cases.yaml:3: cases[0]: goal is missing'
    """

    field: str
    what: str
    index: int | None = None
    id: str | None = None
    file: str | None = None
    line: int | None = None

    def __str__(self) -> str:
        place = self.file or ""
        if self.line is not None:
            place = f"{place or 'line'}:{self.line}"
        name = "" if self.id is None else f' ("{self.id}")'
        case = f"case{name}" if name else ""
        if self.index is not None:
            case = f"cases[{self.index}]{name}"
        where = "".join(f"{part}: " for part in (place, case) if part)
        return where + " ".join(filter(None, (self.field, self.what)))


class ConvsimError(Exception):
    """Catches everything that convsim raises on purpose."""


class InvalidSpec(ConvsimError, ValueError):
    """Refuses a case, a list of cases or limits before anything runs; `problems` holds them all."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__(*self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


class UnexpectedObservation(ConvsimError):
    """Tells an interpreter that it answered what the state does not wait for.

    The state is unchanged: go on with the one you hold.
    """


class PortError(ConvsimError):
    """What an adapter raises when a port could not answer; becomes a `Failed` observation.

    `facts` is what it cost all the same: a `convsim_fp.interpreters.Facts`, where that is known.
    """

    def __init__(self, message: str = "", *, facts: object = None) -> None:
        self.facts = facts
        super().__init__(message)


class RetryableError(PortError):
    """Worth another attempt; `retry_after` in seconds where the endpoint said so."""

    def __init__(
        self, message: str = "", *, retry_after: float | None = None, facts: object = None
    ) -> None:
        self.retry_after = retry_after
        super().__init__(message, facts=facts)


class RateLimited(RetryableError):
    """The endpoint asks for fewer requests."""


class Unavailable(RetryableError):
    """The endpoint could not be reached, or answered with a server error or a conflict."""


class TimedOut(RetryableError):
    """No answer came within the time allowed."""


class ContextTooLong(PortError):
    """The conversation no longer fits the model's context window."""


class MalformedReply(PortError):
    """An answer came that cannot be used as what was asked for."""


class Refused(PortError):
    """The endpoint or the model declined to answer this request."""


class Unauthorized(PortError):
    """The endpoint did not accept the credentials."""


class AgentError(PortError):
    """The agent under test raised, or replied with what cannot be read."""


class JournalError(ConvsimError):
    """What was recorded cannot be read or does not fit."""


class UnknownVersion(JournalError):
    """A journal was written by a release of another format."""


class CorruptEntry(JournalError):
    """A record of a journal is not what was written; all before it are good.

    `record` counts from 0 within the segment, `offset` is the byte where its line begins.
    """

    def __init__(self, what: str, record: int, offset: int, file: str = "") -> None:
        self.what = what
        self.record = record
        self.offset = offset
        self.file = file
        where = f"{file}: " if file else ""
        super().__init__(f"{where}record {record} (byte {offset}) {what}")


class ReplayMismatch(JournalError):
    """A conversation does not go again as it was recorded; `divergence` says where it departs.

    It is a `convsim_fp.journal.Divergence`.
    """

    def __init__(self, divergence: object) -> None:
        self.divergence = divergence
        super().__init__(str(divergence))
