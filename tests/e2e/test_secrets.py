"""A key stands in no file of a run, in no log and in no message, however it came there."""

import json
import stat
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import pytest

CANARY = "sk-canary/7+x=="
QUOTED = quote(CANARY, safe="")
TRACES = ("canary", "sk-can", b64encode(f"me:{CANARY}".encode()).decode())

LEAKY = '''
import asyncio
import logging
import os
import sys

from convsim_fp.core import Ask, Leave, Say, Verdict
from convsim_fp.errors import Unauthorized

KEY = os.environ["SHOP_API_KEY"]
logging.basicConfig(level=logging.DEBUG, filename=os.environ.get("LOGGED"))


class Stop(BaseException):
    pass


async def agent(messages):
    """Gives its key away, in all the ways in which a function can end."""
    said = messages[-1]["content"]
    if "raise" in said:
        raise RuntimeError(f"bad key {KEY}")
    if "quote" in said:
        raise KeyError(KEY)
    if "cut" in said:
        raise RuntimeError("x" * 1970 + f" bad {KEY}")
    if "chain" in said:
        try:
            raise RuntimeError(KEY)
        except RuntimeError as error:
            raise ValueError(f"because of {error!r}") from error
    if "exit" in said:
        sys.exit(f"bad key {KEY}")
    if "odd" in said:
        return 7, KEY
    if "lose" in said:
        lost = asyncio.create_task(fails())
        await asyncio.sleep(0.01)
        del lost
    return "There."


async def fails():
    raise RuntimeError(f"bad key {KEY}")


def stops(messages):
    raise Stop(f"bad key {KEY}")


class Made:
    def __init__(self):
        raise RuntimeError(f"made with {KEY}")

    def __call__(self, messages):
        return "There."


def model(request):
    if request.case.id == "odd":
        return {"key": KEY}
    if request.case.id == "refused":
        raise Unauthorized(f"bad key {KEY}")
    raise RuntimeError(f"bad key {KEY}")


def user(view):
    match view.case.id:
        case "leaves":
            return Leave(f"with {KEY}")
        case "raises":
            raise RuntimeError(f"bad key {KEY}")
        case "asks":
            reply = yield Ask(KEY)
        case _:
            return Say("Hello.")


def check(view):
    if view.case.id == "raises":
        raise RuntimeError(f"bad key {KEY}")
    if view.case.id == "odd":
        return KEY
    return Verdict(view.case.id == "good", f"seen {KEY}", failed=view.case.id == "failed")
'''
AGENTS_CASES = ("raise", "quote", "cut", "chain", "exit", "odd", "lose")


def case(name: str, **more: object) -> dict[str, object]:
    return {"id": name, "goal": "x", "script": [f"{name}, please."], "goal_when": "never", **more}


@pytest.fixture
def clean(here: Path, convsim) -> Callable[..., tuple]:
    """Run the command with a key in its environment, and look for it wherever it may be."""
    (here / "leaky.py").write_text(LEAKY)

    def run(*words: object, cases: object = (case("plain"),), **more: str):
        (here / "cases.json").write_text(json.dumps(list(cases)))
        found = ("cases.json",) if words[0] == "run" else ()
        told = {"SHOP_API_KEY": CANARY} | more
        ran = convsim(words[0], *found, *words[1:], **told)
        look(ran.out, "standard output")
        look(ran.err, "standard error")
        for file in here.rglob("*"):
            if file.is_file() and "__pycache__" not in file.parts:
                look(file.read_text("latin-1"), str(file))
        files = [file for file in (here / "run").rglob("*") if file.is_file()]
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} <= {0o600}
        return ran, records(here / "run")

    return run


def look(text: str, where: str) -> None:
    for line in text.splitlines():
        assert not any(trace in line for trace in TRACES), f"{where}: {line:.500}"


def records(directory: Path) -> dict[str, dict]:
    file = directory / "results.jsonl"
    lines = file.read_text().splitlines() if file.exists() else ()
    return {one["case_id"]: one for one in map(json.loads, lines)}


def test_a_key_in_what_an_agent_raises(clean) -> None:
    cases = [case(name) for name in AGENTS_CASES]
    ran, told = clean("run", "--agent=leaky:agent", "--out=run", cases=cases)
    assert ran.code == 3
    assert told["raise"]["detail"] == "agent_error: RuntimeError: bad key (secret)"
    assert told["quote"]["detail"] == "agent_error: KeyError: '(secret)'"
    assert told["cut"]["detail"].endswith("x bad (secret)")
    assert told["chain"]["detail"].startswith("agent_error: ValueError: because of Runtime")
    assert told["exit"]["detail"] == "agent_error: SystemExit: bad key (secret)"
    assert told["odd"]["stop_reason"] == "agent_failed"
    assert told["lose"]["stop_reason"] == "user_left"
    for words in (["show", "run"], ["replay", "run"], ["resume", "run"], ["fork", "run", "lose"]):
        clean(*words, *(["--at-turn=1", "--out=forked"] if words[0] == "fork" else []))


def test_a_key_in_what_a_lost_task_raises_is_not_logged(clean, here) -> None:
    ran, _ = clean(
        "run", "--agent=leaky:agent", "--out=run", cases=[case("lose")], LOGGED="run.log"
    )
    assert ran.code == 0
    assert "RuntimeError: bad key (secret)" in (here / "run.log").read_text()


