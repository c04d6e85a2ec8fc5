"""Statuses, waits and words: whatever an endpoint says, an error that can be told."""

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.hiding import secrets_among
from convsim_adapters.http_errors import one_line, retry_after, sorted_error, words_of
from convsim_fp.errors import PortError, RetryableError

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WORTH_IT = {408, 409, 425, 429, *range(500, 600)}


@given(st.integers(300, 599), st.floats(0, 1e6))
def test_another_attempt_is_worth_it_for_what_may_pass(status, wait) -> None:
    """Law: exactly 408, 409, 425, 429 and 5xx are worth another attempt, and keep the wait."""
    error = sorted_error(status, "no", wait=wait)
    assert isinstance(error, PortError)
    assert isinstance(error, RetryableError) == (status in WORTH_IT)
    assert getattr(error, "retry_after", wait) == wait


@given(st.text() | st.from_regex(r"\A\w{3}, \d{1,6} Jan \d{1,9} \d\d:\d\d:\d\d [+-]\d{1,9}\Z"))
def test_a_wait_is_a_number_or_unknown(said) -> None:
    """Law: whatever a Retry-After says, it is never an error and never below nothing."""
    wait = retry_after({"retry-after": said}, now=NOW)
    assert wait is None or wait >= 0


@given(st.integers(-3600, 3600))
def test_a_date_is_that_far_away(seconds) -> None:
    said = format_datetime(NOW + timedelta(seconds=seconds), usegmt=True)
    assert retry_after({"Retry-After": said}, now=NOW) == max(0, seconds)


@pytest.mark.parametrize("said", ["soon", "-7", "0\x1f.", "", "1e9", "7 s"])
def test_what_is_no_wait_is_none(said) -> None:
    assert retry_after({"Retry-After": said}) is None


def test_a_date_without_a_zone_is_in_utc() -> None:
    said = {"Retry-After": "Tue, 24 Nov 2026 12:00:07 -0000"}
    assert retry_after(said, now=NOW) == 7


@given(st.text(), st.lists(st.text(st.characters(categories=["L", "N"]), min_size=6)))
def test_words_are_one_short_line_without_secrets(words, secrets) -> None:
    said = one_line(" ".join([words, *secrets]), secrets)
    assert len(said) <= 300
    assert said.splitlines() in ([said], [])
    assert not any(secret in said.replace("(secret)", "") for secret in secrets)


def test_a_secret_within_another_leaves_nothing_of_it() -> None:
    assert one_line("sk-canary-77", ["sk-canary", "sk-canary-77"]) == "(secret)"


def test_what_is_too_short_to_be_a_secret_stays() -> None:
    assert one_line("404: no desk", ["4", "desk"]) == "404: no desk"


def test_secrets_are_known_by_their_names() -> None:
    named = {
        "AWS_SECRET_ACCESS_KEY": "one",
        "hf_token": "two",
        "max_tokens": 3,
        "password": None,
        "extra_headers": {"X": 4},
        "HOME": "five",
    }
    assert list(secrets_among(named)) == ["one", "two", "4"]


@given(st.binary() | st.from_regex(rb'\A\{"error": [^}]*\}\Z'))
def test_every_body_has_words(body) -> None:
    assert isinstance(words_of(body), str)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error": "no"}', "no"),
        (b'{"error": {"code": 7}}', '{"error": {"code": 7}}'),
        (b'{"detail": "no"}', '{"detail": "no"}'),
        (b"[1]", "[1]"),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
def test_the_words_are_those_of_the_protocol_or_the_body(body, words) -> None:
    assert words_of(body) == words
