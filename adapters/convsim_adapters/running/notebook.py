"""A run as a notebook shows it: a line of figures, and a table whose rows open into transcripts.

There is no script, and no tag but our own: what models, agents and cases have written is escaped.
Colours are the notebook's, so it reads on light and on dark ground, and words say what colours say.
Without its style sheet, which some viewers leave out, it is a table still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Protocol

from convsim_adapters.cli.figures import cost, count, share, tokens
from convsim_adapters.cli.plain import one_line, printable
from convsim_adapters.report.rates import interval_of
from convsim_adapters.running.results import Run, SessionResult
from convsim_fp.core import Message, Verdict, thaw
from convsim_fp.core.json_values import readable

__all__ = ["Printer", "html_of_run", "html_of_session", "words_of_run"]

SESSIONS = 200  # rows; a notebook keeps what it shows in its file
CHARACTERS = 1_000_000  # of all transcripts together, with their tags
COLUMNS = ("case", "stop reason", "turns", "cost", "why")
DOTS: Mapping[str, str] = MappingProxyType(
    {"failed": "#d9483d", "missed": "#b98a2e", "cut": "#8468c9", "achieved": "#2e9e63"}
)
ORDER = tuple(DOTS)  # of rows
STYLE = """
.convsim.convsim { color: inherit; font-size: .93em; line-height: 1.45; }
.convsim.convsim p { margin: .2em 0; }
.convsim.convsim table { width: 100%; margin: .5em 0; border-collapse: collapse;
  font-size: inherit; }
.convsim.convsim :is(th, td) { padding: .25em .9em .25em 0; border: 0;
  border-top: 1px solid rgb(128 128 128 / 35%); background: none; color: inherit;
  text-align: left; vertical-align: top; overflow-wrap: anywhere; white-space: normal; }
.convsim.convsim thead th { border: 0; font-weight: 600; }
.convsim.convsim tbody th { font-weight: 400; min-width: 6em; }
.convsim.convsim .figure { text-align: right; white-space: nowrap; }
.convsim.convsim .reason { white-space: nowrap; }
.convsim.convsim td:last-child { width: 60%; padding-right: 0; }
.convsim.convsim summary { cursor: pointer; }
.convsim.convsim dl { display: grid; grid-template-columns: max-content minmax(0, 1fr);
  gap: .3em .9em; margin: .5em 0; }
