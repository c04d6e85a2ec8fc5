"""Reading a model's answer: what is around it, and what it says."""

import pytest

from convsim_fp.core.reading import (
    beside_objects,
    find_object,
    looks_like_object,
    shows_reasoning,
    without_reasoning,
    yes_or_no,
)

REASONED = (
    ("Hi", "Hi"),
    ("  Hi \n", "Hi"),
    ("", ""),
    ("<think>a</think>Hi", "Hi"),
    ("\n<THINK>a\nb</Think>\n\nHi", "Hi"),
    ("<thinking>a</thinking> <reasoning>b</reasoning> Hi", "Hi"),
    ("<thought>a</thought>Hi", "Hi"),
    ("<thoughts>a</thoughts>Hi", "Hi"),
    ("<analysis>a</analysis><scratchpad>b</scratchpad>Hi", "Hi"),
    ("[THINK]a[/THINK]Hi", "Hi"),
    ("<think>a<think>b</think>Hi", "Hi"),
    ("<think></think>Hi", "Hi"),
    ("<think>a", ""),
    ("<think>a</think>", ""),
    ("<think>a</think><think>b", ""),
    ("a\n</think>\nHi", "Hi"),
    ("a</think>\nHi", "Hi"),
    ("a\n</think>Hi", "Hi"),
    ("a</think>", ""),
    ("a</think> \r\nHi", "Hi"),
    ("</think>Hi", "Hi"),
    ("a\n</think>\nb\n</think>\nHi", "Hi"),
    ("a\n</think>\n<think>b</think>Hi", "Hi"),
    # Not plainly reasoning: it stays for the reader to judge.
    ("a</think>Hi", "a</think>Hi"),
    ("Hi <think>a</think> there", "Hi <think>a</think> there"),
    ("Hi\n<think>a\n</think>\nthere", "Hi\n<think>a\n</think>\nthere"),
    ('{"a": "b\n</think>\nc"}', '{"a": "b\n</think>\nc"}'),
    ('```json\n{"a": "\n</think>\n"}\n```', '```json\n{"a": "\n</think>\n"}\n```'),
    ("I <thinking> so", "I <thinking> so"),
    ("<thinker>a</thinker>", "<thinker>a</thinker>"),
)


@pytest.mark.parametrize(("text", "rest"), REASONED)
def test_reasoning_before_the_answer_is_dropped(text: str, rest: str) -> None:
    assert without_reasoning(text) == rest
    assert without_reasoning(rest) == rest


def test_left_over_reasoning_shows() -> None:
    assert shows_reasoning("a</think>Hi")
    assert shows_reasoning("Hi [THINK]")
    assert shows_reasoning("Hi <reasoning> there")
    assert not shows_reasoning("I was thinking <b>so</b> [x]")


FOUND = (
    '{"a": 1}',
    ' \n{"a":1}\n ',
    '```json\n{"a": 1}\n```',
    'Sure: {"a": 1}.',
    '{ \n "a" : 1 }',
    '{"a": 1} {"a": 1.0}',
    '{"b": 2} {"a": 1} {"c": 3}',
    '{} {"a": 1} { }',
    'f(x) { return } {"a": 1}',
    "{'a': 2} " + '{"a": 1}',
    '[{"a": 1}]',
)


@pytest.mark.parametrize("text", FOUND)
def test_the_object_with_the_key_is_found(text: str) -> None:
    assert find_object(text, "a") == {"a": 1}


def test_line_breaks_and_control_characters_in_strings_are_read() -> None:
    assert find_object('{"a": "b\n\tc\x00", "d": "\\ud800"}', "a") == {
        "a": "b\n\tc\x00",
        "d": "\ud800",
    }


NOT_FOUND = (
    "",
    "a",
    "{}",
    '{"b": 1}',
    '{"b": {"a": 1}}',
    '{"a": 1',
    '{"a": 1,}',
    '{"a": 1} {"a": 2}',
    '{"a": 1, "a": 1}',
    '{"b": "{"a": 1}"}',
    '{"b": {"a": 1}',
    '{"a": NaN}',
    '{"a": Infinity}',
    '{"a": 1e999}',
    '{"a": ' + "9" * 5_000 + "}",
    '{"a":' * 100_000,
    '{"a": 1, "b": ' + "[" * 200 + "]" * 200 + "}",
)


@pytest.mark.parametrize("text", NOT_FOUND, ids=lambda text: repr(text[:30]))
def test_what_cannot_be_trusted_is_not_found(text: str) -> None:
    assert find_object(text, "a") is None


def test_what_is_found_cannot_be_changed() -> None:
    found = find_object('{"a": [1, {"b": 2}]}', "a")
    assert found is not None
    assert hash(found)
    assert found["a"] == (1, {"b": 2})


def test_a_text_looks_like_an_object_where_one_begins() -> None:
    for text in ('{"a', 'x { "a": 1}', '{\n"'):
        assert looks_like_object(text)
    for text in ("", "a", "{}", "{a: 1}", "{'a': 1}", '} "a', "{ goal }"):
        assert not looks_like_object(text)


def test_what_stands_beside_objects_is_all_but_them_and_their_fences() -> None:
    for text in ('{"a": 1}', ' {"a": 1}\n', '```json\n{"a": 1}\n```', '``` {"a": 1}```', ""):
        assert beside_objects(text) == ""
    for text, beside in (
        ('a {"a": 1}', "a"),
        ('{"a": 1} b', "b"),
        ('```json\n{"a": 1}\n``` ok', "ok"),
        ('{"a": 1} he: {"b": 2} {x}', "he:  {x}"),
        ('see {"a": 1', 'see {"a": 1'),
        ("json", "json"),
        ("{}", "{}"),
    ):
        assert beside_objects(text) == beside


@pytest.mark.parametrize(
    "value", [True, "yes", "Yes", " YES.\n", "**yes**", "`yes`", '"yes"', "true", "Yes!", "_yes_"]
)
def test_yes(value: object) -> None:
    assert yes_or_no(value) is True


@pytest.mark.parametrize("value", [False, "no", "No.", "**No**", "'no'", "FALSE", "no\n"])
def test_no(value: object) -> None:
    assert yes_or_no(value) is False


@pytest.mark.parametrize(
    "value", [None, 1, 0, "", " ", "maybe", "yes and no", "y e s", "yesno", "nope", ["yes"], b"yes"]
)
def test_neither(value: object) -> None:
    assert yes_or_no(value) is None
