"""Test cases as MLflow users give them."""

import copy
import logging
import re
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest
from hypothesis import given, note
from hypothesis import strategies as st
from mlflow.entities import EvaluationDataset as StoredDataset
from mlflow.genai.datasets import EvaluationDataset

from convsim_adapters.mlflow import cases
from convsim_fp.core import thaw
from convsim_fp.testing.strategies import json_values, texts

NAN = float("nan")
RESERVED = "input, messages, mlflow_session_id"
ABSENT = (None, NAN, pd.NA, pd.NaT)
JSON_FIELDS = ("context", "expectations")
# What is wrong with a case: the field, a value for it, and words of what is said.
WRONG: tuple[tuple[str, Any, str], ...] = (
    ("goal", None, "must have 'goal' field"),
    ("goal", NAN, "must have 'goal' field"),
    ("goal", " ", "must have 'goal' field"),
    ("goal", 5, "goal is a number (5), expected text"),
    ("goal", "a\ud800", "goal has a lone surrogate ('\\ud800')"),
    ("persona", 4.5, "persona is a number (4.5), expected text"),
    ("persona", "a\udfffb", "persona has a lone surrogate"),
    ("simulation_guidelines", {"a": 1}, "simulation_guidelines is an object, expected text or"),
    ("simulation_guidelines", ["a", 7], "simulation_guidelines[1] is a number (7)"),
    ("simulation_guidelines", ("a\ud800",), "simulation_guidelines[0] has a lone surrogate"),
    ("expectations", ["x"], "expectations is a list, expected a dict"),
    ("expectations", {"a": {"b": ["\ud800"]}}, "expectations['a']['b'][0] has a lone surrogate"),
    ("context", [1], "must have 'context' as a dict when provided"),
    ("context", "", "must have 'context' as a dict when provided"),
    ("context", {"input": 1}, "context keys that are reserved"),
    ("context", {"messages": 1}, "context keys that are reserved"),
    ("context", {"mlflow_session_id": 1}, "context keys that are reserved"),
    ("context", {7: "x"}, "context has a key that is a number (7)"),
    ("context", {"\ud800": 1}, "a key of context has a lone surrogate"),
)


def writable(value: Any) -> bool:
    """Whether it has no lone surrogate."""
    match value:
        case str():
            return not any("\ud800" <= letter <= "\udfff" for letter in value)
        case dict():
            return all(writable(key) and writable(item) for key, item in value.items())
        case list():
            return all(map(writable, value))
        case _:
            return True


def records() -> st.SearchStrategy[dict[str, Any]]:
    """Good test cases, plain and strange, with fields that are there, absent or say so."""
    some = texts().filter(writable)
    objects = st.dictionaries(st.sampled_from(("goal", "turn", "order")), json_values())
    return st.fixed_dictionaries(
        {"goal": some.filter(str.strip)},
        optional={
            "persona": some | st.sampled_from(ABSENT),
            "context": objects.filter(writable) | st.sampled_from(ABSENT),
            "expectations": objects.filter(writable) | st.sampled_from(ABSENT),
            "simulation_guidelines": some | st.lists(some, max_size=2) | st.sampled_from(ABSENT),
        },
    )


def lists(*, min_size: int = 0) -> st.SearchStrategy[list[dict[str, Any]]]:
    return st.lists(records(), min_size=min_size, max_size=3)


def there(record: dict[str, Any]) -> dict[str, Any]:
    """What a test case says: its fields but those that are absent."""
    return {
        key: value for key, value in record.items() if isinstance(value, str | dict | list | tuple)
    }


def shape(value: Any) -> Any:
    """Equal for values that are equal down to their types, whatever the order of keys."""
    match value:
        case dict():
            return ("dict", frozenset((key, shape(item)) for key, item in value.items()))
        case list():
            return ("list", tuple(map(shape, value)))
        case _:
            return (type(value).__name__, repr(value))


def wreck(value: Any) -> None:
    """Change it, all the way down."""
    for part in value.values() if isinstance(value, dict) else value:
        if isinstance(part, dict | list):
            wreck(part)
    value.clear()


def turned(value: Any) -> Any:
    """The same, with the keys of all dicts in the opposite order."""
    if isinstance(value, list):
        return [turned(item) for item in value]
    if isinstance(value, dict):
        return {key: turned(value[key]) for key in reversed(value)}
    return value


def problems(given: Any) -> str:
    with pytest.raises(ValueError) as error:  # noqa: PT011  the words are looked at
        cases.check_records(cases.records_of(given))
    return str(error.value)


# Reading


