"""What a run gives: its sessions, how each one ended, and what all of them cost together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeVar

from attrs import frozen

from convsim_fp.core import Lane, RequestId, State, StopReason, Transcript, Verdict
from convsim_fp.core.json_values import kind
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.interpreters import Entry, Facts
from convsim_fp.journal import Recorded

if TYPE_CHECKING:
    from convsim_adapters.pandas.results import DataFrame
    from convsim_adapters.running.notebook import Printer

__all__ = ["Run", "SessionResult", "Usage", "asked_for", "facts_of"]

N = TypeVar("N", int, float)

FAILURES = (StopReason.AGENT_FAILED, StopReason.USER_FAILED, StopReason.GOAL_CHECK_FAILED)
CUT_SHORT = (StopReason.BUDGET, StopReason.DEADLINE, StopReason.CANCELLED)
INTERRUPTED, FAILED, UNDER_RATE, FINE = 130, 3, 1, 0


@frozen
class Usage:
    """What requests cost together. Tokens and US dollars; None where nothing of it is known.

    `requests` counts what was asked of agent and models, `attempts` what was sent for it, retries
    included, `wasted` the requests that nobody waited for any more, `rebuilt` those made again to
    bring an agent to where it was. `unpriced` counts the answers
    of models whose cost is unknown: `cost` is then the least that it can have been. `uncounted`
    counts those whose tokens are.
    """

    requests: int = 0
    attempts: int = 0
    wasted: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    cost: float | None = None
    unpriced: int = 0
    uncounted: int = 0
    rebuilt: int = 0

    def after(self, entry: Entry | Recorded) -> Usage:
        """Add one entry of a session, as it is told or as it was recorded."""
        asked = asked_for(entry)
        if asked is None:
            return self
        facts = facts_of(entry)
        is_models = asked.lane is not Lane.AGENT
        unknown = is_models and facts.input_tokens is None and facts.output_tokens is None
        return Usage(
            self.requests + 1,
            self.attempts + facts.attempts,
            self.wasted + entry.wasted,
            _sum(self.input_tokens, facts.input_tokens),
            _sum(self.output_tokens, facts.output_tokens),
            _sum(self.cached_tokens, facts.cached_tokens),
            _sum(self.cost, facts.cost),
            self.unpriced + (is_models and facts.cost is None),
            self.uncounted + unknown,
            self.rebuilt + entry.rebuilt,
        )

    def plus(self, other: Usage) -> Usage:
        """Add the usage of other requests.

        >>> Usage(requests=1, cost=0.5).plus(Usage(requests=2, unpriced=2)).cost
        0.5
        """
        return Usage(
            self.requests + other.requests,
            self.attempts + other.attempts,
            self.wasted + other.wasted,
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.cached_tokens, other.cached_tokens),
            _sum(self.cost, other.cost),
            self.unpriced + other.unpriced,
            self.uncounted + other.uncounted,
            self.rebuilt + other.rebuilt,
        )

    @property
    def tokens(self) -> int | None:
        """Tokens in and out together."""
        return _sum(self.input_tokens, self.output_tokens)


@frozen
class SessionResult:
    """How one session ended: `why` in one line, the transcript, the last verdict, the usage.

    `turns` are those in which the user spoke; `seconds` are those in which it waited for an answer;
    `verdicts` are those of all turns that were judged, in order.
    """

    case_id: str
    trial: int
    goal: str
    stop_reason: StopReason
    detail: str
    why: str
    turns: int
    transcript: Transcript
    verdict: Verdict | None
    usage: Usage
    seconds: float
    verdicts: tuple[Verdict, ...] = ()

    @classmethod
    def of(cls, state: State, usage: Usage, seconds: float) -> SessionResult:
        """Make the result of a session that came to its end."""
        reason, detail = state.stop_reason, getattr(state.phase, "detail", "")
        if reason is None:
            raise ValueError(f"the session {state.session.id!r} has not ended")
        return cls(
            case_id=state.session.id.rpartition("/")[0],
            trial=state.session.trial,
            goal=state.case.goal,
            stop_reason=reason,
            detail=detail,
            why=" ".join(state.why.split()),
            turns=state.turns,
            transcript=state.transcript,
            verdict=state.verdicts[-1] if state.verdicts else None,
            usage=usage,
            seconds=seconds,
            verdicts=state.verdicts,
        )

    @property
    def id(self) -> str:
        """The session's name: case and trial."""
        return f"{self.case_id}/{self.trial}"

    @property
    def achieved(self) -> bool:
        """Whether the goal was reached."""
        return self.stop_reason is StopReason.GOAL_ACHIEVED

    @property
    def failed(self) -> bool:
        """Whether agent, user, judge or what lies between them failed."""
        return self.stop_reason in FAILURES

    @property
    def cut_short(self) -> bool:
        """Whether budget, deadline or a signal ended it before its own end."""
        return self.stop_reason in CUT_SHORT

    def _repr_html_(self) -> str:
        from convsim_adapters.running.notebook import html_of_session  # noqa: PLC0415  as below

        return html_of_session(self)


