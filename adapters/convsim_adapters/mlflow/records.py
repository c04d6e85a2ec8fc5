"""Test cases in any of the forms in which MLflow takes them, read into plain records.

A record is one test case as a dict. None and NaN in any of its fields mean absent.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any, cast

from mlflow.genai.datasets import EvaluationDataset

from convsim_fp.core.json_values import kind
from convsim_fp.errors import InvalidSpec, Problem

__all__ = ["FIELDS", "dataset_name", "given", "records_of"]

FIELDS = ("goal", "persona", "context", "expectations", "simulation_guidelines")
NOT_GIVEN = ("NAType", "NaTType")  # pandas' own NaN, of a package that need not be there
EXPECTED = "expected a list of dicts, a DataFrame or an EvaluationDataset"


def records_of(test_cases: object) -> tuple[dict[str, object], ...]:
    """Read test cases as MLflow takes them, as copies that the caller cannot change any more.

    A list or any other iterable of dicts, a DataFrame, an EvaluationDataset: of that, the column
    `expectations` joins the cases that have none of their own. NaN is left out, None is kept.
    Dicts, lists, tuples and sets are copied all the way down; any other object stays the caller's.
    Raises `InvalidSpec`, a ValueError, for what is no list of dicts.

    >>> records_of([{"goal": "pay", "persona": float("nan")}])
    ({'goal': 'pay'},)
    """
    items = tuple(_items(test_cases))
    problems = [
        Problem("the case", f"is {kind(item)}, expected a dict with a goal", index)
        for index, item in enumerate(items)
        if not isinstance(item, Mapping)
    ]
    if problems:
        raise InvalidSpec(problems)
    return tuple(_record(cast("Mapping[str, object]", item)) for item in items)


def dataset_name(test_cases: object) -> str:
    """What the input of an evaluation is called: an EvaluationDataset's own name, or MLflow's.

    >>> dataset_name([{"goal": "pay"}])
    'conversational_dataset'
    """
    return (
        test_cases.name if isinstance(test_cases, EvaluationDataset) else "conversational_dataset"
    )


def given(record: Mapping[str, object], name: str) -> object:
    """The value of a field; None where it is absent, however that is written.

    >>> given({"goal": "pay", "persona": float("nan")}, "persona") is None
    True
    """
    value = record.get(name)
    return None if _is_absent(value) else value


def _items(test_cases: object) -> Iterable[object]:
    if isinstance(test_cases, EvaluationDataset):
        return _stored(cast("Any", test_cases).to_df())
    if all(hasattr(test_cases, name) for name in ("columns", "iloc", "to_dict")):
        return _rows(test_cases)
    if isinstance(test_cases, Mapping):
        what = f"is one dict, {EXPECTED}; put the one case in a list"
        raise InvalidSpec([Problem("test_cases", what)])
    if isinstance(test_cases, Iterable) and not isinstance(test_cases, str | bytes):
        return cast("Iterable[object]", test_cases)
    raise InvalidSpec([Problem("test_cases", f"is {kind(test_cases)}, {EXPECTED}")])


def _rows(frame: Any) -> Iterable[object]:
    if frame.columns.is_unique:
        return cast("Iterable[object]", frame.to_dict("records"))
    names = sorted({repr(name) for name in frame.columns[frame.columns.duplicated()]})
    what = f"has several columns of the name {', '.join(names)}; keep one of them"
    raise InvalidSpec([Problem("test_cases", what)])


def _stored(frame: Any) -> Iterable[object]:
    inputs: list[object] = frame["inputs"].to_list()
    if not inputs or not isinstance(inputs[0], Mapping) or "goal" not in inputs[0]:
        what = "must hold conversational test cases with a 'goal' field in its column 'inputs'"
        raise InvalidSpec([Problem("the EvaluationDataset", what)])
    if "expectations" not in frame.columns:
        return inputs
    return map(_expecting, inputs, frame["expectations"].to_list())


def _expecting(case: object, expectations: object) -> object:
    match case:
        case Mapping() if not _is_absent(expectations) and expectations:
            record = cast("Mapping[str, object]", case)
            own = given(record, "expectations")
            return {**record, "expectations": expectations if own is None else own}
        case _:
            return case


def _record(item: Mapping[str, object]) -> dict[str, object]:
    copies: dict[int, Any] = {}
    there = ((key, value) for key, value in item.items() if value is None or not _is_absent(value))
    return {key: _copied(value, copies) for key, value in there}


def _copied(value: object, copies: dict[int, object]) -> object:
    """A copy of plain containers; `copies` has those made already, by id, and so ends cycles."""
    name = id(value)
    if name in copies:
        return copies[name]
    if type(value) is tuple:
        return tuple(_copied(item, copies) for item in cast("tuple[object, ...]", value))
    if type(value) is list:
        items: list[object] = []
        copies[name] = items
        items += (_copied(item, copies) for item in cast("list[object]", value))
        return items
    if type(value) is dict:
        pairs: dict[object, object] = {}
        copies[name] = pairs
        given_pairs = cast("dict[object, object]", value).items()
        pairs |= ((key, _copied(item, copies)) for key, item in given_pairs)
        return pairs
    return set(cast("set[object]", value)) if type(value) is set else value


def _is_absent(value: object) -> bool:
    if isinstance(value, float):
        return math.isnan(value)
    return value is None or type(value).__name__ in NOT_GIVEN
