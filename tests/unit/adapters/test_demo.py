"""The demo's agent has one flaw, which its cases find; mended in one line, it passes them all."""

import ast
import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from convsim_adapters import simulate
from convsim_adapters.demo import AGENT, CASES, write_demo
from convsim_fp.errors import InvalidSpec

FLAW = "ON CONFLICT (session) DO NOTHING"
MENDED = "ON CONFLICT (session) DO UPDATE SET action = excluded.action, "
MENDED += "number = excluded.number, detail = excluded.detail"
FOUND = {"refund-corrected": "refunded", "cancel-corrected": "cancelled"}


def loaded(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("a_shop_of_its_own", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def desk(tmp_path, monkeypatch) -> type:
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    return loaded(AGENT).OrderDesk


def test_the_cases_find_the_flaw_and_say_what_it_is(desk) -> None:
    run = simulate(CASES, desk, save=False)
    assert len(run.sessions) == 12
    missed = {one.case_id: one for one in run.sessions if not one.achieved}
    assert missed.keys() == FOUND.keys()
    for name, done in FOUND.items():
        assert missed[name].stop_reason == "user_left"
        assert missed[name].why.startswith(f"the wrong order was {done}; no message of the agent")


def test_one_line_mends_it(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("SHOP_DB", str(tmp_path / "shop.db"))
    source = AGENT.read_text("utf-8")
    assert source.count(FLAW) == 1
    file = tmp_path / "mended.py"
    file.write_text(source.replace(FLAW, MENDED), "utf-8")
    run = simulate(CASES, loaded(file).OrderDesk, save=False)
    assert (run.achieved, run.exit_code(fail_under=1.0)) == (12, 0)


@pytest.mark.parametrize("concurrency", [1, 3, 50])
def test_neither_order_nor_company_changes_a_conversation(desk, concurrency) -> None:
    run = simulate(CASES, desk, trials=3, concurrency=concurrency, save=False)
    by_case = {}
    for one in run.sessions:
        by_case.setdefault(one.case_id, set()).add((one.transcript, one.why))
    assert all(len(seen) == 1 for seen in by_case.values())
    assert len(by_case) == 12


def test_the_agent_knows_nothing_of_us() -> None:
    tree = ast.parse(AGENT.read_text("utf-8"))
    names = [
        alias.name if isinstance(node, ast.Import) else node.module
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    ]
    assert not any("convsim" in name for name in names)


def test_what_it_did_is_in_its_database(desk) -> None:
    agent = desk("s/1")
    talk = [{"role": "user", "content": "Cancel order W9."}]
    assert agent(talk) == "Shall I cancel order W9, the blue kettle?"
    talk = [{"role": "user", "content": "Yes."}]
    assert agent(talk)["tool_calls"][0]["function"]["arguments"] == {"number": "W9"}
    assert agent([{"role": "user", "content": "Where is it?"}]) == (
        "Order W9, the blue kettle, is cancelled."
    )
    assert desk("s/2")([{"role": "user", "content": "Where is W9?"}]).endswith("in preparation.")


def test_a_yes_that_corrects_is_no_yes(desk) -> None:
    def says(*lines):
        agent = desk("s/1")
        answers = [agent([{"role": "user", "content": line}]) for line in lines]
        return answers[-1] if isinstance(answers[-1], str) else answers[-1]["content"]

    assert says("Refund W7", "Yes, but it is W8, not W7") == "Shall I refund order W8 (129.00 EUR)?"
    assert says("Refund W7", "Yes, W7.").startswith("Done: order W7 is refunded.")
    assert (
        says("Refund W7", "Where is W9?", "Yes") == "Order W9, the blue kettle, is in preparation."
    )
    assert says("Refund W7", "Yes", "Refund W7") == "Order W7, the red shoes, is refunded."
    assert says("Refund W7", "No").startswith("All right, nothing is changed.")
    assert says("Refund W7", "Give me a human").startswith("A colleague will call you")


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ("Good morning", r"I can track, refund or cancel .* Which is it\?"),
        ("I want to return something", r"Which order is it\?"),
        ("Where is W99?", r"I cannot find an order W99"),
        ("Please cancel W8", r"Order W8 is on its way, so I cannot change it any more\."),
        ("Change the address of W9", r"To which address shall order W9 go\?"),
    ],
)
def test_it_asks_for_what_it_needs(desk, said, answer) -> None:
    assert re.match(answer, desk("s/1")([{"role": "user", "content": said}]))


def test_without_a_place_of_its_own_the_database_goes_with_the_process(convsim_free) -> None:
    left = convsim_free(
        f"import importlib.util\n"
        f"spec = importlib.util.spec_from_file_location('shop', {str(AGENT)!r})\n"
        "shop = importlib.util.module_from_spec(spec); spec.loader.exec_module(shop)\n"
        "shop.OrderDesk('s/1')\n"
        "print(shop._file())\n"
    )
    assert left.name == "shop.db"
    assert not left.exists()


@pytest.fixture
def convsim_free(monkeypatch):
    """Run code in a process of its own, in which every warning is an error; the path it prints."""
    import subprocess
    import sys

    monkeypatch.delenv("SHOP_DB", raising=False)

    def run(code: str) -> Path:
        words = [sys.executable, "-W", "error", "-c", code]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return Path(done.stdout.strip())

    return run


def test_the_demo_is_written_once(tmp_path) -> None:
    written = write_demo(tmp_path / "shop")
    assert [file.name for file in written] == ["shop.py", "cases.yaml"]
    assert written[0].read_bytes() == AGENT.read_bytes()
    with pytest.raises(InvalidSpec, match=r"shop\.py is there already; choose another"):
        write_demo(tmp_path / "shop")
    (tmp_path / "file").write_text("")
    with pytest.raises(InvalidSpec, match="Not a directory"):
        write_demo(tmp_path / "file" / "shop")
