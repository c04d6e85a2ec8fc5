"""MLflow's own routes to models, against a stand-in of each protocol; a question outside a run."""

import asyncio
import importlib.util
import json
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import mlflow
import pytest
import requests
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from loopback_server import Loopback, completion
from mlflow.deployments import BaseDeploymentClient
from mlflow.deployments.interface import plugin_store

from convsim_adapters.mlflow.asking import ALONE, Question, waited_for
from convsim_adapters.mlflow.managed import two_prompts
from convsim_adapters.mlflow.models import asked, chosen_model, default_model, is_route
from convsim_adapters.retries import RetryPolicy, with_retries
from convsim_fp.core import freeze
from convsim_fp.errors import (
    ContextTooLong,
    InvalidSpec,
    MalformedReply,
    RateLimited,
    Refused,
    TimedOut,
    Unauthorized,
    Unavailable,
)
from convsim_fp.interpreters import Facts, Reply

CANARY = "dapi-canary-0123456789"
TOLD = Facts(input_tokens=90, output_tokens=10)
MESSAGES = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi {x} ☃"}]
SCHEMA = freeze({"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]})

PATHS = {
    "databricks:/chat": "/serving-endpoints/chat/invocations",
    "endpoints:/chat": "/endpoints/chat/invocations",
    "gateway:/chat": "/gateway/mlflow/v1/chat/completions",
}
FAILURES = [
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
    ("429 later", RateLimited, False),  # it asks for an hour
    ("429 quota", Unauthorized, False),
    ("500", Unavailable, True),
    ("503", Unavailable, True),
    ("choices []", MalformedReply, False),
    ("content filter", Refused, False),
    ("cut body", Unavailable, True),
    ("cut json", Unavailable, True),
    ("echo", Unauthorized, False),
    ("empty", Unavailable, True),
    ("html", Unavailable, True),
    ("huge", MalformedReply, False),
    ("redirect", Refused, False),
    ("reset", Unavailable, True),
]
ELSEWHERE = (
    "DATABRICKS_CLIENT_ID",
    "DATABRICKS_CLIENT_SECRET",
    "DATABRICKS_CONFIG_PROFILE",
    "MLFLOW_TRACKING_TOKEN",
)
SOME = ("401", "429", "503", "reset")


@pytest.fixture(scope="module")
def standing_in() -> Iterator[tuple[Loopback, str]]:
    """One server that speaks all the protocols, each at the path that is its own."""
    served, ready, loop = Loopback(), threading.Event(), asyncio.new_event_loop()

    async def start() -> web.AppRunner:
        app = web.Application(client_max_size=2**26)
        for path in (*PATHS.values(), "/v1/chat/completions"):
            app.router.add_post(path, served.handle)
        app.router.add_post("/api/2.0/agents/chat-completions", managed)
        app.router.add_get("/.well-known/databricks-config", configured)
        app.router.add_get("/oidc/.well-known/oauth-authorization-server", discovered)
        app.router.add_post("/oidc/v1/token", token)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        served.url = "http://{}:{}".format(*runner.addresses[0][:2])
        return runner

    async def managed(request: web.Request) -> web.StreamResponse:
        sent = await request.json()
        answered = await served.handle(request)
        if answered.status != 200 or "user_prompt" not in sent:
            return answered
        told = json.dumps(completion(f"{sent['system_prompt']} {sent['user_prompt']}", "m"))
        return web.json_response({"output": None, "output_json": told})

    async def configured(request: web.Request) -> web.Response:
        return web.json_response({"oidc_endpoint": f"{served.url}/oidc"})

    async def discovered(request: web.Request) -> web.Response:
        at = f"{served.url}/oidc/v1"
        return web.json_response({"authorization_endpoint": at, "token_endpoint": f"{at}/token"})

    async def token(request: web.Request) -> web.Response:
        made = {"access_token": "oauth-canary-77", "token_type": "Bearer", "expires_in": 3600}
        return web.json_response(made)

    def serve() -> None:
        asyncio.set_event_loop(loop)
        runner = loop.run_until_complete(start())
        ready.set()
        loop.run_forever()
        loop.run_until_complete(runner.cleanup())
        hanging = asyncio.all_tasks(loop)
        for task in hanging:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*hanging, return_exceptions=True))
        loop.close()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    assert ready.wait(30)
    yield served, served.url
    loop.call_soon_threadsafe(loop.stop)
    thread.join(30)