@frozen
class Run:
    """All sessions of one run, in the order of cases and trials.

    `directory` holds its files, None where none were kept; `unsaved` says what could not be written
    there. `interrupted` names the signal that ended it before its time. `doubts` are what a reader
    of the figures should know, such as a budget that did not see everything. `unfinished` counts
    the sessions of which no end is recorded: it goes on, or was killed.
    """

    sessions: tuple[SessionResult, ...]
    directory: Path | None = None
    seconds: float = 0.0
    interrupted: str | None = None
    unsaved: str | None = None
    doubts: tuple[str, ...] = ()
    unfinished: int = 0

    @property
    def stop_reasons(self) -> Mapping[str, int]:
        """How many sessions ended for which reason, the most frequent first."""
        return dict(Counter(str(one.stop_reason) for one in self.sessions).most_common())

    @property
    def achieved(self) -> int:
        """How many sessions reached their goal."""
        return sum(one.achieved for one in self.sessions)

    @property
    def rate(self) -> float:
        """The share of all sessions that reached their goal, from 0 to 1."""
        return self.achieved / len(self.sessions) if self.sessions else 0.0

    @property
    def usage(self) -> Usage:
        """What all sessions cost together."""
        return total(one.usage for one in self.sessions)

    def exit_code(self, fail_under: float | None = None) -> int:
        """What the command exits with: 130, 3, 1 or 0, the first of them that applies.

        130: interrupted. 3: agent, user or judge failed in some session, or files of the run could
        not be written. 1: the rate is under `fail_under`. 0: none of these. Raises `InvalidSpec`
        for a `fail_under` that is no share.
        """
        if fail_under is not None and not _is_share(fail_under):
            what = f"is {kind(fail_under)}, expected a share from 0 to 1"
            raise InvalidSpec([Problem("fail_under", what)])
        if self.interrupted is not None:
            return INTERRUPTED
        if self.unsaved or any(one.failed for one in self.sessions):
            return FAILED
        return UNDER_RATE if fail_under is not None and self.rate < fail_under else FINE

    def to_frame(self, *, by: Literal["session", "turn"] = "session") -> DataFrame:
        """Lay out the run as a DataFrame of pandas, with one row for each session, or each turn.

        Its columns are those of `sessions_frame` and `turns_frame`. Raises `InvalidSpec` without
        pandas, and for rows of anything else.
        """
        from convsim_adapters.pandas import results as frames  # noqa: PLC0415  knows this module

        if by not in ("session", "turn"):
            raise InvalidSpec([Problem("to_frame: by", f"is {kind(by)}, expected session or turn")])
        return frames.turns_frame(self) if by == "turn" else frames.sessions_frame(self)

    def _repr_html_(self) -> str:
        from convsim_adapters.running.notebook import html_of_run  # noqa: PLC0415  knows this module

        return html_of_run(self)

    def _repr_pretty_(self, printer: Printer, cycle: bool) -> None:  # noqa: FBT001  IPython's call
        from convsim_adapters.running.notebook import words_of_run  # noqa: PLC0415  as above

        printer.text("Run(…)" if cycle else words_of_run(self))


def _is_share(given: object) -> bool:
    return isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 1


def asked_for(entry: Entry | Recorded) -> RequestId | None:
    """The place of what an entry is the answer to; None of an interruption."""
    if isinstance(entry, Recorded):
        return entry.id
    return None if entry.request is None else entry.request.id


def facts_of(entry: Entry | Recorded) -> Facts:
    """The facts of an entry, as it is told or as it was recorded."""
    return entry.facts if isinstance(entry, Recorded) else entry.observed.facts


def total(usages: Iterable[Usage]) -> Usage:
    """Add up what several sessions cost."""
    added = Usage()
    for usage in usages:
        added = added.plus(usage)
    return added


def _sum(a: N | None, b: N | None) -> N | None:
    if a is None or b is None:
        return a if b is None else b
    return a + b
