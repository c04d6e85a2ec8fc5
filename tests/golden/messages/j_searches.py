"""What is said of runs that lack something, of other processes, and of searches."""

import asyncio
import os
import runpy
from pathlib import Path

import convsim_adapters
from convsim_adapters import (
    SessionResult,
    Usage,
    find_conversation,
    fork_run,
    resume_run,
    simulate,
    write_report,
)
from convsim_adapters.running.jobs import settings_to_hand_on
from convsim_adapters.running.plans import Settings, make_plan
from convsim_adapters.vendors import import_vendor
from convsim_fp import Ports, TestCase, goals, start, users
from convsim_fp.core import Rules
from convsim_fp.testing.finding import Search, search_conversations

RUNS = runpy.run_path(str(Path(__file__).with_name("g_runs.py")))
hi = RUNS["hi"]
SCRIPTED = RUNS["SCRIPTED"]


_user = lambda view: users.scripted(["Hi."])(view)  # noqa: E731, PLW0108  what has no name


def again(desk) -> None:
    own = {"user": _user, "goal_check": goals.never}
    desk.by(simulate, SCRIPTED, hi, out="own", **own)
    desk.by(resume_run, "own")
    desk.by(fork_run, "own", "pay", at_turn=1)
    secret = {"user_model": "http://127.0.0.1:9/v1", "user_params": {"model": "x", "api_key": "sk"}}
    desk.by(simulate, SCRIPTED, hi, out="secret", **secret)
    desk.by(resume_run, "secret")
    desk.by(fork_run, "own", "nobody", at_turn=1, **own)
    run = simulate(SCRIPTED, hi, save=False)
    desk.by(write_report, run)
    os.mkfifo("pipe")
    desk.by(write_report, "own", out="pipe")
    desk.by(run.to_frame, by="turns")
    desk.by(run.exit_code, 90)
    desk.by(simulate, [{**SCRIPTED[0], "gaol_when": "x"}], hi, save=False)
    begun = start(Rules(users.scripted(["Hi."]), None), TestCase(goal="pay"))
    desk.by(SessionResult.of, begun.state, Usage(), 0.0)
    desk.by(getattr, convsim_adapters, "simulation")
    desk.by(import_vendor, "nothing_of_the_kind", extra="cli")


def handing_on(desk) -> None:
    plan = make_plan(SCRIPTED, lambda messages: "Hi.", Settings(user=_user, processes=2))
    desk.by(settings_to_hand_on, plan)


def searching(desk) -> None:
    desk.by(find_conversation, hi, [], violates=bool)
    desk.by(find_conversation, hi, [{"goal": "pay"}], user="scripted", violates=bool)
    desk.by(search_conversations, [], Ports(hi), Search(violates=bool))
    odd = {
        "violates": 7,
        "user": "scriptd",
        "phrases": "Hi.",
        "personas": [7],
        "user_model": "gpt",
        "timeout": 0,
        "max_turns": 0,
        "recorded": [7],
    }
    desk.by(find_conversation, hi, SCRIPTED, **odd)
    desk.by(find_conversation, hi, SCRIPTED, violates=bool, recorded=7)

    async def violates(state):
        return True

    desk.by(find_conversation, hi, SCRIPTED, violates=violates)
    desk.by(find_conversation, hi, SCRIPTED, violates=lambda state: (one for one in ()))
    desk.by(find_conversation, lambda messages: 1 / 0, SCRIPTED, violates=_never, max_examples=3)
    desk.by(find_conversation, _late, SCRIPTED, violates=_never, max_examples=1, timeout=0.01)
    replies = iter(range(10**9))

    def flaky(messages):
        return f"Reply {next(replies)}."

    desk.by(find_conversation, flaky, SCRIPTED, violates=_seventh, max_examples=9)


async def _late(messages):
    await asyncio.sleep(9)


def _never(state):
    return False


def _seventh(state):
    return "7" in str(state.transcript)


TRIGGERS = {
    "Runs that lack something": again,
    "What no other process finds": handing_on,
    "Searches": searching,
}