@pytest.fixture
def server(standing_in, tmp_path, monkeypatch) -> Loopback:
    """The stand-in, where MLflow finds it."""
    served, url = standing_in
    served.faults, served.count, served.seen = [], 0, []
    served.talk = lambda body: "Hello there."
    for name in (*ELSEWHERE, "OPENAI_API_BASE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("DATABRICKS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("DATABRICKS_HOST", url)
    monkeypatch.setenv("DATABRICKS_TOKEN", CANARY)
    monkeypatch.setenv("MLFLOW_DEPLOYMENTS_TARGET", url)
    monkeypatch.setenv("MLFLOW_GATEWAY_URI", url)
    monkeypatch.setenv("OPENAI_API_KEY", CANARY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    return served


async def no_sleep(seconds: float) -> None:
    pass


def made(uri, timeout=30.0, **params):
    return chosen_model(uri, "user_model", params=params, timeout=timeout).port


def answer(port, question=None):
    """What a port gives, or raises, in a loop of its own."""
    given = Question.of(MESSAGES) if question is None else question

    async def called():
        return (await asyncio.gather(port(given), return_exceptions=True))[0]

    return asyncio.run(called())


@given(st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.text()), min_size=2))
def test_messages_in_one_prompt_can_be_told_apart(said) -> None:
    """The managed model takes two prompts; what stands in the second is what was said."""
    messages = [{"role": role, "content": text} for role, text in said]
    system, user = two_prompts([{"role": "system", "content": "Be brief."}, *messages])
    assert system == "Be brief."
    assert json.loads(user.partition("\n\n")[2]) == messages


@pytest.mark.parametrize(
    ("uri", "fault", "kind", "worth_it"),
    [("gateway:/chat", *one) for one in FAILURES]
    + [(uri, *one) for uri in list(PATHS)[:2] for one in FAILURES if one[0] in SOME],
)
def test_a_failure_is_sorted_and_costs_exactly_its_attempts(
    server, uri, fault, kind, worth_it
) -> None:
    server.faults = [fault]
    error = answer(made(uri))
    assert type(error) is kind, error
    assert server.count == 1
    assert str(error).startswith(f"{uri}: ")
    assert "\n" not in str(error)
    assert len(str(error)) < 400
    assert CANARY not in repr(error) + str(error) + repr(error.facts)
    assert (error.facts.attempts, len(error.facts.errors)) == (1, 1)

    server.faults, server.count = [fault] * 9, 0
    error = answer(with_retries(made(uri), RetryPolicy(retries=2), sleep=no_sleep))
    assert type(error) is kind
    assert server.count == error.facts.attempts == (3 if worth_it else 1)


def test_an_answer_that_does_not_come_has_timed_out(server) -> None:
    server.faults = ["hang"] * 2
    port = with_retries(made("gateway:/chat", 0.3), RetryPolicy(retries=1), sleep=no_sleep)
    error = answer(port)
    assert type(error) is TimedOut
    assert str(error) == "gateway:/chat: no answer in 0.3 s (after 2 attempts)"
    assert (error.facts.attempts, len(error.facts.errors)) == (2, 2)


