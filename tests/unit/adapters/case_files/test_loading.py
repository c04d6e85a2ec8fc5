"""Several files at once: order, names, fields that others read, warnings."""

import subprocess
import sys

import pytest

from convsim_adapters.case_files import Source, load_cases
from convsim_adapters.case_files.located import Spot, line_of, written
from convsim_fp.errors import InvalidSpec


def problems(*files) -> list[str]:
    with pytest.raises(InvalidSpec) as refused:
        load_cases(files)
    texts = [str(problem) for problem in refused.value.problems]
    for file in files:
        texts = [text.replace(f"{file.parent}/", "") for text in texts]
    return texts


def test_files_load_in_order_and_every_case_knows_its_source(write) -> None:
    a = write("a.yaml", "- goal: one\n\n- goal: two\n")
    b = write("b.jsonl", '\n{"goal": "three"}\n')
    loaded = load_cases([a, str(b)])
    assert [case.goal for case in loaded.cases] == ["one", "two", "three"]
    assert loaded.sources == (
        Source(str(a), 1, 0),
        Source(str(a), 3, 1),
        Source(str(b), 2, 0),
    )
    assert str(loaded.sources[1]) == f"cases[1] in {a}, line 3"


def test_one_path_alone_will_do(write) -> None:
    file = write("a.json", '[{"goal": "x"}]')
    assert load_cases(file) == load_cases(str(file)) == load_cases([file])


def test_all_problems_of_all_files_come_in_the_order_of_files_and_lines(write) -> None:
    b = write("b.yaml", "- goal: x\n  max_turns: 0\n  persona: 7\n- goal: ''\n")
    a = write("a.json", '[{"goal": "x"}')
    c = write("c.json", '[\n{"id": "c", "goal": 7}]')
    starts = [text.split(": ")[0] for text in problems(b, a, c, b.with_name("d.csv"))]
    assert starts == ["b.yaml:2", "b.yaml:3", "b.yaml:4", "a.json:1", "c.json:2", "d.csv"]


def test_an_id_is_used_once_in_all_files(write) -> None:
    a = write("a.yaml", "- goal: x\n  id: one\n- {goal: y, id: one}\n")
    b = write("b.json", '[{"goal": "z",\n"id": "one"}]')
    first = "is that of cases[0] in a.yaml, line 1, too; give each case its own"
    assert problems(a, b) == [
        f'a.yaml:3: cases[1] ("one"): id {first}',
        f'b.json:2: cases[0] ("one"): id {first}',
    ]


def test_an_id_of_a_case_with_other_problems_counts_too(write) -> None:
    a = write("a.yaml", "- goal: ''\n  id: one\n- {goal: y, id: one}\n")
    assert [text.split(": ")[2].split()[0] for text in problems(a)] == ["goal", "id"]


def test_an_id_is_not_the_name_that_another_case_gets_by_its_position(write) -> None:
    a = write("a.yaml", "- goal: x\n- {goal: y, id: case-2}\n")
    b = write("b.yaml", "- goal: z\n- {goal: y, id: case-0}\n")
    stands = "which would stand for it, is that of cases[1] in a.yaml, line 2"
    goes = "the name by which cases[0] in a.yaml, line 1 goes, for want of an id"
    assert problems(a, b) == [
        f"b.yaml:1: cases[0]: id is missing, and 'case-2', {stands}; give the case an id",
        f'b.yaml:2: cases[1] ("case-0"): id is {goes}; give one of them another',
    ]


def test_a_file_given_twice_is_refused_once_for_all(write) -> None:
    a = write("a.yaml", "- goal: x\n")
    assert problems(a, a) == ["a.yaml: the file is given twice; name it once"]


