"""YAML by its core schema of version 1.2, and what attacks with it come to."""

import pytest
import yaml

from convsim_adapters.case_files import load_cases
from convsim_adapters.case_files.located import Document
from convsim_adapters.case_files.yaml_scalars import plain, tagged
from convsim_adapters.case_files.yaml_text import read_yaml

PARSERS = [yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader)]
PARSER_IDS = ["in Python", "the fastest"]
either = pytest.mark.parametrize("parser", PARSERS, ids=PARSER_IDS)


def values(document: Document) -> list[object]:
    assert not document.problems
    return [record.value for record in document.records]


def problem(text: str, parser: type[yaml.SafeLoader]) -> tuple[int | None, str]:
    [found] = read_yaml(text, parser=parser).problems
    return found.line, found.what


@pytest.mark.parametrize(
    ("word", "value"),
    [
        *((word, None) for word in ("", "~", "null", "Null", "NULL")),
        *((word, True) for word in ("true", "True", "TRUE")),
        *((word, False) for word in ("false", "False", "FALSE")),
        *((word, word) for word in ("yes", "no", "on", "off", "y", "n", "nUll", "tRue")),
        *((word, word) for word in ("12:30", "2026-11-24", "1_000", "00742", "-08", "0b1", "0o8")),
        *(
            (word, word)
            for word in (".", "-", "+", "1.2.3", "e3", "0x", "--1", "1e", "00.5", "\u0663")
        ),
        *(("0", 0) for _ in "1"),
        *((word, int(word)) for word in ("7", "-7", "+7", "123456789")),
        *(("0o17", 15), ("0x1F", 31)),
        *((word, float(word)) for word in ("0.5", "-.5", "+.5", "1.", "1e3", "1E-3", "0.5e+3")),
        *((word, float("inf")) for word in (".inf", "+.Inf", ".INF")),
        ("-.inf", float("-inf")),
    ],
)
def test_a_word_without_quotes_is_what_the_core_schema_says(word, value) -> None:
    assert plain(word) == value
    assert type(plain(word)) is type(value)


@pytest.mark.parametrize("word", [".nan", ".NaN", ".NAN"])
def test_not_a_number_is_one_for_the_checks_to_refuse(refused, word) -> None:
    assert refused("a.yaml", f"- goal: x\n  max_turns: {word}") == [
        "a.yaml:2: cases[0]: max_turns is NaN, expected a whole number from 1 to 1,000,000"
    ]


def test_a_number_of_very_many_digits_is_refused_by_its_field(refused) -> None:
    [told] = refused("a.yaml", f"- goal: x\n  context:\n    n: {'9' * 5000}")
    assert told.startswith("a.yaml:3: cases[0]: context.n is a number of more than 4096 bits")


def test_a_language_may_be_norwegian(write) -> None:
    file = write("a.yaml", "- goal: x\n  language: no\n  tags: [on, 12:30]\n")
    [case] = load_cases(file).cases
    assert (case.extra["language"], case.tags) == ("no", ("on", "12:30"))


@pytest.mark.parametrize(
    ("word", "tag", "value"),
    [("7", "!!str", "7"), ("7", "!!float", 7.0), ("7", "!!int", 7), ("true", "!!bool", True)],
)
def test_a_tag_says_what_a_word_is(word, tag, value) -> None:
    assert tagged(word, tag) == value


@either
def test_a_tag_that_its_word_does_not_fit_is_refused(parser) -> None:
    what = "has the tag !!int on 'x', which it does not fit; leave it out"
    assert problem("- goal: x\n- !!int x", parser) == (2, what)


@either
@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("- goal: !!python/object/apply:os.system [ls]", "!!python/object/apply:os.system"),
        ("- !!python/name:os.system", "!!python/name:os.system"),
        ("- !mine {goal: x}", "!mine"),
        ("- !!set {goal: x}", "!!set"),
        ("- !!timestamp 2026-11-24", "!!timestamp"),
        ("- !!seq {goal: x}", "!!seq"),
    ],
)
def test_a_tag_that_constructs_something_is_refused(parser, text, tag) -> None:
    assert problem(text, parser) == (
        1,
        f"has the tag {tag}, which is not read here; leave it out",
    )


@either
def test_tags_of_the_core_schema_are_read(parser) -> None:
    text = '!!seq\n- !!map {goal: !!str 7, id: ! 8, n: !!int "9", x: !!null ""}'
    read = values(read_yaml(text, parser=parser))
    assert read == [{"goal": "7", "id": "8", "n": 9, "x": None}]


@either
def test_an_alias_bomb_is_refused_before_it_goes_off(parser) -> None:
    levels = [f"- &l{n + 1} [{', '.join([f'*l{n}'] * 10)}]" for n in range(1, 30)]
    line, what = problem("\n".join(["- &l1 [lol]", *levels]), parser)
    assert line == 7
    assert what == "holds more than 1,000,000 values, aliases expanded; use fewer, or split it"


@either
def test_an_anchor_inside_of_itself_is_refused(parser) -> None:
    assert problem("- goal: x\n- &a\n  b: *a", parser) == (
        3,
        "has the alias *a inside of what it stands for",
    )


@either
def test_an_alias_without_an_anchor_is_refused(parser) -> None:
    assert problem("- *a", parser) == (1, "has the alias *a, but no anchor &a before it")


@either
@pytest.mark.parametrize("text", ["[" * 100_000, "- " * 100_000, "{a: " * 100_000, "? " * 100_000])
def test_deep_nesting_is_refused_and_crashes_nothing(parser, text) -> None:
    line, what = problem(text, parser)
    assert (line, what) == (1, "is nested too deeply; flatten it")