def test_a_key_in_what_makes_an_agent(clean) -> None:
    ran, told = clean("run", "--agent=leaky:Made", "--out=run")
    assert ran.code == 3
    assert "made with (secret)" in told["plain"]["detail"]


def test_a_key_in_what_ends_the_command(clean) -> None:
    ran, _ = clean("run", "--agent=leaky:stops", "--out=run")
    assert ran.code == 3
    assert "leaky.Stop: bad key (secret)" in ran.err


def test_a_key_in_what_a_user_raises_or_says_why(clean) -> None:
    cases = [case(name) for name in ("leaves", "raises")]
    ran, told = clean("run", "--agent=leaky:agent", "--user=leaky:user", "--out=run", cases=cases)
    assert ran.code == 3
    assert told["leaves"]["detail"] == "with (secret)"
    assert "bad key (secret)" in told["raises"]["detail"]


def test_a_key_in_what_a_goal_check_raises_or_says_why(clean) -> None:
    cases = [case(name) for name in ("raises", "odd", "good", "bad", "failed")]
    words = ("--agent=leaky:agent", "--goal-check=leaky:check", "--out=run")
    ran, told = clean("run", *words, cases=cases)
    assert ran.code == 3
    assert "bad key (secret)" in told["raises"]["detail"]
    assert told["good"]["verdict"]["rationale"] == "seen (secret)"
    assert told["bad"]["verdict"]["rationale"] == "seen (secret)"


def test_a_key_in_what_a_model_raises(clean) -> None:
    cases = [case(name) for name in ("raises", "odd", "refused")]
    words = ("--user=model", "--user-model=leaky:model", "--retries=1", "--out=run")
    ran, told = clean("run", "--agent=leaky:agent", *words, cases=cases)
    assert ran.code == 3
    assert {one["stop_reason"] for one in told.values()} == {"user_failed"}
    assert told["refused"]["detail"] == "unauthorized: bad key (secret)"


def test_a_key_in_what_an_import_raises(clean, here) -> None:
    (here / "broken.py").write_text("import os\nraise ValueError(os.environ['SHOP_API_KEY'])\n")
    ran, _ = clean("run", "--agent=broken:agent", "--user=broken:user", "--out=run")
    assert ran.code == 2
    assert ran.err.count("cannot be imported: ValueError: (secret)") == 2


@pytest.mark.parametrize(
    "words",
    [
        ("--agent=http://me:{quoted}@127.0.0.1:9/v1?t={quoted}", "--agent-param=tenant={key}"),
        ("--agent=http://me:{key}@127.0.0.1:9/v1?token={key}",),
        ("--agent=http://me:{key}@127.0.0.1:99999/v1?token={key}",),
        ("--agent=http://me:{key}@[oops/v1?token={key}",),
        ("--agent=leaky:agent", "--agent-param=tenant={key}"),
        ("--agent=leaky:agent", "--user-param=api_key {key}"),
        ("--agent=leaky:agent", "--user-param=api_key={key}", "--user-param=api_key={key}"),
        ("--agent=leaky:agent", "--user-model=leaky:model", "--user-param=api_key={key}"),
        ("--agent=http://127.0.0.1:9/v1", "--agent-param=messages={key}"),
    ],
)
def test_a_key_in_what_is_refused(clean, words) -> None:
    ran, _ = clean("run", *(word.format(key=CANARY, quoted=QUOTED) for word in words), "--out=run")
    assert ran.code in (2, 3)
    assert "Traceback" not in ran.err


def test_a_key_that_an_agent_behind_a_url_gives_back(clean, here, loopback) -> None:
    loopback.faults = ["echo"] * 2
    place = loopback.url.removeprefix("http://")
    words = (f"--agent=http://me:{QUOTED}@{place}?token={QUOTED}", f"--agent-param=tenant={CANARY}")
    ran, told = clean("run", *words, "--out=run", cases=[case("a"), case("b")])
    assert ran.code == 3
    assert "Authorization=Basic (secret)" in told["a"]["detail"]
    assert loopback.seen[0].body["tenant"] == CANARY
    ran, _ = clean("resume", "run", "--retry=failed")
    assert ran.code == 2
    assert "agent was not written down, since it may be secret; give it again" in ran.err
    assert "agent_params.tenant was not written down" in ran.err
    ran, told = clean("resume", "run", "--retry=failed", *words)
    assert (ran.code, told["b"]["stop_reason"]) == (0, "user_left")


def test_a_key_that_litellm_logs_and_a_provider_gives_back(clean, here, loopback) -> None:
    loopback.faults = [None, "echo"]
    ran, told = clean(
        *("run", "--agent=leaky:agent", "--user=model", "--goal-check=model", "--out=run"),
        *("--user-model=openai/gpt-4o-mini", f"--user-param=api_base={loopback.base}"),
        "--client=litellm",
        f'--user-param=extra_headers={{"X-Tenant": "Token {CANARY}"}}',
        f"--goal-param=api_key={CANARY}",
        cases=[case("a"), case("b")],
        LITELLM_LOG="DEBUG",
        OPENAI_API_KEY=CANARY,
        LOGGED="run.log",
    )
    assert ran.code == 3
    assert "Authorization=Bearer (secret)" in "".join(one["detail"] for one in told.values())
    sent = {name.lower(): value for name, value in loopback.seen[0].headers.items()}
    assert sent["x-tenant"] == f"Token {CANARY}"
    for log in ((here / "run.log").read_text(), ran.err):
        assert "LiteLLM" in log
        assert "{'X-Tenant': 'Token (secret)'}" in log