def test_fields_of_users_and_goal_checks_are_parsed_at_load(write) -> None:
    text = (
        "- goal: x\n"
        "  script:\n    - Hi.\n    - '{context.order}'\n"
        "  goal_when: '('\n"
        "  knows: [7]\n"
        "- goal: y\n"
        "  extra:\n    script:\n      - 7\n"
    )
    places = [text.split(" is ")[0].split(" has ")[0] for text in problems(write("a.yaml", text))]
    assert places == [
        "a.yaml:4: cases[0]: script[1]",
        "a.yaml:5: cases[0]: goal_when",
        "a.yaml:6: cases[0]: knows[0]",
        "a.yaml:10: cases[1]: extra.script[0]",
    ]


def test_they_are_parsed_in_a_case_with_other_problems_too(write) -> None:
    text = "- goal: ''\n  persona: 7\n  script: ['{goal}', '{persona}', 7, '{context.x}']\n"
    places = [text.split(": ")[2].split()[0] for text in problems(write("a.yaml", text))]
    assert places == ["goal", "persona", "script[2]", "script[3]"]


def test_places_are_not_told_missing_where_their_source_could_not_be_read(write) -> None:
    text = "- goal: x\n  context: {a: .inf, b: 1}\n  script: ['{context.b}']\n"
    [told] = problems(write("a.yaml", text))
    assert "context.a" in told


def test_a_field_given_in_both_places_is_refused(write) -> None:
    [told] = problems(write("a.yaml", "- goal: x\n  script: [a]\n  extra: {script: [b]}\n"))
    assert told == "a.yaml:2: cases[0]: script is given beside extra.script; keep one of them"


def test_unknown_fields_are_warnings_with_what_was_meant(write) -> None:
    a = write("a.yaml", "- goal: x\n  id: one\n  scirpt: [a]\n")
    b = write("b.json", '[{"goal": "x", "langage": "no"}]')
    ignored = "is not a field of a test case and is ignored; did you mean"
    assert [str(warning) for warning in load_cases([b, a]).warnings] == [
        f"{b}:1: cases[0]: langage {ignored} 'language'?",
        f"{a}:3: cases[0] (\"one\"): scirpt {ignored} 'script'?",
    ]


def without(*names: str) -> str:
    return "import sys; " + "; ".join(f"sys.modules[{name!r}] = None" for name in names)


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_reading_json_needs_no_vendor(write) -> None:
    file = write("a.json", '[{"goal": "x"}]')
    load = f"from convsim_adapters.case_files import load_cases; load_cases({str(file)!r})"
    heavy = "print({'yaml', 'click', 'rich', 'asyncio'} & set(sys.modules))"
    assert run(f"import sys; {load}; {heavy}").strip() == "set()"


def test_yaml_without_pyyaml_names_the_line_that_installs_it(write) -> None:
    file = write("a.yaml", "- goal: x\n")
    code = (
        f"{without('yaml')}\n"
        "from convsim_adapters.case_files import load_cases\n"
        f"try: load_cases({str(file)!r})\n"
        "except ValueError as error: print(error)\n"
    )
    needs = "the file is YAML, which needs PyYAML; pip install 'convsim-fp[cli]'"
    assert run(code).strip().endswith(needs)


def test_the_line_of_a_field_is_that_of_its_innermost_part() -> None:
    inner = Spot(5, lambda: [(0, Spot(6)), (1, Spot(7))])
    whole = Spot(1, lambda: [("a", Spot(2)), ("a.b", Spot(3)), ("c", inner), ("ab", Spot(9))])
    lines = {"a": 2, "a.b": 3, "a.b[0]": 3, "a.x": 2, "c[1].x": 7, "c[2]": 5, "abc": 1, "": 1}
    assert {field: line_of(whole, field) for field in lines} == lines


def test_a_field_has_the_name_that_its_longest_known_beginning_says() -> None:
    names = {"extra.tau2": "", "extra.tau2.x": "y", "extra.script": "script"}
    fields = ("extra.tau2.ticket", "extra.tau2.x[0]", "extra.scripted", "extra.script", "goal")
    assert [written(field, names) for field in fields] == [
        "ticket",
        "y[0]",
        "extra.scripted",
        "script",
        "goal",
    ]
