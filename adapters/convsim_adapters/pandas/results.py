"""From the sessions of a run to DataFrames whose dtypes are the same for every run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from attrs import asdict

from convsim_adapters.running.results import Run, SessionResult
from convsim_adapters.running.run_files import session_record
from convsim_adapters.vendors import import_vendor
from convsim_fp.core import StopReason, Transcript, Verdict, freeze
from convsim_fp.core.json_values import dumps

if TYPE_CHECKING:
    import pandas as pd

    DataFrame: TypeAlias = pd.DataFrame  # for those who may not import pandas themselves

__all__ = ["sessions_frame", "turns_frame"]

TEXT, COUNT, NUMBER, FLAG, REASON = "text", "count", "number", "flag", "reason"
SESSION_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "session": TEXT,
        "case_id": TEXT,
        "trial": COUNT,
        "goal": TEXT,
        "stop_reason": REASON,
        "achieved": FLAG,
        "turns": COUNT,
        "why": TEXT,
        "detail": TEXT,
        "verdict": FLAG,
        "rationale": TEXT,
        "seconds": NUMBER,
        "requests": COUNT,
        "attempts": COUNT,
        "wasted": COUNT,
        "rebuilt": COUNT,
        "input_tokens": COUNT,
        "output_tokens": COUNT,
        "cached_tokens": COUNT,
        "uncounted": COUNT,
        "cost": NUMBER,
        "unpriced": COUNT,
        "transcript": TEXT,
    }
)
TURN_COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "session": TEXT,
        "case_id": TEXT,
        "trial": COUNT,
        "turn": COUNT,
        "user": TEXT,
        "agent": TEXT,
        "tool_calls": TEXT,
        "verdict": FLAG,
        "rationale": TEXT,
    }
)
MOST = 2**63 - 1  # what Int64 holds


def sessions_frame(run: Run) -> pd.DataFrame:
    """Lay out a run as a DataFrame with one row for each session, in its order.

    The index counts from 0; `session` is ``case/trial``. The dtypes are those of the columns, not
    of what is in them:

    - *string*: session, case_id, goal, why, detail, rationale, transcript (JSON)
    - *category*: stop_reason, whose categories are all that there are
    - *boolean*: achieved, verdict (absent where nothing was judged, or the check did not work)
    - *Int64*: trial, turns, requests, attempts, wasted, rebuilt, input_tokens, output_tokens,
      cached_tokens, uncounted, unpriced
    - *Float64*: seconds, cost (US dollars)

    NA is what is unknown or not there, and a count that 64 bits do not hold.

    >>> sessions_frame(Run(())).dtypes["turns"]
    Int64Dtype()
    """
    return _frame(SESSION_COLUMNS, [_session_row(one) for one in run.sessions])


def turns_frame(run: Run) -> pd.DataFrame:
    """Lay out a run as a DataFrame with one row for each turn of each session, in their order.

    The index counts from 0; session and turn (from 1) name a row. What was said before turn 1, a
    history or the agent's opening, is in the transcript of `sessions_frame` only.

    - *string*: session, case_id, user, agent (absent where no reply came), tool_calls (a JSON list,
      absent where there were none), rationale
    - *Int64*: trial, turn
    - *boolean*: verdict (absent as in `sessions_frame`)

    A run holds the last verdict of each session: it stands in the row of the turn that was judged,
    or in none, where the session was cut short and that turn cannot be told.

    >>> turns_frame(Run(())).dtypes["turn"]
    Int64Dtype()
    """
    return _frame(TURN_COLUMNS, [row for one in run.sessions for row in _turn_rows(one)])


def _frame(columns: Mapping[str, str], rows: Sequence[Mapping[str, object]]) -> pd.DataFrame:
    vendor: Any = import_vendor("pandas", extra="pandas")
    # In Python's own strings: those of Arrow cannot hold half a character, which a model can say.
    text = vendor.StringDtype("python")
    reasons = vendor.CategoricalDtype([reason.value for reason in StopReason])
    dtypes = {TEXT: text, COUNT: "Int64", NUMBER: "Float64", FLAG: "boolean", REASON: reasons}
    made = {
        name: vendor.Series([row[name] for row in rows], dtype=dtypes[what])
        for name, what in columns.items()
    }
    return cast("pd.DataFrame", vendor.DataFrame(made, index=vendor.RangeIndex(len(rows))))


def _session_row(one: SessionResult) -> Mapping[str, object]:
    return {
        **_named(one),
        "goal": one.goal,
        "stop_reason": one.stop_reason.value,
        "achieved": one.achieved,
        "turns": one.turns,
        "why": one.why,
        "detail": one.detail,
        **_judged(one.verdict),
        "seconds": one.seconds,
        **{name: _within_bounds(figure) for name, figure in asdict(one.usage).items()},
        "transcript": dumps(freeze(session_record(one)["transcript"])),
    }


def _named(one: SessionResult) -> Mapping[str, object]:
    return {"session": one.id, "case_id": one.case_id, "trial": one.trial}


def _judged(verdict: Verdict | None) -> Mapping[str, object]:
    if verdict is None:
        return {"verdict": None, "rationale": None}
    achieved = None if verdict.failed else verdict.achieved
    return {"verdict": achieved, "rationale": verdict.rationale}


def _within_bounds(figure: float | None) -> float | None:
    return figure if figure is None or -MOST <= figure <= MOST else None


def _turn_rows(one: SessionResult) -> Iterator[Mapping[str, object]]:
    begins = [at for at, said in enumerate(one.transcript) if said.speaker == "user"]
    begins = begins[-one.turns :] if one.turns else []  # those before them are of a history
    ends = (*begins[1:], len(one.transcript))
    judged = _judged_turn(one)
    first = one.turns - len(begins) + 1
    for turn, (begin, end) in enumerate(zip(begins, ends, strict=False), start=first):
        yield {
            **_named(one),
            "turn": turn,
            "user": one.transcript[begin].text,
            **_replied(one.transcript[begin + 1 : end]),
            **_judged(one.verdict if turn == judged else None),
        }


def _replied(replies: Transcript) -> Mapping[str, object]:
    calls = [asdict(call, recurse=False) for reply in replies for call in reply.tool_calls]
    return {
        "agent": "\n".join(reply.text for reply in replies) if replies else None,
        "tool_calls": dumps(freeze(calls)) if calls else None,
    }


def _judged_turn(one: SessionResult) -> int | None:
    """The turn of the last verdict; None where none is sure.

    A turn is judged once the agent has replied in it, unless the check fails; whether a session was
    cut short before or after that does not show in its result.
    """
    if one.transcript and one.transcript[-1].speaker == "user":
        return one.turns - 1
    if one.stop_reason is StopReason.GOAL_CHECK_FAILED:
        return one.turns - 1
    return None if one.cut_short else one.turns
