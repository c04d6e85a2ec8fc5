"""What is said of files of test cases, and of DataFrames."""

from convsim_adapters.case_files import load_cases

GOOD = "- goal: pay\n"

YAML = {
    "object.yaml": "goal: pay\n",
    "empty_object.yaml": "{}\n",
    "text.yaml": "pay\n",
    "under.yaml": "cases: pay\n",
    "unclosed.yaml": '- goal: "pay\n',
    "tabs.yaml": "- goal: pay\n\tpersona: calm\n",
    "indent.yaml": "- goal: pay\n   persona: calm\n",
    "bell.yaml": "- goal: pay\x07\n",
    "documents.yaml": GOOD + "---\n" + GOOD,
    "deep.yaml": "- " + "[" * 300 + "]" * 300 + "\n",
    "tag_on_list.yaml": "- !!python/tuple [1]\n",
    "tag_on_text.yaml": "- goal: !env GOAL\n",
    "bad_number.yaml": "- goal: pay\n  max_turns: !!int many\n",
    "alias.yaml": "- goal: *pay\n",
    "in_itself.yaml": "- &a [*a]\n",
    "key.yaml": "- goal: pay\n  ? [a]\n  : 1\n",
    "merge.yaml": "- <<: pay\n",
    "twice.yaml": "- goal: pay\n  goal: go\n  context: {a: 1, a: 2}\n",
    "number_key.yaml": "- goal: pay\n  7: x\n",
    "half.json": '[{"goal": "pay", "context": {"a\\ud83d": 1}, "persona": "\\ud83d"}]',
    "colour.yaml": "- goal: pay\n  colour: red\n  id: blue\n",
    "none.yaml": "# nothing yet\n",
    "many.yaml": "".join(
        [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9) if n else 'x'}]\n" for n in range(8)]
    ),
    "levels.yaml": "".join(
        [f"- &a{n} {'[' * 90}{f'*a{n - 1}' if n else 'x'}{']' * 90}\n" for n in range(4)]
    ),
}
JSON = {
    "broken.json": '[{"goal": pay}]',
    "cut.json": '[{"goal": "pay"',
    "behind.json": '[{"goal": "pay"}] and',
    "comma.json": '[{"goal": "pay"} {"goal": "go"}]',
    "deep.json": "[" * 99_999,
    "number.json": "7",
    "object.json": '{"goal": "pay"}',
    "under.json": '{"cases": "pay"}',
    "repeated.json": '[{"goal": "pay", "goal": "go"}]',
    "broken.jsonl": '{"goal": "pay"}\n{"goal": pay}\n',
    "nan.jsonl": '{"goal": "pay", "context": {"a": NaN}}\n',
}
CSV = {
    "twice.csv": "goal,goal\npay,go\n",
    "beyond.csv": "goal\npay,calm\n",
    "quotes.csv": 'goal,persona\n"pay,calm\n',
    "kinds.csv": "goal,max_turns,agent_opens\npay,many,perhaps\n",
    "json.csv": 'goal,context\npay,"{""a"": }"\n',
    "twice_json.csv": 'goal,context\npay,"{""a"": 1, ""a"": 2}"\n',
    "beside.csv": "goal,context,context.order\npay,x,W7\n",
    "fills.csv": "goal,context.a.b,context.a\npay,x,y\n",
    "long.csv": f"goal\n{'x' * 140_000}\n",
    "missing.csv": "goal,id\n,refund\n",
}
TASK = '"user_scenario": {"instructions": {"reason_for_call": "pay"}}'
HISTORY = """[7, {"role": "boss"}, {"role": "user", "content": 7},
{"role": "assistant", "tool_calls": 7},
{"role": "assistant", "tool_calls": [7, {"name": "find", "arguments": {"a": NaN}}]}]"""
TAU2 = {
    "a.json": '[{"user_scenario": 7, "evaluation_criteria": 1}, {"user_scenario": {}}, 7]',
    "b.json": '[{"user_scenario": {"instructions": {"task_instructions": "calm"}}}]',
    "c.json": f'[{{{TASK}, "initial_state": {{"message_history": "Hi."}}}}]',
    "d.json": f'[{{{TASK}, "initial_state": {{"message_history": {HISTORY}}}}}]',
    "e.json": f"[{{{TASK}}}, {{{TASK.replace('pay', ' ')}}}]",
}


def _each(desk, files, **how) -> None:
    for name, text in files.items():
        desk.by(load_cases, desk.file(name, text), **how)


def yaml_files(desk) -> None:
    _each(desk, YAML)


def json_files(desk) -> None:
    _each(desk, JSON)


def csv_files(desk) -> None:
    _each(desk, CSV)


def tau2_files(desk) -> None:
    _each(desk, TAU2, format="tau2")


def any_file(desk) -> None:
    desk.by(load_cases, [])
    desk.by(load_cases, "none.yaml.bak")
    desk.by(load_cases, "nowhere.yaml")
    desk.by(load_cases, "cases")
    desk.by(load_cases, "cases.yaml", format="xml")
    (desk.path / "folder.yaml").mkdir()
    desk.by(load_cases, "folder.yaml")
    desk.by(load_cases, desk.file("old.yaml", GOOD.encode("utf-16")))
    desk.by(load_cases, desk.file("latin.yaml", "- goal: zahle f\u00fcnf\n".encode("latin-1")))
    desk.by(load_cases, desk.file("nul.yaml", "- goal: pay\n- goal: \0\n"))
    desk.by(load_cases, "a\0.yaml")
    with (desk.path / "huge.yaml").open("wb") as file:
        file.truncate(24_000_000)
    desk.by(load_cases, "huge.yaml")
    (desk.path / "loop.yaml").symlink_to("loop.yaml")
    desk.by(load_cases, "loop.yaml")
    desk.by(load_cases, [desk.file("good.yaml", GOOD), "good.yaml"])


def ids(desk) -> None:
    a, b = desk.file("a.yaml", "- {goal: pay, id: pay}\n"), desk.file("b.yaml", GOOD)
    desk.by(load_cases, [a, desk.file("same.yaml", "- {goal: go, id: pay}\n")])
    desk.by(load_cases, desk.file("named.yaml", "- {goal: go, id: case-1}\n- goal: pay\n"))
    desk.by(load_cases, [b, desk.file("later.yaml", "- {goal: go, id: case-0}\n")])


def frames(desk) -> None:
    import pandas as pd

    from convsim_adapters.pandas import cases_from_frame

    desk.by(cases_from_frame, [{"goal": "pay"}])
    rows = [
        {"goal": "pay", "id": "a", "context": "{order", "colour": "red", "max_turns": 2.5},
        {"goal": None, "id": "a", "context": "[1]", "script": 7, "history": '[{"role": "boss"}]'},
    ]
    desk.by(cases_from_frame, pd.DataFrame(rows, index=["first", "second"]))
    desk.by(cases_from_frame, pd.DataFrame([["pay", "go"]], columns=["goal", "goal"]))


TRIGGERS = {
    "Files of test cases": any_file,
    "Files of YAML": yaml_files,
    "Files of JSON, and of lines of it": json_files,
    "Files of CSV": csv_files,
    "Tasks of tau2-bench": tau2_files,
    "Ids that cases share": ids,
    "DataFrames": frames,
}