@given(lists())
def test_what_is_read_is_the_callers_no_more(given: list[dict[str, Any]]) -> None:
    """`records_of` never aliases: whatever the caller does to its list, the records stay."""
    before = [there(copy.deepcopy(case)) for case in given]
    read = cases.records_of(given)
    wreck(given)
    assert [there(record) for record in read] == before


@given(lists())
def test_reading_what_was_read_changes_nothing(given: list[dict[str, Any]]) -> None:
    once = cases.records_of(given)
    assert cases.records_of(once) == once
    assert all(value is None or value == value for record in once for value in record.values())


@given(lists(min_size=1))
def test_a_frame_is_read_like_the_list_it_was_made_of(given: list[dict[str, Any]]) -> None:
    """Gaps of a DataFrame are fields that are absent (D2, D3, D4)."""
    read = cases.records_of(pd.DataFrame([there(case) for case in given]))
    assert [there(record) for record in read] == [there(case) for case in given]
    cases.check_records(read)


@pytest.mark.parametrize("form", [list, tuple, iter])
def test_any_iterable_of_dicts_is_read(form: Any) -> None:
    """D19: a generator is read once, and kept."""
    given = [{"goal": "pay", "persona": None, "context": {"a": [1, (2,)]}}, {"goal": "go"}]
    assert cases.records_of(form(given)) == tuple(given)


def test_what_cannot_be_copied_stays_the_callers() -> None:
    client = object()
    shared = [client]
    context = {"client": client, "held": {"all": (shared, shared)}, "ids": {1, 2}}
    context["itself"] = context
    read: Any = cases.records_of([{"goal": "pay", "context": context}])[0]["context"]
    assert read is not context
    assert read["itself"] is read
    assert read["client"] is client
    first, second = read["held"]["all"]
    assert first is second is not shared
    assert first[0] is client
    assert read["ids"] == {1, 2}
    assert read["ids"] is not context["ids"]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("pay", "test_cases is text, expected a list of dicts"),
        (None, "test_cases is nothing (null), expected a list of dicts"),
        (7, "test_cases is a number (7), expected a list of dicts"),
        ({"goal": "pay"}, "test_cases is one dict, expected a list of dicts"),
        (["pay", {"goal": "go"}], "cases[0]: the case is text, expected a dict"),
        ([{"goal": "go"}, None], "cases[1]: the case is nothing (null), expected a dict"),
        ([], "test_cases cannot be empty"),
        (pd.DataFrame(), "test_cases cannot be empty"),
        (pd.DataFrame([["a", "b"]], columns=["goal", "goal"]), "several columns of the name"),
    ],
)
def test_what_is_no_list_of_cases_is_refused(given: Any, told: str) -> None:
    """C5, D40."""
    assert told in problems(given)


# EvaluationDatasets


def dataset(*rows: dict[str, Any]) -> EvaluationDataset:
    common = {"dataset_id": "d-1", "created_time": 1, "last_update_time": 1}
    kept = [{"dataset_record_id": f"r-{index}", **common, **row} for index, row in enumerate(rows)]
    made = {"name": "refunds", "digest": "0", **common, "records": kept}
    return EvaluationDataset(StoredDataset.from_dict(made))


def test_the_expectations_of_a_dataset_join_the_cases_that_have_none() -> None:
    """C3, D23."""
    given = dataset(
        {"inputs": {"goal": "pay"}, "expectations": {"paid": True}},
        {"inputs": {"goal": "go", "expectations": {"left": True}}, "expectations": {"paid": True}},
        {"inputs": {"goal": "ask", "expectations": None}, "expectations": {"told": {"a": 1}}},
        {"inputs": {"goal": "wait"}, "expectations": {}},
        {"inputs": {"goal": "stay"}},
    )
    assert cases.records_of(given) == (
        {"goal": "pay", "expectations": {"paid": True}},
        {"goal": "go", "expectations": {"left": True}},
        {"goal": "ask", "expectations": {"told": {"a": 1}}},
        {"goal": "wait"},
        {"goal": "stay"},
    )
    assert cases.dataset_name(given) == "refunds"
    assert cases.dataset_name([{"goal": "pay"}]) == "conversational_dataset"


class Managed:
    """A dataset that is kept elsewhere, whose frame need not have all columns."""

    name = "managed"

    def __init__(self, frame: pd.DataFrame) -> None:
        self.frame = frame

    def to_df(self) -> pd.DataFrame:
        return self.frame


def test_a_managed_dataset_is_read_from_its_frame() -> None:
    given = EvaluationDataset(Managed(pd.DataFrame({"inputs": [{"goal": "pay"}]})))
    assert cases.records_of(given) == ({"goal": "pay"},)
    assert cases.dataset_name(given) == "managed"


