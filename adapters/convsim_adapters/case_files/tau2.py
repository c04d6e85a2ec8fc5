"""Task files of tau2-bench as they are, as test cases.

    user_scenario.instructions.reason_for_call     goal        (or instructions, where it is text)
    user_scenario.instructions.task_instructions   simulation_guidelines
    user_scenario.instructions.known_info          extra.knows
    user_scenario.instructions.unknown_info        extra.does_not_know
    user_scenario.instructions.domain              tags
    user_scenario.persona                          persona
    evaluation_criteria                            expectations
    initial_state.message_history                  history     (what user and agent said)
    all the rest, initial_state as a whole         extra.tau2

Source: github.com/sierra-research/tau2-bench, data/tau2/domains/*/tasks.json.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import cast

from convsim_adapters.case_files.located import Document, Record
from convsim_adapters.case_files.tau2_history import Object, object_of, read_history
from convsim_fp.core.extras import Reading
from convsim_fp.core.json_values import kind
from convsim_fp.errors import Problem

__all__ = ["from_tau2", "is_tau2"]


INSTRUCTIONS = "user_scenario.instructions"
NAMES: Mapping[str, str] = MappingProxyType(
    {
        "goal": f"{INSTRUCTIONS}.reason_for_call",
        "simulation_guidelines": f"{INSTRUCTIONS}.task_instructions",
        "extra.knows": f"{INSTRUCTIONS}.known_info",
        "extra.does_not_know": f"{INSTRUCTIONS}.unknown_info",
        "tags": f"{INSTRUCTIONS}.domain",
        "persona": "user_scenario.persona",
        "expectations": "evaluation_criteria",
        "extra.tau2": "",
    }
)
IN_TASK = ("id", "user_scenario", "evaluation_criteria")
IN_SCENARIO = ("persona", "instructions")
IN_INSTRUCTIONS = (
    "reason_for_call",
    "task_instructions",
    "known_info",
    "unknown_info",
    "domain",
)
# Stands for instructions that are told to be wrong, so that no second problem follows from it.
UNREADABLE: Object = MappingProxyType({"reason_for_call": "unreadable"})


def is_tau2(document: Document) -> bool:
    """Whether a JSON file holds tasks of tau2-bench: objects that have a `user_scenario`."""
    return any("user_scenario" in object_of(record.value) for record in document.records)


def from_tau2(record: Record) -> Record:
    """Read one task as a test case; its problems go by the names that the task's file has."""
    task = object_of(record.value)
    if not isinstance(record.value, Mapping):
        return record
    problems: list[Problem] = []
    reading = _case(task)
    while True:
        try:
            problems.append(next(reading))
        except StopIteration as end:
            found = (*record.problems, *problems)
            return Record(end.value, record.spot, found, names=_names(task))


def _names(task: Object) -> Mapping[str, str]:
    """Instructions may be one text, which then is the goal."""
    is_text = isinstance(object_of(task.get("user_scenario")).get("instructions"), str)
    return {**NAMES, "goal": INSTRUCTIONS} if is_text else NAMES


def _case(task: Object) -> Reading[Object]:
    scenario = yield from _part(task, "user_scenario", "", {"instructions": UNREADABLE})
    told = scenario.get("instructions")
    if isinstance(told, str):
        told = {"reason_for_call": told}
    else:
        told = yield from _part(scenario, "instructions", "user_scenario.", UNREADABLE)
    criteria = yield from _optional(task, "evaluation_criteria")
    state = yield from _optional(task, "initial_state")
    history = yield from read_history(state.get("message_history"))
    extra = {
        "knows": told.get("known_info"),
        "does_not_know": told.get("unknown_info"),
        "tau2": _rest(task, scenario, told) or None,
    }
    return {
        "id": task.get("id"),
        "goal": told.get("reason_for_call"),
        "simulation_guidelines": told.get("task_instructions"),
        "persona": scenario.get("persona"),
        "tags": told.get("domain"),
        "expectations": _present(criteria),
        "history": history,
        "extra": _present(extra),
    }


def _part(around: Object, key: str, path: str, instead: Object) -> Reading[Object]:
    value = around.get(key)
    if isinstance(value, Mapping):
        return object_of(cast("object", value))
    found = "is missing" if value is None else f"is {kind(value)}"
    expected = "an object with instructions" if key == "user_scenario" else "text or an object"
    yield Problem(f"{path}{key}", f"{found}, expected {expected}")
    return instead


def _optional(task: Object, key: str) -> Reading[Object]:
    value = task.get(key)
    if not isinstance(value, Mapping | None):
        yield Problem(key, f"is {kind(value)}, expected an object")
    return object_of(task.get(key))


def _present(item: Object) -> Object:
    """Without what is null or an empty text."""
    return {key: value for key, value in item.items() if value is not None and value != ""}


def _rest(task: Object, scenario: Object, told: Object) -> Object:
    rest = dict(_pairs(task, IN_TASK))
    inner = dict(_pairs(told, IN_INSTRUCTIONS))
    outer = {**dict(_pairs(scenario, IN_SCENARIO)), **({"instructions": inner} if inner else {})}
    return {**rest, **({"user_scenario": outer} if outer else {})}


def _pairs(item: Object, but: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    return ((key, value) for key, value in item.items() if key not in but and value is not None)
