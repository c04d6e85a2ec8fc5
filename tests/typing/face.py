"""What a type checker has to see of the public surface: checked, never run."""

from collections.abc import Generator
from pathlib import Path
from typing import assert_type

import convsim_fp
from convsim_adapters import Run, as_agent, ports_per_session, simulate
from convsim_fp import (
    AgentReplied,
    AgentReply,
    Ask,
    CallAgent,
    CallUser,
    Generate,
    Generated,
    Leave,
    Ports,
    Prompt,
    Reply,
    Rules,
    Satisfied,
    Say,
    State,
    Step,
    Stopped,
    StopReason,
    TestCase,
    Verdict,
    View,
    aconverse_all,
    converse,
    converse_all,
    goals,
    perform,
    read_cases,
    start,
    state_from_json,
    step,
    users,
)
from convsim_fp.interpreters import Agent, PortsOf

assert_type(convsim_fp.__name__, str)


def plain_user(view: View) -> Say:
    return Say(view.case.goal, memo={"said": [view.turn]})


def asking_user(view: View) -> Generator[Ask, str, Say | Leave]:
    prompt = Prompt("user", "You want shoes.", view.transcript, "Your next message?")
    reply = yield Ask(prompt)
    assert_type(reply, str)
    return Say(reply) if reply else Leave("lost for words")


def plain_check(view: View) -> Verdict:
    return Verdict(achieved=view.turn == 2, rationale="the second turn")


def agent(request: CallAgent) -> AgentReply:
    return AgentReply(request.transcript[-1].text.upper())


async def model(request: Generate) -> Reply:
    return Reply(request.messages[0].content)


def own_runner(rules: Rules, case: TestCase) -> State:
    now = start(rules, case)
    assert_type(now, Step)
    while now.requests:
        request = now.requests[0]
        match request:
            case CallAgent():
                now = step(rules, now.state, AgentReplied(request.id, "Soon."))
            case Generate() | CallUser():
                now = step(rules, now.state, Generated(request.id, "Where is it?"))
    return now.state


both = (
    Rules(plain_user, plain_check),
    Rules(asking_user, goals.any_of(plain_check, goals.when("done"), goals.prompted())),
    Rules(users.first(1, plain_user).then(asking_user), None),
    Rules(users.screened(users.by_user(), lambda view, text: None), goals.never),
)
ports = Ports(agent=agent, user_model=model)
cases = read_cases([{"goal": "return the red shoes"}])
assert_type(cases, tuple[TestCase, ...])
assert_type(converse(both[0], start(both[0], cases[0]), perform(ports)), State)
assert_type(converse_all(cases, lambda case: both[0], lambda session: ports), tuple[State, ...])


class Clerk:
    async def __call__(self, messages: list[dict[str, str]], *, order: str) -> dict[str, str]:
        return {"role": "assistant", "content": f"{order} after {len(messages)}"}


async def hired(session_id: str) -> Clerk:
    return Clerk()


assert_type(as_agent(Clerk()), Agent)
assert_type(ports_per_session(Clerk), PortsOf)
own_ports = ports_per_session(hired, user_model=model, goal_model=model)
assert_type(converse_all(cases, both[0], Ports(as_agent(Clerk()))), tuple[State, ...])
assert_type(converse_all(cases, both[0], own_ports), tuple[State, ...])


async def run() -> None:
    assert_type(await aconverse_all(cases, both[1], ports, trials=2), tuple[State, ...])


end = state_from_json("{}").phase
if isinstance(end, Stopped):
    assert_type(end.reason, StopReason)
    assert_type(end.turns, int)
assert_type(Satisfied("done").why, str)


def yes(messages: list[dict[str, str]]) -> str:
    return f"Yes? That makes {len(messages)}."


def front_door() -> None:
    """Everything that the command can be told, typed."""
    run = simulate(
        [TestCase(goal="a refund"), {"goal": "a refund"}],
        yes,
        user="by-user",
        user_model=model,
        goal_check=goals.when("refunded"),
        goal_model="openai/gpt-5-mini",
        goal_params={"temperature": 0},
        on_goal_check_failure="continue",
        trials=2,
        overlap=False,
        max_cost=1.5,
        format="auto",
        select=["tag:money"],
        out=Path("runs") / "first",
        finished=lambda result: result.turns,
    )
    assert_type(run, Run)
    assert_type(run.sessions[0].usage.cost, float | None)
    assert_type(run.sessions[0].stop_reason, StopReason)
    assert_type(run.exit_code(fail_under=0.9), int)
    simulate("cases.yaml", "shop:agent", format="xml")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    simulate(["a.yaml", Path("b.csv")], "http://127.0.0.1:8000/v1", agent_params={"model": "x"})
