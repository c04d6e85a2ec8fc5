"""What a run came to, for the page's first view: rates, bars, distributions, what stands out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter

from attrs import frozen

from convsim_adapters.cli.figures import cost, count, share, tokens
from convsim_adapters.report.figures import Distribution, distribution_of
from convsim_adapters.report.rates import Interval, interval_of
from convsim_adapters.report.reading import Recording
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import Lane, StopReason
from convsim_fp.core.json_values import readable
from convsim_fp.journal import SessionLog

__all__ = ["Failures", "Listed", "Overview", "Part", "overview_of"]

OUTSTANDING = 5  # sessions in a list of the slowest or dearest
ORDER: Sequence[str] = (  # as the bar has them, from good to bad
    "goal_achieved max_turns user_left agent_ended budget deadline cancelled agent_failed "
    "user_failed goal_check_failed"
).split()
WHO = {Lane.USER: "the simulated user", Lane.AGENT: "the agent", Lane.GOAL_CHECK: "the goal check"}
FAILED_BY = {
    StopReason.AGENT_FAILED: WHO[Lane.AGENT],
    StopReason.USER_FAILED: WHO[Lane.USER],
    StopReason.GOAL_CHECK_FAILED: WHO[Lane.GOAL_CHECK],
}
EMPTY: tuple[object, ...] = (None, False, [], {}, "")


@frozen
class Part:
    """One part of the bar of stop reasons: `begin` and `share` from 0 to 1."""

    reason: str
    number: int
    begin: float
    share: float


@frozen
class Listed:
    """A session that stands out, with the figure for which it does."""

    id: str
    figure: str


@frozen
class Failures:
    """Failures of one kind: what failed, how often, an example, the sessions."""

    what: str
    kind: str
    number: int
    example: str
    sessions: tuple[str, ...]


@frozen
class Overview:
    """A run summed up; figures and words are those of the command."""

    name: str
    began: str
    made_by: str
    status: str
    unfinished: int
    sessions: int
    achieved: int
    rate: str
    interval: Interval
    trials: int
    totals: tuple[str, ...]
    parts: tuple[Part, ...]
    distributions: tuple[Distribution, ...]
    slowest: tuple[Listed, ...]
    dearest: tuple[Listed, ...]
    failures: tuple[Failures, ...]
    attempts: tuple[Failures, ...]
    settings: tuple[tuple[str, str], ...]


def overview_of(recording: Recording) -> Overview:
    """Sum up a run; what has no end counts as unfinished and in no rate."""
    run = recording.run
    return Overview(
        name=recording.name,
        began=recording.began,
        made_by=recording.made_by,
        status=recording.status,
        unfinished=run.unfinished,
        sessions=len(run.sessions),
        achieved=run.achieved,
        rate=share(run.achieved, len(run.sessions)) if run.sessions else "–",
        interval=interval_of(run.achieved, len(run.sessions)),
        trials=max((log.session.trial for log in recording.logs), default=1),
        totals=tuple(_totals(run)),
        parts=tuple(_parts(run)),
        distributions=_distributions(run),
        slowest=_outstanding(run, attrgetter("seconds"), lambda one: _seconds(one.seconds)),
        dearest=_outstanding(run, lambda one: one.usage.cost or 0.0, lambda one: cost(one.usage)),
        failures=tuple(_failures(recording.logs)),
        attempts=tuple(_attempts(recording.logs)),
        settings=tuple(_settings(recording)),
    )


def _totals(run: Run) -> Iterator[str]:
    """The figures of the command's summary."""
    yield count(sum(one.turns for one in run.sessions), "turn")
    if run.seconds:
        yield f"{run.seconds:.1f} s"
    usage = run.usage
    if usage.tokens is not None or usage.unpriced:
        yield tokens(usage.tokens)
        yield cost(usage)
    if usage.attempts > usage.requests:
        yield f"{count(usage.attempts - usage.requests, 'request')} sent again"
    if cut := sum(one.cut_short for one in run.sessions):
        yield f"{cut} cut short"
    if failed := sum(one.failed for one in run.sessions):
        yield f"{failed} failed"


def _parts(run: Run) -> Iterator[Part]:
    begin, sessions = 0.0, len(run.sessions)
    for reason, number in sorted(run.stop_reasons.items(), key=lambda it: ORDER.index(it[0])):
        part = number / sessions
        yield Part(reason, number, begin, part)
        begin += part


def _distributions(run: Run) -> tuple[Distribution, ...]:
    sessions = run.sessions
    turns = distribution_of(
        "Turns", [one.turns for one in sessions], shown=lambda turns: f"{turns:g}", whole=True
    )
    seconds = distribution_of("Seconds", [one.seconds for one in sessions], shown=_seconds)
    if all(one.usage.cost is None and not one.usage.unpriced for one in sessions):
        return turns, seconds  # nobody was paid
    costs = [_cost(one) for one in sessions]
    return turns, seconds, distribution_of("Cost", costs, shown=lambda usd: f"${usd:.3g}")


def _seconds(seconds: float) -> str:
    """Seconds in short.

    >>> _seconds(0.07361), _seconds(12.34), _seconds(1234.5)
    ('0.07 s', '12.3 s', '1,234 s')
    """
    digits = 0 if not seconds else 2 if seconds < 10 else 1 if seconds < 100 else 0
    return f"{seconds:,.{digits}f} s"


def _cost(one: SessionResult) -> float | None:
    """What a session cost; None where a part of it is not known, or nobody was paid."""
    return None if one.usage.unpriced else one.usage.cost


def _outstanding(
    run: Run, key: Callable[[SessionResult], float], shown: Callable[[SessionResult], str]
) -> tuple[Listed, ...]:
    """Those with the most of something, the most first; none where nobody has any."""
    some = sorted((one for one in run.sessions if key(one) > 0), key=key, reverse=True)
    return tuple(Listed(one.id, shown(one)) for one in some[:OUTSTANDING])


def _failures(logs: Iterable[SessionLog]) -> Iterator[Failures]:
    """What ended sessions, by who failed and how."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for log in logs:
        phase = None if log.ended is None else log.ended.phase
        if phase is not None and phase.failure is not None:
            place = (FAILED_BY.get(phase.reason, str(phase.reason)), phase.failure.kind)
            found.setdefault(place, []).append((log.session.id, phase.failure.detail))
    return _grouped(found)


def _attempts(logs: Iterable[SessionLog]) -> Iterator[Failures]:
    """Attempts that failed and were made again, by whom they asked and how they failed."""
    found: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for log in logs:
        for one in log.entries:
            if one.id is None or one.facts.attempts < 2:  # the last failure ended something
                continue
            for error in one.facts.errors:
                kind, _, detail = error.partition(": ")
                place = (WHO[one.id.lane], kind)
                found.setdefault(place, []).append((log.session.id, detail))
    return _grouped(found)


def _grouped(found: Mapping[tuple[str, str], Sequence[tuple[str, str]]]) -> Iterator[Failures]:
    for (what, kind), each in sorted(found.items(), key=lambda it: -len(it[1])):
        sessions = tuple(dict.fromkeys(name for name, _ in each))
        yield Failures(what, kind, len(each), each[0][1], sessions)


def _settings(recording: Recording) -> Iterator[tuple[str, str]]:
    """What it was made with, without what was left as it is."""
    for name, value in recording.settings.items():
        if value not in EMPTY:
            shown = value if isinstance(value, str) else readable(value)
            yield name.replace("_", " "), shown
