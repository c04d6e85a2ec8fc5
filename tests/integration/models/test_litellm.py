"""What only litellm does; what it has in common with the direct client is in test_models.py."""

import asyncio
import os
import subprocess
import sys

import pytest

from convsim_adapters.litellm import litellm_client, litellm_model, price_known
from convsim_fp.errors import InvalidSpec

CANARY = "sk-canary-0123456789"


def test_it_says_whether_it_knows_a_price() -> None:
    assert price_known("openai/gpt-4o-mini")
    assert price_known("openai:/gpt-4o-mini")
    assert not price_known("openai/nobodys-model")


def test_what_litellm_itself_rejects_is_no_request(loopback, users_request) -> None:
    params = {"api_base": loopback.base, "api_key": CANARY, "temperature": 0.2}
    model = litellm_model("openai/gpt-5-mini", params=params)

    async def run():
        async with litellm_client():
            return await model(users_request)

    reply = asyncio.run(run())
    assert "temperature" not in loopback.seen[0].body
    assert (loopback.count, reply.facts.attempts) == (1, 1)
    assert len(reply.facts.errors) == 1


QUIET = """
import asyncio, logging, sys
logging.basicConfig(level=logging.INFO)
from convsim_adapters.litellm import litellm_client, litellm_model
from convsim_fp import Rules, TestCase, start, users
model = litellm_model("openai/gpt-4o-mini", params={"api_base": sys.argv[1], "api_key": "none"})
async def run():
    async with litellm_client():
        await model(start(Rules(users.prompted(), None), TestCase(goal="x")).requests[0])
asyncio.run(run())
"""


def test_nothing_is_printed_and_no_line_logged_twice(loopback) -> None:
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", QUIET, loopback.base],
        capture_output=True,
        text=True,
        check=True,
        env={k: v for k, v in os.environ.items() if k != "LITELLM_LOG"},
    )
    assert ran.stdout == ""
    assert ran.stderr.count("LiteLLM completion()") <= 1


def test_a_name_that_nobody_knows_is_refused_before_the_first_call() -> None:
    with pytest.raises(InvalidSpec, match="is no name that litellm knows; write PROVIDER/MODEL"):
        litellm_model("frobnicate", params={"api_key": CANARY})