@either
def test_nesting_by_aliases_counts_too(parser) -> None:
    chain = [f"- &l{n + 1} [*l{n}]" for n in range(1, 1000)]
    _, what = problem("\n".join(["- &l1 [x]", *chain]), parser)
    assert what == "is nested too deeply, aliases expanded; flatten it"


@either
def test_anchors_share_what_cases_have_in_common(parser) -> None:
    text = "- &one {goal: x, context: &c {a: 1}}\n- goal: y\n  context: *c\n- *one\n"
    read = values(read_yaml(text, parser=parser))
    assert read == [
        {"goal": "x", "context": {"a": 1}},
        {"goal": "y", "context": {"a": 1}},
        {"goal": "x", "context": {"a": 1}},
    ]


@either
def test_a_merge_brings_in_what_is_not_given(parser) -> None:
    text = (
        "- &a {goal: x, persona: p}\n- &b {id: b, persona: q}\n"
        "- <<: *a\n  goal: y\n- <<: [*b, *a]\n- '<<': kept\n"
    )
    read = values(read_yaml(text, parser=parser))
    assert read[2:] == [
        {"goal": "y", "persona": "p"},
        {"goal": "x", "persona": "q", "id": "b"},
        {"<<": "kept"},
    ]


@either
@pytest.mark.parametrize("merged", ["x", "[{a: 1}, x]", "[[a]]"])
def test_a_merge_of_what_is_no_object_is_refused(parser, merged) -> None:
    line, what = problem(f"- goal: x\n- <<: {merged}", parser)
    assert line == 2
    assert what.endswith("after '<<', expected an alias of an object")


def test_a_problem_inside_of_what_was_merged_has_the_line_where_it_stands(refused) -> None:
    text = "- &a\n  goal: x\n  context:\n    n: .inf\n- <<: *a\n  goal: y\n"
    assert [line.split(" is ")[0] for line in refused("a.yaml", text)] == [
        "a.yaml:4: cases[0]: context.n",
        "a.yaml:4: cases[1]: context.n",
    ]


def test_a_key_given_twice_is_refused_with_both_lines(refused) -> None:
    text = "cases:\n- goal: a\n  persona: p\n  goal: b\n- goal: c\n  context: {k: 1,\n    k: 2}\n"
    assert refused("a.yaml", text) == [
        "a.yaml:4: cases[0]: goal is given twice, in lines 2 and 4; keep one of them",
        "a.yaml:7: cases[1]: context.k is given twice, in lines 6 and 7; keep one of them",
    ]


@either
@pytest.mark.parametrize(("key", "found"), [("[a]", "a list"), ("{a: b}", "an object")])
def test_a_key_that_is_no_word_is_refused(parser, key, found) -> None:
    assert problem(f"- goal: x\n- ? {key}\n  : b\n", parser) == (
        2,
        f"has {found} as a key, expected text",
    )


def test_a_key_that_is_no_text_is_named(refused, write) -> None:
    [told] = refused("a.yaml", "- goal: x\n  context:\n    7: seven\n")
    assert told == "a.yaml:2: cases[0]: context has a key that is a number (7), expected text"
    [warning] = load_cases(write("b.yaml", "- goal: x\n  7: seven\n")).warnings
    assert "a field has a name that is a number (7); it is ignored" in str(warning)


@either
def test_several_documents_are_refused(parser) -> None:
    assert problem("- goal: x\n---\n- goal: y\n", parser) == (
        2,
        "holds several documents; keep one, without '---'",
    )


@either
def test_one_document_may_have_its_marks(parser) -> None:
    assert values(read_yaml("---\n- goal: x\n...\n", parser=parser)) == [{"goal": "x"}]


@either
@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("- goal: x\n\tpersona: y", 2),
        ("- goal: 'x", 1),
        ("- goal: a: b", 1),
        ("- [a, b", 1),
        ("- goal: x\n- @y", 2),
        ("- !e!x y", 1),
        ("- goal: x\n  \x07", 2),
        ('- goal: "\\xZZ"', 1),
    ],
)
def test_what_is_no_yaml_is_refused_with_its_line(parser, text, line) -> None:
    found, what = problem(text, parser)
    # One parser names the line on which a list begins, the other where it ought to have ended.
    assert found in (line, line + 1)
    assert what.startswith("is not YAML: ")


@either
@pytest.mark.parametrize("text", ['- "\\UFFFFFFFF"', f"%YAML 1.{'9' * 5000}\n--- x"])
def test_what_a_parser_stumbles_over_is_refused(parser, text) -> None:
    _, what = problem(text, parser)
    assert what.startswith("is not YAML: ")


@either
def test_tabs_are_named(parser) -> None:
    _, what = problem("- goal: x\n\tpersona: y", parser)
    assert what.endswith("; indent with spaces, not with tabs")


@either
@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("goal: x", "is an object with 'goal'"),
        ("{}", "is an object with nothing in it"),
        ("cases: []\ncases: []", "is an object with 'cases', 'cases'"),
        ("base: {}\ncases: []", "is an object with 'base', 'cases'"),
        ("cases: 7", "has a number (7) under 'cases'"),
        ("just words", "has text"),
    ],
)
def test_what_is_no_list_of_cases_is_refused(parser, text, found) -> None:
    expected = "expected a list of cases, or an object whose only key is 'cases'"
    assert problem(text, parser) == (1, f"{found}, {expected}")


@either
def test_an_object_whose_only_key_is_cases_holds_them(parser) -> None:
    assert values(read_yaml("cases:\n- goal: x\n", parser=parser)) == [{"goal": "x"}]
