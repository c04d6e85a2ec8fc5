"""Random walks over a session: answers, failures, strays, interrupts and cuts."""

from typing import Any

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from convsim_fp.core import (
    AgentReplied,
    CallAgent,
    CallUser,
    Failed,
    Failure,
    Generate,
    Generated,
    Interrupted,
    Observation,
    Request,
    RequestId,
    Rules,
    Step,
    Stopped,
    TestCase,
    request_bound,
    resume,
    start,
    step,
)
from convsim_fp.errors import UnexpectedObservation
from convsim_fp.journal import state_from_json, state_to_json
from convsim_fp.testing import strategies as any_of

NTH = st.integers(0, 3)
ANSWERS = any_of.texts() | st.sampled_from(
    (
        "yes",
        "no",
        '{"result": "no"}',
        "Where is my parcel?",
        '{"message": "Bye.", "status": "satisfied", "reason": "done"}',
        '{"message": "Go on.", "status": "continue", "reason": ""}',
    )
)


class Conversation(RuleBasedStateMachine):
    """One session, answered by chance: unlike in the laws, answers are no function of requests."""

    waiting: Step

    @initialize(rules=any_of.rules(), case=any_of.cases())
    def begin(self, rules: Rules, case: TestCase) -> None:
        self.rules, self.case = rules, case
        self.waiting = start(rules, case)
        self.asked: dict[RequestId, Request] = {}
        self.answered: set[RequestId] = set()
        self.note()

    def note(self) -> None:
        for request in self.waiting.requests:
            assert self.asked.setdefault(request.id, request) == request
            assert request.id not in self.answered

    def take(self, seen: Observation) -> None:
        before = self.waiting.state
        self.waiting = step(self.rules, before, seen)
        after = self.waiting.state
        assert after.transcript[: len(before.transcript)] == before.transcript
        assert after.verdicts[: len(before.verdicts)] == before.verdicts
        assert after.turns in (before.turns, before.turns + 1)
        self.note()

    def pick(self, nth: int) -> Request:
        request = self.waiting.requests[nth % len(self.waiting.requests)]
        self.answered.add(request.id)
        return request

    @precondition(lambda self: self.waiting.requests)
    @rule(nth=NTH, text=ANSWERS, ended=st.sampled_from((False, False, False, True)))
    def answer(self, nth: int, text: str, ended: bool) -> None:
        request = self.pick(nth)
        match request:
            case CallAgent():
                self.take(AgentReplied(request.id, text, ended))
            case Generate() | CallUser():
                self.take(Generated(request.id, text))

    @precondition(lambda self: self.waiting.requests)
    @rule(nth=NTH, failure=any_of.failures())
    def fail(self, nth: int, failure: Failure) -> None:
        self.take(Failed(self.pick(nth).id, failure))

    @rule(seen=any_of.observations())
    def stray(self, seen: Any) -> None:
        kept = state_to_json(self.waiting.state)
        if any(request.id == seen.id for request in self.waiting.requests):
            return
        if isinstance(self.waiting.state.phase, Stopped):
            assert step(self.rules, self.waiting.state, seen) == self.waiting
            return
        with pytest.raises(UnexpectedObservation, match="waited for"):
            step(self.rules, self.waiting.state, seen)
        assert state_to_json(self.waiting.state) == kept

    @rule(why=st.builds(Interrupted, st.sampled_from(("budget", "deadline", "cancelled"))))
    def interrupt(self, why: Interrupted) -> None:
        was = self.waiting.state.phase
        self.take(why)
        phase = self.waiting.state.phase
        assert phase == was if isinstance(was, Stopped) else isinstance(phase, Stopped)

    @rule()
    def cut(self) -> None:
        restored = state_from_json(state_to_json(self.waiting.state))
        assert resume(self.rules, restored) == self.waiting
        self.waiting = resume(self.rules, restored)

    @invariant()
    def waits_unless_stopped(self) -> None:
        stopped = isinstance(self.waiting.state.phase, Stopped)
        assert stopped == (not self.waiting.requests)
        assert len(self.asked) <= request_bound(self.rules, self.case)


TestConversation = Conversation.TestCase
