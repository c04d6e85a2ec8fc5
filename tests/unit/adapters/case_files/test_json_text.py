"""JSON and JSON lines, with the lines of what is wrong."""

import pytest

from convsim_adapters.case_files import load_cases
from convsim_adapters.case_files.json_text import read_value


def test_a_problem_deep_inside_of_a_case_has_the_line_on_which_it_stands(refused) -> None:
    text = '{\n "cases": [\n  {"goal": "pay",\n   "context": {"order": [\n    1,\n    NaN]}}\n ]\n}'
    assert refused("a.json", text) == [
        "a.json:6: cases[0]: context.order[1] is NaN, which JSON cannot hold"
    ]


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity", "1e999"])
@pytest.mark.parametrize(
    ("before", "field", "after"),
    [
        ('{"goal": ', "goal", "}"),
        ('{"goal": "x", "persona": ', "persona", "}"),
        ('{"goal": "x", "id": ', "id", "}"),
        ('{"goal": "x", "tags": [', "tags[0]", "]}"),
        ('{"goal": "x", "simulation_guidelines": ', "simulation_guidelines", "}"),
        ('{"goal": "x", "history": ', "history", "}"),
        ('{"goal": "x", "history": [', "history[0]", "]}"),
        ('{"goal": "x", "agent_opens": ', "agent_opens", "}"),
        ('{"goal": "x", "max_turns": ', "max_turns", "}"),
        ('{"goal": "x", "context": ', "context", "}"),
        ('{"goal": "x", "context": {"a": ', "context.a", "}}"),
        ('{"goal": "x", "expectations": {"a": [', "expectations.a[0]", "]}}"),
        ('{"goal": "x", "extra": {"a": ', "extra.a", "}}"),
        ('{"goal": "x", "script": [', "script[0]", "]}"),
        ('{"goal": "x", "knows": ', "knows", "}"),
        ('{"goal": "x", "does_not_know": ', "does_not_know", "}"),
        ('{"goal": "x", "language": ', "language", "}"),
        ('{"goal": "x", "agenda": ', "agenda", "}"),
        ('{"goal": "x", "goal_when": ', "goal_when", "}"),
    ],
)
def test_no_field_takes_nan_or_infinity(refused, before, field, after, word) -> None:
    told = refused("a.json", f"[\n{before}{word}{after}]")
    kind = "is NaN, " if word == "NaN" else "inf), "
    assert any(f" {field} is " in line and kind in line for line in told)
    assert all(line.startswith("a.json:2: cases[0]") for line in told)


def test_a_key_given_twice_is_refused_with_both_lines(refused) -> None:
    text = '[{"goal": "a",\n "goal": "b", "context": {\n"x": {"k": 1,\n\n"k": 1}}}]'
    assert refused("a.json", text) == [
        "a.json:2: cases[0]: goal is given twice, in lines 1 and 2; keep one of them",
        "a.json:5: cases[0]: context.x.k is given twice, in lines 3 and 5; keep one of them",
    ]


def test_another_problem_of_a_case_with_a_repeated_key_is_told_too(refused) -> None:
    told = refused("a.json", '[{"goal": "a", "goal": 7}, {"goal": ""}]')
    assert [line.split(": ", 2)[1] for line in told] == ["cases[0]", "cases[0]", "cases[1]"]