@pytest.mark.parametrize("uri", PATHS)
def test_an_answer_has_its_tokens_and_the_request_everything_it_was_given(server, uri) -> None:
    reply = answer(made(uri, temperature=0.2), Question.of(MESSAGES, schema=SCHEMA))
    assert reply == Reply("Hello there.", TOLD)
    [seen] = server.seen
    assert seen.body["messages"] == MESSAGES
    assert seen.body["temperature"] == 0.2
    form = seen.body["response_format"]
    assert (form["type"], form["json_schema"]["strict"]) == ("json_schema", True)
    assert seen.body.get("model") == ("chat" if uri.startswith("gateway") else None)


def test_databricks_is_sent_its_token_and_the_others_are_not(server) -> None:
    for uri in PATHS:
        answer(made(uri))
    sent = [seen.headers.get("Authorization") for seen in server.seen]
    assert sent == [f"Bearer {CANARY}", None, None]


def test_the_servers_of_mlflow_are_sent_its_token(server, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_TOKEN", "mlflow-canary")
    for uri in list(PATHS)[1:]:
        answer(made(uri))
    sent = [seen.headers.get("Authorization") for seen in server.seen]
    assert sent == ["Bearer mlflow-canary"] * 2


def test_databricks_may_sign_requests_without_a_token(server, monkeypatch) -> None:
    monkeypatch.delenv("DATABRICKS_TOKEN")
    monkeypatch.setenv("DATABRICKS_CLIENT_ID", "me")
    monkeypatch.setenv("DATABRICKS_CLIENT_SECRET", "hush-canary-5")
    server.faults = ["429", "echo"]
    port = made("databricks:/chat")
    assert type(answer(port)) is RateLimited
    told = answer(port)
    assert (type(told), server.count) == (Unauthorized, 2)
    assert "oauth-canary-77" not in str(told)
    assert answer(port) == Reply("Hello there.", TOLD)
    assert server.seen[-1].headers["Authorization"] == "Bearer oauth-canary-77"


def test_the_target_of_endpoints_may_be_databricks(server, monkeypatch) -> None:
    monkeypatch.setenv("MLFLOW_DEPLOYMENTS_TARGET", "databricks")
    assert answer(made("endpoints:/chat")) == Reply("Hello there.", TOLD)
    assert server.seen[0].headers["Authorization"] == f"Bearer {CANARY}"


class Desk(BaseDeploymentClient):
    """A deployments plugin, as any package may bring one."""

    def predict(self, deployment_name=None, inputs=None, endpoint=None):
        answered = requests.post(f"{self.target_uri}/v1/chat/completions", json=inputs, timeout=30)
        answered.raise_for_status()
        return answered.json()

    create_deployment = update_deployment = delete_deployment = get_deployment = None
    list_deployments = create_endpoint = update_endpoint = delete_endpoint = None
    list_endpoints = get_endpoint = None


def test_the_target_of_endpoints_may_be_a_plugin(server, monkeypatch) -> None:
    class ShopsDesk(Desk):
        def __init__(self, target_uri: str) -> None:
            super().__init__(server.url)

    plugin = SimpleNamespace(ShopsDesk=ShopsDesk, run_local=None, target_help=None)
    monkeypatch.setitem(plugin_store.registry, "shop", plugin)
    monkeypatch.setenv("MLFLOW_DEPLOYMENTS_TARGET", "shop")
    assert answer(made("endpoints:/chat", temperature=0.2)) == Reply("Hello there.", TOLD)
    assert server.seen[0].body["temperature"] == 0.2
    server.faults = ["401", "503", "reset"]
    kinds = [type(answer(made("endpoints:/chat"))) for _ in range(3)]
    assert kinds == [Unauthorized, Unavailable, Unavailable]


def test_the_gateway_is_at_the_tracking_server(server, store, monkeypatch) -> None:
    monkeypatch.delenv("MLFLOW_GATEWAY_URI")
    mlflow.set_tracking_uri(server.url)
    assert answer(made("gateway:/chat")) == Reply("Hello there.", TOLD)


def test_a_model_that_takes_no_temperature_is_asked_without_it_from_then_on(server, caplog) -> None:
    server.faults = ["400 temperature"]
    port = made("gateway:/chat", temperature=0.2)
    assert answer(port).facts.attempts == 2
    assert answer(port).facts.attempts == 1
    assert ["temperature" in seen.body for seen in server.seen] == [True, False, False]
    assert caplog.text.count("does not take 'temperature'") == 1


def test_of_an_answer_in_parts_the_text_is_taken(server) -> None:
    parts = [
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}]},
        {"type": "text", "text": "Hello."},
        {"type": "text", "text": "You."},
    ]
    server.talk = lambda body: parts
    assert answer(made("databricks:/chat")).text == "Hello.\nYou."