.convsim.convsim dt { font-weight: 600; text-align: right; }
.convsim.convsim dd { margin: 0; white-space: pre-wrap; overflow-wrap: anywhere; }
.convsim.convsim .aside { font-style: italic; font-weight: 400; }
"""


class Printer(Protocol):
    """What IPython hands to an object that prints itself."""

    def text(self, text: str, /) -> None:
        """Write text."""
        ...


def words_of_run(run: Run) -> str:
    """Sum a run up in two lines of text, for consoles.

    >>> words_of_run(Run(()))
    'no session has ended'
    """
    if not run.sessions:
        return "no session has ended"
    reasons = ", ".join(f"{reason} {number}" for reason, number in run.stop_reasons.items())
    return f"{' · '.join(_summary(run))}\nstop reasons: {reasons}"


def html_of_run(run: Run) -> str:
    """Show a run: its figures, then its sessions, those that failed or missed their goal first.

    At most 200 sessions are shown, and of transcripts as much as a notebook bears; what is not
    shown is counted.

    >>> html_of_run(Run(())).count("<script")
    0
    """
    listed = sorted(enumerate(run.sessions), key=lambda it: ORDER.index(_outcome(it[1])))
    lines = [escape(line) for line in words_of_run(run).splitlines()]
    notes = [escape(printable(note)) for note in _notes(run)]
    parts = [
        *(f"<p><strong>{line}</strong></p>" for line in lines[:1]),
        *(f"<p>{line}</p>" for line in (*lines[1:], *notes)),
        _table(run, listed[:SESSIONS]) if listed else "",
    ]
    return _framed("".join(parts))


def html_of_session(one: SessionResult) -> str:
    """Show one session: how it ended and why, and every word that was said."""
    title = f"{one.id}: {one.stop_reason} after {count(one.turns, 'turn')}"
    why = f"<p>why: {_text(one.why)}</p>" if one.why else ""
    return _framed(f"<p><strong>{_text(title)}</strong></p>{why}{_conversation(one)}")


def _framed(inside: str) -> str:
    """Dollars and backslashes in it are no formulas, which notebooks would set."""
    classes = "convsim tex2jax_ignore mathjax_ignore"
    return f'<div class="{classes}"><style>{STYLE}</style>{inside}</div>'


def _summary(run: Run) -> Iterator[str]:
    sessions, usage = len(run.sessions), run.usage
    sure = interval_of(run.achieved, sessions)
    interval = f"95 % interval {100 * sure.low:.0f} to {100 * sure.high:.0f} %"
    reached = f"goal achieved in {run.achieved:,} of {count(sessions, 'session')}"
    yield f"{reached} ({share(run.achieved, sessions)}; {interval})"
    yield count(sum(one.turns for one in run.sessions), "turn")
    if run.seconds:
        yield f"{run.seconds:.1f} s"
    if usage.tokens is not None or usage.unpriced:
        yield tokens(usage.tokens)
        yield cost(usage)


def _notes(run: Run) -> Iterator[str]:
    """What a reader of the figures should know."""
    if any(one.trial > 1 for one in run.sessions):
        yield "The interval is narrower than it should be: trials of one case are alike."
    if run.interrupted:
        yield f"Interrupted by {run.interrupted}: what was not finished counts as cancelled."
    if run.unfinished:
        yield f"{count(run.unfinished, 'session')} more: no end recorded, and in no figure."
    yield from (f"Mind that {doubt}." for doubt in run.doubts)
    if run.unsaved:
        yield f"Some files of the run could not be written: {run.unsaved}"
    if run.directory is not None:
        yield f"files: {run.directory}"
    if (left := len(run.sessions) - SESSIONS) > 0:
        words = f"{SESSIONS} sessions are shown, and {left:,} are not, failures first"
        yield f"{words}: all of them are in .sessions, and in .to_frame()."


def _table(run: Run, listed: Sequence[tuple[int, SessionResult]]) -> str:
    trials = any(one.trial > 1 for one in run.sessions)
    head = "".join(f'<th scope="col"{_figure(name)}>{name}</th>' for name in COLUMNS)
    rows = "".join(_rows(listed, trials=trials))
    return f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"


def _figure(column: str) -> str:
    return ' class="figure"' if column in ("turns", "cost") else ""


def _rows(listed: Iterable[tuple[int, SessionResult]], *, trials: bool) -> Iterator[str]:
    left = CHARACTERS
    for at, one in listed:
        conversation = _conversation(one)
        if len(conversation) > left:
            conversation = f"<p>Too long to be shown here: .sessions[{at}].transcript</p>"
        left -= len(conversation)
        yield _row(one, one.id if trials else one.case_id, conversation)


def _row(one: SessionResult, name: str, conversation: str) -> str:
    dot = f'<span aria-hidden="true" style="color: {DOTS[_outcome(one)]}">●</span>'
    why = one_line(one.why) or "(no reason given)"
    whole = f"<p>why: {_text(one.why)}</p>" if len(one.why) > len(why) else ""
    cells = (
        f'<th scope="row">{_text(name)}</th>',
        f'<td class="reason">{dot} {one.stop_reason}</td>',
        f'<td class="figure">{one.turns}</td>',
        f'<td class="figure">{escape(cost(one.usage))}</td>',
        f"<td><details><summary>{_text(why)}</summary>{whole}{conversation}</details></td>",
    )
    return f"<tr>{''.join(cells)}</tr>"


def _outcome(one: SessionResult) -> str:
    if one.failed:
        return "failed"
    return "achieved" if one.achieved else "cut" if one.cut_short else "missed"


def _conversation(one: SessionResult) -> str:
    """The goal, then what was said, each verdict at the end of its turn."""
    said = "".join(_told(name, text) for name, text in _lines(one))
    return f"<p>goal: {_text(one.goal)}</p><dl>{said}</dl>"


def _lines(one: SessionResult) -> Iterator[tuple[str, str]]:
    """What stands in a transcript, by who it is from; a user's message begins a turn."""
    spoken = sum(message.speaker == "user" for message in one.transcript)
    turn = one.turns - spoken  # up to 0 they are of a history
    for at, message in enumerate(one.transcript):
        turn += message.speaker == "user"
        yield from _message(message, turn)
        following = one.transcript[at + 1 : at + 2]
        if message.speaker == "agent" and all(it.speaker == "user" for it in following):
            yield from _verdict(one, turn, last=not following)


def _message(message: Message, turn: int) -> Iterator[tuple[str, str]]:
    number = f"{turn} " if turn > 0 and message.speaker == "user" else ""
    if message.text or not message.tool_calls:
        yield f"{number}{message.speaker}", message.text
    for call in message.tool_calls:
        yield "tool call", f"{call.name}({readable(thaw(call.arguments))})"


def _verdict(one: SessionResult, turn: int, *, last: bool) -> Iterator[tuple[str, str]]:
    """The verdict on a turn; one that says yes ended the session, whichever it was."""
    judged = one.verdicts[turn - 1 : turn] if turn > 0 else ()
    judged = one.verdicts[-1:] if last and one.achieved else judged
    for verdict in judged:
        yield "goal check", _words(verdict)


def _words(verdict: Verdict) -> str:
    found = "did not work" if verdict.failed else "yes" if verdict.achieved else "no"
    return f"{found}: {verdict.rationale}" if verdict.rationale else found


def _told(name: str, text: str) -> str:
    aside = ' class="aside"' if name in ("goal check", "tool call") else ""
    return f'<dt{aside}>{name}</dt><dd{aside} dir="auto">{_text(text)}</dd>'


def _text(text: str) -> str:
    """Text of others: controls are shown as U+FFFD, markup as it is written."""
    return f"<bdi>{escape(printable(text))}</bdi>"
