"""Lists of test cases: every problem of all of them at once, and what nothing reads."""

import warnings

import pytest

from convsim_fp import read_cases
from convsim_fp.core import ParsedCases, TestCase, parse_cases
from convsim_fp.core.json_values import A_COUNT
from convsim_fp.errors import InvalidSpec

FIELDS = (
    "goal persona context expectations simulation_guidelines id tags history agent_opens "
    "max_turns extra"
)


def test_all_problems_of_a_list_are_said_at_once_by_index_id_and_field() -> None:
    good = TestCase(goal="x", id="same")
    parsed = parse_cases(
        [
            {"id": "first", "max_turns": 0},
            good,
            "a case",
            {"goal": "x", "id": "same", "context": {"input": 1}},
            {"goal": "x", "id": 7},
            {"goal": "x"},
            {"goal": "x", "id": "same"},
            None,
        ]
    )
    assert [str(problem) for problem in parsed.problems] == [
        'cases[0] ("first"): goal is missing; write what the user wants to achieve',
        f'cases[0] ("first"): max_turns is a number (0), expected {A_COUNT}',
        "cases[2]: the case is text, expected an object with a goal",
        'cases[3] ("same"): context.input is a reserved key; rename it',
        'cases[3] ("same"): id is the id of cases[1] too; give each case its own',
        "cases[4]: id is a number (7), expected text",
        'cases[6] ("same"): id is the id of cases[1] too; give each case its own',
        "cases[7]: the case is nothing (null), expected an object with a goal",
    ]
    assert parsed.cases == (good, TestCase(goal="x"), TestCase(goal="x", id="same"))
    with pytest.raises(InvalidSpec) as error:
        parsed.or_raise()
    assert error.value.problems == parsed.problems


def test_good_cases_are_handed_out() -> None:
    assert parse_cases(iter([{"goal": "x"}])).or_raise() == (TestCase(goal="x"),)
    assert parse_cases([]) == ParsedCases((), (), ())


@pytest.mark.parametrize(
    ("records", "name"),
    [
        ({"goal": "x"}, "an object"),
        ("goal", "text"),
        (b"goal", "a bytes"),
        (None, "nothing (null)"),
        (7, "a number (7)"),
        (TestCase(goal="x"), "a TestCase"),
    ],
)
def test_what_is_no_list_of_cases_is_named(records: object, name: str) -> None:
    parsed = parse_cases(records)  # type: ignore[arg-type]
    assert [str(p) for p in parsed.problems] == [
        f"the list of cases is {name}, expected a list of objects"
    ]
    assert parsed.cases == ()


def test_unknown_fields_are_warned_of_with_what_was_meant() -> None:
    parsed = parse_cases(
        [{"goal": "x", "id": "c1", "gaol": 1, "PERSONA": 2, "zzz": 3, 7: 4, "k" * 99: 5, None: 6}]
    )
    assert parsed.problems == ()
    told = [str(warning) for warning in parsed.warnings]
    ignored = "is not a field of a test case and is ignored"
    assert told[0] == f"cases[0] (\"c1\"): gaol {ignored}; did you mean 'goal'?"
    assert told[1] == f"cases[0] (\"c1\"): PERSONA {ignored}; did you mean 'persona'?"
    assert told[2].startswith(f'cases[0] ("c1"): zzz {ignored}; known are goal, persona, context')
    assert told[2].partition("known are ")[2].split(", ") == FIELDS.split()
    assert told[3] == 'cases[0] ("c1"): a field has a name that is a number (7); it is ignored'
    assert told[4].startswith(f'cases[0] ("c1"): {"k" * 40}… {ignored}')
    assert len(told) == 6


def test_warnings_come_with_problems_too() -> None:
    parsed = parse_cases([{"gaol": "x"}])
    assert (len(parsed.problems), len(parsed.warnings)) == (1, 1)


def test_reading_cases_warns_and_raises() -> None:
    with pytest.warns(UserWarning, match="did you mean 'goal'"):
        read_cases([{"goal": "x", "gaol": "y"}])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(InvalidSpec, match="goal is missing"):
            read_cases([{"gaol": "y"}])


# Names beside the fields.

EXTRAS = ("script", "goal_when")


def test_names_beside_the_fields_belong_into_extra() -> None:
    record = {"goal": "x", "script": ["Hi."], "goal_when": None, "extra": {"note": 1}}
    parsed = parse_cases([record, {"goal": "y", "script": []}], extras=EXTRAS)
    assert parsed.or_raise() == (
        TestCase(goal="x", extra={"note": 1, "script": ["Hi."]}),
        TestCase(goal="y", extra={"script": []}),
    )
    assert parsed.warnings == ()


def test_without_such_names_they_are_unknown_fields() -> None:
    parsed = parse_cases([{"goal": "x", "script": ["Hi."]}])
    assert parsed.cases == (TestCase(goal="x"),)
    assert [warning.field for warning in parsed.warnings] == ["script"]


def test_such_names_are_known_and_meant() -> None:
    parsed = parse_cases([{"goal": "x", "scrpt": 1, "zzz": 2}], extras=(*EXTRAS, "goal"))
    told = [warning.what.partition("; ")[2] for warning in parsed.warnings]
    assert told == ["did you mean 'script'?", f"known are {', '.join((*FIELDS.split(), *EXTRAS))}"]


def test_one_value_at_two_places_is_refused_and_nothing_is_none() -> None:
    twice = {"goal": "x", "id": "c1", "script": ["Hi."], "extra": {"script": ["Bye."]}}
    parsed = parse_cases([twice], extras=EXTRAS)
    assert [str(problem) for problem in parsed.problems] == [
        'cases[0] ("c1"): script is given beside extra.script; keep one of them'
    ]
    assert parsed.cases == ()
    for record in (
        {"goal": "x", "script": ["Hi."], "extra": {"script": None}},
        {"goal": "x", "script": None, "extra": {"script": ["Hi."]}},
    ):
        (case,) = parse_cases([record], extras=EXTRAS).or_raise()
        assert case.extra == {"script": ("Hi.",)}


def test_problems_of_such_a_value_are_said_with_all_the_others() -> None:
    records = [
        {"script": ["Hi."], "extra": "x"},
        {"goal": "", "script": float("nan"), "extra": {"script": 1}},
        {"goal": "x", "script": ["Hi."], "extra": {1: 2}},
    ]
    assert [str(problem) for problem in parse_cases(records, extras=EXTRAS).problems] == [
        "cases[0]: goal is missing; write what the user wants to achieve",
        "cases[0]: extra is text, expected an object",
        "cases[1]: goal is empty; write what the user wants to achieve",
        "cases[1]: extra.script is NaN, which JSON cannot hold",
        "cases[1]: script is given beside extra.script; keep one of them",
        "cases[2]: extra has a key that is a number (1), expected text",
    ]
