"""The direct client: what it sends, how it keeps connections, what it asks for before a call."""

import asyncio
import socket
import subprocess
import sys

import pytest

from convsim_adapters.openai_http import openai_client, openai_model
from convsim_fp.errors import (
    InvalidSpec,
    MalformedReply,
    PortError,
    RateLimited,
    Refused,
    Unauthorized,
    Unavailable,
)
from convsim_fp.interpreters import Reply

NAME = "openai/gpt-4o-mini"
CANARY = "sk-canary-0123456789"
TOOL = {"type": "function", "function": {"name": "look_up", "parameters": {"type": "object"}}}


@pytest.fixture(autouse=True)
def no_environment(monkeypatch) -> None:
    for name in ("OPENAI_API_BASE", "OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)


def made(loopback, name=NAME, timeout=30.0, **params):
    return openai_model(name, params={"api_base": loopback.base, **params}, timeout=timeout)


def asked(model, *requests):
    """The answers to requests that are made one after the other, or the errors in their place."""

    async def run():
        async with openai_client():
            return [await one(model, request) for request in requests]

    return asyncio.run(run())


async def one(model, request):
    try:
        return await model(request)
    except PortError as error:
        return error


def test_a_connection_is_kept_from_call_to_call_and_shared_by_models(
    loopback, users_request
) -> None:
    user, judge = made(loopback), made(loopback, "openai/gpt-4o")

    async def run():
        async with openai_client(), openai_client():  # the user's and the judge's
            for model in (user, judge, user):
                await model(users_request)

    asyncio.run(run())
    assert len({seen.connection for seen in loopback.seen}) == 1
    assert [seen.body["model"] for seen in loopback.seen] == [
        "gpt-4o-mini",
        "gpt-4o",
        "gpt-4o-mini",
    ]


def test_blocks_of_one_loop_that_overlap_do_not_close_one_another(loopback, users_request) -> None:
    model = made(loopback)

    async def run():
        first, second = openai_client(), openai_client()
        await first.__aenter__()
        await second.__aenter__()
        loopback.latency = 0.05
        under_way = asyncio.create_task(model(users_request))
        await asyncio.sleep(0.01)
        await first.__aexit__(None, None, None)
        reply = await under_way
        await second.__aexit__(None, None, None)
        return reply

    assert isinstance(asyncio.run(run()), Reply)


def test_without_a_block_each_call_has_a_connection_of_its_own(loopback, users_request) -> None:
    model = made(loopback)
    for _ in range(2):  # each in a loop of its own; a socket left open warns, which is an error
        assert isinstance(asyncio.run(one(model, users_request)), Reply)
    assert len({seen.connection for seen in loopback.seen}) == 2


def test_hundreds_of_calls_are_under_way_at_once(loopback, users_request) -> None:
    model, loopback.keep = made(loopback, timeout=60.0), False
    loopback.faults = ["hang"] * 300

    async def run():
        async with openai_client():
            calls = [asyncio.create_task(one(model, users_request)) for _ in range(300)]
            # The server is in another thread, so that there is no event to wait for.
            while loopback.count < 300 and not any(call.done() for call in calls):  # noqa: ASYNC110
                await asyncio.sleep(0.001)
            for call in calls:
                call.cancel()
            return await asyncio.gather(*calls, return_exceptions=True)

    answers = asyncio.run(run())
    assert loopback.count == 300
    assert {type(answer) for answer in answers} == {asyncio.CancelledError}


def test_all_other_parameters_are_fields_of_the_body(loopback, users_request) -> None:
    told = {"tools": [TOOL], "tool_choice": "none", "top_k": 5, "seed": 7}
    headers = {"X-Tenant": "shop"}
    model = made(loopback, **told, organization="org-1", extra_headers=headers)
    [reply] = asked(model, users_request)
    [seen] = loopback.seen
    assert isinstance(reply, Reply)
    assert {name: seen.body[name] for name in told} == told
    assert seen.body.keys() == {"messages", "model", *told}
    assert (seen.headers["X-Tenant"], seen.headers["OpenAI-Organization"]) == ("shop", "org-1")
    assert "Authorization" not in seen.headers  # a server of one's own needs no key


def test_an_address_is_a_name_whose_model_is_a_parameter(loopback, users_request) -> None:
    loopback.faults = [None, "404"]
    model = openai_model(loopback.base, params={"model": "llama", "temperature": 0})
    reply, error = asked(model, users_request, users_request)
    assert isinstance(reply, Reply)
    assert (loopback.seen[0].body["model"], loopback.seen[0].body["temperature"]) == ("llama", 0)
    assert str(error) == f"llama at {loopback.base}: 404: The model does not exist."


def test_a_user_in_the_address_is_who_asks_and_stands_in_no_message(
    loopback, users_request, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    loopback.faults = ["echo"]
    base = loopback.base.replace("http://", "http://me:pass%20word@")
    [error] = asked(openai_model(NAME, params={"api_base": base}), users_request)
    assert loopback.seen[0].headers["Authorization"] == "Basic bWU6cGFzcyB3b3Jk"
    assert "Authorization=Basic (secret)" in str(error)


def test_a_redirect_is_not_followed(loopback, users_request) -> None:
    loopback.faults = ["redirect"]
    [error] = asked(made(loopback), users_request)
    assert type(error) is Refused
    assert "307: redirects are not followed; give the address itself" in str(error)


def test_every_good_status_is_good(loopback, users_request) -> None:
    loopback.faults = ["created"]
    [reply] = asked(made(loopback), users_request)
    assert reply.text == "Hello there."


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        (
            "choices text",
            MalformedReply,
            "the answer has no choices, expected a chat completion; look at the address",
        ),
        ("content number", MalformedReply, "the answer's content is no text"),
        ("json list", Unavailable, "the answer is no JSON object: [1]"),
        ("empty", Unavailable, "the answer is no JSON object: nothing"),
        ("endless", MalformedReply, "the answer has more than 64 MB"),
    ],
)
def test_an_answer_of_another_form_is_told_from_a_good_one(
    loopback, users_request, fault, kind, said
) -> None:
    loopback.faults = [fault]
    [error] = asked(made(loopback), users_request)
    assert type(error) is kind
    assert str(error) == f"{NAME}: {said}"


