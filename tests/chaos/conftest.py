"""The counting server, by a name of its own, as the tests are no packages."""

import importlib.util
import sys
from pathlib import Path

_spec = importlib.util.spec_from_file_location(
    "chaos_counting", Path(__file__).with_name("counting.py")
)
_module = importlib.util.module_from_spec(_spec)
sys.modules.setdefault("chaos_counting", _module)
_spec.loader.exec_module(_module)
