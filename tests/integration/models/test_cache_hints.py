"""What goes over the wire so that providers find a prompt's beginning in their caches."""

import asyncio
import json
import re
from itertools import pairwise
from pathlib import Path

import loopback_server
import pytest
from aiohttp import web
from attrs import Factory, define

from convsim_adapters import simulate
from convsim_adapters.cache_hints import cache_key
from convsim_adapters.case_files import load_cases
from convsim_adapters.litellm import litellm_client, litellm_model
from convsim_adapters.openai_http import openai_client, openai_model
from convsim_fp.interpreters import Reply

TASKS = Path(__file__).parents[4] / "shared" / "data" / "tau2" / "retail_tasks.json"
CANARY = "sk-canary-0123456789"
EXPLICIT = {"mode": "explicit"}
QUESTION = re.compile(r'(, ?\{"type": ?"text", ?"text": ?")?(\\n\\n)You are the (user|judge)\.')

needs_tasks = pytest.mark.skipif(
    not TASKS.exists(),
    reason="the tau2-bench tasks are not at ../shared/data/tau2; they are not part of this project",
)


@define
class Recording(loopback_server.Loopback):
    """Keeps the bytes that come in; answers 400 to those that have `refused` in them."""

    raw: list[bytes] = Factory(list)
    refused: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        came = await request.read()
        self.raw.append(came)
        if self.refused and self.refused.encode() in came:
            self.count += 1
            said = {"error": {"message": f"{self.refused}: Extra inputs are not permitted"}}
            return web.json_response(said, status=400)
        return await self.answer(request)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        return await loopback_server.Loopback.handle(self, request)


@define
class Anthropic(Recording):
    """Speaks Anthropic's protocol, as one does whose cache had some of the prompt."""

    async def answer(self, request: web.Request) -> web.StreamResponse:
        usage = {
            "input_tokens": 10,
            "cache_creation_input_tokens": 100,
            "cache_read_input_tokens": 1_000,
            "output_tokens": 5,
        }
        question = json.loads(self.raw[-1])["messages"][-1]["content"][-1]["text"]
        text = self.talk({"messages": [{"content": question}]})
        told = {"id": "m", "type": "message", "role": "assistant", "model": "claude-sonnet-4-5"}
        content = [{"type": "text", "text": text}]
        whole = {**told, "content": content, "stop_reason": "end_turn", "usage": usage}
        return web.json_response(whole)