def test_null_content_is_empty_speech_that_was_paid_for(server) -> None:
    server.faults = ["null content"]
    assert answer(made("gateway:/chat")) == Reply("", TOLD)


@pytest.mark.parametrize(
    ("uri", "gone", "words"),
    [
        ("endpoints:/chat", "MLFLOW_DEPLOYMENTS_TARGET", "MLFLOW_DEPLOYMENTS_TARGET"),
        ("gateway:/chat", "MLFLOW_GATEWAY_URI", r"HTTP\(S\) tracking URI"),
        ("gateway:/", "", "names no endpoint; write gateway:/ENDPOINT"),
    ],
)
def test_a_route_that_leads_nowhere_is_refused_before_the_first_call(
    server, store, monkeypatch, uri, gone, words
) -> None:
    monkeypatch.delenv(gone, raising=False)
    with pytest.raises(InvalidSpec, match=words) as caught:
        made(uri)
    assert str(caught.value).startswith(f"user_model is {uri!r}")
    assert server.count == 0


def test_databricks_without_credentials_is_refused_before_the_first_call(
    server, monkeypatch
) -> None:
    for name in ("DATABRICKS_HOST", "DATABRICKS_TOKEN"):
        monkeypatch.delenv(name)
    with pytest.raises(InvalidSpec, match="user_model is 'databricks:/chat', of which MLflow says"):
        made("databricks:/chat")


@pytest.mark.parametrize("name", ["messages", "stream", "api_key", "api_base"])
def test_a_parameter_that_has_no_place_in_the_request_is_refused(server, name) -> None:
    with pytest.raises(InvalidSpec, match=f"parameter '{name}' is "):
        made("gateway:/chat", **{name: "x"})


NO_AGENTS = importlib.util.find_spec("databricks.agents") is None


@pytest.mark.skipif(not NO_AGENTS, reason="databricks-agents is installed")
@pytest.mark.parametrize("uri", ["databricks", "gpt-oss-120b"])
def test_the_managed_model_names_the_package_that_it_needs(uri) -> None:
    with pytest.raises(InvalidSpec, match=r"goal_model .*: pip install databricks-agents"):
        chosen_model(uri, "goal_model", params=None, timeout=1.0)


@pytest.mark.skipif(NO_AGENTS, reason="needs databricks-agents, the client of the managed model")
def test_the_managed_model_is_asked_through_its_own_client(server, monkeypatch) -> None:
    monkeypatch.setenv("AGENT_EVAL_JUDGE_SERVICE_ERROR_RETRIES", "0")
    assert is_route("databricks")
    assert answer(made("databricks")) == Reply("Be brief. Hi {x} ☃", TOLD)
    server.faults, server.count = ["429", "401"], 0
    assert type(answer(made("databricks"))) is RateLimited
    assert type(answer(made("gpt-oss-120b"))) is Unauthorized
    assert server.count == 2


def test_the_default_model_goes_by_the_tracking_uri(store) -> None:
    assert default_model() == "openai:/gpt-5"
    mlflow.set_tracking_uri("databricks")
    assert default_model() == "gpt-oss-120b"
    assert is_route(default_model())