@pytest.mark.parametrize("gap", ABSENT)
def test_a_gap_among_the_expectations_of_a_dataset_is_none(gap: Any) -> None:
    columns = {"inputs": [{"goal": "pay"}], "expectations": pd.Series([gap], dtype=object)}
    given = EvaluationDataset(Managed(pd.DataFrame(columns)))
    assert cases.records_of(given) == ({"goal": "pay"},)


@pytest.mark.parametrize("rows", [[], [{"inputs": {"question": "why"}}]])
def test_a_dataset_of_no_conversations_is_refused(rows: list[dict[str, Any]]) -> None:
    """C4."""
    assert "conversational test cases with a 'goal' field" in problems(dataset(*rows))


# Checking


@given(st.data())
def test_cases_are_refused_exactly_where_something_is_wrong(data: st.DataObject) -> None:
    """Accepted are all that a `TestCase` can be made of; every bad one is named by its index."""
    good = data.draw(st.lists(records(), min_size=1, max_size=2))
    faults = [data.draw(st.none() | st.sampled_from(WRONG)) for _ in good]
    given = [
        case if fault is None else {**case, fault[0]: fault[1]}
        for case, fault in zip(good, faults, strict=True)
    ]
    wrong = [(index, fault[2]) for index, fault in enumerate(faults) if fault is not None]
    if wrong:
        told = problems(given)
        note(told)
        for index, words in wrong:
            places = [line.partition(words)[0] for line in told.splitlines() if words in line]
            assert any(str(index) in re.findall(r"\d+", place) for place in places)
    else:
        read = cases.records_of(given)
        cases.check_records(read)
        made = [cases.test_case_of(record, index) for index, record in enumerate(read)]
        assert [case.goal for case in made] == [case["goal"] for case in given]


@pytest.mark.parametrize(("field", "value", "told"), WRONG)
def test_what_no_conversation_could_begin_with_is_refused(
    field: str, value: Any, told: str
) -> None:
    """C6, C7, C9, D5, D6, D18, D45."""
    said = problems([{"goal": "pay", field: value}])
    assert told in said
    assert said.count("\n") == 0
    assert said.isprintable()


def test_all_problems_are_told_at_once() -> None:
    given = [
        {"goal": ""},
        {"goal": "pay", "context": [1]},
        {"persona": 5},
        {"goal": "go", "context": {"input": 1}},
    ]
    assert problems(given).splitlines() == [
        "Test cases at indices [0, 2] must have 'goal' field; write what the user wants to achieve",
        "Test cases at indices [1] must have 'context' as a dict when provided",
        f"Test cases at indices [3] have context keys that are reserved ({RESERVED}); rename them",
        "cases[2]: persona is a number (5), expected text",
    ]


def test_keys_that_nothing_reads_are_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """C10."""
    with caplog.at_level(logging.WARNING):
        cases.check_records([{"goal": "pay"}, {"goal": "go", "gaol": 1}, {"goal": "a", 7: "x"}])
    (told,) = caplog.messages
    assert "indices [1, 2] have unexpected keys, which are ignored: 'gaol', 7" in told


def test_good_cases_are_not_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    cases.check_records([{"goal": "pay", "context": {"goal": 1, "turn": 2, "persona": 3}}])
    assert caplog.messages == []


# Ours


@given(lists())
def test_a_case_has_what_its_record_says(given: list[dict[str, Any]]) -> None:
    for index, record in enumerate(cases.records_of(given)):
        case, said = cases.test_case_of(record, index), there(record)
        assert case.id == f"case-{index}"
        assert case.goal == said["goal"]
        persona = said.get("persona", "")
        assert case.persona == persona if persona.strip() else case.persona
        for name in JSON_FIELDS:
            assert thaw(getattr(case, name)) == said.get(name, {})
        assert cases.resumable(record)
        assert cases.live_context(record) == said.get("context", {})


def test_a_user_without_a_persona_has_the_usual_one() -> None:
    """C36: there is always somebody."""
    personas = [
        cases.test_case_of({"goal": "pay", **more}, 0).persona
        for more in ({}, {"persona": None}, {"persona": " "}, {"persona": NAN})
    ]
    assert len(set(personas)) == 1
    assert personas[0]


def test_a_context_that_is_not_json_stays_with_the_record() -> None:
    client = object()
    record = {"goal": "pay", "context": {"client": client}, "expectations": {"by": {1, 2}}}
    cases.check_records([record])
    case = cases.test_case_of(record, 3)
    assert (dict(case.context), dict(case.expectations)) == ({}, {})
    assert not cases.resumable(record)
    assert cases.live_context(record) == {"client": client}


