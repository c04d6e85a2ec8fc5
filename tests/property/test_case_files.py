"""Whatever stands in a file: the cases that were written, or every problem on its line."""

import csv
import json
from collections.abc import Sequence
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from convsim_adapters.case_files import LoadedCases, load_cases
from convsim_adapters.case_files.yaml_scalars import plain
from convsim_adapters.case_files.yaml_text import read_yaml
from convsim_fp.core import TestCase, parse_cases, thaw
from convsim_fp.errors import InvalidSpec, Problem
from convsim_fp.testing import strategies as any_of

FORMATS = ("yaml", "json", "jsonl", "csv", "tau2")
PARSERS = (yaml.SafeLoader, getattr(yaml, "CSafeLoader", yaml.SafeLoader))


def loaded(content: str | bytes, **how: Any) -> LoadedCases:
    data = content if isinstance(content, bytes) else content.encode()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "cases"
        file.write_bytes(data)
        return load_cases(file, **how)


def refused_with(content: str | bytes, name: str) -> tuple[Problem, ...] | None:
    """The problems, which UTF-8 can print; None where the cases loaded."""
    try:
        loaded(content, format=name)
    except InvalidSpec as refused:
        str(refused).encode()
        return refused.problems
    return None


def whole(value: Any) -> Any:
    """A value whose texts UTF-8 can hold, and which YAML 1.1 does not take for numbers of 1.2."""
    if isinstance(value, dict):
        return {whole(key): whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [whole(item) for item in value]
    if not isinstance(value, str):
        return value
    text = value.encode("utf-8", "replace").decode()
    return text if not text or isinstance(plain(text), str | bool | None) else f"{text} pieces"


def record_of(case: TestCase) -> dict[str, object]:
    """The plain dict that a file holds of a case."""
    roles = {"user": "user", "agent": "assistant"}
    history = [{"role": roles[m.speaker], "content": m.text} for m in case.history]
    objects = {name: thaw(getattr(case, name)) for name in ("context", "expectations", "extra")}
    flags = {"agent_opens": case.agent_opens, "max_turns": case.max_turns}
    texts = {"goal": case.goal, "persona": case.persona}
    guidelines = list(case.simulation_guidelines)
    all_of_it = {**texts, **objects, **flags, "history": history}
    return whole({**all_of_it, "simulation_guidelines": guidelines})


def records() -> st.SearchStrategy[list[dict[str, object]]]:
    return st.lists(any_of.cases().map(record_of), min_size=1, max_size=4)


def read(given_records: Sequence[object]) -> tuple[TestCase, ...]:
    return parse_cases(given_records).or_raise()


@given(records(), st.sampled_from((None, 1, "\t")), st.booleans(), st.booleans())
def test_cases_written_as_json_load_as_they_were(cases, indent, as_ascii, wrapped) -> None:
    """However JSON is laid out, it holds the same cases."""
    top = {"cases": cases} if wrapped else cases
    text = json.dumps(top, indent=indent, ensure_ascii=as_ascii)
    assert loaded(text, format="json").cases == read(cases)


@given(records(), st.booleans())
def test_cases_written_as_json_lines_load_as_they_were(cases, as_ascii) -> None:
    """One case a line, blank lines or not."""
    text = "\n\n".join(json.dumps(case, ensure_ascii=as_ascii) for case in cases)
    assert loaded(text, format="jsonl").cases == read(cases)


@given(records(), st.sampled_from((None, "'", '"')), st.sampled_from((None, True, False)))
def test_cases_written_as_yaml_load_as_they_were(cases, quotes, flow) -> None:
    """Whatever style PyYAML writes them in, words that are no booleans in YAML 1.2 included."""
    text = yaml.safe_dump(cases, default_style=quotes, default_flow_style=flow)
    assert loaded(text, format="yaml").cases == read(cases)


@pytest.mark.parametrize("parser", PARSERS)
@given(cases=records())
def test_both_parsers_of_yaml_read_the_same(parser, cases) -> None:
    """Whether PyYAML was built with its parser in C makes no difference."""
    document = read_yaml(yaml.safe_dump(cases), parser=parser)
    assert [record.value for record in document.records] == cases


CELLS = (
    any_of.texts()
    .map(whole)
    .filter(lambda text: text.strip() and "\0" not in text and not text.startswith(("{", "[")))
)


@given(
    st.lists(
        st.fixed_dictionaries(
            {"goal": CELLS},
            optional={"persona": CELLS, "context.order": CELLS, "extra.place.city": CELLS},
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(",;\t"),
    st.sampled_from(("\n", "\r\n")),
)
def test_flat_cases_written_as_csv_load_as_they_were(rows, delimiter, end) -> None:
    """With any of the delimiters and line ends; an empty cell is absent."""
    columns = ["goal", "persona", "context.order", "extra.place.city"]
    file = StringIO()
    writer = csv.DictWriter(
        file, columns, delimiter=delimiter, lineterminator=end, quoting=csv.QUOTE_ALL
    )
    writer.writeheader()
    writer.writerows(rows)
    cases = [
        {
            "goal": row["goal"],
            "persona": row.get("persona"),
            "context": {"order": row["context.order"]} if "context.order" in row else {},
            "extra": {"place": {"city": row["extra.place.city"]}}
            if "extra.place.city" in row
            else {},
        }
        for row in rows
    ]
    assert loaded(file.getvalue(), format="csv").cases == read(cases)


PIECES = (
    "[", "]", "{", "}", ",", ":", "-", "\n", "\r\n", "  ", "\t", "- ", '"', "'", "&a ", "*a", "<<",
    "goal", "goal: x", '"goal": "x"', "cases", "script", "agenda", "goal_when", "knows", "id: a",
    "!!python/object:os.system ", "!!int ", "! ", "---\n", "...\n", "%YAML 1.1\n", "? ", "# ",
    "\\ud800", "\\x", "1e999", "NaN", ".nan", "null", "true", "0x1F", "9" * 5000, "[" * 2000,
    '{"a":' * 2000, "\x85", "\u2028", "\ufeff", "\x07", ";", "context.a", "extra.", "max_turns",
    "user_scenario", "instructions", "initial_state", "message_history", "\u00e9", "😀",
)  # fmt: skip


def soup() -> st.SearchStrategy[str]:
    """Text that begins like a file of cases and goes on somehow."""
    return st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=30).map("".join)


def cut() -> st.SearchStrategy[str]:
    """Files of cases that were cut short or spoilt in one place."""
    written = records().map(lambda cases: json.dumps(cases, indent=1)) | records().map(
        yaml.safe_dump
    )
    return st.builds(
        lambda text, at, put: text[: at % (len(text) + 1)] + put,
        written,
        st.integers(0, 2000),
        st.sampled_from(PIECES),
    )


@pytest.mark.parametrize("name", FORMATS)
@given(content=st.binary() | soup() | cut())
def test_no_content_of_a_file_raises_anything_but_invalid_spec(name, content) -> None:
    """And what is refused is refused in words that UTF-8 can print, with the name of the file."""
    data = content if isinstance(content, bytes) else content.encode("utf-8", "replace")
    problems = refused_with(data, name)
    assert problems is None or all(problem.file for problem in problems)


@pytest.mark.parametrize("parser", PARSERS)
@given(text=soup())
def test_no_text_breaks_a_parser_of_yaml(parser, text) -> None:
    """Either parser gives records or problems."""
    document = read_yaml(text.encode("utf-8", "replace").decode(), parser=parser)
    assert isinstance(document.records, tuple)


def tasks() -> st.SearchStrategy[object]:
    """Tasks of tau2-bench in which anything may stand anywhere."""
    some = any_of.json_values()
    names = ("reason_for_call", "task_instructions", "known_info", "unknown_info", "domain", "more")
    told = st.dictionaries(st.sampled_from(names), some) | some
    message = st.fixed_dictionaries(
        {"role": st.sampled_from(("user", "assistant", "tool", "clerk"))},
        optional={"content": some, "tool_calls": some},
    )
    return st.fixed_dictionaries(
        {"user_scenario": st.fixed_dictionaries({"instructions": told}) | some},
        optional={
            "id": some,
            "evaluation_criteria": some,
            "initial_state": st.fixed_dictionaries({"message_history": st.lists(message)}) | some,
        },
    )


@given(st.lists(tasks() | any_of.json_values(), min_size=1, max_size=3))
def test_no_task_raises_anything_but_invalid_spec(items) -> None:
    """Whatever stands where tau2-bench has text, it loads or is refused."""
    problems = refused_with(json.dumps(items), "tau2")
    assert problems is None or problems


# One wrong field each, and the beginning of its name.
PLANTS: tuple[tuple[dict[str, object], str], ...] = (
    ({"goal": ""}, "goal"),
    ({"persona": 7}, "persona"),
    ({"max_turns": -1}, "max_turns"),
    ({"agent_opens": "perhaps"}, "agent_opens"),
    ({"history": [{"role": "user", "content": "Hi."}, {"role": "clerk"}]}, "history[1]"),
    ({"context": {"input": 1}}, "context.input"),
    ({"script": ["Hi.", ["Bye."]]}, "script[1]"),
    ({"goal_when": "("}, "goal_when"),
    ({"extra": {"knows": [7]}}, "extra.knows[0]"),
)


LAYOUTS: dict[str, Any] = {
    "json": lambda case: json.dumps(case, indent=1),
    "jsonl": json.dumps,
    "yaml": lambda case: yaml.safe_dump([case]).strip("\n"),
}


@pytest.mark.parametrize("name", LAYOUTS)
@given(st.lists(st.none() | st.sampled_from(PLANTS), min_size=1, max_size=5).filter(any), st.data())
def test_every_planted_problem_is_told_with_its_case_field_and_line(name, plants, data) -> None:
    """No more and no fewer, in order, each on a line of its own case."""
    cases = [{"goal": "pay", "id": f"c{at}", **(p[0] if p else {})} for at, p in enumerate(plants)]
    written = [LAYOUTS[name](case) for case in cases]
    opening, between, closing = ("[\n", ",\n", "\n]") if name == "json" else ("", "\n", "\n")
    problems = refused_with(opening + between.join(written) + closing, name)
    wanted = [(at, plant[1]) for at, plant in enumerate(plants) if plant]
    assert [(problem.index, problem.field) for problem in problems] == wanted
    for problem in problems:
        before = opening + "".join(f"{text}\n" for text in written[: problem.index])
        first = 1 + before.count("\n")
        assert first <= problem.line <= first + written[problem.index].count("\n")
        assert problem.id == f"c{problem.index}"
