"""Laws of test cases: any input is read or named, and nothing that was read can be changed."""

import math
from copy import deepcopy

from attrs import fields
from hypothesis import given
from hypothesis import strategies as st

from convsim_fp.core import Message, TestCase, parse_cases, thaw
from convsim_fp.testing import strategies as any_of

FIELDS = tuple(attribute.name for attribute in fields(TestCase))
ODD = (math.nan, math.inf, 2**4100, b"x", 1j, ..., print, 1.5, True, 0)
KEYS = any_of.texts() | st.integers() | st.none() | st.sampled_from(ODD)
VALUES = st.recursive(
    any_of.json_values() | st.sampled_from((*ODD, object(), {1}, range(2))),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3),
    max_leaves=6,
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(("user", "assistant", "agent", "system", 7))},
    optional={"content": any_of.texts() | VALUES, "name": any_of.texts()},
)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(FIELDS, VALUES),
        "goal": any_of.texts() | VALUES,
        "id": any_of.texts() | VALUES,
        "history": st.lists(MESSAGES, max_size=3) | VALUES,
        "gaol": VALUES,
        "script": VALUES,
    },
)


@given(
    st.lists(RECORDS | st.dictionaries(KEYS, VALUES, max_size=3) | VALUES, max_size=4),
    st.sampled_from(((), ("script", "agenda"), ("goal", "script"))),
)
def test_any_list_is_read_or_named(records: list[object], extras: tuple[str, ...]) -> None:
    """Each record is a case, or there is a problem with its index; in order, and all print."""
    parsed = parse_cases(records, extras=extras)
    places = [problem.index for problem in parsed.problems]
    assert places == sorted(places)
    assert len(parsed.cases) >= len(records) - len(set(places))
    for told in (*parsed.problems, *parsed.warnings):
        assert str(told).startswith(f"cases[{told.index}]")
    for case in parsed.cases:
        assert hash(case) == hash(case)


@given(VALUES | st.dictionaries(KEYS, VALUES, max_size=3))
def test_anything_in_the_place_of_a_list_is_read_or_named(anything) -> None:
    """The call never raises for what it is given."""
    parsed = parse_cases(anything)
    assert parsed.cases == ()
    assert parsed.problems or list(anything) == []


def record_of(case: TestCase) -> dict[str, object]:
    """The plain dict that a case could have been read from."""
    plain = {name: getattr(case, name) for name in FIELDS}
    objects = {name: thaw(plain[name]) for name in ("context", "expectations", "extra")}
    roles = {"user": "user", "agent": "assistant"}
    history = [{"role": roles[m.speaker], "content": m.text} for m in case.history]
    return {**plain, **objects, "history": history}


def plain_text(case: TestCase) -> TestCase:
    """A history is read from text alone."""
    history = tuple(Message(message.speaker, message.text) for message in case.history)
    return TestCase(**{**{name: getattr(case, name) for name in FIELDS}, "history": history})


@given(any_of.cases())
def test_a_case_is_read_from_its_plain_form(case: TestCase) -> None:
    """Plain dicts lose nothing of a case but the tool calls of its history."""
    assert parse_cases([record_of(case)]).or_raise() == (plain_text(case),)


@given(any_of.cases(), any_of.json_values())
def test_a_name_beside_the_fields_is_one_inside_of_extra(case: TestCase, value) -> None:
    """Wherever it stands, it is the same case."""
    record = record_of(case)
    inside = {**record, "extra": {**record["extra"], "script": value}}
    beside = {**record, "script": value}
    (one,), (other,) = (
        parse_cases([each], extras=["script"]).or_raise() for each in (inside, beside)
    )
    assert one.extra.get("script") == other.extra.get("script")
    assert thaw(one.extra) == thaw(other.extra) or value is None


def spoil(value: object) -> None:
    """Change whatever can be changed."""
    if isinstance(value, dict):
        for inner in value.values():
            spoil(inner)
        value.clear()
        value["spoilt"] = True
    elif isinstance(value, list):
        for inner in value:
            spoil(inner)
        value.append("spoilt")


@given(any_of.cases())
def test_a_later_change_of_what_was_passed_changes_nothing(case: TestCase) -> None:
    """A case shares nothing that can change with its caller."""
    record = record_of(case)
    before = deepcopy(record)
    (read,) = parse_cases([record]).or_raise()
    spoil(record)
    assert (read,) == parse_cases([before]).or_raise()
