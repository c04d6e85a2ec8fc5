"""The machine: every way a conversation can go, in one file.

A conversation is a `State`, which is data. `step` takes a state and one observation and gives the
next state with everything that it waits for:

    step   = resume ∘ record
    record   files an observation in the lane it answers; only the agent's reply moves the phase
    resume   lets the behaviours decide, as far as what is known allows, and lists the requests

Four phases, each holding exactly what it waits for:

    Speaking   the user's move                       after_move     Replying, Stopped
    Replying   the agent's reply                     after_reply    Checking, Speaking, Stopped
    Checking   the goal check's verdict              after_verdict  Speaking, Stopped
    Stopped    nothing

The three `after_…` functions are the only transitions, beside `Interrupted`, which stops any phase;
their type hints are the diagram in the docs.

Why it holds together:

- The requests are a function of the state, so a state that was stored and read back waits for the
  same, and an interpreter sends what is not in flight and forgets what is not listed.
- `resume` is idempotent, and reads each lane for itself. With `overlap` the lane of the next user
  message is listed while the check is out; nothing else changes. So neither the order in which
  answers arrive nor `overlap` can change the transcript or the stop reason.
- A behaviour sees a `View`, in which there is no verdict; what it may say ahead is what it says.
- What nobody waits for raises and changes nothing; after the end everything is ignored.
"""

from __future__ import annotations

from typing import TypeVar, assert_never

from convsim_fp.core.behaviours import (
    Ask,
    AskUser,
    Leave,
    Move,
    Question,
    Satisfied,
    Say,
    Verdict,
    View,
    decide,
)
from convsim_fp.core.cases import TestCase
from convsim_fp.core.observations import (
    AgentReplied,
    Failed,
    Failure,
    Generated,
    Interrupted,
    Observation,
)
from convsim_fp.core.requests import (
    CallAgent,
    CallUser,
    Generate,
    Lane,
    Request,
    RequestId,
    Session,
)
from convsim_fp.core.state import (
    Checking,
    Closing,
    LaneReplies,
    Phase,
    Replying,
    Rules,
    Speaking,
    State,
    Step,
    Stopped,
    StopReason,
)
from convsim_fp.core.transcript import Message
from convsim_fp.errors import UnexpectedObservation

__all__ = ["request_bound", "resume", "start", "step"]

ONLY_SESSION = Session()
T = TypeVar("T")
ENDED = Closing(StopReason.AGENT_ENDED, "the agent ended the conversation")
SILENT = Closing(StopReason.AGENT_ENDED, "the agent's reply was empty")
MOVES: tuple[type[Move], ...] = (Say, Leave, Satisfied)
QUESTIONS = (Ask, AskUser)


def start(rules: Rules, case: TestCase, session: Session = ONLY_SESSION) -> Step:
    """Begin a conversation: the first state and what it waits for."""
    phase: Phase = Speaking(turn=1)
    if case.agent_opens:
        phase = Replying(turn=0)
    elif case.history and case.history[-1].speaker == "user":
        phase = Replying(turn=1)
    return resume(rules, State(case, session, phase, transcript=case.history))


def step(rules: Rules, state: State, observation: Observation) -> Step:
    """Take in what came back: the next state and everything that it waits for.

    Raises `UnexpectedObservation`, and nothing else, for an observation that nobody waits for; the
    state you hold is then still the one to go on with. After the end everything is ignored.
    """
    return resume(rules, record(rules, state, observation))


def resume(rules: Rules, state: State) -> Step:
    """Let the behaviours decide what they can, and list what the state then waits for.

    Needs nothing but the state, so a conversation goes on from one that was stored. Of a step's own
    state it gives the same step.
    """
    while True:
        phase = state.phase
        match phase:
            case Stopped():
                return Step(state)
            case Replying():
                asked = RequestId(phase.turn, Lane.AGENT)
                return Step(state, (CallAgent(asked, state.session, state.case, state.transcript),))
            case Speaking():
                move = _users_move(rules, state, phase)
                if isinstance(move, QUESTIONS):
                    return Step(state, (_request(state, _users_next(phase), move),))
                state = _moved(state, after_move(phase, move), move)
            case Checking():
                verdict = _verdict(rules, state, phase)
                if isinstance(verdict, QUESTIONS):
                    listed = (_request(state, _checks_next(phase), verdict),)
                    return Step(state, listed + _ahead(rules, state, phase))
                state = _judged(rules, state, after_verdict(rules, phase, verdict), verdict)
            case _:
                assert_never(phase)


