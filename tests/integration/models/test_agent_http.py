"""An agent behind a URL: what it is sent, what it may answer, and how it may fail."""

import asyncio
from contextlib import asynccontextmanager

import pytest
from attrs import evolve

from convsim_adapters.agent_http import agent_http, endpoint_of
from convsim_fp import goals, users
from convsim_fp.core import Rules, TestCase
from convsim_fp.errors import (
    AgentError,
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
from convsim_fp.interpreters import AgentReply, Facts, Ports, converse_all
from convsim_fp.testing import check_agent

CANARY = "sk-canary-0123456789"

FAILURES = [
    ("400", Refused),
    ("400 context", ContextTooLong),
    ("401", Unauthorized),
    ("403", Unauthorized),
    ("404", Refused),
    ("408", TimedOut),
    ("409", Unavailable),
    ("413", ContextTooLong),
    ("425", Unavailable),
    ("429", RateLimited),
    ("429 after", RateLimited),
    ("429 quota", Unauthorized),
    ("500", Unavailable),
    ("500 huge", Unavailable),
    ("529", Unavailable),
    ("choices []", AgentError),
    ("cut body", Unavailable),
    ("cut json", MalformedReply),
    ("echo", Unauthorized),
    ("empty", MalformedReply),
    ("hang", TimedOut),
    ("html", MalformedReply),
    ("huge", MalformedReply),
    ("redirect", Refused),
    ("reset", Unavailable),
]


def asked(url, *requests, **options):
    """The answers to requests that are made one after the other, or the errors in their place."""

    async def run():
        answers = []
        async with agent_http(url, **options) as agent:
            for request in requests:
                try:
                    answers.append(await agent(request))
                except PortError as error:
                    answers.append(error)
        return answers

    return asyncio.run(run())


def test_it_is_sent_the_conversation_the_context_and_who_asks(loopback, agents_request) -> None:
    loopback.talk = lambda body: "Done."
    [reply] = asked(loopback.url, agents_request)
    assert reply == AgentReply("Done.", facts=Facts(input_tokens=90, output_tokens=10))
    [seen] = loopback.seen
    assert seen.body == {
        "model": "agent",
        "messages": [
            {"role": "user", "content": "Money?"},
            {"role": "assistant", "content": "Which order?"},
            {"role": "user", "content": "W7"},
        ],
        "metadata": {"order": "W7", "items": "[1, 2]"},
    }
    assert seen.headers["X-Session-Id"] == "refund/1"
    assert seen.headers["X-Turn"] == "2"
    assert seen.headers["Idempotency-Key"] == "refund/1/2/agent/0"
    assert "Authorization" not in seen.headers


def test_without_a_context_there_is_no_metadata(loopback, agents_request) -> None:
    asked(loopback.url, evolve(agents_request, case=TestCase(goal="x")), params={"model": "desk"})
    assert "metadata" not in loopback.seen[0].body
    assert loopback.seen[0].body["model"] == "desk"


def test_a_key_of_the_environment_and_headers_go_along(loopback, agents_request, monkeypatch):
    monkeypatch.setenv("CONVSIM_AGENT_API_KEY", CANARY)
    asked(loopback.url, agents_request, headers={"X-Tenant": "shop"})
    assert loopback.seen[0].headers["Authorization"] == f"Bearer {CANARY}"
    assert loopback.seen[0].headers["X-Tenant"] == "shop"


def test_a_header_that_says_who_asks_wins(loopback, agents_request, monkeypatch) -> None:
    monkeypatch.setenv("CONVSIM_AGENT_API_KEY", CANARY)
    asked(loopback.url, agents_request, headers={"authorization": "Token mine"})
    assert loopback.seen[0].headers["Authorization"] == "Token mine"


def test_headers_given_stand_in_no_message(loopback, agents_request) -> None:
    loopback.faults = ["echo"]
    [error] = asked(loopback.url, agents_request, headers={"X-Tenant": f"Token {CANARY}"})
    assert "X-Tenant=Token (secret)" in str(error)


def test_any_success_is_one(loopback, agents_request) -> None:
    loopback.faults = ["created"]
    assert asked(loopback.url, agents_request)[0].text == "Hello there."


def test_credentials_of_the_url_win(loopback, agents_request, monkeypatch) -> None:
    monkeypatch.setenv("CONVSIM_AGENT_API_KEY", CANARY)
    asked(loopback.url.replace("http://", "http://me:secret@"), agents_request)
    assert loopback.seen[0].headers["Authorization"].startswith("Basic ")


@pytest.mark.parametrize("user", ["", "me:pa55word@"])
@pytest.mark.parametrize(("fault", "kind"), FAILURES)
def test_a_failure_is_sorted_and_the_agent_is_called_once(
    loopback, agents_request, monkeypatch, fault, kind, user
) -> None:
    monkeypatch.setenv("CONVSIM_AGENT_API_KEY", CANARY)
    loopback.faults = [fault] * 9
    address = loopback.url.replace("http://", f"http://{user}") + "?token=pa55word"
    [error] = asked(address, agents_request, timeout=0.5 if fault == "hang" else 30)
    assert type(error) is kind
    assert loopback.count == 1
    words = f"{error} {error!r} {error.facts}"
    assert CANARY not in words
    assert "pa55word" not in words
    assert "bWU6cGE1NXdvcmQ" not in words  # as it is sent
    assert "\n" not in str(error)
    if kind is not AgentError:
        assert str(error).startswith(f"{loopback.url}: ")


def test_the_endpoints_own_words_are_told(loopback, agents_request) -> None:
    loopback.faults = ["404", "html", "redirect", "huge"]
    told = [str(e).removeprefix(loopback.url) for e in asked(loopback.url, *[agents_request] * 4)]
    assert told == [
        ": 404: The model does not exist.",
        ": the reply is no JSON: <html><body>Welcome to nginx</body></html>",
        ": 307: redirects are not followed; give the address itself",
        ": the reply has more than 10 MB",
    ]


def test_usage_that_is_not_told_is_unknown(loopback, agents_request) -> None:
    loopback.faults = ["no usage", "choices []"]
    reply, error = asked(loopback.url, agents_request, agents_request)
    assert reply.facts == Facts()
    assert error.facts.input_tokens == 90


def test_null_content_is_a_blank_reply(loopback, agents_request) -> None:
    loopback.faults = ["null content"]
    assert asked(loopback.url, agents_request)[0].text == ""


def test_nobody_listens(agents_request) -> None:
    [error] = asked("http://127.0.0.1:9/v1", agents_request)
    assert type(error) is Unavailable
    told = "http://127.0.0.1:9/v1/chat/completions: 127.0.0.1:9 cannot be reached: "
    assert str(error).startswith(told)


def test_a_name_of_a_session_cannot_write_headers(loopback, agents_request) -> None:
    session = evolve(agents_request.session, id="a\r\nX-Evil: 1\u2028é\ud800/1")
    [reply] = asked(loopback.url, evolve(agents_request, session=session))
    assert isinstance(reply, AgentReply)
    assert "X-Evil" not in loopback.seen[0].headers


def test_a_lone_surrogate_goes_over_the_wire(loopback, agents_request) -> None:
    said = (evolve(agents_request.transcript[0], text="lone \ud800"),)
    [reply] = asked(loopback.url, evolve(agents_request, transcript=said))
    assert isinstance(reply, AgentReply)


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("http://h/v1", "http://h/v1/chat/completions"),
        ("https://h/v1/?a=b", "https://h/v1/chat/completions?a=b"),
        ("http://h/chat", "http://h/chat"),
        ("http://h/v1/chat/completions", "http://h/v1/chat/completions"),
    ],
)
def test_only_the_base_of_the_protocol_is_completed(given, address) -> None:
    assert endpoint_of(given) == address


