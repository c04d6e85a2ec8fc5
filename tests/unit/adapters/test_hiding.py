"""Hiding what must stand in no message: in every form that messages show a text in."""

import json
import logging
from functools import partial
from io import StringIO
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from convsim_adapters.hiding import (
    hiding_logs,
    secrets_of_environment,
    secrets_of_parameter,
    secrets_of_url,
    without_secrets,
)

KEY = 'sk-canary/7+"=\\é'
texts = st.text(st.characters(codec="utf-8"), max_size=20)
keys = st.text(st.characters(codec="utf-8", exclude_categories=("Z", "C")), min_size=6, max_size=20)
SHOWN = {
    "as it is": str,
    "quoted": repr,
    "in JSON": json.dumps,
    "in JSON of letters": lambda text: json.dumps(text, ensure_ascii=False),
    "in a path": quote,
    "in a query": quote_plus,
    "in a name": lambda text: quote(text, safe=""),
}


@given(keys, texts, texts, st.sampled_from(sorted(SHOWN)))
def test_a_secret_stands_in_no_text_however_it_is_shown(key, before, after, how) -> None:
    """Law: in whatever form, between whatever words, the secret is gone."""
    assume(key not in "(secret)")
    shown = SHOWN[how](key)
    assert key not in without_secrets(f"{before}{shown}{after}", [key])
    assert shown not in without_secrets(f"{before}{shown}{after}", [key])


@given(texts, st.lists(keys, max_size=3))
def test_a_text_without_secrets_stays_as_it_is(words, secrets) -> None:
    assume(not any(secret[:6] in words for secret in secrets))
    assert without_secrets(words, secrets) == words


@pytest.mark.parametrize("size", range(len(KEY)))
def test_of_a_secret_that_was_cut_its_beginning_is_hidden(size: int) -> None:
    cut = KEY[:size]
    for end in ("", "…", ", expected text"):
        told = without_secrets(f"bad key {cut}{end}", [KEY])
        assert told == (f"bad key (secret){end}" if size >= 6 else f"bad key {cut}{end}")


def test_words_that_begin_as_a_secret_does_are_kept() -> None:
    assert without_secrets("the refunds are done", ["refund-0123"]) == "the refunds are done"


def test_of_two_secrets_the_longer_goes_first() -> None:
    assert without_secrets("sk-canary-77", ["sk-canary", "sk-canary-77"]) == "(secret)"


def test_what_is_too_short_or_blank_is_no_secret() -> None:
    assert without_secrets("no secret here at all", ["", " ", "no", "          "]) == (
        "no secret here at all"
    )


@pytest.mark.parametrize(
    ("name", "value", "found"),
    [
        ("OPENAI_API_KEY", KEY, [KEY]),
        ("OPENAI_API_KEY_2", KEY, [KEY]),
        ("GITHUB_TOKEN", KEY, [KEY]),
        ("PGPASSWORD", KEY, [KEY]),
        ("DB_PASS", KEY, [KEY]),
        ("DATABASE_URL", f"postgres://me:{quote(KEY, safe='')}@db/shop", [KEY]),
        ("BROKEN_URL", f"http://me:{KEY}@[oops", [KEY]),
        ("OTHER_URL", "http://[oops", []),
        ("HOME", "/home/me", []),
        ("PROXY", "http://proxy:3128", []),
        ("MAX_TOKENS", "100000", []),
        ("KEYBOARD", "qwertz", []),
    ],
)
def test_secrets_of_an_environment_are_known_by_their_names(name, value, found) -> None:
    told = list(secrets_of_environment({name: value}))
    assert told[: len(found)] == found
    assert bool(told) == bool(found)


def test_a_password_is_known_as_it_is_sent_too() -> None:
    assert list(secrets_of_url("http://me:word-7@h/v1")) == ["word-7", "bWU6d29yZC03"]


def test_all_texts_of_a_parameter_are_secret() -> None:
    assert list(secrets_of_parameter({"a": ["Token tok-7", 7, None], "b": {"c": "d"}})) == [
        "Token tok-7",
        "Token",
        "tok-7",
        "d",
    ]


@pytest.fixture
def logged() -> StringIO:
    """What a program writes into its log, by a logger that knows of nothing."""
    written = StringIO()
    handler = logging.StreamHandler(written)
    log = logging.getLogger("somebody.elses")
    log.addHandler(handler)
    log.setLevel(logging.DEBUG)
    yield written
    log.removeHandler(handler)


def test_what_is_logged_has_no_secrets(logged: StringIO) -> None:
    log = logging.getLogger("somebody.elses")
    with hiding_logs([KEY]):
        log.debug("headers: %r", {"Authorization": f"Bearer {KEY}"})
        log.info("fine: %d %%", 7)
        try:
            raise ValueError(KEY)
        except ValueError:
            log.exception("with %s", KEY)
    told = logged.getvalue()
    assert "sk-canary" not in told
    assert "headers: {'Authorization': 'Bearer (secret)'}\nfine: 7 %\nwith (secret)\n" in told
    assert told.endswith("ValueError: (secret)\n")


def test_after_it_logs_are_as_before(logged: StringIO) -> None:
    before = logging.getLogRecordFactory()
    with hiding_logs([KEY]), hiding_logs(["other-key"]):
        pass
    assert logging.getLogRecordFactory() is before
    logging.getLogger("somebody.elses").info("%s", KEY)
    assert logged.getvalue() == f"{KEY}\n"


def test_a_log_that_somebody_builds_on_is_left_to_them(logged: StringIO) -> None:
    before = logging.getLogRecordFactory()
    try:
        with hiding_logs([KEY]):
            logging.setLogRecordFactory(partial(logging.getLogRecordFactory()))
        logging.getLogger("somebody.elses").info("%s", KEY)
        assert logged.getvalue() == "(secret)\n"
    finally:
        logging.setLogRecordFactory(before)


def test_a_message_that_does_not_fit_its_arguments_is_loggings_own_business() -> None:
    with hiding_logs([KEY]):
        record = logging.getLogRecordFactory()("x", 10, "x.py", 1, "%d", (KEY,), None)
    assert record.args == (KEY,)
