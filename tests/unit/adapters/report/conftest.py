"""Recorded runs of every kind of end, made by hand as for the tests in the browser."""

import importlib.util
import sys
from pathlib import Path

RECORDED = Path(__file__).parents[3] / "browser" / "recorded.py"
spec = importlib.util.spec_from_file_location("recorded", RECORDED)
assert spec is not None
assert spec.loader is not None
if spec.name not in sys.modules:
    sys.modules[spec.name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules[spec.name])
