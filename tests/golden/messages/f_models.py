"""What is said of models: names, parameters, keys, and what their endpoints answer."""

import runpy
from pathlib import Path

from convsim_adapters.model_calls import spoken
from convsim_adapters.openai_http import openai_model
from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_adapters.running.models import choose_model
from convsim_fp import Generate, Prompt, TestCase
from convsim_fp.core import Lane, RequestId, Session
from convsim_fp.errors import RateLimited, Unavailable
from convsim_fp.interpreters import Facts

AGENTS = runpy.run_path(str(Path(__file__).with_name("e_agents.py")))
PROMPT = Prompt("user", "Be brief.", (), "Speak.")
ASKED = Generate(RequestId(1, Lane.USER), Session("refund/1"), TestCase(goal="pay"), PROMPT)
LOCAL = {"api_base": "http://127.0.0.1:9/v1"}


def names(desk) -> None:
    for name, params in (
        ("openai/", {}),
        ("openai/gpt-5-mini", {}),
        ("openai/gpt-5-mini", {"api_base": "nowhere"}),
        ("http://127.0.0.1:9/v1", {}),
        ("http://me:secret@127.0.0.1:9/v1?key=secret", {"model": "llama"}),
        ("http://127.0.0.1:9/v1", {"model": "llama", "api_base": "x"}),
        ("openai/llama", {**LOCAL, "messages": [], "n": 2, "stream": True}),
        ("openai/llama", {**LOCAL, "at": {1}, "drop_params": True, "extra_headers": "x"}),
        ("openai/llama", {**LOCAL, "extra_headers": {"X-Key": "a\nb", "X-Number": 7}}),
    ):
        desk.by(choose_model, name, "user_model", params=params, timeout=1, client="direct")
    desk.by(
        choose_model, "http://127.0.0.1:9/v1", "user_model", params={}, timeout=1, client="litellm"
    )
    desk.by(choose_model, "shop", "user_model", params={}, timeout=1, client="direct")
    desk.by(choose_model, 7, "user_model", params={}, timeout=1)
    desk.by(choose_model, str, "user_model", params={}, timeout=1)
    desk.by(choose_model, len, "user_model", params={"temperature": 1}, timeout=1)


def proxies(desk) -> None:
    import os

    os.environ["http_proxy"] = "socks5://127.0.0.1:9"
    try:
        desk.by(openai_model, "openai/x", params={"api_base": "http://example.test/v1"})
    finally:
        del os.environ["http_proxy"]


def answers(desk) -> None:
    with AGENTS["serving"]() as address:
        for path in AGENTS["ANSWERS"]:
            params = {"api_base": address + path, "temperature": 0.2}
            desk.by(
                _asked,
                openai_model("openai/llama", params=params, timeout=0.1 if path == "/slow" else 5),
            )
    desk.by(_asked, openai_model("openai/llama", params={"api_base": address}))
    desk.by(spoken, "x" * 2_000_000, Facts(), stopped="stop")


async def _asked(model) -> str:
    answered = await model(ASKED)
    return f"answered: {answered.text!r}"


def attempts(desk) -> None:
    policy = RetryPolicy(retries=2)

    def down(request):
        raise Unavailable("openai/llama: 503: no room")

    def later(request):
        raise RateLimited("openai/llama: 429: slow down", retry_after=3600)

    async def adown(request):
        raise Unavailable("openai/llama: 503: no room")

    async def at_once(seconds) -> None:
        """Let no time pass."""

    desk.by(with_retries(down, policy, sleep=lambda seconds: None), ASKED)
    desk.by(with_retries(later, policy, sleep=lambda seconds: None), ASKED)
    desk.by(with_retries(adown, policy, sleep=at_once), ASKED)


TRIGGERS = {
    "Names and parameters of models": names,
    "Proxies": proxies,
    "What a model's endpoint answers": answers,
    "Attempts that all fail": attempts,
}