@pytest.mark.parametrize(
    "url", ["http://", "ftp://h/v1", "http://h:x/", "http://h h/", "h/v1", "http://a..b/v1"]
)
def test_what_is_no_url_is_refused(url) -> None:
    with pytest.raises(InvalidSpec, match="expected a URL such as"):
        endpoint_of(url)


def test_fields_that_are_ours_are_refused(loopback, agents_request) -> None:
    with pytest.raises(InvalidSpec, match="agent_params: stream is set by convsim"):
        asked(loopback.url, agents_request, params={"stream": True})


@pytest.mark.parametrize("value", [float("nan"), object()])
def test_fields_that_are_no_json_are_refused(loopback, value) -> None:
    with pytest.raises(InvalidSpec, match="agent_params: top_p is "):
        asked(loopback.url, params={"top_p": value})


@pytest.mark.parametrize("value", [f"{CANARY}\r\nX-Evil: 1", 7])
def test_headers_that_cannot_be_sent_are_refused_unshown(loopback, value) -> None:
    with pytest.raises(InvalidSpec, match="agent headers: 'X-Key' has a value that is no") as told:
        asked(loopback.url, headers={"X-Key": value})
    assert CANARY not in str(told.value)


def test_it_is_an_agent_port(loopback) -> None:
    async def agent(request):
        async with agent_http(loopback.url) as port:
            return await port(request)

    check_agent(agent)


def test_a_run_opens_it_once_and_shares_no_cookies(loopback) -> None:
    rules = Rules(users.scripted(["Hi.", "And?"]), goals.never)
    cases = [TestCase(goal="x", id=f"c{n}") for n in range(5)]

    @asynccontextmanager
    async def ports():
        async with agent_http(loopback.url) as agent:
            yield Ports(agent)

    states = converse_all(cases, rules, ports())
    assert {str(state.stop_reason) for state in states} == {"user_left"}
    sessions = sorted(seen.headers["X-Session-Id"] for seen in loopback.seen)
    assert sessions == sorted([f"c{n}/1" for n in range(5)] * 2)
    assert not any("Cookie" in seen.headers for seen in loopback.seen)
