"""What is said where a conversation is driven by the functions of the pure package."""

import asyncio
from contextlib import contextmanager, nullcontext

import convsim_fp
from convsim_fp import (
    AgentReply,
    Budget,
    Ports,
    Rules,
    Say,
    TestCase,
    ToolCall,
    Verdict,
    converse,
    converse_all,
    goals,
    perform,
    start,
    state_from_json,
    step,
    users,
)
from convsim_fp.core import Generated, Message
from convsim_fp.interpreters import (
    RunCancelled,
    bounded,
    traced,
)
from convsim_fp.interpreters.interruption import ConversationCancelled

CASE = TestCase(goal="a refund", id="refund")
TALK = Rules(users.scripted(["Hello."]), None)


def hi(request):
    return "Hi."


def values(desk) -> None:
    desk.by(Message, "boss", "Hi.")
    desk.by(ToolCall, 7, [1])
    desk.by(ToolCall, "find", {"at": object()})
    desk.by(Say, 7)
    desk.by(Verdict, "yes")
    desk.by(getattr, convsim_fp, "simulate")
    desk.by(Budget, cost=-1, tokens="many", seconds=float("inf"))
    desk.by(Rules, "agenda", "when", max_turns=0, max_asks=True, overlap="no")
    desk.by(Rules, users.prompted, goals.prompted, on_goal_check_failure="go")
    desk.by(Ports, "agent", user_model="gpt", user=3)
    desk.by(state_from_json, "[]")
    desk.by(state_from_json, "{")
    desk.by(state_from_json, '{"case": {"goal": 7}, "session": {}, "colour": 1}')


def stopped(rules, ports, case=CASE):
    """How a conversation ended: its stop reason and why."""
    phase = converse(rules, start(rules, case), perform(ports)).phase
    return f"{phase.reason}: {phase.detail}"


def endings(desk) -> None:
    ports, lines = Ports(hi), users.scripted(["Hello.", "And?"])
    desk.by(stopped, TALK, ports)
    desk.by(stopped, Rules(lines, None, max_turns=1), ports)
    desk.by(stopped, TALK, Ports(lambda request: " "))
    desk.by(stopped, TALK, Ports(lambda request: AgentReply("Bye.", ended=True)))
    desk.by(stopped, TALK, Ports(lambda request: 1 / 0))
    desk.by(stopped, TALK, Ports(lambda request: {"text": "Hi."}))
    desk.by(stopped, Rules(users.delegated(), None), ports)
    desk.by(stopped, Rules(users.delegated(), None), Ports(hi, user=lambda request: 7))
    desk.by(stopped, Rules(users.prompted(), None), ports)
    desk.by(stopped, Rules(users.prompted(), None), Ports(hi, lambda request: b"Hi."))
    desk.by(stopped, Rules(users.prompted(may_leave=True), None), Ports(hi, lambda request: "{"))
    desk.by(stopped, Rules(users.prompted(may_leave=True), None), Ports(hi, lambda request: ""))
    for object_ in (
        '{"message": 7}',
        '{"message": "Hi.", "status": "bored"}',
        'So: {"message": "x"}',
    ):
        told = Rules(users.prompted(may_leave=True), None)
        desk.by(stopped, told, Ports(hi, lambda request, said=object_: said))
    desk.by(stopped, Rules(lines, goals.prompted()), Ports(hi, lambda request: "maybe"))
    desk.by(stopped, Rules(lambda view: "Hi.", None), ports)
    desk.by(stopped, Rules(lambda view: iter(()), None), ports)
    desk.by(stopped, Rules(lambda view: (yield "what?"), None), ports)
    desk.by(stopped, Rules(lines, lambda view: True), ports)
    desk.by(stopped, Rules(users.scripted(), None), ports)
    idle = users.agenda({"acts": ["Where is it?"], "patience": 2})
    desk.by(stopped, Rules(idle, None), ports)


def driving(desk) -> None:
    begun = start(TALK, CASE)
    asked = begun.requests[0].id
    desk.by(step, TALK, begun.state, Generated(asked, "Hi."))
    desk.by(step, TALK, begun.state, "Hi.")
    desk.by(lambda: str(perform(Ports(_ahi))(begun.requests[0]).observation.failure))
    desk.by(bounded(_never, 0.001), None)
    told = Rules(users.scripted(["Hello.", "Still there?"]), None)
    budget = Budget(seconds=1e-9)
    desk.by(lambda: _why(converse_all([CASE], told, Ports(hi), budget=budget)))
    costly = Budget(tokens=1)
    desk.by(lambda: str(costly.used_up(convsim_fp.interpreters.Spent(1.5, 7), 0).detail))
    desk.by(lambda: str(Budget(cost=1).used_up(convsim_fp.interpreters.Spent(1.5, 7), 0).detail))


async def _ahi(request):
    return "Hi."


async def _never(request):
    await asyncio.sleep(60)


def _why(states) -> str:
    return "\n".join(f"{one.phase.reason}: {one.phase.detail}" for one in states)


def runs(desk) -> None:
    desk.by(converse_all, CASE, TALK, Ports(hi))
    desk.by(converse_all, [{"goal": "x"}, CASE, CASE], TALK, Ports(hi))
    desk.by(converse_all, [CASE], lambda case: "rules", Ports(hi))
    desk.by(converse_all, [CASE], lambda case: Rules("x", None), Ports(hi))
    desk.by(converse_all, [CASE], "rules", "ports", trials=0, concurrency=1.5, tracer=3)
    desk.by(converse_all, [CASE], TALK, Ports(hi), sink=_ahi)
    desk.by(lambda: _why(converse_all([CASE], TALK, lambda session: "ports")))
    desk.by(lambda: _why(converse_all([CASE], TALK, lambda session: {}["shop"])))
    desk.by(_stopped_by_ctrl_c)
    desk.by(lambda: str(RunCancelled(())))
    desk.by(lambda: str(ConversationCancelled(start(TALK, CASE).state)))


def _stopped_by_ctrl_c() -> None:
    def interrupted(request):
        raise KeyboardInterrupt

    converse(TALK, start(TALK, CASE), perform(Ports(interrupted)))


def tracers(desk) -> None:
    request = start(TALK, CASE).requests[0]

    @contextmanager
    def deaf(request):
        yield lambda observed: 1 / 0

    @contextmanager
    def tired(request):
        yield lambda observed: None
        raise ValueError("no room")

    for tracer in (lambda request: nullcontext(1 / 0), deaf, tired):
        desk.by(traced(perform(Ports(hi)), tracer), request)


TRIGGERS = {
    "Values that no conversation can have": values,
    "How conversations end": endings,
    "Driving a conversation by hand": driving,
    "Runs of several": runs,
    "Tracers that fail": tracers,
}