def record(rules: Rules, state: State, seen: Observation) -> State:
    """File an observation with whoever waits for it, or raise `UnexpectedObservation`."""
    phase = state.phase
    match phase, seen:
        case Stopped(), _:
            return state
        case _, Interrupted():
            return state.at(Stopped(StopReason(seen.reason), state.turns, seen.detail))
        case Replying(), AgentReplied() | Failed() if seen.id == RequestId(phase.turn, Lane.AGENT):
            return _replied(state, after_reply(rules, state.case, phase, seen), seen)
        case Speaking(), Generated() | Failed() if seen.id == _users_next(phase):
            return state.at(Speaking(phase.turn, _filed(phase.user, seen), phase.closing))
        case Checking(), Generated() | Failed() if seen.id == _checks_next(phase):
            checked = _filed(phase.goal_check, seen)
            return state.at(Checking(phase.turn, checked, phase.ahead, phase.closing))
        case Checking(), Generated() | Failed() if _is_ahead(rules, state, phase, seen.id):
            ahead = _filed(phase.ahead, seen)
            return state.at(Checking(phase.turn, phase.goal_check, ahead, phase.closing))
        case _:
            waiting = " and ".join(one.id.words for one in resume(rules, state).requests)
            raise UnexpectedObservation(f"nobody waits for {_shown(seen)}; waited for: {waiting}")


# The transitions.


def after_reply(
    rules: Rules, case: TestCase, phase: Replying, reply: AgentReplied | Failed
) -> Checking | Speaking | Stopped:
    """The agent answered, or could not."""
    if isinstance(reply, Failed):
        return Stopped(StopReason.AGENT_FAILED, phase.turn, str(reply.failure), reply.failure)
    if _is_blank(reply):
        silent = phase.closing or SILENT
        return Stopped(silent.reason, phase.turn, silent.detail)
    if phase.turn == 0:
        return Stopped(ENDED.reason, 0, ENDED.detail) if reply.ended else Speaking(turn=1)
    limit = case.max_turns or rules.max_turns
    closing = phase.closing or (ENDED if reply.ended else None)
    if closing is None and phase.turn >= limit:
        closing = Closing(StopReason.MAX_TURNS, f"the limit of {limit} turn{'s' * (limit > 1)}")
    return Checking(phase.turn, closing=closing)


def after_verdict(
    rules: Rules, phase: Checking, verdict: Verdict | Failure | None
) -> Speaking | Stopped:
    """The goal check decided, could not, or is left to the user (None)."""
    turn, closing = phase.turn, phase.closing
    if isinstance(verdict, Failure) and rules.on_goal_check_failure == "stop":
        return Stopped(StopReason.GOAL_CHECK_FAILED, turn, str(verdict), verdict)
    if isinstance(verdict, Verdict) and verdict.achieved:
        return Stopped(StopReason.GOAL_ACHIEVED, turn, verdict.rationale)
    if closing is None:
        return Speaking(turn + 1, user=phase.ahead)
    if verdict is None and closing.reason is not StopReason.USER_LEFT:
        return Speaking(turn + 1, closing=closing)
    return Stopped(closing.reason, turn, closing.detail)


def after_move(phase: Speaking, move: Move | Failure) -> Replying | Stopped:
    """The user spoke, left, declared itself satisfied, or failed."""
    said, closing = phase.turn - 1, phase.closing
    match move:
        case Failure():
            return Stopped(StopReason.USER_FAILED, said, str(move), move)
        case Satisfied():
            return Stopped(StopReason.GOAL_ACHIEVED, said, move.why)
        case Leave() if closing is not None or not move.say.strip():
            return Stopped(StopReason.USER_LEFT, said, move.why)
        case Leave():
            return Replying(phase.turn, Closing(StopReason.USER_LEFT, move.why))
        case Say() if closing is not None:
            return Stopped(closing.reason, said, closing.detail)
        case Say():
            return Replying(phase.turn)
        case _:
            assert_never(move)


# What the transitions leave in the state.


def _replied(
    state: State, phase: Checking | Speaking | Stopped, reply: AgentReplied | Failed
) -> State:
    if isinstance(reply, Failed) or _is_blank(reply):
        return state.at(phase)
    said = _and(state.transcript, Message("agent", reply.text, reply.tool_calls))
    return State(state.case, state.session, phase, said, state.verdicts, state.memo)


