"""The notebook of the docs runs from top to bottom in a kernel, as Jupyter would run it."""

import warnings
from pathlib import Path
from typing import Any

import pytest

NOTEBOOK = Path(__file__).parents[2] / "docs" / "examples" / "first_run.ipynb"

# In the cell's own loop, as everything in a notebook; `progress` is left as it is.
IN_A_LOOP = """
import asyncio

assert asyncio.get_running_loop().is_running()
spent = simulate(cases, mended, user_model=user_model, max_turns=4, save=False).usage.cost
spent
"""


@pytest.fixture
def nbformat() -> Any:
    return pytest.importorskip("nbformat", reason="needs nbformat, nbclient and ipykernel")


@pytest.fixture
def nbclient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        monkeypatch.setenv(name, str(tmp_path / name.lower()))
    pytest.importorskip("ipykernel", reason="needs nbformat, nbclient and ipykernel")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("nbclient", reason="needs nbformat, nbclient and ipykernel")


def shown(cell: Any, kind: str) -> str:
    """What a cell shows, of one kind."""
    return "".join(
        out["text"] if out["output_type"] == "stream" else out["data"].get(kind, "")
        for out in cell.outputs
        if kind == out.get("name") or kind in out.get("data", {})
    )


def test_the_notebook_is_sound_and_keeps_no_outputs(nbformat) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert code
    assert not any(cell.outputs or cell.execution_count for cell in code)


def test_the_notebook_runs_and_shows_its_runs(nbformat, nbclient, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(IN_A_LOOP))
    where = {"metadata": {"path": str(tmp_path)}}
    nbclient.NotebookClient(notebook, timeout=60, resources=where).execute()
    cells = {cell.id: cell for cell in notebook.cells if cell.cell_type == "code"}
    table = shown(cells["run"], "text/html")
    assert "goal achieved in 2 of 3 sessions (67 %; 95 % interval 21 to 94 %)" in table
    assert table.count("<details>") == 3
    assert "<script" not in table
    assert shown(cells["run"], "text/plain").startswith("goal achieved in 2 of 3 sessions")
    assert "W7 is refunded." in shown(cells["session"], "text/html")
    assert "corrected/1" in shown(cells["frame"], "text/html")
    assert "3/3 sessions · 2 achieved · $0.0003" in shown(cells["run"], "stderr")
    last = notebook.cells[-1]
    assert "3/3 sessions · 3 achieved · $0.0003" in shown(last, "stderr")
    assert float(shown(last, "text/plain")) == pytest.approx(0.0003)
