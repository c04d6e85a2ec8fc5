"""What a run came to, and what one would do, as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from convsim_adapters.cli.figures import cost, count, share, tokens
from convsim_adapters.cli.plain import one_line, printable
from convsim_adapters.report.rates import interval_of
from convsim_adapters.running.diffing import Pair
from convsim_adapters.running.plans import Plan
from convsim_adapters.running.public import public_url
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import StopReason, ToolCall, thaw
from convsim_fp.core.json_values import readable

__all__ = [
    "call_words",
    "diff_summary",
    "diff_table",
    "plan_summary",
    "plan_table",
    "rated",
    "run_summary",
    "run_table",
    "style_of",
    "urgency",
]

STYLES = {
    StopReason.GOAL_ACHIEVED: "green",
    StopReason.BUDGET: "magenta",
    StopReason.CANCELLED: "magenta",
    StopReason.DEADLINE: "magenta",
}
ROOMY = 60  # columns
FAILED, MISSED = "bold red", "yellow"
MISSING, UNFINISHED = "(none)", "unfinished"


def run_table(run: Run, *, width: int = ROOMY, unfinished: Iterable[str] = ()) -> RenderableType:
    """A row for each session: what failed first, then what missed its goal, then the rest.

    Last come those, by their names, of which no end is recorded. On a narrow terminal without the
    figures, and what stands beside elsewhere stands below.
    """
    sessions = sorted(run.sessions, key=urgency)
    if width < ROOMY:
        narrow = [part for one in sessions for part in _narrow(one, run)]
        return Group(*narrow, *(Text(f"{one_line(name)}  {UNFINISHED}") for name in unfinished))
    table = _table("case", "stop reason", "turns", "seconds", "cost", "why")
    for column in table.columns[2:-1]:
        column.justify = "right"
    for one in sessions:
        reason = Text(str(one.stop_reason), style=style_of(one))
        figures = (str(one.turns), f"{one.seconds:.1f}", cost(one.usage))
        table.add_row(Text(one_line(_name(one, run))), reason, *figures, Text(one_line(one.why)))
    for name in unfinished:
        table.add_row(Text(one_line(name)), Text(UNFINISHED, style="dim"))
    return table


def _narrow(one: SessionResult, run: Run) -> Iterator[RenderableType]:
    title = Text(f"{one_line(_name(one, run))}  ")
    yield title.append(str(one.stop_reason), style=style_of(one))
    if one.why:
        yield Padding(Text(one_line(one.why), style="dim"), (0, 0, 0, 2), expand=False)


def run_summary(run: Run) -> RenderableType:
    """The stop reasons summed up, and what all sessions took together."""
    sessions = len(run.sessions)
    reached = f"goal achieved in {run.achieved} of {count(sessions, 'session')}"
    part = [share(run.achieved, sessions)]
    if cut := sum(one.cut_short for one in run.sessions):
        part.append(f"{cut} cut short")
    if failed := sum(one.failed for one in run.sessions):
        part.append(f"{failed} failed")
    reasons = ", ".join(f"{reason} {number}" for reason, number in run.stop_reasons.items())
    turns = sum(one.turns for one in run.sessions)
    took = [count(turns, "turn"), *([f"{run.seconds:.1f} s"] if run.seconds else [])]
    usage = run.usage
    if usage.tokens is not None or usage.unpriced:
        took += [tokens(usage.tokens), cost(usage)]
    if usage.attempts > usage.requests:
        took.append(f"{count(usage.attempts - usage.requests, 'request')} sent again")
    lines = [
        Text(f"{reached} ({'; '.join(part)}) · {' · '.join(took)}", style="bold"),
        Text(f"stop reasons: {reasons}"),
    ]
    return Group(*lines)


def rated(achieved: int, sessions: int, *, trials: int = 1) -> str:
    """The rate of goals reached, and what the true one may be.

    >>> rated(10, 12)
    'goal achieved in 10 of 12 sessions (83 %), 95 % interval 55 to 95 %'
    """
    sure = interval_of(achieved, sessions)
    words = f"goal achieved in {achieved:,} of {count(sessions, 'session')}"
    words += f" ({share(achieved, sessions)}), 95 % interval {100 * sure.low:.0f} to "
    words += f"{100 * sure.high:.0f} %"
    alike = ", narrower than it should be: trials of one case are alike"
    return words + alike if trials > 1 else words


def plan_table(plan: Plan) -> Table:
    """A row for each case: who plays the user, what checks the goal."""
    table = _table("case", "user", "goal check", "max turns", "tags", "goal")
    for one in plan.cases:
        case = one.case
        table.add_row(
            Text(one_line(str(case.id))),
            one.cast.user_name,
            one.cast.goal_check_name,
            str(case.max_turns or one.rules.max_turns),
            Text(one_line(", ".join(case.tags))),
            Text(one_line(case.goal, 80)),
        )
    return table


def plan_summary(plan: Plan) -> RenderableType:
    """How much the plan comes to at most, and with whom."""
    settings = plan.settings
    cases = count(len(plan.cases), "case")
    sessions = count(plan.sessions, "session")
    most = f"{count(plan.most_agent_calls, 'agent call')} and "
    most += count(plan.most_model_calls, "model call")
    lines = [f"{cases} × {count(settings.trials, 'trial')} = {sessions}; at most {most}"]
    if plan.agent is not None:
        lines.append(f"agent: {public_url(plan.agent.name)}")
    models = (("user model", plan.user_model), ("goal model", plan.goal_model))
    lines += [f"{name}: {model.name}" for name, model in models if model is not None]
    return Group(*(Text(one_line(line)) for line in (*lines, "nothing was called")))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="dim")
    for name in columns[:-1]:
        table.add_column(name, overflow="fold", no_wrap=name != "case", min_width=6)
    table.add_column(columns[-1], overflow="fold", ratio=1, min_width=10)
    return table


def call_words(call: ToolCall) -> str:
    """A tool call in a line."""
    return printable(f"{call.name}({readable(thaw(call.arguments))})")


def _name(one: SessionResult, run: Run) -> str:
    return one.id if any(each.trial > 1 for each in run.sessions) else one.case_id


def urgency(one: SessionResult) -> int:
    """Its place in a table: what failed first, then what missed its goal, then the rest."""
    return 0 if one.failed else 2 if one.achieved else 1


def style_of(one: SessionResult) -> str:
    """The colour of how a session ended."""
    return FAILED if one.failed else STYLES.get(one.stop_reason, MISSED)


def diff_table(pairs: Iterable[Pair]) -> Table:
    """A row for each session of two runs, those that ended otherwise first."""
    table = _table("case", "stop reason", "turns", "cost", "departs")
    for pair in pairs:
        departs = "" if pair.departs is None else f"turn {pair.departs}"
        table.add_row(
            Text(one_line(pair.id)),
            Text(
                _two(pair, lambda one: str(one.stop_reason)), style=MISSED if pair.changed else ""
            ),
            Text(_two(pair, lambda one: str(one.turns))),
            Text(_two(pair, lambda one: cost(one.usage))),
            Text(departs),
        )
    return table


def diff_summary(pairs: Sequence[Pair]) -> RenderableType:
    """How many sessions ended otherwise, and how many said otherwise."""
    changed = sum(pair.changed for pair in pairs)
    departs = sum(pair.departs is not None for pair in pairs)
    words = f"{count(len(pairs), 'session')}: {changed} ended otherwise, {departs} said otherwise"
    return Text(words, style="bold")


def _two(pair: Pair, shown: Callable[[SessionResult], str]) -> str:
    """A figure of both runs, once where they agree."""
    then, now = (MISSING if one is None else shown(one) for one in (pair.before, pair.after))
    return then if then == now else f"{then} → {now}"
