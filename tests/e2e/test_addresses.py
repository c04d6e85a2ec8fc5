"""The command with a model that is an address: run, gone on with, forked, asked directly."""

import json

AGENT = "--agent=agents:shop"


def test_a_run_at_an_address_goes_on_there(convsim, here, loopback) -> None:
    """The judge too, which is the user's model and is reached at its address."""
    (here / "cases.json").write_text(json.dumps([{"id": "a", "goal": "get a refund"}]))
    model = (f"--user-model={loopback.base}", "--user-param=model=gpt-4o-mini")
    loopback.faults = [None, "401"]
    ran = convsim("run", "cases.json", AGENT, *model, "--max-turns=1", "--no-overlap", "--out=run")
    assert ran.code == 3
    assert f"gpt-4o-mini at {loopback.base}: 401: Incorrect API key provided." in ran.out
    ran = convsim("resume", "run", "--retry=failed")
    assert ran.code == 0, ran.err
    assert "$" in ran.out + ran.err  # it is priced without litellm's client
    assert {seen.body["model"] for seen in loopback.seen} == {"gpt-4o-mini"}
    assert len(loopback.seen) == 3
    assert convsim("fork", "run", "a", "--at-turn=1", "--client=litellm").code == 2
    assert convsim("fork", "run", "a", "--at-turn=1").code == 0