def test_a_models_own_calls_leave_no_trace(store) -> None:
    @mlflow.trace
    def voice(request):
        return "Hello."

    assert answer(chosen_model(voice, "user_model", params=None, timeout=9.0).port) == "Hello."
    assert asked(voice, MESSAGES) == "Hello."
    mlflow.flush_trace_async_logging()
    assert mlflow.search_traces(return_type="list") == []


def test_a_question_alone_is_sent_as_it_is(server) -> None:
    told = asked("openai:/gpt-4o-mini", MESSAGES, {"max_tokens": 9}, response_schema=SCHEMA)
    assert told == "Hello there."
    [seen] = server.seen
    assert seen.body["messages"] == MESSAGES
    assert (seen.body["model"], seen.body["max_tokens"]) == ("gpt-4o-mini", 9)
    assert "response_format" in seen.body


@pytest.mark.parametrize("uri", ["openai:/gpt-4o-mini", *PATHS])
def test_a_question_alone_is_asked_again_where_it_is_worth_it(server, uri) -> None:
    server.faults = ["503"]
    assert asked(uri, MESSAGES) == "Hello there."
    assert server.count == 2
    server.faults, server.count = ["401"], 0
    with pytest.raises(Unauthorized):
        asked(uri, MESSAGES)
    assert server.count == 1
    assert ALONE.retries == 3


def test_questions_may_be_asked_in_many_threads_at_once(server) -> None:
    server.talk = lambda body: body["messages"][0]["content"]
    uris = ["openai:/gpt-4o-mini", *PATHS]

    def one(n: int) -> str:
        return asked(uris[n % len(uris)], [{"role": "user", "content": f"I am {n}."}])

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(one, range(64))) == [f"I am {n}." for n in range(64)]


def test_a_question_alone_remembers_what_the_model_does_not_take(server) -> None:
    server.faults = ["400 temperature"]
    for _ in range(2):
        asked("openai:/reasons", MESSAGES, {"temperature": 0.2})
    assert ["temperature" in seen.body for seen in server.seen] == [True, False, False]


def test_litellm_too_may_be_asked_in_many_threads_at_once(server) -> None:
    """Its clients live in one event loop, and closing them closes those of every loop."""
    pytest.importorskip("litellm", reason="needs convsim-fp[litellm]")
    server.talk = lambda body: body["messages"][0]["content"]
    params = {"api_base": f"{server.url}/v1", "api_key": CANARY}

    def one(n: int) -> str:
        return asked("hosted_vllm:/m", [{"role": "user", "content": f"I am {n}."}], params)

    for _ in range(2):  # the second time the loop of the first is gone
        server.count = 0
        with ThreadPoolExecutor(8) as pool:
            assert list(pool.map(one, range(24))) == [f"I am {n}." for n in range(24)]
        assert server.count == 24


def test_a_question_may_be_asked_where_a_loop_runs(server) -> None:
    async def inside() -> str:
        return asked("openai:/gpt-4o-mini", MESSAGES)

    assert asyncio.run(inside()) == "Hello there."


def test_a_lone_surrogate_in_a_question_is_shown_as_what_it_is(server) -> None:
    asked("gateway:/chat", [{"role": "user", "content": "a\ud800b"}])
    assert server.seen[0].body["messages"][0]["content"] == "a\ufffdb"


def test_what_the_work_raises_is_raised_to_who_waits() -> None:
    async def work() -> None:
        raise KeyError("lost")

    with pytest.raises(KeyError, match="lost"):
        waited_for(work)


def test_the_levels_of_loggers_stay_as_they_are(server) -> None:
    def levels() -> dict[str, int]:
        known = logging.root.manager.loggerDict
        return {name: one.level for name, one in known.items() if isinstance(one, logging.Logger)}

    before = levels()
    asked("gateway:/chat", MESSAGES)
    after = levels()
    assert {name: after[name] for name in before} == before
