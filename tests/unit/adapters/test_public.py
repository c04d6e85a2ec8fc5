"""What of the settings is written down: nothing that could be a secret."""

import json
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.agent_http import RESERVED
from convsim_adapters.running.plans import Settings, make_plan
from convsim_adapters.running.public import HARMLESS, public_settings, public_url, secrets_of

CANARY = "canary-0123456789"
CASE = {"goal": "x", "script": ["Hi."], "goal_when": "hi"}
keys = st.text(st.characters(codec="utf-8"), min_size=6, max_size=20)
# Those that convsim sets itself are refused, and come to no file.
names = st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12).filter(
    lambda name: name not in RESERVED
)


def secrets_among(agent="http://127.0.0.1:9/v1", **settings) -> tuple[str, ...]:
    return secrets_of(make_plan([CASE], agent, Settings(**settings)))


def written(agent="http://127.0.0.1:9/v1", **settings) -> str:
    return json.dumps(public_settings(make_plan([CASE], agent, Settings(**settings))))


@given(st.dictionaries(names, st.just(CANARY) | st.just({"deep": [CANARY]}), max_size=5))
def test_only_parameters_that_are_known_to_be_harmless_are_written_down(params) -> None:
    """Law: a value is written down only under a name of the allow-list."""
    kept = {key: value for key, value in params.items() if key not in HARMLESS}
    told = written(agent_params=kept)
    assert CANARY not in told
    assert all(key in told for key in kept)


@given(keys)
def test_what_is_secret_in_an_address_is_known_to_be(key) -> None:
    """Law: of the agent's address and of a model's, wherever in it a key stands."""
    for url in (f"http://me:{quote(key, safe='')}@h/v1", f"http://h/v1?k={quote(key, safe='')}"):
        agent, model = secrets_among(agent=url), secrets_among(agent_params={"api_base": url})
        assert key in agent
        assert key in model


def test_an_address_that_is_none_is_not_written_down() -> None:
    assert "canary" not in written(agent_params={"api_base": f"me:{CANARY}@h/v1"})
    assert f"me:{CANARY}@h/v1" in secrets_among(agent_params={"api_base": f"me:{CANARY}@h/v1"})


def test_what_is_harmless_is_kept() -> None:
    told = json.loads(written(agent_params={"model": "desk", "temperature": 0.5, "key": CANARY}))
    assert told["agent_params"] == {
        "model": "desk",
        "temperature": 0.5,
        "key": "(not written down)",
    }
    assert (told["trials"], told["user"], told["goal_check"]) == (1, None, None)


@given(names, names, names)
def test_an_address_loses_what_may_be_secret(user, password, token) -> None:
    url = f"https://{user}:{password}0@example.org:8080/v1?token={token}1#{token}1"
    assert public_url(url) == "https://example.org:8080/v1"
    assert CANARY not in written(f"http://me:{CANARY}@127.0.0.1:9/v1?key={CANARY}")


def test_the_address_of_an_endpoint_is_kept_without_its_user() -> None:
    told = json.loads(written(agent_params={"api_base": f"http://u:{CANARY}@h/v1?k={CANARY}"}))
    assert told["agent_params"]["api_base"] == "http://h/v1"
