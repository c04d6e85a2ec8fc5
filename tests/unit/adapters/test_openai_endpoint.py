"""Where a model is reached, who asks, and what is refused before the first call."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.openai_endpoint import endpoint_of_model, goes_directly
from convsim_fp.errors import InvalidSpec

NAME = "openai/gpt-4o-mini"
CANARY = "sk-canary-0123456789"
KEY = {"OPENAI_API_KEY": CANARY}
HERE = "http://127.0.0.1:8000/v1"


def refused(name, params=(), environ=()):
    with pytest.raises(InvalidSpec) as told:
        endpoint_of_model(name, dict(params), dict(environ))
    assert CANARY not in str(told.value)
    return str(told.value)


@pytest.mark.parametrize(
    ("params", "environ", "url"),
    [
        ({}, {}, "https://api.openai.com/v1/chat/completions"),
        ({}, {"OPENAI_API_BASE": HERE}, f"{HERE}/chat/completions"),
        ({}, {"OPENAI_BASE_URL": HERE, "OPENAI_API_BASE": "x"}, f"{HERE}/chat/completions"),
        ({"base_url": HERE}, {"OPENAI_BASE_URL": "x"}, f"{HERE}/chat/completions"),
        ({"api_base": f"{HERE}/"}, {}, f"{HERE}/chat/completions"),
        ({"api_base": f"{HERE}/chat/completions"}, {}, f"{HERE}/chat/completions"),
        ({"api_base": "http://h?v=1"}, {}, "http://h/chat/completions?v=1"),
    ],
)
def test_parameters_come_before_the_environment_and_that_before_openai(
    params, environ, url
) -> None:
    assert endpoint_of_model(NAME, params, {**KEY, **environ}).url == url


def test_what_a_parameter_says_of_who_asks_comes_first() -> None:
    def sent(params, environ=KEY):
        return endpoint_of_model(NAME, params, environ).headers

    assert sent({})["Authorization"] == f"Bearer {CANARY}"
    assert sent({"api_key": "mine"})["Authorization"] == "Bearer mine"
    own = sent({"extra_headers": {"authorization": "Basic eA=="}})
    assert own == {"Content-Type": "application/json", "authorization": "Basic eA=="}
    environ = {**KEY, "OPENAI_ORG_ID": "org-2", "OPENAI_PROJECT_ID": "p"}
    assert sent({}, environ)["OpenAI-Organization"] == "org-2"
    assert sent({"organization": "org-1"}, environ)["OpenAI-Organization"] == "org-1"
    assert sent({}, environ)["OpenAI-Project"] == "p"


def test_a_key_is_needed_but_by_a_server_of_ones_own() -> None:
    assert "needs the environment variable OPENAI_API_KEY" in refused(NAME)
    assert "needs the environment variable" in refused("https://h/v1", {"model": "m"})
    for params in ({"api_base": HERE}, {"extra_headers": {"api-key": "x"}}, {"api_key": "x"}):
        endpoint_of_model(NAME, params, {})


def test_an_address_has_its_model_as_a_parameter() -> None:
    found = endpoint_of_model(HERE, {"model": " llama ", "seed": 7}, {})
    assert (found.model, found.fields) == ("llama", {"seed": 7})
    assert found.name == f"llama at {HERE}"
    assert "give the parameter model" in refused(HERE)
    assert "give the parameter model" in refused(HERE, {"model": 7})
    assert "parameter 'model' is set by convsim" in refused(NAME, {"model": "x"}, KEY)
    assert "is given with an address" in refused(HERE, {"model": "m", "api_base": HERE})


@pytest.mark.parametrize(
    "url", [f"http://me:{CANARY}@h/v1", f"https://h/v1?key={CANARY}", f"https://h/v1#{CANARY}"]
)
def test_an_address_with_a_secret_in_it_is_refused_and_not_shown(url) -> None:
    told = refused(url, {"model": "m", "api_key": "x"})
    assert "has more than SCHEME://HOST/PATH, which may be secret" in told


@pytest.mark.parametrize(
    "base", ["localhost:8000", "ftp://h", "http://", "http://h:0", "http://a b"]
)
def test_what_is_no_address_is_refused(base) -> None:
    assert "has an address that is none; expected one such as" in refused(NAME, {"api_base": base})


@pytest.mark.parametrize("name", ["anthropic/claude", "gpt-4o", "openai/", "openai/ ", "openai"])
def test_a_name_of_another_provider_is_refused(name) -> None:
    told = refused(name, {}, KEY)
    assert "is not reached directly" in told
    assert "choose --client litellm (client=)" in told


def test_what_could_not_be_sent_as_it_is_meant_is_refused() -> None:
    told = refused(
        NAME,
        {"drop_params": True, "stop": {1}, "stream": True, "extra_headers": "x", "api_key": "a\nb"},
    )
    for line in (
        "parameter 'drop_params' is not for the endpoint but for litellm; leave it out, or choose",
        "parameter 'stop' is a set, which JSON cannot hold",
        "parameter 'stream' is set by convsim; leave it out",
        "parameter 'extra_headers' is none, expected a dict of names and texts",
        "the header 'Authorization' has a value that is no line of text; take out line breaks",
    ):
        assert line in told


@pytest.mark.parametrize(
    ("name", "params", "direct"),
    [
        (NAME, {}, True),
        ("openai:/gpt-4o-mini", {"temperature": 0, "max_tokens": 9, "api_key": "x"}, True),
        ("openai/org/model", {"api_base": HERE, "top_k": 5, "tools": []}, True),
        ("http://127.0.0.1/v1", {"model": "m", "guided_json": {}}, True),
        ("anthropic/claude", {}, False),
        ("gpt-4o-mini", {}, False),
        ("openai/responses/gpt-4o", {}, False),
        ("openai/o1-pro", {}, False),  # it speaks another protocol, by litellm's map
        (NAME, {"api_version": "1"}, False),
        (NAME, {"custom_llm_provider": "azure"}, False),
        (NAME, {"drop_params": True}, False),
        (NAME, {"some_new_thing": 1}, False),
        (NAME, {"response_format": dict}, False),  # a class is litellm's to translate
    ],
)
def test_what_asks_for_nothing_but_the_protocol_goes_directly(name, params, direct) -> None:
    assert goes_directly(name, params) is direct


@given(
    name=st.text() | st.from_regex(r"(openai:?/|https?://)\w*", fullmatch=True),
    params=st.dictionaries(
        st.sampled_from(["api_base", "api_key", "extra_headers", "model", "organization", "seed"]),
        st.none() | st.integers() | st.text() | st.dictionaries(st.text(), st.text()),
    ),
)
def test_anything_is_an_endpoint_or_is_refused(name, params) -> None:
    """Whatever is given, a request could be made of it, or `InvalidSpec` says why not."""
    try:
        found = endpoint_of_model(name, params, {})
    except InvalidSpec:
        return
    assert found.model
    assert found.url.startswith(("http://", "https://"))
    assert all(isinstance(value, str) for value in found.headers.values())