def test_each_call_gets_a_context_of_its_own() -> None:
    record = {"goal": "pay", "context": {"order": "W7"}}
    cases.live_context(record).clear()
    assert cases.live_context(record) == {"order": "W7"}


def test_guidelines_in_a_tuple_are_a_list_of_them() -> None:
    """D18."""
    record = {"goal": "pay", "simulation_guidelines": ("be brief", "be rude")}
    cases.check_records([record])
    assert cases.test_case_of(record, 0).simulation_guidelines == ("be brief", "be rude")


# The digest


@given(lists(), lists(), st.data())
def test_a_digest_is_equal_exactly_for_equal_cases(
    first: list[dict[str, Any]], second: list[dict[str, Any]], data: st.DataObject
) -> None:
    """C14, C15, D25: whatever the order of keys; any field, and the order of cases, counts."""
    other = data.draw(
        st.just(second)
        | st.just([turned(case) for case in first])
        | st.permutations(first)
        | st.just([{**case, **changed} for case, changed in zip(first, second, strict=False)])
    )
    ours, theirs = ([shape(there(case)) for case in given] for given in (first, other))
    digests = cases.digest_of(cases.records_of(first)), cases.digest_of(cases.records_of(other))
    assert (digests[0] == digests[1]) == (ours == theirs)
    assert {len(digest) for digest in digests} == {8}


def variants() -> Iterator[list[dict[str, Any]]]:
    yield [{"goal": "pay"}]
    yield [{"goal": "pay"}, {"goal": "go"}]
    yield [{"goal": "go"}, {"goal": "pay"}]
    yield [{"goal": "pay", "persona": "A florist"}]
    yield [{"goal": "pay", "simulation_guidelines": "be brief"}]
    yield [{"goal": "pay", "simulation_guidelines": ["be brief"]}]
    yield [{"goal": "pay", "simulation_guidelines": ["be", "brief"]}]
    yield [{"goal": "pay", "expectations": {"a": 1}}]
    for value in (
        1,
        True,
        1.0,
        "1",
        None,
        [1],
        {"a": 1},
        {1},
        {1: "a"},
        {"1": "a"},
        b"1",
        NAN,
        -0.0,
    ):
        yield [{"goal": "pay", "context": {"a": value}}]
    yield [{"goal": "pay", "context": {"a": pd.DataFrame({"x": [1]})}}]
    yield [{"goal": "pay", "context": {"a": pd.DataFrame({"x": [2]})}}]
    yield [{"goal": "pay", "context": {"a": 10**5000}}]
    yield [{"goal": "pay", "context": {"a": 10**5000 + 1}}]
    yield [{"goal": "pay", "context": {"a": Client()}}]
    yield [{"goal": "pay", "context": {"a": Unprintable()}}]
    yield [{"goal": "pay", "context": {"a": [["builtins.object", "<object object>"]]}}]


class Client:
    """It prints its address."""


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("not today")


def test_any_difference_makes_another_digest() -> None:
    digests = [cases.digest_of(variant) for variant in variants()]
    assert len(set(digests)) == len(digests)
    assert digests == [cases.digest_of(variant) for variant in variants()]


def test_neither_addresses_nor_the_order_of_sets_reach_the_digest() -> None:
    """The same cases in another process have the same digest."""
    first, second = [0, 8], [8, 0]  # which share their place in a small set, so order shows
    assert list(set(first)) != list(set(second))
    made = [
        cases.digest_of([{"goal": "pay", "context": {"client": Client(), "ids": set(ids)}}])
        for ids in (first, second)
    ]
    assert made[0] == made[1]
    assert cases.digest_of([{"goal": "pay", "context": {"order": ["W7", 2]}}]) == "544a92a6"


def test_fields_that_are_absent_or_unread_do_not_count() -> None:
    plain = cases.digest_of([{"goal": "pay"}])
    assert plain == cases.digest_of([{"goal": "pay", "persona": None, "context": NAN}])
    assert plain == cases.digest_of([{"goal": "pay", "note": "unread"}])


def test_a_value_that_holds_itself_has_a_digest() -> None:
    loop: list[Any] = [1]
    loop.append(loop)
    longer: list[Any] = [1, [1]]
    longer[1].append(longer)
    digests = {cases.digest_of([{"goal": "pay", "context": {"a": a}}]) for a in (loop, longer)}
    assert len(digests) == 2
