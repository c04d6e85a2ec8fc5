"""A session for the page: the line of it in the list, and all that is shown when it is opened."""

from __future__ import annotations

from typing import assert_never

from convsim_adapters.cli.figures import cost, count
from convsim_adapters.report.requests import (
    Record,
    Texts,
    laid_out,
    message_record,
    request_records,
    told_ahead,
)
from convsim_adapters.report.turns import judged, turns_of
from convsim_adapters.running.recording import Record as Spent
from convsim_adapters.running.results import SessionResult, Usage
from convsim_fp.core import StopReason, TestCase
from convsim_fp.journal import SessionLog

__all__ = ["OPEN", "outcome_of", "reason_of", "row_record", "session_record"]

OPEN = "unfinished"
SHORT = 240  # characters of a text in the list


def reason_of(result: SessionResult | None) -> str:
    """The stop reason; ``unfinished`` where none is recorded."""
    return OPEN if result is None else str(result.stop_reason)


def outcome_of(result: SessionResult | None) -> str:
    """What kind of end it is: achieved, missed, failed, cut short, or none yet."""
    if result is None:
        return OPEN
    if result.failed:
        return "failed"
    return "achieved" if result.achieved else "cut" if result.cut_short else "missed"


def row_record(log: SessionLog, result: SessionResult | None) -> Record:
    """What the list shows and sorts by."""
    usage = usage_of(log, result)
    return {
        "id": log.session.id,
        "case": str(log.case.id),
        "trial": log.session.trial,
        "reason": reason_of(result),
        "outcome": outcome_of(result),
        "turns": _turns(log, result),
        "seconds": round(_seconds(log, result), 3),
        "cost": usage.cost,
        "costs": cost(usage),
        "why": _short("" if result is None else result.why),
        **_troubles(log),
    }


def session_record(log: SessionLog, result: SessionResult | None, texts: Texts) -> Record:
    """All of a session: its case, what was said, the verdicts, what was asked for it."""
    turns = turns_of(log.case, log.transcript)
    said = zip(log.transcript, turns, strict=True)
    usage, parent = usage_of(log, result), log.parent
    return {
        "case": _case(log.case),
        "seed": str(log.session.seed),
        "sentence": sentence(log, result),
        "detail": "" if result is None else result.detail,
        "failure": _failure(log),
        "usage": _usage(usage),
        "parent": None
        if parent is None
        else {"run": parent.run, "session": parent.session, "turn": parent.turn},
        "messages": [message_record(message) | {"turn": turn} for message, turn in said],
        "verdicts": [
            {"turn": one.turn, "achieved": one.achieved, "failed": one.failed, "why": one.why}
            for one in judged(log)
        ],
        "requests": list(request_records(log, texts)),
    }


def sentence(log: SessionLog, result: SessionResult | None) -> str:
    """Say in a sentence how a session ended."""
    if result is None:
        if not log.entries:
            return "Nothing of it is recorded: it has not begun, or the run was killed before."
        return "No end of it is recorded: it goes on, or was killed."
    at, after = f"at turn {result.turns}", f"after {count(result.turns, 'turn')}"
    match result.stop_reason:
        case StopReason.GOAL_ACHIEVED:
            return f"The goal was reached {at}."
        case StopReason.USER_LEFT:
            return f"The simulated user left {after}, without having reached the goal."
        case StopReason.AGENT_ENDED:
            return f"The agent ended the conversation {after}; the goal was not reached."
        case StopReason.MAX_TURNS:
            return f"The limit of turns was used up {after}; the goal was not reached."
        case StopReason.AGENT_FAILED:
            return f"The agent failed {at}: there is no reply to go on from."
        case StopReason.USER_FAILED:
            return f"The simulated user failed {after}: it had nothing to say that could be used."
        case StopReason.GOAL_CHECK_FAILED:
            return f"The goal check failed {at}, so whether the goal was reached is not known."
        case StopReason.BUDGET:
            return f"The budget of the run was used up {after}."
        case StopReason.DEADLINE:
            return f"Its time was up {after}."
        case StopReason.CANCELLED:
            return f"It was cancelled {after}."
        case _:
            assert_never(result.stop_reason)


def usage_of(log: SessionLog, result: SessionResult | None) -> Usage:
    """What a session cost, also one without an end."""
    return Spent.of(log.entries).usage if result is None else result.usage


def _seconds(log: SessionLog, result: SessionResult | None) -> float:
    return Spent.of(log.entries).seconds if result is None else result.seconds


def _turns(log: SessionLog, result: SessionResult | None) -> int:
    if result is not None:
        return result.turns
    return max((turn or 0 for turn in turns_of(log.case, log.transcript)), default=0)


def _troubles(log: SessionLog) -> Record:
    """How often something was asked again, sent again, or asked for nothing."""
    beyond = told_ahead(log)
    asked = [(one, one.id) for one in log.entries if one.id is not None]
    found = {
        "again": sum(place.nth > 0 for one, place in asked if not one.void),
        "retried": sum(max(0, one.facts.attempts - 1) for one, _ in asked),
        "wasted": sum(one.wasted or place.turn == beyond for one, place in asked),
    }
    return {name: number for name, number in found.items() if number}


def _case(case: TestCase) -> Record:
    told: Record = {
        "goal": case.goal,
        "persona": case.persona,
        "guidelines": list(case.simulation_guidelines),
        "context": laid_out(case.context) if case.context else "",
        "expectations": laid_out(case.expectations) if case.expectations else "",
        "extra": laid_out(case.extra) if case.extra else "",
        "tags": list(case.tags),
        "max_turns": case.max_turns,
        "history": len(case.history),
    }
    return {name: value for name, value in told.items() if value or name == "goal"}


def _failure(log: SessionLog) -> Record | None:
    failure = None if log.ended is None else log.ended.phase.failure
    return None if failure is None else {"kind": failure.kind, "detail": failure.detail}


def _usage(usage: Usage) -> Record:
    return {
        "requests": usage.requests,
        "attempts": usage.attempts,
        "wasted": usage.wasted,
        "rebuilt": usage.rebuilt,
        "in": usage.input_tokens,
        "out": usage.output_tokens,
        "cached": usage.cached_tokens,
    }


def _short(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= SHORT else words[: SHORT - 1] + "…"
