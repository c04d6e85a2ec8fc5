"""Laws of reading what a model wrote: it never raises, never guesses, and finds what is there."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from convsim_fp.core import freeze_object, thaw
from convsim_fp.core.reading import (
    beside_objects,
    find_object,
    looks_like_object,
    shows_reasoning,
    without_reasoning,
    yes_or_no,
)
from convsim_fp.goals import read_verdict
from convsim_fp.testing import strategies as any_of

PIECES = (
    '{"a": ',
    '{"result": "yes"',
    '"rationale": "',
    "yes",
    "no",
    "}",
    "]",
    "[",
    '"',
    "\\",
    "\\u12",
    ",",
    ":",
    "1e999",
    "NaN",
    "```json\n",
    "```",
    "<think>",
    "</think>",
    "\n",
    " ",
    "[THINK]",
    "\ud800",
    "\x00",
    "{}",
)
SHREDS = st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | any_of.texts()
# Prose in which no object begins.
PROSE = any_of.texts().map(lambda text: text.replace("{", "("))
OBJECTS = st.dictionaries(any_of.texts(), any_of.json_values(), max_size=3)


@given(SHREDS)
def test_no_text_makes_reading_raise(text: str) -> None:
    """For any text at all."""
    find_object(text, "a")
    beside_objects(text)
    looks_like_object(text)
    shows_reasoning(text)
    yes_or_no(text)
    read_verdict(text)


@given(SHREDS)
@example("a\n</think>\n<think>b</think>c</think>\n")
def test_dropping_reasoning_twice_is_dropping_it_once(text: str) -> None:
    """What is left is a part of the text from which nothing more is dropped."""
    rest = without_reasoning(text)
    assert text.rstrip().endswith(rest)
    assert without_reasoning(rest) == rest == rest.strip()


@given(PROSE, OBJECTS, any_of.json_values(), PROSE, st.booleans(), st.sampled_from((None, 2)))
def test_an_object_is_found_in_any_prose_as_it_was_written(
    before, others, value, after, ascii_only, indent
) -> None:
    """find_object(… dumps(x) …) = x"""
    whole = {**others, "key": value}
    text = json.dumps(whole, ensure_ascii=ascii_only, indent=indent)
    found = find_object(f"{before}{text}{after}", "key")
    assert found == freeze_object(whole)
    assert json.dumps(thaw(found)) == json.dumps(whole)


@given(OBJECTS, any_of.json_values(), st.data())
def test_an_object_that_is_cut_is_not_found(others, value, data) -> None:
    """Wherever it is cut, and whatever objects it holds."""
    text = json.dumps({**others, "key": value, "inner": {"key": value}})
    end = data.draw(st.integers(0, len(text) - 1))
    assert find_object(text[:end], "key") is None


@given(PROSE, any_of.texts(), PROSE, st.sampled_from(("no", "No.", False, "maybe", "", None, 1)))
def test_nothing_in_a_rationale_or_around_the_answer_makes_a_yes(
    before, rationale, after, result
) -> None:
    """Whatever a hostile record got a judge to quote."""
    answer = json.dumps({"rationale": rationale, "result": result}, ensure_ascii=False)
    verdict = read_verdict(f"{before}{answer}{after}")
    assert verdict is None or not verdict.achieved


@given(any_of.texts(), st.data())
def test_a_yes_that_is_cut_is_no_yes(rationale: str, data) -> None:
    """Not even when the rationale quotes a whole one."""
    answer = json.dumps({"rationale": rationale, "result": "yes"}, ensure_ascii=False)
    end = data.draw(st.integers(0, len(answer) - 1))
    verdict = read_verdict(answer[:end])
    assert verdict is None or not verdict.achieved


@given(any_of.texts(), any_of.texts())
def test_two_answers_that_differ_are_none(one: str, other: str) -> None:
    """In any order, with any rationales."""
    yes, no = (
        json.dumps({"rationale": rationale, "result": result})
        for rationale, result in ((one, "yes"), (other, "no"))
    )
    assert read_verdict(f"{yes}\n{no}") is None
    assert read_verdict(f"{no}\n{yes}") is None


@pytest.mark.parametrize(
    "part",
    ["{", "<", '"', " ", "*", "\n", "`", '{"a":', '{"a":1}', '{"', "</think>", "a</think>\n", "[{"],
)
def test_a_megabyte_of_one_thing_is_read_in_time(part: str) -> None:
    """Nothing backtracks: it would never end."""
    text = part * (1_000_000 // len(part))
    for hostile in (text, f"<think>{text}", f'{{"a": {text}'):
        read_verdict(hostile)
        find_object(hostile, "a")
        beside_objects(hostile)
        shows_reasoning(hostile)
