"""CSV: a case a row, with cells that are lists, numbers, JSON or keys of an object."""

import csv

import pytest

from convsim_adapters.case_files import load_cases
from convsim_fp.core import thaw


def test_columns_fill_fields_and_keys_of_objects(write) -> None:
    text = (
        "id,goal,context.order.id,context.vip,expectations.refund,extra.place,tags,max_turns,agent_opens\n"
        'a,Pay,W7,,"{""sum"": 12}",Oslo,"new, urgent,",3,Yes\n'
        "\n"
        "b,Ask,,[true],,,,,0\n"
    )
    a, b = load_cases(write("a.csv", text)).cases
    assert thaw(a.context) == {"order": {"id": "W7"}}
    assert thaw(a.expectations) == {"refund": {"sum": 12}}
    assert (a.extra["place"], a.tags, a.max_turns, a.agent_opens) == (
        "Oslo",
        ("new", "urgent"),
        3,
        True,
    )
    assert (thaw(b.context), b.tags, b.max_turns, b.agent_opens) == (
        {"vip": [True]},
        (),
        None,
        False,
    )


@pytest.mark.parametrize("field", ["script", "knows", "does_not_know"])
def test_a_cell_of_several_lines_is_a_list(write, field) -> None:
    text = f'goal,{field}\nx,"one\r\n\r\n two "\ny,"[""one"", ""two""]"\nz,extra\n'
    first, second, third = load_cases(write("a.csv", text)).cases
    assert first.extra[field] == second.extra[field] == ("one", "two")
    assert third.extra[field] == ("extra",)


def test_guidelines_are_one_a_line_and_an_agenda_or_a_history_is_json(write) -> None:
    history = '[{""role"": ""user"", ""content"": ""Hi.""}]'
    text = f'goal,simulation_guidelines,history\nx,"be terse\nbe rude","{history}"\n'
    [case] = load_cases(write("a.csv", text)).cases
    assert case.simulation_guidelines == ("be terse", "be rude")
    assert case.history[0].text == "Hi."


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_the_delimiter_goes_by_the_header(write, delimiter, end) -> None:
    text = end.join((delimiter.join(("goal", "persona")), delimiter.join(("a b", "x:y")), ""))
    [case] = load_cases(write("a.csv", text)).cases
    assert (case.goal, case.persona) == ("a b", "x:y")


def test_text_in_a_column_of_plain_text_may_begin_with_a_bracket(write) -> None:
    text = "goal,persona,language\n[sic] pay,{curly},[no]\n"
    [case] = load_cases(write("a.csv", text)).cases
    assert (case.goal, case.persona, case.extra["language"]) == ("[sic] pay", "{curly}", "[no]")


def test_a_pattern_may_begin_with_a_bracket_and_a_blank_makes_text(write) -> None:
    text = "goal,goal_when,context.a\nx,[Rr]efunded, [sic]\n"
    [case] = load_cases(write("a.csv", text)).cases
    assert (case.extra["goal_when"], case.context["a"]) == ("[Rr]efunded", " [sic]")


NOT_JSON = "is not JSON: Expecting value (column 2, at 'oops')"
OR_TEXT = "mend it, or begin it with a blank to have it as text"


def test_every_problem_of_every_row_is_told_with_the_line_of_its_cell(refused) -> None:
    text = (
        "goal,knows,agent_opens,max_turns,context.a\r\n"
        '"a\r\nb","c\r\nd",perhaps,many,\r\n'
        ",,,,[oops\r\n"
        "x,,,,,more\r\n"
        "y,,,0,"
    )
    assert [line.replace("a.csv:", "", 1) for line in refused("a.csv", text)] == [
        "4: cases[0]: agent_opens is 'perhaps', expected true or false",
        "4: cases[0]: max_turns is 'many', expected a whole number",
        f"5: cases[1]: context.a begins with [ but {NOT_JSON}; {OR_TEXT}",
        "5: cases[1]: goal is missing; write what the user wants to achieve",
        "6: cases[2]: the row has 'more' where the header has no name; name the column",
        "7: cases[3]: max_turns is a number (0), expected a whole number from 1 to 1,000,000",
    ]


def test_a_column_without_a_name_or_with_that_of_another_is_refused(refused) -> None:
    assert refused("a.csv", "goal,,goal, persona ,persona\nx,y,,p\n") == [
        "a.csv:1: goal names column 1 and column 3; keep one of them",
        "a.csv:1: persona names column 4 and column 5; keep one of them",
        "a.csv:2: cases[0]: the row has 'y' where the header has no name; name the column",
    ]


def test_empty_columns_and_a_short_row_are_no_problem(write) -> None:
    [case] = load_cases(write("a.csv", "goal,,persona,\nx\n,,,\n")).cases
    assert (case.goal, case.persona) == ("x", None)


def test_columns_that_fill_the_same_place_are_refused(refused) -> None:
    text = 'goal,context.a,context.a.b,context\nx,1,2,"{""c"": 3}"\n'
    assert refused("a.csv", text) == [
        "a.csv:2: cases[0]: context.a.b stands beside context.a, which is no object; keep one",
        "a.csv:2: cases[0]: context is filled by another column, too; keep one of them",
    ]


def test_an_object_and_columns_of_its_keys_add_up(write) -> None:
    text = 'goal,context,context.b\nx,"{""a"": 1}",2\n'
    [case] = load_cases(write("a.csv", text)).cases
    assert thaw(case.context) == {"a": 1, "b": "2"}


@pytest.mark.parametrize("row", ['"open', '"closed" too early'])
def test_quotes_that_do_not_close_are_refused_where_the_row_begins(refused, row) -> None:
    [told] = refused("a.csv", f"goal,persona\nx,y\n{row},z\nmore,rows\n")
    assert told.startswith("a.csv:3: the row is not CSV: ")
    assert told.endswith("; close all quotes, and double those inside of a quoted cell")


def test_a_huge_cell_is_refused_and_the_limit_of_the_process_stays(refused) -> None:
    limit = csv.field_size_limit()
    [told] = refused("a.csv", f"goal\nx\n{'y' * (limit + 1)}\n")
    assert told.startswith(f"a.csv:3: the row has a cell of more than {limit:,} characters")
    assert csv.field_size_limit() == limit


def test_a_huge_cell_of_the_header_is_refused(refused) -> None:
    [told] = refused("a.csv", "y" * 200_000)
    assert told.startswith("a.csv:1: the row has a cell of more than")


def test_the_problems_of_the_rows_before_a_broken_one_are_told_too(refused) -> None:
    told = refused("a.csv", 'goal,max_turns\nx,many\n"open\n')
    assert [line.split(":")[1] for line in told] == ["2", "3"]


def test_a_whole_number_is_one_of_ten_digits(refused) -> None:
    told = refused("a.csv", f"goal,max_turns\nx,\u0663\ny,{'9' * 5000}\nz,-1\n")
    assert all(line.endswith("expected a whole number") for line in told)
    assert len(told) == 3


def test_an_unknown_column_is_warned_about_with_its_file_and_line(write) -> None:
    [warning] = load_cases(write("a.csv", "goal,personna\nx,y\n")).warnings
    assert str(warning).endswith(
        "a.csv:2: cases[0]: personna is not a field of a test case and is ignored; "
        "did you mean 'persona'?"
    )