@pytest.mark.parametrize(
    ("text", "line", "place"),
    [
        ('[{"goal": "x"},\n]', 2, "(column 1, at ']')"),
        ('[{"goal" "x"}]', 1, "(column 10, at '\"x\"}]')"),
        ('[\n{"goal": oops}]', 2, "(column 10, at 'oops}]')"),
        ('[{"goal": "x"} {"goal": "y"}]', 1, '(column 16, at \'{"goal": "y"}]\')'),
        ('[{"goal": "x"}]\n more', 2, "(column 2, at 'more')"),
        ('{"cases": [{"goal": "x"}]}]', 1, "(column 27, at ']')"),
        ('[{"goal": "x"}', 1, "at the end of the line or the file)"),
        ("oops", 1, "(column 1, at 'oops')"),
        ('[{"goal": "x",\n goal: 1}]', 2, "at 'goal: 1}]')"),
    ],
)
def test_what_is_no_json_is_refused_with_line_and_column(refused, text, line, place) -> None:
    [told] = refused("a.json", text)
    assert told.startswith(f"a.json:{line}: the file is not JSON: ")
    assert told.endswith(place)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('{"goal": "x"}', "is an object with 'goal'"),
        ("{}", "is an object with nothing in it"),
        ('{"cases": [], "more": 1}', "is an object with 'cases', 'more'"),
        ('{"cases": [], "cases": []}', "is an object with 'cases', 'cases'"),
        ('{"cases": 7}', "has a number (7) under 'cases'"),
        ("7", "is a number (7)"),
        ("null", "is nothing (null)"),
    ],
)
def test_what_is_no_list_of_cases_is_refused(refused, text, found) -> None:
    expected = "expected a list of cases, or an object whose only key is 'cases'"
    assert refused("a.json", text) == [f"a.json:1: the file {found}, {expected}"]


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a":' * 100_000, '{"cases": ' + "[" * 100_000])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_deep_nesting_is_refused(refused, name, text) -> None:
    [told] = refused(name, text)
    assert "Nested too deeply; flatten it" in told


def test_integers_beyond_the_digits_that_python_reads_are_refused_by_field(refused) -> None:
    told = refused("a.json", f'[{{"goal": "x",\n"context": {{"n": -{"9" * 5000}}}}}]')
    assert told == [
        "a.json:2: cases[0]: context.n is a number of more than 4096 bits, which JSON cannot hold"
    ]


@pytest.mark.parametrize(
    ("case", "field"),
    [
        ('{"goal": "\\ud83d"}', "goal has half"),
        ('{"goal": "x", "knows": ["a",\n "\\ude00\\ud83d"]}', "knows[1] has half"),
        ('{"goal": "x", "context": {"a": {"\\ud83d": 1}}}', "context.a has a name with half"),
        ('{"\\ud83d": 1}', "the case has a name with half"),
        ('"\\ud83d"', "the case has half"),
    ],
)
def test_half_a_character_is_refused_in_words_that_can_be_printed(refused, case, field) -> None:
    [told] = refused("a.json", f"[{case}]")
    assert f": {field} of a character (a lone surrogate" in told
    assert told.encode()


def test_both_halves_of_a_character_are_one(write) -> None:
    assert load_cases(write("a.json", '[{"goal": "\\ud83d\\ude00"}]')).cases[0].goal == "😀"


def test_all_bad_lines_of_json_lines_are_told_at_once(refused) -> None:
    text = '{"goal": "x"}\r\n\r\n{"goal":}\n[]\n  \n{"goal": 7} 8\n{"goal": ""}\n'
    told = refused("a.jsonl", text)
    assert [line.split(": ")[0] for line in told] == [f"a.jsonl:{n}" for n in (3, 4, 6, 7)]
    assert "cases[1]: the line is not JSON" in told[0]
    assert told[1].endswith("cases[2]: the case is a list, expected an object with a goal")
    assert "cases[3]: the line is not JSON: Expecting nothing more (column 13, at '8')" in told[2]


def test_a_line_separator_inside_of_a_text_ends_no_line(write) -> None:
    file = write("a.jsonl", '{"goal": "a\u2028b\x85c"}\n')
    assert load_cases(file).cases[0].goal == "a\u2028b\x85c"


def test_one_value_is_read_or_refused_in_words() -> None:
    assert read_value(' {"a": [1]} ') == {"a": [1]}
    with pytest.raises(ValueError, match="is not JSON: "):
        read_value("[1")
    with pytest.raises(ValueError, match="has a key twice"):
        read_value('{"a": 1, "a": 2}')
