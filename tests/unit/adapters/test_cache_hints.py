"""Hints for providers' caches: given where they are known to be taken, and never what is read."""

import json
import re
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.cache_hints import (
    HINTS,
    NO_HINTS,
    CacheHints,
    Messages,
    cache_key,
    claude_hints,
    openai_hints,
)
from convsim_fp.core import Generate, Lane, Message, Prompt, RequestId, Session, TestCase
from convsim_fp.testing import strategies as any_of

OPENAI = "https://api.openai.com/v1"
MARKED = openai_hints("gpt-5.6", OPENAI, {})
CLAUDE = claude_hints("claude-sonnet-5", "anthropic", {})
ALL_HINTS = st.sampled_from((NO_HINTS, CacheHints(keyed=True), MARKED, CLAUDE))
VOICES = st.sampled_from(("user", "judge"))
TURNS = st.lists(st.tuples(any_of.texts(), any_of.texts()), max_size=5)


def asked(voice, system, transcript, question, session="refund/1") -> Generate:
    prompt = Prompt(voice, system, transcript, question)
    return Generate(RequestId(1, Lane.USER), Session(session), TestCase(goal="x"), prompt)


def said(message) -> str:
    """What a model reads of a message."""
    content = message["content"]
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


@given(ALL_HINTS, VOICES, any_of.texts(), any_of.transcripts(), any_of.texts())
def test_hints_change_nothing_that_is_read_and_not_the_request(
    hints, voice, system, transcript, question
) -> None:
    """The digest of a request is of its messages, which are those that the model reads."""
    request = asked(voice, system, transcript, question)
    written = hints.messages_of(request)
    assert [(m["role"], said(m)) for m in written] == [
        (m.role, m.content) for m in asked(voice, system, transcript, question).messages
    ]
    assert [m.as_dict() for m in request.messages] == NO_HINTS.messages_of(request)


def wire(hints, request) -> str:
    """The bytes of a request's messages up to the question that closes them."""
    whole = json.dumps(hints.messages_of(request))
    before, found, after = whole.rpartition(json.dumps("\n\n" + request.prompt.question)[1:-1])
    assert found
    assert set(after) <= set('"}]')
    return before.removesuffix(', {"type": "text", "text": "')


def conversation(voice, system, turns) -> list[Generate]:
    """The requests of one role, turn by turn; a judge is not asked before the first reply."""
    transcript: tuple[Message, ...] = ()
    requests = [asked(voice, system, transcript, "Question 0")]
    for number, (user, agent) in enumerate(turns, 1):
        transcript = (*transcript, Message("user", user), Message("agent", agent))
        requests.append(asked(voice, system, transcript, f"Question {number}"))
    return requests[voice == "judge" :]


@given(st.sampled_from((NO_HINTS, MARKED)), VOICES, any_of.texts(), TURNS)
def test_the_bytes_of_a_request_begin_with_those_of_the_one_before_it(
    hints, voice, system, turns
) -> None:
    """Law 5 at the wire, marks included: all up to the question comes again."""
    requests = conversation(voice, system, turns)
    for before, after in pairwise(wire(hints, request) for request in requests):
        assert after.startswith(before)


def marked(written) -> list[str]:
    """What is read up to each mark."""
    read, found = "", []
    for message in written:
        parts = message["content"] if isinstance(message["content"], list) else [message["content"]]
        for part in parts:
            read += f"{message['role']}: {part['text'] if isinstance(part, dict) else part}\n"
            if isinstance(part, dict) and not HINTS.isdisjoint(part):
                found.append(read)
    return found


@given(ALL_HINTS, VOICES, any_of.texts(), TURNS)
def test_as_json_they_are_the_same_and_their_marks_are_told(hints, voice, system, turns) -> None:
    """What was written once for a message is what would be written of it now."""
    for request in conversation(voice, system, turns):
        sent = Messages(request, hints)
        assert sent.as_json() == json.dumps(sent.plain())
        assert sent.marks() == {name for name in HINTS if json.dumps(name) in sent.as_json()}