def _judged(
    rules: Rules, state: State, phase: Speaking | Stopped, verdict: Verdict | Failure | None
) -> State:
    if isinstance(verdict, Failure) and rules.on_goal_check_failure == "continue":
        verdict = Verdict(achieved=False, rationale=str(verdict), failed=True)
    if not isinstance(verdict, Verdict):
        return state.at(phase)
    verdicts = _and(state.verdicts, verdict)
    return State(state.case, state.session, phase, state.transcript, verdicts, state.memo)


def _moved(state: State, phase: Replying | Stopped, move: Move | Failure) -> State:
    match move:
        case Satisfied():
            own = _and(state.verdicts, Verdict(achieved=True, rationale=move.why))
            return State(state.case, state.session, phase, state.transcript, own, state.memo)
        case Say() | Leave() if isinstance(phase, Replying):
            text = move.text if isinstance(move, Say) else move.say
            memo = move.memo if isinstance(move, Say) else state.memo
            said = _and(state.transcript, Message("user", text))
            return State(state.case, state.session, phase, said, state.verdicts, memo)
        case _:
            return state.at(phase)


def _and(items: tuple[T, ...], last: T) -> tuple[T, ...]:
    return items + (last,)  # noqa: RUF005  one copy; unpacking makes two, which long ones feel


# Questions and answers.


def _users_move(rules: Rules, state: State, phase: Speaking) -> Question | Move | Failure:
    lane = phase.user
    if lane.failure is not None:
        return lane.failure
    view = _view(state, phase.turn, closing=phase.closing is not None)
    return decide(rules.user, view, lane.replies, expects=MOVES, max_asks=rules.max_asks)


def _verdict(rules: Rules, state: State, phase: Checking) -> Question | Verdict | Failure | None:
    lane = phase.goal_check
    if rules.goal_check is None or lane.failure is not None:
        return lane.failure
    view = _view(state, phase.turn)
    return decide(rules.goal_check, view, lane.replies, expects=(Verdict,), max_asks=rules.max_asks)


def _view(state: State, turn: int, *, closing: bool = False) -> View:
    return View(state.case, turn, state.transcript, state.session.seed, state.memo, closing)


def _ahead(rules: Rules, state: State, phase: Checking) -> tuple[Request, ...]:
    """The next user message's question, asked while the goal check is out; never on a last turn."""
    if not rules.overlap or phase.closing is not None:
        return ()
    speaking = Speaking(phase.turn + 1, user=phase.ahead)
    move = _users_move(rules, state, speaking)
    if not isinstance(move, QUESTIONS):
        return ()
    return (_request(state, _users_next(speaking), move),)


def _is_ahead(rules: Rules, state: State, phase: Checking, asked: RequestId) -> bool:
    return any(asked == request.id for request in _ahead(rules, state, phase))


def _request(state: State, asked: RequestId, question: Question) -> Request:
    match question:
        case Ask():
            return Generate(asked, state.session, state.case, question.prompt)
        case AskUser():
            return CallUser(asked, state.session, state.case, state.transcript)
        case _:
            assert_never(question)


def _users_next(phase: Speaking) -> RequestId:
    return RequestId(phase.turn, Lane.USER, len(phase.user.replies))


def _checks_next(phase: Checking) -> RequestId:
    return RequestId(phase.turn, Lane.GOAL_CHECK, len(phase.goal_check.replies))


def _filed(lane: LaneReplies, seen: Generated | Failed) -> LaneReplies:
    if isinstance(seen, Failed):
        return LaneReplies(lane.replies, seen.failure)
    return LaneReplies((*lane.replies, seen.text))


def _shown(seen: object) -> str:
    if isinstance(seen, Generated | AgentReplied | Failed):
        return f"{type(seen).__name__} of {seen.id.words}"
    try:
        return f"{seen!r:.200}"
    except Exception:  # noqa: BLE001  whatever it is, it is refused
        return type(seen).__name__


def _is_blank(reply: AgentReplied) -> bool:
    return not reply.text.strip() and not reply.tool_calls


def request_bound(rules: Rules, case: TestCase) -> int:
    """The most requests that a conversation can make, for any answers at all.

    One for the agent in each turn and for its opening; `max_asks` in each turn for the user and for
    the goal check, or, without one, for the user's word after the last reply.
    """
    limit = case.max_turns or rules.max_turns
    decisions = limit + 1 if rules.goal_check is None else 2 * limit
    return case.agent_opens + limit + decisions * rules.max_asks
