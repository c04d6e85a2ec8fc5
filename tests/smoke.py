"""Run by CI in an environment that holds nothing but the wheel and what it requires."""

import importlib.metadata
import importlib.util
import runpy
import subprocess
import sys
from pathlib import Path

import convsim_adapters
import convsim_fp
from convsim_adapters import simulate

ROOT = Path(__file__).resolve().parents[1]

for package in (convsim_fp, convsim_adapters):
    folder = Path(next(iter(package.__path__)))
    assert not folder.is_relative_to(ROOT), f"{folder} is the source tree, not the wheel"
    assert (folder / "py.typed").exists(), f"{folder} has no py.typed"

for extra in ("click", "hypothesis", "litellm", "pytest", "rich", "tenacity", "yaml"):
    assert importlib.util.find_spec(extra) is None, f"{extra} is installed: not a bare environment"

try:
    importlib.import_module("convsim_fp.testing")
    needed = ""
except ModuleNotFoundError as error:
    needed = str(error)
assert "pip install 'convsim-fp[testing]'" in needed, "the test kit does not name what it needs"

command = [Path(sys.executable).with_name("convsim"), "demo"]
told = subprocess.run(command, capture_output=True, text=True, check=False)
assert told.returncode != 0, "the command runs without its extra"
assert "pip install 'convsim-fp[cli]'" in told.stderr, f"the command said {told.stderr!r}"

run = simulate(
    [{"goal": "greet", "script": ["Hello."], "goal_when": "hi"}],
    lambda messages: "Hi.",
    save=False,
)
assert run.achieved == 1, run

runpy.run_path(str(ROOT / "docs" / "examples" / "quickstart.py"), run_name="__main__")
print("convsim-fp", importlib.metadata.version("convsim-fp"), "works without extras")