@given(st.sampled_from((MARKED, CLAUDE)), VOICES, any_of.texts(), TURNS)
def test_where_a_request_ended_a_mark_is_in_the_next_one(hints, voice, system, turns) -> None:
    """There the provider looks; the last mark is before the question, and four are allowed."""
    requests = conversation(voice, system, turns)
    for before, after in pairwise(marked(hints.messages_of(request)) for request in requests):
        assert before[-1] in after
        assert after[-1] not in before
        assert hints is MARKED or len(after) == 2


@given(any_of.texts(), any_of.texts())
def test_a_key_is_stable_and_no_session_or_role_has_anothers(one: str, other: str) -> None:
    """And it says nothing of either; providers take up to 64 characters."""
    keys = {
        (voice, name): cache_key(asked(voice, "x", (), "y", session=name))
        for voice in ("user", "judge")
        for name in (one, other)
    }
    assert len(set(keys.values())) == len(keys)
    for (voice, name), key in keys.items():
        assert re.fullmatch("convsim-[0-9a-f]{32}", key)
        assert key == cache_key(asked(voice, "z", (Message("user", "Hi"),), "?", session=name))


@pytest.mark.parametrize(
    ("base", "keyed"),
    [
        (OPENAI, True),
        (f"{OPENAI}/chat/completions", True),
        ("https://eu.api.openai.com/v1", True),
        ("HTTPS://API.OPENAI.COM", True),
        ("https://api.openai.com:443/v1", True),
        ("http://127.0.0.1:8000/v1", False),
        ("https://shop.openai.azure.com/v1", False),
        ("https://api.openai.com.example.org/v1", False),
        ("https://myapi.openai.com/v1", False),
        ("https://gateway.example.org/https://api.openai.com/v1", False),
        ("https://gateway.example.org/@api.openai.com/v1", False),
        ("https://[", False),
    ],
)
def test_only_what_is_openais_own_has_a_key(base, keyed) -> None:
    assert openai_hints("gpt-4o", base, {}).keyed is keyed
    assert openai_hints("gpt-5.6", base, {}) == (MARKED if keyed else NO_HINTS)


@pytest.mark.skipif(find_spec("litellm") is None, reason="needs convsim-fp[litellm]")
def test_marks_are_for_the_models_that_litellms_map_says_take_them() -> None:
    place = find_spec("litellm").submodule_search_locations[0]
    file = Path(place) / "model_prices_and_context_window_backup.json"
    listed = json.loads(file.read_text("utf-8"))
    takes = {
        name: bool(entry.get("supports_prompt_cache_breakpoint"))
        for name, entry in listed.items()
        if entry.get("litellm_provider") == "openai" and entry.get("mode") == "chat"
    }
    assert any(takes.values())
    wrong = [
        name
        for name, listed_so in takes.items()
        if listed_so and not openai_hints(name, OPENAI, {}).mark
    ]
    assert wrong == []
    for name in ("gpt-4o", "gpt-4.1", "gpt-5", "gpt-5-mini", "gpt-5.5", "o3", "chatgpt-4o-latest"):
        assert openai_hints(name, OPENAI, {}) == CacheHints(keyed=True)


def test_who_says_how_to_cache_is_left_alone() -> None:
    own = {"prompt_cache_options": {"mode": "implicit"}}
    assert openai_hints("gpt-5.6", OPENAI, own) == CacheHints(keyed=True)
    points = {"cache_control_injection_points": []}
    assert claude_hints("claude-sonnet-5", "anthropic", points) == NO_HINTS


@pytest.mark.parametrize(
    ("model", "provider", "takes"),
    [
        ("claude-sonnet-5", "anthropic", True),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "bedrock", True),
        ("claude-sonnet-4-5", "vertex_ai", True),
        ("anthropic/claude-sonnet-4.5", "openrouter", True),
        ("gemini-2.5-flash", "vertex_ai", False),
        ("amazon.nova-pro-v1:0", "bedrock", False),
        ("claude-haiku-4-5", "kyma", False),
    ],
)
def test_marks_are_for_claude_where_it_is_known_to_take_them(model, provider, takes) -> None:
    assert claude_hints(model, provider, {}) == (CLAUDE if takes else NO_HINTS)
