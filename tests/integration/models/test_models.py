"""Both clients of models against a real server: one request an attempt, every failure sorted."""

import asyncio
import logging
from contextlib import AbstractAsyncContextManager
from importlib.metadata import version

import pytest
from attrs import frozen

from convsim_adapters.litellm import litellm_client, litellm_model
from convsim_adapters.openai_http import openai_client, openai_model
from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_fp.errors import (
    ContextTooLong,
    InvalidSpec,
    MalformedReply,
    PortError,
    RateLimited,
    Refused,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from convsim_fp.interpreters import Facts, Model, Reply
from convsim_fp.testing import check_model

NAME = "openai/gpt-4o-mini"
CANARY = "sk-canary-0123456789"
PAID = Facts(
    input_tokens=90,
    output_tokens=10,
    cost=1.95e-05,
    price_source=f"litellm {version('litellm')}",
)

# the failure, what it is sorted as, whether it is worth another attempt
FAILURES = [
    ("200 error", RateLimited, True),
    ("400", Refused, False),
    ("400 context", ContextTooLong, False),
    ("401", Unauthorized, False),
    ("403", Unauthorized, False),
    ("404", Refused, False),
    ("408", TimedOut, True),
    ("409", Unavailable, True),
    ("413", ContextTooLong, False),
    ("425", Unavailable, True),
    ("429", RateLimited, True),
    ("429 after", RateLimited, True),
    ("429 date", RateLimited, True),
    ("429 later", RateLimited, False),  # it asks for an hour
    ("429 quota", Unauthorized, False),
    ("500", Unavailable, True),
    ("503", Unavailable, True),
    ("529", Unavailable, True),
    ("choices []", MalformedReply, False),
    ("content filter", Refused, False),
    ("cut body", Unavailable, True),
    ("cut json", Unavailable, True),
    ("echo", Unauthorized, False),
    ("empty", Unavailable, True),
    ("hang", TimedOut, True),
    ("html", Unavailable, True),
    ("huge", MalformedReply, False),
    ("reset", Unavailable, True),
]


@frozen
class Client:
    """One way to call models: what makes a port, and what keeps its connections."""

    model: type[Model]
    connections: type[AbstractAsyncContextManager[None]]

    def made(self, loopback, name=NAME, timeout=30.0, **params):
        told = {"api_base": loopback.base, "api_key": CANARY, **params}
        return self.model(name, params=told, timeout=timeout)

    def asked(self, model, *requests):
        """The answers to requests that are made at once, or the errors in their place."""

        async def run():
            async with self.connections():
                return await asyncio.gather(*map(model, requests), return_exceptions=True)

        return asyncio.run(run())


CLIENTS = {
    "direct": Client(openai_model, openai_client),
    "litellm": Client(litellm_model, litellm_client),
}


@pytest.fixture(params=CLIENTS)
def client(request) -> Client:
    return CLIENTS[request.param]


async def no_sleep(seconds):
    pass


@pytest.mark.parametrize(("fault", "kind", "worth_it"), FAILURES)
def test_a_failure_is_sorted_and_costs_exactly_its_attempts(
    client, loopback, users_request, fault, kind, worth_it
) -> None:
    timeout = 0.5 if fault == "hang" else 30.0
    loopback.faults = [fault]
    [error] = client.asked(client.made(loopback, timeout=timeout), users_request)
    assert type(error) is kind
    assert loopback.count == 1
    assert str(error).startswith(f"{NAME}: ")
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    assert CANARY not in repr(error) + str(error) + repr(error.facts)
    assert (error.facts.attempts, len(error.facts.errors)) == (1, 1)

    loopback.faults, loopback.count = [fault] * 9, 0
    retried = with_retries(
        client.made(loopback, timeout=timeout), RetryPolicy(retries=2), sleep=no_sleep
    )
    [error] = client.asked(retried, users_request)
    assert type(error) is kind
    assert loopback.count == error.facts.attempts == (3 if worth_it else 1)


@pytest.mark.parametrize("name", ["openai/gpt-4o-mini", "openai:/gpt-4o-mini"])
def test_a_name_has_either_form_and_the_answer_its_facts(
    client, loopback, users_request, name
) -> None:
    [reply] = client.asked(
        client.made(loopback, name, temperature=0.2, max_tokens=50), users_request
    )
    assert reply == Reply(reply.text, PAID)
    [seen] = loopback.seen
    assert seen.body["model"] == "gpt-4o-mini"
    assert (seen.body["temperature"], seen.body["max_tokens"]) == (0.2, 50)
    assert seen.body["messages"] == [m.as_dict() for m in users_request.messages]
    assert "response_format" not in seen.body
    assert seen.headers["Authorization"] == f"Bearer {CANARY}"


def test_a_schema_goes_out_strictly(client, loopback, judges_request) -> None:
    client.asked(client.made(loopback), judges_request)
    [seen] = loopback.seen
    form = seen.body["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    assert form["json_schema"]["schema"]["required"] == ["rationale", "result"]


def test_a_response_format_of_the_users_own_wins(client, loopback, judges_request) -> None:
    own = {"type": "json_object"}
    client.asked(client.made(loopback, response_format=own), judges_request)
    assert loopback.seen[0].body["response_format"] == own


def test_what_is_not_told_is_unknown_and_not_zero(client, loopback, users_request) -> None:
    loopback.faults = ["no usage"]
    [reply] = client.asked(client.made(loopback), users_request)
    assert reply == Reply("Hello there.", Facts())


def test_an_unknown_price_is_unknown(client, loopback, users_request) -> None:
    [reply] = client.asked(client.made(loopback, "openai/nobodys-model"), users_request)
    assert (reply.facts.input_tokens, reply.facts.cost) == (90, None)


def test_null_content_is_empty_speech_that_was_paid_for(client, loopback, users_request) -> None:
    loopback.faults = ["null content"]
    [reply] = client.asked(client.made(loopback), users_request)
    assert reply == Reply("", PAID)


@pytest.mark.parametrize("fault", ["choices []", "content filter", "huge"])
def test_an_answer_that_cannot_be_used_was_paid_for(client, loopback, users_request, fault) -> None:
    loopback.faults = [fault]
    [error] = client.asked(client.made(loopback), users_request)
    assert (error.facts.input_tokens, error.facts.cost) == (PAID.input_tokens, PAID.cost)


@pytest.mark.parametrize(("fault", "wait"), [("429 after", 1.0), ("429 later", 3600.0)])
def test_the_endpoint_says_how_long_to_wait(client, loopback, users_request, fault, wait) -> None:
    loopback.faults = [fault]
    [error] = client.asked(client.made(loopback), users_request)
    assert error.retry_after == wait


def test_the_endpoint_may_give_a_date_to_wait_for(client, loopback, users_request) -> None:
    loopback.faults = ["429 date"]
    [error] = client.asked(client.made(loopback), users_request)
    assert 0 <= error.retry_after <= 2


def test_a_rejected_temperature_is_left_out_from_then_on_and_said_once(
    client, loopback, users_request, caplog
) -> None:
    loopback.faults = ["400 temperature"] * 9
    model = client.made(loopback, temperature=0.2)
    with caplog.at_level(logging.WARNING, "convsim"):
        first, second, later = client.asked(model, users_request, users_request, users_request)
    assert {reply.text for reply in (first, second, later)} == {"Hello there."}
    assert loopback.count == 6  # all were under way when the first was rejected
    assert first.facts.attempts == 2
    assert "'temperature' does not support 0.2" in first.facts.errors[0]
    assert [r.message for r in caplog.records] == [
        "openai/gpt-4o-mini does not take 'temperature'; it is asked without it from now on"
    ]
    loopback.count = 0
    [again] = client.asked(model, users_request)
    assert (again.facts, loopback.count) == (PAID, 1)


def test_a_temperature_of_a_wrong_value_is_the_users_to_mend(
    client, loopback, users_request
) -> None:
    loopback.faults = ["400 value"]
    [error] = client.asked(client.made(loopback, temperature=5), users_request)
    assert type(error) is Refused
    assert "temperature must be <= 2" in str(error)


@pytest.mark.parametrize(
    "fault",
    [
        "400 format",
        "400 format now",
        "400 format other",
        "400 format spelled",
        "400 schema",
        "422 format",
    ],
)
def test_a_rejected_schema_is_left_out(client, loopback, judges_request, fault) -> None:
    """Servers say so in many words, and the form is ours to choose."""
    loopback.faults = [fault] * 9
    [reply] = client.asked(client.made(loopback), judges_request)
    assert reply.text == "Hello there."
    assert loopback.count == 2


def test_a_parameter_that_has_a_newer_name_is_sent_by_it(client, loopback, users_request) -> None:
    loopback.faults = ["400 max_tokens"] * 9
    model = client.made(loopback, max_tokens=50)
    [reply] = client.asked(model, users_request)
    assert (reply.text, reply.facts.attempts, loopback.count) == ("Hello there.", 2, 2)
    assert loopback.seen[1].body["max_completion_tokens"] == 50
    assert "max_tokens" not in loopback.seen[1].body


def test_the_environment_says_where_to_ask(client, loopback, users_request, monkeypatch) -> None:
    for name in ("OPENAI_BASE_URL", "OPENAI_API_BASE"):
        with monkeypatch.context() as told:
            told.delenv("OPENAI_BASE_URL", raising=False)
            told.setenv(name, loopback.base)
            told.setenv("OPENAI_API_KEY", CANARY)
            [reply] = client.asked(client.model(NAME), users_request)
        assert reply == Reply(reply.text, PAID)


@pytest.mark.parametrize("key", ["api_base", "base_url"])
def test_a_parameter_says_where_to_ask(client, loopback, users_request, key, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
    model = client.model(NAME, params={key: loopback.base, "api_key": CANARY})
    [reply] = client.asked(model, users_request)
    assert reply == Reply(reply.text, PAID)


def test_a_cure_does_not_hide_what_comes_after_it(client, loopback, users_request) -> None:
    loopback.faults = ["400 temperature", "401"]
    [error] = client.asked(client.made(loopback, temperature=0.2), users_request)
    assert type(error) is Unauthorized
    assert error.facts.attempts == 2


def test_keys_of_the_environment_stand_in_no_message(
    client, loopback, users_request, monkeypatch
) -> None:
    monkeypatch.setenv("SOME_API_KEY", "The model does not exist")
    loopback.faults = ["404"]
    [error] = client.asked(client.made(loopback), users_request)
    assert str(error) == f"{NAME}: 404: (secret)."


def test_headers_given_stand_in_no_message(client, loopback, users_request) -> None:
    loopback.faults = ["echo"]
    model = client.made(loopback, extra_headers={"X-Gateway": "Basic b25lOnR3bw"})
    [error] = client.asked(model, users_request)
    assert "b25lOnR3bw" not in f"{error} {error.facts}"


@pytest.mark.parametrize("key", ["messages", "model", "stream", "max_retries", "num_retries"])
def test_parameters_that_are_ours_are_refused(client, loopback, key) -> None:
    with pytest.raises(InvalidSpec, match=f"parameter '{key}' is set by convsim"):
        client.made(loopback, **{key: 1})


def test_a_missing_key_is_named_before_the_first_call(client, monkeypatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(InvalidSpec, match="needs the environment variable OPENAI_API_KEY"):
        client.model(NAME)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    client.model(NAME)


def test_no_connection_outlives_its_loop(client, loopback, users_request) -> None:
    model = client.made(loopback)
    for _ in range(3):  # each in a loop of its own; a socket left open warns, which is an error
        [reply] = client.asked(model, users_request)
        assert isinstance(reply, Reply)


def test_it_is_a_model_port(client, loopback) -> None:
    port = client.made(loopback)

    async def model(request):
        async with client.connections():  # each call has a loop of its own
            return await port(request)

    check_model(model)


def test_nothing_else_is_raised(client, loopback, users_request) -> None:
    loopback.faults = [fault for fault, _, _ in FAILURES if fault != "hang"]
    answers = client.asked(client.made(loopback), *[users_request] * len(loopback.faults))
    assert all(isinstance(answer, PortError) for answer in answers)