@pytest.fixture
def openai(monkeypatch):
    """A server that is reached as OpenAI's own would be."""
    for name in ("no_proxy", "NO_PROXY", "OPENAI_BASE_URL", "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    with loopback_server.serving(Recording(talk=loopback_server.never)) as served:
        monkeypatch.setenv("http_proxy", served.base.removesuffix("/v1"))
        yield served


@pytest.fixture
def anthropic(monkeypatch):
    monkeypatch.setattr(loopback_server, "PATH", "/v1/messages")
    with loopback_server.serving(Anthropic()) as served:
        yield served


OPENAIS = {"api_base": "http://api.openai.com/v1"}


def asked_directly(name, request, **params):
    async def run():
        async with openai_client():
            return await openai_model(name, params={**OPENAIS, **params})(request)

    return asyncio.run(run())


def asked_claude(served, *requests, name="anthropic/claude-sonnet-4-5", **params):
    base = served.url.removesuffix("/v1/messages")
    model = litellm_model(name, params={"api_base": base, "api_key": CANARY, **params})

    async def run():
        async with litellm_client():
            return [await model(request) for request in requests]

    return asyncio.run(run())


def test_openai_gets_a_key_for_the_session_and_the_role(openai, users_request) -> None:
    asked_directly("openai/gpt-5-mini", users_request)
    [body] = map(json.loads, openai.raw)
    assert body["prompt_cache_key"] == cache_key(users_request)
    assert body["messages"] == [message.as_dict() for message in users_request.messages]
    assert body.keys() == {"messages", "model", "prompt_cache_key"}


def test_models_that_cache_at_marks_have_one_before_the_question(openai, judges_request) -> None:
    asked_directly("openai/gpt-5.6", judges_request)
    [body] = map(json.loads, openai.raw)
    assert body["prompt_cache_options"] == EXPLICIT
    stable, question = body["messages"][-1]["content"]
    assert stable["prompt_cache_breakpoint"] == EXPLICIT
    assert stable["text"].endswith("</agent>")
    assert question["text"].startswith("\n\nYou are the judge.")
    assert question.keys() == {"text", "type"}


def test_a_key_of_the_users_own_wins(openai, users_request) -> None:
    asked_directly("openai/gpt-5-mini", users_request, prompt_cache_key="mine")
    assert json.loads(openai.raw[0])["prompt_cache_key"] == "mine"


@pytest.mark.parametrize(
    "refused", ["prompt_cache_key", "prompt_cache_options", "prompt_cache_breakpoint"]
)
def test_an_endpoint_that_takes_no_hint_is_asked_without(
    openai, users_request, refused, caplog
) -> None:
    openai.refused = refused
    reply = asked_directly("openai/gpt-5.6", users_request)
    assert (openai.count, reply.facts.attempts) == (2, 2)
    assert json.loads(openai.raw[1]).keys() == {"messages", "model"}
    assert f"does not take '{refused}'; it is asked without it from now on" in caplog.text


def test_another_endpoint_gets_no_hint(loopback, users_request) -> None:
    asked_directly("openai/gpt-5.6", users_request, api_base=loopback.base)
    assert loopback.seen[0].body.keys() == {"messages", "model"}


def test_litellm_hands_on_the_hints_for_openai(openai, judges_request) -> None:
    model = litellm_model("openai/gpt-5.6", params={**OPENAIS, "api_key": CANARY})

    async def run():
        async with litellm_client():
            return await model(judges_request)

    assert isinstance(asyncio.run(run()), Reply)
    [body] = map(json.loads, openai.raw)
    assert body["prompt_cache_key"] == cache_key(judges_request)
    assert body["prompt_cache_options"] == EXPLICIT
    assert body["messages"][-1]["content"][0]["prompt_cache_breakpoint"] == EXPLICIT


def test_claude_gets_a_mark_before_the_question_and_its_cache_is_in_the_facts(
    anthropic, judges_request
) -> None:
    """Reads and writes have prices of their own: a tenth, and a quarter more."""
    [reply] = asked_claude(anthropic, judges_request)
    facts = reply.facts
    assert (facts.input_tokens, facts.cached_tokens, facts.output_tokens) == (1_110, 1_000, 5)
    assert facts.cost == pytest.approx(10 * 3e-6 + 100 * 3.75e-6 + 1_000 * 3e-7 + 5 * 1.5e-5)
    [body] = map(json.loads, anthropic.raw)
    stable, question = body["messages"][-1]["content"]
    assert stable["cache_control"] == {"type": "ephemeral"}
    assert stable["text"].endswith("</agent>")
    assert question == {"type": "text", "text": question["text"]}
    assert question["text"].startswith("\n\nYou are the judge.")


def test_a_gateway_that_takes_no_mark_is_asked_without(anthropic, users_request) -> None:
    anthropic.refused = "cache_control"
    reply, again = asked_claude(anthropic, users_request, users_request)
    assert (reply.facts.attempts, again.facts.attempts) == (2, 1)
    assert anthropic.count == 1


def test_whoever_sets_litellms_own_points_has_no_marks(anthropic, users_request) -> None:
    asked_claude(anthropic, users_request, cache_control_injection_points=[])
    assert b"cache_control" not in anthropic.raw[0]


def messages_of(raw: bytes) -> str:
    """The bytes of a request's messages, as they came in."""
    text = raw.decode()
    begin = text.index("[", text.index('"messages"'))
    _, end = json.JSONDecoder().raw_decode(text, begin)
    return text[begin:end]


def unmarked(messages: str) -> str:
    return re.sub(r', ?"cache_control": ?\{"type": ?"ephemeral"\}', "", messages)


def lasting(messages: str) -> str:
    """All up to the question that closes them."""
    *_, last = QUESTION.finditer(messages)
    return messages[: last.start()]


def wordy(messages) -> str:
    """An agent that says what has to be escaped, or might be taken for a question."""
    return f"Reply {len(messages)}: “so be it” <b>\n\nYou are the agent."


def check_prefixes(conversations) -> None:
    for conversation in conversations:
        assert len(conversation) > 1
        for before, after in pairwise(conversation):
            assert after.startswith(lasting(before))


@needs_tasks
@pytest.mark.parametrize("model", ["gpt-5-mini", "gpt-5.6"])
def test_the_bytes_of_real_scenarios_begin_as_the_turn_before(openai, model) -> None:
    """Of the user and of the judge, with marks and without, by the direct client."""
    simulate(
        load_cases([TASKS]).cases,
        wordy,
        user_model=f"openai/{model}",
        user_params=OPENAIS,
        max_turns=3,
        save=False,
    )
    by_key: dict[str, list[str]] = {}
    for raw in sorted(openai.raw, key=len):
        by_key.setdefault(json.loads(raw)["prompt_cache_key"], []).append(messages_of(raw))
    assert len(by_key) == 114 * 2
    check_prefixes(by_key.values())


@needs_tasks
@pytest.mark.parametrize(
    ("name", "path", "served"),
    [
        ("openai/gpt-5-mini", "/v1/chat/completions", Recording),
        ("anthropic/claude-sonnet-4-5", "/v1/messages", Anthropic),
    ],
)
def test_so_do_those_that_litellm_makes(name, path, served, monkeypatch) -> None:
    """Claude's are in Anthropic's own protocol; its marks, which move on, are no text."""
    monkeypatch.setattr(loopback_server, "PATH", path)
    with loopback_server.serving(served(talk=loopback_server.never)) as server:
        base = server.url.removesuffix("/chat/completions").removesuffix("/v1/messages")
        simulate(
            load_cases([TASKS]).cases[:20],
            wordy,
            user_model=name,
            user_params={"api_base": base, "api_key": CANARY},
            client="litellm",
            max_turns=3,
            save=False,
        )
    by_system: dict[str, list[str]] = {}
    for raw in sorted(server.raw, key=len):
        body = json.loads(raw)
        system = json.dumps(body.get("system") or body["messages"][0])
        by_system.setdefault(system, []).append(unmarked(messages_of(raw)))
    assert len(by_system) == 20 * 2
    check_prefixes(by_system.values())