def test_nobody_there_is_worth_another_attempt(users_request) -> None:
    with socket.socket() as taken:  # bound, and nobody listens
        taken.bind(("127.0.0.1", 0))
        base = f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
        [error] = asked(openai_model(NAME, params={"api_base": base}), users_request)
    assert type(error) is Unavailable


def test_of_content_in_parts_the_text_is_taken(loopback, users_request) -> None:
    loopback.faults = ["content parts"]
    [reply] = asked(made(loopback), users_request)
    assert reply.text == "Hello."


@pytest.mark.parametrize(
    ("fault", "kind"), [("429 pieces", Unauthorized), ("200 error text", RateLimited)]
)
def test_an_error_is_sorted_by_all_that_it_says(loopback, users_request, fault, kind) -> None:
    """Also where it comes in pieces, or its code is text."""
    loopback.faults = [fault]
    [error] = asked(made(loopback), users_request)
    assert type(error) is kind


@pytest.mark.parametrize("scheme", ["http://", "HTTP://", ""])
def test_the_environments_proxy_is_used(loopback, users_request, monkeypatch, scheme) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    place = loopback.base.removesuffix("/v1").removeprefix("http://")
    monkeypatch.setenv("http_proxy", scheme + place)
    model = openai_model(NAME, params={"api_base": "http://model.invalid/v1"})
    monkeypatch.setenv("no_proxy", "model.invalid:80,elsewhere.invalid")
    direct = openai_model(NAME, params={"api_base": "http://model.invalid:80/v1"})
    [reply] = asked(model, users_request)
    [error] = asked(direct, users_request)
    assert isinstance(reply, Reply)
    assert loopback.seen[0].headers["Host"] == "model.invalid"
    assert type(error) is Unavailable
    monkeypatch.setenv("https_proxy", "socks5://127.0.0.1:9")
    with pytest.raises(InvalidSpec, match="is not reached through a proxy that does not speak"):
        openai_model(NAME, params={"api_key": CANARY})


def test_neither_litellm_nor_openai_is_imported_for_it(loopback) -> None:
    code = (
        "import sys; from convsim_adapters import simulate\n"
        "run = simulate([{'goal': 'x'}], lambda messages: 'Yes.', save=False, max_turns=1,\n"
        "    user_model='openai/gpt-4o-mini', user_params={'api_base': sys.argv[1]})\n"
        "print(run.usage.cost > 0, {'litellm', 'openai', 'pydantic'} & sys.modules.keys())"
    )
    words = [sys.executable, "-W", "error", "-c", code, loopback.base]
    ran = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (ran.stdout, ran.stderr) == ("True set()\n", "")
